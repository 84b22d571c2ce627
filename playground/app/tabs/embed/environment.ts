// What the page's words look for when they are loaded and a worker lacks: where the language is kept, and
// the document that is told of it. The worker bears its language as its name. To be imported first.
Object.assign(globalThis, {
  localStorage: { getItem: () => self.name, setItem: () => {}, removeItem: () => {} },
  document: { documentElement: {} },
});
