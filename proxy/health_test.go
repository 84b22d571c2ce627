package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func ok(*http.Request) (*http.Response, error)      { return answer(200, "[]") }
func failing(*http.Request) (*http.Response, error) { return answer(500, "") }

// until sends a request a second until the endpoint is in the state, and fails the test after too many.
func until(t *testing.T, p *pool, i int, state string) {
	t.Helper()
	for range 1000 {
		if inside(p)[i].state() == state {
			return
		}
		time.Sleep(time.Second)
		require.NoError(t, ask(t.Context(), p, 1))
	}
	require.Equal(t, state, inside(p)[i].state())
}

func TestAFailingEndpointIsEjectedTriedAndTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		w.at("http://s0", failing)
		w.at("http://s1", ok)
		w.at("http://s2", ok)
		u := quiet("one", urls(3)...)
		p := openPool(t, u, l.hooks(), w.seams())
		synctest.Wait()
		until(t, p, 0, "ejected")
		require.Equal(t, 5, w.called("http://s0", "/embed"))
		require.Equal(t, []string{"http://s0 ejected"}, l.changed())
		require.Contains(t, p.describe().Endpoints[0].Reason, "failed with status 500")
		require.Equal(t, models.StateReady, p.status().State)

		// Left alone for its time, then tried by one request, out for twice the time each time it
		// fails, up to 16 times.
		for _, spell := range []int{10, 20, 40, 80, 160, 160} {
			time.Sleep(time.Duration(spell)*time.Second - pauseElsewhere - 1) // the last retry has waited
			for range 20 {
				require.NoError(t, ask(t.Context(), p, 1))
			}
			require.Zero(t, w.called("http://s0", "/embed"))
			time.Sleep(pauseElsewhere + 1)
			for range 20 {
				require.NoError(t, ask(t.Context(), p, 1))
			}
			require.Equal(t, 1, w.called("http://s0", "/embed"))
			require.Equal(t, []string{"http://s0 probing", "http://s0 ejected"}, l.changed())
		}
		w.at("http://s0", ok)
		time.Sleep(160 * time.Second)
		require.NoError(t, ask(t.Context(), p, 1))
		require.Equal(t, []string{"http://s0 probing", "http://s0 recovered"}, l.changed())
		require.Equal(t, "ready", inside(p)[0].state())
		requireIdle(t, p)
	})
}

func TestHalfOpenIsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", failing)
		w.at("http://s1", ok)
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		synctest.Wait()
		until(t, p, 0, "ejected")
		w.called("http://s0", "/embed")
		w.at("http://s0", after(10*time.Second, ok))
		time.Sleep(10 * time.Second)
		done := make(chan error, 30)
		for range 30 {
			go func() { done <- ask(t.Context(), p, 1) }()
		}
		synctest.Wait()
		require.Equal(t, "probing", inside(p)[0].state())
		require.Len(t, done, 29)
		require.Equal(t, 1, w.called("http://s0", "/embed"))
		for range 30 {
			require.NoError(t, <-done)
		}
		require.Equal(t, "ready", inside(p)[0].state())

		// A trial whose caller leaves proves nothing: the next request tries again.
		w.at("http://s0", failing)
		until(t, p, 0, "ejected")
		w.at("http://s0", after(time.Hour, ok))
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		requireKind(t, models.KindCanceled, "one", ask(ctx, p, 1))
		require.Equal(t, "ejected", inside(p)[0].state())
		w.at("http://s0", ok)
		require.NoError(t, ask(t.Context(), p, 1))
		require.Equal(t, "ready", inside(p)[0].state())
		requireIdle(t, p)
	})
}

func TestEveryOtherFailureEjectsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var n atomic.Int32
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			if n.Add(1)%2 == 0 {
				return failing(r)
			}
			return ok(r)
		})
		w.at("http://s1", ok)
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		synctest.Wait()
		until(t, p, 0, "ejected")
		require.EqualValues(t, window, n.Load())
	})
}

func TestHalfAtMostAreEjectedAndNeverTheLast(t *testing.T) {
	for n := 1; n <= 7; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				u := quiet("one", urls(n)...)
				for _, url := range u.URLs {
					w.at(url, failing)
				}
				p := openPool(t, u, Hooks{}, w.seams())
				synctest.Wait()
				for range 300 {
					require.Error(t, ask(t.Context(), p, 1))
				}
				out := 0
				for _, e := range inside(p) {
					if e.state() == "ejected" {
						out++
					}
				}
				require.Equal(t, n/2, out)
				require.Equal(t, models.StateReady, p.status().State)
			})
		})
	}
}

func TestProbesTakeOutAndBringBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		for _, url := range urls(2) {
			w.at(url, ok)
		}
		u := quiet("one", urls(2)...)
		u.ProbeInterval = 10 * time.Second
		p := openPool(t, u, l.hooks(), w.seams())
		time.Sleep(time.Minute)
		synctest.Wait()
		n := w.called("http://s0", "/health")
		require.GreaterOrEqual(t, n, 6)
		require.LessOrEqual(t, n, 8)
		require.Empty(t, l.changed())
		require.WithinDuration(t, time.Now(), p.describe().Endpoints[0].LastProbe, 11*time.Second)

		w.at("http://s0", failing)
		time.Sleep(13 * time.Second)
		require.Equal(t, []string{"http://s0 unhealthy"}, l.changed())
		require.Equal(t, models.StateReady, p.status().State)
		for range 20 {
			require.NoError(t, ask(t.Context(), p, 1))
		}
		require.Zero(t, w.called("http://s0", "/embed"))

		w.at("http://s1", func(*http.Request) (*http.Response, error) { return nil, errors.New("reset") })
		time.Sleep(13 * time.Second)
		status := p.status()
		require.Equal(t, models.StateFailed, status.State)
		require.Equal(t, `upstream "one": none of its 2 addresses passes health checks`, status.Reason)
		e := requireKind(t, models.KindUnavailable, "one", ask(t.Context(), p, 1))
		require.Equal(t, 10*time.Second, e.RetryAfter)

		w.at("http://s0", ok)
		time.Sleep(12 * time.Second)
		require.Equal(t, models.StateReady, p.status().State)
		require.Equal(t, []string{"http://s1 unhealthy", "http://s0 healthy"}, l.changed())
		require.NoError(t, ask(t.Context(), p, 1))
	})
}

func TestAHungProbeHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", after(time.Hour, ok))
		w.at("http://s1", ok)
		u := quiet("one", urls(2)...)
		u.ProbeInterval = 10 * time.Second
		p := openPool(t, u, Hooks{}, w.seams())
		time.Sleep(25 * time.Second)
		require.Equal(t, "unhealthy", p.describe().Endpoints[0].State)
		require.Equal(t, "ready", p.describe().Endpoints[1].State)
		require.Contains(t, p.describe().Endpoints[0].Reason, "deadline")
	})
}

func TestARefusalIsASignOfHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", byPath(map[string]func(*http.Request) (*http.Response, error){"/health": always(404, "")}))
		u := quiet("one", "http://s0")
		u.ProbeInterval = 10 * time.Second
		p := openPool(t, u, Hooks{}, w.seams())
		time.Sleep(time.Minute)
		require.Equal(t, "ready", p.describe().Endpoints[0].State)
	})
}

func TestAddressesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var hosts atomic.Value
		hosts.Store([]string{"10.0.0.2", "10.0.0.1", "10.0.0.1"})
		s := w.seams()
		s.resolve = func(_ context.Context, host string) ([]string, error) {
			require.Equal(t, "tei.example", host)
			list := hosts.Load().([]string)
			if list == nil {
				return nil, errors.New("no such host")
			}
			return list, nil
		}
		for _, url := range []string{"http://10.0.0.1:8080/v1", "http://10.0.0.2:8080/v1", "http://10.0.0.3:8080/v1"} {
			w.at(url, after(time.Second, func(r *http.Request) (*http.Response, error) {
				require.Equal(t, "tei.example:8080", r.Host)
				return answer(200, "[]")
			}))
		}
		u := quiet("one", "dns+http://tei.example:8080/v1")
		u.ProbeInterval = 5 * time.Second
		p := openPool(t, u, Hooks{}, s)
		require.NoError(t, ask(t.Context(), p, 1)) // waits for the first addresses
		require.Equal(t, []string{"http://10.0.0.1:8080/v1", "http://10.0.0.2:8080/v1"}, addresses(p))
		first := pointers(p)[0]

		// The second leaves with requests in flight, which end well; the third joins.
		hosts.Store([]string{"10.0.0.1", "10.0.0.3"})
		done := make(chan error, 100)
		time.Sleep(8500 * time.Millisecond)
		for range 100 {
			go func() { done <- ask(t.Context(), p, 1) }()
		}
		synctest.Wait()
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []string{"http://10.0.0.1:8080/v1", "http://10.0.0.3:8080/v1"}, addresses(p))
		require.Same(t, first, pointers(p)[0])
		for range 100 {
			require.NoError(t, <-done)
		}
		require.Positive(t, w.called("http://10.0.0.2:8080/v1", "/v1/embed"))
		time.Sleep(time.Minute)
		require.Zero(t, w.called("http://10.0.0.2:8080/v1", "/v1/embed"))
		w.called("http://10.0.0.2:8080/v1", "/v1/health")
		time.Sleep(time.Minute)
		require.Zero(t, w.called("http://10.0.0.2:8080/v1", "/v1/health"))

		// A name that cannot be resolved any more keeps its addresses.
		hosts.Store([]string(nil))
		time.Sleep(time.Minute)
		require.Len(t, addresses(p), 2)
		require.NoError(t, ask(t.Context(), p, 1))
		requireIdle(t, p)
	})
}

func TestANameWithoutAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.seams()
		s.resolve = func(context.Context, string) ([]string, error) { return nil, errors.New("no such host") }
		p := openPool(t, quiet("one", "dns+https://nowhere"), Hooks{}, s)
		synctest.Wait()
		e := requireKind(t, models.KindUnavailable, "one", ask(t.Context(), p, 1))
		require.Contains(t, e.Message, "its name has no address")
		require.Equal(t, models.StateFailed, p.status().State)
		s.resolve = nil
	})
}

func addresses(p *pool) (list []string) {
	for _, e := range p.describe().Endpoints {
		list = append(list, e.URL)
	}
	return list
}

func pointers(p *pool) []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.endpoints)
}

// A fault of ours while an answer is read leaves nothing taken: neither the place, nor the endpoint,
// nor the trial.
func TestAPanicLeavesNothingTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", failing)
		w.at("http://s1", ok)
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		synctest.Wait()
		until(t, p, 0, "ejected")
		w.at("http://s0", ok)
		time.Sleep(20 * time.Second)
		broken := &request{op: opEmbed, path: "/embed", body: []byte("[]"), read: func(*response) error { panic("ours") }}
		require.PanicsWithValue(t, "ours", func() { _ = p.send(t.Context(), broken) })
		for _, e := range inside(p) {
			require.Zero(t, e.inFlight)
			require.False(t, e.trial)
		}
		inFlight, _, _ := p.admission.counts()
		require.Zero(t, inFlight)
		until(t, p, 0, "ready")
	})
}

// A client could otherwise take addresses from everybody else.
func TestWhatUnknownFieldsAskForIsNotHeldAgainstAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", always(200, "{"))
		w.at("http://s1", always(200, "{"))
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		for range 50 {
			err := p.send(t.Context(), &request{op: opEmbed, path: "/embed", body: []byte("[]"), foreign: true, read: wellFormed})
			requireKind(t, models.KindUpstream, "one", err)
		}
		for _, e := range inside(p) {
			require.Equal(t, "ready", e.state())
		}
	})
}

// Whether an endpoint has recovered is found out at nobody's cost: a request whose first attempt
// was the trial has all its retries yet, and no retry is a trial.
func TestATrialTakesNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 30 {
			w, l := newWorld(), log{}
			w.at("http://s0", ok)
			w.at("http://s1", failing)
			w.at("http://s2", ok)
			u := quiet("one", urls(3)...)
			u.Retries, u.EjectAfter = 1, 3
			p := openPool(t, u, l.hooks(), w.seams())
			synctest.Wait()
			until(t, p, 1, "ejected")
			time.Sleep(time.Minute)
			w.at("http://s0", failing)
			l.attempts = nil
			require.NoError(t, ask(t.Context(), p, 1))
			require.Equal(t, "http://s1", l.attempts[0].URL)
		}
	})
}

func TestARetryIsNoTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		w.at("http://s0", ok)
		w.at("http://s1", failing)
		w.at("http://s2", ok)
		u := quiet("one", urls(3)...)
		u.Retries, u.EjectAfter = 1, 3
		p := openPool(t, u, l.hooks(), w.seams())
		synctest.Wait()
		until(t, p, 1, "ejected")
		// Its time is over while one of the others fails.
		for _, url := range []string{"http://s0", "http://s2"} {
			w.at(url, after(15*time.Second, func(*http.Request) (*http.Response, error) {
				w.at("http://s0", ok)
				w.at("http://s2", ok)
				return answer(500, "")
			}))
		}
		l.attempts = nil
		require.NoError(t, ask(t.Context(), p, 1))
		require.Len(t, l.attempts, 2)
		require.NotEqual(t, "http://s1", l.attempts[1].URL)
	})
}

// An endpoint that hangs is found out on trial without the request's being lost to its deadline.
func TestATrialThatHangsLeavesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		w.at("http://s0", ok)
		w.at("http://s1", failing)
		p := openPool(t, quiet("one", urls(2)...), l.hooks(), w.seams())
		synctest.Wait()
		until(t, p, 1, "ejected")
		w.at("http://s1", after(time.Hour, ok))
		for range 5 {
			time.Sleep(5 * time.Minute)
			l.attempts = nil
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			require.NoError(t, ask(ctx, p, 1))
			cancel()
			require.Len(t, l.attempts, 2)
			require.Equal(t, "http://s1", l.attempts[0].URL)
			require.Equal(t, "ejected", inside(p)[1].state())
		}
	})
}
