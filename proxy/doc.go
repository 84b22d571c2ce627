// Package proxy serves models of other servers: Ollama, TEI, vLLM, Infinity, another Quadrate,
// and whatever speaks OpenAI's, Cohere's or Jina's API.
//
// A route makes a [models.Entry] whose model asks an upstream. An upstream is one server, or
// several that are alike, behind a pool that balances, retries, ejects and bounds. A dialect, one
// file each, turns what the models package asks into HTTP requests and their answers into its
// results; an answer is believed only when it is complete and its numbers are finite.
//
// The package knows no configuration format, no metrics and no log: it is given Options and
// tells of what happens through Hooks. What it takes from a client are texts and fields, never
// headers, so no client's credentials can leave by it.
package proxy
