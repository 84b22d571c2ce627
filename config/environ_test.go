package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// sample is a valid text for a field that is not its default, and another one.
func sample(t *testing.T, f *field) (one, other string) {
	t.Helper()
	switch {
	case len(f.enum) > 0:
		return f.enum[len(f.enum)-1], f.enum[1]
	case f.path == "server.host":
		return "localhost", "127.0.0.1"
	case within(f.path, "files"):
		return "one.yaml", "other.yaml"
	case f.path == "tracing.endpoint":
		return "http://some:4318", "https://else/otlp"
	case f.path == "tracing.ratio":
		return "0.5", "0.25"
	case f.path == "rate_limits.store":
		return "redis://:secret@some:6379/1", "rediss://else:6379"
	case f.path == "routing.containers.host":
		return "tcp://some:2375", "unix:///else/where"
	case f.path == "routing.containers.instance":
		return "some", "else"
	case f.typ.Kind() == reflect.String:
		return "/some/where", "/else/where"
	case f.typ.Kind() == reflect.Bool:
		return "true", "true"
	case f.typ.Kind() == reflect.Int:
		return "77", "78"
	case f.typ == typeBytes:
		return "100MiB", "101MiB"
	case f.typ == typeDuration, f.typ == typeAutoDuration:
		return "77s", "78s"
	}
	require.Fail(t, "no sample", f.path)
	return "", ""
}

// filesWith are files in one of which a key is set; an empty path is none.
func filesWith(path, value string) map[string]string {
	files := map[string]string{DefaultFile: minimal, "one.yaml": "", "other.yaml": "", "configs/rate_limits.yaml": "classes: [{name: /some/where}, {name: /else/where}]\n"}
	if path == "" {
		return files
	}
	file := DefaultFile
	if d := documentOf(path); d.path != "" {
		file = root.leaf(d.named).def
	}
	keys := strings.Split(local(path), ".")
	files[file] = strings.Join(keys, ": {") + ": " + value + strings.Repeat("}", len(keys)-1) + "\n" + files[file]
	return files
}

// companion is what a key needs beside it to be valid.
var companion = map[string]string{
	"server.tls.cert":        "QUADRATE_SERVER_TLS_KEY=/k",
	"server.tls.key":         "QUADRATE_SERVER_TLS_CERT=/c",
	"server.bytes_in_flight": "QUADRATE_SERVER_BODY_LIMIT=1MiB",
}

func TestEveryScalarKeyIsSetByItsNames(t *testing.T) {
	names := 0
	for _, f := range root.leaves(false) {
		if f.isList() {
			require.Empty(t, f.env)
			continue
		}
		require.Equal(t, envName(f.path), f.env[0])
		one, other := sample(t, f)
		want, err := f.parse(one)
		require.NoError(t, err)
		for _, name := range f.env {
			names++
			environ := []string{name + "=" + one, companion[f.path]}
			require.Equal(t, want, valueOf(mustLoadAll(t, filesWith("", ""), environ...), f.path), name)
			require.Equal(t, want, valueOf(mustLoadAll(t, filesWith(f.path, other), environ...), f.path), "%s over the file", name)
		}
		require.Equal(t, want, valueOf(mustLoadAll(t, filesWith(f.path, one), companion[f.path]), f.path), "in the file")
	}
	require.Greater(t, names, 20)
}

func TestPrecedence(t *testing.T) {
	file := "server: {port: 2}\nruntime: {library: /file}\n" + minimal
	for _, c := range []struct {
		file, dotEnv string
		environ      []string
		port         int
		library      string
	}{
		{minimal, "", nil, 8000, ""},
		{file, "", nil, 2, "/file"},
		{file, "QUADRATE_SERVER_PORT=3\nQUADRATE_ORT_LIBRARY=/dot\n", nil, 3, "/dot"},
		{file, "QUADRATE_SERVER_PORT=3\n", []string{"QUADRATE_SERVER_PORT=4"}, 4, "/file"},
		{file, "", []string{"GATEWAY_PORT=5"}, 5, "/file"},
		{file, "", []string{"GATEWAY_PORT=5", "QUADRATE_SERVER_PORT=6"}, 6, "/file"},
		{file, "QUADRATE_SERVER_PORT=3\n", []string{"GATEWAY_PORT=5"}, 3, "/file"},
		{file, "", []string{"QUADRATE_RUNTIME_LIBRARY=/long", "QUADRATE_ORT_LIBRARY=/short"}, 2, "/long"},
		{file, "", []string{"QUADRATE_RUNTIME_LIBRARY="}, 2, ""},
		{file, "QUADRATE_ORT_LIBRARY=/dot\n", []string{"QUADRATE_ORT_LIBRARY="}, 2, ""},
		{file, "", []string{"QUADRATE_SERVER_PORT=4", "QUADRATE_SERVER_PORT=5"}, 5, "/file"},
	} {
		dir := workspace(t, map[string]string{DefaultFile: c.file, ".env": c.dotEnv})
		cfg, err := Load(LoadOptions{Dir: dir, Environ: c.environ})
		require.NoError(t, err)
		require.Equal(t, c.port, cfg.Server.Port, "%+v", c)
		require.Equal(t, c.library, cfg.Runtime.Library, "%+v", c)
	}
}

func TestProcessEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("QUADRATE_SERVER_PORT", "9")
	require.Equal(t, 8000, mustLoad(t, minimal).Server.Port)
}

func TestDotEnvNamesTheFile(t *testing.T) {
	dir := workspace(t, map[string]string{"other.yaml": minimal, ".env": "QUADRATE_CONFIG=other.yaml\nUNRELATED=1\n"})
	cfg, err := Load(LoadOptions{Dir: dir})
	require.NoError(t, err)
	require.Equal(t, "other.yaml", cfg.File)
}

func TestEnvironmentFaults(t *testing.T) {
	for _, c := range []struct {
		environ, want string
	}{
		{"QUADRATE_SERVER_PORT=http", `QUADRATE_SERVER_PORT: server.port: "http" is not a whole number`},
		{"QUADRATE_SERVER_PORT=", `QUADRATE_SERVER_PORT: server.port: "" is not a whole number`},
		{"GATEWAY_PORT=70000", `GATEWAY_PORT: server.port: "70000" is not between 0 and 65535`},
		{"RERANK_MAX_DOCUMENTS=0", `RERANK_MAX_DOCUMENTS: server.max_documents: "0" is too small: the least is 1`},
		{"QUADRATE_MODELS_DIR=", `QUADRATE_MODELS_DIR: models_dir: is missing or empty; a folder belongs here`},
		{"QUADRATE_LOG_LEVEL=verbose", `QUADRATE_LOG_LEVEL: log.level: "verbose" is not allowed: allowed are debug, info, warn, error`},
		{"QUADRATE_SERVER_BODY_LIMIT=1GiB", `server.bytes_in_flight: 512MiB is less than server.body_limit, 1GiB`},
		{"QUADRATE_SERVER_TLS_CERT=/c", `server.tls: has only one of cert and key`},
		{"QUADRATE_SERVER_PROT=1", "QUADRATE_SERVER_PROT: no setting has this name: did you mean QUADRATE_SERVER_PORT?"},
		{"QUADRATE_ORT_LIB=/x", "QUADRATE_ORT_LIB: no setting has this name: did you mean QUADRATE_ORT_LIBRARY?"},
		{"QUADRATE_ORT_LIBRRY=/x", "did you mean QUADRATE_ORT_LIBRARY?"},
		{"QUADRATE_CONFIGS=/x", "did you mean QUADRATE_CONFIG?"},
		{"QUADRATE_BANANAS=1", "QUADRATE_BANANAS: no setting has this name; .env.example lists those there are"},
		{"QUADRATE_SERVER_CORS_ORIGINS=*", "server.cors.origins is a list; lists are set in the file only"},
		{"QUADRATE_MODELS=a", "models are listed in the file only"},
		{"QUADRATE_MODELS_0_PATH=a", "models are listed in the file only"},
	} {
		_, err := load(t, minimal, c.environ)
		require.ErrorContains(t, err, c.want, c.environ)
		var problems LoadError
		require.ErrorAs(t, err, &problems)
		require.Len(t, problems, 1)
	}
}

func TestNamesOfOtherProgramsAreLeftAlone(t *testing.T) {
	mustLoad(t, minimal, "QUADRATE_PYTHON=python3", "QUADRATE_REQUIRE_MODELS=1", "QUADRATE_FETCH=team/small", "QUADRATE_FETCH_VARIANT=fp32,int8", "QUADRATE_TORCH_PYTHON=python3", "RERANK_COLOUR=red", "quadrate_server_prot=1", "=C:=odd", "BARE")
}

func TestServiceLinksAreNoSettings(t *testing.T) {
	links := func(service string) []string {
		return []string{
			service + "_SERVICE_HOST=10.0.0.1", service + "_SERVICE_PORT=80", service + "_SERVICE_PORT_HTTP=80",
			service + "_PORT=tcp://10.0.0.1:80", service + "_PORT_80_TCP=tcp://10.0.0.1:80", service + "_PORT_80_TCP_ADDR=10.0.0.1",
		}
	}
	environ := append(append(links("QUADRATE"), links("QUADRATE_SERVER")...), links("GATEWAY")...)
	require.Equal(t, 8000, mustLoad(t, minimal, environ...).Server.Port)

	_, err := load(t, minimal, "QUADRATE_SERVICE_PORT=80")
	require.ErrorContains(t, err, "did you mean QUADRATE_SERVER_PORT?")
	_, err = load(t, minimal, "QUADRATE_SERVER_PORT=tcp://10.0.0.1:80")
	require.ErrorContains(t, err, "is not a whole number")
}

func TestFaultsInDotEnv(t *testing.T) {
	for text, want := range map[string]string{
		"A=1\n\nexport QUADRATE_SERVER_PORT=x\n":            `.env:3: QUADRATE_SERVER_PORT: server.port: "x" is not a whole number`,
		"QUADRATE_SERVER_PORT=1\nQUADRATE_SERVER_PORT: x\n": `.env:2: QUADRATE_SERVER_PORT: server.port: "x"`,
		"A=1\nQUADRATE_SERVER_PROT=1\n":                     ".env:2: QUADRATE_SERVER_PROT: no setting has this name",
		"A=1\nno assignment\nKEY=hunter2\n":                 ".env:2: is not NAME=value",
		"A=1\nno assignment: x\n":                           ".env:2: is not NAME=value",
		"no assignment":                                     ".env:1: is not NAME=value",
		"A=1\nK\xd6NIG=1\n":                                 ".env:2: is not NAME=value",
		"A=1\nKEY=\"hunter2\n":                              ".env:2: is not NAME=value",
	} {
		_, err := Load(LoadOptions{Dir: workspace(t, map[string]string{DefaultFile: minimal, ".env": text})})
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := Load(LoadOptions{Dir: workspace(t, map[string]string{DefaultFile: minimal, ".env/x": ""})})
	require.ErrorContains(t, err, ".env: cannot be read: is a directory")
}

func TestVariablesInTheFile(t *testing.T) {
	file := `
server: {host: "${HOST}", port: "${PORT}", body_limit: "${N}MiB"}
models: [{name: "org/${NAME}", path: "/m/$${NAME}/$x"}]
`
	dir := workspace(t, map[string]string{DefaultFile: file, ".env": "HOST=localhost\nN=5\nNAME=dot\n"})
	cfg, err := Load(LoadOptions{Dir: dir, Environ: []string{"PORT=81", "NAME=own"}})
	require.NoError(t, err)
	require.Equal(t, "localhost", cfg.Server.Host)
	require.Equal(t, 81, cfg.Server.Port)
	require.Equal(t, Bytes(5<<20), cfg.Server.BodyLimit)
	require.Equal(t, "org/own", cfg.Models[0].Name)
	require.Equal(t, "/m/${NAME}/$x", cfg.Models[0].Path)
}

const twoModels = `
server: {max_documents: 5}
models:
  - {name: org/embedder, aliases: [default]}
  - {name: BAAI/bge-reranker-v2-m3, aliases: [bge], path: bge, variant: fp32, devices: [2], optional: true, batcher: {max_items: 3}}
`

func TestRerankNames(t *testing.T) {
	before := mustLoad(t, twoModels).Models[1]
	for _, c := range []struct {
		environ []string
		change  func(m *Model)
	}{
		{[]string{"RERANK_MODEL_NAME=BAAI/bge-reranker-v2-m3"}, func(*Model) {}},
		{[]string{"RERANK_MODEL_NAME=bge", "RERANK_MAX_BATCH_SIZE=8"}, func(m *Model) { m.Batcher.MaxItems = 8 }},
		{[]string{"RERANK_MAX_BATCH_SIZE=32"}, func(m *Model) { m.Batcher.MaxItems = 32 }},
		{[]string{"RERANK_BATCH_DELAY_MS=7"}, func(m *Model) { m.Batcher.Delay = 7 * time.Millisecond }},
		{[]string{"RERANK_QUEUE_TIMEOUT_MS=2500"}, func(m *Model) { m.Batcher.QueueTimeout = 2500 * time.Millisecond }},
		{[]string{"RERANK_MAX_DOCUMENT_LENGTH=4096"}, func(m *Model) { m.MaxDocumentChars = 4096 }},
		{[]string{"RERANK_DEVICE=cpu"}, func(m *Model) { m.Provider = "cpu" }},
		{[]string{"RERANK_DEVICE=auto"}, func(m *Model) { m.Provider = "auto" }},
		{[]string{"RERANK_DEVICE=cuda"}, func(m *Model) { m.Provider = "cuda" }},
		{[]string{"RERANK_DEVICE=cuda:1"}, func(m *Model) { m.Provider, m.Devices = "cuda", []int{1} }},
		{[]string{"RERANK_DEVICE=cuda:1", "QUADRATE_RUNTIME_PROVIDER=cpu"}, func(*Model) {}},
		{[]string{"RERANK_QUANTIZATION=none", "RERANK_MIXED_PRECISION=false"}, func(*Model) {}},
		{[]string{"RERANK_QUANTIZATION=int8"}, func(m *Model) { m.Variant = "int8" }},
		{[]string{"RERANK_MIXED_PRECISION=true"}, func(m *Model) { m.GPUVariant = "fp16" }},
		{[]string{"RERANK_QUANTIZATION=int8", "RERANK_MIXED_PRECISION=true"}, func(m *Model) { m.Variant, m.GPUVariant = "int8", "fp16" }},
		{[]string{`RERANK_MODEL_MAPPING={"rerank-v3.5": "BAAI/bge-reranker-v2-m3", "bge": "bge", "jina": "bge"}`}, func(m *Model) { m.Aliases = []string{"bge", "jina", "rerank-v3.5"} }},
		{[]string{"RERANK_MODEL_MAPPING={}"}, func(*Model) {}},
	} {
		want := before
		c.change(&want)
		cfg := mustLoad(t, twoModels, c.environ...)
		require.Len(t, cfg.Models, 2)
		require.Equal(t, want, cfg.Models[1], c.environ)
		require.Equal(t, mustLoad(t, twoModels).Models[0], cfg.Models[0], "the other model stays")
	}
}

func TestRerankModelNameAddsAModel(t *testing.T) {
	cfg := mustLoad(t, twoModels, "RERANK_MODEL_NAME=BAAI/bge-reranker-base", "RERANK_MAX_BATCH_SIZE=4", `RERANK_MODEL_MAPPING={"base": "BAAI/bge-reranker-base"}`)
	require.Len(t, cfg.Models, 3)
	require.Equal(t, Model{
		Name: "BAAI/bge-reranker-base", Aliases: []string{"base"}, Path: "bge-reranker-base", Tasks: []models.Task{models.TaskRerank},
		Variant: "auto", Devices: []int{0},
		Batcher: Batcher{MaxItems: 4, QueueTimeout: 5 * time.Second, MaxQueuedItems: 8192}, Cache: Cache{Bytes: 64 << 20},
	}, cfg.Models[2])
	require.Equal(t, filepath.Join(cfg.ModelsDir, "bge-reranker-base"), cfg.Specs()[2].Path)
}

func TestRerankMaxDocuments(t *testing.T) {
	require.Equal(t, 5, mustLoad(t, twoModels).Server.MaxDocuments)
	require.Equal(t, 50, mustLoad(t, twoModels, "RERANK_MAX_DOCUMENTS=50").Server.MaxDocuments)
	require.Equal(t, 60, mustLoad(t, twoModels, "RERANK_MAX_DOCUMENTS=50", "QUADRATE_SERVER_MAX_DOCUMENTS=60").Server.MaxDocuments)
}

func TestRerankFaults(t *testing.T) {
	for _, c := range []struct {
		file, environ, want string
	}{
		{twoModels, "RERANK_MAX_BATCH_SIZE=many", `RERANK_MAX_BATCH_SIZE: models[1].batcher.max_items: "many" is not a whole number`},
		{twoModels, "RERANK_MAX_BATCH_SIZE=-1", `RERANK_MAX_BATCH_SIZE: models[1].batcher.max_items: "-1" is too small: the least is 0`},
		{twoModels, "RERANK_BATCH_DELAY_MS=5ms", `RERANK_BATCH_DELAY_MS: models[1].batcher.delay: "5ms" is not a whole number of milliseconds`},
		{twoModels, "RERANK_BATCH_DELAY_MS=-5", `RERANK_BATCH_DELAY_MS: models[1].batcher.delay: "-5" is too small: the least is 0`},
		{twoModels, "RERANK_DEVICE=gpu", `RERANK_DEVICE: models[1].provider: "gpu" is not allowed: allowed are auto, cpu, cuda, tensorrt, openvino`},
		{twoModels, "RERANK_DEVICE=cpu:1", `"cpu:1" is not allowed`},
		{twoModels, "RERANK_DEVICE=cuda:x", `"cuda:x" is not allowed`},
		{twoModels, "RERANK_DEVICE=cuda:-1", `"cuda:-1" is not allowed`},
		{twoModels, "RERANK_QUANTIZATION=int4", `RERANK_QUANTIZATION: models[1].variant: "int4" is not allowed: allowed are none, int8`},
		{twoModels, "RERANK_MIXED_PRECISION=yes", `RERANK_MIXED_PRECISION: models[1].gpu_variant: "yes" is neither true nor false`},
		{twoModels, "RERANK_MODEL_NAME=", "RERANK_MODEL_NAME: models[2].name: is missing or empty; the model's name belongs here"},
		{twoModels, "RERANK_MODEL_MAPPING=a:b", "RERANK_MODEL_MAPPING: is not a JSON object of aliases to models"},
		{twoModels, `RERANK_MODEL_MAPPING={"a": "gone"}`, `RERANK_MODEL_MAPPING: alias "a" leads to "gone", and no model has that name`},
		{twoModels, `RERANK_MODEL_MAPPING={"default": "bge"}`, `RERANK_MODEL_MAPPING: models[1].aliases[1]: the name "default" is taken by models[0].aliases[0] (line 4)`},
		{twoModels, `RERANK_MODEL_MAPPING={"BAAI/bge-reranker-v2-m3": "default"}`, `models[1].name: the name "BAAI/bge-reranker-v2-m3" is taken by models[0].aliases[1] (RERANK_MODEL_MAPPING)`},
		{twoModels, `RERANK_MODEL_MAPPING={"": "bge"}`, `RERANK_MODEL_MAPPING: models[1].aliases[1]: is empty; write a name`},
		{minimal, "RERANK_DEVICE=cpu", "RERANK_DEVICE: there is no model BAAI/bge-reranker-v2-m3 for it: name the local reranker with RERANK_MODEL_NAME, or set provider of another model in the file"},
	} {
		_, err := load(t, c.file, c.environ)
		require.ErrorContains(t, err, c.want, c.environ)
	}
}
