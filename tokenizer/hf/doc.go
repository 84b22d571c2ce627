// Package hf encodes texts and decodes ids by a Hugging Face tokenizer.json: the real
// tokenizer.Encoder. It is the only importer of github.com/daulet/tokenizers, and needs cgo and
// the static library libtokenizers.a, which is looked for in var/lib of the repository and in
// what CGO_LDFLAGS names. Without cgo this package is empty.
//
// It deliberately does not know special tokens, pairs, truncation or padding: these are
// package tokenizer's.
package hf
