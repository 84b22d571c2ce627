package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errBad = errors.New("bad row")

// failsOn fails runs that hold the piece 13.
func failsOn13(fail func() error) func(context.Context, int, []piece) error {
	return func(_ context.Context, _ int, items []piece) error {
		if slices.ContainsFunc(items, func(p piece) bool { return p.id == 13 }) {
			return fail()
		}
		return nil
	}
}

func TestOneBadRowHarmsNobodyElse(t *testing.T) {
	for name, tc := range map[string]struct {
		fail func() error
		want error
	}{
		"error": {func() error { return errBad }, errBad},
		"panic": {func() error { panic("boom") }, ErrPanic},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, e := queued(t, options())
				e.hook = failsOn13(tc.fail)
				good := send(b, Call{}, piece{5, 1}, piece{5, 2})
				bad := send(b, Call{}, piece{5, 13}, piece{90, 14})
				fine := send(b, Call{}, piece{5, 3})
				require.NoError(t, b.Close())
				synctest.Wait()
				require.ErrorIs(t, bad.err, tc.want)
				require.Equal(t, []int{10, 20}, good.res.Values)
				require.Equal(t, []int{30}, fine.res.Values)
				require.Equal(t, 2*time.Second, good.res.Queue+good.res.Run)
				require.Equal(t, [][]int{{0}, {1, 13, 3, 2}, {1, 2}, {13}, {3}}, e.ids)
			})
		})
	}
}

func TestPanicErrorTellsWhere(t *testing.T) {
	b, err := New(func(context.Context, []piece) ([]int, error) { panic(errBad) }, options())
	require.NoError(t, err)
	_, err = b.Do(t.Context(), Call{}, pieces(1))
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.ErrorIs(t, err, errBad)
	require.Equal(t, errBad, p.Value)
	require.Contains(t, string(p.Stack), "TestPanicErrorTellsWhere")
	require.NoError(t, b.Close())
}

func TestFailureOfOneCallerCancelsItsSiblings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.MaxItems = 2
		b, e := queued(t, opts)
		e.hook = failsOn13(func() error { return errBad })
		a := send(b, Call{}, piece{5, 13}, piece{5, 1}, piece{5, 2}, piece{5, 3})
		time.Sleep(time.Second)
		synctest.Wait()
		require.ErrorIs(t, a.err, errBad)
		require.Equal(t, 0, b.Stats().Items)
		require.NoError(t, b.Close())
		require.Equal(t, [][]int{{0}, {13, 1}}, e.ids)
	})
}

func TestWrongNumberOfResults(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		b, err := New(func(context.Context, []piece) ([]int, error) { return make([]int, n), nil }, options())
		require.NoError(t, err)
		_, err = b.Do(t.Context(), Call{}, pieces(1, 1))
		require.ErrorIs(t, err, ErrResultCount)
		require.ErrorContains(t, err, fmt.Sprintf("%d for 2 items", n))
		require.NoError(t, b.Close())
	}
}

func TestOutOfMemoryHalvesOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		fits    int
		batches [][]int
		bad     []int // indices of callers that fail
	}{
		"halves fit": {2, [][]int{{0}, {1, 2, 3, 4}, {1, 2}, {3, 4}}, nil},
		"one half":   {1, [][]int{{0}, {1, 2, 3}, {1}, {2, 3}}, []int{1, 2}},
		"nothing":    {0, [][]int{{0}, {1, 2}, {1}, {2}}, []int{0, 1}},
		"one alone":  {0, [][]int{{0}, {1}}, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, e := queued(t, options())
				e.hook = func(_ context.Context, _ int, items []piece) error {
					if len(items) > tc.fits {
						return fmt.Errorf("engine: %w", ErrOutOfMemory)
					}
					return nil
				}
				callers := make([]*answer, len(tc.batches[1]))
				for i := range callers {
					callers[i] = send(b, Call{}, piece{5, i + 1})
				}
				require.NoError(t, b.Close())
				synctest.Wait()
				for i, a := range callers {
					if slices.Contains(tc.bad, i) {
						require.ErrorIs(t, a.err, ErrOutOfMemory)
					} else {
						require.Equal(t, []int{10 * (i + 1)}, a.res.Values)
					}
				}
				require.Equal(t, tc.batches, e.ids)
			})
		})
	}
}

func TestRepetitionLeavesOutWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := queued(t, options())
		e.hook = func(_ context.Context, n int, _ []piece) error {
			if n == 1 {
				time.Sleep(time.Second)
				return errBad
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		left := sendUntil(ctx, b, Call{}, piece{5, 1})
		gone := send(b, Call{Gone: func() bool { return time.Since(e.began) > time.Second }}, piece{5, 2})
		stays := send(b, Call{}, piece{5, 3})
		require.NoError(t, b.Close())
		synctest.Wait()
		require.ErrorIs(t, left.err, context.DeadlineExceeded)
		require.ErrorIs(t, gone.err, context.Canceled)
		require.Equal(t, []int{30}, stays.res.Values)
		require.Equal(t, [][]int{{0}, {1, 2, 3}, {3}}, e.ids)
	})
}

func TestRunTimeoutIsNotRepeated(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"error": func(ctx context.Context) error { return fmt.Errorf("terminated: %w", ctx.Err()) },
		"oom":   func(context.Context) error { return ErrOutOfMemory },
		"panic": func(context.Context) error { panic("terminated") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := options()
				opts.RunTimeout = 2 * time.Second
				b, e := queued(t, opts)
				e.hook = func(ctx context.Context, n int, _ []piece) error {
					if n != 1 {
						return nil
					}
					<-ctx.Done()
					time.Sleep(time.Second) // it takes its time to stop
					return fail(ctx)
				}
				one, two := send(b, Call{}, piece{5, 1}), send(b, Call{}, piece{5, 2})
				time.Sleep(2 * time.Second)
				behind := send(b, Call{}, piece{5, 3})
				require.NoError(t, b.Close())
				synctest.Wait()
				for _, a := range []*answer{one, two} {
					require.ErrorIs(t, a.err, ErrRunTimeout)
					require.NotErrorIs(t, a.err, context.DeadlineExceeded)
					require.ErrorContains(t, a.err, "of 2s: ")
					require.Equal(t, 4*time.Second, a.took)
				}
				require.NoError(t, behind.err)
				require.Equal(t, [][]int{{0}, {1, 2}, {3}}, e.ids)
			})
		})
	}
}

func TestLateResultsAreResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := options()
		opts.RunTimeout = time.Second / 2
		b := start(t, newEngine(), opts)
		res, err := b.Do(t.Context(), Call{}, pieces(5))
		require.NoError(t, err)
		require.Equal(t, []int{0}, res.Values)
		require.NoError(t, b.Close())
	})
}

func TestDoReturnsWhileARunHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		release := make(chan struct{})
		e.hook = func(context.Context, int, []piece) error { <-release; return nil }
		opts := options()
		opts.RunTimeout, opts.QueueTimeout = time.Second, 5*time.Second
		b := start(t, e, opts)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		running := sendUntil(ctx, b, Call{}, pieces(5)...)
		waiting := send(b, Call{}, pieces(5)...)
		pass(time.Minute)
		require.ErrorIs(t, running.err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, running.took)
		require.ErrorIs(t, waiting.err, ErrQueueTimeout)
		require.Equal(t, 5*time.Second, waiting.took)
		close(release)
		require.NoError(t, b.Close())
	})
}
