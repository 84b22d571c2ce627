package batcher

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelayCountsFromTheOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		opts := options()
		opts.Delay = 10 * time.Millisecond
		b := start(t, e, opts)
		first := send(b, Call{}, pieces(5)...)
		pass(9 * time.Millisecond)
		send(b, Call{}, pieces(5)...)
		pass(time.Millisecond - 1)
		require.Empty(t, e.times())
		pass(1)
		require.Equal(t, []time.Duration{opts.Delay}, e.times())
		require.Equal(t, [][]int{{5, 5}}, e.sorted())

		// While the runner is busy the delay passes too: this one starts when it is free.
		send(b, Call{}, pieces(5)...)
		pass(995 * time.Millisecond)
		send(b, Call{}, pieces(6)...)
		pass(5 * time.Millisecond)
		require.Equal(t, []time.Duration{opts.Delay, opts.Delay + time.Second}, e.times())

		// What came shortly before a runner is free waits for what is left of its delay.
		pass(time.Second - 4*time.Millisecond)
		send(b, Call{}, pieces(7)...)
		pass(time.Second)
		require.Equal(t, 2*time.Second+16*time.Millisecond, e.times()[2])
		require.NoError(t, b.Close())
		require.Equal(t, opts.Delay, first.res.Queue)
	})
}

func TestDelayDoesNotHoldAFullBatch(t *testing.T) {
	for name, sizes := range map[string][]int{"items": {1, 1, 1}, "cost": {500, 500}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine()
				opts := options()
				opts.Delay, opts.MaxItems = time.Minute, 3
				b := start(t, e, opts)
				a := send(b, Call{}, pieces(sizes...)...)
				pass(time.Second)
				require.True(t, a.done)
				require.Equal(t, []time.Duration{0}, e.at)
				require.NoError(t, b.Close())
			})
		})
	}
}

func TestCloseDoesNotWaitForTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		opts := options()
		opts.Delay = time.Hour
		b := start(t, e, opts)
		a := send(b, Call{}, pieces(5)...)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.NoError(t, a.err)
		require.Equal(t, []time.Duration{0}, e.at)
	})
}

func TestAbandonedDelayLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		opts := options()
		opts.Delay = time.Minute
		b := start(t, e, opts)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := sendUntil(ctx, b, Call{}, pieces(5)...)
		pass(30 * time.Second)
		require.ErrorIs(t, a.err, context.DeadlineExceeded)
		later := send(b, Call{}, pieces(5)...)
		pass(time.Hour)
		require.Equal(t, time.Minute+time.Second, later.took)
		require.NoError(t, b.Close())
	})
}

func TestQueueTimeoutWhileEveryRunnerIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.QueueTimeout = 300 * time.Millisecond
		b, e := queued(t, opts)
		a := send(b, Call{}, pieces(5, 5)...)
		require.Equal(t, 2, b.Stats().Items)
		pass(opts.QueueTimeout)
		require.ErrorIs(t, a.err, ErrQueueTimeout)
		require.Equal(t, opts.QueueTimeout, a.took)
		require.Equal(t, Stats{Running: 1}, b.Stats())
		require.NoError(t, b.Close())
		require.Equal(t, [][]int{{1}}, e.batches)
	})
}

func TestQueueTimeoutEndsWithTheFirstItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.QueueTimeout, opts.MaxItems = 1500*time.Millisecond, 1
		b, _ := queued(t, opts)
		a := send(b, Call{}, pieces(5, 5, 5)...)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.NoError(t, a.err)
		require.Equal(t, Result[int]{Values: []int{0, 10, 20}, Queue: 3 * time.Second, Run: 3 * time.Second}, a.res)
	})
}

func TestQueueTimeoutAtTheMomentOfThePick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.QueueTimeout = time.Second
		b, e := queued(t, opts)
		a := send(b, Call{}, pieces(5)...)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.ErrorIs(t, a.err, ErrQueueTimeout)
		require.Len(t, e.batches, 1)
	})
}

func TestContextEndsTheWait(t *testing.T) {
	for name, want := range map[string]error{"deadline": context.DeadlineExceeded, "cancel": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, e := queued(t, options())
				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				if name == "cancel" {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(time.Second/2, cancel)
				}
				defer cancel()
				a := sendUntil(ctx, b, Call{}, pieces(5, 900)...)
				stays := send(b, Call{}, pieces(5)...)
				pass(time.Second / 2)
				require.ErrorIs(t, a.err, want)
				require.Equal(t, time.Second/2, a.took)
				require.Equal(t, 1, b.Stats().Items)
				require.Equal(t, 5, b.Stats().Cost)
				require.NoError(t, b.Close())
				synctest.Wait()
				require.NoError(t, stays.err)
				require.Equal(t, [][]int{{1}, {5}}, e.batches)
			})
		})
	}
}

func TestCallerLeavesARunningBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxItems = 2
		b, e := queued(t, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		leaves := sendUntil(ctx, b, Call{}, pieces(5, 5, 5)...) // two run from 1 s on, or one beside stays
		stays := send(b, Call{}, pieces(5)...)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.ErrorIs(t, leaves.err, context.DeadlineExceeded)
		require.Equal(t, 1500*time.Millisecond, leaves.took)
		require.NoError(t, stays.err)
		require.Equal(t, [][]int{{1}, {5, 5}}, e.batches) // the third was not computed
	})
}

func TestGoneIsAskedJustBeforeARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxItems = 3
		b, e := queued(t, opts)
		var asked atomic.Int32
		gone := func(is bool) func() bool {
			return func() bool {
				asked.Add(1)
				b.Stats() // would block if the lock were held
				return is
			}
		}
		left := send(b, Call{Tag: "a", Gone: gone(true)}, piece{5, 1}, piece{5, 2}, piece{5, 3}, piece{90, 4})
		here := send(b, Call{Tag: "b", Gone: gone(false)}, piece{5, 5}, piece{5, 6})
		behind := send(b, Call{Tag: "c"}, piece{5, 7}, piece{5, 8})
		pass(999 * time.Millisecond)
		require.Zero(t, asked.Load())
		pass(time.Millisecond)
		require.ErrorIs(t, left.err, context.Canceled)
		require.Equal(t, time.Second, left.took)
		require.Equal(t, 1, b.Stats().Items)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.NoError(t, here.err)
		require.NoError(t, behind.err)
		require.Equal(t, [][]int{{1}, {5, 5, 5}, {5}}, e.batches)
		for _, ids := range e.ids {
			require.NotContains(t, ids, 1)
		}
		require.Equal(t, []int{50, 60}, here.res.Values)
	})
}

func TestGoneCompanionLeavesTheAnchorItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxItems = 2
		b, e := queued(t, opts)
		anchor := send(b, Call{Tag: "a"}, piece{50, 1}, piece{1, 2})
		send(b, Call{Tag: "b", Gone: func() bool { return true }}, piece{50, 3}, piece{10, 4})
		other := send(b, Call{Tag: "c"}, piece{10, 5})
		require.NoError(t, b.Close())
		synctest.Wait()
		require.Equal(t, [][]int{{0}, {1}, {5}, {2}}, e.ids)
		require.NoError(t, anchor.err)
		require.NoError(t, other.err)
	})
}

func TestEveryCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := queued(t, options())
		for range 3 {
			send(b, Call{Gone: func() bool { return true }}, pieces(4, 5)...)
		}
		pass(time.Second)
		require.Equal(t, 0, b.Stats().Items)
		require.Equal(t, 0, b.Stats().Running)
		a := send(b, Call{}, pieces(3)...)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.NoError(t, a.err)
		require.Equal(t, [][]int{{1}, {3}}, e.batches)
	})
}

// The number of runners changes while batches run: fewer keep what waits in the queue, more
// take it up at once.
func TestRunnersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.Runners, opts.MaxItems = 2, 1
		e := newEngine()
		b := start(t, e, opts)
		one, two, three := send(b, Call{}, piece{5, 1}), send(b, Call{}, piece{5, 2}), send(b, Call{}, piece{5, 3})
		b.SetRunners(1)
		pass(time.Second)
		require.True(t, one.done && two.done, "what runs goes on")
		require.Equal(t, 1, b.Stats().Running)
		four := send(b, Call{}, piece{5, 4})
		b.SetRunners(0)
		pass(time.Second)
		require.True(t, three.done)
		require.False(t, four.done)
		require.Equal(t, 1, b.Stats().Items)
		pass(time.Hour)
		b.SetRunners(2)
		pass(time.Second)
		require.Equal(t, time.Hour+2*time.Second, four.took)
		require.NoError(t, b.Close())
		require.Equal(t, [][]int{{1}, {2}, {3}, {4}}, e.ids)
	})
}

// Without a runner Close refuses what waits, whichever comes first.
func TestCloseWithoutARunnerRefuses(t *testing.T) {
	for name, end := range map[string]func(*Batcher[piece, int]){
		"runners go, then Close": func(b *Batcher[piece, int]) { b.SetRunners(0); _ = b.Close() },
		"Close, then runners go": func(b *Batcher[piece, int]) { go func() { _ = b.Close() }(); synctest.Wait(); b.SetRunners(0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := queued(t, options())
				waiting := send(b, Call{}, piece{5, 1}, piece{50, 2})
				end(b)
				synctest.Wait()
				require.ErrorIs(t, waiting.err, ErrClosed)
				require.Zero(t, b.Stats().Items)
				pass(time.Second)
				require.NoError(t, b.Close())
			})
		})
	}
}
