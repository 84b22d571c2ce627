package inference

import (
	"context"
	"errors"
)

// Batch is the padded input of one run. Rows are right-padded to Length; a row's real tokens
// are those where Mask is 1.
type Batch struct {
	Rows, Length int
	// IDs, Mask and Types are row-major [Rows, Length]. Types is nil for models without
	// token types.
	IDs, Mask, Types []int64
}

// Output is the result of one run, row-major [Rows, Width].
type Output struct {
	Width  int
	Values []float32
}

// Row returns row i, sharing memory with o.
func (o Output) Row(i int) []float32 {
	return o.Values[i*o.Width : (i+1)*o.Width : (i+1)*o.Width]
}

// Session runs one model graph. Run may be called by several goroutines at once; the batch
// and the output belong to the caller again when it returns. A run whose context ends is
// given up as soon as the runtime notices, and fails with the context's error.
type Session interface {
	Run(ctx context.Context, batch Batch) (Output, error)
	Close() error
}

// SessionConfig says what a Session is to run and on what.
type SessionConfig struct {
	// File is the path of the ONNX file.
	File string
	// Inputs names the graph's inputs: input_ids, attention_mask and perhaps token_type_ids.
	Inputs []string
	// Output names the graph's output, float32 [rows, Width].
	Output string
	Width  int
	// Provider is one of Providers, never "auto".
	Provider string
	// Device is the accelerator's number; unused on a CPU.
	Device int
	// Threads of one run on a CPU, at least 1.
	Threads int
	// GPUMemLimit bounds the device's arena in bytes; 0: no bound.
	GPUMemLimit int64
}

// The execution providers there is code for.
const (
	ProviderAuto = "auto"
	ProviderCPU  = "cpu"
	ProviderCUDA = "cuda"
)

// ErrProvider is wrapped by the error of a session whose execution provider cannot be loaded.
var ErrProvider = errors.New("execution provider not available")

// ErrOutOfMemory is wrapped by the error of a run that found too little memory.
var ErrOutOfMemory = errors.New("out of memory")
