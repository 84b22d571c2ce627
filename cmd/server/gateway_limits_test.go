package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/internal/child"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
	"github.com/quadrate-maas/quadrate/ratelimit/redistest"
)

// childConfig has the test's binary be a server, whose configuration file it names.
const childConfig = "SERVER_TEST_CONFIG"

func TestMain(m *testing.M) {
	file := os.Getenv(childConfig)
	if file == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	err := run(ctx, []string{"-config", file}, nil, os.Stdout, nil)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// spawn is launch in a process of its own.
func spawn(t testing.TB, file string) running {
	t.Helper()
	log := &output{}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childConfig+"="+file)
	command.Stdout, command.Stderr = log, os.Stderr
	command.SysProcAttr = child.Attributes()
	require.NoError(t, command.Start())
	stop := sync.OnceValue(func() error {
		_ = command.Process.Signal(syscall.SIGTERM)
		return command.Wait()
	})
	t.Cleanup(func() { require.NoError(t, stop()) })
	r := running{log: log, stop: stop}
	require.Eventually(t, func() bool { return strings.Contains(log.String(), `"msg":"ready"`) }, 30*time.Second, 5*time.Millisecond)
	r.addr = r.lines(t, "ready")[0]["address"].(string)
	r.url = "http://" + r.addr
	return r
}

// pressure asks servers for more than they allow until stop, and counts what each admits.
type pressure struct {
	admitted []atomic.Int64
	stop     func()
	failed   sync.Map // what else was answered
}

func press(t testing.TB, servers []running) *pressure {
	p := &pressure{admitted: make([]atomic.Int64, len(servers))}
	ctx, cancel := context.WithCancel(t.Context())
	client := loadClient(t)
	var group sync.WaitGroup
	p.stop = func() { cancel(); group.Wait() }
	for i, g := range servers {
		for range 4 {
			group.Go(func() {
				for ctx.Err() == nil {
					p.ask(t.Context(), client, i, g)
				}
			})
		}
	}
	return p
}

func (p *pressure) ask(ctx context.Context, client *http.Client, i int, g running) {
	a, err := send(ctx, client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"x"}`, bearer(clientSecret)...)
	switch {
	case err == nil && a.status == http.StatusOK:
		p.admitted[i].Add(1)
	case err == nil && a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "":
		time.Sleep(10 * time.Millisecond) // not for as long as asked: more than is allowed
	default:
		p.failed.Store(fmt.Sprint(a.status, a.body, err), true)
	}
}

func (p *pressure) sum() (total int64) {
	for i := range p.admitted {
		total += p.admitted[i].Load()
	}
	return total
}

// Three servers, each a process, share a key's limit through Redis: what they admit together stays
// within 2 % of it. Without Redis each allows its part, and says so.
func TestThreeServersShareAKeysLimit(t *testing.T) {
	t.Parallel()
	const perSecond, burst, servers = 100, 200, 3
	store := redistest.Start(t)
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	var all []running
	for range servers {
		s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
		s.auth = clientKey(", limits: c")
		s.limits = fmt.Sprintf("store: %s\nreplicas: %d\nclasses: [{name: c, requests_per_minute: %d, burst: %d}]\n", store.URL(3), servers, 60*perSecond, burst)
		all = append(all, spawn(t, s.write()))
	}
	duration := 8 * time.Second
	if testing.Short() {
		duration = 3 * time.Second
	}
	for _, g := range all {
		require.Equal(t, 1.0, g.metric(t, "quadrate_limit_store_available"), "it is known from the first request on")
	}
	p := press(t, all)
	defer p.stop()
	shared(t, p, all, duration, perSecond, burst)
	a := all[1].embed(t, "m", []string{"x"}, bearer(clientSecret)...)
	require.Equal(t, strconv.Itoa(burst), a.header.Get("X-Ratelimit-Limit-Requests"))
	require.NotEmpty(t, a.header.Get("X-Ratelimit-Remaining-Requests"))
	require.NotEmpty(t, a.header.Get("X-Ratelimit-Reset-Requests"))
	for _, g := range all {
		require.Equal(t, 1.0, g.metric(t, "quadrate_limit_store_available"))
		require.NotZero(t, g.metric(t, "quadrate_rate_limited_total", `class="c"`, `setting="requests_per_minute"`))
	}

	before, killed, lost := p.sum(), time.Now(), away(t, all)
	store.Kill()
	for _, g := range all {
		require.Eventually(t, func() bool { return g.metric(t, "quadrate_limit_store_available") == 0 }, 20*time.Second, 5*time.Millisecond)
	}
	noticed := time.Now()
	time.Sleep(duration / 2)
	// Each begins with its part of the burst.
	most := burst + perSecond*time.Since(killed).Seconds()
	admitted := float64(p.sum() - before)
	t.Logf("without Redis: %v admitted in %v, %.0f allowed (%+.2f %%)", admitted, time.Since(killed).Round(time.Millisecond), most, 100*(admitted/most-1))
	require.LessOrEqual(t, admitted, 1.02*most)
	require.GreaterOrEqual(t, admitted, 0.9*perSecond*time.Since(noticed).Seconds())
	require.Equal(t, lost+servers, away(t, all))

	store.Start()
	for _, g := range all {
		require.Eventually(t, func() bool { return g.metric(t, "quadrate_limit_store_available") == 1 }, 30*time.Second, 10*time.Millisecond)
	}
	p.stop()
	p.failed.Range(func(what, _ any) bool { require.Fail(t, "a request failed", what); return false })
}

// away counts how often servers have lost their store.
func away(t testing.TB, servers []running) (times int) {
	t.Helper()
	for _, g := range servers {
		times += len(g.lines(t, "the store of rate limits is away: this server allows its own share"))
	}
	return times
}

// shared holds what servers admit together to their limit. A machine so busy that Redis does not
// answer in time has them allow their parts, as without it: then a later look counts, when the
// burst is used up.
func shared(t testing.TB, p *pressure, servers []running, duration time.Duration, perSecond, burst float64) {
	t.Helper()
	for range 5 {
		before, lost, began := p.sum(), away(t, servers), time.Now()
		time.Sleep(duration)
		most, admitted := burst+perSecond*time.Since(began).Seconds(), float64(p.sum()-before)
		if times := away(t, servers); times > lost {
			t.Logf("Redis did not answer in time, %d times: looking again", times-lost)
			burst = 0
			continue
		}
		t.Logf("with Redis: %v admitted by three servers in %v, %.0f allowed (%+.2f %%)", admitted, time.Since(began).Round(time.Millisecond), most, 100*(admitted/most-1))
		require.InEpsilon(t, most, admitted, 0.02)
		return
	}
	require.Fail(t, "Redis was never there for long enough")
}

func limited(t testing.TB, up *upstreamtest.Server, auth, limits string) running {
	t.Helper()
	s := newSite(t, "upstreams:\n"+upstreamLine("up", string(up.Kind()), "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n  - {name: big-one, upstream: up, upstream_model: fake}\n")
	s.auth, s.limits = auth, limits
	return s.open()
}

// remaining is what the last answer says is left.
func remaining(t testing.TB, a answer, what string) int {
	t.Helper()
	n, err := strconv.Atoi(a.header.Get("X-Ratelimit-Remaining-" + what))
	require.NoError(t, err)
	return n
}

// Tokens are charged as estimated, and settled as the upstream counted them.
func TestTokensAreSettledByFact(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	g := limited(t, up, clientKey(", limits: c"), "classes: [{name: c, tokens_per_minute: 600}]")
	ask := func(text string) answer { return g.embed(t, "m", []string{text}, bearer(clientSecret)...) }
	began := time.Now()
	text := strings.Repeat("a ", 100) // 50 tokens by their bytes, 102 in fact
	first := ask(text)
	require.Equal(t, "600", first.header.Get("X-Ratelimit-Limit-Tokens"))
	require.InDelta(t, 550, remaining(t, first, "Tokens"), 2)
	require.Equal(t, 102, into[embeddings](t, first).Usage.PromptTokens)
	second := ask("a")
	refilled := 10 * time.Since(began).Seconds()
	require.InDelta(t, 600-102-1+refilled/2, float64(remaining(t, second, "Tokens")), 2+refilled/2)

	var last answer
	require.Eventually(t, func() bool { last = ask(text); return last.status != http.StatusOK }, 20*time.Second, time.Millisecond)
	require.Equal(t, http.StatusTooManyRequests, last.status, last.body)
	require.Equal(t, "rate_limit_exceeded", last.failure(t).Error.Code)
	require.Contains(t, last.failure(t).Error.Message, "tokens_per_minute of the class c")
	require.Empty(t, last.failure(t).Error.Upstream)
	after, err := strconv.Atoi(last.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, after)
	require.LessOrEqual(t, after, 10)
	whole := g.ask(t, "/v1/embeddings", map[string]any{"model": "m", "input": []string{strings.Repeat("b", 1200), strings.Repeat("c", 1200), strings.Repeat("c", 1200)}}, bearer(clientSecret)...)
	require.Equal(t, http.StatusRequestEntityTooLarge, whole.status, whole.body)
	require.Equal(t, 1.0, g.metric(t, "quadrate_rate_limited_total", `setting="tokens_per_minute"`)-1, "the one and the other")
}

// Requests at once are bounded, and a class may bound some models in its own way.
func TestConcurrencyAndModels(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewOllama(t, upstreamtest.Options{})
	g := limited(t, up, clientKey(", limits: c"), `classes: [{name: c, concurrency: 2, models: [{models: ["big-*"], requests_per_minute: 6, burst: 1}]}]`)
	up.Fail(upstreamtest.Fault{Name: upstreamtest.Loading})
	client, held := loadClient(t), make(chan answer, 2)
	for range 2 {
		go func() {
			a, _ := send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"x"}`, bearer(clientSecret)...)
			held <- a
		}()
	}
	require.Eventually(t, func() bool { return up.Stats().InFlight == 2 }, 20*time.Second, time.Millisecond)
	a := g.embed(t, "m", []string{"x"}, bearer(clientSecret)...)
	require.Equal(t, http.StatusTooManyRequests, a.status, a.body)
	require.Contains(t, a.failure(t).Error.Message, "concurrency of the class c")
	up.Clear()
	require.Equal(t, http.StatusOK, (<-held).status)
	require.Equal(t, http.StatusOK, (<-held).status)
	for i, status := range []int{200, 429, 429} {
		a = g.embed(t, "big-one", []string{"x"}, bearer(clientSecret)...)
		require.Equal(t, status, a.status, i)
	}
	require.Contains(t, a.failure(t).Error.Message, "requests_per_minute")
	for range 5 {
		require.Equal(t, http.StatusOK, g.embed(t, "m", []string{"x"}, bearer(clientSecret)...).status)
	}
}

// Callers without a key are counted by address, as trusted proxies tell it and nobody else.
func TestAnonymousCallersAreCountedByAddress(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	const anonymous = "anonymous: {models: [m], limits: anon}\nkeys: []"
	const class = "classes: [{name: anon, requests_per_minute: 6, burst: 2}]"
	g := limited(t, up, anonymous, "trusted_proxies: [127.0.0.0/8]\n"+class)
	from := func(g running, hops string) int {
		return g.embed(t, "m", []string{"x"}, "X-Forwarded-For", hops).status
	}
	for _, c := range []struct {
		hops string
		want int
	}{
		{"203.0.113.1", 200}, {"203.0.113.1", 200}, {"203.0.113.1", 429},
		{"198.51.100.7, 203.0.113.1", 429}, // what the client wrote itself
		{"203.0.113.2", 200}, {"203.0.113.2:4711, 127.0.0.9", 200}, {"203.0.113.2", 429},
		{"2001:db8::1", 200}, {"2001:db8::2", 200}, {"2001:db8::3", 429}, // one network's holder
	} {
		require.Equal(t, c.want, from(g, c.hops), c.hops)
	}
	require.Equal(t, http.StatusForbidden, g.embed(t, "big-one", []string{"x"}, "X-Forwarded-For", "203.0.113.9").status)
	untrusting := limited(t, up, anonymous, class)
	for i, want := range []int{200, 200, 429} {
		require.Equal(t, want, from(untrusting, fmt.Sprintf("203.0.113.%d", i)))
	}
}

// Callers without a key may send less, and so may a key that says so.
func TestBodiesAreBoundedByCaller(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
	s.server = ", body_limit: 1MiB, anonymous_body_limit: 10KiB"
	s.auth = fmt.Sprintf("keys:\n  - {name: team-a, hash: %q}\n  - {name: small, hash: %q, body_limit: 50KiB}\n", auth.Hash(clientSecret), auth.Hash("qd_small"))
	g := s.open()
	for _, c := range []struct {
		secret string
		size   int
		want   string
	}{
		{"", 9 << 10, ""}, {"", 11 << 10, "server.anonymous_body_limit"},
		{"qd_small", 45 << 10, ""}, {"qd_small", 55 << 10, "body_limit of the API key small"},
		{clientSecret, 900 << 10, ""}, {clientSecret, 1100 << 10, "server.body_limit"},
	} {
		var headers []string
		if c.secret != "" {
			headers = bearer(c.secret)
		}
		a := g.embed(t, "m", []string{strings.Repeat("x ", c.size/2)}, headers...)
		if c.want == "" {
			require.Equal(t, http.StatusOK, a.status, a.body)
			continue
		}
		require.Equal(t, http.StatusRequestEntityTooLarge, a.status, a.body)
		require.Contains(t, a.failure(t).Error.Message, c.want)
	}
}
