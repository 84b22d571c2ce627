//go:build cgo

package ort

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// The shim's places of functions are those of the header that the binding was made with.
func TestPlacesOfFunctions(t *testing.T) {
	source, err := os.ReadFile("shim.go")
	require.NoError(t, err)
	enum, _, found := strings.Cut(string(source), "};")
	require.True(t, found)
	places := regexp.MustCompile(`(?m)^\t(\w+) = (\d+),$`).FindAllStringSubmatch(enum, -1)
	require.Greater(t, len(places), 10)
	program := "#include <stddef.h>\n#include \"onnxruntime_c_api.h\"\n"
	for _, p := range places {
		if p[1] == "ORT_API" {
			program += fmt.Sprintf("_Static_assert(ORT_API_VERSION == %s, \"ORT_API_VERSION\");\n", p[2])
			continue
		}
		program += fmt.Sprintf("_Static_assert(offsetof(OrtApi, %s) == %s * sizeof(void *), \"%s\");\n", p[1], p[2], p[1])
	}
	header, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "places.c")
	require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
	out, err := exec.CommandContext(t.Context(), "cc", "-fsyntax-only", "-I", strings.TrimSpace(string(header)), file).CombinedOutput()
	require.NoError(t, err, string(out))
}

// threads counts the threads of this process.
func threads(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	return len(entries)
}

// runChild runs the test again in a process of its own.
func runChild(t *testing.T, name string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "QUADRATE_TEST_CHILD="+name)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
}

// The pool is made with the environment, so a process of its own shows what sessions add.
func TestSessionsShareOnePool(t *testing.T) {
	const pool = 6
	if os.Getenv("QUADRATE_TEST_CHILD") != "pool" {
		runChild(t, "pool")
		return
	}
	dir := golden.Model(t, "testmodels/xlmr-rerank")
	before := threads(t)
	rt, err := Open(Options{Library: golden.Library(), Threads: pool})
	require.NoError(t, err)
	require.GreaterOrEqual(t, threads(t), before+pool-1)
	cfg := inference.SessionConfig{File: filepath.Join(dir, "model.onnx"), Inputs: []string{"input_ids", "attention_mask"},
		Output: "logits", Width: 1, Provider: inference.ProviderCPU, Threads: pool}
	withPool := threads(t)
	for range 3 {
		s := newSession(t, rt, cfg)
		_, err := s.Run(t.Context(), batch(6, 20))
		require.NoError(t, err)
	}
	// Go may have started a thread of its own for a call into C.
	require.Less(t, threads(t), withPool+pool-1, "sessions of the pool's size start no threads")
	cfg.Threads = pool - 1
	shared := threads(t)
	newSession(t, rt, cfg)
	require.GreaterOrEqual(t, threads(t), shared+pool-2, "a session of another size has its own")
	_, err = Open(Options{Library: golden.Library(), Threads: pool + 1})
	require.ErrorContains(t, err, "already has a pool of 6 threads; one process cannot have one of 7 too")
	require.NoError(t, rt.Close())
}

func TestWhatTheLibrarySays(t *testing.T) {
	rt, cfg := openTest(t)
	built, err := rt.Providers()
	require.NoError(t, err)
	require.Contains(t, built, "CPUExecutionProvider")
	s := newSession(t, rt, cfg).(*session)
	nodes, err := environment.native.nodes(s.native)
	require.NoError(t, err)
	require.Contains(t, nodes, node{"Attention", "CPUExecutionProvider"})
	// The library's optimiser would put these together to what is slower on the CPU.
	require.Contains(t, nodes, node{"LayerNormalization", "CPUExecutionProvider"})
	require.NotContains(t, nodes, node{"SkipLayerNormalization", "CPUExecutionProvider"})
	require.Equal(t, 1.0, s.Placed())
	_, err = inside(&struct{ x *int }{}, "y")
	require.ErrorContains(t, err, "is not what it was in the version of the binding")
	_, err = openNative(filepath.Join(golden.Root(), "go.mod"), 1)
	require.Error(t, err)
	_, err = gpu(4096)
	require.ErrorContains(t, err, "CUDA's driver tells nothing of GPU 4096")
}

func TestShare(t *testing.T) {
	nodes := []node{{"MatMul", "a"}, {"MatMulInteger", "a"}, {"PackedAttention", "b"}, {"Gemm", "a"}, {"Gather", "b"}, {"BiasGelu", "b"}}
	require.Equal(t, 0.75, share(nodes, "a"))
	require.Equal(t, 1.0, share(nodes[4:], "a"))
}
