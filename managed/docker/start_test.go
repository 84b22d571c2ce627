package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
)

var created = sends(`{"Id": "c1", "Warnings": []}`)

// startable answers what a start asks.
func startable(name string) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST /containers/create":   created,
		"POST /containers/c1/start": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"GET /containers/c1/json":   running("c1", name, "here"),
	}
}

// usual is the beginning of every request to create a container.
const usual = `"LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
	"RestartPolicy": {"Name": "no"}, "SecurityOpt": ["no-new-privileges:true"], "Init": true`

func TestStartSendsWhatTheSpecSays(t *testing.T) {
	onAnyPort := `, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1"}]}`
	for what, c := range map[string]struct {
		spec managed.Spec
		host string
		rest string
	}{
		"little": {spec: managed.Spec{}, host: usual + onAnyPort},
		"command and environment": {
			spec: managed.Spec{Command: []string{"--model-id", "a b"}, Env: []string{"A=1", "B=x=y"}}, host: usual + onAnyPort,
			rest: `, "Cmd": ["--model-id", "a b"], "Env": ["A=1", "B=x=y"]`,
		},
		"port":    {spec: managed.Spec{HostPort: 8080}, host: usual + `, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}`},
		"network": {spec: managed.Spec{Network: "models"}, host: usual + `, "NetworkMode": "models"`},
		"all GPUs": {
			spec: managed.Spec{GPUs: []string{"all"}},
			host: usual + onAnyPort + `, "DeviceRequests": [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]]}]`,
		},
		"some GPUs": {
			spec: managed.Spec{GPUs: []string{"0", "GPU-1f"}},
			host: usual + onAnyPort + `, "DeviceRequests": [{"Driver": "nvidia", "DeviceIDs": ["0", "GPU-1f"], "Capabilities": [["gpu"]]}]`,
		},
		"limits": {
			spec: managed.Spec{MemoryMB: 512, ShmMB: 64},
			host: usual + onAnyPort + `, "Memory": 536870912, "MemorySwap": 536870912, "ShmSize": 67108864`,
		},
		"volumes": {
			spec: managed.Spec{Volumes: []string{"cache:/data", "/models:/models:ro"}},
			host: usual + onAnyPort + `, "Binds": ["cache:/data", "/models:/models:ro"]`,
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := c.spec
			s.ID, s.Model, s.Image, s.ContainerPort = "up", "BAAI/bge-m3", "tei:1", 80
			e, f := newFake(t, startable("quadrate-up"))
			_, err := e.Start(context.Background(), s)
			require.NoError(t, err)
			sent := f.made("POST /containers/create")
			require.Len(t, sent, 1)
			require.Equal(t, name("here", "up"), sent[0].query.Get("name"))
			require.JSONEq(t, fmt.Sprintf(`{"Image": "tei:1", "ExposedPorts": {"80/tcp": {}},
				"Labels": {"io.quadrate.instance": "here", "io.quadrate.upstream": "up", "io.quadrate.model": "BAAI/bge-m3",
					"io.quadrate.config": %q, "io.quadrate.version": "1.2.3", "io.quadrate.port": "80"},
				"HostConfig": {%s}%s}`, s.Hash(), c.host, c.rest), said(t, sent[0].body))
		})
	}
}

// said is a JSON text without what says nothing: zeros, and what is empty but for ports.
func said(t *testing.T, body []byte) string {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(body, &v))
	text, err := json.Marshal(pruned(v))
	require.NoError(t, err)
	return string(text)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for k, item := range v {
			if item = pruned(item); item != nil || k == "80/tcp" {
				kept[k] = item
			}
			if k == "80/tcp" && kept[k] == nil {
				kept[k] = map[string]any{}
			}
		}
		if len(kept) > 0 {
			return kept
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
		if slices.ContainsFunc(v, func(item any) bool { return item != nil }) {
			return v
		}
	case string, float64, bool:
		if v != "" && v != 0.0 && v != false {
			return v
		}
	}
	return nil
}

func TestStartTellsOfTheContainer(t *testing.T) {
	e, _ := newFake(t, startable("quadrate-up"))
	c, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.NoError(t, err)
	require.Equal(t, managed.Container{
		ID: "c1", Name: "quadrate-up", Spec: "up", Hash: "h", Address: "127.0.0.1:32768", Running: true,
	}, c)
}

func TestStartFailureIsExplainedAndTidied(t *testing.T) {
	spec := managed.Spec{ID: "up", Image: "tei:1", ContainerPort: 80, HostPort: 8080, Network: "", GPUs: []string{"7"}}
	for what, c := range map[string]struct {
		at      string
		status  int
		message string
		says    []string
		is      error
	}{
		"no image":   {"POST /containers/create", 404, "No such image: tei:1", []string{"tei:1"}, managed.ErrNoImage},
		"allocated":  {"POST /containers/c1/start", 500, "Bind for 127.0.0.1:8080 failed: port is already allocated", []string{"port 8080", "host_port"}, nil},
		"in use":     {"POST /containers/c1/start", 500, "listen tcp4 127.0.0.1:8080: bind: address already in use", []string{"port 8080", "host_port"}, nil},
		"no toolkit": {"POST /containers/c1/start", 500, `could not select device driver "nvidia" with capabilities: [[gpu]]`, []string{"NVIDIA Container Toolkit is missing"}, nil},
		"no CDI":     {"POST /containers/c1/start", 500, "failed to discover GPU vendor from CDI: no known GPU vendor found", []string{"NVIDIA Container Toolkit is missing"}, nil},
		"no device":  {"POST /containers/c1/start", 500, "nvidia-container-cli: device error: 7: unknown device: unknown", []string{"finds no GPU 7", "managed.gpus"}, nil},
		"removed":    {"POST /containers/c1/start", 404, "No such container: c1", []string{"tei:1"}, managed.ErrGone},
		"restarting": {"POST /containers/c1/start", 503, "shutting down", nil, managed.ErrAway},
		"other":      {"POST /containers/c1/start", 500, "the disk is full", []string{"start a container of tei:1: the disk is full"}, nil},
		"vanished":   {"GET /containers/c1/json", 404, "No such container: c1", nil, managed.ErrGone},
	} {
		t.Run(what, func(t *testing.T) {
			answers := startable("quadrate-up")
			answers[c.at] = says(c.status, c.message)
			answers["DELETE /containers/c1"] = inTurn(says(204, ""), says(404, "No such container: c1"))
			e, f := newFake(t, answers)
			_, err := e.Start(context.Background(), spec)
			require.Error(t, err)
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
			for _, known := range []error{managed.ErrAway, managed.ErrGone, managed.ErrNoImage} {
				require.Equal(t, is(c.is, known), is(err, known), "%v: %v", known, err)
			}
			require.NotContains(t, err.Error(), "Error response from daemon")
			if c.at != "POST /containers/create" {
				require.Len(t, f.made("DELETE /containers/c1"), 2)
			}
		})
	}
}

func TestStartNamesTheNetworkThatIsNotThere(t *testing.T) {
	answers := startable("quadrate-up")
	answers["POST /containers/c1/start"] = says(404, "network models not found")
	e, f := newFake(t, answers)
	_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80, Network: "models"})
	require.ErrorContains(t, err, `no network "models" (upstreams[].managed.network)`)
	require.NotErrorIs(t, err, managed.ErrGone)
	require.NotEmpty(t, f.made("DELETE /containers/c1"))
}

func TestStartTakesAnotherName(t *testing.T) {
	base := name("here", "up")
	for what, c := range map[string]struct {
		others int // how many names somebody else has
		want   string
	}{
		"none":  {0, base},
		"one":   {1, base + "-2"},
		"eight": {8, base + "-9"},
	} {
		t.Run(what, func(t *testing.T) {
			answers := startable("x")
			names := []string{base}
			for n := 2; n <= 9; n++ {
				names = append(names, fmt.Sprintf("%s-%d", base, n))
			}
			for _, taken := range names[:c.others] {
				answers["GET /containers/"+taken+"/json"] = running("theirs", taken, "elsewhere")
			}
			e, f := newFake(t, answers)
			_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
			require.NoError(t, err)
			require.Equal(t, c.want, f.made("POST /containers/create")[0].query.Get("name"))
			require.Empty(t, f.made("DELETE"))
		})
	}
}

func TestStartGivesUpWhenAllNamesAreTaken(t *testing.T) {
	answers := startable("x")
	answers["POST /containers/create"] = says(409, "Conflict. The container name is already in use by container")
	e, f := newFake(t, answers)
	_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.ErrorContains(t, err, name("here", "up")+"-9")
	require.ErrorContains(t, err, "containers.instance")
	require.Len(t, f.made("POST /containers/create"), maxNames)
}

func TestStartRemovesItsOwnOfThatName(t *testing.T) {
	answers := startable("x")
	answers["GET /containers/"+name("here", "up")+"/json"] = running("old", name("here", "up"), "here")
	answers["DELETE /containers/old"] = inTurn(says(204, ""), says(409, "removal of container old is already in progress"), says(404, "No such container"))
	e, f := newFake(t, answers)
	_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.NoError(t, err)
	removed := f.made("DELETE /containers/old")
	require.Len(t, removed, 3)
	require.Equal(t, "1", removed[0].query.Get("force"))
	require.Equal(t, name("here", "up"), f.made("POST /containers/create")[0].query.Get("name"))
}

func TestStartLeavesANameToWhatCannotBeRemoved(t *testing.T) {
	base := name("here", "up")
	answers := startable("x")
	answers["GET /containers/"+base+"/json"] = sends(`{"Id": "old", "State": {"Dead": true}, "Config": {"Labels": {"io.quadrate.instance": "here"}}}`)
	e, f := newFake(t, answers)
	_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.NoError(t, err)
	require.Equal(t, base+"-2", f.made("POST /containers/create")[0].query.Get("name"))
	require.Empty(t, f.made("DELETE"))
}

func TestStartCutShortRemovesWhatWasMade(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	answers := startable("x")
	answers["POST /containers/create"] = func(w http.ResponseWriter, r *http.Request) {
		cancel() // nobody waits for the answer any more
		created(w, r)
	}
	answers["DELETE /containers/c1"] = inTurn(says(204, ""), says(404, "No such container"))
	e, f := newFake(t, answers)
	_, err := e.Start(ctx, managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, f.made("DELETE /containers/c1"), 2)
	require.Empty(t, f.made("POST /containers/c1/start"))
}

func TestStartRemovesWhatAnEngineMadeThatLeft(t *testing.T) {
	own := "GET /containers/" + name("here", "up") + "/json"
	answers := startable("x")
	answers["POST /containers/create"] = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	answers[own] = inTurn(says(404, "No such container"), running("c1", name("here", "up"), "here"))
	answers["DELETE /containers/c1"] = inTurn(says(204, ""), says(404, "No such container"))
	e, f := newFake(t, answers)
	_, err := e.Start(context.Background(), managed.Spec{ID: "up", Image: "i", ContainerPort: 80})
	require.ErrorIs(t, err, managed.ErrAway)
	require.Len(t, f.made("DELETE /containers/c1"), 2)
}

func TestNameIsAHostName(t *testing.T) {
	for upstream, want := range map[string]string{
		"tei":             `^quadrate-tei-[0-9a-f]{8}$`,
		"tei/BAAI/bge-m3": `^quadrate-tei-baai-bge-m3-[0-9a-f]{8}$`,
		"한국어 모델":          `^quadrate-[0-9a-f]{8}$`,
		"모델 kr--v2.1_":    `^quadrate-kr-v2-1-[0-9a-f]{8}$`,
		"sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": `^quadrate-sentence-transformers-paraphrase-multili-[0-9a-f]{8}$`,
	} {
		got := name("here", upstream)
		require.Regexp(t, want, got)
		require.LessOrEqual(t, len(got)+len("-9"), 63)
		require.Equal(t, got, name("here", upstream))
		require.NotEqual(t, got, name("there", upstream))
	}
	require.NotEqual(t, name("here", "한국어"), name("here", "日本語"))
	require.NotEqual(t, name("a", "bc"), name("ab", "c"))
}
