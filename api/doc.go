// Package api answers HTTP requests in the dialects that clients of embedding and reranking
// servers already speak: OpenAI, Cohere and Jina, and Text Embeddings Inference (TEI).
//
// It decodes, checks, finds the model in the catalog, calls it and encodes; it knows no
// tensors, no tokens and no configuration files, and it neither logs nor counts: it hands
// each request's RequestEvent to a hook.
//
// Where dialects leave a choice, this package takes it so:
//   - Nothing to embed (an absent or empty list) is refused; a blank string is a text and is
//     embedded, alone or in a list, because clients send "" for the blank parts of a batch.
//     A rerank's query must not be empty.
//   - Text longer than the model takes is cut unless the request says truncate: false or
//     "NONE", in TEI's dialect too.
//   - An object among a rerank's documents is scored by its "text", or by the fields named in
//     rank_fields: their values in the order of that list, a newline between them.
//   - null stands for an absent field everywhere, and unknown fields are ignored.
//   - Answers are never compressed: base64 vectors hardly shrink, and scores are few.
//   - All requests of one API key share a models.Caller.Tag; without a key, those of one client
//     address do, or of one IPv6 network of 64 bits.
//   - A request that names no model is given one that its caller may use.
//   - A key is taken from any of the headers that clients send one in, in whatever form; where
//     there are no keys, any is as good as none.
package api
