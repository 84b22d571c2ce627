package proxy

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func TestARetryGoesElsewhereFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		w.at("http://s0", failing)
		w.at("http://s1", always(429, ""))
		w.at("http://s2", ok)
		p := openPool(t, quiet("one", urls(3)...), l.hooks(), w.seams())
		for range 50 {
			start := time.Now()
			require.NoError(t, ask(t.Context(), p, 1))
			require.LessOrEqual(t, time.Since(start), 3*pauseElsewhere)
			seen := map[string]bool{}
			for i, a := range l.attempts {
				require.False(t, seen[a.URL])
				require.Equal(t, i+1, a.Number)
				seen[a.URL] = true
			}
			l.attempts = nil
			time.Sleep(time.Second)
		}
	})
}

func TestBackoffIsDrawnFromAWideningRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var at []time.Time
		w.at("http://s0", func(*http.Request) (*http.Response, error) {
			at = append(at, time.Now())
			return answer(500, "")
		})
		u := quiet("one", "http://s0")
		u.Retries = 8
		p := openPool(t, u, Hooks{}, w.seams())
		longest := make([]time.Duration, u.Retries)
		shortest := make([]time.Duration, u.Retries)
		for range 100 {
			at = nil
			require.Error(t, ask(t.Context(), p, 1))
			require.Len(t, at, 9)
			for i := range longest {
				wait := at[i+1].Sub(at[i])
				longest[i] = max(longest[i], wait)
				if shortest[i] == 0 || wait < shortest[i] {
					shortest[i] = wait
				}
			}
			time.Sleep(time.Minute)
		}
		for i := range longest {
			most := min(pauseSame<<i, pauseMost)
			require.LessOrEqual(t, longest[i], most)
			require.Greater(t, longest[i], most*8/10)
			require.Less(t, shortest[i], most*2/10)
		}
	})
}

func TestRetryAfterIsHonouredWhereItFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var n int
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return answer(429, "", "Retry-After", "4")
			}
			return ok(r)
		})
		p := openPool(t, quiet("one", "http://s0"), Hooks{}, w.seams())
		start := time.Now()
		require.NoError(t, ask(t.Context(), p, 1))
		require.GreaterOrEqual(t, time.Since(start), 4*time.Second)
		require.LessOrEqual(t, time.Since(start), 4*time.Second+pauseSame)

		// It does not fit: the error comes at once, and says when to come back.
		n = 0
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start = time.Now()
		e := requireKind(t, models.KindRateLimited, "one", ask(ctx, p, 1))
		require.Zero(t, time.Since(start))
		require.Equal(t, 4*time.Second, e.RetryAfter)

		// Longer than any request takes.
		w.at("http://s0", always(503, "", "Retry-After", "31"))
		require.Equal(t, 31*time.Second, requireKind(t, models.KindUpstream, "one", ask(t.Context(), p, 1)).RetryAfter)
		require.Equal(t, 1, n)
	})
}

func TestAServerThatAsksForRestGetsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", always(429, "", "Retry-After", "10"))
		w.at("http://s1", ok)
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		for w.called("http://s0", "/embed") == 0 {
			require.NoError(t, ask(t.Context(), p, 1))
		}
		for range 100 {
			require.NoError(t, ask(t.Context(), p, 1))
		}
		require.Zero(t, w.called("http://s0", "/embed"))
		time.Sleep(10 * time.Second)
		w.at("http://s0", ok)
		for range 100 {
			require.NoError(t, ask(t.Context(), p, 1))
		}
		require.Positive(t, w.called("http://s0", "/embed"))
	})
}

// A retry does not go to who has asked to be left alone, while it can go back or wait.
func TestARetryLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		busy := func(seconds string) func(*http.Request) (*http.Response, error) {
			return always(429, "", "Retry-After", seconds)
		}
		w.at("http://s0", busy("10"))
		w.at("http://s1", busy("20"))
		u := quiet("one", urls(2)...)
		u.Retries = 1
		p := openPool(t, u, Hooks{}, w.seams())
		requireKind(t, models.KindRateLimited, "one", ask(t.Context(), p, 1)) // now both rest
		for _, url := range u.URLs {
			require.Equal(t, 1, w.called(url, "/embed"))
		}
		start := time.Now()
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			if time.Since(start) < 10*time.Second-pauseElsewhere {
				return answer(429, "", "Retry-After", "10")
			}
			return ok(r)
		})
		require.NoError(t, ask(t.Context(), p, 1))
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second-pauseElsewhere)
		require.LessOrEqual(t, w.called("http://s1", "/embed"), 1)

		// One that failed is asked again before one that rests.
		w.at("http://s0", func(*http.Request) (*http.Response, error) {
			w.at("http://s0", ok)
			return answer(500, "")
		})
		w.called("http://s1", "/embed")
		require.NoError(t, ask(t.Context(), p, 1))
		require.Zero(t, w.called("http://s1", "/embed"))
	})
}

func TestTheBudgetBoundsRetries(t *testing.T) {
	for name, c := range map[string]struct{ budget, from, to int }{
		"none":        {-1, 0, 0},
		"ten percent": {10, 95, 120},
		"all":         {100, 960, 1010},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.at("http://s0", failing)
				u := quiet("one", "http://s0")
				u.RetryBudget, u.Retries = c.budget, 1
				p := openPool(t, u, Hooks{}, w.seams())
				for range 1000 {
					require.Error(t, ask(t.Context(), p, 1))
					time.Sleep(10 * time.Millisecond)
				}
				retries := w.called("http://s0", "/embed") - 1000
				require.GreaterOrEqual(t, retries, c.from)
				require.LessOrEqual(t, retries, c.to)
			})
		})
	}
}

func TestLittleTrafficMayRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", failing)
		u := quiet("one", "http://s0")
		u.RetryBudget = 1
		p := openPool(t, u, Hooks{}, w.seams())
		for range 10 {
			require.Error(t, ask(t.Context(), p, 1))
			require.Equal(t, 3, w.called("http://s0", "/embed"))
			time.Sleep(time.Minute)
		}
	})
}

func TestRetriesAreForNobodyWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", failing)
		u := quiet("one", "http://s0")
		u.Retries = 10
		p := openPool(t, u, Hooks{}, w.seams())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		requireKind(t, models.KindUpstream, "one", ask(ctx, p, 1)) // what failed, rather than that time is short
		require.Less(t, time.Since(start), time.Second)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		requireKind(t, models.KindCanceled, "one", ask(ctx, p, 1))
	})
}

func TestWhoBreaksOffInTheMiddleIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", always(200, "[1,"))
		w.at("http://s1", always(200, "[1]"))
		p := openPool(t, quiet("one", urls(2)...), Hooks{}, w.seams())
		for range 20 {
			var got string
			require.NoError(t, p.send(t.Context(), &request{path: "/embed", read: func(r *response) error {
				got = string(r.body)
				return wellFormed(r)
			}}))
			require.Equal(t, "[1]", got)
			time.Sleep(time.Second)
		}
	})
}

// What is not tried again, as there is no time for it, takes nothing from those that are.
func TestWhatHasNoTimeTakesNothingFromTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", always(503, "", "Retry-After", "3600"))
		p := openPool(t, Upstream{Name: "one", Type: TypeTEI, URLs: []string{"http://s0"}, ProbeInterval: -1}, Hooks{}, w.seams())
		for range 100 {
			requireKind(t, models.KindUpstream, "one", ask(t.Context(), p, 1))
		}
		require.Zero(t, p.budget.retries)
	})
}
