package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// adminSecret is an admin's key, and adminKey its entry.
const adminSecret = "qd_admin"

var adminKey = fmt.Sprintf("  - {name: boss, hash: %q, admin: true}\n", auth.Hash(adminSecret))

func bearer(secret string) []string { return []string{"Authorization", "Bearer " + secret} }

// edition is a configuration that differs from those before and after it: in who serves m and
// how, in routes, aliases, keys and limits.
type edition struct {
	n             int
	first, second string // URLs
}

func (e edition) secret() string { return fmt.Sprintf("qd_key-of-edition-%d", e.n) }

func (e edition) write(s *site) {
	urls := []string{e.first, e.second}[e.n%2:]
	s.routing = "upstreams:\n" + upstreamLine("up", "tei", fmt.Sprintf(", max_in_flight: %d", 200+e.n%3), urls...) +
		upstreamLine("other", "tei", "", e.second)
	if e.n%4 == 1 {
		s.routing += upstreamLine("passing", "tei", "", e.first)
	}
	s.routing += fmt.Sprintf("models:\n  - {name: m, aliases: [a%d], upstream: %s, upstream_model: fake, fallback: [%s]}\n", e.n, []string{"up", "other"}[e.n/2%2], []string{"other", "up"}[e.n/2%2]) +
		fmt.Sprintf("  - {name: extra-%d, upstream: other, upstream_model: fake}\n", e.n)
	s.auth = clientKey(fmt.Sprintf(", limits: c%d", e.n)) + adminKey +
		fmt.Sprintf("  - {name: key-%d, hash: %q, limits: c%d}\n", e.n, auth.Hash(e.secret()), e.n)
	s.limits = fmt.Sprintf("classes:\n  - {name: c%d, requests_per_minute: 2000000, burst: %d}\n", e.n, 1000000+e.n)
	s.put("rate_limits", s.limits+e.previous())
	s.put("auth", s.auth)
	s.put("routing", s.routing)
}

// previous keeps the class of the edition before: the files are not replaced at one moment, and
// each state in between is read as well as any.
func (e edition) previous() string {
	return fmt.Sprintf("  - {name: c%d, requests_per_minute: 2000000, burst: %d}\n", e.n-1, 1000000+e.n-1)
}

// inForce reports whether the edition is what clients meet.
func (e edition) inForce(t testing.TB, g running) bool {
	t.Helper()
	a := g.embed(t, fmt.Sprintf("a%d", e.n), []string{"x"}, bearer(e.secret())...)
	return a.status == http.StatusOK && a.header.Get("X-Ratelimit-Limit-Requests") == fmt.Sprint(1000000+e.n)
}

// 100 reloads, by the watch of files, by SIGHUP and by the admin route in turn, while clients ask
// all the time: none of their requests fails.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	reloads := 100
	if testing.Short() {
		reloads = 21
	}
	first, second := upstreamtest.NewTEI(t, upstreamtest.Options{Delay: 10 * time.Millisecond}), upstreamtest.NewTEI(t, upstreamtest.Options{Delay: 5 * time.Millisecond})
	e := edition{first: first.URL, second: second.URL}
	s := newSite(t, "")
	e.write(s)
	s.put("server", s.main())
	g := launch(t, t.Context(), s.path("server"), "QUADRATE_LOG_LEVEL=warn")
	require.True(t, e.inForce(t, g))

	ctx, end := context.WithCancel(t.Context())
	client := loadClient(t)
	done := make(chan *load, 1)
	go func() {
		done <- generate(ctx, 200, func(i int) (answer, error) {
			if i%20 == 0 {
				return send(t.Context(), client, http.MethodGet, g.url+"/v1/models/m", nil, bearer(clientSecret)...)
			}
			return send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"the text"}`, bearer(clientSecret)...)
		})
	}()
	began := time.Now()
	for range reloads {
		e.n++
		e.write(s)
		switch e.n % 3 {
		case 1:
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		case 2:
			report := into[reloadReport](t, g.ask(t, "/admin/reload", "", bearer(adminSecret)...))
			require.True(t, report.OK)
			require.True(t, e.inForce(t, g), "it is in force when it is answered")
		}
		require.Eventually(t, func() bool { return e.inForce(t, g) }, 20*time.Second, 5*time.Millisecond)
	}
	took := time.Since(began)
	end()
	l := <-done
	ok := g.metric(t, "quadrate_config_reloads_total", `outcome="ok"`)
	t.Logf("%d editions in %v, %v reloads; %v", reloads, took.Round(time.Millisecond), ok, l)
	require.Empty(t, l.failed, l.sample)
	require.GreaterOrEqual(t, ok, float64(reloads))
	require.Zero(t, g.metric(t, "quadrate_config_reloads_total", `outcome="failed"`))
	a := g.embed(t, "extra-1", []string{"x"}, bearer(clientSecret)...)
	require.Equal(t, http.StatusNotFound, a.status, a.body)
	require.Equal(t, http.StatusUnauthorized, g.embed(t, "m", []string{"x"}, bearer(edition{n: 1}.secret())...).status)
}

// lastReload is what /health says of it.
func lastReload(t testing.TB, g running) (ok bool, problems string) {
	t.Helper()
	var health struct {
		Reload *struct {
			OK       bool
			Problems []string
		} `json:"last_reload"`
	}
	require.NoError(t, json.Unmarshal([]byte(g.ask(t, "/health", nil).body), &health))
	if health.Reload == nil {
		return true, ""
	}
	return health.Reload.OK, strings.Join(health.Reload.Problems, "\n")
}

// A broken file, whichever it is, leaves the configuration in force as it is, and is told of.
func TestBrokenFilesLeaveAllInForce(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
	s.auth = clientKey(", limits: c") + adminKey
	s.limits = "classes: [{name: c, requests_per_minute: 1000}]"
	g := s.open()
	failed := func() float64 { return g.metric(t, "quadrate_config_reloads_total", `outcome="failed"`) }
	for _, c := range []struct{ file, text, want string }{
		{"server", strings.Replace(s.main(), "host:", "hots:", 1), "did you mean host?"},
		{"routing", strings.Replace(s.routing, "upstream: up", "upstream: gone", 1), `there is no upstream "gone"`},
		{"auth", strings.Replace(s.auth, "sha256:", "sha257:", 1), "sha256"},
		{"rate_limits", "classes: [{name: c, requests_per_minute: many}]", "many"},
	} {
		before := failed()
		s.put(c.file, c.text)
		require.Eventually(t, func() bool { return failed() > before }, 20*time.Second, 5*time.Millisecond, c.file)
		ok, problems := lastReload(t, g)
		require.False(t, ok)
		require.Contains(t, problems, c.want)
		require.Contains(t, problems, s.path(c.file))
		require.Equal(t, http.StatusOK, g.embed(t, "m", []string{"x"}, bearer(clientSecret)...).status)

		a := g.ask(t, "/admin/reload", "", bearer(adminSecret)...)
		require.Equal(t, http.StatusBadRequest, a.status, a.body)
		require.Equal(t, "invalid_configuration", a.failure(t).Error.Code)
		require.Contains(t, a.failure(t).Error.Message, "the old configuration stays in force")
		require.Contains(t, a.failure(t).Error.Message, c.want)

		s.write()
		require.Eventually(t, func() bool { ok, _ := lastReload(t, g); return ok }, 20*time.Second, 5*time.Millisecond, c.file)
	}
	require.NoError(t, g.stop())
	refused := g.lines(t, "reload refused: the old configuration stays in force")
	require.GreaterOrEqual(t, len(refused), 8)
	require.Equal(t, "ERROR", refused[0]["level"])
	require.Contains(t, refused[0]["error"], "did you mean host?")
	require.NotContains(t, g.log.String(), adminSecret)
}

// A reload that names other files reads and watches those, and what takes a restart is said.
func TestReloadsFollowTheFiles(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	routing := func(name string) string {
		return "upstreams:\n" + upstreamLine("up", "tei", "", up.URL) + "models:\n  - {name: " + name + ", upstream: up, upstream_model: fake}\n"
	}
	s := newSite(t, routing("one"))
	s.auth = "keys:\n" + adminKey
	g := s.open()
	serves := func(name string) func() bool {
		return func() bool { return g.embed(t, name, []string{"x"}).status == http.StatusOK }
	}
	require.True(t, serves("one")())
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.yaml")
	require.NoError(t, os.WriteFile(elsewhere, []byte(routing("two")), 0o600))
	s.put("server", strings.Replace(s.main(), s.path("routing"), elsewhere, 1))
	require.Eventually(t, serves("two"), 20*time.Second, 5*time.Millisecond)
	require.False(t, serves("one")())
	require.NoError(t, os.WriteFile(elsewhere, []byte(routing("three")), 0o600))
	require.Eventually(t, serves("three"), 20*time.Second, 5*time.Millisecond)

	s.server, s.routing = ", body_limit: 1MiB", routing("four")
	s.write()
	report := into[reloadReport](t, g.ask(t, "/admin/reload", "", bearer(adminSecret)...))
	require.Equal(t, []string{"server.body_limit"}, report.Restart)
	require.True(t, serves("four")())
	require.Equal(t, http.StatusOK, g.embed(t, "four", []string{strings.Repeat("x ", 600_000)}, bearer(adminSecret)...).status, "the limit is still that of the start")
}
