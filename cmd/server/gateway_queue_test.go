package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// asking sends requests that stay away until their channel has an answer.
func asking(t testing.TB, g running, client *http.Client, n int) <-chan answer {
	answers := make(chan answer, n)
	for range n {
		go func() {
			a, _ := send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"x"}`)
			answers <- a
		}()
	}
	return answers
}

// The queue towards an upstream is bounded, says what to turn, and refuses at once whoever has no
// time to wait in it.
func TestTheQueueTowardsAnUpstreamIsBounded(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{Delay: 500 * time.Millisecond})
	g := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", ", max_in_flight: 1, max_queued: 2", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
	client := loadClient(t)
	require.Equal(t, http.StatusOK, g.embed(t, "m", []string{"x"}).status) // how long an answer takes is known
	began := time.Now()
	held := asking(t, g, client, 3)
	require.Eventually(t, func() bool { return g.metric(t, "quadrate_upstream_queued", `upstream="up"`) == 2 }, 10*time.Second, time.Millisecond)
	full := g.embed(t, "m", []string{"x"})
	require.Equal(t, http.StatusTooManyRequests, full.status, full.body)
	require.Equal(t, "queue_full", full.failure(t).Error.Code)
	require.Contains(t, full.failure(t).Error.Message, "upstreams[].max_queued")
	require.Equal(t, "up", full.failure(t).Error.Upstream)
	require.NotEmpty(t, full.header.Get("Retry-After"))
	for range 3 {
		require.Equal(t, http.StatusOK, (<-held).status)
	}
	require.GreaterOrEqual(t, time.Since(began), 1500*time.Millisecond, "one after the other")

	held = asking(t, g, client, 2)
	require.Eventually(t, func() bool { return g.metric(t, "quadrate_upstream_queued", `upstream="up"`) == 1 }, 10*time.Second, time.Millisecond)
	began = time.Now()
	late := g.embed(t, "m", []string{"x"}, "X-Request-Timeout", "0.4")
	took := time.Since(began)
	require.Equal(t, http.StatusServiceUnavailable, late.status, late.body)
	require.Equal(t, "queue_timeout", late.failure(t).Error.Code)
	require.Less(t, took, 350*time.Millisecond, "it is refused before its time is up")
	require.Equal(t, http.StatusOK, (<-held).status)
	require.Equal(t, http.StatusOK, (<-held).status)
}

// A stop answers what is in flight at upstreams.
func TestAStopAnswersWhatIsInFlight(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{Delay: 500 * time.Millisecond})
	g := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n").open()
	held := asking(t, g, loadClient(t), 20)
	require.Eventually(t, func() bool { return up.Stats().InFlight == 20 }, 10*time.Second, time.Millisecond)
	require.NoError(t, g.stop())
	for range 20 {
		a := <-held
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	require.Zero(t, up.Stats().Cancelled)
}

// Keys, headers and prefixes come from the configuration, as it may write them.
func TestWhatUpstreamsAreSent(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewInfinity(t, upstreamtest.Options{Prefix: "/team/v1", Key: "from-a-file"})
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("from-a-file\n"), 0o600))
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "infinity", `, api_key: "file:`+file+`", headers: [{name: X-Team, value: "${TEAM}"}]`, "dns+"+strings.Replace(up.URL, "127.0.0.1", "localhost", 1)+"/team/v1")+
		"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
	g := s.open("TEAM=search")
	require.Len(t, g.vectors(t, "m", "x")[0], 384)
	asked := posts(up)[0]
	require.Equal(t, "/team/v1/embeddings", asked.Path)
	require.Equal(t, "search", asked.Header.Get("X-Team"))
	require.True(t, strings.HasPrefix(asked.Header.Get("User-Agent"), "quadrate"))

	// The key's file is watched like the others.
	require.NoError(t, os.WriteFile(file, []byte("another\n"), 0o600))
	require.Eventually(t, func() bool { return g.embed(t, "m", []string{"x"}).code() == "upstream_credentials" }, 20*time.Second, 5*time.Millisecond)
}

// code is the code of an error, empty for none.
func (a answer) code() string {
	_, rest, _ := strings.Cut(a.body, `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}

// A key sees and uses the models that it may, by any of their names.
func TestKeysSeeTheirModels(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewOllama(t, upstreamtest.Options{Models: []upstreamtest.Model{{Name: "one"}, {Name: "two"}}})
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "ollama", "", up.URL)+`
models:
  - {name: team/one, upstream: up, upstream_model: one}
  - {name: team/two, aliases: [second], upstream: up, upstream_model: two}
  - {name: "free/*", upstream: up, upstream_model: "*"}
`)
	s.auth = fmt.Sprintf("anonymous: {models: [\"free/*\"]}\nkeys:\n  - {name: a, hash: %q, models: [team/one]}\n  - {name: b, hash: %q, models: [second]}\n  - {name: c, hash: %q, models: [\"team/*\"], expires: 2001-01-01}\n  - {name: d, hash: %q, disabled: true}\n",
		auth.Hash("qd_a"), auth.Hash("qd_b"), auth.Hash("qd_c"), auth.Hash("qd_d"))
	g := s.open()
	for _, c := range []struct {
		secret string
		may    []string
		not    []string
	}{
		{"", []string{"free/one", "free/two"}, []string{"team/one", "second"}},
		{"qd_a", []string{"team/one"}, []string{"team/two", "second", "free/one"}},
		{"qd_b", []string{"second", "team/two"}, []string{"team/one", "free/two"}},
	} {
		var headers []string
		if c.secret != "" {
			headers = bearer(c.secret)
		}
		for _, model := range c.may {
			a := g.embed(t, model, []string{"x"}, headers...)
			require.Equal(t, http.StatusOK, a.status, a.body)
		}
		listed := g.ask(t, "/v1/models", nil, headers...).body
		for _, model := range c.not {
			require.Equal(t, http.StatusForbidden, g.embed(t, model, []string{"x"}, headers...).status, model)
			require.NotContains(t, listed, `"id":"`+model+`"`)
		}
	}
	for _, secret := range []string{"qd_c", "qd_d"} {
		require.Equal(t, http.StatusUnauthorized, g.embed(t, "team/one", []string{"x"}, bearer(secret)...).status)
	}
}
