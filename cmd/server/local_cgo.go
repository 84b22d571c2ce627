//go:build cgo

package main

import (
	"context"
	"fmt"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/inference/ort"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
	"github.com/quadrate-maas/quadrate/tokenizer/hf"
)

// onnxLocals runs local models on ONNX Runtime.
type onnxLocals struct {
	*ort.Runtime
	gate *tokenizer.Gate
}

func newLocalRuntime(cfg *config.Config) (localRuntime, error) {
	rt, err := ort.Open(ort.Options{Library: cfg.Runtime.Library, OpenVINO: cfg.Runtime.OpenVINO, Threads: cfg.Runtime.Threads})
	if err != nil {
		return nil, err
	}
	return onnxLocals{Runtime: rt, gate: tokenizer.NewGate(0)}, nil
}

func (o onnxLocals) GPU(provider string) error {
	switch provider {
	case "", inference.ProviderAuto, inference.ProviderCUDA:
		return o.CUDA()
	case inference.ProviderTensorRT:
		return o.TensorRT()
	default:
		return fmt.Errorf("provider %s runs on the CPU", provider)
	}
}

func (o onnxLocals) Check(spec models.Spec) error {
	if spec.Runtime.Fallback {
		return nil
	}
	switch spec.Runtime.Provider {
	case inference.ProviderCUDA:
		return o.CUDA()
	case inference.ProviderTensorRT:
		return o.TensorRT()
	case inference.ProviderOpenVINO:
		return o.OpenVINO()
	default:
		return nil
	}
}

func (o onnxLocals) Engine() string { return "ONNX Runtime " + o.Version() }

func (o onnxLocals) Describe() string { return o.Engine() + " from " + o.Library() }

func (o onnxLocals) Open(ctx context.Context, spec models.Spec, hooks localHooks) (inference.Model, error) {
	return inference.Open(ctx, spec, inference.Deps{
		NewSession:     o.NewSession,
		NewEncoder:     newEncoder,
		Gate:           o.gate,
		RequestTimeout: hooks.requestTimeout,
		OnRun:          hooks.onRun,
		OnEvent:        hooks.onEvent,
	})
}

func newEncoder(tokenizerJSON []byte) (tokenizer.Encoder, error) { return hf.New(tokenizerJSON) }
