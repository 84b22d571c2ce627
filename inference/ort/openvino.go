//go:build cgo

package ort

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

const (
	openVINOLibrary  = "libonnxruntime_providers_openvino_plugin.so"
	openVINOProvider = "OpenVINOExecutionProvider"
	// openVINOName is what the library is registered under; it is ours to choose.
	openVINOName = "quadrate-openvino"
)

// plugin is OpenVINO's library in the process's environment, registered at its first use and
// for good.
var plugin struct {
	sync.Mutex
	library string // empty: not registered
	devices []onnx.EpDevice
	refused error // why it cannot serve here, although it was loaded
}

// OpenVINO reports why the OpenVINO provider cannot serve here, or nil.
func (r *Runtime) OpenVINO() error {
	_, err := r.openVINODevices()
	return err
}

// openVINODevices registers the library at its first use and lists the processor it offers.
func (r *Runtime) openVINODevices() ([]onnx.EpDevice, error) {
	library, err := r.findOpenVINO()
	if err != nil {
		return nil, err
	}
	plugin.Lock()
	defer plugin.Unlock()
	if plugin.library == library {
		return plugin.devices, plugin.refused
	}
	if plugin.library != "" {
		return nil, fmt.Errorf("OpenVINO is already loaded from %s; one process cannot load %s too", plugin.library, library)
	}
	environment.pinned.Store(true)
	if err := onnx.RegisterExecutionProviderLibrary(openVINOName, library); err != nil {
		return nil, fmt.Errorf("OpenVINO library %s: %w", library, err)
	}
	plugin.library = library
	plugin.devices, plugin.refused = processorsOf(openVINOProvider)
	if plugin.refused == nil && len(plugin.devices) == 0 {
		plugin.refused = errors.New("OpenVINO's provider offers no device: it does so on Intel processors only")
	}
	return plugin.devices, plugin.refused
}

// processorsOf lists a provider's devices. OpenVINO's GPUs and NPUs carry the same provider
// name, and their libraries are not set up, so that all there is is the processor.
func processorsOf(provider string) ([]onnx.EpDevice, error) {
	all, err := onnx.GetEpDevices()
	if err != nil {
		return nil, err
	}
	var devices []onnx.EpDevice
	for _, d := range all {
		if d.EpName() == provider {
			devices = append(devices, d)
		}
	}
	return devices, nil
}

func (r *Runtime) findOpenVINO() (string, error) {
	if r.openVINO != "" {
		if _, err := os.Stat(r.openVINO); err != nil {
			return "", fmt.Errorf("OpenVINO library (runtime.openvino_library, QUADRATE_OPENVINO_LIBRARY): %w", err)
		}
		return filepath.Abs(r.openVINO)
	}
	for _, place := range append([]string{r.library}, searchPath()...) {
		file := filepath.Join(filepath.Dir(place), "openvino", openVINOLibrary)
		if _, err := os.Stat(file); err == nil {
			return filepath.Abs(file)
		}
	}
	return "", fmt.Errorf("%w: %s was not found; run `make setup-openvino`, or name it with runtime.openvino_library (QUADRATE_OPENVINO_LIBRARY)", inference.ErrNotInstalled, openVINOLibrary)
}

func (r *Runtime) appendOpenVINO(opts *onnx.SessionOptions, cfg inference.SessionConfig) error {
	devices, err := r.openVINODevices()
	if err != nil {
		return err
	}
	options, err := openVINOOptions(cfg)
	if err != nil {
		return err
	}
	return opts.AppendExecutionProviderV2(devices, options)
}

// openVINOOptions are OpenVINO's own properties of its CPU device, which the provider takes as
// one JSON document.
func openVINOOptions(cfg inference.SessionConfig) (map[string]string, error) {
	precision := map[string]string{"": "f32", inference.PrecisionFP16: "f16", inference.PrecisionBF16: "bf16"}[cfg.Precision]
	if precision == "" {
		return nil, fmt.Errorf("openvino does not compute in %q", cfg.Precision)
	}
	properties := map[string]string{
		// Left out, OpenVINO takes the lowest precision that the processor is fast in.
		"INFERENCE_PRECISION_HINT": precision,
		// It knows nothing of a container's limit.
		"INFERENCE_NUM_THREADS": strconv.Itoa(cfg.Threads),
		"NUM_STREAMS":           "1",
		// Pinned threads of several models and processes would pile up on the same cores.
		"ENABLE_CPU_PINNING": "NO",
	}
	document, err := json.Marshal(map[string]any{"CPU": properties})
	return map[string]string{"load_config": string(document)}, err
}
