package managed_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
)

// BenchmarkAcquire is what a request to a server that runs pays, beside 99 others.
func BenchmarkAcquire(b *testing.B) {
	b.Run("nobody waits", func(b *testing.B) { benchmarkAcquire(b, 0) })
	b.Run("ten wait for room", func(b *testing.B) { benchmarkAcquire(b, 10) })
}

func benchmarkAcquire(b *testing.B, waiting int) {
	engine := managedtest.NewEngine(b)
	defer engine.Close()
	var specs []managed.Spec
	for i := range 100 {
		specs = append(specs, with(spec(fmt.Sprint(i)), func(s *managed.Spec) {
			s.IdleTTL, s.StartWait = time.Hour, time.Hour
			if i <= waiting {
				s.Group, s.Pinned = "g", i == 0
			}
		}))
	}
	o := settings(specs...)
	o.MaxWait = time.Millisecond
	s := managed.New(managed.Options{Settings: o, Engine: engine, Prober: &managedtest.Prober{Engine: engine}})
	ctx, leave := context.WithCancel(context.Background())
	var waiters sync.WaitGroup
	for i, spec := range specs {
		if 0 < i && i <= waiting {
			waiters.Go(func() { _, _ = s.Acquire(ctx, spec.ID, nil) })
			continue
		}
		require.NoError(b, s.Load(ctx, spec.ID))
	}
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l, err := s.Acquire(ctx, specs[11+next.Add(1)%89].ID, nil)
			if err != nil {
				b.Error(err)
				return
			}
			l.Release()
		}
	})
	b.StopTimer()
	leave()
	waiters.Wait()
	require.NoError(b, s.Close(context.Background()))
}

// BenchmarkWait is what a request pays that waits for a server's room in vain, beside 99 others.
func BenchmarkWait(b *testing.B) {
	engine := managedtest.NewEngine(b)
	defer engine.Close()
	var specs []managed.Spec
	for i := range 100 {
		specs = append(specs, with(spec(fmt.Sprint(i)), func(s *managed.Spec) {
			s.StartWait = time.Millisecond
			if i < 2 {
				s.Group, s.Pinned = "g", i == 0
			}
		}))
	}
	s := managed.New(managed.Options{Settings: settings(specs...), Engine: engine, Prober: &managedtest.Prober{Engine: engine}})
	ctx := context.Background()
	for i, spec := range specs {
		if i != 1 {
			require.NoError(b, s.Load(ctx, spec.ID))
		}
	}
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Acquire(ctx, "1", nil); err == nil {
				b.Error("it is served")
				return
			}
		}
	})
	b.StopTimer()
	require.NoError(b, s.Close(ctx))
}
