//go:build cgo

package ort

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// miniLM is the configuration of the real default model.
func miniLM(t testing.TB) inference.SessionConfig {
	dir := golden.Model(t, "models/all-MiniLM-L6-v2")
	return inference.SessionConfig{File: filepath.Join(dir, "model.onnx"), Inputs: []string{"input_ids", "attention_mask", "token_type_ids"},
		Output: "sentence_embedding", Width: 384, Provider: inference.ProviderCPU, Threads: inference.Threads(0)}
}

// BenchmarkThreads compares the process's pool with threads of the session's own.
func BenchmarkThreads(b *testing.B) {
	rt, _ := openTest(b)
	shared := newSession(b, rt, miniLM(b))
	environment.threads = -1
	own := newSession(b, rt, miniLM(b))
	environment.threads = inference.Threads(0)
	compare(b, []contestant{{"shared", shared}, {"own", own}})
}

// BenchmarkOpenVINO compares OpenVINO's precisions with ONNX Runtime's own kernels.
func BenchmarkOpenVINO(b *testing.B) {
	rt := openVINO(b)
	cfg := miniLM(b)
	list := []contestant{{"cpu", newSession(b, rt, cfg)}}
	cfg.Provider = inference.ProviderOpenVINO
	for _, precision := range []string{"", inference.PrecisionBF16, inference.PrecisionFP16} {
		cfg.Precision = precision
		list = append(list, contestant{"openvino" + precision, newSession(b, rt, cfg)})
	}
	compare(b, list)
}

type contestant struct {
	name    string
	session inference.Session
}

// compare runs the contestants one after the other at each shape, so that what else the
// machine does meets them all.
func compare(b *testing.B, list []contestant) {
	for _, shape := range [][2]int{{1, 16}, {8, 64}, {32, 64}, {8, 256}} {
		in := typed(shape[0], shape[1])
		for _, c := range list {
			b.Run(fmt.Sprintf("%dx%d/%s", shape[0], shape[1], c.name), func(b *testing.B) {
				for b.Loop() {
					_, err := c.session.Run(context.Background(), in)
					require.NoError(b, err)
				}
			})
		}
	}
}
