//go:build cgo

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/golden"
)

// bench runs the program briefly on a small model.
func bench(t *testing.T, model string, args ...string) (string, results) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "results.json")
	args = append([]string{
		"-model", golden.Model(t, model), "-library", golden.Library(), "-threads", "1", "-rounds", "2", "-duration", "20ms",
		"-documents", "5", "-tokens", "24", "-concurrency", "2", "-json", file,
	}, args...)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var r results
	require.NoError(t, json.Unmarshal(data, &r))
	return out.String(), r
}

func TestAnEmbeddingModelIsMeasured(t *testing.T) {
	out, r := bench(t, "testmodels/bert-mean", "-workload", "W1,W3", "-fifo8", "-variant", "fp32", "-provider", "cpu")
	require.Equal(t, []string{"cpu", "fp32"}, []string{r.Provider, r.Variant})
	require.Positive(t, r.StartUp)
	require.Positive(t, r.FileBytes)
	require.Greater(t, r.AtEnd.Peak, int64(1<<20))
	require.Greater(t, r.Peak["fp32"], 1e9)
	require.Greater(t, r.Peak["int8"], 1e9)
	require.Equal(t, "fp32", r.MFUOf)
	require.Len(t, r.Workloads, 2)
	for _, w := range r.Workloads {
		require.Len(t, w.Systems, 3)
		for _, s := range w.Systems {
			require.Positive(t, s.Tokens.Median, s.System)
			require.InDelta(t, 0.75, s.Efficiency, 0.2500001, s.System)
			require.Positive(t, s.MFU.Median)
			require.Less(t, s.MFU.Median, 1.0)
		}
	}
	require.Contains(t, out, "| W3 | 2 | engine |")
}

func TestAModelThatCannotBeOpenedIsSaid(t *testing.T) {
	args := []string{"-library", golden.Library(), "-model", filepath.Join(t.TempDir(), "nothing")}
	require.ErrorContains(t, run(t.Context(), args, io.Discard, io.Discard), "nothing")
	args = append(args, "-json", filepath.Join(t.TempDir(), "no", "folder.json"))
	require.ErrorContains(t, run(t.Context(), args, io.Discard, io.Discard), "-json: ")
}

func TestARerankerIsMeasuredAndSwept(t *testing.T) {
	out, r := bench(t, "testmodels/xlmr-rerank", "-sweep", "batch,sessions", "-workload", "W1,W4", "-peak=false")
	require.Len(t, r.Workloads, 1)
	require.Equal(t, []string{"W4: this model does not embed"}, r.Skipped[len(r.Skipped)-1:])
	require.Empty(t, r.Peak)
	require.Len(t, r.Sessions, mostSessions)
	require.NotEmpty(t, r.Batches)
	for _, b := range r.Batches {
		require.Positive(t, b.Tokens)
	}
	require.Contains(t, out, "| sessions | threads each | tok/s |")
}

func TestFiguresAreMeasuredAgainstARealServer(t *testing.T) {
	dir := t.TempDir()
	program, file := filepath.Join(dir, "quadrate"), filepath.Join(dir, "docs", "figures.md")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../server")
	text, err := build.CombinedOutput()
	require.NoError(t, err, string(text))
	out, r := bench(t, "testmodels/bert-mean", "-figures", file, "-server", program)
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, out, string(written))
	for _, name := range []string{"over HTTP less the run in ONNX Runtime alone", "padding efficiency of saturated W3, server over HTTP", "cold start to ready", "W4 p99 with W1 behind"} {
		require.Contains(t, out, name)
	}
	require.Len(t, r.Workloads, 5)
	for _, w := range r.Workloads {
		require.Len(t, w.Systems, 4)
		require.Positive(t, w.Systems[3].Efficiency, "the server's counters were read")
	}
}
