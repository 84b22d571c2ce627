package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// whereabouts is where managed upstreams are; empty: nowhere.
type whereabouts struct{ address atomic.Value }

func (p *whereabouts) move(address string) { p.address.Store(address) }

func (p *whereabouts) locate(string) (string, bool) {
	address, _ := p.address.Load().(string)
	return address, address != ""
}

// managedOptions has one managed upstream, up, and a model m of it.
func managedOptions(at *whereabouts, kind Type, hooks Hooks) Options {
	return Options{Upstreams: []Upstream{{Name: "up", Type: kind, Managed: true, RetryBudget: 10000}},
		Routes: []Route{{Name: "m", Upstream: "up", UpstreamModel: "theirs", Tasks: embedTask}}, Locate: at.locate, Hooks: hooks}
}

// busyServer is a server that answers [[1]], with how many connections and requests it had.
type busyServer struct {
	address               string
	connections, requests atomic.Int32
	host                  atomic.Value
}

func newBusyServer(t *testing.T) *busyServer {
	c := &busyServer{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.requests.Add(1)
		c.host.Store(r.Host)
		_, _ = w.Write([]byte("[[1]]"))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	c.address = s.Listener.Addr().String()
	return c
}

func (c *busyServer) had(t *testing.T, connections, requests int32) {
	t.Helper()
	require.Equal(t, connections, c.connections.Load())
	require.Equal(t, requests, c.requests.Load())
}

func TestAManagedUpstreamIsWhereItIsSaidToBe(t *testing.T) {
	var at whereabouts
	a, b := newBusyServer(t), newBusyServer(t)
	p := openProxy(t, managedOptions(&at, TypeTEI, Hooks{}), onNetwork())
	m := p.Entries()[0].Model.(models.Embedder)
	ask := func(times int) {
		t.Helper()
		for range times {
			_, err := m.Embed(t.Context(), embedOne("text"))
			require.NoError(t, err)
		}
	}
	at.move(a.address)
	ask(3)
	a.had(t, 1, 3)
	require.Equal(t, "up", a.host.Load())
	at.move(b.address)
	ask(2)
	a.had(t, 1, 3)
	b.had(t, 1, 2)

	p.Moved("up") // another server may have the same address
	ask(2)
	b.had(t, 2, 4)

	at.move("")
	_, err := m.Embed(t.Context(), embedOne("text"))
	requireKind(t, models.KindLoading, "up", err)
	b.had(t, 2, 4)
}

func TestWhatDoesNotRunIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w, l := newWorld(), log{}
		p := openProxy(t, managedOptions(&at, TypeVLLM, l.hooks()), w.seams())
		synctest.Wait()
		start := time.Now()
		e := requireKind(t, models.KindLoading, "up", ask(t.Context(), p.pools[0], 1))
		require.Equal(t, `upstream "up": its container does not run`, e.Message)
		require.Equal(t, loadingAgain, e.RetryAfter)
		require.Zero(t, time.Since(start))
		require.Equal(t, models.Status{State: models.StateStopped, Reason: e.Message, Backend: "up"}, p.Entries()[0].Model.Status())
		require.Equal(t, []EndpointStatus{{URL: "http://up", State: "stopped"}}, p.Statuses()[0].Endpoints)

		time.Sleep(time.Hour)
		require.Empty(t, l.attempts)
		require.Nil(t, p.pools[0].listing.Load())

		at.move("10.0.0.1:80")
		require.Equal(t, []EndpointStatus{{URL: "http://up", Address: "10.0.0.1:80", State: "ready"}}, p.Statuses()[0].Endpoints)
		require.Equal(t, models.StateReady, p.Entries()[0].Model.Status().State)
	})
}

// One that stops between the look and the request was sent nothing.
func TestOneThatStopsJustNowIsNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		o := managedOptions(&whereabouts{}, TypeTEI, l.hooks())
		looks := 0
		o.Locate = func(string) (string, bool) {
			looks++
			return "10.0.0.1:80", looks == 1
		}
		p := openProxy(t, o, w.seams())
		synctest.Wait()
		looks = 0
		requireKind(t, models.KindLoading, "up", ask(t.Context(), p.pools[0], 1))
		require.Equal(t, 2, looks) // before the queue and for the request: no retry
		require.Empty(t, l.attempts)
		require.Zero(t, inside(p.pools[0])[0].outcomes)
	})
}

func TestTheListOfAManagedUpstreamIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w := newWorld()
		list := byPath(map[string]func(*http.Request) (*http.Response, error){"/models": always(200, `["theirs=embed"]`)})
		w.at("http://up", list)
		p := openProxy(t, managedOptions(&at, TypeVLLM, Hooks{}), w.seams())
		m := p.Entries()[0].Model
		time.Sleep(time.Second)
		require.Zero(t, m.Info().MaxLength)
		require.Zero(t, w.called("http://up", "/models"))

		at.move("10.0.0.1:80")
		p.Moved("up")
		synctest.Wait()
		require.Equal(t, 512, m.Info().MaxLength)
		p.Moved("up") // at once, however often
		synctest.Wait()
		require.Equal(t, 2, w.called("http://up", "/models"))
		time.Sleep(listEvery + 1)
		require.Equal(t, 1, w.called("http://up", "/models"))

		at.move("")
		p.Moved("up")
		time.Sleep(24 * time.Hour)
		require.Zero(t, w.called("http://up", "/models"))
		require.Equal(t, 512, m.Info().MaxLength)

		// A list that fails is asked for again and again, each time later, until there is another server.
		w.at("http://up", failing)
		at.move("10.0.0.2:80")
		p.Moved("up")
		time.Sleep(10 * time.Minute)
		require.Equal(t, 512, m.Info().MaxLength)
		w.called("http://up", "/models")
		p.Moved("up")
		time.Sleep(listAgain + time.Second)
		require.Equal(t, 2, w.called("http://up", "/models"))
	})
}

// A list that is under way when the server stops is no failure.
func TestAListThatEndsWithItsServerCountsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w := newWorld()
		w.at("http://up", after(time.Second, failing))
		at.move("10.0.0.1:80")
		p := openProxy(t, managedOptions(&at, TypeVLLM, Hooks{}), w.seams())
		time.Sleep(time.Millisecond)
		at.move("")
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, w.called("http://up", "/models"))
		require.Nil(t, p.pools[0].listing.Load())
	})
}

func TestManagedUpstreamsAreNeitherProbedNorEjected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w, l := newWorld(), log{}
		at.move("10.0.0.1:80")
		w.at("http://up", failing)
		o := managedOptions(&at, TypeTEI, l.hooks())
		o.Upstreams[0].ProbeInterval = time.Second
		p := openProxy(t, o, w.seams())
		synctest.Wait()
		for range 100 {
			requireKind(t, models.KindUpstream, "up", ask(t.Context(), p.pools[0], 1))
		}
		time.Sleep(time.Hour)
		require.Zero(t, w.called("http://up", "/health"))
		require.Empty(t, l.changed())
		require.Equal(t, "ready", p.Statuses()[0].Endpoints[0].State)
	})
}

func TestMovedForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w := newWorld()
		at.move("10.0.0.1:80")
		o := managedOptions(&at, TypeTEI, Hooks{})
		o.Upstreams = append(o.Upstreams, quiet("other", "http://s0"))
		p := openProxy(t, o, w.seams())
		synctest.Wait()
		for _, pool := range p.pools {
			w.at("http://up", after(time.Second, ok))
			w.at("http://s0", after(time.Second, ok))
			require.NoError(t, ask(t.Context(), pool, 1))
			w.at("http://up", always(401, ""))
			w.at("http://s0", always(401, ""))
			requireKind(t, models.KindUpstreamCredentials, pool.opts.Name, ask(t.Context(), pool, 1))
			w.at("http://up", always(429, "", "Retry-After", "60"))
			w.at("http://s0", always(429, "", "Retry-After", "60"))
			requireKind(t, models.KindRateLimited, pool.opts.Name, ask(t.Context(), pool, 1))
		}
		for _, name := range []string{"up", "other", "nobody"} {
			p.Moved(name)
		}
		e := inside(p.pools[0])[0]
		require.Zero(t, e.outcomes)
		require.Zero(t, e.pace)
		require.Zero(t, e.latency)
		require.Zero(t, e.rest)
		require.Empty(t, p.pools[0].status().Reason)
		e = inside(p.pools[1])[0]
		require.NotZero(t, e.outcomes)
		require.NotZero(t, e.pace)
		require.NotZero(t, e.rest)
		require.NotEmpty(t, p.pools[1].status().Reason)
	})
}

func TestNextSharesAManagedPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w := newWorld()
		w.at("http://up", ok)
		o := managedOptions(&at, TypeTEI, Hooks{})
		p, err := newProxy(o, nil, w.seams())
		require.NoError(t, err)
		next, err := p.Next(managedOptions(&at, TypeTEI, Hooks{}))
		require.NoError(t, err)
		require.Same(t, p.pools[0], next.pools[0])
		require.NoError(t, p.Close(t.Context()))
		at.move("10.0.0.1:80")
		require.NoError(t, ask(t.Context(), next.pools[0], 1))

		o.Upstreams[0].Managed, o.Upstreams[0].URLs = false, urls(1)
		other, err := next.Next(o)
		require.NoError(t, err)
		require.NotSame(t, next.pools[0], other.pools[0])
		require.NoError(t, next.Close(t.Context()))
		require.NoError(t, other.Close(t.Context()))
	})
}

// kept is a model that is started and stopped here.
type kept struct {
	models.Model
	upstream string
	status   models.Status
	err      error
}

func (k *kept) Status() models.Status                     { return k.status }
func (k *kept) Load(context.Context) error                { return nil }
func (k *kept) Unload(context.Context) error              { return nil }
func (k *kept) Logs(context.Context, int) (string, error) { return k.upstream, nil }
func (k *kept) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	if k.err != nil {
		return models.EmbedResult{}, k.err
	}
	return k.Model.(models.Embedder).Embed(ctx, req)
}

func TestModelsOfManagedUpstreamsAreWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at whereabouts
		w := newWorld()
		at.move("10.0.0.1:80")
		w.at("http://up", always(200, "[[1]]"))
		w.at("http://spare", always(200, "[[2]]"))
		w.at("http://s0", always(200, "[[3]]"))
		var made []*kept
		o := managedOptions(&at, TypeTEI, Hooks{})
		o.Upstreams = append(o.Upstreams, Upstream{Name: "spare", Type: TypeTEI, Managed: true}, quiet("far", "http://s0"))
		o.Routes = []Route{
			{Name: "plain", Upstream: "up", Tasks: embedTask},
			{Name: "far", Upstream: "far", Tasks: embedTask, Fallback: []string{"spare"}},
			{Name: "both", Upstream: "up", Tasks: embedTask, Fallback: []string{"spare", "plain", "far"}},
		}
		o.Manage = func(upstream string, m models.Model) models.Model {
			k := &kept{Model: m, upstream: upstream, status: models.Status{State: models.StateStopped, OnDemand: true, Container: &models.Container{Name: upstream}}}
			made = append(made, k)
			return k
		}
		p := openProxy(t, o, w.seams())
		var names []string
		for _, k := range made {
			require.IsType(t, (*model)(nil), k.Model)
			names = append(names, k.upstream)
		}
		require.Equal(t, []string{"up", "spare", "up", "spare"}, names)

		lives := map[string]string{}
		for _, e := range p.Entries() {
			if l, ok := e.Lifecycle(); ok {
				lives[e.Name], _ = l.Logs(t.Context(), 1)
			}
		}
		require.Equal(t, map[string]string{"plain": "up", "both": "up"}, lives)

		far, both := p.Entries()[1], p.Entries()[2]
		require.Equal(t, models.StateReady, far.Model.Status().State)
		// far is up, whatever the containers: both is ready by it.
		status := both.Model.Status()
		require.Equal(t, models.StateReady, status.State)
		require.True(t, status.OnDemand)
		require.Equal(t, "up", status.Container.Name)

		embed := func(e models.Entry) (float32, string) {
			m, err := e.Embedder()
			require.NoError(t, err)
			result, err := m.Embed(t.Context(), embedOne("text"))
			require.NoError(t, err)
			return result.Vectors[0][0], result.Timing.Backend
		}
		answered := func(e models.Entry, vector float32, backend string) {
			t.Helper()
			got, by := embed(e)
			require.Equal(t, vector, got)
			require.Equal(t, backend, by)
		}
		for _, e := range []models.Entry{both, p.plain["plain"]} {
			_, by := embed(e)
			require.Empty(t, by)
		}
		for _, kind := range []models.Kind{models.KindLoading, models.KindUnavailable, models.KindQueueFull} {
			made[2].err = models.Errorf(kind, "not now")
			answered(both, 2, "spare")
		}
	})
}

func TestAFallbackOnDemandKeepsAModelOnDemand(t *testing.T) {
	on := func(state models.State, demand bool) step {
		return step{"s", models.Entry{Name: "m", Tasks: embedTask, Model: &kept{status: models.Status{State: state, OnDemand: demand}}}}
	}
	for name, c := range map[string]struct {
		primary step
		next    []step
		state   models.State
		demand  bool
	}{
		"nobody":                  {on(models.StateFailed, false), []step{on(models.StateStopped, false)}, models.StateFailed, false},
		"the primary":             {on(models.StateStopped, true), []step{on(models.StateFailed, false)}, models.StateStopped, true},
		"a fallback":              {on(models.StateFailed, false), []step{on(models.StateFailed, false), on(models.StateStopped, true)}, models.StateStopped, true},
		"a fallback that is up":   {on(models.StateUnavailable, false), []step{on(models.StateReady, false)}, models.StateReady, false},
		"a primary in a full box": {on(models.StateLoading, true), []step{on(models.StateReady, true)}, models.StateReady, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &failover{proxy: &Proxy{}, primary: c.primary, next: c.next}
			require.Equal(t, models.Status{State: c.state, OnDemand: c.demand}, f.Status())
			require.Same(t, c.primary.entry.Model, f.Primary())
		})
	}
}

func TestWhatManagedUpstreamsCannotBe(t *testing.T) {
	o := Options{
		Upstreams: []Upstream{{Name: "a", Type: TypeTEI, Managed: true, URLs: urls(2)}, {Name: "b", Type: TypeTEI, Managed: true}, {Name: "c", Type: TypeTEI}},
		Routes:    []Route{{Name: "m", Upstream: "b", Tasks: embedTask}, {Name: "org/*", Upstream: "b", Tasks: embedTask}},
	}
	require.EqualError(t, Check(o), strings.Join([]string{
		`upstreams[0] ("a"): urls: there are 2, and managed is set, too: give one of the two`,
		`upstreams[2] ("c"): urls is empty`,
		`models[1] ("org/*"): upstream "b" is managed, which serves one model: the name may hold no *`,
	}, "\n"))
	o.Upstreams[0].URLs, o.Upstreams[2].URLs, o.Routes = nil, urls(1), o.Routes[:1]
	require.NoError(t, Check(o))
}

func TestHostsOfManagedUpstreams(t *testing.T) {
	for name, host := range map[string]string{
		"tei":                    "tei",
		"tei/BAAI/bge-m3":        "tei-baai-bge-m3",
		"vllm/Qwen/Qwen3-0.6B":   "vllm-qwen-qwen3-0.6b",
		"ein Server: mit_Größe":  "ein-server--mit-gr--e",
		"-.x.-":                  "x",
		"模型":                     "managed",
		strings.Repeat("a", 300): strings.Repeat("a", maxHost),
	} {
		u := managedURL(name)
		require.Equal(t, "http://"+host, u.String(), name)
		_, err := http.NewRequest(http.MethodGet, fmt.Sprint(u.String(), "/health"), nil)
		require.NoError(t, err)
	}
}

// starter starts when it is first asked, and fails with err from then on unless it is waited for.
type starter struct {
	kept
	waited []bool
}

func (s *starter) Embed(ctx context.Context, _ models.EmbedRequest) (models.EmbedResult, error) {
	s.waited = append(s.waited, models.Waits(ctx))
	if !models.Waits(ctx) || s.err != nil {
		return models.EmbedResult{}, models.Errorf(models.KindLoading, "it starts").By("up")
	}
	return models.EmbedResult{Usage: models.Usage{PromptTokens: 1}}, nil
}

func TestAFallbackAnswersWhileThePrimaryStarts(t *testing.T) {
	down := models.Errorf(models.KindUpstream, "it is down")
	for name, c := range map[string]struct {
		primary models.State
		err     error // the primary's, also when it is waited for
		spare   models.Status
		lost    error // the fallback's
		waited  []bool
		by      int // tokens: 1 the primary's, 2 the fallback's, 0 nobody's
	}{
		"the fallback is ready":                      {primary: models.StateStopped, spare: models.Status{State: models.StateReady}, waited: []bool{false}, by: 2},
		"the primary is ready":                       {primary: models.StateReady, spare: models.Status{State: models.StateReady}, waited: []bool{true}, by: 1},
		"the fallback has to start, too":             {primary: models.StateStopped, spare: models.Status{State: models.StateStopped, OnDemand: true}, waited: []bool{true}, by: 1},
		"the fallback fails, and the start is quick": {primary: models.StateStopped, spare: models.Status{State: models.StateReady}, lost: down, waited: []bool{false, true}, by: 1},
		"both fail": {primary: models.StateStopped, err: down, spare: models.Status{State: models.StateReady}, lost: down, waited: []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			primary := &starter{kept: kept{status: models.Status{State: c.primary, OnDemand: true}, err: c.err}}
			spare := &answering{kept{status: c.spare, err: c.lost}}
			f := &failover{
				proxy:   &Proxy{},
				primary: step{"up", models.Entry{Name: "m", Tasks: embedTask, Model: primary}},
				next:    []step{{"spare", models.Entry{Name: "m", Tasks: embedTask, Model: spare}}},
			}
			result, err := f.Embed(t.Context(), embedOne("text"))
			require.Equal(t, c.waited, primary.waited)
			require.Equal(t, c.by, result.Usage.PromptTokens)
			if c.by == 0 {
				require.Equal(t, models.KindLoading, models.KindOf(err))
				require.ErrorIs(t, err, down)
				return
			}
			require.NoError(t, err)
		})
	}
}

// answering answers, or fails.
type answering struct{ kept }

func (a *answering) Info() models.Info { return models.Info{Backend: "spare"} }

func (a *answering) Embed(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
	return models.EmbedResult{Usage: models.Usage{PromptTokens: 2}}, a.err
}
