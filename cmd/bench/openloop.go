package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// open sends calls at the times of a Poisson process, whether or not earlier ones are
// answered, as independent clients do. Latency counts from the time at which a call was meant
// to be sent: were it counted from the sending, a stall of the server or of this client would
// hide the very waiting that it causes.
//
// At most inFlight calls wait for their answers; an arrival beyond that is dropped and counted.
func (p phase) open(ctx context.Context, l load) (*stats, error) {
	s := newStats()
	arrivals := rand.New(rand.NewPCG(p.seed, ^p.first)) //nolint:gosec // reproducible on purpose
	start := time.Now()
	slots := make(chan struct{}, p.inFlight)
	var calls sync.WaitGroup
	var failure error
	intended := start
	for i := p.first; ; i++ {
		intended = intended.Add(time.Duration(arrivals.ExpFloat64() / p.rate * float64(time.Second)))
		if intended.Sub(start) >= p.duration {
			break
		}
		var c call
		if c, failure = l.prepare(i); failure != nil {
			break
		}
		sleep(ctx, time.Until(intended))
		if ctx.Err() != nil {
			break
		}
		select {
		case slots <- struct{}{}:
		default:
			s.drop()
			continue
		}
		meant := intended
		calls.Go(func() {
			defer func() { <-slots }()
			s.late(time.Since(meant))
			record(ctx, s, c, l.send(ctx, c), meant)
		})
	}
	calls.Wait()
	s.elapsed = time.Since(start)
	if ctx.Err() == nil && failure == nil {
		s.elapsed = max(s.elapsed, p.duration)
	}
	return s, failure
}
