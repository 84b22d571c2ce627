//go:build cgo

package ort

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
)

func TestOptionsOfTensorRT(t *testing.T) {
	cfg := inference.SessionConfig{Device: 1, Inputs: []string{"input_ids", "attention_mask"}, Profile: &inference.Profile{MinRows: 2, MaxRows: 32, MinLength: 65, MaxLength: 256}}
	require.Equal(t, map[string]string{
		"device_id": "1", "trt_fp16_enable": "1", "trt_layer_norm_fp32_fallback": "1",
		"trt_engine_cache_enable": "1", "trt_engine_cache_path": "/f", "trt_engine_cache_prefix": "32x256",
		"trt_timing_cache_enable": "1", "trt_timing_cache_path": "/f",
		"trt_profile_min_shapes": "input_ids:2x65,attention_mask:2x65",
		"trt_profile_opt_shapes": "input_ids:32x256,attention_mask:32x256",
		"trt_profile_max_shapes": "input_ids:32x256,attention_mask:32x256",
	}, tensorRTOptions(cfg, "/f"))
	cfg.File = filepath.Join(t.TempDir(), "model_trt.onnx")
	require.NotContains(t, tensorRTOptions(cfg, "/f"), "trt_load_user_initializer")
	require.NoError(t, os.WriteFile(cfg.File+"_data", nil, 0o600))
	require.Equal(t, "1", tensorRTOptions(cfg, "/f")["trt_load_user_initializer"])
}

func TestEnginesOfOtherThingsLieElsewhere(t *testing.T) {
	const graph = "0123456789abcdef0123456789abcdef0123456789abcdef"
	base := engineFolder("/c", graph, "1.31.1", 101300, "NVIDIA H200 sm90 cuda13000")
	require.Equal(t, "/c/0123456789abcdef0123456789abcdef/ort1.31.1-trt101300-NVIDIA-H200-sm90-cuda13000", base)
	for _, other := range []string{
		engineFolder("/c", "f"+graph, "1.31.1", 101300, "NVIDIA H200 sm90 cuda13000"),
		engineFolder("/c", graph, "1.31.2", 101300, "NVIDIA H200 sm90 cuda13000"),
		engineFolder("/c", graph, "1.31.1", 101301, "NVIDIA H200 sm90 cuda13000"),
		engineFolder("/c", graph, "1.31.1", 101300, "NVIDIA L4 sm89 cuda13000"),
	} {
		require.NotEqual(t, base, other)
	}
}

func TestDigestOfAModel(t *testing.T) {
	r, file := &Runtime{}, filepath.Join(t.TempDir(), "model.onnx")
	_, err := r.digest(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(file, []byte("graph"), 0o600))
	first, err := r.digest(file)
	require.NoError(t, err)
	require.Len(t, first, 64)
	require.NoError(t, os.WriteFile(file+"_data", []byte("weights"), 0o600))
	again, err := r.digest(file)
	require.NoError(t, err)
	require.Equal(t, first, again, "it is remembered as long as the graph's file is the same")
	second, err := contentDigest(file)
	require.NoError(t, err)
	require.NotEqual(t, first, second, "weights beside the graph count")
}

func TestReadableErrors(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain",
		`/onnxruntime_src/a.cc:63 static A B::C(const D&) [ONNXRuntimeError] : 1 : FAIL : options.h:182 Parse Unknown provider option: "x".`:                                                                                                           `options.h:182 Parse Unknown provider option: "x".`,
		"Error creating C session: /onnxruntime_src/c.cc:1 f [with T = int] /onnxruntime_src/c.cc:2 g CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=secret ; file=/onnxruntime_src/d.cc ; line=3 ; expr=cudaSetDevice(0); ": "CUDA failure 100: no CUDA-capable device is detected",
	} {
		require.EqualError(t, readable(errors.New(text)), want)
	}
	require.NoError(t, readable(nil))
}
