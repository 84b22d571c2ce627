// What the page's words look for when they are loaded and a worker lacks: the document that is told the
// language. To be imported first.
Object.assign(globalThis, { document: { documentElement: {} } });
