package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// routes are what the gateway asks a kind of server for vectors and scores.
var routes = map[upstreamtest.Kind][2]string{
	upstreamtest.TEI:      {"/embed", "/rerank"},
	upstreamtest.TEI18:    {"/embed", "/rerank"},
	upstreamtest.VLLM:     {"/v1/embeddings", "/v1/rerank"},
	upstreamtest.Infinity: {"/embeddings", "/rerank"},
	upstreamtest.Cohere:   {"/v2/embed", "/v2/rerank"},
	upstreamtest.Jina:     {"/v1/embeddings", "/v1/rerank"},
	upstreamtest.Ollama:   {"/api/embed", "/api/embed"},
	upstreamtest.OpenAI:   {"/v1/embeddings", "/v1/embeddings"},
}

// verdict is what a client gets for a fault: status and code; retry says that an attempt elsewhere
// is made.
type verdict struct {
	status int
	code   string
	retry  bool
}

var (
	upstreamFails = verdict{502, "upstream_error", true}
	isBusy        = verdict{429, "queue_full", true}
)

// verdicts are the rows of the fault matrix.
var verdicts = map[upstreamtest.FaultName]verdict{
	upstreamtest.Loading:         upstreamFails, // for longer than the upstream has time
	upstreamtest.EngineDead:      upstreamFails,
	upstreamtest.InternalError:   upstreamFails,
	upstreamtest.Overloaded:      isBusy,
	upstreamtest.UnknownModel:    {404, "model_not_found", false},
	upstreamtest.NoRoute:         {400, "unsupported_task", false},
	upstreamtest.BadKey:          {502, "upstream_credentials", false},
	upstreamtest.Forbidden:       {502, "upstream_credentials", false},
	upstreamtest.TooLong:         {400, "context_length_exceeded", false},
	upstreamtest.BatchTooLarge:   {413, "request_too_large", false},
	upstreamtest.ResetFirst:      upstreamFails,
	upstreamtest.ResetBody:       upstreamFails,
	upstreamtest.SlowHeader:      upstreamFails,
	upstreamtest.SlowBody:        {502, "upstream_error", false},
	upstreamtest.HugeBody:        {502, "upstream_error", false},
	upstreamtest.TruncatedJSON:   upstreamFails,
	upstreamtest.EmptyBody:       upstreamFails,
	upstreamtest.WrongType:       {status: 200}, // what it says is right
	upstreamtest.Gzipped:         upstreamFails, // it was asked not to
	upstreamtest.BadGateway:      upstreamFails,
	upstreamtest.GatewayTimeout:  upstreamFails,
	upstreamtest.Redirected:      {502, "upstream_error", false},
	upstreamtest.NumberNaN:       upstreamFails,
	upstreamtest.NumberInfinity:  upstreamFails,
	upstreamtest.NumberNull:      upstreamFails,
	upstreamtest.NumberOverflow:  upstreamFails,
	upstreamtest.WrongIndex:      upstreamFails,
	upstreamtest.DuplicateIndex:  upstreamFails,
	upstreamtest.MissingItem:     upstreamFails,
	upstreamtest.ExtraItem:       upstreamFails,
	upstreamtest.WrongDimensions: upstreamFails,
}

// played is a fault as the tests below have it.
func played(name upstreamtest.FaultName, path string, times int) upstreamtest.Fault {
	return upstreamtest.Fault{Name: name, Path: path, Times: times, Wait: time.Minute, Bytes: 2 << 20, RetryAfter: "3"}
}

// isolated has one attempt tell one answer, quickly.
const isolated = ", retries: 0, timeout: 500ms, max_answer: 1MiB, probe_interval: 0s, eject_after: 1000"

// Every fault of every kind of server reaches the client as what it is, by the name of who failed.
func TestFaultsReachTheClient(t *testing.T) {
	t.Parallel()
	all, routing := everybody(t, isolated)
	g := newSite(t, routing).open()
	seen := map[upstreamtest.FaultName]bool{}
	var group sync.WaitGroup
	for _, b := range all {
		// The first answer tells what the others must be like.
		g.vectors(t, string(b.kind)+"/embed", "a", "b")
		for i, server := range []*upstreamtest.Server{b.embeds, b.reranks} {
			for _, name := range upstreamtest.Faults() {
				seen[name] = seen[name] || server.Plays(name, routes[b.kind][i])
			}
		}
		group.Go(func() {
			playAll(t, g, b, "embed", b.embeds)
			playAll(t, g, b, "rerank", b.reranks)
		})
	}
	group.Wait()
	for _, name := range upstreamtest.Faults() {
		require.True(t, seen[name], "%s is played by nobody", name)
	}
	for _, kind := range []string{"upstream", "queue_full", "upstream_credentials", "not_found"} {
		require.NotZero(t, g.metric(t, "quadrate_upstream_requests_total", `outcome="`+kind+`"`), kind)
	}
}

// playAll has a server fail in every way that it can.
func playAll(t *testing.T, g running, b behind, task string, server *upstreamtest.Server) {
	path := routes[b.kind][map[string]int{"embed": 0, "rerank": 1}[task]]
	for _, name := range upstreamtest.Faults() {
		if !server.Plays(name, path) {
			continue
		}
		t.Run(fmt.Sprintf("%s/%s/%s", b.kind, task, name), func(t *testing.T) {
			server.Fail(played(name, path, 0))
			defer server.Clear()
			a := g.task(t, b, task)
			checkVerdict(t, verdicts[name], b, a)
			require.NotContains(t, a.body, server.URL)
		})
	}
}

// task asks for vectors or scores of two texts.
func (r running) task(t testing.TB, b behind, task string) answer {
	t.Helper()
	if task == "embed" {
		return r.embed(t, string(b.kind)+"/embed", []string{"a", "b"})
	}
	return r.ask(t, "/v2/rerank", map[string]any{"model": string(b.kind) + "/rerank", "query": "a", "documents": []string{"a", "b"}})
}

func checkVerdict(t *testing.T, want verdict, b behind, a answer) {
	t.Helper()
	require.Equal(t, want.status, a.status, a.body)
	if want.status == http.StatusOK {
		return
	}
	f := a.failure(t)
	require.Equal(t, want.code, f.Error.Code, a.body)
	require.True(t, strings.HasPrefix(f.Error.Upstream, string(b.kind)), a.body)
	require.Equal(t, f.Error.Message, f.Message)
	retryAfter := ""
	if want.status == http.StatusTooManyRequests {
		retryAfter = "3"
	}
	require.Equal(t, retryAfter, a.header.Get("Retry-After"))
}

// A fault that another attempt can mend is mended, and the client sees none of it; here whoever is
// asked fails once. What another attempt cannot mend is not tried again.
func TestFaultsAreMendedElsewhere(t *testing.T) {
	t.Parallel()
	upstreams, models := "upstreams:\n", "models:\n"
	var pairs [][2]behind
	// Who tries again is the same for all; these two have every fault.
	for _, p := range []peer{{kind: upstreamtest.TEI, apart: true}, {kind: upstreamtest.Ollama, cosine: true}} {
		one, other := p.start(t), p.start(t)
		u, m := one.routing(", timeout: 2s, first_byte_timeout: 500ms, max_answer: 1MiB, probe_interval: 0s, eject_after: 1000, retry_budget: 100")
		for i, server := range one.servers() {
			u = strings.Replace(u, server.URL, server.URL+", "+other.servers()[i].URL, 1)
		}
		upstreams, models = upstreams+u, models+m
		pairs = append(pairs, [2]behind{one, other})
	}
	g := newSite(t, upstreams+models).open()
	var group sync.WaitGroup
	for _, pair := range pairs {
		g.vectors(t, string(pair[0].kind)+"/embed", "a", "b")
		group.Go(func() { mendAll(t, g, pair) })
	}
	group.Wait()
}

// mendAll has a pair of servers fail once each in every way that they can.
func mendAll(t *testing.T, g running, pair [2]behind) {
	b := pair[0]
	path := routes[b.kind][0]
	for _, name := range upstreamtest.Faults() {
		if b.embeds.Plays(name, path) {
			t.Run(fmt.Sprintf("%s/%s", b.kind, name), func(t *testing.T) { mend(t, g, pair, played(name, path, 1)) })
		}
	}
}

func mend(t *testing.T, g running, pair [2]behind, fault upstreamtest.Fault) {
	t.Helper()
	fault.RetryAfter = ""
	for range 4 { // retries are a share of all requests
		require.Equal(t, http.StatusOK, g.task(t, pair[0], "embed").status)
	}
	before := retries(t, g, pair[0])
	for _, server := range pair {
		server.embeds.Reset()
		server.embeds.Fail(fault)
		defer server.embeds.Clear()
	}
	a := g.task(t, pair[0], "embed")
	tried, met := retries(t, g, pair[0])-before, pair[0].embeds.Stats().Failed+pair[1].embeds.Stats().Failed
	if want := verdicts[fault.Name]; !want.retry {
		require.Equal(t, want.status, a.status, a.body)
		require.Zero(t, tried)
		return
	}
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.NotZero(t, met)
	if fault.Name != upstreamtest.ResetFirst { // net/http itself asks again where a kept connection ends
		require.EqualValues(t, met, tried)
	}
}

// A server that says when to come again is not asked earlier, and not waited for in vain.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", ", probe_interval: 0s", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
	busy := upstreamtest.Fault{Name: upstreamtest.Overloaded, Times: 1, RetryAfter: "1"}
	up.Fail(busy)
	began := time.Now()
	g.vectors(t, "m", "x")
	require.GreaterOrEqual(t, time.Since(began), time.Second)
	require.Len(t, posts(up), 2)
	up.Fail(busy)
	a := g.embed(t, "m", []string{"x"}, "X-Request-Timeout", "0.9")
	require.Equal(t, http.StatusTooManyRequests, a.status, a.body)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	require.Len(t, posts(up), 3)
}

func retries(t testing.TB, g running, b behind) float64 {
	t.Helper()
	return g.metric(t, "quadrate_upstream_retries_total", `upstream="`+string(b.kind)+`"`, `op="embed"`)
}

// Everything that nobody answers is 503 with the time to come again.
func TestServersThatAreNotThere(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", ", retries: 1", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
	g.vectors(t, "m", "x")
	up.Stop()
	a := g.embed(t, "m", []string{"x"})
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "model_loading", a.failure(t).Error.Code)
	require.Equal(t, "up", a.failure(t).Error.Upstream)
	require.Equal(t, "5", a.header.Get("Retry-After"))
	require.NoError(t, up.Start())
	require.Eventually(t, func() bool { return g.embed(t, "m", []string{"x"}).status == http.StatusOK }, 30*time.Second, 10*time.Millisecond)
}
