package managed_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
)

func grouped(ids ...string) []managed.Spec {
	specs := make([]managed.Spec, len(ids))
	for i, id := range ids {
		specs[i] = with(spec(id), func(s *managed.Spec) { s.Group, s.StartWait = "g", 2*time.Minute })
	}
	return specs
}

func TestSwapInAGroup(t *testing.T) {
	virtual(t, settings(grouped("a", "b")...), ready(time.Second), func(r *rig) {
		for range 3 {
			r.use("a")
			r.use("b")
		}
		require.Equal(t, []string{"a", "b", "a", "b", "a", "b"}, r.engine.Started())
		require.Equal(t, []string{"swapped a for b", "swapped b for a", "swapped a for b", "swapped b for a", "swapped a for b"}, r.heard("swapped"))
		require.Empty(t, r.heard("crashed"))
	})
}

func TestSwapWaitsForWhatIsInFlight(t *testing.T) {
	virtual(t, settings(grouped("a", "b")...), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		begun := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			r.use("b")
			require.True(t, l.Lost())
			require.Equal(t, 40*time.Second, time.Since(begun)) // max_wait, and the drain's limit
		})
		time.Sleep(39 * time.Second)
		require.False(t, l.Lost())
		wg.Wait()
		l.Release()
	})
}

func TestRoomIsGivenBackWhenNobodyNeedsIt(t *testing.T) {
	virtual(t, settings(grouped("a", "b")...), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		time.Sleep(15 * time.Second)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = r.s.Acquire(ctx, "b", nil) })
		time.Sleep(11 * time.Second)
		require.Equal(t, "draining", r.state("a"))
		var waited time.Duration
		wg.Go(func() {
			begun := time.Now()
			r.use("a")
			waited = time.Since(begun)
		})
		cancel() // b stays wanted for 35 s, more than the drain takes
		synctest.Wait()
		require.NoError(t, r.s.Unload(context.Background(), "b"))
		wg.Wait()
		require.Zero(t, waited)
		require.False(t, l.Lost())
		l.Release()
	})
}

func TestFiftyRequestsToThreeModelsInOneGroup(t *testing.T) {
	virtual(t, settings(grouped("a", "b", "c")...), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Create: 500 * time.Millisecond, Ready: 2 * time.Second, StopTakes: time.Second}
	}, func(r *rig) {
		var wg sync.WaitGroup
		var answered atomic.Int64
		begun := time.Now()
		for i := range 50 {
			wg.Go(func() {
				l, err := r.acquire(string(rune('a' + i%3)))
				require.NoError(t, err)
				time.Sleep(100 * time.Millisecond)
				require.False(t, l.Lost())
				l.Release()
				answered.Add(1)
			})
		}
		wg.Wait()
		require.EqualValues(t, 50, answered.Load())
		require.Len(t, r.engine.Started(), 3)
		require.Len(t, r.heard("swapped"), 2)
		t.Logf("%d requests answered in %v; starts %v; swaps %q", answered.Load(), time.Since(begun), r.engine.Started(), r.heard("swapped"))
	})
}
