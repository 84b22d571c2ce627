// Package models says what a model is, what may be asked of it and how it may fail.
//
// It is the waist of the program: the HTTP layer calls [Embedder] and [Reranker], and
// local, proxied and managed models implement them. The package knows no HTTP, no tensors
// and no configuration format, and it imports nothing else of this module.
package models
