package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// batchPoint is ONNX Runtime alone on one shape of batch, without padding.
type batchPoint struct {
	Length int     `json:"length"`
	Rows   int     `json:"rows"`
	Tokens float64 `json:"tokens_per_second"`
	Time   float64 `json:"run_ms"` // the fastest
}

// sessionPoint is ONNX Runtime alone on W3's best batches with several sessions at a time.
type sessionPoint struct {
	Sessions int     `json:"sessions"`
	Threads  int     `json:"threads_each"`
	Tokens   float64 `json:"tokens_per_second"`
}

const (
	sweepTime    = 300 * time.Millisecond // for one point
	slowestRun   = time.Second            // larger batches are left out once one takes this long
	largestBatch = 64 << 10               // tokens
	mostRows     = 256
	mostSessions = 4
)

var sweepLengths = []int{16, 64, 128, 256, 512, 1024, 2048, 4096, 8192}

// sweepBatches measures every length up to the model's, with rows doubling.
func (s *subject) sweepBatches(ctx context.Context, limit int) ([]batchPoint, error) {
	a, err := s.newAlone()
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.close() }()
	var out []batchPoint
	for _, length := range sweepLengths {
		if length > limit {
			break
		}
		for rows := 1; rows <= mostRows && rows*length <= largestBatch; rows *= 2 {
			took, err := a.shape(ctx, rows, length)
			if err != nil {
				return out, err
			}
			out = append(out, batchPoint{Length: length, Rows: rows, Time: 1000 * took.Seconds(), Tokens: float64(rows*length) / took.Seconds()})
			if took > slowestRun {
				break
			}
		}
	}
	return out, nil
}

// shape is the fastest of the runs that fit into a point's time.
func (a *alone) shape(ctx context.Context, rows, length int) (time.Duration, error) {
	items := make([]tokenizer.Encoding, rows)
	for i := range items {
		items[i] = tokenizer.Encoding{IDs: make([]uint32, length)}
		for j := range items[i].IDs {
			// Ids that every vocabulary has. What they stand for changes no time.
			items[i].IDs[j] = uint32(5 + (7*i+j)%50) //nolint:gosec // below 100
		}
	}
	batch := []inference.Batch{a.pad(items)}
	best := time.Duration(1<<63 - 1)
	for n, begin := 0, time.Now(); n < 2 || time.Since(begin) < sweepTime; n++ {
		took, err := a.run(ctx, batch)
		if err != nil {
			return 0, err
		}
		best = min(best, took)
	}
	return best, nil
}

// sweepSessions gives one to four sessions the same batches. On a CPU the sessions share the
// cores, since more threads than cores would only wait for each other.
func (s *subject) sweepSessions(ctx context.Context, p plan, o options) ([]sessionPoint, error) {
	a, err := s.newAlone()
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.close() }()
	n, err := p.tune(ctx, s, a, o.duration)
	if err != nil {
		return nil, err
	}
	in, err := p.texts(ctx, s, 0, n)
	if err != nil {
		return nil, err
	}
	batches := a.prepare(in.windows, a.budget)
	var out []sessionPoint
	for n := 1; n <= mostSessions; n++ {
		cfg := s.config
		if cfg.Provider == inference.ProviderCPU {
			cfg.Threads = max(min(cfg.Threads, runtime.GOMAXPROCS(0))/n, 1)
		}
		took, err := s.sessions(ctx, cfg, n, batches)
		if err != nil {
			return out, err
		}
		out = append(out, sessionPoint{Sessions: n, Threads: cfg.Threads, Tokens: float64(in.tokens) / took.Seconds()})
	}
	return out, nil
}

// sessions is the fastest of a few passes over the batches by n sessions.
func (s *subject) sessions(ctx context.Context, cfg inference.SessionConfig, n int, batches []inference.Batch) (time.Duration, error) {
	list := make([]inference.Session, 0, n)
	defer func() {
		for _, session := range list {
			_ = session.Close()
		}
	}()
	for range n {
		session, err := s.session(cfg)
		if err != nil {
			return 0, err
		}
		list = append(list, session)
	}
	best := time.Duration(1<<63 - 1)
	for range searchTries {
		took, err := pass(ctx, list, batches)
		if err != nil {
			return 0, err
		}
		best = min(best, took)
	}
	return best, nil
}

// pass runs each batch once, on whichever session is free.
func pass(ctx context.Context, sessions []inference.Session, batches []inference.Batch) (time.Duration, error) {
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, len(sessions))
	start := time.Now()
	for _, session := range sessions {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batches)); i = next.Add(1) - 1 {
				if _, err := session.Run(ctx, batches[i]); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(start)
	close(failures)
	return took, <-failures
}
