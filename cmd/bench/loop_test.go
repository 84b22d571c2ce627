package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/measure"
)

// fake serves each call for as long as its function says, in virtual time.
type fake struct {
	mu      sync.Mutex
	numbers []uint64
	serve   func(ctx context.Context, c call) error
}

func (f *fake) load() load {
	return load{
		prepare: func(i uint64) (call, error) { return call{number: i, items: 1, tokens: 4}, nil },
		send: func(ctx context.Context, c call) reply {
			f.mu.Lock()
			f.numbers = append(f.numbers, c.number)
			f.mu.Unlock()
			if err := f.serve(ctx, c); err != nil {
				return reply{done: time.Now(), kind: "503", err: err}
			}
			return reply{done: time.Now()}
		},
	}
}

func lasting(d time.Duration) func(context.Context, call) error {
	return func(ctx context.Context, _ call) error {
		sleep(ctx, d)
		return ctx.Err()
	}
}

func TestClosedLoopKeepsItsConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{serve: lasting(100 * time.Millisecond)}
		s, err := phase{duration: time.Second, concurrency: 3, first: 7}.run(t.Context(), f.load())
		require.NoError(t, err)
		require.Equal(t, 30, s.requests)
		require.Equal(t, time.Second, s.elapsed)
		require.Equal(t, []time.Duration{100e6, 100e6}, s.percentiles(50, 99))
		require.ElementsMatch(t, []uint64{7, 8, 9}, f.numbers[:3])
	})
}

func TestClosedLoopWaitsForTheLastAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{serve: lasting(400 * time.Millisecond)}
		s, err := phase{duration: time.Second, concurrency: 1}.run(t.Context(), f.load())
		require.NoError(t, err)
		require.Equal(t, 3, s.requests)
		require.Equal(t, 1200*time.Millisecond, s.elapsed)
	})
}

func TestFailuresAreCountedAndSlowTheClosedLoopDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{serve: func(context.Context, call) error { return errors.New("full") }}
		s, err := phase{duration: time.Second, concurrency: 1}.run(t.Context(), f.load())
		require.NoError(t, err)
		require.Equal(t, map[string]int{"503": 100}, s.errors)
		require.EqualError(t, s.firstError, "full")
		require.Zero(t, s.requests)
	})
}

// A server that stalls for two seconds answers each call at once when it is back. Measured from
// the sending, one call would show the stall; all that were meant to come meanwhile must.
func TestOpenLoopMeasuresFromTheIntendedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &fake{serve: func(ctx context.Context, _ call) error {
			if at := time.Since(start); at > time.Second && at < 3*time.Second {
				sleep(ctx, 3*time.Second-at)
			}
			return nil
		}}
		s, err := phase{duration: 4 * time.Second, rate: 100, inFlight: 1000, seed: 1}.run(t.Context(), f.load())
		require.NoError(t, err)
		require.InDelta(t, 400, s.requests, 60)
		require.Zero(t, s.dropped)
		require.InDelta(t, 2000, measure.Milliseconds(s.max), 60)
		require.InDelta(t, 1000, measure.Milliseconds(s.percentiles(75)[0]), 250)
		require.Zero(t, s.percentiles(40)[0])
	})
}

// The client itself falls behind: making each call takes longer than calls are apart. What it
// is late is part of the latency, and is said.
func TestOpenLoopCountsTheClientsOwnDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := (&fake{serve: lasting(0)}).load()
		l.prepare = func(i uint64) (call, error) {
			time.Sleep(20 * time.Millisecond)
			return call{number: i}, nil
		}
		s, err := phase{duration: time.Second, rate: 100, inFlight: 10, seed: 1}.run(t.Context(), l)
		require.NoError(t, err)
		require.Greater(t, s.lag, 500*time.Millisecond)
		require.Equal(t, s.lag, s.max)
	})
}

func TestOpenLoopDropsBeyondItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{serve: lasting(10 * time.Second)}
		s, err := phase{duration: time.Second, rate: 50, inFlight: 4, seed: 1}.run(t.Context(), f.load())
		require.NoError(t, err)
		require.Equal(t, 4, s.requests)
		require.InDelta(t, 46, s.dropped, 20)
		require.Len(t, f.numbers, 4)
	})
}

func TestArrivalsAreReproducible(t *testing.T) {
	arrivals := func(seed uint64) (times []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var mu sync.Mutex
			f := &fake{serve: func(context.Context, call) error {
				mu.Lock()
				defer mu.Unlock()
				times = append(times, time.Since(start))
				return nil
			}}
			_, err := phase{duration: time.Second, rate: 30, inFlight: 9, seed: seed}.run(t.Context(), f.load())
			require.NoError(t, err)
		})
		return times
	}
	first := arrivals(1)
	require.NotEmpty(t, first)
	require.Equal(t, first, arrivals(1))
	require.NotEqual(t, first, arrivals(2))
}

func TestInterruptedCallsAreNoErrors(t *testing.T) {
	for _, p := range []phase{{concurrency: 2}, {rate: 20, inFlight: 9}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
			defer cancel()
			p.duration = time.Hour
			s, err := p.run(ctx, (&fake{serve: lasting(time.Second)}).load())
			require.NoError(t, err)
			require.Empty(t, s.errors)
			require.Positive(t, s.requests)
			require.Equal(t, 3500*time.Millisecond, s.elapsed)
		})
	}
}

func TestBackgroundLastsAsLongAsTheForeground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := (&fake{serve: lasting(300 * time.Millisecond)}).load()
		p := phase{duration: time.Second, concurrency: 1}
		front, back, err := p.withBackground(t.Context(), (&fake{serve: lasting(100 * time.Millisecond)}).load(), &behind)
		require.NoError(t, err)
		require.Equal(t, 10, front.requests)
		require.Equal(t, 3, back.requests)
		require.Empty(t, back.errors)
	})
}
