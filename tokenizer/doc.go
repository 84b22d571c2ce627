// Package tokenizer turns texts into the token ids a model is fed: one text, or a query
// with each of many documents. It lays special tokens out by the model's own template,
// truncates, and spreads the work over a bounded number of goroutines.
//
// It deliberately does not know how a text becomes ids (that is an Encoder: tokenizer/hf
// for the real ones), nor batches, tensors, requests or models.
//
// # Long texts
//
// A text far longer than the model takes is not encoded in full. A part of it is, cut
// between two words, and so long that at least margin tokens more than needed come out;
// these are dropped. The kept tokens are those of the whole text wherever the tokenizer
// splits at spaces before it looks for tokens (WordPiece, byte-level BPE, and Unigram with
// Metaspace all do), since then nothing after the cut has a say in what stands before it,
// and the other way round. A text without any space between letters in half of the part
// is cut between two characters. There the margin is what protects: a wrong token reaches
// back to the start of its word, which WordPiece bounds at 100 characters, while the best
// paths of Unigram and BPE come together after a few tokens. What is left are words
// without an end: in a run of one repeated character, or one word of several thousand
// characters, that lies over the cut and begins inside the kept tokens, these may differ
// from those of the whole text.
//
// Of a text that has hardly any tokens (blank, or one endless word) some hundred kilobytes
// are read (sparseBytesPerToken, sparseBytes); the rest is cut off, and the encoding says
// Truncated, since an encoder's memory grows with what it reads, about 100 times as much.
package tokenizer
