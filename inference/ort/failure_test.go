//go:build cgo

package ort

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
)

func TestErrorsAreClassified(t *testing.T) {
	const prefix = "Error running network: Non-zero status code returned while running MatMul node. Name:'m' Status Message: "
	for text, want := range map[string]error{
		"Failed to allocate memory for requested buffer of size 123":                                                            inference.ErrOutOfMemory,
		prefix + "CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; file=cuda_call.cc ; line=1 ; expr=cudaMalloc(&p, size);": inference.ErrOutOfMemory,
		"std::bad_alloc": inference.ErrOutOfMemory,
		prefix + "CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; hostname=h ; expr=cudaStreamSynchronize(stream);": inference.ErrDevice,
		prefix + "CUDA failure 214: uncorrectable ECC error encountered ; GPU=1 ; hostname=h":                                            inference.ErrDevice,
		prefix + "CUDA failure 719: unspecified launch failure ; GPU=0 ; hostname=h":                                                     inference.ErrDevice,
		prefix + "CUDA error executing cudaMemcpyAsync: device-side assert triggered":                                                    inference.ErrDevice,
		prefix + "CUDA failure 716: misaligned address ; GPU=0 ; CUDA failure 2: out of memory":                                          inference.ErrDevice,
		prefix + "CUDA failure 1: invalid argument ; GPU=0 ; hostname=h":                                                                 nil,
		prefix + "CUDA failure 100: no CUDA-capable device is detected ; GPU=0 ; hostname=h":                                             nil,
		"Invalid input name: misaligned address":                                                                                         nil,
		"Unexpected input data type. Actual: (tensor(int32)) , expected: (tensor(int64))":                                                nil,
	} {
		err := errors.New(text)
		got := classify(err)
		require.ErrorIs(t, got, err)
		for _, kind := range []error{inference.ErrOutOfMemory, inference.ErrDevice} {
			require.Equal(t, want != nil && errors.Is(want, kind), errors.Is(got, kind), text)
		}
	}
	require.NoError(t, classify(nil))
}
