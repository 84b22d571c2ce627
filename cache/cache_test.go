package cache

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// served runs a test in virtual time with runners over a line.
func served(t *testing.T, opts Options[float64], runners int, test func(t *testing.T, l *line)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(newCache(t, opts))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for range runners {
			running.Go(func() { l.serve(ctx) })
		}
		test(t, l)
		cancel()
		running.Wait()
		require.Empty(t, l.c.pending, "nobody waits, and items are left")
	})
}

// ask calls Do and checks every value that it returns.
func ask(t *testing.T, l *line, ctx context.Context, use Use, items ...int) (Result[float64], error) { //nolint:revive // t first
	t.Helper()
	keys := keysOf(items...)
	result, err := l.c.Do(ctx, keys, use, l.submit)
	if err != nil {
		return result, err
	}
	require.Len(t, result.Values, len(keys))
	for i, key := range keys {
		require.InDelta(t, valueOf(key), result.Values[i], 0)
	}
	return result, nil
}

func TestWhatIsComputedAlreadyIsNotSubmitted(t *testing.T) {
	served(t, Options[float64]{}, 2, func(t *testing.T, l *line) {
		l.batch = 64
		var first sync.WaitGroup
		first.Go(func() {
			_, err := ask(t, l, t.Context(), Use{}, 0, 1, 2, 3, 4)
			require.NoError(t, err)
		})
		time.Sleep(time.Millisecond)
		synctest.Wait()
		submitted := 0
		items := make([]int, 32)
		for i := range items {
			items[i] = i
		}
		result, err := l.c.Do(t.Context(), keysOf(items...), Use{}, func(ctx context.Context, items []*Pending[float64], at []int) error {
			submitted = len(items)
			require.Equal(t, 5, at[0])
			return l.submit(ctx, items, at)
		})
		require.NoError(t, err)
		require.Equal(t, 27, submitted)
		require.Equal(t, 5, result.Shared)
		require.Equal(t, 32, l.total())
		first.Wait()
	})
}

func TestAllWhoWaitAreAnsweredByTheFirstRun(t *testing.T) {
	served(t, Options[float64]{}, 1, func(t *testing.T, l *line) {
		l.batch = 1
		start := time.Now()
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				_, err := ask(t, l, t.Context(), Use{}, 7, 7)
				require.NoError(t, err)
			})
		}
		all.Wait()
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, 1, l.total())
	})
}

func TestASmallCallerDoesNotWaitForALargeOne(t *testing.T) {
	served(t, Options[float64]{}, 1, func(t *testing.T, l *line) {
		l.pick = func(n int) int { return n - 1 } // the newest first
		large := make([]int, 100)
		for i := range large {
			large[i] = i
		}
		var other sync.WaitGroup
		other.Go(func() {
			_, err := ask(t, l, t.Context(), Use{}, large...)
			require.NoError(t, err)
		})
		time.Sleep(time.Millisecond)
		start := time.Now()
		_, err := ask(t, l, t.Context(), Use{}, 0) // the last of the large caller's
		require.NoError(t, err)
		require.Less(t, time.Since(start), 2*time.Second)
		other.Wait()
		require.Equal(t, 100, l.total(), "and it was not computed again for that one")
	})
}

func TestWhoeverLeavesTakesNothingAway(t *testing.T) {
	for name, leaves := range map[string]time.Duration{"while in the line": time.Second / 2, "while it runs": 3 * time.Second / 2} {
		t.Run(name, func(t *testing.T) {
			served(t, Options[float64]{}, 1, func(t *testing.T, l *line) {
				l.batch = 1
				var others sync.WaitGroup
				others.Go(func() { _, _ = ask(t, l, t.Context(), Use{}, 1) })
				time.Sleep(time.Millisecond)
				others.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), leaves)
					defer cancel()
					_, err := ask(t, l, ctx, Use{}, 2)
					require.ErrorIs(t, err, context.DeadlineExceeded)
				})
				time.Sleep(time.Millisecond)
				_, err := ask(t, l, t.Context(), Use{}, 2)
				require.NoError(t, err)
				require.Equal(t, 2, l.total())
				others.Wait()
			})
		})
	}
}

func TestADeadlineHoldsWhileAnotherComputes(t *testing.T) {
	served(t, Options[float64]{}, 1, func(t *testing.T, l *line) {
		l.takes = func() time.Duration { return time.Minute }
		var other sync.WaitGroup
		other.Go(func() { _, _ = ask(t, l, t.Context(), Use{}, 1) })
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := ask(t, l, ctx, Use{}, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		other.Wait()
	})
}

func TestAFailureIsNotShared(t *testing.T) {
	served(t, Options[float64]{Bytes: 1 << 20}, 1, func(t *testing.T, l *line) {
		runs := 0
		l.fails = func() bool { runs++; return runs == 1 }
		var other sync.WaitGroup
		other.Go(func() {
			_, err := ask(t, l, t.Context(), Use{Keep: true}, 1)
			require.ErrorIs(t, err, errRun)
		})
		time.Sleep(time.Millisecond)
		_, err := ask(t, l, t.Context(), Use{Keep: true}, 1)
		require.NoError(t, err)
		require.Equal(t, 2, l.total())
		other.Wait()
	})
}

func TestAPanicOfARunLeavesItsItemsWanted(t *testing.T) {
	c := newCache(t, Options[float64]{})
	_, err := c.Do(t.Context(), keysOf(1), Use{}, func(_ context.Context, items []*Pending[float64], _ []int) error {
		require.Panics(t, func() { _ = c.Run(items, func([]int) ([]float64, error) { panic("broken") }) })
		require.ErrorContains(t, c.Run(items, func([]int) ([]float64, error) { return nil, nil }), "0 values for 1 items")
		return errRefused
	})
	require.ErrorIs(t, err, errRefused)
	require.Empty(t, c.pending)
}

func TestFreshIsComputedAlone(t *testing.T) {
	served(t, Options[float64]{Bytes: 1 << 20}, 3, func(t *testing.T, l *line) {
		l.batch = 1
		submits := 0
		fresh := func(use Use) {
			_, err := l.c.Do(t.Context(), keysOf(1), use, func(ctx context.Context, items []*Pending[float64], at []int) error {
				submits++
				return l.submit(ctx, items, at)
			})
			require.NoError(t, err)
		}
		fresh(Use{Fresh: true})
		require.Zero(t, l.c.Stats().Entries, "not to be kept")
		fresh(Use{Fresh: true, Keep: true})
		fresh(Use{Fresh: true, Keep: true})
		require.Equal(t, 3, submits)
		result, err := ask(t, l, t.Context(), Use{}, 1)
		require.NoError(t, err)
		require.Equal(t, 1, result.Hits)
		require.Equal(t, Stats{Hits: 1, Fresh: 3, Bytes: 8 + entryOverhead, Entries: 1}, l.c.Stats())
	})
}

func TestResultsAreKeptForTheirTime(t *testing.T) {
	served(t, Options[float64]{Bytes: 1 << 20, TTL: time.Minute}, 1, func(t *testing.T, l *line) {
		for _, step := range []struct {
			wait time.Duration
			use  Use
			hits int
		}{{0, Use{}, 0}, {0, Use{Keep: true}, 0}, {59 * time.Second, Use{}, 2}, {time.Second, Use{}, 0}, {0, Use{}, 0}} {
			time.Sleep(step.wait)
			result, err := ask(t, l, t.Context(), step.use, 1, 2)
			require.NoError(t, err)
			require.Equal(t, step.hits, result.Hits)
		}
		require.Equal(t, uint64(2), l.c.Stats().Hits)
		require.Zero(t, l.c.Stats().Entries, "what has expired goes when it is asked for")
	})
}

func TestBytesAreBounded(t *testing.T) {
	const limit = 100 * (8 + entryOverhead)
	served(t, Options[float64]{Bytes: limit, Keep: func(v float64) bool { return v != valueOf(keyOf(3)) }}, 1, func(t *testing.T, l *line) {
		for i := range 1000 {
			_, err := ask(t, l, t.Context(), Use{Keep: true}, i)
			require.NoError(t, err)
			require.LessOrEqual(t, l.c.Stats().Bytes, int64(limit))
			if i == 3 {
				require.Equal(t, int64(3), l.c.Stats().Entries, "one is not fit to be kept")
			}
		}
		stats := l.c.Stats()
		require.Equal(t, int64(100), stats.Entries)
		require.Equal(t, uint64(899), stats.Evictions)
	})
}

// TestMemoryIsWhatIsCounted compares what entries weigh with what they take.
func TestMemoryIsWhatIsCounted(t *testing.T) {
	const entries, width = 20000, 384
	c, err := New(Options[[]float32]{Bytes: 1 << 30, Size: func(v []float32) int { return 4 * len(v) }})
	require.NoError(t, err)
	before := heap()
	for i := range entries {
		c.store.set(keyOf(i), make([]float32, width))
	}
	taken := heap() - before
	require.InEpsilon(t, taken, c.Stats().Bytes, 0.1)
	require.Equal(t, int64(entries), c.Stats().Entries)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestClear(t *testing.T) {
	newCache(t, Options[float64]{}).Clear()
	served(t, Options[float64]{Bytes: 1 << 20}, 1, func(t *testing.T, l *line) {
		for range 2 {
			result, err := ask(t, l, t.Context(), Use{Keep: true}, 1)
			require.NoError(t, err)
			require.Zero(t, result.Hits)
			l.c.Clear()
			require.Equal(t, Stats{Misses: l.c.Stats().Misses}, l.c.Stats())
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options[int]{Bytes: -1, TTL: -1})
	require.ErrorContains(t, err, "Bytes is negative")
	require.ErrorContains(t, err, "TTL is negative")
	_, err = New(Options[int]{Bytes: 1})
	require.ErrorContains(t, err, "Size is not")
}

// TestAnySchedule has callers with overlapping items come, leave and be refused while runs
// fail: whoever is answered is answered right, no shared item is computed twice at once, and
// nobody is left waiting (the virtual clock would find out).
func TestAnySchedule(t *testing.T) {
	for seed := range uint64(150) {
		served(t, Options[float64]{Bytes: int64(seed%3) * 2000, TTL: 3 * time.Second}, 1+int(seed%3), func(t *testing.T, l *line) {
			r := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex // r is used by all
			random := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
			l.batch = 1 + random(5)
			l.takes = func() time.Duration { return time.Duration(random(1000)) * time.Millisecond }
			l.pick = random
			if seed%2 == 0 {
				l.fails = func() bool { return random(6) == 0 }
			}
			var callers sync.WaitGroup
			for range 60 {
				callers.Go(func() { visitor(t, l, random) })
			}
			callers.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			require.Equal(t, 1, l.most, "seed %d: the most runs of one item at once", seed)
		})
	}
}

// visitor comes at some time, perhaps with a deadline, and is sometimes refused.
func visitor(t *testing.T, l *line, random func(int) int) {
	time.Sleep(time.Duration(random(8000)) * time.Millisecond)
	ctx, cancel := t.Context(), context.CancelFunc(func() {})
	if random(3) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(1+random(2000))*time.Millisecond)
	}
	defer cancel()
	keys := make([]Key, 1+random(8))
	for i := range keys {
		keys[i] = keyOf(random(12))
	}
	refused := random(6) == 0
	use := Use{Fresh: random(10) == 0, Keep: random(2) == 0}
	start := time.Now()
	result, err := l.c.Do(ctx, keys, use, func(ctx context.Context, items []*Pending[float64], at []int) error {
		if refused {
			return errRefused
		}
		return l.submit(ctx, items, at)
	})
	if until, has := ctx.Deadline(); has {
		require.False(t, time.Now().After(until), "it was kept %s past its deadline", time.Since(until))
	}
	switch {
	case err == nil:
		for i, key := range keys {
			require.InDelta(t, valueOf(key), result.Values[i], 0)
		}
	case errors.Is(err, errRefused):
		require.True(t, refused)
	case errors.Is(err, errRun):
		require.NotNil(t, l.fails)
	default:
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Positive(t, time.Since(start))
	}
}

func BenchmarkMiss(b *testing.B) {
	c := newCache(b, Options[float64]{Bytes: 1 << 20})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		_, _ = c.Do(b.Context(), keysOf(i), Use{Keep: true}, func(_ context.Context, items []*Pending[float64], _ []int) error {
			return c.Run(items, func([]int) ([]float64, error) { return []float64{1}, nil })
		})
	}
}

func BenchmarkHit(b *testing.B) {
	c := newCache(b, Options[float64]{Bytes: 1 << 20})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Do(b.Context(), keysOf(1), Use{Keep: true}, func(_ context.Context, items []*Pending[float64], _ []int) error {
			return c.Run(items, func([]int) ([]float64, error) { return []float64{1}, nil })
		})
	}
}
