package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBothStoresCountAlike holds what does not depend on passing time for memory and Redis.
func TestBothStoresCountAlike(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		testStore(t, func(t *testing.T, classes ...Class) (*Limiter, func(...Class)) {
			l := newMemoryLimiter(t, classes...)
			return l, func(classes ...Class) { require.NoError(t, l.Apply(Options{Classes: classes})) }
		})
	})
	t.Run("redis", func(t *testing.T) {
		s, db := startRedis(t), 0
		testStore(t, func(t *testing.T, classes ...Class) (*Limiter, func(...Class)) {
			db++
			url := s.URL(db) + "?dial_timeout=10s&read_timeout=10s"
			l := newSharedLimiter(t, Options{Store: url, Classes: classes}).found(t)
			return l.Limiter, func(classes ...Class) { require.NoError(t, l.Apply(Options{Store: url, Classes: classes})) }
		})
	})
}

// opener makes a limiter, and what applies other classes to it. Limits in these tests are so slow
// that a busy machine's pauses give nothing back.
type opener func(t *testing.T, classes ...Class) (*Limiter, func(...Class))

func testStore(t *testing.T, open opener) {
	for name, test := range map[string]func(*testing.T, opener){
		"burst": testBurst, "tokens": testTokens, "concurrency": testConcurrency,
		"nothing counted": testNothingCounted, "rules": testRules, "apply": testApply, "callers": testCallers, "at once": testAtOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func testBurst(t *testing.T, open opener) {
	l, _ := open(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 1}},
		Class{Name: "d", Limits: Limits{RequestsPerMinute: 2, Burst: 4}}, Class{Name: "e", Limits: Limits{RequestsPerMinute: 23}})
	take(t, l, one, "m", 0)
	e := refuse(t, l, one, "m", 0)
	require.Equal(t, Exceeded{Setting: "requests_per_minute", Class: "c", Limit: 1, RetryAfter: e.RetryAfter, State: e.State}, e)
	require.InDelta(t, time.Minute, e.RetryAfter, float64(20*time.Second))
	require.LessOrEqual(t, e.RetryAfter, time.Minute)
	for left := 3; left >= 0; left-- {
		w := take(t, l, Caller{"d", "n"}, "m", 0).State().Requests
		require.Equal(t, []int{4, left}, []int{w.Limit, w.Remaining})
		require.InDelta(t, time.Duration(4-left)*30*time.Second, w.Reset, float64(20*time.Second))
	}
	refuse(t, l, Caller{"d", "n"}, "m", 0)
	require.Equal(t, 3, take(t, l, Caller{"e", "n"}, "m", 0).State().Requests.Limit, "a sixth of a minute's")
}

func testTokens(t *testing.T, open opener) {
	l, _ := open(t, Class{Name: "c", Limits: Limits{TokensPerMinute: 10}})
	e := refuse(t, l, one, "m", 11)
	require.Negative(t, e.RetryAfter)
	require.Equal(t, []any{"tokens_per_minute", 10, 10}, []any{e.Setting, e.Limit, e.State.Tokens.Remaining})
	g := take(t, l, one, "m", 10)
	require.Zero(t, g.State().Tokens.Remaining)
	refuse(t, l, one, "m", 8)
	g.Done(2)
	g.Done(2) // is ignored
	g = take(t, l, one, "m", 8)
	g.Done(18)
	// It owes 10, so that 3 need 78 seconds.
	e = refuse(t, l, one, "m", 3)
	require.InDelta(t, 78*time.Second, e.RetryAfter, float64(20*time.Second))
	require.LessOrEqual(t, e.RetryAfter, 78*time.Second)
	require.Zero(t, e.State.Tokens.Remaining)
	require.InDelta(t, 2*time.Minute, e.State.Tokens.Reset, float64(20*time.Second))
	// And never more than a minute's.
	g = take(t, l, Caller{"c", "other"}, "m", -5)
	g.Done(1 << 40)
	e = refuse(t, l, Caller{"c", "other"}, "m", 0)
	require.InDelta(t, time.Minute, e.RetryAfter, float64(20*time.Second))
}

func testConcurrency(t *testing.T, open opener) {
	l, _ := open(t, Class{Name: "c", Limits: Limits{Concurrency: 2}})
	a, b := take(t, l, one, "m", 0), take(t, l, one, "m", 0)
	require.Equal(t, State{}, a.State())
	for range 3 {
		e := refuse(t, l, one, "m", 0)
		require.Equal(t, Exceeded{Setting: "concurrency", Class: "c", Limit: 2, RetryAfter: time.Second}, e)
	}
	a.Done(0)
	a.Done(0)
	c := take(t, l, one, "m", 0)
	refuse(t, l, one, "m", 0)
	b.Done(0)
	c.Done(0)
	take(t, l, one, "m", 0)
	take(t, l, one, "m", 0)
	refuse(t, l, one, "m", 0)
}

// What one limit refuses counts towards none.
func testNothingCounted(t *testing.T, open opener) {
	l, _ := open(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 1, Burst: 3, TokensPerMinute: 10, Concurrency: 1}})
	g := take(t, l, one, "m", 5)
	for range 5 {
		require.Equal(t, "concurrency", refuse(t, l, one, "m", 5).Setting)
	}
	g.Done(5)
	for range 5 {
		require.Equal(t, "tokens_per_minute", refuse(t, l, one, "m", 10).Setting)
	}
	take(t, l, one, "m", 1).Done(1)
	take(t, l, one, "m", 1).Done(1)
	for range 5 {
		require.Equal(t, "requests_per_minute", refuse(t, l, one, "m", 1).Setting)
	}
}

func testRules(t *testing.T, open opener) {
	l, _ := open(t, Class{Name: "c", Limits: Limits{Concurrency: 1}, Rules: []Rule{
		{Models: []string{"a/*", "b"}, Limits: Limits{Concurrency: 2}},
		{Models: []string{"a/x", "free"}},
		{Models: []string{"d*"}, Limits: Limits{Concurrency: 1}},
	}})
	take(t, l, one, "own", 0)
	refuse(t, l, one, "another", 0)
	take(t, l, one, "a/x", 0)
	take(t, l, one, "b", 0)
	require.Equal(t, 2, refuse(t, l, one, "a/y", 0).Limit, "models of one rule count together")
	take(t, l, one, "d1", 0)
	refuse(t, l, one, "d2", 0)
	take(t, l, one, "free", 0)
	take(t, l, one, "free", 0)
}

func testApply(t *testing.T, open opener) {
	rule := func(n int, models ...string) Rule { return Rule{Models: models, Limits: Limits{Concurrency: n}} }
	class := func(n int, rules ...Rule) Class {
		return Class{Name: "c", Limits: Limits{RequestsPerMinute: 1, Burst: n}, Rules: rules}
	}
	l, apply := open(t, class(2, rule(1, "a"), rule(1, "b")))
	g := take(t, l, one, "a", 0)
	take(t, l, one, "b", 0)
	take(t, l, one, "m", 0)
	take(t, l, one, "m", 0)
	refuse(t, l, one, "m", 0)
	// Other limits and another order, and what was used is used.
	apply(class(3, rule(1, "b"), rule(2, "a")))
	require.Zero(t, take(t, l, one, "m", 0).State().Requests.Remaining)
	refuse(t, l, one, "m", 0)
	take(t, l, one, "a", 0)
	refuse(t, l, one, "a", 0)
	refuse(t, l, one, "b", 0)
	g.Done(0)
	take(t, l, one, "a", 0)
	apply(class(1))
	refuse(t, l, one, "a", 0)
	apply()
	take(t, l, one, "m", 0)
	// Nobody owes a lowered limit more than it lets anybody owe.
	tokens := func(n int) Class { return Class{Name: "c", Limits: Limits{TokensPerMinute: n}} }
	apply(tokens(1000000))
	take(t, l, one, "m", 1000000).Done(1000000)
	apply(tokens(10))
	require.LessOrEqual(t, refuse(t, l, one, "m", 0).RetryAfter, time.Minute)
}

func testCallers(t *testing.T, open opener) {
	limits := Limits{RequestsPerMinute: 1, Burst: 1}
	l, _ := open(t, Class{Name: "c", Limits: limits}, Class{Name: "d", Limits: limits})
	callers := []Caller{{"c", "1"}, {"c", "2"}, {"d", "1"}, {"c", ""}}
	for _, caller := range callers {
		take(t, l, caller, "m", 0)
	}
	for _, caller := range callers {
		refuse(t, l, caller, "m", 0)
	}
	take(t, l, Caller{"d", "2"}, "m", 0)
}

func testAtOnce(t *testing.T, open opener) {
	l, _ := open(t, Class{Name: "c", Limits: Limits{RequestsPerMinute: 1, Burst: 30, TokensPerMinute: 100, Concurrency: 20}})
	var in atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := l.Take(t.Context(), one, "m", 6); err == nil {
				in.Add(1)
			}
		})
	}
	all.Wait()
	require.Equal(t, int64(16), in.Load())
}
