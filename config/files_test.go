package config

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPrecedenceOverAllFiles(t *testing.T) {
	const (
		auth   = "anonymous: {enabled: false}\n"
		limits = "store: redis://file\nreplicas: 2\n"
	)
	for _, c := range []struct {
		name, auth, limits, dotEnv string
		environ                    []string
		anonymous                  bool
		store                      string
		replicas                   int
	}{
		{"defaults", "", "", "", nil, true, "memory", 0},
		{"files", auth, limits, "", nil, false, "redis://file", 2},
		{".env over the files", auth, limits, "QUADRATE_AUTH_ANONYMOUS_ENABLED=true\nQUADRATE_RATE_LIMITS_STORE=redis://dot\n", nil, true, "redis://dot", 2},
		{"the environment over .env", auth, limits, "QUADRATE_RATE_LIMITS_STORE=redis://dot\nQUADRATE_RATE_LIMITS_REPLICAS=3\n", []string{"QUADRATE_RATE_LIMITS_STORE=redis://env"}, false, "redis://env", 3},
		{"without a key in the files", "", "", "", []string{"QUADRATE_AUTH_ANONYMOUS_ENABLED=false", "QUADRATE_RATE_LIMITS_STORE=memory"}, false, "memory", 0},
	} {
		files := map[string]string{DefaultFile: minimal, "configs/auth.yaml": c.auth, "configs/rate_limits.yaml": c.limits, ".env": c.dotEnv}
		cfg := mustLoadAll(t, files, c.environ...)
		require.Equal(t, c.anonymous, cfg.Auth.Anonymous.Enabled, c.name)
		require.Equal(t, c.store, cfg.RateLimits.Store, c.name)
		require.Equal(t, c.replicas, cfg.RateLimits.Replicas, c.name)
	}
}

// flag (of the configuration file) > environment > .env > file > default, for what names a file.
func TestWhichFilesBesideIt(t *testing.T) {
	const one, two = "replicas: 1\n", "replicas: 2\n"
	files := map[string]string{
		DefaultFile: minimal, "configs/rate_limits.yaml": "replicas: 9\n", "one.yaml": one, "two.yaml": two, "three.yaml": "replicas: 3\n",
		"names.yaml": "files: {rate_limits: one.yaml}\n" + minimal, "no.yaml": "files: {rate_limits: \"\"}\n" + minimal,
	}
	for _, c := range []struct {
		flag, dotEnv string
		environ      []string
		want         int
	}{
		{"", "", nil, 9},
		{"names.yaml", "", nil, 1},
		{"no.yaml", "", nil, 0},
		{"names.yaml", "ROUTER_RATE_LIMITS_PATH=two.yaml\n", nil, 2},
		{"names.yaml", "ROUTER_RATE_LIMITS_PATH=two.yaml\n", []string{"ROUTER_RATE_LIMITS_PATH=three.yaml"}, 3},
		{"names.yaml", "QUADRATE_FILES_RATE_LIMITS=two.yaml\n", []string{"ROUTER_RATE_LIMITS_PATH=three.yaml"}, 2},
		{"names.yaml", "", []string{"QUADRATE_FILES_RATE_LIMITS="}, 0},
		{"names.yaml", "", []string{"QUADRATE_CONFIG=no.yaml"}, 1},
	} {
		files[".env"] = c.dotEnv
		cfg, err := Load(LoadOptions{Dir: workspace(t, files), File: c.flag, Environ: c.environ})
		require.NoError(t, err)
		require.Equal(t, c.want, cfg.RateLimits.Replicas, "%+v", c)
	}
}

func TestUnknownNamesOfKeysInOtherFiles(t *testing.T) {
	for environ, want := range map[string]string{
		"QUADRATE_AUTH_ANONYMOUS_ENABLE=true":   "did you mean QUADRATE_AUTH_ANONYMOUS_ENABLED?",
		"QUADRATE_AUTH_ANONYMOUS_MODELS=a":      "auth.anonymous.models is a list; lists are set in the file only",
		"QUADRATE_AUTH_KEYS=a":                  "keys are listed in the file only",
		"QUADRATE_AUTH_KEYS_0_HASH=a":           "keys are listed in the file only",
		"QUADRATE_ROUTING_UPSTREAMS=a":          "upstreams are listed in the file only",
		"QUADRATE_RATE_LIMITS_CLASSES_0_NAME=a": "classes are listed in the file only",
		"QUADRATE_RATE_LIMITS_STOER=memory":     "did you mean QUADRATE_RATE_LIMITS_STORE?",
		"QUADRATE_TRACING_ENDPOINTS=a":          "did you mean QUADRATE_TRACING_ENDPOINT?",
		"QUADRATE_RATE_LIMITS_STORE=hunter2":    "QUADRATE_RATE_LIMITS_STORE: rate_limits.store: is neither memory nor a URL of Redis",
		"QUADRATE_AUTH_ANONYMOUS_ENABLED=2":     `QUADRATE_AUTH_ANONYMOUS_ENABLED: auth.anonymous.enabled: "2" is neither true nor false`,
		"QUADRATE_AUTH_ANONYMOUS_LIMITS=none":   `QUADRATE_AUTH_ANONYMOUS_LIMITS: auth.anonymous.limits: there is no class "none" in configs/rate_limits.yaml`,
		"QUADRATE_TRACING_RATIO=NaN":            `QUADRATE_TRACING_RATIO: tracing.ratio: "NaN" is not a number from 0 to 1`,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://":   `OTEL_EXPORTER_OTLP_ENDPOINT: tracing.endpoint: "http://" has no host`,
	} {
		_, err := load(t, minimal, environ)
		require.ErrorContains(t, err, want, environ)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestSecrets(t *testing.T) {
	routing := `
upstreams:
  - name: a
    type: openai
    api_key: ${KEY}
    headers:
      - {name: X-Whole, value: "file:secrets/header"}
      - {name: X-Part, value: "Token ${KEY}!"}
      - {name: X-Literal, value: "not file:secrets/header"}
    ca_file: file:secrets/header
  - {name: b, type: openai, api_key: "file:secrets/${NAME}"}
  - {name: c, type: openai, api_key: "file:secrets/key"}
`
	dir := workspace(t, map[string]string{
		DefaultFile: minimal, "configs/routing.yaml": routing, "configs/rate_limits.yaml": "store: file:secrets/redis\n",
		"secrets/header": "of the header\n", "secrets/key": "of-b\r\n", "secrets/redis": "rediss://u:p@h:1/2", ".env": "KEY=of-a\n",
	})
	cfg, err := Load(LoadOptions{Dir: dir, Environ: []string{"NAME=key"}})
	require.NoError(t, err)
	a, b := cfg.Routing.Upstreams[0], cfg.Routing.Upstreams[1]
	require.Equal(t, "of-a", a.APIKey)
	require.Equal(t, []Header{{"X-Whole", "of the header"}, {"X-Part", "Token of-a!"}, {"X-Literal", "not file:secrets/header"}}, a.Headers)
	require.Equal(t, filepath.Join(dir, "file:secrets/header"), a.CAFile, "a path is a path")
	require.Equal(t, "of-b", b.APIKey)
	require.Equal(t, "rediss://u:p@h:1/2", cfg.RateLimits.Store)

	var want []string
	for _, name := range []string{".env", "configs/server.yaml", "configs/routing.yaml", "secrets/header", "secrets/key", "configs/auth.yaml", "configs/rate_limits.yaml", "secrets/redis", "file:secrets/header"} {
		want = append(want, filepath.Join(dir, name))
	}
	require.Equal(t, want, cfg.Sources())

	cfg, err = Load(LoadOptions{Dir: dir, Environ: []string{"NAME=key", "QUADRATE_RATE_LIMITS_STORE=file:secrets/redis", "QWEN3_ENABLED=true", "QWEN3_API_KEY=file:secrets/key"}})
	require.NoError(t, err)
	require.Equal(t, "rediss://u:p@h:1/2", cfg.RateLimits.Store)
	qwen, _ := upstreamNamed(t, cfg, "qwen3")
	require.Equal(t, "of-b", qwen.APIKey)
}

func TestBaseURLs(t *testing.T) {
	for _, c := range []struct{ kind, url, want string }{
		{"openai", "http://h:1", "http://h:1"},
		{"openai", "http://h:1/v1", "http://h:1"},
		{"openai", "http://h:1/v1/", "http://h:1"},
		{"openai", "https://h/openai/v1", "https://h/openai"},
		{"openai", "dns+http://h:1/v1", "dns+http://h:1"},
		{"jina", "https://h/v1", "https://h"},
		{"cohere", "https://h/v2", "https://h"},
		{"vllm", "http://h:1//v1", "http://h:1"},
		{"tei", "http://h:1/v1", "http://h:1"},
		{"ollama", "http://h:1//", "http://h:1"},
		{"quadrate", "http://h:1/v1", "http://h:1"},
		{"infinity", "http://h:1/v1/", "http://h:1/v1"},
	} {
		list := []Upstream{{Type: c.kind, URLs: []string{c.url}}}
		trimURLs(list)
		require.Equal(t, []string{c.want}, list[0].URLs, "%+v", c)
	}
	files := map[string]string{DefaultFile: minimal, "configs/routing.yaml": "upstreams: [{name: a, type: openai}, {name: b, type: cohere, urls: []}, {name: c, type: jina}]\n"}
	var public []string
	for _, u := range mustLoadAll(t, files).Routing.Upstreams {
		public = append(public, u.URLs...)
	}
	require.Equal(t, []string{"https://api.openai.com", "https://api.cohere.com", "https://api.jina.ai"}, public)
}

func TestPathsOfUpstreams(t *testing.T) {
	dir := workspace(t, map[string]string{
		"conf/c.yaml": minimal + "files: {routing: conf/r.yaml}\n",
		"conf/r.yaml": "upstreams: [{name: a, type: tei, urls: [https://a], ca_file: ca.pem, client_cert: tls/c.pem, client_key: /k.pem}]\n",
	})
	cfg, err := Load(LoadOptions{Dir: dir, File: "conf/c.yaml"})
	require.NoError(t, err)
	u := cfg.Routing.Upstreams[0]
	require.Equal(t, []string{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "tls/c.pem"), "/k.pem"}, []string{u.CAFile, u.ClientCert, u.ClientKey})
}

func TestExpires(t *testing.T) {
	for text, want := range map[string]time.Time{
		"":                          {},
		"2027-01-31":                time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		"2027-01-31T12:00:00Z":      time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC),
		"2027-01-31T12:00:00+02:00": time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC),
	} {
		require.True(t, want.Equal(Key{Expires: text}.ExpiresAt()), text)
	}
	require.True(t, Key{}.ExpiresAt().IsZero())
	files := map[string]string{DefaultFile: minimal, "configs/auth.yaml": "keys: [{name: a, expires: 2027-01-31, hash: \"sha256:" + zeros + "\"}]\n"}
	require.Equal(t, 2027, mustLoadAll(t, files).Auth.Keys[0].ExpiresAt().Year(), "a date in YAML is text here")
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func TestProxies(t *testing.T) {
	r := RateLimits{TrustedProxies: []string{"10.1.2.3", "10.1.2.3/8", "::1", "fd00::1/8", "::ffff:10.0.0.1"}}
	var got []string
	for _, p := range r.Proxies() {
		got = append(got, p.String())
	}
	require.Equal(t, []string{"10.1.2.3/32", "10.0.0.0/8", "::1/128", "fd00::/8", "10.0.0.1/32"}, got)
}

func TestShare(t *testing.T) {
	require.InDelta(t, 0.25, Tracing{Ratio: "0.25"}.Share(), 0)
	require.InDelta(t, 1, mustLoad(t, minimal).Tracing.Share(), 0)
}

func TestRestart(t *testing.T) {
	files := map[string]string{DefaultFile: minimal}
	before := mustLoadAll(t, files)
	for _, c := range []struct {
		file, path, environ string
		want                []string
	}{
		{minimal, "", "", nil},
		{"models: [{name: other, max_length: 5}]\n", "", "", nil},
		{"server: {port: 1, cors: {origins: [\"*\"]}}\nlog: {level: debug}\n" + minimal, "", "", []string{"log.level", "server.port", "server.cors.origins"}},
		{"server: {cors: {origins: []}}\n" + minimal, "", "", nil},
		{minimal, "", "QUADRATE_RUNTIME_THREADS=3", []string{"runtime.threads"}},
		{minimal, "", "QUADRATE_RATE_LIMITS_REPLICAS=3", nil},
		{minimal, "", "QUADRATE_RATE_LIMITS_STORE=redis://h", []string{"rate_limits.store"}},
		{"files: {auth: \"\"}\n" + minimal, "", "", nil},
		{"tracing: {ratio: 0.5}\nmodels_dir: /m\n" + minimal, "", "", []string{"models_dir", "tracing.ratio"}},
		{minimal, "configs/auth.yaml", "", nil},
		{minimal, "", "QUADRATE_ROUTING_CONTAINERS_INSTANCE=mine", []string{"routing.containers.instance"}},
		{minimal, "", "QUADRATE_ROUTING_CONTAINERS_HOST=tcp://h:1", []string{"routing.containers.host"}},
		{minimal, "", "QUADRATE_ROUTING_CONTAINERS_MAX_WAIT=3s", nil},
	} {
		after := *before
		files := map[string]string{DefaultFile: c.file}
		if c.path != "" {
			files[c.path] = "anonymous: {enabled: false}\n"
		}
		loaded := mustLoadAll(t, files, c.environ)
		after = *loaded
		// Each workspace is a folder of its own.
		if after.ModelsDir != "/m" {
			after.ModelsDir = before.ModelsDir
		}
		after.Runtime.TensorRTCache = before.Runtime.TensorRTCache
		require.Equal(t, c.want, Restart(before, &after), "%+v", c)
	}
}
