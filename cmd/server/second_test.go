package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// ourDialects are the types as which another server of ours can be an upstream, and whether it
// reranks as that.
var ourDialects = []struct {
	kind    string
	reranks bool
}{{"quadrate", true}, {"openai", false}, {"cohere", true}, {"jina", true}, {"tei", true}, {"vllm", true}, {"infinity", true}}

// inFront starts a server whose upstreams are another one of ours, in each dialect: KIND/embed and
// KIND/rerank.
func inFront(t testing.TB, inner running, embeds, reranks, secret string) running {
	t.Helper()
	upstreams, models, more := "upstreams:\n", "models:\n", ""
	if secret != "" {
		more = ", api_key: " + secret
	}
	for _, d := range ourDialects {
		upstreams += upstreamLine(d.kind, d.kind, more, inner.url)
		models += fmt.Sprintf("  - {name: %[1]s/embed, upstream: %[1]s, upstream_model: %[2]s}\n", d.kind, embeds)
		how := ""
		if !d.reranks {
			how = ", rerank: cosine"
		}
		models += fmt.Sprintf("  - {name: %[1]s/rerank, upstream: %[1]s, upstream_model: %[2]s, tasks: [rerank]%[3]s}\n", d.kind, map[bool]string{true: reranks, false: embeds}[d.reranks], how)
	}
	return newSite(t, upstreams+models).open()
}

// A second server of ours behind the first, in every dialect that it serves, gives what it gives
// when it is asked itself, and its refusals keep their meaning.
func TestASecondServerBehindTheFirst(t *testing.T) {
	t.Parallel()
	embeds := upstreamtest.NewTEI(t, upstreamtest.Options{})
	reranks := upstreamtest.NewTEI(t, upstreamtest.Options{Models: []upstreamtest.Model{{Task: upstreamtest.Rerank}}})
	s := newSite(t, "upstreams:\n"+upstreamLine("e", "tei", "", embeds.URL)+upstreamLine("r", "tei", "", reranks.URL)+`
models:
  - {name: m, aliases: [default], upstream: e, upstream_model: fake, max_length: 256}
  - {name: r, upstream: r, upstream_model: fake, tasks: [rerank], max_length: 256}
`)
	s.auth = clientKey("")
	inner := s.open()
	direct := func(route string, body any) answer { return inner.ask(t, route, body, bearer(clientSecret)...) }
	front := inFront(t, inner, "m", "r", clientSecret)
	texts := []string{"a cat sat on the mat", "the dog", " ", "ein Wort: größer ≥ 1"}
	documents := []string{"nothing of that", "where does the cat sleep", "a dog"}
	want := into[embeddings](t, direct("/v1/embeddings", map[string]any{"model": "m", "input": texts}))
	order := into[ranking](t, direct("/v2/rerank", map[string]any{"model": "r", "query": "the cat", "documents": documents}))
	for _, d := range ourDialects {
		t.Run(d.kind, func(t *testing.T) {
			got := into[embeddings](t, front.embed(t, d.kind+"/embed", texts))
			for i := range texts {
				require.InDeltaSlice(t, want.Data[i].Embedding, got.Data[i].Embedding, 1e-6)
			}
			require.Equal(t, want.Usage.PromptTokens, got.Usage.PromptTokens)
			scores := front.scores(t, d.kind+"/rerank", "the cat", documents...)
			if d.reranks {
				for _, r := range order.Results {
					require.InDelta(t, r.Score, scores[r.Index], 1e-6)
				}
			}
			refusals(t, front, d.kind, embeds)
		})
	}
	require.NoError(t, inner.stop())
	a := front.embed(t, "quadrate/embed", []string{"x"})
	require.Equal(t, http.StatusServiceUnavailable, a.status, a.body)
	require.Equal(t, "quadrate", a.failure(t).Error.Upstream)
}

// refusals checks what the inner server refuses, or its own upstream.
func refusals(t *testing.T, front running, kind string, embeds *upstreamtest.Server) {
	t.Helper()
	for _, c := range []struct {
		fault  upstreamtest.FaultName
		status int
		code   string
	}{
		{upstreamtest.TooLong, 400, "context_length_exceeded"},
		{upstreamtest.Overloaded, 429, "queue_full"},
		{upstreamtest.InternalError, 502, "upstream_error"},
		{upstreamtest.BadKey, 502, "upstream_error"},
	} {
		embeds.Fail(upstreamtest.Fault{Name: c.fault})
		a := front.embed(t, kind+"/embed", []string{"x"}, "X-Request-Timeout", "0.9") // too little for the wait that it asks for
		embeds.Clear()
		require.Equal(t, c.status, a.status, a.body)
		require.Equal(t, c.code, a.failure(t).Error.Code, a.body)
		require.Equal(t, kind, a.failure(t).Error.Upstream)
	}
}
