// Package inference serves a local model: it tokenises, batches and runs what package models
// asks for, and does in Go what the graph leaves out (L2 norm, activation, cosine).
//
// It knows no ONNX Runtime and no tokenizer library, only the interfaces Session and
// tokenizer.Encoder; inference/ort and tokenizer/hf implement them.
package inference
