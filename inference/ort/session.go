//go:build cgo

package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

var _ inference.Session = (*session)(nil)

// session wraps a binding's session. Runs share it under a read lock, so that Close waits for
// them and a late Run fails instead of touching freed memory.
type session struct {
	cfg    inference.SessionConfig
	mu     sync.RWMutex
	native *onnx.DynamicAdvancedSession
	placed float64
}

// NewSession loads a graph. That its inputs and output are those of cfg shows at the first
// run: asking the library beforehand would load the weights a second time.
func (r *Runtime) NewSession(cfg inference.SessionConfig) (inference.Session, error) {
	opts, err := r.sessionOptions(cfg)
	if err != nil {
		return nil, err
	}
	defer func() { _ = opts.Destroy() }()
	if _, err := os.Stat(cfg.File); err != nil {
		return nil, fmt.Errorf("model file: %w", err)
	}
	native, err := onnx.NewDynamicAdvancedSession(cfg.File, cfg.Inputs, []string{cfg.Output}, opts)
	trim()
	if err != nil {
		return nil, refused(cfg, err)
	}
	nodes, err := environment.native.nodes(native)
	if err != nil {
		_ = native.Destroy()
		return nil, fmt.Errorf("%s: which provider runs which node: %w", cfg.File, err)
	}
	return &session{cfg: cfg, native: native, placed: share(nodes, providerNames[cfg.Provider])}, nil
}

// refused says why a session was not made: beside the CPU, the provider is to blame unless
// memory or the device is.
func refused(cfg inference.SessionConfig, err error) error {
	err = fmt.Errorf("%s: %w", cfg.File, classify(readable(err)))
	if cfg.Provider == inference.ProviderCPU || errors.Is(err, inference.ErrOutOfMemory) || errors.Is(err, inference.ErrDevice) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", inference.ErrProvider, cfg.Provider, err)
}

// Placed implements inference.Placed.
func (s *session) Placed() float64 { return s.placed }

// Run implements inference.Session.
func (s *session) Run(ctx context.Context, batch inference.Batch) (inference.Output, error) {
	if err := ctx.Err(); err != nil {
		return inference.Output{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.native == nil {
		return inference.Output{}, errors.New("session is closed")
	}
	tensors, err := s.inputs(batch)
	defer destroy(tensors)
	if err != nil {
		return inference.Output{}, err
	}
	out, err := newOutput(s.cfg, batch)
	if err != nil {
		return inference.Output{}, err
	}
	defer out.destroy()
	if err := s.run(ctx, tensors, out.tensor); err != nil {
		return inference.Output{}, err
	}
	return out.values(), nil
}

func (s *session) run(ctx context.Context, inputs []onnx.Value, output onnx.Value) error {
	options, err := onnx.NewRunOptions()
	if err != nil {
		return err
	}
	defer func() { _ = options.Destroy() }()
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = options.Terminate()
		close(terminated)
	})
	err = s.native.RunWithOptions(inputs, []onnx.Value{output}, options)
	if !stop() {
		// Terminate must have returned before its options are destroyed.
		<-terminated
		if err != nil {
			return fmt.Errorf("run given up: %w", ctx.Err())
		}
	}
	return classify(err)
}

// inputs wraps the batch's slices as tensors in the order of the session's input names.
func (s *session) inputs(batch inference.Batch) ([]onnx.Value, error) {
	shape := onnx.NewShape(int64(batch.Rows), int64(batch.Length))
	data := map[string][]int64{"input_ids": batch.IDs, "attention_mask": batch.Mask, "token_type_ids": batch.Types, "position_ids": batch.Positions}
	tensors := make([]onnx.Value, 0, len(s.cfg.Inputs))
	for _, name := range s.cfg.Inputs {
		values := data[name]
		if len(values) != batch.Rows*batch.Length {
			return tensors, fmt.Errorf("input %q holds %d values, want %d x %d", name, len(values), batch.Rows, batch.Length)
		}
		tensor, err := s.input(name, shape, values)
		if err != nil {
			return tensors, fmt.Errorf("input %q: %w", name, err)
		}
		tensors = append(tensors, tensor)
	}
	return tensors, nil
}

func (s *session) input(name string, shape onnx.Shape, values []int64) (onnx.Value, error) {
	if !slices.Contains(s.cfg.Int32, name) {
		return onnx.NewTensor(shape, values)
	}
	narrow := make([]int32, len(values))
	for i, v := range values {
		narrow[i] = int32(v) //nolint:gosec // ids and positions are below the vocabulary's size and the maximum length
	}
	return onnx.NewTensor(shape, narrow)
}

func destroy(tensors []onnx.Value) {
	for _, t := range tensors {
		_ = t.Destroy()
	}
}

// Close implements inference.Session: it waits for runs under way.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil
	}
	err := s.native.Destroy()
	s.native = nil
	return err
}
