package config

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

var update = flag.Bool("update", false, "write the expected messages, the reference tables and .env.example anew")

const minimal = "models: [{name: org/tiny}]\n"

// workspace is a working directory with the files given, by their path in it.
func workspace(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

// load reads a default file with this text under an environment.
func load(t *testing.T, file string, environ ...string) (*Config, error) {
	t.Helper()
	return Load(LoadOptions{Dir: workspace(t, map[string]string{DefaultFile: file}), Environ: environ})
}

func mustLoad(t *testing.T, file string, environ ...string) *Config {
	t.Helper()
	cfg, err := load(t, file, environ...)
	require.NoError(t, err)
	return cfg
}

// mustLoadAll reads these files, the configuration file among them.
func mustLoadAll(t *testing.T, files map[string]string, environ ...string) *Config {
	t.Helper()
	cfg, err := Load(LoadOptions{Dir: workspace(t, files), Environ: environ})
	require.NoError(t, err)
	return cfg
}

// Bad files lie in testdata: configuration files, in folders of their own those that they name,
// and in sets several that are bad together.
func TestBadFilesAreToldInFull(t *testing.T) {
	limits := "QUADRATE_FILES_RATE_LIMITS=testdata/base/rate_limits.yaml"
	total := 0
	for pattern, environ := range map[string][]string{
		"testdata/*.bad.yaml":             nil,
		"testdata/sets/*/server.yaml":     nil,
		"testdata/routing/*.bad.yaml":     {"QUADRATE_FILES_ROUTING=", limits},
		"testdata/auth/*.bad.yaml":        {"QUADRATE_FILES_AUTH=", limits},
		"testdata/rate_limits/*.bad.yaml": {"QUADRATE_FILES_RATE_LIMITS="},
	} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		total += len(files)
		for _, file := range files {
			t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
				opts := LoadOptions{File: file, Environ: []string{"SECRET=hunter2"}}
				if environ != nil {
					opts.File = "testdata/base/server.yaml"
					opts.Environ = append(opts.Environ, environ...)
					opts.Environ = append(opts.Environ, environ[0]+file)
				}
				_, err := Load(opts)
				require.Error(t, err)
				require.NotContains(t, err.Error(), "hunter2")
				golden(t, strings.TrimSuffix(strings.TrimSuffix(file, ".yaml"), ".bad")+".want", err.Error()+"\n")
			})
		}
	}
	require.GreaterOrEqual(t, total, 60)
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644)) //nolint:gosec // a file of the repository
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "if this is right: go test ./config -update")
}

// Every file in configs is loaded as what it is: as a configuration file, or by one.
func TestEveryShippedFileLoads(t *testing.T) {
	inImage := []string{"QUADRATE_FILES_ROUTING=configs/routing.yaml", "QUADRATE_FILES_AUTH=configs/auth.yaml", "QUADRATE_FILES_RATE_LIMITS=configs/rate_limits.yaml"}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	loaded := map[string]bool{}
	for file, environ := range map[string][]string{
		DefaultFile: nil, "configs/image.yaml": inImage, "configs/examples/gateway.yaml": {"VLLM_API_KEY=x"}, "configs/examples/router.yaml": nil, "configs/examples/containers.yaml": nil,
	} {
		cfg, err := Load(LoadOptions{File: file, Dir: root, Environ: environ})
		require.NoError(t, err)
		for _, source := range cfg.Sources() {
			loaded[source] = true
		}
	}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "configs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			require.True(t, loaded[path], "%s is not loaded", path)
		}
		return err
	}))
}

// What is shipped beside the configuration file is as good as nothing.
func TestShippedFilesBesideItHoldTheDefaults(t *testing.T) {
	shipped, err := Load(LoadOptions{Dir: ".."})
	require.NoError(t, err)
	bare := mustLoad(t, minimal)
	bare.RateLimits.TrustedProxies = []string{} // and not none at all
	require.Equal(t, bare.Routing, shipped.Routing)
	require.Equal(t, bare.Auth, shipped.Auth)
	require.Equal(t, bare.RateLimits, shipped.RateLimits)
}

// What is commented out in them is right, too.
func TestCommentsOfShippedFilesLoad(t *testing.T) {
	files := map[string]string{DefaultFile: minimal}
	for _, d := range documents[1:] {
		name := root.leaf(d.named).def
		text, err := os.ReadFile("../" + name)
		require.NoError(t, err)
		list := regexp.MustCompile(`(?m)^(upstreams|models|keys|classes):( \[\])?\n((#.*\n)+)`)
		files[name] = list.ReplaceAllStringFunc(string(text), func(block string) string {
			head, on, _ := strings.Cut(block, "\n")
			if strings.HasSuffix(head, "[]") { // a list that takes entries without an edit has none
				head = ""
			}
			return head + "\n" + regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(on, "")
		})
	}
	files["secret"] = "hunter2\n"
	for name, text := range files {
		files[name] = strings.ReplaceAll(text, "file:/run/secrets/openai", "file:secret")
	}
	cfg, err := Load(LoadOptions{Dir: workspace(t, files), Environ: []string{"VLLM_API_KEY=x", "HF_TOKEN=x"}})
	require.NoError(t, err)
	require.Len(t, cfg.Auth.Keys, 1)
	require.Len(t, cfg.RateLimits.Classes, 2)
	require.Len(t, cfg.Routing.Models, 7)
	var names []string
	for _, u := range cfg.Routing.Upstreams {
		names = append(names, u.Name)
	}
	require.Equal(t, []string{
		"ollama", "vllm", "tei", "openai", "all",
		"tei-cpu/intfloat/multilingual-e5-small", "tei-cpu/BAAI/bge-m3", "vllm-gpu/Qwen/Qwen3-Embedding-0.6B", "vllm-gpu/Alibaba-NLP/gte-reranker-modernbert-base", "container",
	}, names)
	showsEveryKey(t, files["configs/routing.yaml"])
	var all Upstream
	(&loader{}).fill(reflect.ValueOf(&all).Elem(), root.leaf("routing.upstreams").sub, "", func(f *field, _ string) any { return f.fallback() })
	got := cfg.Routing.Upstreams[4]
	got.Name, got.Type, got.URLs = "", "", nil
	require.Equal(t, all, got, "every key with its default")
	managed := cfg.Routing.Upstreams[9].Managed
	managed.Image, managed.Model, managed.Args, managed.ContainerPort = "", "", nil, 0
	managed.Env, managed.Volumes, all.Managed.Env = nil, nil, nil // empty, or none at all
	require.Equal(t, all.Managed, managed, "and of a container")
}

// showsEveryKey wants each key of a routing file at its one entry of it, but for the keys of lists
// in it.
func showsEveryKey(t *testing.T, text string) {
	t.Helper()
	r := &reader{schema: documents[1], lookup: func(string) (string, bool) { return "x", true }, secret: func(text string) (string, error) { return text, nil },
		problems: &LoadError{}, settings: map[string]setting{}}
	require.True(t, r.document([]byte(text)))
	require.Empty(t, *r.problems)
	var missing []string
	for _, f := range r.schema.schema.leaves(true) {
		path := strings.NewReplacer("upstreams[].managed", "upstreams[7].managed", "upstreams[]", "upstreams[4]").Replace(f.path)
		if _, shown := r.settings[path]; !shown && !strings.Contains(path, "[].") {
			missing = append(missing, path)
		}
	}
	require.Empty(t, missing)
}

func TestShippedFileHoldsTheDefaults(t *testing.T) {
	shipped, err := Load(LoadOptions{File: DefaultFile, Dir: ".."})
	require.NoError(t, err)
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	bare, err := Load(LoadOptions{File: filepath.Join(workspace(t, map[string]string{"bare.yaml": minimal}), "bare.yaml"), Dir: ".."})
	require.NoError(t, err)

	require.Equal(t, filepath.Join(root, "var/models"), shipped.ModelsDir)
	require.Equal(t, bare.Log, shipped.Log)
	require.Equal(t, bare.Runtime, shipped.Runtime)
	shipped.Server.CORS, bare.Server.CORS = CORS{}, CORS{} // an empty list and none at all
	require.Equal(t, bare.Server, shipped.Server)

	require.Len(t, shipped.Models, 2)
	first, second := shipped.Models[0], shipped.Models[1]
	require.Equal(t, []string{"all-MiniLM-L6-v2", models.DefaultAlias}, first.Aliases)
	require.Equal(t, []models.Task{models.TaskEmbed, models.TaskRerank}, first.Tasks)
	require.Equal(t, bare.Models[0].Batcher, first.Batcher)
	require.Equal(t, "BAAI/bge-reranker-v2-m3", second.Name)
	require.True(t, second.Optional)
}

func TestShippedFileShowsEveryKey(t *testing.T) {
	r := &reader{schema: documents[0], lookup: environment{}.lookup, problems: &LoadError{}, settings: map[string]setting{}}
	text, err := os.ReadFile("../" + DefaultFile)
	require.NoError(t, err)
	require.True(t, r.document(text))
	require.Empty(t, *r.problems)
	for _, f := range r.schema.schema.leaves(true) {
		path := strings.Replace(f.path, "models[].", "models[0].", 1)
		require.Contains(t, r.settings, path)
	}
}

func TestBuiltInDefaults(t *testing.T) {
	dir := workspace(t, map[string]string{DefaultFile: minimal})
	cfg, err := Load(LoadOptions{Dir: dir})
	require.NoError(t, err)
	require.Len(t, cfg.sums, 1)
	cfg.sums = nil
	require.Equal(t, &Config{
		File:      DefaultFile,
		ModelsDir: filepath.Join(dir, "var/models"),
		Log:       Log{Level: "info", Format: "auto"},
		Server: Server{
			Host: "0.0.0.0", Port: 8000, BodyLimit: 64 << 20, BytesInFlight: 512 << 20,
			AnonymousBody: 4 << 20,
			MaxInputs:     2048, MaxDocuments: 1000, MaxStateBytes: 32 << 20, DrainDelay: 2 * time.Second, GzipFrom: 1 << 20, TokenIDs: "cl100k_base", Metrics: MetricsOpen,
		},
		Runtime: Runtime{Provider: "auto", TensorRTCache: filepath.Join(dir, "var/trt")},
		Models: []Model{{
			Name: "org/tiny", Path: "tiny", Variant: "auto", Devices: []int{0},
			Batcher: Batcher{QueueTimeout: 5 * time.Second, MaxQueuedItems: 8192}, Cache: Cache{Bytes: 64 << 20},
		}},
		Files:      Files{Routing: "configs/routing.yaml", Auth: "configs/auth.yaml", RateLimits: "configs/rate_limits.yaml"},
		Tracing:    Tracing{Ratio: "1", Service: "quadrate"},
		Routing:    Routing{Containers: Containers{Instance: "quadrate-8000", OnShutdown: "stop", MaxWait: 10 * time.Second, GPUs: []GPUBudget{}}, Upstreams: []Upstream{}, Models: []Route{}},
		Auth:       Auth{Anonymous: Anonymous{Enabled: true, Models: []string{"*"}}, Keys: []Key{}},
		RateLimits: RateLimits{Store: "memory", Classes: []LimitClass{}},
		sources: []string{
			filepath.Join(dir, ".env"), filepath.Join(dir, DefaultFile),
			filepath.Join(dir, "configs/routing.yaml"), filepath.Join(dir, "configs/auth.yaml"), filepath.Join(dir, "configs/rate_limits.yaml"),
		},
	}, cfg)
}

func TestSpecs(t *testing.T) {
	cfg := mustLoad(t, `
models_dir: /srv/models
runtime: {provider: cuda, threads: 3, fallback: true, gpu_mem_limit: 2GiB, tensorrt_cache: /srv/trt}
models:
  - name: org/below
    aliases: [x]
    tasks: [rerank]
    variant: int8
    gpu_variant: fp16
    devices: [1, 2]
    max_length: 128
    max_document_chars: 9000
    optional: true
    batcher: {max_items: 1, max_tokens: 2, delay: 3ms, queue_timeout: 4s, max_queued_items: 5, max_queued_tokens: 6}
    cache: {bytes: 1GiB, ttl: 7m, rerank: true}
  - {name: apart, path: /elsewhere/apart, provider: cpu, variant: onnx/model_O2.onnx, gpu_variant: model_O4.onnx, pooling: "cls,mean"}
`)
	specs := cfg.Specs()
	runtime := models.RuntimeSpec{Provider: "cuda", Threads: 3, Fallback: true, GPUMemLimit: 2 << 30, TensorRTCache: "/srv/trt"}
	require.Equal(t, models.Spec{
		Name: "org/below", Aliases: []string{"x"}, Path: "/srv/models/below", Tasks: []models.Task{models.TaskRerank},
		Variant: "int8", GPUVariant: "fp16", Devices: []int{1, 2}, MaxLength: 128, MaxDocumentChars: 9000, Optional: true,
		Cache: models.CacheSpec{Bytes: 1 << 30, TTL: 7 * time.Minute, Rerank: true},
		Batcher: models.BatcherSpec{
			MaxItems: 1, MaxTokens: 2, Delay: 3 * time.Millisecond, QueueTimeout: 4 * time.Second, MaxQueuedItems: 5, MaxQueuedTokens: 6,
		},
		Runtime: runtime,
	}, specs[0])
	require.Equal(t, "/elsewhere/apart", specs[1].Path)
	require.Equal(t, "cpu", specs[1].Runtime.Provider)
	require.Equal(t, "onnx/model_O2.onnx", specs[1].Variant)
	require.Equal(t, "model_O4.onnx", specs[1].GPUVariant)
	require.Equal(t, "cls,mean", specs[1].Pooling)

	specs[0].Aliases[0] = "changed"
	require.Equal(t, "x", cfg.Models[0].Aliases[0])
}

func TestPathsStartFromTheWorkingDirectory(t *testing.T) {
	dir := workspace(t, map[string]string{"conf/c.yaml": `
models_dir: m
server: {tls: {cert: tls/cert.pem, key: /abs/key.pem}}
runtime: {library: lib/libonnxruntime.so, openvino_library: ov/plugin.so, tensorrt_cache: trt}
models: [{name: a}]
`})
	cfg, err := Load(LoadOptions{Dir: dir, File: "conf/c.yaml"})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "m"), cfg.ModelsDir)
	require.Equal(t, filepath.Join(dir, "m/a"), cfg.Specs()[0].Path)
	require.Equal(t, TLS{Cert: filepath.Join(dir, "tls/cert.pem"), Key: "/abs/key.pem"}, cfg.Server.TLS)
	require.Equal(t, filepath.Join(dir, "lib/libonnxruntime.so"), cfg.Runtime.Library)
	require.Equal(t, filepath.Join(dir, "ov/plugin.so"), cfg.Runtime.OpenVINO)
	require.Equal(t, filepath.Join(dir, "trt"), cfg.Runtime.TensorRTCache)

	bare := mustLoad(t, "runtime: {library: libonnxruntime.so}\n"+minimal)
	require.Equal(t, "libonnxruntime.so", bare.Runtime.Library, "a bare name is for the system to find")
}

func TestTimeouts(t *testing.T) {
	for _, c := range []struct {
		server            string
		gpu               bool
		request, shutdown time.Duration
	}{
		{"{}", false, 300 * time.Second, 300 * time.Second},
		{"{}", true, 30 * time.Second, 30 * time.Second},
		{"{request_timeout: 7s}", true, 7 * time.Second, 7 * time.Second},
		{"{shutdown_timeout: 9s}", true, 30 * time.Second, 9 * time.Second},
	} {
		request, shutdown := mustLoad(t, "server: "+c.server+"\n"+minimal).Server.Timeouts(c.gpu)
		require.Equal(t, c.request, request, c.server)
		require.Equal(t, c.shutdown, shutdown, c.server)
	}
}

func TestWhichFile(t *testing.T) {
	dir := workspace(t, map[string]string{
		"flag.yaml": "server: {port: 1}\n" + minimal,
		"env.yaml":  "server: {port: 2}\n" + minimal,
		DefaultFile: "server: {port: 3}\n" + minimal,
	})
	env := []string{"QUADRATE_CONFIG=env.yaml"}
	for want, opts := range map[int]LoadOptions{
		1: {Dir: dir, File: "flag.yaml", Environ: env},
		2: {Dir: dir, Environ: env},
		3: {Dir: dir},
	} {
		cfg, err := Load(opts)
		require.NoError(t, err)
		require.Equal(t, want, cfg.Server.Port)
	}
}

func TestAFileThatCannotBeRead(t *testing.T) {
	dir := workspace(t, map[string]string{"big.yaml": strings.Repeat("# padding\n", 1<<17)})
	for _, c := range []struct {
		opts LoadOptions
		want []string
	}{
		{LoadOptions{}, []string{"configs/server.yaml: cannot be read: no such file or directory; it is looked for in " + dir, "-config", "QUADRATE_CONFIG"}},
		{LoadOptions{File: "gone.yaml"}, []string{"gone.yaml: cannot be read: no such file or directory; -config names it"}},
		{LoadOptions{Environ: []string{"QUADRATE_CONFIG=gone.yaml"}}, []string{"gone.yaml: cannot be read", "QUADRATE_CONFIG names it"}},
		{LoadOptions{Environ: []string{"QUADRATE_CONFIG="}}, []string{"QUADRATE_CONFIG: is empty"}},
		{LoadOptions{File: "."}, []string{".: cannot be read: is a directory"}},
		{LoadOptions{File: "big.yaml"}, []string{"big.yaml: cannot be read: it is longer than 1MiB"}},
		{LoadOptions{File: "gone.yaml", Environ: []string{"QUADRATE_SERVER_PORT=x"}}, []string{"gone.yaml", "QUADRATE_SERVER_PORT: server.port"}},
	} {
		c.opts.Dir = dir
		_, err := Load(c.opts)
		for _, want := range c.want {
			require.ErrorContains(t, err, want)
		}
	}
}

func TestProblemsAreTyped(t *testing.T) {
	_, err := load(t, "server: {port: -1}\n"+minimal)
	var problems LoadError
	require.ErrorAs(t, err, &problems)
	require.Equal(t, LoadError{{File: DefaultFile, Line: 1, Path: "server.port", Message: `"-1" is not between 0 and 65535`}}, problems)
}

func TestAnchorsAndEmptySectionsAreRead(t *testing.T) {
	cfg := mustLoad(t, `
server:
models:
  - name: a
    aliases:
    batcher: &b {max_items: 7}
  - name: b
    batcher: *b
`)
	require.Equal(t, 8000, cfg.Server.Port)
	require.Empty(t, cfg.Models[0].Aliases)
	require.Equal(t, 7, cfg.Models[1].Batcher.MaxItems)
}

func TestSizesAndDurations(t *testing.T) {
	for text, want := range map[string]Bytes{
		"64MiB": 64 << 20, "64 MiB": 64 << 20, "4MB": 4e6, "1KB": 1000, "3KiB": 3072, "2GB": 2e9, "1GiB": 1 << 30, "1TiB": 1 << 40, "1TB": 1e12, "17B": 17, "1024": 1024, "0": 0,
	} {
		got, err := parseBytes(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "MiB", "64mib", "64M", "64Mi", "-1", "1.5GiB", "64MiBs", "1 000"} {
		_, err := parseBytes(text)
		require.ErrorContains(t, err, "is not a size", text)
	}
	for size, want := range map[Bytes]string{0: "0", 1000: "1000", 1024: "1KiB", 64 << 20: "64MiB", 3 << 40: "3TiB", 1<<20 + 1: "1048577"} {
		require.Equal(t, want, size.String())
	}
	for text, want := range map[string]AutoDuration{"auto": {}, "0s": {Set: true}, "1m30s": {Set: true, Value: 90 * time.Second}} {
		got, err := parseAutoDuration(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Equal(t, "auto 1m30s", AutoDuration{}.String()+" "+AutoDuration{Set: true, Value: 90 * time.Second}.String())
}

func TestNearest(t *testing.T) {
	keys := []string{"port", "host", "body_limit", "max_inputs", "tls"}
	for word, want := range map[string]string{
		"prot": "port", "body-limit": "body_limit", "bodylimit": "body_limit", "max_input": "max_inputs", "PORT": "port", "tsl": "tls", "ts": "tls", "colour": "", "": "",
	} {
		require.Equal(t, want, nearest(word, keys), word)
	}
	require.Equal(t, 3, distance("kitten", "sitting"))
	require.Equal(t, 3, distance("", "abc"))
}
