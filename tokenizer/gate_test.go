package tokenizer

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachWorksOnEveryItemOnce(t *testing.T) {
	for _, slots := range []int{1, 2, 7} {
		for _, n := range []int{0, 1, 2, 100} {
			g := NewGate(slots)
			counts := make([]atomic.Int32, n)
			require.NoError(t, g.each(t.Context(), n, func(i int) error { counts[i].Add(1); return nil }))
			for i := range counts {
				require.EqualValues(t, 1, counts[i].Load())
			}
			require.Empty(t, g.slots)
			require.Zero(t, g.waiting.Load())
		}
	}
	require.Equal(t, runtime.GOMAXPROCS(0), cap(NewGate(0).slots))
}

// A lone request spreads over all slots: 8 items of 1 s in 4 slots take 2 s.
func TestEachBorrowsFreeSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.NoError(t, NewGate(4).each(t.Context(), 8, func(int) error { time.Sleep(time.Second); return nil }))
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}

func TestTheGateBoundsAllRequestsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(3)
		var now, most atomic.Int32
		start := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := g.each(t.Context(), 30, func(int) error {
					if n := now.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(time.Second)
					now.Add(-1)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 3, most.Load())
		require.LessOrEqual(t, time.Since(start), 101*time.Second, "300 s of work in 3 slots: none stands empty for more than an item")
		require.Empty(t, g.slots)
	})
}

// A request of one item that comes while another of 1,000 has all slots waits for one item.
func TestASmallRequestIsNotHeldUp(t *testing.T) {
	for _, slots := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			g := NewGate(slots)
			second := func(int) error { time.Sleep(time.Second); return nil }
			var large sync.WaitGroup
			large.Go(func() {
				if err := g.each(t.Context(), 1000, second); err != nil {
					t.Error(err)
				}
			})
			time.Sleep(10500 * time.Millisecond)
			start := time.Now()
			require.NoError(t, g.each(t.Context(), 1, second))
			require.Equal(t, 1500*time.Millisecond, time.Since(start))
			large.Wait()
		})
	}
}

func TestWaitingForASlotEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		require.True(t, g.tryAcquire())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := g.each(ctx, 5, func(int) error { t.Error("must not work"); return nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.Zero(t, g.waiting.Load())
		g.release()
		require.NoError(t, g.each(t.Context(), 1, func(int) error { return nil }), "the slot is free again")
	})
}

func TestEachReturnsTheErrorOfTheLowestIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(4)
		errLow, errHigh := errors.New("low"), errors.New("high")
		var begun atomic.Int32
		err := g.each(t.Context(), 100, func(i int) error {
			begun.Add(1)
			switch i {
			case 4:
				time.Sleep(5 * time.Second)
				return errLow
			case 6:
				return errHigh
			}
			time.Sleep(time.Second)
			return nil
		})
		require.ErrorIs(t, err, errLow)
		require.LessOrEqual(t, begun.Load(), int32(8), "nothing is begun after a failure")
		require.Empty(t, g.slots)
	})
}

func TestEachReturnsWhenItsGoroutinesAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var now atomic.Int32
		err := NewGate(4).each(ctx, 100, func(i int) error {
			now.Add(1)
			time.Sleep(time.Duration(i+1) * time.Second)
			now.Add(-1)
			return nil
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, now.Load())
	})
}

func TestAPanicReachesTheCallerAndFreesTheSlots(t *testing.T) {
	g := NewGate(4)
	work := func(i int) error {
		if i == 7 {
			panic("a broken invariant")
		}
		return nil
	}
	func() {
		defer func() {
			p := recover()
			require.Contains(t, p, "a broken invariant")
			require.Contains(t, p, "gate_test.go", "the stack is that of the panic")
		}()
		_ = g.each(t.Context(), 100, work)
		t.Error("must panic")
	}()
	require.Empty(t, g.slots)
}

func TestManyRequestsAtOnce(t *testing.T) {
	tok := newFake(t, bertProcessor, 16, &fakeEncoder{})
	var wg sync.WaitGroup
	for r := range 16 {
		wg.Go(func() {
			for n := range 50 {
				from := r*10_000 + n*100
				documents := []string{wordText(from, 3), wordText(from+10, 5), wordText(from+20, 400)}
				got, err := tok.Pairs(t.Context(), wordText(from+50, 2), documents, Truncation{})
				if err != nil || len(got) != 3 || got[1].IDs[4] != uint32(from+10) || !got[2].Truncated {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
