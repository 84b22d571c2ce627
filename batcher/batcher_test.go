package batcher

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNewReportsEveryProblemAtOnce(t *testing.T) {
	_, err := New(newEngine().run, Options[piece]{Runners: -1, Delay: -1, QueueTimeout: -1, Ageing: -1, RunTimeout: -1, PaddingShare: 1.5})
	for _, name := range []string{"Size", "Runners", "MaxItems", "MaxCost", "MaxQueuedItems", "MaxQueuedCost", "Delay", "QueueTimeout", "Ageing", "RunTimeout", "PaddingShare"} {
		require.ErrorContains(t, err, "batcher: "+name+" is ")
	}
	_, err = New[piece, int](nil, options())
	require.ErrorContains(t, err, "run function is nil")
}

func TestDoAnswersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, newEngine(), options())
		res, err := b.Do(t.Context(), Call{}, pieces(5, 3, 900, 4, 5, 1200, 3))
		require.NoError(t, err)
		require.Equal(t, []int{0, 10, 20, 30, 40, 50, 60}, res.Values)
		require.NoError(t, b.Close())
	})
}

func TestDoRefusesWhatIsNoItem(t *testing.T) {
	e := newEngine()
	b := start(t, e, options())
	res, err := b.Do(t.Context(), Call{}, nil)
	require.NoError(t, err)
	require.Empty(t, res.Values)

	_, err = b.Do(t.Context(), Call{}, pieces(1, 0))
	require.ErrorIs(t, err, ErrSize)
	require.ErrorContains(t, err, "item 1 has 0")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Do(ctx, Call{}, pieces(1))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, b.Close())
	require.Empty(t, e.batches)
}

func TestFreeRunnerTakesWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		b := start(t, e, options())
		one := send(b, Call{}, piece{7, 1})
		two, three := send(b, Call{}, piece{7, 2}), send(b, Call{}, piece{7, 3})
		require.Equal(t, 1, b.Stats().Running)
		require.Equal(t, 2, b.Stats().Items)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.Equal(t, [][]int{{1}, {2, 3}}, e.ids)
		require.Equal(t, []time.Duration{0, time.Second}, e.at)
		require.Equal(t, Result[int]{Values: []int{10}, Queue: 0, Run: time.Second}, one.res)
		require.Equal(t, Result[int]{Values: []int{20}, Queue: time.Second, Run: time.Second}, two.res)
		require.Equal(t, 2*time.Second, three.took)
	})
}

func TestRunnersRunAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		opts := options()
		opts.Runners, opts.MaxItems = 3, 2
		b := start(t, e, opts)
		a := send(b, Call{}, pieces(1, 1, 1, 1, 1, 1, 1)...)
		require.Equal(t, Stats{Items: 1, Cost: 1, Running: 3}, b.Stats())
		require.NoError(t, b.Close())
		synctest.Wait()
		require.Equal(t, []time.Duration{0, 0, 0, time.Second}, e.at)
		require.Equal(t, Result[int]{Values: []int{0, 10, 20, 30, 40, 50, 60}, Queue: time.Second, Run: 2 * time.Second}, a.res)
	})
}

func TestAdmissionIsAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxQueuedItems, opts.MaxQueuedCost = 4, 100
		b, e := queued(t, opts)
		waits := send(b, Call{}, pieces(30, 30)...)
		before := b.Stats()

		var full *QueueFullError
		a := send(b, Call{}, pieces(1, 1, 1)...)
		require.True(t, a.done)
		require.ErrorIs(t, a.err, ErrQueueFull)
		require.ErrorAs(t, a.err, &full)
		require.Equal(t, QueueFullError{Limit: LimitItems, Queued: 2, Asked: 3, Max: 4, RetryAfter: time.Second}, *full)
		require.ErrorContains(t, a.err, "MaxQueuedItems is 4")

		a = send(b, Call{}, pieces(41)...)
		require.ErrorAs(t, a.err, &full)
		require.Equal(t, QueueFullError{Limit: LimitCost, Queued: 60, Asked: 41, Max: 100, RetryAfter: time.Second}, *full)
		require.ErrorContains(t, a.err, "MaxQueuedCost is 100")

		var large *TooLargeError
		a = send(b, Call{}, pieces(1, 1, 1, 1, 1)...)
		require.ErrorIs(t, a.err, ErrTooLarge)
		require.ErrorAs(t, a.err, &large)
		require.Equal(t, TooLargeError{Limit: LimitItems, Asked: 5, Max: 4}, *large)
		a = send(b, Call{}, pieces(50, 51)...)
		require.ErrorAs(t, a.err, &large)
		require.Equal(t, TooLargeError{Limit: LimitCost, Asked: 101, Max: 100}, *large)
		require.NotErrorIs(t, a.err, ErrQueueFull)

		require.Equal(t, before, b.Stats())
		fits := send(b, Call{}, pieces(20, 20)...)
		require.NoError(t, b.Close())
		synctest.Wait()
		require.NoError(t, waits.err)
		require.NoError(t, fits.err)
		require.Equal(t, [][]int{{1}, {20, 30, 30}, {20}}, e.sorted())
	})
}

func TestRetryAfterAndWaitFollowTheDrainRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxItems, opts.MaxQueuedItems, opts.MaxQueuedCost = 1, 10, 1000
		e := newEngine()
		b := start(t, e, opts)
		require.Zero(t, b.Stats().Rate)
		for range 3 { // 50 a second
			_, err := b.Do(t.Context(), Call{}, pieces(50))
			require.NoError(t, err)
			time.Sleep(time.Minute) // idle time is not counted
		}
		require.InDelta(t, 50, b.Stats().Rate, 1e-9)
		require.Zero(t, b.Stats().Wait)

		send(b, Call{}, pieces(50)...)
		send(b, Call{}, pieces(100, 100, 100)...)
		time.Sleep(time.Second / 4)
		require.Equal(t, Stats{Items: 3, Cost: 300, Oldest: time.Second / 4, Running: 1, Rate: b.Stats().Rate, Wait: 6750 * time.Millisecond}, b.Stats())

		var full *QueueFullError
		require.ErrorAs(t, send(b, Call{}, pieces(800)...).err, &full)
		require.Equal(t, 2*time.Second, full.RetryAfter) // 100 too much
		require.ErrorAs(t, send(b, Call{}, pieces(1, 1, 1, 1, 1, 1, 1, 1)...).err, &full)
		require.Equal(t, 2*time.Second, full.RetryAfter) // 1 item of 100 too many
		require.NoError(t, b.Close())
	})
}

func TestRateCountsTheTimeOfSeveralRunnersOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.Runners, opts.MaxItems = 2, 1
		b := start(t, newEngine(), opts)
		_, err := b.Do(t.Context(), Call{}, pieces(30, 30, 30, 30))
		require.NoError(t, err)
		require.InDelta(t, 60, b.Stats().Rate, 5) // the later of two at the same instant weighs a little more
		require.NoError(t, b.Close())
	})
}

func TestOnRunTellsOfEveryRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []RunStats
		opts := options()
		opts.OnRun = func(s RunStats) { told = append(told, s) }
		b, e := queued(t, opts)
		bad := errors.New("bad row")
		e.hook = func(_ context.Context, _ int, items []piece) error {
			for _, p := range items {
				if p.id == 13 {
					return bad
				}
			}
			return nil
		}
		send(b, Call{}, piece{20, 1}, piece{19, 2})
		time.Sleep(time.Second / 2)
		send(b, Call{}, piece{20, 13})
		require.NoError(t, b.Close())
		half := time.Second / 2
		require.Len(t, told, 4)
		require.Equal(t, RunStats{Items: 1, Callers: 1, Size: 1, Cost: 1, Queue: []time.Duration{0}, Run: time.Second}, told[0])
		require.Equal(t, RunStats{Items: 3, Callers: 2, Size: 59, Cost: 60, Queue: []time.Duration{2 * half, half, 2 * half}, Err: bad}, told[1])
		require.Equal(t, RunStats{Items: 2, Callers: 1, Size: 39, Cost: 40, Run: time.Second, Repeat: true}, told[2])
		require.Equal(t, RunStats{Items: 1, Callers: 1, Size: 20, Cost: 20, Repeat: true, Err: bad}, told[3])
	})
}

func TestCloseDrainsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxItems = 2
		b, e := queued(t, opts)
		waits := send(b, Call{}, pieces(5, 5, 5, 5, 5)...)
		var closes sync.WaitGroup
		for range 3 {
			closes.Go(func() {
				require.NoError(t, b.Close())
				require.Equal(t, 4*time.Second, time.Since(e.began))
			})
		}
		synctest.Wait()
		late := send(b, Call{}, pieces(5)...)
		require.ErrorIs(t, late.err, ErrClosed)
		closes.Wait()
		synctest.Wait()
		require.NoError(t, waits.err)
		require.Equal(t, []int{0, 10, 20, 30, 40}, waits.res.Values)
		require.NoError(t, b.Close())
		_, err := b.Do(t.Context(), Call{}, pieces(1))
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestResultsAreThoseOfTheItemsThatWereGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := queued(t, options())
		ctx, cancel := context.WithCancel(t.Context())
		items := pieces(5, 5)
		sendUntil(ctx, b, Call{}, items...)
		cancel()
		synctest.Wait()
		items[0], items[1] = piece{}, piece{} // the caller has left, and its slice is its own again
		a := send(b, Call{}, piece{5, 7})
		require.NoError(t, b.Close())
		synctest.Wait()
		require.Equal(t, []int{70}, a.res.Values)
		require.Equal(t, [][]int{{0}, {7}}, e.ids)
	})
}
