package main

import (
	"context"
	"sync"
	"time"
)

// call is one request, encoded ahead of its sending so that no clock runs meanwhile.
type call struct {
	number uint64
	body   []byte
	items  int
	tokens int // intended
}

// reply says how a call ended. Done is when the last byte of the answer had come.
type reply struct {
	done       time.Time
	tokens     int // as the answer reports them; 0 where it does not
	dimensions int // 0: not looked at, or not an embedding
	stages     stages
	staged     bool // whether the answer says its stages
	kind       string
	err        error
}

// load makes and sends the calls of one workload to one server.
type load struct {
	prepare func(i uint64) (call, error)
	send    func(ctx context.Context, c call) reply
}

// phase is one stretch of load. It starts with call number first and ends when the duration is
// over and the calls then in flight are answered, or when the context ends.
type phase struct {
	duration    time.Duration
	concurrency int
	rate        float64
	inFlight    int
	seed, first uint64
	calls       uint64 // the closed loop ends after so many; 0: only with the duration
}

func (p phase) run(ctx context.Context, l load) (*stats, error) {
	if p.rate > 0 {
		return p.open(ctx, l)
	}
	return p.closed(ctx, l)
}

// record leaves out what the end of the context cut off: that is no failure of the server.
func record(ctx context.Context, s *stats, c call, r reply, since time.Time) {
	if r.err != nil && ctx.Err() != nil {
		return
	}
	s.record(c, r, r.done.Sub(since))
}

// withBackground runs the phase while the other load keeps one call in flight; it returns
// when both have ended.
func (p phase) withBackground(ctx context.Context, l load, background *load) (front, back *stats, err error) {
	if background == nil {
		front, err = p.run(ctx, l)
		return front, nil, err
	}
	behind, stop := context.WithCancel(ctx)
	defer stop()
	var done sync.WaitGroup
	var backErr error
	done.Go(func() {
		forever := phase{duration: time.Duration(1 << 62), concurrency: 1, seed: p.seed, first: p.first}
		back, backErr = forever.closed(behind, *background)
	})
	front, err = p.run(ctx, l)
	stop()
	done.Wait()
	if err == nil {
		err = backErr
	}
	return front, back, err
}
