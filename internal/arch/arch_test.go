package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/quadrate-maas/quadrate/"

// mayImport is the import table: a package, and the packages of ours that its code (tests
// apart) may import. A package that is not listed fails the test: add it here and to
// ARCHITECTURE.md.
var mayImport = map[string][]string{
	// Level 0: nothing of ours.
	"models":           {},
	"tokenizer":        {},
	"tokenizer/cl100k": {},
	"batcher":          {},
	"cache":            {},
	// A file format, and no more.
	"inference/onnxfile": {},
	"internal/arch":      {},
	"internal/child":     {},
	"internal/golden":    {},
	"internal/machine":   {},
	"internal/measure":   {},
	"internal/printable": {},
	"internal/wildcard":  {},
	"internal/workload":  {},
	"playground":         {},
	"telemetry":          {},
	// A collector for tests.
	"telemetry/telemetrytest": {},
	// Plays other servers; knows their wire formats only.
	"proxy/upstreamtest":       {},
	"proxy/upstreamtest/serve": {"proxy/upstreamtest"},
	// Level 1.
	"auth":              {"internal/wildcard"},
	"ratelimit":         {"internal/wildcard"},
	"models/modelstest": {"models"},
	"tokenizer/hf":      {"tokenizer"},
	"config":            {"internal/wildcard", "models"},
	"proxy":             {"internal/wildcard", "models"},
	"managed":           {"internal/printable", "models"},
	"managed/docker":    {"managed"},
	// Runs a real Redis.
	"ratelimit/redistest": {"internal/child"},
	// Plays a container engine.
	"managed/managedtest": {"managed"},
	"inference":           {"models", "tokenizer", "batcher", "cache", "inference/onnxfile"},
	"inference/ort":       {"inference"},
	"metrics":             {"batcher"},
	"api":                 {"auth", "internal/machine", "internal/printable", "models", "playground", "ratelimit", "telemetry"},
	"cmd/bench":           {"internal/machine", "internal/measure", "internal/workload"},
	"cmd/gatewaybench":    {"internal/machine", "internal/measure"},
	// Level 2: wires the rest.
	"cmd/enginebench": {"batcher", "inference", "inference/ort", "internal/machine", "internal/measure", "internal/workload", "models", "tokenizer", "tokenizer/hf"},
	"cmd/server":      {"api", "auth", "batcher", "config", "inference", "inference/ort", "internal/machine", "managed", "managed/docker", "metrics", "models", "proxy", "ratelimit", "telemetry", "tokenizer", "tokenizer/cl100k", "tokenizer/hf"},
}

// ownedBy names the one package that may import a heavy dependency, tests included.
var ownedBy = map[string][]string{
	"github.com/gofiber/":                 {"api"},
	"github.com/valyala/fasthttp":         {"api"},
	"github.com/spf13/viper":              {"config"},
	"github.com/prometheus/client_golang": {"metrics"},
	// The load client reads the text that metrics writes.
	"github.com/prometheus/common":       {"cmd/bench"},
	"github.com/prometheus/client_model": {"cmd/bench"},
	"gonum.org/":                         {"cmd/bench"},
	"github.com/schollz/progressbar":     {"cmd/bench"},
	"github.com/yalue/onnxruntime_go":    {"inference/ort"},
	"github.com/daulet/tokenizers":       {"tokenizer/hf"},
	"github.com/maypok86/otter":          {"cache"},
	"github.com/tiktoken-go/":            {"tokenizer/cl100k"},
	"github.com/joho/godotenv":           {"config"},
	"github.com/fsnotify/fsnotify":       {"config"},
	"github.com/redis/go-redis/":         {"ratelimit"},
	"github.com/moby/":                   {"managed/docker"},
	"github.com/containerd/errdefs":      {"managed/docker"},
	"github.com/mattn/go-shellwords":     {"config"},
	"github.com/distribution/reference":  {"managed/docker"},
	// The collector for tests reads what it is sent; the Docker client is told to make no spans.
	"go.opentelemetry.io/":        {"telemetry", "telemetry/telemetrytest", "managed/docker"},
	"github.com/klauspost/cpuid":  {"inference"},
	"google.golang.org/protobuf/": {"inference/onnxfile", "cmd/enginebench", "telemetry/telemetrytest"},
	// Checks the document, and the server against it, in tests.
	"github.com/getkin/kin-openapi":      {"api", "playground"},
	"github.com/stretchr/testify/assert": {},
}

type pkg struct {
	ImportPath   string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	CgoFiles     []string
}

// list returns all packages of the module as the go command sees them with cgo on or off.
func list(t *testing.T, cgo string) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports,GoFiles,CgoFiles", module+"...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pkgs []pkg
	for decoder := json.NewDecoder(out); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
	require.NoError(t, cmd.Wait())
	require.NotEmpty(t, pkgs)
	return pkgs
}

func TestImportTable(t *testing.T) {
	for _, cgo := range []string{"0", "1"} {
		seen := map[string]bool{}
		for _, p := range list(t, cgo) {
			name := strings.TrimPrefix(p.ImportPath, module)
			seen[name] = true
			allowed, listed := mayImport[name]
			if !listed {
				t.Errorf("package %s is not in the import table", name)
				continue
			}
			for _, imported := range p.Imports {
				ours, is := strings.CutPrefix(imported, module)
				if is && !slices.Contains(allowed, ours) {
					t.Errorf("%s imports %s, which the import table does not allow", name, ours)
				}
			}
		}
		for name := range mayImport {
			require.True(t, seen[name], "the import table names %s, which does not exist with CGO_ENABLED=%s", name, cgo)
		}
	}
}

func TestHeavyDependenciesHaveOneOwner(t *testing.T) {
	for _, p := range list(t, "1") {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			require.NotEqual(t, "log", imported, "%s logs past slog", name)
			for prefix, owners := range ownedBy {
				match := imported == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(imported, prefix) || strings.HasPrefix(imported, prefix+"/")
				if match && !slices.Contains(owners, name) {
					t.Errorf("%s imports %s, which belongs to %q", name, imported, owners)
				}
			}
		}
	}
}

func TestEveryPackageSaysItsJob(t *testing.T) {
	for _, p := range list(t, "1") {
		if p.Name == "main" {
			require.NotEmpty(t, p.Doc, p.ImportPath)
			continue
		}
		require.Truef(t, strings.HasPrefix(p.Doc, "Package "+p.Name+" "), "%s has no package comment that begins with \"Package %s\"", p.ImportPath, p.Name)
	}
}
