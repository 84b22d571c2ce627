package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// failurePause keeps a server that refuses at once from being flooded: a worker whose call
// failed waits this long before the next.
const failurePause = 10 * time.Millisecond

// closed keeps concurrency calls in flight: each worker sends its next when it has the answer
// to its last. It finds the highest throughput; a server that stalls is sent less meanwhile,
// so latency under a given load is the open loop's to measure.
func (p phase) closed(ctx context.Context, l load) (*stats, error) {
	s := newStats()
	start := time.Now()
	end := start.Add(p.duration)
	var next atomic.Uint64
	next.Store(p.first)
	var workers sync.WaitGroup
	failures := make(chan error, p.concurrency)
	for range p.concurrency {
		workers.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				number := next.Add(1) - 1
				if p.calls > 0 && number >= p.first+p.calls {
					return
				}
				c, err := l.prepare(number)
				if err != nil {
					failures <- err
					return
				}
				sent := time.Now()
				r := l.send(ctx, c)
				record(ctx, s, c, r, sent)
				if r.err != nil {
					sleep(ctx, failurePause)
				}
			}
		})
	}
	workers.Wait()
	s.elapsed = time.Since(start)
	close(failures)
	return s, <-failures
}

// sleep returns early when the context ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
