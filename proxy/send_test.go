package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func TestARequestIsSentWithOurHeadersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		var got *http.Request
		w.at("http://s0/base", func(r *http.Request) (*http.Response, error) {
			got = r
			body, _ := io.ReadAll(r.Body)
			require.Equal(t, "[]", string(body))
			time.Sleep(3 * time.Millisecond)
			return answer(200, "[]", "Set-Cookie", "a=b")
		})
		u := quiet("one", "http://s0/base/")
		u.APIKey, u.Header = "secret", http.Header{"x-team": {"search"}}
		p := openPool(t, u, l.hooks(), w.seams())
		require.NoError(t, ask(t.Context(), p, 1))
		require.Equal(t, http.MethodPost, got.Method)
		require.Equal(t, "http://s0/base/embed", got.URL.String())
		require.Equal(t, http.Header{"User-Agent": {"quadrate"}, "Accept": {"application/json"}, "Accept-Encoding": {"identity"},
			"Content-Type": {"application/json"}, "Authorization": {"Bearer secret"}, "X-Team": {"search"}, "Idempotency-Key": nil}, got.Header)
		require.Equal(t, []Attempt{{Upstream: "one", URL: "http://s0/base", Type: TypeTEI, Op: "embed", Number: 1, Status: 200,
			Duration: 3 * time.Millisecond, FirstByte: 3 * time.Millisecond}}, l.attempts)
	})
}

func TestARequestMayHaveHeadersOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var got http.Header
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return answer(200, "[]")
		})
		p := openPool(t, quiet("one", "http://s0"), Hooks{}, w.seams())
		require.NoError(t, p.send(t.Context(), &request{path: "/embed", header: http.Header{"accept": {"text/plain"}}}))
		require.Equal(t, []string{"text/plain"}, got["Accept"])
		require.Equal(t, []string{"application/json"}, p.header["Accept"])
		require.Equal(t, []Status{{Name: "one", Type: TypeTEI, Endpoints: p.describe().Endpoints}}, (&Proxy{pools: []*pool{p}}).Statuses())
	})
}

func TestTargets(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h": "80 http://h", "https://h/": "443 https://h", "dns+http://h:8080/v1/": "8080 dns http://h:8080/v1", "dns+https://[::1]": "443 dns https://[::1]",
	} {
		target, err := parseTarget(raw)
		require.NoError(t, err)
		got := target.port() + " "
		if target.dns {
			got += "dns "
		}
		require.Equal(t, want, got+target.base.String())
	}
	_, err := parseTarget("http://a b\x7f")
	require.Error(t, err)
}

func TestAHostMayBeConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var host string
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			host = r.Host
			return answer(200, "[]")
		})
		u := quiet("one", "http://s0")
		u.Header = http.Header{"host": {"tei.internal"}}
		require.NoError(t, ask(t.Context(), openPool(t, u, Hooks{}, w.seams()), 1))
		require.Equal(t, "tei.internal", host)
	})
}

func TestASpanSeesEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "00-trace", r.Header.Get("Traceparent"))
			return answer(500, "")
		})
		var ended []string
		h := Hooks{Span: func(ctx context.Context, name string, a Attempt, header http.Header) (context.Context, func(error)) {
			require.Equal(t, "upstream embed", name)
			header.Set("Traceparent", "00-trace")
			return ctx, func(err error) { ended = append(ended, err.Error()) }
		}}
		p := openPool(t, quiet("one", "http://s0"), h, w.seams())
		requireKind(t, models.KindUpstream, "one", ask(t.Context(), p, 1))
		require.Len(t, ended, 3)
		require.NotContains(t, p.header, "Traceparent")
	})
}

// What an attempt may end with, and what becomes of it: whether it is tried again, and whether it
// counts against the endpoint.
func TestOutcomes(t *testing.T) {
	fail := func(err error) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) { return nil, err }
	}
	broken := func(*http.Request) (*http.Response, error) {
		r, err := answer(200, "")
		r.ContentLength, r.Body = 10, io.NopCloser(io.MultiReader(strings.NewReader("[1"), errReader{io.ErrUnexpectedEOF}))
		return r, err
	}
	slow := func(r *http.Request) (*http.Response, error) {
		res, err := answer(200, "")
		res.ContentLength, res.Body = -1, io.NopCloser(waitReader{r.Context()})
		return res, err
	}
	for name, c := range map[string]struct {
		server  func(*http.Request) (*http.Response, error)
		kind    models.Kind
		message string
		tries   int
		sick    bool
	}{
		"connect":           {fail(&connectError{errors.New("no route")}), models.KindUpstream, "cannot be connected to", 3, true},
		"reset":             {fail(errors.New("reset")), models.KindUpstream, "broke before its answer", 3, true},
		"reset in the body": {broken, models.KindUpstream, "broke in the middle", 3, true},
		"first byte":        {after(time.Hour, nil), models.KindUpstream, "upstreams[].timeout, 30s", 3, true},
		"slow body":         {slow, models.KindUpstream, "upstreams[].timeout, 30s", 1, true},
		"too large":         {always(200, "["+strings.Repeat("1", 2000)+"]"), models.KindUpstream, "upstreams[].max_answer, 1000 bytes", 1, false},
		"nonsense":          {always(200, "<html>"), models.KindUpstream, "its answer is wrong: not JSON", 3, true},
		"redirect":          {always(302, "", "Location", "http://elsewhere"), models.KindUpstream, "a redirect (302), which is not followed", 1, false},
		"bad request":       {always(400, "why"), models.KindInvalid, "refused: why", 1, false},
		"huge refusal":      {always(400, strings.Repeat("x", 100000)), models.KindInvalid, "refused: xxx", 1, false},
		"unknown model":     {always(404, ""), models.KindNotFound, "no such model", 1, false},
		"bad key":           {always(401, ""), models.KindUpstreamCredentials, "the key was refused", 1, false},
		"overloaded":        {always(429, ""), models.KindRateLimited, "too many", 3, false},
		"failed":            {always(503, ""), models.KindUpstream, "failed with status 503", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, l := newWorld(), log{}
				w.at("http://s0", c.server)
				u := quiet("one", "http://s0")
				u.MaxAnswer = 1000
				p := openPool(t, u, l.hooks(), w.seams())
				e := requireKind(t, c.kind, "one", ask(t.Context(), p, 1))
				require.Contains(t, e.Message, c.message)
				require.Equal(t, c.tries, w.called("http://s0", "/embed"))
				require.Len(t, l.attempts, c.tries)
				require.Error(t, l.attempts[0].Err)
				require.Equal(t, c.sick, inside(p)[0].outcomes.row > 0)
				require.Equal(t, "ready", inside(p)[0].state())
				requireIdle(t, p)
			})
		})
	}
}

// requireIdle holds that every count is back at nothing.
func requireIdle(t *testing.T, p *pool) {
	t.Helper()
	inFlight, queued, _ := p.admission.counts()
	require.Zero(t, inFlight)
	require.Zero(t, queued)
	for _, e := range inside(p) {
		require.Zero(t, e.inFlight, e.url)
		require.Zero(t, e.work, e.url)
		require.False(t, e.trial, e.url)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

type waitReader struct{ ctx context.Context }

func (r waitReader) Read([]byte) (int, error) {
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

func TestARefusedKeyIsSeenInTheStatusUntilItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		u := quiet("one", "http://s0")
		u.ProbeInterval = time.Second
		w.at("http://s0", byPath(map[string]func(*http.Request) (*http.Response, error){"/health": ok, "/embed": always(401, "")}))
		p := openPool(t, u, Hooks{}, w.seams())
		require.Error(t, ask(t.Context(), p, 1))
		time.Sleep(10 * time.Second)
		require.Equal(t, models.Status{State: models.StateReady, Reason: `upstream "one": the key was refused`}, p.status())
		require.Equal(t, `upstream "one": the key was refused`, p.describe().Endpoints[0].Reason)
		w.at("http://s0", always(200, "[]"))
		require.NoError(t, ask(t.Context(), p, 1))
		require.Empty(t, p.status().Reason)
	})
}

func TestWhoLeavesEndsTheRequestUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var cancelled atomic.Int32
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			cancelled.Add(1)
			return nil, r.Context().Err()
		})
		p := openPool(t, quiet("one", "http://s0"), Hooks{}, w.seams())

		start := time.Now()
		err := p.send(t.Context(), &request{path: "/embed", body: []byte("[]"), gone: func() bool { return time.Since(start) >= 120*time.Millisecond }})
		requireKind(t, models.KindCanceled, "one", err)
		require.ErrorIs(t, err, errGone)
		require.Equal(t, 150*time.Millisecond, time.Since(start))

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		requireKind(t, models.KindCanceled, "one", ask(ctx, p, 1))

		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		e := requireKind(t, models.KindDeadline, "one", ask(ctx, p, 1))
		require.Contains(t, e.Message, "no complete answer within the request's deadline")
		require.EqualValues(t, 3, cancelled.Load())
		require.Zero(t, inside(p)[0].outcomes.row)
		requireIdle(t, p)
	})
}

func TestTheQueueIsBoundedAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", after(time.Second, always(200, "[]")))
		u := quiet("one", "http://s0")
		u.MaxInFlight, u.MaxQueued = 2, 3
		p := openPool(t, u, Hooks{}, w.seams())
		done := make(chan int, 10)
		for i := range 5 {
			go func() {
				require.NoError(t, ask(t.Context(), p, 1))
				done <- i
			}()
			synctest.Wait()
		}
		require.Equal(t, 5, p.status().Queue.Items)
		require.Equal(t, 3, p.describe().Queued)
		e := requireKind(t, models.KindQueueFull, "one", ask(t.Context(), p, 1))
		require.Contains(t, e.Message, "2 requests are in flight and 3 wait: raise upstreams[].max_queued or max_in_flight")
		require.Equal(t, time.Second, e.RetryAfter)
		start := time.Now()
		for _, round := range [][]int{{0, 1}, {2, 3}, {4}} {
			for range round {
				require.Contains(t, round, <-done)
			}
		}
		require.Equal(t, 3*time.Second, time.Since(start))
		requireIdle(t, p)
	})
}

func TestWhoCannotBeServedInTimeIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", after(time.Second, always(200, "[]")))
		u := quiet("one", "http://s0")
		u.MaxInFlight = 1
		p := openPool(t, u, Hooks{}, w.seams())
		done := make(chan error, 10)
		for range 6 {
			go func() { done <- ask(t.Context(), p, 1) }()
		}
		for range 3 {
			require.NoError(t, <-done)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		e := requireKind(t, models.KindQueueTimeout, "one", ask(ctx, p, 1)) // 2 wait: it would be 3 s
		require.Equal(t, 3*time.Second, e.RetryAfter)
		for range 3 {
			require.NoError(t, <-done)
		}
		// What was measured is forgotten, and so nobody is refused for ever.
		time.Sleep(gapKept)
		go func() { done <- ask(t.Context(), p, 1) }()
		synctest.Wait()
		ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		requireKind(t, models.KindDeadline, "one", ask(ctx, p, 1))
		require.NoError(t, <-done)
		requireIdle(t, p)
	})
}

func TestWhoLeavesTheQueueTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := admission{max: 1, maxQueued: 10}
		require.NoError(t, a.enter(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 2)
		go func() { got <- a.enter(ctx) }()
		synctest.Wait()
		go func() { got <- a.enter(t.Context()) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-got, context.Canceled)
		a.leave()
		require.NoError(t, <-got)
		drained := make(chan error)
		go func() { drained <- a.drained(t.Context()) }()
		synctest.Wait()
		a.leave()
		require.NoError(t, <-drained)
		inFlight, queued, _ := a.counts()
		require.Zero(t, inFlight+queued)
		require.ErrorIs(t, a.enter(ctx), nil) // free: the context is the attempt's matter
	})
}

func TestCloseWaitsAndServesLateComers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", after(time.Second, always(200, "[]")))
		p, err := newProxy(Options{Upstreams: []Upstream{quiet("one", "http://s0")}}, nil, w.seams())
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- ask(t.Context(), p.pools[0], 1) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err = p.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, `upstream "one": 1 requests are in flight`)
		require.NoError(t, <-done)
		require.NoError(t, ask(t.Context(), p.pools[0], 1))
	})
}

// Some servers, and proxies before them, repeat a request's headers when they refuse it.
func TestAnEchoedKeyGoesNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		u := quiet("one", "http://s0")
		u.APIKey, u.Header = "sk-key/12345", http.Header{"X-Token": {"Token abc\"def-67890"}}
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			body, err := json.Marshal([]any{r.Header, strings.ReplaceAll(r.Header.Get("Authorization"), "/", `\/`)})
			require.NoError(t, err)
			require.Contains(t, string(body), "sk-key/12345")
			return answer(400, strings.ReplaceAll(string(body), `\\/`, `\/`))
		})
		p := openPool(t, u, l.hooks(), w.seams())
		err := ask(t.Context(), p, 1)
		requireKind(t, models.KindInvalid, "one", err)
		for _, text := range []string{err.Error(), l.attempts[0].Err.Error()} {
			require.Contains(t, text, "concealed")
			require.NotContains(t, text, "12345")
			require.NotContains(t, text, "67890")
		}
	})
}

func TestNobodyIsAskedForWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		w.at("http://s0", ok)
		p := openPool(t, quiet("one", "http://s0"), l.hooks(), w.seams())
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			requireKind(t, models.KindCanceled, "one", ask(ctx, p, 1))
		}
		ctx, cancel = context.WithTimeout(t.Context(), -1)
		defer cancel()
		requireKind(t, models.KindDeadline, "one", ask(ctx, p, 1))
		require.Empty(t, l.attempts)
		require.Zero(t, inside(p)[0].pace)
	})
}
