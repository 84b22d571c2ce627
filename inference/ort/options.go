//go:build cgo

package ort

import (
	"fmt"
	"strconv"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

// sessionOptions makes the options of a session; the caller destroys them.
func sessionOptions(cfg inference.SessionConfig) (_ *onnx.SessionOptions, err error) {
	opts, err := onnx.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = opts.Destroy()
		}
	}()
	if err := opts.SetGraphOptimizationLevel(onnx.GraphOptimizationLevelEnableAll); err != nil {
		return nil, err
	}
	if err := opts.SetExecutionMode(onnx.ExecutionModeSequential); err != nil {
		return nil, err
	}
	if err := opts.SetInterOpNumThreads(1); err != nil {
		return nil, err
	}
	if err := opts.SetIntraOpNumThreads(cfg.Threads); err != nil {
		return nil, err
	}
	// Spinning threads would take the cores from tokenising and HTTP between two runs.
	if err := opts.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"); err != nil {
		return nil, err
	}
	return opts, appendProvider(opts, cfg)
}

// appendProvider fails closed: the caller must not make a session of options whose provider
// was refused, because ONNX Runtime would run it on the CPU without a word.
func appendProvider(opts *onnx.SessionOptions, cfg inference.SessionConfig) error {
	switch cfg.Provider {
	case inference.ProviderCPU:
		return nil
	case inference.ProviderCUDA:
		if err := appendCUDA(opts, cfg); err != nil {
			return fmt.Errorf("%w: cuda: %w", inference.ErrProvider, err)
		}
		return nil
	default:
		return fmt.Errorf("%w: %q", inference.ErrProvider, cfg.Provider)
	}
}

func appendCUDA(opts *onnx.SessionOptions, cfg inference.SessionConfig) error {
	cuda, err := onnx.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer func() { _ = cuda.Destroy() }()
	// One Update: each resets the keys that it does not name.
	if err := cuda.Update(cudaOptions(cfg)); err != nil {
		return err
	}
	return opts.AppendExecutionProviderCUDA(cuda)
}

func cudaOptions(cfg inference.SessionConfig) map[string]string {
	options := map[string]string{
		"device_id": strconv.Itoa(cfg.Device),
		// The default doubles the arena at every growth, and it never shrinks.
		"arena_extend_strategy": "kSameAsRequested",
		// TF32 keeps 10 bits of the mantissa; fp32 answers are to equal the CPU's.
		"use_tf32": "0",
	}
	if cfg.GPUMemLimit > 0 {
		options["gpu_mem_limit"] = strconv.FormatInt(cfg.GPUMemLimit, 10)
	}
	return options
}

// CUDA reports why the CUDA provider cannot be loaded here, or nil.
func (r *Runtime) CUDA() error {
	opts, err := onnx.NewSessionOptions()
	if err != nil {
		return err
	}
	defer func() { _ = opts.Destroy() }()
	return appendCUDA(opts, inference.SessionConfig{})
}
