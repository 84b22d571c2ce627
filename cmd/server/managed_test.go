package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// managedLine is an entry of upstreams that runs in a container.
func managedLine(name, kind, model, more string) string {
	return fmt.Sprintf("  - {name: %s, type: %s, managed: {image: \"%s:1\", model: %s, min_residency: 0s, stop_timeout: 1s%s}}\n", name, kind, kind, model, more)
}

// routeLine is an entry of models.
func routeLine(name, upstream, more string) string {
	return fmt.Sprintf("  - {name: %s, upstream: %s%s}\n", name, upstream, more)
}

// containersLine is containers: in routing.yaml.
func containersLine(more string) string {
	return "containers: {instance: test, max_wait: 100ms" + more + "}\n"
}

// managedSite is a gateway with admin key boss and these upstreams and models.
func managedSite(t testing.TB, containers, upstreams, routes string) *site {
	t.Helper()
	s := newSite(t, containersLine(containers)+"upstreams:\n"+upstreams+"models:\n"+routes)
	s.auth = "keys:\n" + adminKey
	return s
}

// dockAt starts the gateway with its containers on an engine.
func (s *site) dockAt(open engines) running {
	s.t.Helper()
	return launchOn(s.t, s.t.Context(), open, s.write())
}

// asAdmin sends an admin's request, and expects 200.
func (r running) asAdmin(t testing.TB, method, route string) string {
	t.Helper()
	a, err := send(t.Context(), http.DefaultClient, method, r.url+route, nil, bearer(adminSecret)...)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.status, a.body)
	return a.body
}

// eventually waits for what other goroutines do.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 20*time.Second, 5*time.Millisecond, what)
}

// The first request starts the container and is answered; the next ones find it.
func TestManagedFirstRequestStarts(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.set("tei", behaviour{takes: 50 * time.Millisecond})
	d.Absent("tei:1", time.Millisecond, nil)
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ""), routeLine("m", "tei", "")).dockAt(d.open)
	require.Empty(t, d.Running())
	require.Equal(t, http.StatusOK, g.ask(t, "/health/ready", nil).status, "a request has it start")
	require.Contains(t, g.ask(t, "/v1/models/m", nil).body, `"stopped"`)
	require.Equal(t, 1.0, g.metric(t, "quadrate_model_ready", `model="m"`))
	require.Equal(t, 1.0, g.metric(t, "quadrate_upstream_endpoint_ready", `endpoint="http://tei"`))

	require.Len(t, g.vectors(t, "m", "a", "b"), 2)
	require.Len(t, g.vectors(t, "m", "a", "b"), 2)
	require.Equal(t, []string{"tei"}, d.Started())
	require.Contains(t, g.ask(t, "/v1/models/m", nil).body, `"ready"`)
	require.Equal(t, 1.0, g.metric(t, "quadrate_container_starts_total", `upstream="tei"`, `outcome="ok"`))
	require.Equal(t, 1.0, g.metric(t, "quadrate_container_state", `upstream="tei"`, `state="ready"`))
	require.Equal(t, 1.0, g.metric(t, "quadrate_container_engine_up"))
	require.Equal(t, 1.0, g.metric(t, "quadrate_upstream_endpoint_ready", `endpoint="http://tei"`), "by its name, as ports change")
	require.Contains(t, g.asAdmin(t, http.MethodGet, "/admin/models"), d.last("tei").URL)
	ready := g.lines(t, "container ready")
	require.Len(t, ready, 1)
	require.Equal(t, "tei", ready[0]["upstream"])
	require.Equal(t, "tei:1", ready[0]["image"])
	require.Greater(t, ready[0]["seconds"], 0.04)
	states := []any{}
	for _, line := range g.lines(t, "container changed") {
		states = append(states, line["to"])
	}
	require.Subset(t, states, []any{"pulling", "starting", "ready"})
	require.EqualValues(t, 1, d.opened.Load())
}

// Every kind of server that can be managed serves embeddings and reranking, whatever clients speak.
func TestManagedServersInEveryDialect(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	upstreams, routes := "", ""
	for _, kind := range []string{"tei", "vllm", "infinity", "cohere", "jina"} {
		more := ""
		if kind == "cohere" || kind == "jina" { // what runs them is not known
			more = ", container_port: 80, args: [serve]"
		}
		upstreams += managedLine(kind+"-e", kind, "org/"+kind, more) + managedLine(kind+"-r", kind, "org/"+kind+"-rerank", more)
		routes += routeLine(kind+"/embed", kind+"-e", "") + routeLine(kind+"/rerank", kind+"-r", ", tasks: [rerank]")
	}
	g := managedSite(t, "", upstreams, routes).dockAt(d.open)
	for _, kind := range []string{"tei", "vllm", "infinity", "cohere", "jina"} {
		t.Run(kind, func(t *testing.T) {
			embed, rerank := kind+"/embed", kind+"/rerank"
			require.Len(t, g.vectors(t, embed, "a", "b"), 2)
			for route, body := range map[string]any{
				"/v2/embed":  map[string]any{"model": embed, "texts": []string{"a"}, "input_type": "search_query", "embedding_types": []string{"float"}},
				"/embed":     map[string]any{"model": embed, "inputs": "a"},
				"/v2/rerank": map[string]any{"model": rerank, "query": "a", "documents": []string{"a", "b"}},
				"/rerank":    map[string]any{"model": rerank, "query": "a", "texts": []string{"a", "b"}},
			} {
				a := g.ask(t, route, body)
				require.Equal(t, http.StatusOK, a.status, "%s: %s", route, a.body)
			}
		})
	}
	require.Len(t, d.Running(), 10)
}

// Of a group one runs at a time.
func TestManagedSwapInAGroup(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	const group = ", group: gpu0"
	g := managedSite(t, "", managedLine("a", "tei", "org/a", group)+managedLine("b", "tei", "org/b", group)+managedLine("c", "tei", "org/c", ""),
		routeLine("a", "a", "")+routeLine("b", "b", "")+routeLine("c", "c", "")).dockAt(d.open)
	for _, model := range []string{"c", "a", "b", "a"} {
		g.vectors(t, model, "x")
	}
	require.Equal(t, []string{"c", "a", "b", "a"}, d.Started())
	require.Equal(t, []string{"a", "c"}, d.Running())
	require.Equal(t, 1.0, g.metric(t, "quadrate_container_swaps_total", `from="a"`, `to="b"`))
	room := g.lines(t, "container makes room")
	require.Len(t, room, 2)
	require.Equal(t, "b", room[1]["upstream"])
	require.Equal(t, "a", room[1]["for"])
}

// 50 requests at once to three models of a group of one: all are answered, few swaps do it.
func TestManagedManyAtOnce(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	upstreams, routes := "", ""
	for _, name := range []string{"a", "b", "c"} {
		upstreams += managedLine(name, "tei", "org/"+name, ", group: one")
		routes += routeLine(name, name, "")
		d.set(name, behaviour{takes: 20 * time.Millisecond, options: upstreamtest.Options{Delay: 10 * time.Millisecond}})
	}
	g := managedSite(t, "", upstreams, routes).dockAt(d.open)
	client := loadClient(t)
	answers := make([]answer, 50)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			body := fmt.Sprintf(`{"model":%q,"input":"the text"}`, string(rune('a'+i%3)))
			answers[i], _ = send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", body)
		})
	}
	group.Wait()
	for _, a := range answers {
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	t.Logf("starts: %v", d.Started())
	require.LessOrEqual(t, len(d.Started()), 9)
}

// Who waits longer than start_wait is told when to come again; the start goes on.
func TestManagedStartTakesTooLong(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.set("tei", behaviour{takes: time.Second})
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ", start_wait: 100ms"), routeLine("m", "tei", "")).dockAt(d.open)
	a := g.embed(t, "m", []string{"x"})
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	f := a.failure(t)
	require.Equal(t, "model_loading", f.Error.Code)
	require.Equal(t, "tei", f.Error.Upstream)
	require.Regexp(t, `^[1-9]\d*$`, a.header.Get("Retry-After"))
	t.Log(f.Error.Message)
	// The client's own deadline is no other matter: 503, not 504.
	a = g.embed(t, "m", []string{"x"}, "X-Request-Timeout", "0.05")
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "model_loading", a.failure(t).Error.Code)
	eventually(t, "it serves", func() bool { return g.embed(t, "m", []string{"x"}).status == http.StatusOK })
	require.Equal(t, []string{"tei"}, d.Started())
}

// A server that ends while it starts is shown with what it wrote last.
func TestManagedStartFails(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.set("tei", behaviour{takes: time.Minute, goes: managedtest.Behaviour{EndsAfter: 20 * time.Millisecond, ExitCode: 1, Logs: "loading\nthe weights are damaged\n"}})
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ""), routeLine("m", "tei", "")).dockAt(d.open)
	a := g.embed(t, "m", []string{"x"})
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "tei", a.failure(t).Error.Upstream)
	require.Contains(t, a.failure(t).Error.Message, "the weights are damaged")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Contains(t, g.asAdmin(t, http.MethodGet, "/admin/models/m/logs"), "the weights are damaged")
	require.Contains(t, g.asAdmin(t, http.MethodGet, "/admin/models"), "it ended with exit code 1")
	failed := g.lines(t, "container failed")
	require.NotEmpty(t, failed)
	require.Contains(t, failed[0]["reason"], "it ended with exit code 1")
	require.Equal(t, "loading\nthe weights are damaged", failed[0]["last_lines"])
	require.NotZero(t, g.metric(t, "quadrate_container_starts_total", `upstream="tei"`, `outcome="failed"`))
	// It is mended, and an admin does not wait for the pause to pass.
	d.set("tei", behaviour{})
	g.asAdmin(t, http.MethodPost, "/admin/models/m/load")
	g.vectors(t, "m", "x")
}

// While a managed upstream starts, its fallback answers.
func TestManagedFallsBackWhileItStarts(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.set("tei", behaviour{takes: 500 * time.Millisecond})
	other := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ", start_wait: 50ms")+upstreamLine("other", "tei", "", other.URL),
		routeLine("m", "tei", ", fallback: [other]")).dockAt(d.open)
	a := g.embed(t, "m", []string{"x"})
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, "other", a.header.Get("X-Quadrate-Backend"))
	eventually(t, "it serves itself", func() bool {
		a := g.embed(t, "m", []string{"x"})
		require.Equal(t, http.StatusOK, a.status, a.body)
		return a.header.Get("X-Quadrate-Backend") != "other"
	})
	require.Equal(t, []string{"tei"}, d.Started())
}

// A container that is killed under its requests is started again, and they are answered.
func TestManagedCrashUnderRequests(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.set("tei", behaviour{options: upstreamtest.Options{Delay: 300 * time.Millisecond}})
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ""), routeLine("m", "tei", "")).dockAt(d.open)
	g.vectors(t, "m", "x")
	asked := len(posts(d.last("tei").Server))
	answers := asking(t, g, loadClient(t), 8)
	eventually(t, "they are there", func() bool { return len(posts(d.last("tei").Server)) >= 8+asked })
	require.True(t, d.Crash("tei", 137, true))
	for range 8 {
		a := <-answers
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	require.Equal(t, []string{"tei", "tei"}, d.Started())
	crashed := g.lines(t, "container failed")
	require.Len(t, crashed, 1)
	require.Contains(t, crashed[0]["reason"], "was killed for want of memory")
	require.Equal(t, "loading org/model", crashed[0]["last_lines"])
	require.Equal(t, 1.0, g.metric(t, "quadrate_container_crashes_total", `upstream="tei"`, `reason="oom"`))
}

// A reload starts, exchanges and stops what it changes, and nothing else.
func TestManagedReload(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	remote := upstreamtest.NewTEI(t, upstreamtest.Options{})
	routing := func(upstreams, routes string) string {
		return containersLine("") + "upstreams:\n" + upstreamLine("remote", "tei", "", remote.URL) + upstreams + "models:\n" + routeLine("r", "remote", "") + routes
	}
	s := newSite(t, routing("", ""))
	s.auth = "keys:\n" + adminKey
	g := s.dockAt(d.open)
	reload := func(upstreams, routes string) {
		t.Helper()
		s.routing = routing(upstreams, routes)
		s.write()
		g.asAdmin(t, http.MethodPost, "/admin/reload")
	}
	g.vectors(t, "r", "x")
	require.Zero(t, d.opened.Load(), "nothing needed the engine")

	one, two := managedLine("one", "tei", "org/one", ""), managedLine("two", "tei", "org/two", "")
	routes := routeLine("one", "one", "") + routeLine("two", "two", "")
	reload(one+two, routes)
	g.vectors(t, "one", "x")
	g.vectors(t, "two", "x")
	first := d.last("one")

	reload(one+managedLine("two", "tei", "org/two", ", memory_mb: 512"), routes)
	eventually(t, "the changed one is gone", func() bool { return slices.Equal([]string{"one"}, d.Running()) })
	require.Same(t, first, d.last("one"))
	g.vectors(t, "two", "x")
	require.Equal(t, 512, d.last("two").spec.MemoryMB)
	require.Equal(t, []string{"one", "two", "two"}, d.Started())

	// What is refused changes nothing.
	s.put("routing", routing(one+two, routes+routeLine("r", "two", "")))
	a := g.ask(t, "/admin/reload", "", bearer(adminSecret)...)
	require.Equal(t, http.StatusBadRequest, a.status, a.body)
	require.Equal(t, []string{"one", "two"}, d.Running())

	reload(one, routeLine("one", "one", ""))
	eventually(t, "what is removed is gone", func() bool { return slices.Equal([]string{"one"}, d.Running()) })
	require.Equal(t, http.StatusNotFound, g.embed(t, "two", []string{"x"}).status)
	reload("", "")
	eventually(t, "all are gone", func() bool { return len(d.Running()) == 0 })
	require.EqualValues(t, 1, d.opened.Load())

	reload(managedLine("three", "tei", "org/three", ", preload: true"), routeLine("three", "three", ""))
	eventually(t, "it is started", func() bool { return slices.Equal([]string{"three"}, d.Running()) })
}

// A request to what a reload changes or removes is answered by what it began with.
func TestManagedReloadLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	for name, after := range map[string][2]string{
		"changed": {managedLine("up", "tei", "org/up", ", memory_mb: 512"), routeLine("m", "up", "")},
		"removed": {managedLine("other", "tei", "org/other", ""), routeLine("o", "other", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDock(t)
			d.set("up", behaviour{options: upstreamtest.Options{Delay: 300 * time.Millisecond}})
			s := managedSite(t, "", managedLine("up", "tei", "org/up", ""), routeLine("m", "up", ""))
			g := s.dockAt(d.open)
			g.vectors(t, "m", "x")
			old := d.last("up")
			asked := len(posts(old.Server))
			answers := asking(t, g, loadClient(t), 4)
			eventually(t, "they are there", func() bool { return len(posts(old.Server)) == asked+4 })
			s.put("routing", containersLine("")+"upstreams:\n"+after[0]+"models:\n"+after[1])
			g.asAdmin(t, http.MethodPost, "/admin/reload")
			require.Equal(t, []string{"up"}, d.Running(), "it lets them end")
			for range 4 {
				a := <-answers
				require.Equal(t, http.StatusOK, a.status, a.body)
			}
			require.Len(t, posts(old.Server), asked+4, "nobody was asked twice")
			eventually(t, "it is gone", func() bool { return len(d.Left()) == 0 })
		})
	}
}

// A reload that is refused as late as can be leaves containers as they are.
func TestManagedReloadThatCannotBePutInForce(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	s := managedSite(t, "", managedLine("a", "tei", "org/a", "")+managedLine("b", "tei", "org/b", ", preload: true"), routeLine("a", "a", "")+routeLine("b", "b", ""))
	load := func() *config.Config {
		cfg, err := config.Load(config.LoadOptions{File: s.write(), Dir: t.TempDir()})
		require.NoError(t, err)
		return cfg
	}
	cfg, next := load(), load()
	cfg.Routing.Upstreams, cfg.Routing.Models = cfg.Routing.Upstreams[:1], cfg.Routing.Models[:1]
	next.Routing.Models = append(next.Routing.Models, next.Routing.Models[0]) // which no file can have
	p, err := newProgram(cfg, func() (*config.Config, error) { return next, nil }, platform{refusingLocals{errNoLocals}, d.open}, func(error) {}, io.Discard)
	require.NoError(t, err)
	before, settings := p.gateway.proxy.Load(), p.gateway.containers.now
	_, err = p.gateway.reload(t.Context())
	require.Error(t, err)
	require.Same(t, before, p.gateway.proxy.Load())
	require.Equal(t, settings, p.gateway.containers.now)
	require.Len(t, p.gateway.containers.list(), 1)
	require.Empty(t, d.Started())

	next.Routing.Models = next.Routing.Models[:2]
	_, err = p.gateway.reload(t.Context())
	require.NoError(t, err)
	require.Len(t, p.gateway.containers.list(), 2)
	eventually(t, "it is started", func() bool { return slices.Equal([]string{"b"}, d.Running()) })
	require.NoError(t, p.close())
	require.Empty(t, d.Left())
}

// The engine and the instance are those of the start.
func TestManagedReloadOfTheInstance(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	s := managedSite(t, "", managedLine("up", "tei", "org/up", ""), routeLine("m", "up", ""))
	g := s.dockAt(d.open)
	g.vectors(t, "m", "x")
	s.put("routing", strings.Replace(s.routing, "instance: test", "instance: another, host: \"tcp://10.0.0.1:2375\"", 1))
	report := into[reloadReport](t, g.ask(t, "/admin/reload", "", bearer(adminSecret)...))
	require.ElementsMatch(t, []string{"routing.containers.host", "routing.containers.instance"}, report.Restart)
	require.False(t, report.Routing)
	require.Equal(t, []string{"up"}, d.Started())
	require.EqualValues(t, 1, d.opened.Load())
}

// An upstream that turns from a container into a server elsewhere, and back, and into another
// container, serves all the time.
func TestManagedTurnsRemoteAndBack(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	remote := upstreamtest.NewTEI(t, upstreamtest.Options{})
	routes := routeLine("m", "up", "")
	s := managedSite(t, "", managedLine("up", "tei", "org/up", ""), routes)
	g := s.dockAt(d.open)
	g.vectors(t, "m", "x")
	client, stop := loadClient(t), make(chan struct{})
	var wg sync.WaitGroup
	var failed atomic.Pointer[answer]
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a, err := send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"x"}`); err != nil || a.status != http.StatusOK {
					failed.CompareAndSwap(nil, &a)
				}
			}
		})
	}
	turn := func(upstream string) {
		s.put("routing", containersLine("")+"upstreams:\n"+upstream+"models:\n"+routes)
		g.asAdmin(t, http.MethodPost, "/admin/reload")
		require.Len(t, g.vectors(t, "m", "x"), 1)
	}
	for range 20 {
		turn(upstreamLine("up", "tei", "", remote.URL))
		eventually(t, "the container is gone", func() bool { return len(d.Left()) == 0 })
		turn(managedLine("up", "tei", "org/up", ""))
		turn(managedLine("up", "tei", "org/up", ", memory_mb: 64"))
		require.Equal(t, 64, d.last("up").spec.MemoryMB)
	}
	close(stop)
	wg.Wait()
	if a := failed.Load(); a != nil {
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
}

// Requests for what a reload has just added find it, however soon they come.
func TestManagedReloadUnderRequests(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	lines := func(n int) (upstreams, routes string) {
		upstreams, routes = managedLine("kept", "tei", "org/kept", ""), routeLine("kept", "kept", "")
		if n > 0 {
			name := fmt.Sprintf("new-%d", n)
			upstreams += managedLine(name, "tei", "org/new", "")
			routes += routeLine(name, name, "")
		}
		return upstreams, routes
	}
	upstreams, routes := lines(0)
	s := managedSite(t, "", upstreams, routes)
	g := s.dockAt(d.open)
	client := loadClient(t)
	for n := 1; n <= 10; n++ {
		upstreams, routes := lines(n)
		s.put("routing", containersLine("")+"upstreams:\n"+upstreams+"models:\n"+routes)
		body := fmt.Sprintf(`{"model":"new-%d","input":"x"}`, n)
		first := make(chan answer, 8)
		for range cap(first) {
			go func() {
				a := answer{status: http.StatusNotFound}
				for a.status == http.StatusNotFound {
					a, _ = send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", body)
				}
				first <- a
			}()
		}
		g.asAdmin(t, http.MethodPost, "/admin/reload")
		for range cap(first) {
			a := <-first
			require.Equal(t, http.StatusOK, a.status, a.body)
		}
		require.Len(t, g.vectors(t, "kept", "x"), 1)
	}
}

// What a reload is about to add may be asked for, but is not started for its own sake, and is gone
// when the reload is refused.
func TestContainersExpected(t *testing.T) {
	d := newDock(t)
	c := &containers{open: d.open, prober: &managedtest.Prober{Engine: d.Engine}, log: slog.New(slog.DiscardHandler)}
	d.Serve = nil
	settings := func(names ...string) managed.Settings {
		s := managed.Settings{MaxWait: time.Second}
		for _, name := range names {
			s.Specs = append(s.Specs, managed.Spec{ID: name, Preload: true, StartWait: time.Minute, StartTimeout: time.Minute})
		}
		return s
	}
	c.begin(config.Routing{Upstreams: []config.Upstream{{Name: "a", Managed: config.Managed{Image: "i"}}}, Models: []config.Route{{Upstream: "a", Enabled: true}}})
	c.apply(settings("a"))
	acquire := func(name string) error {
		l, err := c.supervisor.Load().Acquire(t.Context(), name, nil)
		if err == nil {
			l.Release()
		}
		return err
	}
	require.NoError(t, acquire("a"))
	require.Error(t, acquire("b"))
	c.expect(settings("b", "c"))
	require.NoError(t, acquire("b"))
	require.NoError(t, acquire("a"), "it is still in force")
	require.Equal(t, []string{"a", "b"}, d.Running(), "nobody has asked for c")
	require.Nil(t, c.status("b"), "it is not in force yet")
	c.apply(settings("a"))
	require.Error(t, acquire("b"))
	eventually(t, "b is gone", func() bool { return slices.Equal([]string{"a"}, d.Left()) })
	require.NoError(t, c.close())
	require.Empty(t, d.Left())
}

// Where no container can be run, those who need one are refused with the reason, and all others
// are served.
func TestManagedRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"no socket":  {[]string{"DOCKER_HOST=unix:///nowhere/docker.sock"}, "there is no socket /nowhere/docker.sock"},
		"Kubernetes": {[]string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, "managed containers do not run in Kubernetes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := upstreamtest.NewTEI(t, upstreamtest.Options{})
			s := managedSite(t, "", managedLine("one", "tei", "org/one", "")+managedLine("two", "tei", "org/two", "")+upstreamLine("other", "tei", "", other.URL),
				routeLine("one", "one", "")+routeLine("two", "two", ", fallback: [other]")+routeLine("o", "other", ""))
			g := s.open(c.environ...)
			g.vectors(t, "o", "x")
			g.vectors(t, "two", "x")
			require.Equal(t, http.StatusOK, g.ask(t, "/health/ready", nil).status)
			require.Contains(t, g.ask(t, "/health", nil).body, `{"name":"one","type":"tei","state":"unavailable"`)
			a := g.embed(t, "one", []string{"x"})
			require.Equal(t, http.StatusNotFound, a.status, a.body)
			require.Equal(t, `model "one" is not here: its container cannot be run here; the server's log says why`, a.failure(t).Error.Message)
			require.Contains(t, g.asAdmin(t, http.MethodGet, "/admin/models"), c.want, "admins see it")
			told := g.lines(t, "no container can be run here: the upstream serves nobody")
			require.Len(t, told, 2, "one line for each")
			require.Equal(t, "ERROR", told[0]["level"])
			require.Equal(t, "one", told[0]["upstream"])
			require.Contains(t, told[0]["error"], c.want)
			g.asAdmin(t, http.MethodPost, "/admin/reload")
			require.Len(t, g.lines(t, told[0]["msg"].(string)), 2, "and no more")

			var out bytes.Buffer
			err := run(t.Context(), []string{"-check", "-config", s.path("server")}, c.environ, &out, nil)
			require.ErrorContains(t, err, c.want)
			require.Contains(t, out.String(), "one in a container of tei:1: org/one, with ")
		})
	}
}

// An admin starts and stops a container, sees it, and reads its log.
func TestManagedByAnAdmin(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.set("tei", behaviour{takes: 300 * time.Millisecond})
	other := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ", group: g, memory_mb: 256, check_interval: 50ms")+upstreamLine("other", "tei", "", other.URL),
		routeLine("m", "tei", ", fallback: [other]")+routeLine("o", "other", "")).dockAt(d.open)
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		a, _ := send(t.Context(), http.DefaultClient, http.MethodPost, g.url+"/admin/models/m/load", "", bearer(adminSecret)...)
		if a.status != http.StatusOK {
			t.Errorf("load: %d %s", a.status, a.body)
		}
	}()
	eventually(t, "it starts", func() bool { return len(d.Running()) == 1 })
	g.asAdmin(t, http.MethodPost, "/admin/reload") // a load keeps no change waiting
	select {
	case <-loaded:
		t.Error("the reload came after the load")
	default:
	}
	<-loaded
	eventually(t, "its memory is known", func() bool {
		return strings.Contains(g.asAdmin(t, http.MethodGet, "/admin/models"), `"memory_used_bytes":134217728`)
	})
	require.Contains(t, g.asAdmin(t, http.MethodGet, "/admin/models"), `"group":"g"`)
	require.Equal(t, "loading org/model", strings.TrimSpace(g.asAdmin(t, http.MethodGet, "/admin/models/m/logs?lines=10")))
	require.Equal(t, "tei", g.embed(t, "m", []string{"x"}).header.Get("X-Quadrate-Backend"))

	g.asAdmin(t, http.MethodPost, "/admin/models/m/unload")
	require.Empty(t, d.Running())
	require.Equal(t, 1.0, g.metric(t, "quadrate_container_state", `upstream="tei"`, `state="stopped"`))
	for _, route := range []string{"/admin/models/o/load", "/admin/models/o/unload"} {
		answer := g.ask(t, route, "", bearer(adminSecret)...)
		require.Equal(t, http.StatusNotFound, answer.status, answer.body)
	}
	answer := g.ask(t, "/admin/models/o/logs", nil, bearer(adminSecret)...)
	require.Equal(t, http.StatusBadRequest, answer.status, answer.body)
	require.Len(t, g.vectors(t, "m", "x"), 1, "a request has it start again")
}

// At the end containers are stopped, or left.
func TestManagedAtTheEnd(t *testing.T) {
	t.Parallel()
	for how, left := range map[string][]string{"stop": {}, "leave": {"tei"}} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			d := newDock(t)
			g := managedSite(t, ", on_shutdown: "+how, managedLine("tei", "tei", "org/model", ""), routeLine("m", "tei", "")).dockAt(d.open)
			g.vectors(t, "m", "x")
			require.NoError(t, g.stop())
			require.Equal(t, left, d.Left())
		})
	}
}

// What a program has left, be it killed or ended by a local model that is lost, the next one takes
// over if it is still what is configured, and removes otherwise.
func TestManagedAdoption(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	first := severed{d, make(chan struct{})}
	changed := managedLine("changed", "tei", "org/changed", "")
	s := managedSite(t, "", managedLine("kept", "tei", "org/kept", "")+changed, routeLine("kept", "kept", "")+routeLine("changed", "changed", ""))
	g, lose, ended := s.withLocal(first.open)
	g.vectors(t, "kept", "x")
	g.vectors(t, "changed", "x")
	before := d.last("kept")
	lose()
	require.ErrorIs(t, <-ended, errRestart)
	close(first.killed)
	require.Equal(t, []string{"changed", "kept"}, d.Running())

	s.routing = strings.Replace(s.routing, changed, managedLine("changed", "tei", "org/changed", ", shm_mb: 7"), 1)
	s.rest = ""
	g = s.dockAt(d.open)
	eventually(t, "the changed one is removed", func() bool { return slices.Equal([]string{"kept"}, d.Running()) })
	g.vectors(t, "kept", "x")
	require.Same(t, before, d.last("kept"))
	g.vectors(t, "changed", "x")
	require.Equal(t, []string{"kept", "changed", "changed"}, d.Started())
	adopted := g.lines(t, "container adopted from an earlier process")
	require.Len(t, adopted, 1)
	require.Equal(t, "kept", adopted[0]["upstream"])
	require.Len(t, g.lines(t, "container of an earlier process removed"), 1)
}

// withLocal starts the gateway with a local model, and returns what loses that.
func (s *site) withLocal(open engines) (g running, lose func(), ended <-chan error) {
	s.t.Helper()
	s.rest = "models: [{name: good/model}]"
	cfg, err := config.Load(config.LoadOptions{File: s.write(), Dir: s.t.TempDir()})
	require.NoError(s.t, err)
	f := &fakeLocals{hooks: map[string]localHooks{}}
	ready, done := make(chan string, 1), make(chan error, 1)
	log := &output{}
	go func() {
		done <- serveOn(s.t.Context(), platform{f, open}, cfg, nil, log, func(addr string) { ready <- addr })
	}()
	select {
	case addr := <-ready:
		return running{url: "http://" + addr, log: log}, func() { f.lose("good/model") }, done
	case err := <-done:
		require.NoError(s.t, err)
	}
	panic("unreachable")
}

// -check tells what would run and whether the engine is there; one that is away may come back.
func TestCheckOfManagedUpstreams(t *testing.T) {
	d := newDock(t)
	s := managedSite(t, "", managedLine("tei", "tei", "org/model", ", args: [--api-key, kept-secret]")+managedLine("unused", "tei", "org/unused", ""),
		routeLine("m", "tei", "")+routeLine("u", "unused", ", enabled: false"))
	check := func() string {
		var out bytes.Buffer
		require.NoError(t, runOn(t.Context(), []string{"-check", "-config", s.write()}, nil, d.open, &out, nil))
		return out.String()
	}
	require.Contains(t, check(), "  tei in a container of tei:1: org/model, with --model-id org/model --port 80 --api-key (concealed)\n")
	require.Contains(t, check(), "the container engine answers")
	require.NotContains(t, check(), "unused in a container", "nobody can ask for it")
	d.GoAway()
	require.Contains(t, check(), "the container engine is away, and would be waited for: ")
	require.Empty(t, d.Started())
}

// What only routes out of use lead to is not run; what none leads to is run for its own sake.
func TestContainerSettings(t *testing.T) {
	managedUpstream := func(name string) config.Upstream {
		return config.Upstream{Name: name, Type: "tei", Managed: config.Managed{Image: "i", Model: "m-" + name, GPUs: "none", Preload: true}}
	}
	cfg := config.Routing{
		Containers: config.Containers{OnShutdown: "leave", MaxWait: time.Second, MemoryMB: 9, GPUs: []config.GPUBudget{{ID: "0", MemoryMB: 5}}},
		Upstreams:  []config.Upstream{managedUpstream("a"), managedUpstream("b"), managedUpstream("c"), {Name: "d", URLs: []string{"http://d"}}},
		Models: []config.Route{{Name: "a", Upstream: "a", Enabled: true}, {Name: "d", Upstream: "d", Fallback: []string{"b"}, Enabled: true},
			{Name: "c", Upstream: "c"}},
	}
	ids := func(s managed.Settings) (list []string) {
		for _, spec := range s.Specs {
			list = append(list, spec.ID)
		}
		return list
	}
	s := containerSettings(cfg)
	require.Equal(t, []string{"a", "b"}, ids(s))
	var known []string
	for _, u := range proxyOptions(cfg).Upstreams {
		known = append(known, u.Name)
	}
	require.Equal(t, []string{"a", "b", "d"}, known, "nobody is told that c does not serve")
	require.Equal(t, managed.Budgets{HostMB: 9, GPUs: map[string]int{"0": 5}}, s.Budgets)
	require.True(t, s.Leave)
	require.Equal(t, time.Second, s.MaxWait)
	cfg.AllowDisabled = true
	require.Equal(t, []string{"a", "b", "c"}, ids(containerSettings(cfg)))

	cfg.Models = cfg.Models[:1]
	cfg.Upstreams[2].Managed.Preload = false
	require.Equal(t, []string{"a", "b"}, ids(containerSettings(cfg)), "b is to be preloaded")
	cfg.Upstreams[2].Managed.Pinned = true
	require.Equal(t, []string{"a", "b", "c"}, ids(containerSettings(cfg)))
}

// Every field of a container's configuration comes to its spec.
func TestContainerSpec(t *testing.T) {
	m := config.Managed{Image: "image", Model: "model", Args: []string{"--a"}, Env: []config.EnvVar{{Name: "N", Value: "v"}}, GPUs: "0, GPU-1",
		Volumes: []string{"cache:/data"}, MemoryMB: 1, GPUMemoryMB: 2, ShmMB: 3, ContainerPort: 4, HostPort: 5, Network: "net", Pull: "never",
		PullTimeout: 6, Group: "group", Priority: 7, Pinned: true, Preload: true, IdleTTL: 8, MinResidency: 9, StartWait: 10, StartTimeout: 11,
		DrainTimeout: 12, StopTimeout: 13, CheckInterval: 14}
	require.Equal(t, managed.Spec{ID: "up", Model: "model", Type: "tei", Image: "image", Command: []string{"--a"}, Env: []string{"N=v"}, GPUs: []string{"0", "GPU-1"},
		Volumes: []string{"cache:/data"}, MemoryMB: 1, GPUMemoryMB: 2, ShmMB: 3, ContainerPort: 4, HostPort: 5, Network: "net", Pull: managed.PullNever,
		PullTimeout: 6, Group: "group", Priority: 7, Pinned: true, Preload: true, IdleTTL: 8, MinResidency: 9, StartWait: 10, StartTimeout: 11,
		DrainTimeout: 12, StopTimeout: 13, CheckInterval: 14}, containerSpec(config.Upstream{Name: "up", Type: "tei", Managed: m}))
}

// The engine that goes away, and comes back, is told of.
func TestManagedEngineAway(t *testing.T) {
	var log bytes.Buffer
	m := metrics.New("test")
	hooks := containerHooks(slog.New(slog.NewTextHandler(&log, nil)), m, func(string) string { return "image" }, func(string) {})
	hooks.Engine(errors.New("connection refused"))
	require.Contains(t, log.String(), `level=WARN msg="the container engine is away`)
	hooks.Engine(nil)
	require.Contains(t, log.String(), `level=INFO msg="the container engine answers"`)
	hooks.Failed("up", strings.Repeat("x", 2*maxLoggedError), strings.Repeat("y", 2*maxLoggedError))
	require.Less(t, len(log.String()), 3*maxLoggedError, "reasons and lines are clipped")
}

// A pull is told of now and then, each upstream's by itself.
func TestPullIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		tell := seldom(func(id, progress string) { told = append(told, id+" "+progress) })
		for i := range 7 {
			tell("a", strconv.Itoa(10*i)+" s")
			time.Sleep(10 * time.Second)
		}
		tell("b", "begins")
		tell("b", "goes on")
		require.Equal(t, []string{"a 0 s", "a 30 s", "a 60 s", "b begins"}, told)
	})
	var log bytes.Buffer
	hooks := containerHooks(slog.New(slog.NewTextHandler(&log, nil)), metrics.New("test"), func(string) string { return "image" }, func(string) {})
	hooks.Pulling("up", "pulling layer 1 of 3")
	require.Contains(t, log.String(), `level=INFO msg="image is being pulled" upstream=up image=image progress="pulling layer 1 of 3"`)
}

// While the engine is away nothing can be started, and whoever watches this server sees it.
func TestManagedNotReadyWithoutTheEngine(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	d.GoAway()
	g := managedSite(t, "", managedLine("tei", "tei", "org/model", ""), routeLine("m", "tei", "")).dockAt(d.open)
	sees := func(code int, ready float64) {
		eventually(t, "it is seen", func() bool { return g.ask(t, "/health/ready", nil).status == code })
		require.Equal(t, ready, g.metric(t, "quadrate_model_ready", `model="m"`))
		require.Equal(t, ready, g.metric(t, "quadrate_upstream_endpoint_ready", `endpoint="http://tei"`))
		require.Equal(t, ready, g.metric(t, "quadrate_container_engine_up"))
	}
	sees(http.StatusServiceUnavailable, 0)
	a := g.embed(t, "m", []string{"x"})
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "model_unavailable", a.failure(t).Error.Code)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	d.ComeBack()
	sees(http.StatusOK, 1)
	g.vectors(t, "m", "x")
}

// What a reload has removed goes when nobody can want it any more.
func TestRetiredContainersAreDropped(t *testing.T) {
	for name, c := range map[string]struct{ ends, dropped time.Duration }{
		"with the last request":               {time.Second, time.Second},
		"while an admin's request takes long": {time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{generations: newGenerations(), locals: &locals{timeout: time.Minute}}
				begun := time.Now()
				time.AfterFunc(c.ends, g.generations.begin())
				var took time.Duration
				g.retire(nil, nil, func() { took = time.Since(begun) })
				g.closing.Wait()
				require.Equal(t, c.dropped, took)
				require.Equal(t, c.ends, time.Since(begun))
			})
		})
	}
}

// A container that no route leads to runs for its own sake.
func TestManagedWithoutRoutes(t *testing.T) {
	t.Parallel()
	d := newDock(t)
	other := upstreamtest.NewTEI(t, upstreamtest.Options{})
	s := managedSite(t, "", managedLine("alone", "tei", "org/model", ", pinned: true")+upstreamLine("other", "tei", "", other.URL), routeLine("o", "other", ""))
	g := s.dockAt(d.open)
	eventually(t, "it serves", func() bool {
		return g.metric(t, "quadrate_container_state", `upstream="alone"`, `state="ready"`) == 1
	})
	require.True(t, d.Crash("alone", 1, false))
	eventually(t, "it serves again", func() bool { return slices.Equal([]string{"alone", "alone"}, d.Started()) })
	g.vectors(t, "o", "x")
	s.put("routing", containersLine("")+"upstreams:\n"+upstreamLine("other", "tei", "", other.URL)+"models:\n"+routeLine("o", "other", ""))
	g.asAdmin(t, http.MethodPost, "/admin/reload")
	eventually(t, "it is gone", func() bool { return len(d.Left()) == 0 })
}
