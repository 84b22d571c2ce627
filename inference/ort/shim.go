//go:build cgo

package ort

// The binding wraps a part of ONNX Runtime's C interface. This file reaches the rest of what is
// needed through the same library: its table of functions only ever grows at its end, so that a
// function's place in it is as good as its name. A test compares the places below with the
// binding's header.

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
	ORT_API = 29,
	GetErrorMessage = 2,
	ReleaseEnv = 92,
	ReleaseStatus = 93,
	CreateEnvWithGlobalThreadPools = 119,
	DisablePerSessionThreads = 120,
	CreateThreadingOptions = 121,
	ReleaseThreadingOptions = 122,
	GetAvailableProviders = 125,
	ReleaseAvailableProviders = 126,
	SetGlobalIntraOpNumThreads = 147,
	SetGlobalInterOpNumThreads = 148,
	SetGlobalSpinControl = 149,
	Session_GetEpGraphAssignmentInfo = 407,
	EpAssignedSubgraph_GetEpName = 408,
	EpAssignedSubgraph_GetNodes = 409,
	EpAssignedNode_GetOperatorType = 412,
};

typedef void *Status; // OrtStatus*, NULL for success
typedef void *const *Api;
typedef struct { Api (*GetApi)(uint32_t); const char *(*GetVersionString)(void); } ApiBase;

static Api shim_load(const char *path, void **handle, char **reason) {
	*handle = dlopen(path, RTLD_LAZY);
	if (!*handle) { *reason = dlerror(); return NULL; }
	const ApiBase *(*base)(void) = dlsym(*handle, "OrtGetApiBase");
	Api api = base ? base()->GetApi(ORT_API) : NULL;
	if (!api) {
		*reason = base ? "it does not serve this program's interface" : "it is no ONNX Runtime";
		dlclose(*handle);
	}
	return api;
}

static const char *shim_message(Api api, Status s) { return ((const char *(*)(Status))api[GetErrorMessage])(s); }
static void shim_release_status(Api api, Status s) { ((void (*)(Status))api[ReleaseStatus])(s); }

static Status shim_env(Api api, int threads, void **env) {
	void *options = NULL;
	Status s = ((Status (*)(void **))api[CreateThreadingOptions])(&options);
	if (!s) s = ((Status (*)(void *, int))api[SetGlobalIntraOpNumThreads])(options, threads);
	if (!s) s = ((Status (*)(void *, int))api[SetGlobalInterOpNumThreads])(options, 1);
	if (!s) s = ((Status (*)(void *, int))api[SetGlobalSpinControl])(options, 0);
	if (!s) s = ((Status (*)(int, const char *, const void *, void **))api[CreateEnvWithGlobalThreadPools])(2, "quadrate", options, env);
	if (options) ((void (*)(void *))api[ReleaseThreadingOptions])(options);
	return s;
}

static void shim_release_env(Api api, void *env) { ((void (*)(void *))api[ReleaseEnv])(env); }
static Status shim_share_threads(Api api, void *options) { return ((Status (*)(void *))api[DisablePerSessionThreads])(options); }
static Status shim_providers(Api api, char ***list, int *n) { return ((Status (*)(char ***, int *))api[GetAvailableProviders])(list, n); }
static void shim_release_providers(Api api, char **list, int n) {
	Status s = ((Status (*)(char **, int))api[ReleaseAvailableProviders])(list, n);
	if (s) shim_release_status(api, s);
}
static Status shim_subgraphs(Api api, void *session, void ***list, size_t *n) {
	return ((Status (*)(void *, void ***, size_t *))api[Session_GetEpGraphAssignmentInfo])(session, list, n);
}
static Status shim_subgraph_provider(Api api, void *subgraph, const char **name) {
	return ((Status (*)(void *, const char **))api[EpAssignedSubgraph_GetEpName])(subgraph, name);
}
static Status shim_subgraph_nodes(Api api, void *subgraph, void ***list, size_t *n) {
	return ((Status (*)(void *, void ***, size_t *))api[EpAssignedSubgraph_GetNodes])(subgraph, list, n);
}
static Status shim_node_operator(Api api, void *node, const char **name) {
	return ((Status (*)(void *, const char **))api[EpAssignedNode_GetOperatorType])(node, name);
}

// What NVIDIA's own libraries say of themselves; they are loaded already where they are there.
static int shim_gpu(int device, char *name, int size, int *major, int *minor, int *driver) {
	void *lib = dlopen("libcuda.so.1", RTLD_LAZY);
	if (!lib) return -1;
	int (*init)(unsigned) = dlsym(lib, "cuInit");
	int (*version)(int *) = dlsym(lib, "cuDriverGetVersion");
	int (*get)(int *, int) = dlsym(lib, "cuDeviceGet");
	int (*device_name)(char *, int, int) = dlsym(lib, "cuDeviceGetName");
	int (*attribute)(int *, int, int) = dlsym(lib, "cuDeviceGetAttribute");
	int handle = 0, failed = -1;
	if (init && version && get && device_name && attribute) {
		failed = init(0);
		if (!failed) failed = version(driver);
		if (!failed) failed = get(&handle, device);
		if (!failed) failed = device_name(name, size, handle);
		if (!failed) failed = attribute(major, 75, handle); // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
		if (!failed) failed = attribute(minor, 76, handle);
	}
	dlclose(lib);
	return failed;
}

static void shim_trim(void) {
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static int shim_tensorrt(void) {
	void *lib = dlopen("libnvinfer.so.10", RTLD_LAZY);
	if (!lib) return 0;
	int (*version)(void) = dlsym(lib, "getInferLibVersion");
	int v = version ? version() : 0;
	dlclose(lib);
	return v;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"
)

// native is ONNX Runtime's own table of functions, and an environment that holds one pool of
// threads. The library keeps one environment a process: the binding's is this one as well, as
// long as this one is made first.
type native struct {
	handle unsafe.Pointer
	api    C.Api
	env    unsafe.Pointer
}

// openNative loads the library and makes the environment with its pool.
func openNative(library string, threads int) (*native, error) {
	path := C.CString(library)
	defer C.free(unsafe.Pointer(path))
	n := &native{}
	var reason *C.char
	if n.api = C.shim_load(path, &n.handle, &reason); n.api == nil {
		return nil, errors.New(C.GoString(reason))
	}
	if err := n.check(C.shim_env(n.api, C.int(threads), &n.env)); err != nil {
		C.dlclose(n.handle)
		return nil, err
	}
	return n, nil
}

func (n *native) close() {
	C.shim_release_env(n.api, n.env)
	C.dlclose(n.handle)
}

// check turns a status into an error and releases it.
func (n *native) check(s C.Status) error {
	if s == nil {
		return nil
	}
	defer C.shim_release_status(n.api, s)
	return errors.New(C.GoString(C.shim_message(n.api, s)))
}

// shareThreads makes sessions of these options use the environment's pool.
func (n *native) shareThreads(opts *onnx.SessionOptions) error {
	p, err := inside(opts, "o")
	if err != nil {
		return err
	}
	return n.check(C.shim_share_threads(n.api, p))
}

// providers lists the execution providers that the library was built with.
func (n *native) providers() ([]string, error) {
	var list **C.char
	var count C.int
	if err := n.check(C.shim_providers(n.api, &list, &count)); err != nil {
		return nil, err
	}
	defer C.shim_release_providers(n.api, list, count)
	names := make([]string, 0, count)
	for _, name := range unsafe.Slice(list, count) {
		names = append(names, C.GoString(name))
	}
	return names, nil
}

// node is a node of a graph and the provider that it was given to.
type node struct{ operator, provider string }

// nodes lists the nodes of a session that was made to record them.
func (n *native) nodes(s *onnx.DynamicAdvancedSession) ([]node, error) {
	session, err := inside(s, "s", "ortSession")
	if err != nil {
		return nil, err
	}
	var list *unsafe.Pointer
	var count C.size_t
	if err := n.check(C.shim_subgraphs(n.api, session, &list, &count)); err != nil {
		return nil, err
	}
	var all []node
	for _, subgraph := range unsafe.Slice(list, count) {
		if all, err = n.subgraph(subgraph, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (n *native) subgraph(subgraph unsafe.Pointer, all []node) ([]node, error) {
	var provider, operator *C.char
	var list *unsafe.Pointer
	var count C.size_t
	if err := n.check(C.shim_subgraph_provider(n.api, subgraph, &provider)); err != nil {
		return nil, err
	}
	if err := n.check(C.shim_subgraph_nodes(n.api, subgraph, &list, &count)); err != nil {
		return nil, err
	}
	for _, p := range unsafe.Slice(list, count) {
		if err := n.check(C.shim_node_operator(n.api, p, &operator)); err != nil {
			return nil, err
		}
		all = append(all, node{C.GoString(operator), C.GoString(provider)})
	}
	return all, nil
}

// inside returns the pointer that a binding's type keeps to itself, by the names of its fields.
func inside(v any, path ...string) (unsafe.Pointer, error) {
	value := reflect.ValueOf(v)
	for _, name := range path {
		if value.Kind() != reflect.Pointer || value.IsNil() {
			return nil, fmt.Errorf("%T is not what it was in the version of the binding that this program knows", v)
		}
		value = value.Elem().FieldByName(name)
	}
	if value.Kind() != reflect.Pointer || value.IsNil() {
		return nil, fmt.Errorf("%T is not what it was in the version of the binding that this program knows", v)
	}
	return value.UnsafePointer(), nil
}

// gpu names a GPU with its compute capability and driver, as in "NVIDIA H200 sm90 cuda13000".
func gpu(device int) (string, error) {
	var name [256]C.char
	var major, minor, driver C.int
	if code := C.shim_gpu(C.int(device), &name[0], C.int(len(name)), &major, &minor, &driver); code != 0 {
		return "", fmt.Errorf("CUDA's driver tells nothing of GPU %d (code %d)", device, int(code))
	}
	return fmt.Sprintf("%s sm%d%d cuda%d", C.GoString(&name[0]), major, minor, driver), nil
}

// trim gives memory that native code has freed back to the system. Loading a graph frees as
// much as its weights, in pieces that the C library would keep.
func trim() { C.shim_trim() }

// tensorRT is the number of TensorRT's version, 0 where its library is not there.
func tensorRT() int { return int(C.shim_tensorrt()) }
