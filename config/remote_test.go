package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

const routed = `
upstreams:
  - {name: ollama, type: vllm, urls: [http://file:1], timeout: 7s, retries: 9}
  - {name: other, type: tei, urls: [http://other:1]}
models:
  - {name: from-file, upstream: ollama}
  - {name: apart, upstream: other, enabled: false}
  - {name: "org/*", upstream: other, upstream_model: "hub/*"}
`

// upstreamNamed returns the upstream of that name, and the routes that lead to it.
func upstreamNamed(t *testing.T, cfg *Config, name string) (Upstream, []Route) {
	t.Helper()
	var routes []Route
	for _, r := range cfg.Routing.Models {
		if r.Upstream == name {
			routes = append(routes, r)
		}
	}
	for _, u := range cfg.Routing.Upstreams {
		if u.Name == name {
			return u, routes
		}
	}
	require.Fail(t, "no upstream", name)
	return Upstream{}, nil
}

func TestUpstreamsOfTheEnvironment(t *testing.T) {
	embed := []models.Task{models.TaskEmbed}
	for _, c := range []struct {
		environ        []string
		name, kind     string
		url, key       string
		routes         []string
		tasks          []models.Task
		upstreamModels []string
	}{
		{[]string{"QWEN3_ENABLED=true"}, "qwen3", "openai", "http://localhost:8081", "", []string{"Qwen/Qwen3-Embedding-0.6B"}, embed, []string{"Qwen/Qwen3-Embedding-0.6B"}},
		{[]string{"QWEN3_ENABLED=true", "QWEN3_API_KEY=k", "QWEN3_BASE_URL=https://q/v1/", "QWEN3_MODEL=q"}, "qwen3", "openai", "https://q", "k", []string{"q"}, embed, []string{"q"}},
		{[]string{"OLLAMA_BASE_URL=http://o:1"}, "ollama", "ollama", "http://o:1", "", []string{"*"}, embed, []string{""}},
		{[]string{"OLLAMA_BASE_URL=http://o:1/v1"}, "ollama", "ollama", "http://o:1", "", []string{"*"}, embed, []string{""}},
		{[]string{"OLLAMA_MODELS="}, "ollama", "ollama", "http://localhost:11434", "", []string{"*"}, embed, []string{""}},
		{[]string{"OLLAMA_MODELS=a, b,,"}, "ollama", "ollama", "http://localhost:11434", "", []string{"a", "b"}, embed, []string{"a", "b"}},
		{[]string{"TEI_BASE_URL=http://t:1"}, "tei", "tei", "http://t:1", "", []string{"*"}, models.Tasks(), []string{""}},
		{[]string{"TEI_MODELS=intfloat/e5"}, "tei", "tei", "http://localhost:8080", "", []string{"intfloat/e5"}, models.Tasks(), []string{"intfloat/e5"}},
		{[]string{"TEI_DOCKER_IMAGE="}, "tei", "tei", "http://localhost:8080", "", []string{"*"}, models.Tasks(), []string{""}},
		{[]string{"VLLM_BASE_URL=http://v:1/v1"}, "vllm", "vllm", "http://v:1", "", []string{"*"}, models.Tasks(), []string{""}},
		{[]string{"VLLM_MODELS=a"}, "vllm", "vllm", "http://localhost:8081", "", []string{"a"}, models.Tasks(), []string{"a"}},
		{[]string{"VLLM_DOCKER_IMAGE="}, "vllm", "vllm", "http://localhost:8081", "", []string{"*"}, models.Tasks(), []string{""}},
		{[]string{"VLLM_ARGS="}, "vllm", "vllm", "http://localhost:8081", "", []string{"*"}, models.Tasks(), []string{""}},
	} {
		cfg := mustLoad(t, minimal, c.environ...)
		require.Len(t, cfg.Routing.Upstreams, 1, c.environ)
		u, routes := upstreamNamed(t, cfg, c.name)
		require.Equal(t, c.kind, u.Type)
		require.Equal(t, []string{c.url}, u.URLs, c.environ)
		require.Equal(t, c.key, u.APIKey)
		require.Equal(t, 30*time.Second, u.Timeout)
		require.Equal(t, 2, u.Retries)
		require.Len(t, routes, len(c.routes), c.environ)
		for i, r := range routes {
			require.Equal(t, Route{Name: c.routes[i], Upstream: c.name, UpstreamModel: c.upstreamModels[i], Tasks: c.tasks, Enabled: true}, r, c.environ)
		}
	}
}

func TestUpstreamsThatTheEnvironmentDoesNotMake(t *testing.T) {
	for _, environ := range [][]string{
		nil,
		{"QWEN3_ENABLED=false", "QWEN3_API_KEY=k"},
		{"QWEN3_BASE_URL=http://q"},
		{"QWEN3_MODEL=q", "OLLAMA_HOST=0.0.0.0", "VLLM_PORT=tcp://10.0.0.1:80", "TEI_COLOUR=red", "ROUTER_REQUEST_TIMEOUT_SECONDS=5"},
	} {
		require.Empty(t, mustLoad(t, minimal, environ...).Routing.Upstreams, environ)
	}
	files := map[string]string{DefaultFile: minimal, "configs/routing.yaml": "upstreams: [{name: qwen3, type: tei, urls: [http://file:1]}]\n"}
	u, _ := upstreamNamed(t, mustLoadAll(t, files, "QWEN3_ENABLED=false"), "qwen3")
	require.Equal(t, "tei", u.Type, "the file's stays")
}

func TestUpstreamOfTheEnvironmentReplacesTheFiles(t *testing.T) {
	files := map[string]string{DefaultFile: minimal, "configs/routing.yaml": routed}
	for _, c := range []struct {
		environ string
		url     string
		routes  []string
	}{
		{"OLLAMA_BASE_URL=http://env:1", "http://env:1", []string{"from-file"}},
		{"OLLAMA_MODELS=a,from-file", "http://localhost:11434", []string{"from-file", "a"}},
		{"OLLAMA_MODELS=", "http://localhost:11434", []string{"from-file"}},
	} {
		cfg := mustLoadAll(t, files, c.environ)
		require.Len(t, cfg.Routing.Upstreams, 2)
		u, routes := upstreamNamed(t, cfg, "ollama")
		require.Equal(t, "ollama", u.Type)
		require.Equal(t, []string{c.url}, u.URLs)
		require.Equal(t, 30*time.Second, u.Timeout, "nothing of the entry stays")
		require.Equal(t, 2, u.Retries)
		var names []string
		for _, r := range routes {
			names = append(names, r.Name)
		}
		require.Equal(t, c.routes, names, c.environ)
	}
}

func TestRequestTimeoutIsADefault(t *testing.T) {
	files := map[string]string{DefaultFile: minimal, "configs/routing.yaml": routed}
	environ := []string{"ROUTER_REQUEST_TIMEOUT_SECONDS=12", "VLLM_MODELS=v"}
	for name, want := range map[string]time.Duration{"ollama": 7 * time.Second, "other": 12 * time.Second, "vllm": 12 * time.Second} {
		u, _ := upstreamNamed(t, mustLoadAll(t, files, environ...), name)
		require.Equal(t, want, u.Timeout, name)
	}
	u, _ := upstreamNamed(t, mustLoadAll(t, files, "ROUTER_REQUEST_TIMEOUT_SECONDS=0.5"), "other")
	require.Equal(t, 500*time.Millisecond, u.Timeout)
}

func TestAllowDisabledModels(t *testing.T) {
	files := map[string]string{DefaultFile: "server: {port: 1}\n", "configs/routing.yaml": "upstreams: [{name: a, type: tei, urls: [http://a]}]\nmodels: [{name: m, upstream: a, enabled: false}]\n"}
	require.True(t, mustLoadAll(t, files, "ROUTER_ALLOW_DISABLED_MODELS=true").Routing.AllowDisabled)
	require.True(t, mustLoadAll(t, files, "QUADRATE_ROUTING_ALLOW_DISABLED_MODELS=true", "ROUTER_ALLOW_DISABLED_MODELS=false").Routing.AllowDisabled)
	_, err := Load(LoadOptions{Dir: workspace(t, files)})
	require.ErrorContains(t, err, "no route in configs/routing.yaml is enabled")
}

func TestUpstreamsAloneAreEnough(t *testing.T) {
	cfg := mustLoad(t, "server: {port: 1}\n", "OLLAMA_MODELS=a")
	require.Empty(t, cfg.Models)
	require.Len(t, cfg.Routing.Models, 1)
}

func TestRerankMappingToRoutes(t *testing.T) {
	files := map[string]string{DefaultFile: minimal, "configs/routing.yaml": routed}
	cfg := mustLoadAll(t, files, `RERANK_MODEL_MAPPING={"a": "from-file", "b": "org/x", "c": "org/tiny", "d": "new/x"}`, "VLLM_MODELS=")
	require.Equal(t, []string{"c"}, cfg.Models[0].Aliases)
	byName := map[string]Route{}
	for _, r := range cfg.Routing.Models {
		byName[r.Name] = r
	}
	require.Equal(t, []string{"a"}, byName["from-file"].Aliases)
	require.Equal(t, "from-file", byName["from-file"].UpstreamModel)
	require.Equal(t, "hub/x", byName["b"].UpstreamModel, "by the first pattern that fits")
	require.Equal(t, "other", byName["b"].Upstream)
	require.Equal(t, "new/x", byName["d"].UpstreamModel)
	require.Equal(t, "vllm", byName["d"].Upstream)
	require.Empty(t, byName["d"].Aliases)
}

func TestFaultsOfUpstreamNames(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"ROUTER_REQUEST_TIMEOUT_SECONDS=30s"}, `ROUTER_REQUEST_TIMEOUT_SECONDS: "30s" is not a number of seconds above 0, such as 30`},
		{[]string{"ROUTER_REQUEST_TIMEOUT_SECONDS=0"}, `"0" is not a number of seconds above 0`},
		{[]string{"ROUTER_REQUEST_TIMEOUT_SECONDS=-1"}, `"-1" is not a number of seconds above 0`},
		{[]string{"ROUTER_REQUEST_TIMEOUT_SECONDS=NaN"}, `"NaN" is not a number of seconds above 0`},
		{[]string{"ROUTER_REQUEST_TIMEOUT_SECONDS=1e300"}, `"1e300" is not a number of seconds above 0`},
		{[]string{"ROUTER_ALLOW_DISABLED_MODELS=maybe"}, `ROUTER_ALLOW_DISABLED_MODELS: routing.allow_disabled_models: "maybe" is neither true nor false`},
		{[]string{"ROUTER_ROUTING_PATH=gone.yaml"}, "gone.yaml: cannot be read: no such file or directory; ROUTER_ROUTING_PATH names it"},
		{[]string{"ROUTER_AUTH_PATH=gone.yaml"}, "gone.yaml: cannot be read: no such file or directory; ROUTER_AUTH_PATH names it"},
		{[]string{"ROUTER_RATE_LIMITS_PATH=gone.yaml"}, "gone.yaml: cannot be read: no such file or directory; ROUTER_RATE_LIMITS_PATH names it"},
		{[]string{"QWEN3_ENABLED=yes"}, `QWEN3_ENABLED: "yes" is neither true nor false`},
		{[]string{"QWEN3_ENABLED=true", "QWEN3_MODEL="}, "QWEN3_MODEL: routing.models[0].name: is missing or empty; the model's name belongs here"},
		{[]string{"QWEN3_ENABLED=true", "QWEN3_BASE_URL=q"}, `QWEN3_BASE_URL: routing.upstreams[0].urls[0]: "q" is not a URL that can be used here`},
		{[]string{"QWEN3_ENABLED=true", "QWEN3_API_KEY=file:/no/such"}, "QWEN3_API_KEY: routing.upstreams[0].api_key: is in the file /no/such, which cannot be read"},
		{[]string{"QWEN3_ENABLED=true", "QWEN3_API_KEY=hunter2 x"}, "QWEN3_API_KEY: routing.upstreams[0].api_key: has white space"},
		{[]string{"OLLAMA_BASE_URL="}, "OLLAMA_BASE_URL: routing.upstreams[0].urls[0]: is empty; write a URL"},
		{[]string{"OLLAMA_MODELS=a,a b"}, `OLLAMA_MODELS: routing.models[1].name: "a b" has white space in it`},
		{[]string{"OLLAMA_MODELS=org/tiny"}, `OLLAMA_MODELS: routing.models[0].name: the name "org/tiny" is taken by models[0].name (configs/server.yaml:1)`},
		{[]string{"OLLAMA_MODELS=a", "VLLM_MODELS=a"}, `VLLM_MODELS: routing.models[1].name: the name "a" is taken by models[0].name (OLLAMA_MODELS)`},
		{[]string{"TEI_DOCKER_IMAGE=tei:1"}, "TEI_DOCKER_IMAGE: routing.upstreams[0].managed: there is a container for each model, and no model is named: list them in TEI_MODELS, or routes with upstream: tei in configs/routing.yaml"},
		{[]string{"VLLM_DOCKER_IMAGE=vllm:1"}, "VLLM_DOCKER_IMAGE: routing.upstreams[0].managed: there is a container for each model, and no model is named: list them in VLLM_MODELS, or routes with upstream: vllm in configs/routing.yaml"},
		{[]string{"VLLM_DOCKER_IMAGE=a b", "VLLM_MODELS=a"}, `VLLM_DOCKER_IMAGE: routing.upstreams[0].managed.image: "a b" is not an image`},
		{[]string{"VLLM_ARGS=--task embed"}, "VLLM_ARGS: is for containers, and VLLM_DOCKER_IMAGE names no image for them"},
		{[]string{"VLLM_ARGS=--x 'y", "VLLM_DOCKER_IMAGE=v", "VLLM_MODELS=a"}, "VLLM_ARGS: cannot be split into arguments: a quote or a bracket is not closed"},
		{[]string{"VLLM_ARGS=--x é; hunter2 x", "VLLM_DOCKER_IMAGE=v", "VLLM_MODELS=a"}, `VLLM_ARGS: has a ';' that a shell would not pass on; put quotes around it`},
		{[]string{"VLLM_ARGS=--x hunter2 2>y", "VLLM_DOCKER_IMAGE=v", "VLLM_MODELS=a"}, `VLLM_ARGS: has a '>' that a shell would not pass on`},
		{[]string{`RERANK_MODEL_MAPPING={"a": "gone"}`}, `RERANK_MODEL_MAPPING: alias "a" leads to "gone", and no model has that name`},
		{[]string{`RERANK_MODEL_MAPPING={"org/tiny": "a"}`, "OLLAMA_MODELS=a"}, `RERANK_MODEL_MAPPING: routing.models[0].aliases[0]: the name "org/tiny" is taken by models[0].name (configs/server.yaml:1)`},
	} {
		_, err := load(t, minimal, c.environ...)
		require.ErrorContains(t, err, c.want, c.environ)
		require.NotContains(t, err.Error(), "hunter2")
		var problems LoadError
		require.ErrorAs(t, err, &problems)
		require.Len(t, problems, 1, c.environ)
	}
}
