//go:build cgo

package ort

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// openTest opens the small XLM-R reranker: one logit a row.
func openTest(t testing.TB) (*Runtime, inference.SessionConfig) {
	t.Helper()
	dir := golden.Model(t, "testmodels/xlmr-rerank")
	rt, err := Open(Options{Library: golden.Library()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	return rt, inference.SessionConfig{File: filepath.Join(dir, "model.onnx"), Inputs: []string{"input_ids", "attention_mask"},
		Output: "logits", Width: 1, Provider: inference.ProviderCPU, Threads: 1}
}

func newSession(t testing.TB, rt *Runtime, cfg inference.SessionConfig) inference.Session {
	t.Helper()
	s, err := rt.NewSession(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// batch makes rows of the same length, each of other ids.
func batch(rows, length int) inference.Batch {
	b := inference.Batch{Rows: rows, Length: length, IDs: make([]int64, rows*length), Mask: make([]int64, rows*length)}
	for i := range b.IDs {
		b.IDs[i], b.Mask[i] = int64(5+i%97), 1
	}
	return b
}

func TestRunsAreSafeTogether(t *testing.T) {
	rt, cfg := openTest(t)
	require.Regexp(t, `^1\.\d+\.\d+$`, rt.Version())
	s := newSession(t, rt, cfg)
	want, err := s.Run(t.Context(), batch(6, 20))
	require.NoError(t, err)
	require.Len(t, want.Values, 6)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				got, err := s.Run(context.Background(), batch(6, 20))
				if err != nil || golden.Difference(want.Values, got.Values) > 1e-6 {
					t.Errorf("%v: %v, want %v", err, got.Values, want.Values)
				}
			}
		})
	}
	group.Wait()
}

func TestARunIsGivenUpWhenItsContextEnds(t *testing.T) {
	rt, cfg := openTest(t)
	cfg.File = filepath.Join(golden.Model(t, "models/all-MiniLM-L6-v2"), "model.onnx")
	cfg.Inputs, cfg.Output, cfg.Width = append(cfg.Inputs, "token_type_ids"), "sentence_embedding", 384
	s := newSession(t, rt, cfg)
	big := batch(16, 256)
	big.Types = make([]int64, len(big.IDs))
	start := time.Now()
	_, err := s.Run(t.Context(), big)
	require.NoError(t, err)
	whole := time.Since(start)
	ctx, cancel := context.WithTimeout(t.Context(), whole/20)
	defer cancel()
	_, err = s.Run(ctx, big)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the whole run took %s", whole)
	_, err = s.Run(t.Context(), inference.Batch{Rows: 1, Length: 2, IDs: []int64{101, 102}, Mask: []int64{1, 1}, Types: []int64{0, 0}})
	require.NoError(t, err, "the session serves after a run that was given up")
}

func TestAnEndedContextRunsNothing(t *testing.T) {
	rt, cfg := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newSession(t, rt, cfg).Run(ctx, batch(1, 4))
	require.ErrorIs(t, err, context.Canceled)
}

func TestCloseWaitsAndEndsTheSession(t *testing.T) {
	rt, cfg := openTest(t)
	s, err := rt.NewSession(cfg)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				if _, err := s.Run(context.Background(), batch(4, 30)); err != nil {
					if err.Error() != "session is closed" {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	require.NoError(t, s.Close())
	group.Wait()
	require.NoError(t, s.Close())
}

func TestErrorsOfASession(t *testing.T) {
	rt, cfg := openTest(t)
	broken := filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(broken, []byte("not a model"), 0o600))
	for name, c := range map[string]struct {
		change func(*inference.SessionConfig)
		want   string
	}{
		"no file":     {func(c *inference.SessionConfig) { c.File = "/no/such/model.onnx" }, "model file: stat /no/such/model.onnx"},
		"not a model": {func(c *inference.SessionConfig) { c.File = broken }, broken + ": "},
		"provider":    {func(c *inference.SessionConfig) { c.Provider = "metal" }, "metal: unknown"},
		"no cuda":     {func(c *inference.SessionConfig) { c.Provider = inference.ProviderCUDA }, "CUDA execution provider is not enabled in this build"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := cfg
			c.change(&changed)
			_, err := rt.NewSession(changed)
			require.ErrorContains(t, err, c.want)
		})
	}
	cfg.Inputs = append(cfg.Inputs, "token_type_ids")
	_, err := newSession(t, rt, cfg).Run(t.Context(), batch(2, 3))
	require.ErrorContains(t, err, `input "token_type_ids" holds 0 values, want 2 x 3`)
	cfg.Inputs, cfg.Output = cfg.Inputs[:2], "embedding"
	_, err = newSession(t, rt, cfg).Run(t.Context(), batch(2, 3))
	require.ErrorContains(t, err, "embedding")
	cfg.Output, cfg.Width = "logits", 3
	_, err = newSession(t, rt, cfg).Run(t.Context(), batch(2, 3))
	require.Error(t, err, "the graph gives one logit")
}

func TestLibrary(t *testing.T) {
	rt, _ := openTest(t)
	_, err := Open(Options{Library: "/no/such/libonnxruntime.so"})
	require.ErrorContains(t, err, "ONNX Runtime library (runtime.library, QUADRATE_ORT_LIBRARY): stat /no/such")
	other := filepath.Join(t.TempDir(), "libonnxruntime.so")
	require.NoError(t, os.WriteFile(other, []byte("x"), 0o600))
	_, err = Open(Options{Library: other})
	require.ErrorContains(t, err, "ONNX Runtime is already loaded from "+rt.Library())
	again, err := Open(Options{Library: golden.Library()})
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.NoError(t, again.Close())
	require.Error(t, rt.CUDA())
}

func TestOptionsOfCUDA(t *testing.T) {
	require.Equal(t, map[string]string{"device_id": "2", "arena_extend_strategy": "kSameAsRequested", "use_tf32": "0", "gpu_mem_limit": "1073741824"},
		cudaOptions(inference.SessionConfig{Device: 2, GPUMemLimit: 1 << 30}))
	require.NotContains(t, cudaOptions(inference.SessionConfig{}), "gpu_mem_limit")
}

func BenchmarkRun(b *testing.B) {
	rt, cfg := openTest(b)
	s := newSession(b, rt, cfg)
	in := batch(1, 8)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// ONNX Runtime's makers build their libraries so that they report their use, into a database
// below the user's cache folder first; see Open.
func TestTheLibraryReportsToNobody(t *testing.T) {
	if os.Getenv("QUADRATE_TEST_CHILD") == "1" {
		rt, cfg := openTest(t)
		newSession(t, rt, cfg)
		return
	}
	home := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestTheLibraryReportsToNobody$")
	// CI in the environment would silence the reports as well.
	child.Env = []string{"QUADRATE_TEST_CHILD=1", "HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "PATH=/usr/bin:/bin", "QUADRATE_REQUIRE_MODELS=" + os.Getenv("QUADRATE_REQUIRE_MODELS")}
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	var made []string
	require.NoError(t, filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			made = append(made, path)
		}
		return err
	}))
	require.Empty(t, made)
}
