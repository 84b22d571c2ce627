//go:build cgo

package main

import (
	"github.com/quadrate-maas/quadrate/inference/ort"
	"github.com/quadrate-maas/quadrate/tokenizer"
	"github.com/quadrate-maas/quadrate/tokenizer/hf"
)

type onnx struct{ *ort.Runtime }

func openNative(library string, threads int) (native, error) {
	rt, err := ort.Open(ort.Options{Library: library, Threads: threads})
	if err != nil {
		return nil, err
	}
	return onnx{rt}, nil
}

func (onnx) NewEncoder(tokenizerJSON []byte) (tokenizer.Encoder, error) { return hf.New(tokenizerJSON) }
