// Package ort runs model graphs on ONNX Runtime. It is the only importer of onnxruntime_go.
//
// It knows shapes and execution providers, not what the numbers mean. All of it needs cgo;
// without cgo only Available remains, and says so.
package ort
