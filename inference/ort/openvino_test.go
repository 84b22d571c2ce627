//go:build cgo

package ort

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// openVINO opens a runtime whose OpenVINO offers this processor, or skips the test.
func openVINO(t testing.TB) *Runtime {
	t.Helper()
	rt, err := Open(Options{Library: golden.Library(), OpenVINO: golden.OpenVINO(t)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	if err := rt.OpenVINO(); err != nil {
		require.ErrorContains(t, err, "it does so on Intel processors only")
		t.Skip(err)
	}
	return rt
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		ab, aa, bb = ab+float64(a[i])*float64(b[i]), aa+float64(a[i])*float64(a[i]), bb+float64(b[i])*float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

func TestOpenVINOComputesWhatTheProcessorDoes(t *testing.T) {
	rt, cfg := openVINO(t), miniLM(t)
	want, err := newSession(t, rt, cfg).Run(t.Context(), typed(5, 40))
	require.NoError(t, err)
	cfg.Provider = inference.ProviderOpenVINO
	for precision, least := range map[string]float64{"": 0.9999999, inference.PrecisionBF16: 0.999, inference.PrecisionFP16: 0.9999} {
		cfg.Precision = precision
		s := newSession(t, rt, cfg)
		require.Equal(t, 1.0, s.(*session).Placed(), "the fused operators run there too")
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				for range 5 {
					got, err := s.Run(context.Background(), typed(5, 40))
					if err != nil {
						t.Error(err)
						return
					}
					for i := range 5 {
						if c := cosine(want.Row(i), got.Row(i)); c < least {
							t.Errorf("%q: cosine %f", precision, c)
						}
					}
				}
			})
		}
		group.Wait()
		for _, shape := range [][2]int{{1, 1}, {33, 3}, {2, 256}, {7, 31}} {
			out, err := s.Run(t.Context(), typed(shape[0], shape[1]))
			require.NoError(t, err, "any shape runs")
			require.Len(t, out.Values, shape[0]*384)
		}
	}
}

func TestOpenVINOHoldsItsThreads(t *testing.T) {
	if os.Getenv("QUADRATE_TEST_CHILD") != "openvino threads" {
		runChild(t, "openvino threads")
		return
	}
	rt, cfg := openVINO(t), miniLM(t)
	cfg.Provider, cfg.Threads = inference.ProviderOpenVINO, 1
	s := newSession(t, rt, cfg)
	_, err := s.Run(t.Context(), typed(8, 64))
	require.NoError(t, err)
	before := threads(t)
	for range 10 {
		_, err := s.Run(t.Context(), typed(8, 64))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, threads(t), before+1)
}

func TestOpenVINOThatIsNotThere(t *testing.T) {
	// A process that has OpenVINO keeps it.
	if os.Getenv("QUADRATE_TEST_CHILD") != "no openvino" {
		runChild(t, "no openvino")
		return
	}
	rt, cfg := openTest(t)
	cfg.Provider = inference.ProviderOpenVINO
	rt.openVINO = "/no/such/" + openVINOLibrary
	_, err := rt.NewSession(cfg)
	require.ErrorIs(t, err, inference.ErrProvider)
	require.NotErrorIs(t, err, inference.ErrNotInstalled)
	require.ErrorContains(t, err, "openvino: OpenVINO library (runtime.openvino_library, QUADRATE_OPENVINO_LIBRARY): stat /no/such")
	rt.openVINO = filepath.Join(t.TempDir(), openVINOLibrary)
	require.NoError(t, os.WriteFile(rt.openVINO, []byte("x"), 0o600))
	require.ErrorContains(t, rt.OpenVINO(), "OpenVINO library "+rt.openVINO+": ")
	rt.openVINO, rt.library = "", "/no/such/place/libonnxruntime.so"
	t.Chdir(t.TempDir())
	require.ErrorIs(t, rt.OpenVINO(), inference.ErrNotInstalled)
	require.ErrorContains(t, rt.OpenVINO(), "run `make setup-openvino`")
}

func TestOptionsOfOpenVINO(t *testing.T) {
	options, err := openVINOOptions(inference.SessionConfig{Threads: 3, Precision: inference.PrecisionBF16})
	require.NoError(t, err)
	require.Len(t, options, 1)
	require.JSONEq(t, `{"CPU":{"INFERENCE_PRECISION_HINT":"bf16","INFERENCE_NUM_THREADS":"3","NUM_STREAMS":"1","ENABLE_CPU_PINNING":"NO"}}`, options["load_config"])
	options, err = openVINOOptions(inference.SessionConfig{Threads: 1})
	require.NoError(t, err)
	require.Contains(t, options["load_config"], `"f32"`)
	_, err = openVINOOptions(inference.SessionConfig{Precision: "int4"})
	require.ErrorContains(t, err, `openvino does not compute in "int4"`)
}
