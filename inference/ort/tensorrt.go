//go:build cgo

package ort

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

// TensorRT reports why the TensorRT provider cannot be loaded here, or nil.
func (r *Runtime) TensorRT() error {
	return withOptions(func(opts *onnx.SessionOptions) error {
		if err := appendTensorRTOptions(opts, map[string]string{"device_id": "0"}); err != nil {
			return err
		}
		_, err := gpu(0) // the provider loads without one
		return err
	})
}

// appendTensorRT appends CUDA behind TensorRT, for the nodes that TensorRT leaves.
func (r *Runtime) appendTensorRT(opts *onnx.SessionOptions, cfg inference.SessionConfig) error {
	if cfg.Profile == nil || cfg.EngineCache == "" {
		return errors.New("a profile and a folder for the engines (runtime.tensorrt_cache) are needed")
	}
	device, err := gpu(cfg.Device)
	if err != nil {
		return err
	}
	graph, err := r.digest(cfg.File)
	if err != nil {
		return err
	}
	folder := engineFolder(cfg.EngineCache, graph, r.version, tensorRT(), device)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("runtime.tensorrt_cache: %w", err)
	}
	if err := appendTensorRTOptions(opts, tensorRTOptions(cfg, folder)); err != nil {
		return err
	}
	return appendCUDA(opts, cfg)
}

func appendTensorRTOptions(opts *onnx.SessionOptions, options map[string]string) error {
	trt, err := onnx.NewTensorRTProviderOptions()
	if err != nil {
		return notBuilt(err)
	}
	defer func() { _ = trt.Destroy() }()
	environment.pinned.Store(true)
	// One Update: each resets the keys that it does not name.
	if err := trt.Update(options); err != nil {
		return readable(err)
	}
	return readable(opts.AppendExecutionProviderTensorRT(trt))
}

func tensorRTOptions(cfg inference.SessionConfig, folder string) map[string]string {
	p := cfg.Profile
	options := map[string]string{
		"device_id":       strconv.Itoa(cfg.Device),
		"trt_fp16_enable": "1",
		// Squares of activations leave fp16's range there.
		"trt_layer_norm_fp32_fallback": "1",
		"trt_engine_cache_enable":      "1",
		"trt_engine_cache_path":        folder,
		"trt_engine_cache_prefix":      fmt.Sprintf("%dx%d", p.MaxRows, p.MaxLength),
		"trt_timing_cache_enable":      "1",
		"trt_timing_cache_path":        folder,
		"trt_profile_min_shapes":       shapes(cfg.Inputs, p.MinRows, p.MinLength),
		"trt_profile_opt_shapes":       shapes(cfg.Inputs, p.MaxRows, p.MaxLength),
		"trt_profile_max_shapes":       shapes(cfg.Inputs, p.MaxRows, p.MaxLength),
	}
	if _, err := os.Stat(sideFile(cfg.File)); err == nil {
		// TensorRT's parser does not find weights beside the graph; ONNX Runtime has them.
		options["trt_load_user_initializer"] = "1"
	}
	return options
}

// sideFile is where the exporter puts weights that do not fit a file of 2 GB.
func sideFile(file string) string { return file + "_data" }

// shapes writes the same shape for every input, as TensorRT's provider reads it:
// "input_ids:1x8,attention_mask:1x8".
func shapes(inputs []string, rows, length int) string {
	list := make([]string, len(inputs))
	for i, name := range inputs {
		list[i] = fmt.Sprintf("%s:%dx%d", name, rows, length)
	}
	return strings.Join(list, ",")
}

// engineFolder is where the engines of a graph lie. An engine serves only what it was built of
// and for, so all of that is in the name: the graph with its weights, the libraries, the GPU.
func engineFolder(cache, graph, version string, tensorrt int, device string) string {
	built := fmt.Sprintf("ort%s trt%d %s", version, tensorrt, device)
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' {
			return r
		}
		return '-'
	}, built)
	return filepath.Join(cache, graph[:32], plain)
}

// digest remembers contentDigest: a model's engines are opened one after the other, and reading
// its weights takes seconds.
func (r *Runtime) digest(file string) (string, error) {
	stat, err := os.Stat(file)
	if err != nil {
		return "", fmt.Errorf("model file: %w", err)
	}
	key := fmt.Sprint(file, stat.Size(), stat.ModTime())
	if known, ok := r.digests.Load(key); ok {
		return known.(string), nil
	}
	digest, err := contentDigest(file)
	if err == nil {
		r.digests.Store(key, digest)
	}
	return digest, err
}

// contentDigest is the SHA-256 of a graph's file and of the weights beside it, in hexadecimal.
func contentDigest(file string) (string, error) {
	hash := sha256.New()
	for _, name := range []string{file, sideFile(file)} {
		f, err := os.Open(name)
		if name != file && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("model file: %w", err)
		}
		_, err = io.Copy(hash, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", fmt.Errorf("model file: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
