//go:build !cgo

package main

import "errors"

func openNative(string, int) (native, error) {
	return nil, errors.New("this program was built without cgo and has no ONNX Runtime; build it with cgo")
}
