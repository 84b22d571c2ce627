package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func newMemoryLimiter(t testing.TB, classes ...Class) *Limiter {
	t.Helper()
	l, err := New(Options{Classes: classes})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func exceeded(t testing.TB, err error) *Exceeded {
	t.Helper()
	var e *Exceeded
	require.True(t, errors.As(err, &e), "%v", err)
	return e
}

func take(t testing.TB, l *Limiter, caller Caller, model string, tokens int) *Grant {
	t.Helper()
	g, err := l.Take(t.Context(), caller, model, tokens)
	require.NoError(t, err)
	return g
}

func refuse(t testing.TB, l *Limiter, caller Caller, model string, tokens int) Exceeded {
	t.Helper()
	g, err := l.Take(t.Context(), caller, model, tokens)
	require.Nil(t, g)
	return *exceeded(t, err)
}

var one = Caller{Class: "c", Name: "one"}

func TestRequestsComeBackOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 7, Burst: 2}})
		g := take(t, l, one, "m", 0)
		require.Equal(t, State{Requests: Window{Limit: 2, Remaining: 1, Reset: 8571429 * time.Microsecond}}, g.State())
		take(t, l, one, "m", 0)
		for range 20 {
			e := refuse(t, l, one, "m", 0)
			require.Equal(t, Exceeded{Setting: "requests_per_minute", Class: "c", Limit: 7, RetryAfter: e.RetryAfter, State: e.State}, e)
			require.Zero(t, e.State.Requests.Remaining)
			time.Sleep(e.RetryAfter - time.Microsecond)
			require.Equal(t, time.Microsecond, refuse(t, l, one, "m", 0).RetryAfter)
			time.Sleep(time.Microsecond)
			take(t, l, one, "m", 0)
		}
		time.Sleep(time.Hour)
		take(t, l, one, "m", 0)
		take(t, l, one, "m", 0)
		refuse(t, l, one, "m", 0)
	})
}

func TestTokensInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{TokensPerMinute: 600}})
		g := take(t, l, one, "m", 500)
		require.Equal(t, State{Tokens: Window{Limit: 600, Remaining: 100, Reset: 50 * time.Second}}, g.State())
		g.Done(600)
		require.Equal(t, 100*time.Millisecond, refuse(t, l, one, "m", 1).RetryAfter)
		time.Sleep(100 * time.Millisecond)
		g = take(t, l, one, "m", 1)
		g.Done(1_000_000_000)
		// It owes a minute's tokens and no more.
		e := refuse(t, l, one, "m", 0)
		require.Equal(t, time.Minute, e.RetryAfter)
		require.Equal(t, Window{Limit: 600, Remaining: 0, Reset: 2 * time.Minute}, e.State.Tokens)
		time.Sleep(time.Minute)
		g = take(t, l, one, "m", 0)
		time.Sleep(time.Minute)
		g.Done(0)
		require.Equal(t, 0, take(t, l, one, "m", 600).State().Tokens.Remaining)
	})
}

func TestWhatTakesLongestIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 6, TokensPerMinute: 60, Concurrency: 1}})
		g := take(t, l, one, "m", 60)
		require.Equal(t, "tokens_per_minute", refuse(t, l, one, "m", 11).Setting)
		require.Equal(t, "requests_per_minute", refuse(t, l, one, "m", 9).Setting)
		time.Sleep(10 * time.Second)
		require.Equal(t, "concurrency", refuse(t, l, one, "m", 9).Setting)
		g.Done(60)
		take(t, l, one, "m", 9)
	})
}

// However many come at the same instant, exactly the burst is let in.
func TestNoRaceLetsMoreIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 60, Burst: 50, Concurrency: 40}})
		var in, out atomic.Int64
		var all sync.WaitGroup
		var grants sync.Map
		for range 200 {
			all.Go(func() {
				if g, err := l.Take(t.Context(), one, "m", 0); err == nil {
					in.Add(1)
					grants.Store(g, true)
				} else {
					out.Add(1)
				}
			})
		}
		all.Wait()
		require.Equal(t, [2]int64{40, 160}, [2]int64{in.Load(), out.Load()})
		grants.Range(func(g, _ any) bool {
			all.Go(func() { g.(*Grant).Done(0) })
			return true
		})
		all.Wait()
		for range 10 {
			take(t, l, one, "m", 0)
		}
		require.Equal(t, "requests_per_minute", refuse(t, l, one, "m", 0).Setting)
	})
}

func TestAddressesDoNotGrowMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 6}})
		l.memory = newMemory(10 * shards)
		for i := range 20000 {
			take(t, l, Caller{"c", fmt.Sprint(i)}, "m", 0).Done(0)
		}
		require.Equal(t, 10*shards, accounts(l))
		refuse(t, l, Caller{"c", "19999"}, "m", 0)
		time.Sleep(10 * time.Second)
		for i := range 2000 {
			take(t, l, Caller{"c", fmt.Sprint("next ", i)}, "m", 0).Done(0)
			time.Sleep(10 * time.Second)
		}
		require.Less(t, accounts(l), 2*shards, "those at rest are forgotten")
	})
}

func accounts(l *Limiter) (n int) {
	for i := range l.memory.shards {
		n += len(l.memory.shards[i].accounts)
	}
	return n
}

// Who has requests in flight is remembered while there is anybody else to forget.
func TestRequestsInFlightAreRemembered(t *testing.T) {
	l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{Concurrency: 1}})
	l.memory = newMemory(2 * shards)
	g := take(t, l, one, "m", 0)
	for i := range 2000 {
		take(t, l, Caller{"c", fmt.Sprint(i)}, "m", 0).Done(0)
	}
	refuse(t, l, one, "m", 0)
	var flood []*Grant
	for i := range 2000 {
		flood = append(flood, take(t, l, Caller{"c", fmt.Sprint(i)}, "m", 0))
	}
	require.Equal(t, 2*shards, accounts(l), "a flood in flight is bounded, too")
	for _, g := range append(flood, g) {
		g.Done(0)
	}
	take(t, l, one, "m", 0)
}

// A part of a limit lets in what is larger than it, and takes the longer for it.
func TestSharesServeLargeRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScope("c", nil, Limits{RequestsPerMinute: 60, TokensPerMinute: 600, Concurrency: 2})
		m, b := newMemory(100), s.bounds.share(3)
		require.Equal(t, bounds{requests: 20, burst: 3, tokens: 200, concurrency: 1, largest: 600}, b)
		for range 3 {
			g, err := m.take(s, "n", b, 500)
			require.NoError(t, err)
			g.Done(500)
			_, err = m.take(s, "n", b, 1)
			// 300 owed and 1 to have, at 200 a minute.
			require.Equal(t, 301*minute/200, exceeded(t, err).RetryAfter.Microseconds())
			require.Equal(t, 600, exceeded(t, err).Limit, "the configured one")
			time.Sleep(150 * time.Second)
		}
		_, err := m.take(s, "n", b, 601)
		require.Negative(t, exceeded(t, err).RetryAfter)
		require.Equal(t, bounds{requests: 1, burst: 1, tokens: 1, concurrency: 1, largest: 600}, s.bounds.share(1000))
		require.Equal(t, bounds{}, bounds{}.share(3))
	})
}

func TestWhatIsNotLimited(t *testing.T) {
	l := newMemoryLimiter(t, Class{Name: "c"}, Class{Name: "rules", Rules: []Rule{{Models: []string{"*"}}}})
	for _, c := range []Caller{{}, {Name: "n"}, {"c", "n"}, {"rules", "n"}, {"gone", "n"}} {
		g := take(t, l, c, "m", 1<<40)
		require.Equal(t, State{}, g.State())
		g.Done(1)
	}
	require.Zero(t, accounts(l))
	var none *Grant
	none.Done(1)
	require.Equal(t, State{}, none.State())
}

func TestErrorsNameTheSetting(t *testing.T) {
	require.EqualError(t, &Exceeded{Setting: "concurrency", Class: "c", Limit: 2, RetryAfter: time.Second},
		`over a limit: concurrency of class "c" is 2; try again in 1s`)
	require.EqualError(t, &Exceeded{Setting: "tokens_per_minute", Class: "c", Limit: 2, RetryAfter: -1},
		`the request alone is over a limit: tokens_per_minute of class "c" is 2`)
}

func TestAllProblemsAreReported(t *testing.T) {
	_, err := New(Options{
		Store: "redis://user:hunter2@host:port/0", Replicas: -1,
		Classes: []Class{
			{Limits: Limits{RequestsPerMinute: -1}},
			{Name: "a", Limits: Limits{Burst: 3}, Rules: []Rule{{}, {Models: []string{"m", ""}, Limits: Limits{Concurrency: maxLimit + 1}}}},
			{Name: "a", Limits: Limits{TokensPerMinute: -2}},
		},
	})
	require.EqualError(t, err, strings.Join([]string{
		`rate limits: store: neither memory nor a URL as redis://user:password@host:6379/0 (rediss:// for TLS)`,
		`rate limits: replicas: -1 is negative`,
		`rate limits: class 1 (""): name: it is empty`,
		`rate limits: class 1 (""): requests_per_minute: -1 is not from 0, which is no limit, to 1000000000`,
		`rate limits: class 2 ("a"): burst: 3 has no meaning without requests_per_minute`,
		`rate limits: class 2 ("a"): models 1: a pattern is missing; * stands for any name`,
		`rate limits: class 2 ("a"): models 2: a pattern is missing; * stands for any name`,
		`rate limits: class 2 ("a"): models 2: concurrency: 1000000001 is not from 0, which is no limit, to 1000000000`,
		`rate limits: class 3 ("a"): name: another class has it, too`,
		`rate limits: class 3 ("a"): tokens_per_minute: -2 is not from 0, which is no limit, to 1000000000`,
	}, "\n"))
	for store, reason := range map[string]string{
		"disk": "invalid URL scheme", "http://h": "invalid URL scheme", "redis://h/x": "invalid database number",
		"unix:///run/redis.sock": "(rediss:// for TLS)", "redis://h?colour=red": "unexpected option",
	} {
		_, err := New(Options{Store: store})
		require.ErrorContains(t, err, "rate limits: store: neither memory nor a URL", store)
		require.ErrorContains(t, err, reason, store)
		require.Equal(t, err, Check(Options{Store: store}), store)
	}
	require.NoError(t, Check(Options{Store: "redis://nobody.invalid", Classes: []Class{{Name: "c"}}}))
}

func TestApplyRefusesAnotherStore(t *testing.T) {
	l := newMemoryLimiter(t, Class{Name: "c", Limits: Limits{Concurrency: 1}})
	take(t, l, one, "m", 0)
	require.EqualError(t, l.Apply(Options{Store: "redis://host"}), "rate limits: store: a change needs a restart")
	require.ErrorContains(t, l.Apply(Options{Classes: []Class{{}}}), "class 1")
	refuse(t, l, one, "m", 0)
	require.NoError(t, l.Apply(Options{Store: "memory"}), "the same as none")
	take(t, l, one, "m", 0)
}

func BenchmarkMemory(b *testing.B) {
	l := newMemoryLimiter(b, Class{Name: "c", Limits: Limits{RequestsPerMinute: maxLimit, TokensPerMinute: maxLimit, Concurrency: 1000}})
	b.Run("one caller", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			g, err := l.Take(context.Background(), one, "m", 10)
			if err != nil {
				b.Fatal(err)
			}
			g.Done(12)
		}
	})
	b.Run("many callers", func(b *testing.B) {
		names := make([]string, 50000)
		for i := range names {
			names[i] = fmt.Sprint(i)
		}
		var next atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				g, err := l.Take(context.Background(), Caller{"c", names[next.Add(1)%50000]}, "m", 10)
				if err == nil {
					g.Done(12)
				}
			}
		})
	})
}
