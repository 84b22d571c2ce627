//go:build !cgo

package ort

// Available reports whether this build can run ONNX graphs.
const Available = false
