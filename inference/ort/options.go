//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

// sessionOptions makes the options of a session; the caller destroys them.
func (r *Runtime) sessionOptions(cfg inference.SessionConfig) (_ *onnx.SessionOptions, err error) {
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
	if err := setThreads(opts, cfg); err != nil {
		return nil, err
	}
	if cfg.Provider == inference.ProviderCPU {
		// The CPU's fused add and norm takes six times as long as its parts.
		if err := opts.AddSessionConfigEntry("optimization.disable_specified_optimizers", "SkipLayerNormFusion"); err != nil {
			return nil, err
		}
	}
	// Which provider got which node is asked once the session is made.
	if err := opts.AddSessionConfigEntry("session.record_ep_graph_assignment_info", "1"); err != nil {
		return nil, err
	}
	return opts, r.appendProvider(opts, cfg)
}

// setThreads gives a session the process's pool, where it asks for one of that size, or
// threads of its own. What a GPU leaves to the processor is too little for either.
func setThreads(opts *onnx.SessionOptions, cfg inference.SessionConfig) error {
	if !inference.OnGPU(cfg.Provider) && cfg.Threads == environment.threads {
		return environment.native.shareThreads(opts)
	}
	threads := cfg.Threads
	if inference.OnGPU(cfg.Provider) {
		threads = 1
	}
	if err := opts.SetInterOpNumThreads(1); err != nil {
		return err
	}
	if err := opts.SetIntraOpNumThreads(threads); err != nil {
		return err
	}
	// Spinning threads would take the cores from tokenising and HTTP between two runs.
	return opts.AddSessionConfigEntry("session.intra_op.allow_spinning", "0")
}

// appendProvider fails closed: the caller must not make a session of options whose provider
// was refused, because ONNX Runtime would run it on the CPU without a word.
func (r *Runtime) appendProvider(opts *onnx.SessionOptions, cfg inference.SessionConfig) (err error) {
	switch cfg.Provider {
	case inference.ProviderCPU:
	case inference.ProviderCUDA:
		err = appendCUDA(opts, cfg)
	case inference.ProviderTensorRT:
		err = r.appendTensorRT(opts, cfg)
	case inference.ProviderOpenVINO:
		err = r.appendOpenVINO(opts, cfg)
	default:
		err = errors.New("unknown")
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", inference.ErrProvider, cfg.Provider, err)
	}
	return nil
}

func appendCUDA(opts *onnx.SessionOptions, cfg inference.SessionConfig) error {
	cuda, err := onnx.NewCUDAProviderOptions()
	if err != nil {
		return notBuilt(err)
	}
	defer func() { _ = cuda.Destroy() }()
	environment.pinned.Store(true)
	// One Update: each resets the keys that it does not name.
	if err := cuda.Update(cudaOptions(cfg)); err != nil {
		return readable(err)
	}
	return readable(opts.AppendExecutionProviderCUDA(cuda))
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
	err := withOptions(func(opts *onnx.SessionOptions) error { return appendCUDA(opts, inference.SessionConfig{}) })
	if err != nil {
		return err
	}
	_, err = gpu(0) // the provider loads without one
	return err
}

func withOptions(use func(*onnx.SessionOptions) error) error {
	opts, err := onnx.NewSessionOptions()
	if err != nil {
		return err
	}
	defer func() { _ = opts.Destroy() }()
	return use(opts)
}

// readable takes from an error of ONNX Runtime's what only its makers can read: their source
// files and signatures before the reason, this machine's name and more of their source behind.
func readable(err error) error {
	if err == nil || !strings.Contains(err.Error(), "/onnxruntime_src/") {
		return err
	}
	text := err.Error()
	for _, mark := range []string{" FAIL : ", "CUDA failure "} {
		if i := strings.LastIndex(text, mark); i >= 0 {
			text = strings.TrimPrefix(text[i:], " FAIL : ")
		}
	}
	text, _, _ = strings.Cut(text, " ; GPU=")
	return errors.New(text)
}

// notBuilt marks the error of a library that was built without the provider.
func notBuilt(err error) error {
	if err != nil && strings.Contains(err.Error(), "not enabled in this build") {
		return fmt.Errorf("%w: %w The GPU libraries are those of ONNX Runtime's GPU package (scripts/setup/setup.sh onnxruntime-gpu puts them into var/gpu-lib); runtime.library (QUADRATE_ORT_LIBRARY) names its libonnxruntime.so", inference.ErrNotInstalled, err)
	}
	return err
}
