//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	onnx "github.com/yalue/onnxruntime_go"
)

// Available reports whether this build can run ONNX graphs.
const Available = true

// The binding keeps its environment in globals, so a process has one, counted by its users.
var environment struct {
	sync.Mutex
	users   int
	library string
}

// Runtime is a share in the process's ONNX Runtime environment.
type Runtime struct {
	library string
	version string
	close   sync.Once
}

// Open loads ONNX Runtime from library, or, when that is empty, from the first place of
// searchPath that has it. A second Open with the same library shares the environment; with
// another one it fails.
func Open(library string) (*Runtime, error) {
	path, err := find(library)
	if err != nil {
		return nil, err
	}
	environment.Lock()
	defer environment.Unlock()
	if environment.users > 0 && environment.library != path {
		return nil, fmt.Errorf("ONNX Runtime is already loaded from %s; one process cannot load %s too", environment.library, path)
	}
	if environment.users == 0 {
		// ONNX Runtime reports its use to its makers unless this is set before it is loaded.
		if err := os.Setenv("ORT_DISABLE_TELEMETRY", "1"); err != nil {
			return nil, err
		}
		onnx.SetSharedLibraryPath(path)
		// Warnings tell of providers that fall back; the default level hides them.
		if err := onnx.InitializeEnvironment(onnx.WithLogLevelWarning()); err != nil {
			return nil, fmt.Errorf("ONNX Runtime library %s: %w (version 1.29 or newer is needed; `make setup` installs one, runtime.library or QUADRATE_ORT_LIBRARY names another)", path, err)
		}
	}
	environment.users++
	environment.library = path
	return &Runtime{library: path, version: onnx.GetVersion()}, nil
}

// Version is the library's own version, such as "1.31.1".
func (r *Runtime) Version() string { return r.version }

// Library is the path of the loaded library.
func (r *Runtime) Library() string { return r.library }

// Close gives up the share; the last one destroys the environment. All sessions must be
// closed before.
func (r *Runtime) Close() error {
	var err error
	r.close.Do(func() {
		environment.Lock()
		defer environment.Unlock()
		if environment.users--; environment.users == 0 {
			err = onnx.DestroyEnvironment()
		}
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
