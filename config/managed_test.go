package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// loadRouting reads a routing file under an environment.
func loadRouting(t *testing.T, routing string, environ ...string) (*Config, error) {
	t.Helper()
	files := map[string]string{DefaultFile: minimal, "configs/routing.yaml": routing}
	return Load(LoadOptions{Dir: workspace(t, files), Environ: environ})
}

func mustLoadRouting(t *testing.T, routing string, environ ...string) Routing {
	t.Helper()
	cfg, err := loadRouting(t, routing, environ...)
	require.NoError(t, err)
	return cfg.Routing
}

func TestCommandsOfContainers(t *testing.T) {
	for _, c := range []struct {
		name, kind, managed, routes string
		want                        string
	}{
		{"tei", "tei", "image: tei, model: org/m", "{name: m, upstream: u}", "--model-id org/m --port 80"},
		{"its own port and args", "tei", "image: tei, model: org/m, container_port: 8080, args: [--pooling, cls]", "{name: m, upstream: u}", "--model-id org/m --port 8080 --pooling cls"},
		{"every task", "tei", "image: tei, model: org/m", "{name: m, upstream: u, tasks: [embed, rerank, classify]}", "--model-id org/m --port 80"},
		{"a whole command", "tei", "image: tei, model: org/m, args: ['--model-id={model}', --json]", "{name: m, upstream: u}", "--model-id=org/m --json"},
		{"vllm embeds", "vllm", "image: vllm/vllm-openai, model: org/m", "{name: m, upstream: u}", "--model org/m --port 8000 --runner pooling --convert embed --dtype float16 --max-model-len 8192"},
		{"vllm reranks", "vllm", "image: vllm/vllm-openai, model: org/m", "{name: m, upstream: u, tasks: [rerank, classify]}", "--model org/m --port 8000 --runner pooling --convert classify --dtype float16 --max-model-len 8192"},
		{"vllm classifies", "vllm", "image: vllm/vllm-openai, model: org/m", "{name: m, upstream: u, tasks: [classify]}", "--model org/m --port 8000 --runner pooling --convert classify --dtype float16 --max-model-len 8192"},
		{"vllm reranks by embeddings", "vllm", "image: vllm/vllm-openai, model: org/m", "{name: m, upstream: u, tasks: [embed, rerank], rerank: cosine}", "--model org/m --port 8000 --runner pooling --convert embed --dtype float16 --max-model-len 8192"},
		{"vllm as told", "vllm", "image: vllm/vllm-openai, model: org/m, args: [--dtype, auto]", "{name: m, upstream: u, tasks: [embed, rerank]}", "--model org/m --port 8000 --dtype auto"},
		{"an older vllm embeds", "vllm", "image: 'vllm/vllm-openai:v0.9.2', model: org/m", "{name: m, upstream: u}", "--model org/m --port 8000 --task embed --dtype float16 --max-model-len 8192"},
		{"an older vllm reranks", "vllm", "image: 'vllm/vllm-openai:v0.9.2', model: org/m", "{name: m, upstream: u, tasks: [rerank]}", "--model org/m --port 8000 --task score --dtype float16 --max-model-len 8192"},
		{"an older vllm classifies", "vllm", "image: 'vllm/vllm-openai:v0.9.2', model: org/m", "{name: m, upstream: u, tasks: [classify]}", "--model org/m --port 8000 --task classify --dtype float16 --max-model-len 8192"},
		{"another name for the model", "vllm", "image: vllm/vllm-openai, model: /models/m, args: [--x]", "{name: m, upstream: u, upstream_model: org/m}", "--model /models/m --port 8000 --served-model-name org/m --x"},
		{"a fallback's name too", "vllm", "image: vllm/vllm-openai, model: org/m, args: [--x]", "{name: m, upstream: u}, {name: other, upstream: o, fallback: [u]}", "--model org/m --port 8000 --served-model-name org/m other --x"},
		{"its tasks do not count", "vllm", "image: vllm/vllm-openai, model: org/m", "{name: m, upstream: u, upstream_model: org/m, tasks: [rerank]}, {name: org/m, upstream: o, fallback: [u]}", "--model org/m --port 8000 --runner pooling --convert classify --dtype float16 --max-model-len 8192"},
		{"but where it is alone", "vllm", "image: vllm/vllm-openai, model: org/m", "{name: org/m, upstream: o, tasks: [rerank], fallback: [u]}", "--model org/m --port 8000 --runner pooling --convert classify --dtype float16 --max-model-len 8192"},
		{"infinity", "infinity", "image: michaelf34/infinity, model: org/m, args: [--engine, torch]", "{name: m, upstream: u}", "v2 --model-id org/m --port 7997 --engine torch"},
		{"infinity by another name", "infinity", "image: michaelf34/infinity, model: org/m", "{name: m, upstream: u, upstream_model: n}", "v2 --model-id org/m --port 7997 --served-model-name n"},
		{"quadrate", "quadrate", "image: quadrate, model: any, args: [-config, /etc/q.yaml]", "{name: m, upstream: u, upstream_model: a}, {name: n, upstream: u, upstream_model: b}", "-config /etc/q.yaml"},
		{"openai", "openai", "image: llama-server, model: m.gguf, container_port: 8080, args: [-m, '/models/{model}', --embeddings]", "{name: m, upstream: u}", "-m /models/m.gguf --embeddings"},
		{"nothing routed", "vllm", "image: vllm/vllm-openai, model: org/m, preload: true", "", "--model org/m --port 8000 --runner pooling --convert embed --dtype float16 --max-model-len 8192"},
	} {
		routing := mustLoadRouting(t, "upstreams: [{name: u, type: "+c.kind+", managed: {"+c.managed+"}}, {name: o, type: tei, urls: [http://o]}]\nmodels: ["+c.routes+"]\n")
		require.Equal(t, strings.Fields(c.want), routing.Upstreams[0].Managed.Args, c.name)
		require.Empty(t, routing.Upstreams[0].URLs, c.name)
	}
}

func TestVersionsOfVLLM(t *testing.T) {
	for image, want := range map[string]bool{
		"vllm/vllm-openai:v0.9.2": true, "vllm/vllm-openai:v0.10.0": true, "vllm/vllm-openai:0.8": true, "reg:5000/x/vllm:v0.6.6.post1": true, "vllm-openai:v0.9.0rc1@sha256:0123": true,
		"vllm/vllm-openai:v0.10.1": false, "vllm/vllm-openai:v0.10.1.1": false, "vllm/vllm-openai:v0.11": false, "vllm/vllm-openai:v1.0.0": false,
		"vllm/vllm-openai": false, "vllm/vllm-openai:latest": false, "vllm/vllm-openai:nightly": false, "vllm:0.9.2/other": false, "mine/server:0.3": false,
	} {
		require.Equal(t, want, takesTask(image), image)
	}
}

func TestWhatContainersAreByTheirKind(t *testing.T) {
	routing := mustLoadRouting(t, `
upstreams:
  - {name: t, type: tei, managed: {image: t, model: m}}
  - {name: v, type: vllm, managed: {image: v, model: m}}
  - {name: i, type: infinity, managed: {image: i, model: m, shm_mb: 5}}
  - {name: q, type: quadrate, managed: {image: q, model: m, gpus: all}}
  - {name: c, type: cohere, managed: {image: c, model: m, container_port: 9, gpus: "0, GPU-1a"}}
models:
  - {name: m, upstream: t, fallback: [v, i, q, c]}
`)
	var ports, shm []int
	var gpus [][]string
	for _, u := range routing.Upstreams {
		ports, shm, gpus = append(ports, u.Managed.ContainerPort), append(shm, u.Managed.ShmMB), append(gpus, u.Managed.Devices())
	}
	require.Equal(t, []int{80, 8000, 7997, 8000, 9}, ports)
	require.Equal(t, []int{0, 1024, 5, 0, 0}, shm)
	require.Equal(t, [][]string{nil, nil, nil, {"all"}, {"0", "GPU-1a"}}, gpus)
	require.Equal(t, Managed{
		Image: "t", Model: "m", Args: []string{"--model-id", "m", "--port", "80"}, Env: []EnvVar{}, GPUs: "none", ContainerPort: 80, Pull: "missing",
		PullTimeout: 30 * time.Minute, IdleTTL: 15 * time.Minute, MinResidency: 10 * time.Second, StartWait: 20 * time.Second, StartTimeout: 15 * time.Minute,
		DrainTimeout: 30 * time.Second, StopTimeout: 10 * time.Second, CheckInterval: 10 * time.Second,
	}, routing.Upstreams[0].Managed)
}

func TestOneUpstreamForEachModel(t *testing.T) {
	routing := mustLoadRouting(t, `
upstreams:
  - {name: before, type: tei, urls: [http://before]}
  - {name: tei, type: tei, timeout: 7s, managed: {image: t, group: one, memory_mb: 5}}
  - {name: after, type: tei, urls: [http://after]}
models:
  - {name: a, upstream: tei, upstream_model: org/a, fallback: [after]}
  - {name: b, upstream: tei, enabled: false}
  - {name: a-too, upstream: tei, upstream_model: org/a, tasks: [rerank], fallback: [b, before]}
  - {name: b-elsewhere, upstream: before, upstream_model: b, fallback: [after, tei]}
  - {name: c, upstream: before, fallback: [tei]}
  - {name: d, upstream: before}
`)
	var names, served []string
	for _, u := range routing.Upstreams {
		names, served = append(names, u.Name), append(served, u.Managed.Model)
	}
	require.Equal(t, []string{"before", "tei/org/a", "tei/b", "tei/c", "after"}, names)
	require.Equal(t, []string{"", "org/a", "b", "c", ""}, served)
	require.Equal(t, 7*time.Second, routing.Upstreams[2].Timeout)
	require.Equal(t, "one", routing.Upstreams[3].Managed.Group)
	require.Equal(t, []string{"--model-id", "b", "--port", "80"}, routing.Upstreams[2].Managed.Args)
	var leads []string
	var fallbacks [][]string
	for _, r := range routing.Models {
		leads, fallbacks = append(leads, r.Upstream+" "+r.UpstreamModel), append(fallbacks, r.Fallback)
	}
	require.Equal(t, []string{"tei/org/a org/a", "tei/b b", "tei/org/a org/a", "before b", "before c", "before d"}, leads)
	require.Equal(t, [][]string{{"after"}, nil, {"b", "before"}, {"after", "tei/b"}, {"tei/c"}, nil}, fallbacks)
}

// What is not enabled does not count, unless nothing else is there.
func TestContainersOfDisabledModels(t *testing.T) {
	const file = `
containers: {memory_mb: 10}
upstreams:
  - {name: v, type: vllm, managed: {image: v, memory_mb: 8}}
  - {name: p, type: tei, managed: {image: t, model: m, pinned: true, memory_mb: 6}}
models:
  - {name: a, upstream: v, upstream_model: m, enabled: false}
  - {name: b, upstream: v, upstream_model: m, tasks: [rerank], enabled: false}
`
	for name, want := range map[string]string{"a": "embed", "b": "classify"} {
		_, line, _ := strings.Cut(file, "name: "+name)
		line, _, _ = strings.Cut(line, "\n")
		enabled := strings.Replace(file, line, strings.Replace(line, "false", "true", 1), 1)
		enabled = strings.Replace(enabled, "memory_mb: 8", "memory_mb: 4", 1)
		require.Equal(t, want, mustLoadRouting(t, enabled).Upstreams[0].Managed.Args[7], name)
	}
	_, err := loadRouting(t, file, "ROUTER_ALLOW_DISABLED_MODELS=true")
	require.ErrorContains(t, err, "a container of vLLM does one of them")
	require.ErrorContains(t, err, `together with "v/m", 6 + 8`)
}

func TestRoutesToAContainerWithOneModel(t *testing.T) {
	routing := mustLoadRouting(t, `
upstreams: [{name: t, type: tei, managed: {image: t, model: org/m}}]
models: [{name: a, upstream: t}, {name: b, upstream: t, upstream_model: other}]
`)
	require.Len(t, routing.Upstreams, 1)
	require.Equal(t, "t", routing.Upstreams[0].Name)
	require.Equal(t, "org/m", routing.Models[0].UpstreamModel)
	require.Equal(t, "other", routing.Models[1].UpstreamModel, "TEI ignores names")
}

func TestTheSameFileGivesTheSameContainers(t *testing.T) {
	const routing = "upstreams: [{name: t, type: tei, managed: {image: t, env: [{name: A, value: b}]}}]\nmodels: [{name: a, upstream: t}, {name: b, upstream: t, fallback: [a]}]\n"
	require.Equal(t, mustLoadRouting(t, routing), mustLoadRouting(t, routing))
	require.NotEqual(t, mustLoadRouting(t, routing), mustLoadRouting(t, strings.Replace(routing, "image: t", "image: u", 1)))
}

func TestInstances(t *testing.T) {
	for file, want := range map[string]string{
		minimal: "quadrate-8000", "server: {port: 9}\n" + minimal: "quadrate-9", "server: {port: 0}\n" + minimal: "quadrate-0",
	} {
		require.Equal(t, want, mustLoad(t, file).Routing.Containers.Instance)
	}
	require.Equal(t, "mine", mustLoad(t, minimal, "QUADRATE_ROUTING_CONTAINERS_INSTANCE=mine").Routing.Containers.Instance)
	const container = "upstreams: [{name: t, type: tei, managed: {image: t, model: m, preload: true}}]\n"
	_, err := loadRouting(t, container, "QUADRATE_SERVER_PORT=0")
	require.ErrorContains(t, err, "containers.instance: is missing, and server.port is 0")
	require.Equal(t, "mine", mustLoadRouting(t, "containers: {instance: mine}\n"+container, "QUADRATE_SERVER_PORT=0").Containers.Instance)
}

func TestAddressesOfEngines(t *testing.T) {
	for _, text := range []string{"unix:///var/run/docker.sock", "unix:///run/user/1000/podman/podman.sock", "tcp://10.0.0.1:2375", "tcp://[::1]:2375/"} {
		require.NoError(t, checkEngine(text), text)
	}
	for text, want := range map[string]string{
		"/var/run/docker.sock":      "is not the address of a container engine",
		"unix://var/run/docker":     "three slashes belong before it",
		"unix://":                   "has no absolute path",
		"npipe:////./pipe/docker":   "is a pipe of Windows",
		"ssh://host":                "only unix:// and tcp:// are supported",
		"tcp://10.0.0.1":            "has no host or no port",
		"tcp://10.0.0.1:2375/v1.41": "has something behind the address",
		"tcp://u:hunter2@h:1":       "has credentials in it",
	} {
		err := checkEngine(text)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestVolumes(t *testing.T) {
	for _, volume := range []string{"cache:/data", "tei.cache_1-a:/data:ro", "/srv/models:/models:ro", "/var/lib/x:/x:rw", "/run/secrets/x:/run/secrets/x"} {
		mustLoadRouting(t, "upstreams: [{name: t, type: tei, managed: {image: t, model: m, preload: true, volumes: ['"+volume+"']}}]\n")
	}
	for _, volume := range []string{"/:/host", "/var:/x", "/run:/run", "/var/run/:/x", "/var/run/../run/docker.sock:/x", "/run/docker.sock:/var/run/docker.sock:ro", "/mine/engine.sock:/x", "/mine:/x"} {
		for _, environ := range []string{"DOCKER_HOST=unix:///mine/engine.sock", "QUADRATE_ROUTING_CONTAINERS_HOST=unix:///mine/engine.sock"} {
			_, err := loadRouting(t, "upstreams: [{name: t, type: tei, managed: {image: t, model: m, preload: true, volumes: ['"+volume+"']}}]\n", environ)
			require.ErrorContains(t, err, "the container engine's socket", volume)
		}
	}
}

// What fits in the budgets and groups.
func TestRoomForContainers(t *testing.T) {
	mustLoadRouting(t, `
containers: {memory_mb: 10, gpus: [{id: "0", memory_mb: 10}, {id: "1", memory_mb: 4}]}
upstreams:
  - {name: a, type: tei, managed: {image: t, model: m, pinned: true, memory_mb: 4, gpus: "0", gpu_memory_mb: 6, host_port: 7}}
  - {name: b, type: tei, managed: {image: t, model: m, memory_mb: 6, gpus: all, gpu_memory_mb: 4, group: g, host_port: 8, preload: true}}
  - {name: c, type: tei, managed: {image: t, model: m, memory_mb: 6, gpus: "2", gpu_memory_mb: 400, group: g, host_port: 8, preload: true}}
`)
}

func TestContainersOfTheEnvironment(t *testing.T) {
	const file = `
upstreams:
  - {name: tei, type: openai, timeout: 7s, managed: {image: of-file, container_port: 9, model: org/file, args: [--x], volumes: ["cache:/data"], env: [{name: A, value: b}], group: g}}
  - {name: vllm, type: vllm, urls: [http://file]}
models:
  - {name: m, upstream: tei, upstream_model: org/file}
  - {name: v, upstream: vllm, tasks: [classify]}
`
	embed, rerank := []models.Task{models.TaskEmbed}, []models.Task{models.TaskRerank}
	for _, c := range []struct {
		name    string
		routing string
		environ []string
		want    []string // upstream: command
		tasks   [][]models.Task
	}{
		{"models named", "", []string{"TEI_DOCKER_IMAGE=tei:1", "TEI_MODELS=org/a,b", "TEI_BASE_URL=http://gone"}, []string{"tei/org/a: --model-id org/a --port 80", "tei/b: --model-id b --port 80"}, [][]models.Task{models.Tasks(), models.Tasks()}},
		{"vllm by names", "", []string{"VLLM_DOCKER_IMAGE=v", "VLLM_MODELS=a,BGE-ReRanker"}, []string{
			"vllm/a: --model a --port 8000 --runner pooling --convert embed --dtype float16 --max-model-len 8192",
			"vllm/BGE-ReRanker: --model BGE-ReRanker --port 8000 --runner pooling --convert classify --dtype float16 --max-model-len 8192",
		}, [][]models.Task{embed, rerank}},
		{"an old vllm", "", []string{"VLLM_DOCKER_IMAGE=vllm/vllm-openai:v0.9.2", "VLLM_MODELS=a", "VLLM_ARGS="}, []string{"vllm/a: --model a --port 8000 --task embed --dtype float16 --max-model-len 8192"}, [][]models.Task{embed}},
		{"arguments", "", []string{"VLLM_DOCKER_IMAGE=v", "VLLM_MODELS=a", `VLLM_ARGS=--task embed  --hf-overrides '{"a": "$HOME"}' "b \"c" d\ e`}, []string{`vllm/a: --model a --port 8000 --task embed --hf-overrides {"a": "$HOME"} b "c d e`}, [][]models.Task{embed}},
		{"a whole command", "", []string{"VLLM_DOCKER_IMAGE=v", "VLLM_MODELS=a", "VLLM_ARGS={model} --x"}, []string{"vllm/a: a --x"}, [][]models.Task{embed}},
		{"the file's settings and model", file, []string{"TEI_DOCKER_IMAGE=tei:1"}, []string{"tei: --model-id org/file --port 9 --x", "vllm: "}, nil},
		{"the file's settings", file, []string{"TEI_DOCKER_IMAGE=tei:1", "TEI_MODELS=n"}, []string{"tei/org/file: --model-id org/file --port 9 --x", "tei/n: --model-id n --port 9 --x", "vllm: "}, nil},
		{"the file's routes", file, []string{"VLLM_DOCKER_IMAGE=v"}, []string{"tei: --x", "vllm/v: --model v --port 8000 --runner pooling --convert classify --dtype float16 --max-model-len 8192"}, nil},
		{"by fallbacks alone", "upstreams: [{name: o, type: tei, urls: [http://o]}]\nmodels: [{name: a, upstream: o, fallback: [tei]}]", []string{"TEI_DOCKER_IMAGE=t"}, []string{"o: ", "tei/a: --model-id a --port 80"}, nil},
		{"the file's model alone", "upstreams: [{name: tei, type: tei, managed: {model: m, pinned: true}}]", []string{"TEI_DOCKER_IMAGE=t"}, []string{"tei: --model-id m --port 80"}, nil},
		{"remote by its image", file, []string{"TEI_DOCKER_IMAGE="}, []string{"tei: ", "vllm: "}, nil},
	} {
		routing := mustLoadRouting(t, c.routing, c.environ...)
		var got []string
		for _, u := range routing.Upstreams {
			got = append(got, u.Name+": "+strings.Join(u.Managed.Args, " "))
			require.Equal(t, u.Managed.On(), len(u.URLs) == 0, c.name)
		}
		require.Equal(t, c.want, got, c.name)
		for i, tasks := range c.tasks {
			require.Equal(t, tasks, routing.Models[i].Tasks, c.name)
			require.Equal(t, routing.Upstreams[i].Name, routing.Models[i].Upstream, c.name)
		}
	}
	tei := mustLoadRouting(t, file, "TEI_DOCKER_IMAGE=tei:1").Upstreams[0]
	require.Equal(t, "tei:1", tei.Managed.Image)
	require.Equal(t, "tei", tei.Type)
	require.Equal(t, 30*time.Second, tei.Timeout, "nothing but managed stays")
	require.Equal(t, []string{"cache:/data"}, tei.Managed.Volumes)
	require.Equal(t, []EnvVar{{"A", "b"}}, tei.Managed.Env)
	require.Equal(t, "g", tei.Managed.Group)
	remote := mustLoadRouting(t, file, "TEI_DOCKER_IMAGE=").Upstreams[0]
	require.Equal(t, []string{"http://localhost:8080"}, remote.URLs)
	require.Empty(t, remote.Managed.Volumes)
}

// The key that requests carry is the one that the server asks for.
func TestKeysOfContainers(t *testing.T) {
	for _, c := range []struct {
		kind, more string
		want       []EnvVar
	}{
		{"tei", "", []EnvVar{{"API_KEY", "the-key"}}},
		{"vllm", "", []EnvVar{{"VLLM_API_KEY", "the-key"}}},
		{"infinity", "env: [{name: A, value: b}]", []EnvVar{{"A", "b"}, {"INFINITY_API_KEY", "the-key"}}},
		{"vllm", "env: [{name: VLLM_API_KEY, value: others}]", []EnvVar{{"VLLM_API_KEY", "others"}}},
		{"quadrate", "model: any", nil},
	} {
		routing := mustLoadRouting(t, "upstreams: [{name: u, type: "+c.kind+", api_key: '${KEY}', managed: {image: i, "+c.more+"}}]\nmodels: [{name: m, upstream: u, upstream_model: a}, {name: n, upstream: u, upstream_model: b}]\n", "KEY=the-key")
		require.NotEmpty(t, routing.Upstreams)
		for _, u := range routing.Upstreams {
			require.ElementsMatch(t, c.want, u.Managed.Env, c.kind)
			require.Equal(t, "the-key", u.APIKey)
		}
	}
	routing := mustLoadRouting(t, "upstreams: [{name: u, type: tei, managed: {image: i}}]\nmodels: [{name: m, upstream: u}]\n")
	require.Empty(t, routing.Upstreams[0].Managed.Env)
}
