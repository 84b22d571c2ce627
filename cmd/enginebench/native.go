package main

import (
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// native is what needs cgo: ONNX Runtime and the tokenizers library.
type native interface {
	NewSession(cfg inference.SessionConfig) (inference.Session, error)
	NewEncoder(tokenizerJSON []byte) (tokenizer.Encoder, error)
	// Version is ONNX Runtime's.
	Version() string
	Close() error
}
