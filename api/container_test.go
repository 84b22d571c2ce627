package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// contained is a model that this server runs in a container.
func contained(name string, status models.Status) models.Entry {
	return models.Entry{Name: name, Tasks: []models.Task{models.TaskEmbed}, Model: &modelstest.Embedder{Model: modelstest.Model{
		InfoFunc: words.Info, StatusFunc: func() models.Status { return status },
	}}}
}

// containers are one that has never run, one that does, and one that has failed; what is only for
// admins says so.
func containers() []models.Entry {
	at := time.Date(2027, 1, 15, 9, 0, 0, 0, time.FixedZone("CET", 3600))
	return []models.Entry{
		contained("org/stopped", models.Status{State: models.StateStopped, OnDemand: true, Container: &models.Container{State: "stopped", Image: "secret-image"}}),
		contained("org/ready", models.Status{State: models.StateReady, OnDemand: true, Container: &models.Container{
			State: "draining", Name: "secret-name", Image: "secret-image", Group: "secret-group", Priority: 3, Pinned: true,
			InFlight: 2, Waiting: 1, MemoryMB: 4096, GPUMemoryMB: 8192, MemoryUsed: 3 << 30,
			Started: at, StartTook: 12_345_678 * time.Microsecond, LastUsed: at.Add(time.Minute), Starts: 4, Crashes: 1,
		}}),
		contained("org/failed", models.Status{State: models.StateFailed, OnDemand: true, Reason: "its container ended", Container: &models.Container{
			State: "failed", Image: "secret-image", Crashes: 5, Progress: "secret: 5 of 9 layers", Reason: "secret: it exited with 1:\nout of memory", RetryAt: at,
		}}),
	}
}

func TestModelsInContainers(t *testing.T) {
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = newAdmin() })
	require.NoError(t, w.options.Catalog.Replace(containers()))
	for _, key := range []string{teamKey, adminKey} {
		got := w.get(t, "/v1/models", "api-key", key)
		golden(t, "models_containers", got.body)
		require.NotContains(t, got.body, "secret")
	}
	golden(t, "model_container", w.get(t, "/v1/models/org/ready", "api-key", teamKey).body)
	golden(t, "admin_models_containers", w.get(t, "/admin/models", "api-key", adminKey).body)
	require.NotContains(t, w.get(t, "/health").body, "secret")
}

// TestOthersHaveNoContainer: what clients of OpenAI read of other models is as it was.
func TestOthersHaveNoContainer(t *testing.T) {
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = newAdmin() })
	for _, path := range []string{"/v1/models", "/v1/models/embedder", "/admin/models", "/health"} {
		require.NotContains(t, w.get(t, path, "api-key", adminKey).body, "container", path)
	}
}

// TestReadyOnDemand: who starts models when they are asked for is ready before they run, or nobody
// would ask.
func TestReadyOnDemand(t *testing.T) {
	managed := func(state models.State, onDemand bool) models.Entry {
		return contained("managed", models.Status{State: state, OnDemand: onDemand, Reason: "a reason", Container: &models.Container{State: "some"}})
	}
	local := func(state models.State) models.Entry {
		return models.Entry{Name: "local", Model: models.Placeholder{State: state}}
	}
	for name, test := range map[string]struct {
		entries []models.Entry
		want    string
	}{
		"stopped":                   {[]models.Entry{managed(models.StateStopped, true)}, `{"status":"ready"}`},
		"starting":                  {[]models.Entry{managed(models.StateLoading, true)}, `{"status":"ready"}`},
		"ready":                     {[]models.Entry{managed(models.StateReady, true)}, `{"status":"ready"}`},
		"failed":                    {[]models.Entry{managed(models.StateFailed, true)}, `{"status":"not ready","reasons":["managed: failed: a reason"]}`},
		"refused":                   {[]models.Entry{managed(models.StateUnavailable, false)}, `{"status":"not ready","reasons":["managed: unavailable: a reason"]}`},
		"starting beside a local":   {[]models.Entry{managed(models.StateLoading, true), local(models.StateReady)}, `{"status":"ready"}`},
		"failed beside a local":     {[]models.Entry{managed(models.StateFailed, true), local(models.StateReady)}, `{"status":"ready"}`},
		"a local is being loaded":   {[]models.Entry{managed(models.StateReady, true), local(models.StateLoading)}, `{"status":"not ready","reasons":["managed: ready: a reason","local: loading"]}`},
		"only a local, and stopped": {[]models.Entry{local(models.StateStopped)}, `{"status":"not ready","reasons":["local: stopped"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, nil)
			require.NoError(t, w.options.Catalog.Replace(test.entries))
			require.Equal(t, test.want, w.get(t, "/health/ready").body)
			status := http.StatusOK
			if !strings.Contains(test.want, `"ready"}`) {
				status = http.StatusServiceUnavailable
			}
			require.Equal(t, status, w.get(t, "/health/ready").status)
			require.Equal(t, status, w.get(t, "/health").status)
		})
	}
}

// TestUpstreamsInContainers: one whose container is stopped is not one that is down.
func TestUpstreamsInContainers(t *testing.T) {
	serves := []Endpoint{{State: "ready"}}
	for _, test := range []struct {
		name   string
		peer   Upstream
		state  string
		reason string // empty: the server is ready
	}{
		{"stopped", Upstream{State: "stopped", OnDemand: true}, "stopped", ""},
		{"starting", Upstream{State: "starting", OnDemand: true, Endpoints: []Endpoint{{State: "unhealthy"}}}, "starting", ""},
		{"ready", Upstream{State: "ready", OnDemand: true, Endpoints: serves}, "ready", ""},
		{"ready, but it does not answer", Upstream{State: "ready", OnDemand: true, Endpoints: []Endpoint{{State: "ejected"}}}, "not ready", "upstream tei: none of its addresses can serve"},
		{"failed", Upstream{State: "failed", Endpoints: serves}, "failed", "upstream tei: failed"},
		{"failed, and may be tried again", Upstream{State: "failed", OnDemand: true}, "failed", ""},
		{"refused", Upstream{State: "stopped"}, "stopped", "upstream tei: stopped"},
		{"another server", Upstream{Endpoints: serves}, "ready", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAdmin()
			test.peer.Name, test.peer.Type = "tei", "tei"
			a.peers = []Upstream{test.peer}
			w := start(t, func(o *Options) { o.Admin = a })
			require.NoError(t, w.options.Catalog.Replace(nil))
			want := `{"status":"ready"}`
			if test.reason != "" {
				want = `{"status":"not ready","reasons":["` + test.reason + `"]}`
			}
			require.Equal(t, want, w.get(t, "/health/ready").body)
			require.Contains(t, w.get(t, "/health").body, `{"name":"tei","type":"tei","state":"`+test.state+`",`)
		})
	}
}

// TestWhatAStartThatFailedSays: its log lines are the message's own, and headers are none of them.
func TestWhatAStartThatFailedSays(t *testing.T) {
	message := "the container of tei ended with 1; its last lines:\nX-Bad: 1\r\nOut of \"memory\"\t\x1b[31m"
	w := start(t, nil, failing(models.Errorf(models.KindUnavailable, "%s", message).In("failing", "embed").By("tei").After(90_001*time.Millisecond)))
	got := w.post(t, "/v1/embeddings", askOpenAI)
	require.Equal(t, 503, got.status)
	require.Equal(t, "91", got.header.Get("Retry-After"), "rounded up")
	require.Empty(t, got.header.Get("X-Bad"))
	golden(t, "error_container_log", got.body)
	for name, values := range got.header {
		require.NotContains(t, strings.Join(values, ""), "memory", name)
	}
}

// TestAStartUnderWaySaysWhenToComeBack: in whole seconds, and never too early.
func TestAStartUnderWaySaysWhenToComeBack(t *testing.T) {
	for given, want := range map[time.Duration]string{0: "5", 20 * time.Second: "20", 20*time.Second + 1: "21", 15 * time.Minute: "900"} {
		w := start(t, nil, failing(models.Errorf(models.KindLoading, "model \"failing\" is starting").After(given)))
		for path, ask := range map[string]string{"/v1/embeddings": askOpenAI, "/rerank": askTEI} {
			got := w.post(t, path, ask)
			require.Equal(t, 503, got.status)
			require.Equal(t, want, got.header.Get("Retry-After"), given)
		}
	}
}

// TestStoppedModelsAreAsked: the request reaches the model, which starts.
func TestStoppedModelsAreAsked(t *testing.T) {
	asked := 0
	e := contained("managed", models.Status{State: models.StateStopped, OnDemand: true, Container: &models.Container{State: "stopped"}})
	e.Model.(*modelstest.Embedder).EmbedFunc = func(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
		asked++
		return models.EmbedResult{Vectors: [][]float32{{1}}}, nil
	}
	w := start(t, nil, e)
	require.Equal(t, 200, w.post(t, "/v1/embeddings", `{"model":"managed","input":"x"}`).status)
	require.Equal(t, 1, asked)
}

// TestTheDefaultIsOneThatStarts: who may not use the default gets one that starts rather than one
// that has failed.
func TestTheDefaultIsOneThatStarts(t *testing.T) {
	w := locked(t, auth.Anonymous{}, nil)
	stopped := contained("org/stopped", models.Status{State: models.StateStopped, OnDemand: true})
	stopped.Model.(*modelstest.Embedder).EmbedFunc = words.Embed
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{
		contained("default", models.Status{State: models.StateReady}),
		contained("org/failed", models.Status{State: models.StateFailed, OnDemand: true}),
		stopped,
	}))
	got := w.post(t, "/v1/embeddings", `{"input":"x"}`, "api-key", teamKey)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "org/stopped", w.lastEvent(t).Model)
}
