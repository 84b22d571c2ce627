package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// fakeAdmin notes what it is asked.
type fakeAdmin struct {
	asked  chan string
	err    error
	logs   string
	peers  []Upstream
	reload *Reload
}

var _ Admin = (*fakeAdmin)(nil)

func (a *fakeAdmin) Reload(context.Context) (any, error) {
	a.asked <- "reload"
	return map[string]any{"at": time.Unix(1.8e9, 0).UTC(), "ok": true, "seconds": 0.5}, a.err
}

func (a *fakeAdmin) Load(_ context.Context, model string) error {
	a.asked <- "load " + model
	return a.err
}

func (a *fakeAdmin) Unload(_ context.Context, model string) error {
	a.asked <- "unload " + model
	return a.err
}

func (a *fakeAdmin) Logs(_ context.Context, model string, lines int) (string, error) {
	a.asked <- fmt.Sprint("logs ", model, " ", lines)
	return a.logs, a.err
}

func (a *fakeAdmin) Upstreams() []Upstream { return a.peers }
func (a *fakeAdmin) LastReload() *Reload   { return a.reload }

func newAdmin() *fakeAdmin { return &fakeAdmin{asked: make(chan string, 1)} }

var adminAsks = []struct{ method, path, asks string }{
	{"GET", "/admin/models", ""},
	{"POST", "/admin/models/org/both/load", "load org/both"},
	{"POST", "/admin/models/org%2Fboth/load", "load org/both"},
	{"POST", "/admin/models/both/unload", "unload org/both"},
	{"POST", "/admin/models/org/both/unload/", "unload org/both"},
	{"GET", "/admin/models/org/both/logs", "logs org/both 200"},
	{"GET", "/admin/models/org%2Fboth/logs?lines=10000", "logs org/both 10000"},
	{"POST", "/admin/reload", "reload"},
}

// TestAdminsOnly: who may use /admin, on each of its routes.
func TestAdminsOnly(t *testing.T) {
	a := newAdmin()
	wired := func(o *Options) { o.Admin = a }
	everything := auth.Anonymous{Enabled: true, Models: []string{"*"}}
	nobody, err := auth.New(nil, everything)
	require.NoError(t, err)
	noKeys := start(t, func(o *Options) { wired(o); o.Keys = func() *auth.Keyring { return nobody } })
	for _, test := range []struct {
		name   string
		world  *world
		key    string
		status int
	}{
		{"an admin's key", locked(t, everything, wired), adminKey, 200},
		{"another key", locked(t, everything, wired), teamKey, 403},
		{"no key", locked(t, everything, wired), "", 403},
		{"no key where one is needed", locked(t, auth.Anonymous{}, wired), "", 401},
		{"a wrong key", locked(t, everything, wired), "wrong", 401},
		{"a disabled key", locked(t, everything, wired), "off-secret", 401},
		{"no keyring", start(t, wired), "", 403},
		{"no keys at all", noKeys, "anything", 403},
		{"no admin", locked(t, everything, nil), adminKey, 404},
	} {
		for _, ask := range adminAsks {
			got := test.world.do(t, ask.method, ask.path, nil, "api-key", test.key)
			require.Equal(t, test.status, got.status, "%s: %s %s: %s", test.name, ask.method, ask.path, got.body)
			switch {
			case test.status == 200 && ask.asks != "":
				require.Equal(t, ask.asks, <-a.asked)
			case test.status == 403:
				golden(t, "error_admin_only", got.body)
				require.Equal(t, "admin", test.world.lastEvent(t).Refused)
			}
			require.Empty(t, a.asked, test.name)
		}
	}
}

func TestAdminModels(t *testing.T) {
	a := newAdmin()
	a.peers = []Upstream{{Name: "tei", Type: "tei", InFlight: 3, Queued: 1, Endpoints: []Endpoint{
		{URL: "http://tei-1:8080", State: "ready", InFlight: 3, Latency: 12500 * time.Microsecond, LastProbe: time.Unix(1.8e9, 0).UTC()},
		{URL: "http://tei-2:8080", State: "ejected", Reason: "it answered 500 five times"},
	}}}
	a.reload = &Reload{At: time.Unix(1.8e9, 0).UTC(), Problems: []string{"routing.yaml:3: models[0].name is missing"}}
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = a })
	full := &modelstest.Embedder{Model: modelstest.Model{InfoFunc: words.Info, StatusFunc: func() models.Status {
		return models.Status{State: models.StateUnloaded, Queue: models.Queue{Items: 1, Tokens: 2}, Cache: models.CacheStatus{Hits: 3, Bytes: 4, Entries: 5}}
	}}}
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{{Name: "m", Aliases: []string{"a"}, Tasks: []models.Task{models.TaskEmbed}, Model: full}}))
	golden(t, "admin_models", w.get(t, "/admin/models", "api-key", adminKey).body)
	got := w.post(t, "/admin/models/a/load", "", "api-key", adminKey)
	golden(t, "admin_load", got.body)
	require.Equal(t, "m", w.lastEvent(t).Model)
	require.Equal(t, "/admin/models/*/load", w.lastEvent(t).Route)
}

// waitingAdmin waits for the end of what it is asked for.
type waitingAdmin struct{ fakeAdmin }

func (a *waitingAdmin) Reload(ctx context.Context) (any, error) { return nil, a.wait(ctx, "reload") }

func (a *waitingAdmin) Load(ctx context.Context, model string) error {
	return a.wait(ctx, "load "+model)
}

func (a *waitingAdmin) Logs(ctx context.Context, model string, _ int) (string, error) {
	return "", a.wait(ctx, "logs "+model)
}

func (a *waitingAdmin) wait(ctx context.Context, what string) error {
	a.asked <- what
	<-ctx.Done()
	return ctx.Err()
}

// TestDrainEndsWhatAdminsAskedFor: a load of minutes would hold up the shutdown.
func TestDrainEndsWhatAdminsAskedFor(t *testing.T) {
	for path, asks := range map[string]string{"/admin/reload": "reload", "/admin/models/org/both/load": "load org/both", "/admin/models/org/both/logs": "logs org/both"} {
		a := &waitingAdmin{fakeAdmin{asked: make(chan string, 1)}}
		w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = a })
		answers := make(chan answer, 1)
		method := http.MethodPost
		if strings.HasSuffix(path, "/logs") {
			method = http.MethodGet
		}
		go func() { answers <- w.do(t, method, path, nil, "api-key", adminKey) }()
		require.Equal(t, asks, <-a.asked)
		w.Drain()
		got := <-answers
		require.Equal(t, 503, got.status, got.body)
		require.Contains(t, got.body, "shutting_down")
	}
}

func TestAdminRefusals(t *testing.T) {
	a := newAdmin()
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = a })
	got := w.post(t, "/admin/models/none/load", "", "api-key", adminKey)
	require.Equal(t, 404, got.status)
	require.Contains(t, got.body, "model_not_found")
	require.Empty(t, a.asked)
	require.Equal(t, 404, w.post(t, "/admin/models//load", "", "api-key", adminKey).status)
	a.err = models.Errorf(models.KindInvalid, "embedder is served by the upstream tei: it cannot be loaded here")
	got = w.post(t, "/admin/models/embedder/load", "", "api-key", adminKey)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "it cannot be loaded here")
	<-a.asked
	a.err = errors.New("server.yaml:3: bogus: no such setting")
	got = w.post(t, "/admin/reload", "", "api-key", adminKey)
	require.Equal(t, 400, got.status)
	golden(t, "error_reload", got.body)
	<-a.asked
	require.Equal(t, 405, w.get(t, "/admin/reload", "api-key", adminKey).status)
}

// TestUpstreamsInHealth: a server without models of its own is ready when an upstream is, and
// addresses are nobody's business.
func TestUpstreamsInHealth(t *testing.T) {
	a := newAdmin()
	w := start(t, func(o *Options) { o.Admin = a })
	require.NoError(t, w.options.Catalog.Replace(nil))
	require.Equal(t, `{"status":"not ready","reasons":["there are no models"]}`, w.get(t, "/health/ready").body)
	a.peers = []Upstream{{Name: "down", Endpoints: []Endpoint{{URL: "http://secret", State: "unhealthy", Reason: "secret"}}}, {Name: "empty"}}
	got := w.get(t, "/health/ready")
	require.Equal(t, 503, got.status)
	require.Equal(t, `{"status":"not ready","reasons":["upstream down: none of its addresses can serve","upstream empty: none of its addresses can serve"]}`, got.body)
	a.peers = append(a.peers, Upstream{Name: "up", Type: "vllm", Endpoints: []Endpoint{{URL: "http://secret", State: "ejected"}, {URL: "http://secret", State: "ready", Latency: time.Millisecond, LastProbe: time.Unix(1.8e9, 0).UTC()}}})
	a.reload = &Reload{At: time.Unix(1.8e9, 0).UTC(), OK: true}
	require.Equal(t, 200, w.get(t, "/health/ready").status)
	got = w.get(t, "/health")
	require.Equal(t, 200, got.status)
	require.NotContains(t, got.body, "secret")
	require.Contains(t, got.body, `{"name":"up","type":"vllm","state":"ready","in_flight":0,"queued":0,"endpoints":[{"state":"ejected","in_flight":0,"latency_ms":0,"last_probe":null},{"state":"ready","in_flight":0,"latency_ms":1,"last_probe":"2027-01-15T08:00:00Z"}]}`)
	require.Contains(t, got.body, `"last_reload":{"at":"2027-01-15T08:00:00Z","ok":true}`)
	w.Drain()
	require.Equal(t, 503, w.get(t, "/health/ready").status)
}

// TestBeginAndEnd: whatever a request comes to, what it began with is let go.
func TestBeginAndEnd(t *testing.T) {
	began, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	w := start(t, func(o *Options) {
		o.Begin = func() func() {
			began <- struct{}{}
			return func() { ended <- struct{}{} }
		}
	}, models.Entry{Name: "broken", Tasks: []models.Task{models.TaskEmbed}, Model: &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
		require.Equal(t, len(began), len(ended)+1, "while a model runs")
		panic("broken")
	}}})
	for i, path := range []string{"/v1/embeddings", "/nowhere", "/embed"} {
		w.post(t, path, `{"model":"broken","input":"x"}`)
		require.Len(t, began, i+1)
		require.Len(t, ended, i+1)
	}
	require.Equal(t, http.StatusOK, w.get(t, "/health/live").status)
}
