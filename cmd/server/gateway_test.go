package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// peer is a kind of server behind the gateway.
type peer struct {
	kind upstreamtest.Kind
	// cosine: it does not rerank by itself.
	cosine bool
	// apart: it serves one model, so another server reranks.
	apart bool
}

var peers = []peer{
	{kind: upstreamtest.TEI, apart: true}, {kind: upstreamtest.TEI18, apart: true}, {kind: upstreamtest.VLLM, apart: true},
	{kind: upstreamtest.Infinity}, {kind: upstreamtest.Cohere}, {kind: upstreamtest.Jina},
	{kind: upstreamtest.Ollama, cosine: true}, {kind: upstreamtest.OpenAI, cosine: true},
}

func (p peer) dialect() string { return strings.TrimSuffix(string(p.kind), "18") }

// key is what the peer wants from the gateway.
func (p peer) key() string { return "upstream-secret-of-" + string(p.kind) }

// behind is a peer's fakes: one that embeds and one that reranks, often the same.
type behind struct {
	peer
	embeds, reranks *upstreamtest.Server
}

func (b behind) servers() []*upstreamtest.Server {
	return slices.Compact([]*upstreamtest.Server{b.embeds, b.reranks})
}

func (p peer) start(t testing.TB) behind {
	t.Helper()
	embeds := upstreamtest.Model{Name: "fake"}
	reranks := upstreamtest.Model{Name: "fake-rerank", Task: upstreamtest.Rerank}
	options := upstreamtest.Options{Key: p.key(), LengthsViaTokenize: true}
	b := behind{peer: p}
	switch {
	case p.apart:
		options.Models = []upstreamtest.Model{reranks}
		b.reranks = upstreamtest.NewServer(t, p.kind, options)
		options.Models = []upstreamtest.Model{embeds}
	case !p.cosine:
		options.Models = []upstreamtest.Model{embeds, reranks}
	}
	b.embeds = upstreamtest.NewServer(t, p.kind, options)
	if b.reranks == nil {
		b.reranks = b.embeds
	}
	return b
}

// routing are the peer's upstreams and models: KIND/embed and KIND/rerank. more is put into each
// upstream.
func (b behind) routing(more string) (upstreams, models string) {
	more = ", api_key: " + b.key() + more
	upstreams = upstreamLine(string(b.kind), b.dialect(), more, b.embeds.URL)
	reranker, model, how := string(b.kind), "fake-rerank", ""
	if b.apart {
		reranker += "-rerank"
		upstreams += upstreamLine(reranker, b.dialect(), more, b.reranks.URL)
	}
	if b.cosine {
		model, how = "fake", ", rerank: cosine"
	}
	models = fmt.Sprintf("  - {name: %[1]s/embed, aliases: [%[1]s-e], upstream: %[1]s, upstream_model: fake, tasks: [embed]}\n", b.kind) +
		fmt.Sprintf("  - {name: %s/rerank, upstream: %s, upstream_model: %s, tasks: [rerank]%s}\n", b.kind, reranker, model, how)
	return upstreams, models
}

// everybody starts all peers and returns a routing to them.
func everybody(t testing.TB, more string) (all []behind, routing string) {
	t.Helper()
	upstreams, models := "upstreams:\n", "models:\n"
	for _, p := range peers {
		b := p.start(t)
		u, m := b.routing(more)
		upstreams, models = upstreams+u, models+m
		all = append(all, b)
	}
	return all, upstreams + models
}

// posts counts what a fake was asked beside its health and its models.
func posts(s *upstreamtest.Server) (list []upstreamtest.Request) {
	for _, r := range s.Requests() {
		if r.Method == http.MethodPost {
			list = append(list, r)
		}
	}
	return list
}

// clientSecret is a key of a client of the gateway.
const clientSecret = "qd_the-secret-that-only-the-gateway-may-see"

// clientKey is its entry in auth.yaml.
func clientKey(more string) string {
	return fmt.Sprintf("anonymous: {enabled: false}\nkeys:\n  - {name: team-a, hash: %q%s}\n", auth.Hash(clientSecret), more)
}

// Every dialect serves embeddings and reranking, whatever the client speaks, and none of the
// client's credentials reaches a server.
func TestEveryDialectBehindTheGateway(t *testing.T) {
	t.Parallel()
	all, routing := everybody(t, "")
	s := newSite(t, routing)
	s.auth = clientKey("")
	g := s.open()
	headers := []string{
		"Authorization", "Bearer " + clientSecret, "X-Api-Key", clientSecret, "Cookie", "session=" + clientSecret,
		"Proxy-Authorization", "Basic " + clientSecret, "Api-Key", clientSecret, "X-Custom", clientSecret,
	}
	for _, b := range all {
		t.Run(string(b.kind), func(t *testing.T) {
			embedAndRerank(t, g, b, headers)
			for _, server := range b.servers() {
				require.NotEmpty(t, posts(server))
				for _, r := range server.Requests() {
					require.Equal(t, "Bearer "+b.key(), r.Header.Get("Authorization"), r.Path)
					whole := fmt.Sprint(r.Header, r.Query, string(r.Body))
					require.NotContains(t, whole, clientSecret)
					require.NotContains(t, r.Header, "Cookie")
					require.NotContains(t, r.Header, "X-Api-Key")
				}
			}
		})
	}
	require.NoError(t, g.stop())
	require.NotContains(t, g.log.String(), clientSecret)
	require.NotContains(t, g.log.String(), "upstream-secret-of")
}

func embedAndRerank(t *testing.T, g running, b behind, headers []string) {
	t.Helper()
	texts := []string{"a cat sat on the mat", "the dog", "a cat sat on the mat"}
	var vectors [][]float32
	for _, model := range []string{"/embed", "-e"} {
		got := into[embeddings](t, g.embed(t, string(b.kind)+model, texts, headers...))
		require.Len(t, got.Data, 3)
		require.Positive(t, got.Usage.PromptTokens)
		vectors = nil
		for i, d := range got.Data {
			require.Equal(t, i, d.Index)
			require.Len(t, d.Embedding, 384)
			require.InDelta(t, 1, dot(d.Embedding, d.Embedding), 1e-4)
			vectors = append(vectors, d.Embedding)
		}
	}
	require.InDelta(t, 1, dot(vectors[0], vectors[2]), 1e-5)
	require.Less(t, dot(vectors[0], vectors[1]), 0.99)
	tei := into[[][]float32](t, g.ask(t, "/embed", map[string]any{"model": string(b.kind) + "/embed", "inputs": texts}, headers...))
	for i := range texts {
		require.InDeltaSlice(t, vectors[i], tei[i], 1e-6)
	}

	documents := []string{"nothing of that", "where does the cat sleep", "a dog"}
	rerank := map[string]any{"model": string(b.kind) + "/rerank", "query": "where does the cat sleep", "documents": documents}
	got := into[ranking](t, g.ask(t, "/v2/rerank", rerank, headers...))
	require.Len(t, got.Results, 3)
	require.Equal(t, 1, got.Results[0].Index)
	delete(rerank, "documents")
	rerank["texts"] = documents
	require.True(t, strings.HasPrefix(g.ask(t, "/rerank", rerank, headers...).body, `[{"index":1,`))
}

func dot(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Requests that are larger than a server takes are split and put together in order.
func TestLargeRequestsAreSplit(t *testing.T) {
	t.Parallel()
	all, routing := everybody(t, ", max_items: 7")
	g := newSite(t, routing).open()
	texts := make([]string, 50)
	for i := range texts {
		texts[i] = fmt.Sprintf("text number %d of many", i)
	}
	for _, b := range all {
		vectors := g.vectors(t, string(b.kind)+"/embed", texts...)
		require.InDeltaSlice(t, g.vectors(t, string(b.kind)+"/embed", texts[33])[0], vectors[33], 1e-5, b.kind)
		require.Len(t, posts(b.embeds), 9, b.kind)
		scores := g.scores(t, string(b.kind)+"/rerank", texts[41], texts...)
		require.Equal(t, slices.Max(scores), scores[41], b.kind)
	}
}

// listedModels are the names of /v1/models.
func listedModels(t testing.TB, g running) []string {
	t.Helper()
	list := into[struct{ Data []struct{ ID string } }](t, g.ask(t, "/v1/models", nil))
	var ids []string
	for _, m := range list.Data {
		ids = append(ids, m.ID)
	}
	return ids
}

// Wildcards serve what the server lists, /v1/models unites everything, and what nobody serves
// never reaches a server.
func TestModelsAreUnited(t *testing.T) {
	t.Parallel()
	infinity := upstreamtest.NewInfinity(t, upstreamtest.Options{Models: []upstreamtest.Model{{Name: "org/one"}, {Name: "org/two"}, {Name: "other/three"}}})
	openai := upstreamtest.NewOpenAI(t, upstreamtest.Options{Models: []upstreamtest.Model{{Name: "text-embedding-3-small"}}})
	s := newSite(t, "upstreams:\n"+upstreamLine("inf", "infinity", "", infinity.URL)+upstreamLine("oai", "openai", "", openai.URL+"/v1")+`
models:
  - {name: "org/*", upstream: inf, tasks: [embed, rerank]}
  - {name: "mine-*", upstream: oai, upstream_model: "text-embedding-*"}
  - {name: small, aliases: [default, tiny], upstream: oai, upstream_model: text-embedding-3-small}
  - {name: hidden, upstream: oai, upstream_model: text-embedding-3-small, enabled: false}
`)
	g := s.open()
	require.Eventually(t, func() bool { return len(listedModels(t, g)) == 4 }, 20*time.Second, 10*time.Millisecond, "upstreams are asked for their models")
	require.ElementsMatch(t, []string{"org/one", "org/two", "mine-3-small", "small"}, listedModels(t, g))
	for _, model := range []string{"org/one", "org/two", "mine-3-small", "small", "tiny", ""} {
		g.vectors(t, model, "a text")
	}
	asked := len(posts(infinity)) + len(posts(openai))
	for _, model := range []string{"org/unknown", "other/three", "hidden", "text-embedding-3-small", "mine-9", "no/such"} {
		a := g.embed(t, model, []string{"x"})
		require.Equal(t, http.StatusNotFound, a.status, model)
		f := a.failure(t)
		require.Equal(t, "model_not_found", f.Error.Code)
		require.Empty(t, f.Error.Upstream, "it was this server that knew of no such model")
		require.Contains(t, f.Error.Message, model)
	}
	require.Equal(t, asked, len(posts(infinity))+len(posts(openai)))
	require.Equal(t, http.StatusOK, g.ask(t, "/v1/models/org/one", nil).status)

	allowed := s.open("ROUTER_ALLOW_DISABLED_MODELS=true")
	allowed.vectors(t, "hidden", "a text")
	require.Contains(t, listedModels(t, allowed), "hidden")
}

// A client that leaves takes its work at the server with it.
func TestClientsThatLeaveCancelUpstreams(t *testing.T) {
	t.Parallel()
	for _, kind := range []upstreamtest.Kind{upstreamtest.TEI, upstreamtest.OpenAI, upstreamtest.Ollama} {
		up := upstreamtest.NewServer(t, kind, upstreamtest.Options{Delay: time.Minute})
		g := newSite(t, "upstreams:\n"+upstreamLine("up", string(kind), "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
		ctx, leave := context.WithCancel(t.Context())
		client := &http.Client{Transport: &http.Transport{}}
		gone := make(chan error, 1)
		go func() {
			_, err := send(ctx, client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"x"}`)
			gone <- err
		}()
		require.Eventually(t, func() bool { return len(posts(up)) == 1 }, 20*time.Second, time.Millisecond)
		leave()
		require.ErrorIs(t, <-gone, context.Canceled)
		require.Eventually(t, func() bool { s := up.Stats(); return s.Cancelled == 1 && s.InFlight == 0 }, 10*time.Second, time.Millisecond)
		require.NoError(t, g.stop())
		lines := g.lines(t, "request")
		require.Equal(t, 499.0, lines[len(lines)-1]["status"])
		require.Len(t, posts(up), 1, "nobody waits for a retry")
	}
}

// A deadline holds from the client to the server.
func TestDeadlinesHoldEndToEnd(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{Delay: time.Minute})
	g := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
	began := time.Now()
	a := g.embed(t, "m", []string{"x"}, "X-Request-Timeout", "0.2")
	took := time.Since(began)
	require.Equal(t, http.StatusGatewayTimeout, a.status, a.body)
	f := a.failure(t)
	require.Equal(t, "deadline_exceeded", f.Error.Code)
	require.Equal(t, "up", f.Error.Upstream)
	require.Equal(t, "false", a.header.Get("X-Should-Retry"))
	require.GreaterOrEqual(t, took, 200*time.Millisecond)
	require.Less(t, took, 10*time.Second)
	require.Eventually(t, func() bool { s := up.Stats(); return s.Cancelled == 1 && s.InFlight == 0 }, 10*time.Second, time.Millisecond)
	require.Len(t, posts(up), 1)

	routing := func(more string) string {
		return "upstreams:\n" + upstreamLine("up", "tei", more, up.URL) + "models:\n  - {name: m, upstream: up, upstream_model: fake}\n"
	}
	for _, c := range []struct {
		routing string
		environ []string
		status  int
		words   string
	}{
		{routing(", timeout: 200ms, retries: 0"), nil, 502, "200ms"},
		{routing(", retries: 0"), []string{"ROUTER_REQUEST_TIMEOUT_SECONDS=0.25"}, 502, "250ms"},
		{routing(", retries: 0"), []string{"QUADRATE_SERVER_REQUEST_TIMEOUT=200ms", "QUADRATE_SERVER_SHUTDOWN_TIMEOUT=30s"}, 504, "deadline"},
	} {
		began = time.Now()
		a = newSite(t, c.routing).open(c.environ...).embed(t, "m", []string{"x"}, "X-Request-Timeout", "40")
		require.Equal(t, c.status, a.status, a.body)
		require.Contains(t, a.failure(t).Error.Message, c.words)
		require.Equal(t, "up", a.failure(t).Error.Upstream)
		require.Less(t, time.Since(began), 20*time.Second)
	}
}

// An ordered list of others is asked when a server fails, and the answer says who gave it.
func TestFailoverToAnotherUpstream(t *testing.T) {
	t.Parallel()
	first := upstreamtest.NewTEI(t, upstreamtest.Options{})
	second := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := newSite(t, "upstreams:\n"+upstreamLine("first", "tei", ", retries: 0", first.URL)+upstreamLine("second", "tei", "", second.URL)+`
models:
  - {name: m, upstream: first, upstream_model: fake, fallback: [second]}
`).open()
	want := g.vectors(t, "m", "a text")
	first.Stop()
	a := g.embed(t, "m", []string{"a text"})
	require.InDelta(t, 1, dot(want[0], into[embeddings](t, a).Data[0].Embedding), 1e-5)
	require.Equal(t, "second", a.header.Get("X-Quadrate-Backend"))
	require.Equal(t, 1.0, g.metric(t, "quadrate_upstream_fallbacks_total", `from="first"`, `to="second"`))
	second.Stop()
	a = g.embed(t, "m", []string{"a text"})
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "first", a.failure(t).Error.Upstream)
	require.NotEmpty(t, a.header.Get("Retry-After"))
	var health struct {
		Upstreams []struct{ Name, State string }
	}
	require.NoError(t, json.Unmarshal([]byte(g.ask(t, "/health", nil).body), &health))
	require.Len(t, health.Upstreams, 2)
}
