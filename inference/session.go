package inference

import (
	"context"
	"errors"
)

// Batch is the padded input of one run. Rows are right-padded to Length; a row's real tokens
// are those where Mask is 1.
type Batch struct {
	Rows, Length int
	// IDs, Mask, Types and Positions are row-major [Rows, Length]. Types is nil for models
	// without token types, Positions for models that count them by themselves.
	IDs, Mask, Types, Positions []int64
	// States asks a session that pools token states for the states themselves.
	States bool
	// Memory may hold the output, if it is large enough; nil: the session makes its own.
	Memory []float32
}

// Output is the result of one run: row-major [Rows, Width], or [Rows, Length, Width] where
// Length is not 0. The states of padding are whatever the graph makes of it.
type Output struct {
	Length, Width int
	Values        []float32
}

// Row returns row i, sharing memory with o.
func (o Output) Row(i int) []float32 {
	size := max(1, o.Length) * o.Width
	return o.Values[i*size : (i+1)*size : (i+1)*size]
}

// sound reports whether all numbers are finite. Those of states are not looked at: there are
// many, and padding's may be anything.
func (o Output) sound() bool { return o.Length > 0 || finite(o.Values) }

// Session runs one model graph. Run may be called by several goroutines at once; the batch
// and the output belong to the caller again when it returns. A run whose context ends is
// given up as soon as the runtime notices, and fails with the context's error. Close waits for
// runs under way, however long they take. An error of Run, or of making a session, wraps
// ErrOutOfMemory or ErrDevice where one of them is the cause.
type Session interface {
	Run(ctx context.Context, batch Batch) (Output, error)
	Close() error
}

// SessionConfig says what a Session is to run and on what.
type SessionConfig struct {
	// File is the path of the ONNX file.
	File string
	// Inputs names the graph's inputs: input_ids, and perhaps attention_mask, token_type_ids and
	// position_ids. They take int64.
	Inputs []string
	// Int32 names those of Inputs that take int32.
	Int32 []string
	// Output names the graph's output, float32 [rows, Width].
	Output string
	Width  int
	// States says that the output is [rows, length, Width].
	States bool
	// Half says that the output is float16; it is given as float32.
	Half bool
	// Provider is one of Providers, never "auto".
	Provider string
	// Precision is what the provider computes in where that is less than the graph's own:
	// PrecisionFP16 or PrecisionBF16; empty: as the graph says. OpenVINO only.
	Precision string
	// Device is the accelerator's number; unused on a CPU.
	Device int
	// Threads of one run on a CPU, at least 1.
	Threads int
	// GPUMemLimit bounds the device's arena in bytes; 0: no bound.
	GPUMemLimit int64
	// PadID fills what a session adds to a batch; TensorRT only.
	PadID int64
	// Profile bounds the batches that the session must take; TensorRT only.
	Profile *Profile
	// EngineCache is the folder of built engines; TensorRT only.
	EngineCache string
}

// Placed is a Session that knows where its graph runs.
type Placed interface {
	// Placed is the share of the graph's matrix products and attentions that the provider of
	// the configuration was given, of 1; the rest runs on the CPU.
	Placed() float64
}

// The execution providers there is code for.
const (
	ProviderAuto     = "auto"
	ProviderCPU      = "cpu"
	ProviderCUDA     = "cuda"
	ProviderTensorRT = "tensorrt"
	ProviderOpenVINO = "openvino"
)

// OnGPU reports whether a provider runs on a GPU.
func OnGPU(provider string) bool { return provider == ProviderCUDA || provider == ProviderTensorRT }

// The precisions that a provider may compute an fp32 graph in.
const (
	PrecisionFP16 = "fp16"
	PrecisionBF16 = "bf16"
)

// ErrProvider is wrapped by the error of a session whose execution provider cannot be loaded,
// or that the provider does not make.
var ErrProvider = errors.New("execution provider not available")

// ErrNotInstalled is wrapped beside ErrProvider where nobody has set the provider up, so that
// nobody is surprised when it does not serve.
var ErrNotInstalled = errors.New("not installed")

// ErrOutOfMemory is wrapped by the error of a run that found too little memory.
var ErrOutOfMemory = errors.New("out of memory")

// ErrDevice is wrapped by the error of a run whose device is beyond repair for this process:
// every further call would fail as well.
var ErrDevice = errors.New("the device cannot be used any more by this process")
