//go:build cgo

package ort

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// These tests give what we pass to the real providers, which read it with their own parsers.
// `make test-gpu-options` fetches them, puts stand-ins in the place of NVIDIA's libraries and
// sets the variable.
func gpuRuntime(t *testing.T) (*Runtime, inference.SessionConfig) {
	t.Helper()
	library := os.Getenv("QUADRATE_GPU_LIBRARY")
	if library == "" {
		t.Skip("run `make test-gpu-options`: it needs ONNX Runtime's GPU build (255 MB)")
	}
	rt, err := Open(Options{Library: library})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Close()) })
	dir := golden.Model(t, "testmodels/xlmr-rerank")
	return rt, inference.SessionConfig{File: filepath.Join(dir, "model.onnx"), Inputs: []string{"input_ids", "attention_mask"}, Output: "logits", Width: 1,
		Threads: 1, GPUMemLimit: 1 << 30, EngineCache: filepath.Join(t.TempDir(), "trt"), Profile: &inference.Profile{MinRows: 2, MaxRows: 8, MinLength: 1, MaxLength: 64}}
}

func TestGPUOptionsAreAccepted(t *testing.T) {
	rt, cfg := gpuRuntime(t)
	built, err := rt.Providers()
	require.NoError(t, err)
	require.Subset(t, built, []string{"TensorrtExecutionProvider", "CUDAExecutionProvider"})
	require.NoError(t, rt.CUDA())
	require.NoError(t, rt.TensorRT())
	require.NoError(t, withOptions(func(opts *onnx.SessionOptions) error { return appendCUDA(opts, cfg) }))
	require.NoError(t, withOptions(func(opts *onnx.SessionOptions) error { return rt.appendTensorRT(opts, cfg) }))
	// So are those of a graph with its weights beside it.
	big := cfg
	big.File = filepath.Join(t.TempDir(), "model.onnx")
	require.NoError(t, os.WriteFile(big.File, []byte("graph"), 0o600))
	require.NoError(t, os.WriteFile(big.File+"_data", []byte("weights"), 0o600))
	big.EngineCache = t.TempDir()
	require.NoError(t, withOptions(func(opts *onnx.SessionOptions) error { return rt.appendTensorRT(opts, big) }))
	folders, err := filepath.Glob(filepath.Join(cfg.EngineCache, "*", "*"))
	require.NoError(t, err)
	require.Len(t, folders, 1)
	require.Equal(t, "ort"+rt.Version()+"-trt101300-Stand-in--GPU--sm90-cuda13000", filepath.Base(folders[0]))
}

// Without a device no session is made: in particular none that runs on the CPU instead.
func TestNoGPUNoSession(t *testing.T) {
	rt, cfg := gpuRuntime(t)
	for _, provider := range []string{inference.ProviderCUDA, inference.ProviderTensorRT} {
		cfg.Provider = provider
		_, err := rt.NewSession(cfg)
		require.ErrorIs(t, err, inference.ErrProvider)
		require.NotErrorIs(t, err, inference.ErrNotInstalled)
		require.ErrorContains(t, err, "no device: a stand-in library")
		t.Log(err)
	}
	cfg.Provider, cfg.Device = inference.ProviderCUDA, 9
	_, err := rt.NewSession(cfg)
	require.ErrorContains(t, err, "cuda: ")
	require.ErrorContains(t, err, "Invalid device ID: 9")
	cfg.Provider = inference.ProviderTensorRT
	_, err = rt.NewSession(cfg)
	require.ErrorContains(t, err, "tensorrt: CUDA's driver tells nothing of GPU 9")
	cfg.Device, cfg.Profile = 0, nil
	_, err = rt.NewSession(cfg)
	require.ErrorContains(t, err, "a profile and a folder for the engines (runtime.tensorrt_cache) are needed")
	cfg.Provider = inference.ProviderCPU
	newSession(t, rt, cfg)
}

// The parsers refuse what is wrong, so that what they accept above means something.
func TestWrongGPUOptionsAreRefused(t *testing.T) {
	gpuRuntime(t)
	for _, c := range []struct{ key, value, want string }{
		{"bogus_key", "1", `Unknown provider option: "bogus_key"`},
		{"gpu_mem_limit", "8GB", "gpu_mem_limit"},
		{"arena_extend_strategy", "kSometimes", "Failed to map enum name to value: kSometimes"},
		{"use_tf32", "perhaps", "use_tf32"},
	} {
		cuda, err := onnx.NewCUDAProviderOptions()
		require.NoError(t, err)
		err = cuda.Update(map[string]string{c.key: c.value})
		require.ErrorContains(t, err, c.want)
		t.Log(err)
		require.NoError(t, cuda.Destroy())
	}
	for _, c := range []struct{ key, value string }{{"trt_bogus", "1"}, {"trt_fp16_enable", "perhaps"}, {"device_id", "9"}} {
		err := withOptions(func(opts *onnx.SessionOptions) error {
			return appendTensorRTOptions(opts, map[string]string{c.key: c.value})
		})
		require.ErrorContains(t, err, c.key)
		t.Log(err)
	}
}

// Where NVIDIA's libraries are missing, the error names the one that is.
func TestMissingCUDALibraries(t *testing.T) {
	rt, cfg := gpuRuntime(t)
	if os.Getenv("QUADRATE_TEST_CHILD") != "no cuda" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), "QUADRATE_TEST_CHILD=no cuda", "LD_LIBRARY_PATH=")
		out, err := child.CombinedOutput()
		require.NoError(t, err, string(out))
		return
	}
	require.ErrorContains(t, rt.CUDA(), "libcublasLt.so.13: cannot open shared object file")
	require.ErrorContains(t, rt.TensorRT(), "cannot open shared object file")
	cfg.Provider = inference.ProviderCUDA
	_, err := rt.NewSession(cfg)
	require.ErrorIs(t, err, inference.ErrProvider)
	t.Log(err)
}
