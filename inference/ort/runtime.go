//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/quadrate-maas/quadrate/inference"
)

// Available reports whether this build can run ONNX graphs.
const Available = true

// The binding keeps its environment in globals, so a process has one, counted by its users. It
// ends with the last of them, unless another provider than the CPU's was loaded into it: those
// libraries stay, with threads that go on and pointers into what would be unloaded.
var environment struct {
	sync.Mutex
	users   int
	library string
	threads int
	native  *native // nil: there is none
	pinned  atomic.Bool
}

// Options says which ONNX Runtime to load, and what its sessions share.
type Options struct {
	// Library is ONNX Runtime's path; empty: the first place of searchPath that has it.
	Library string
	// OpenVINO is the path of OpenVINO's provider library; empty: looked for in openvino/
	// beside ONNX Runtime's and in searchPath.
	OpenVINO string
	// Threads is the size of the pool that runs on the CPU share; 0: inference.Threads(0).
	Threads int
}

// Runtime is a share in the process's ONNX Runtime environment.
type Runtime struct {
	library  string
	version  string
	openVINO string
	digests  sync.Map // of model files, by path, size and time
	close    sync.Once
}

// Open loads ONNX Runtime. A second Open shares the environment and its pool of threads; it
// fails where it asks for another library or another pool.
func Open(opts Options) (*Runtime, error) {
	path, err := find(opts.Library)
	if err != nil {
		return nil, err
	}
	threads := inference.Threads(opts.Threads)
	environment.Lock()
	defer environment.Unlock()
	switch {
	case environment.native == nil:
		if err := start(path, threads); err != nil {
			return nil, fmt.Errorf("ONNX Runtime library %s: %w (version 1.29 or newer is needed; `make setup` installs one, runtime.library or QUADRATE_ORT_LIBRARY names another)", path, err)
		}
	case environment.library != path:
		return nil, fmt.Errorf("ONNX Runtime is already loaded from %s; one process cannot load %s too", environment.library, path)
	case environment.threads != threads:
		return nil, fmt.Errorf("ONNX Runtime already has a pool of %d threads; one process cannot have one of %d too", environment.threads, threads)
	}
	environment.users++
	return &Runtime{library: path, version: onnx.GetVersion(), openVINO: opts.OpenVINO}, nil
}

// start makes the environment; the caller holds its lock.
func start(path string, threads int) error {
	// ONNX Runtime reports its use to its makers unless this is set before it is loaded.
	if err := os.Setenv("ORT_DISABLE_TELEMETRY", "1"); err != nil {
		return err
	}
	native, err := openNative(path, threads)
	if err != nil {
		return err
	}
	onnx.SetSharedLibraryPath(path)
	// Warnings tell of providers that fall back; the default level hides them.
	if err := onnx.InitializeEnvironment(onnx.WithLogLevelWarning()); err != nil {
		native.close()
		return err
	}
	environment.library, environment.threads, environment.native = path, threads, native
	return nil
}

// Version is the library's own version, such as "1.31.1".
func (r *Runtime) Version() string { return r.version }

// Library is the path of the loaded library.
func (r *Runtime) Library() string { return r.library }

// Providers lists the execution providers that the library was built with, by ONNX Runtime's
// names; plugins are not among them.
func (r *Runtime) Providers() ([]string, error) { return environment.native.providers() }

// Close gives up the share; the last one destroys the environment. All sessions must be
// closed before.
func (r *Runtime) Close() error {
	var err error
	r.close.Do(func() {
		environment.Lock()
		defer environment.Unlock()
		if environment.users--; environment.users > 0 || environment.pinned.Load() {
			return
		}
		err = onnx.DestroyEnvironment()
		environment.native.close()
		environment.native = nil
	})
	return err
}

// searchPath lists where the library is looked for when none is named: beside the program,
// in the set-up's folder below the working directory, and where packages put it.
func searchPath() []string {
	const name = "libonnxruntime.so"
	var places []string
	if exe, err := os.Executable(); err == nil {
		dir := filepath.Dir(exe)
		places = append(places,
			filepath.Join(dir, name),
			filepath.Join(dir, "..", "lib", name),
			filepath.Join(dir, "..", "var", "lib", name))
	}
	return append(places,
		filepath.Join("var", "lib", name),
		filepath.Join("/usr/local/lib", name),
		filepath.Join("/usr/lib", name))
}

func find(library string) (string, error) {
	if library != "" {
		if _, err := os.Stat(library); err != nil {
			return "", fmt.Errorf("ONNX Runtime library (runtime.library, QUADRATE_ORT_LIBRARY): %w", err)
		}
		return filepath.Abs(library)
	}
	for _, place := range searchPath() {
		if _, err := os.Stat(place); err == nil {
			return filepath.Abs(place)
		}
	}
	return "", errors.New("ONNX Runtime's libonnxruntime.so was not found; run `make setup`, or name it with runtime.library (QUADRATE_ORT_LIBRARY)")
}
