package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/workload"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// The systems, by the names they have in results.
const (
	systemEngine = "engine"
	systemAlone  = "ONNX Runtime alone"
	systemFIFO   = "FIFO of 8 (emulated)"
	systemHTTP   = "server over HTTP"
)

// round is one system's part in one round.
type round struct {
	elapsed time.Duration
	// latencies are those of requests; ONNX Runtime alone has them where it runs request by
	// request.
	latencies []time.Duration
	padded    int // tokens that were computed, padding included; 0: not known
}

// plan is one workload with its number of callers.
type plan struct {
	workload    workload.Workload
	concurrency int
	seed        uint64
}

// usualCallers is how many callers each workload has unless the flags say otherwise.
var usualCallers = map[string]int{"W1": 1, "W2": 4, "W3": 64, "W4": 1}

func (o *options) plan(s *subject, name string) (plan, error) {
	limit := s.model.Info().MaxLength
	if limit > workload.MixedClip && o.maxTokens == 0 {
		limit = workload.MixedClip
	}
	if o.maxTokens > 0 {
		limit = min(limit, o.maxTokens)
	}
	w, err := workload.For(name, workload.Shape{Documents: o.documents, Tokens: o.tokens, Max: limit})
	if err != nil {
		return plan{}, err
	}
	if !s.can(w.Task) {
		return plan{}, fmt.Errorf("%s: this model does not %s", w.Name, w.Task)
	}
	p := plan{workload: w, concurrency: o.concurrency, seed: o.seed}
	if p.concurrency == 0 {
		p.concurrency = usualCallers[strings.ToUpper(name)]
	}
	return p, nil
}

// set is what one round gives every system: requests, and the same as ids.
type set struct {
	requests []workload.Texts
	windows  [][]tokenizer.Encoding // what ONNX Runtime alone may see at once
	tokens   int
	items    int // texts or documents
}

// texts makes a round's requests; those of different rounds differ. With one caller a request
// is all that is known at once; with several ONNX Runtime alone is given all of them.
func (p plan) texts(ctx context.Context, s *subject, first uint64, n int) (set, error) {
	var out set
	var all []tokenizer.Encoding
	for i := range n {
		t := p.workload.Texts(p.seed, first+uint64(i)) //nolint:gosec // a count
		encodings, err := s.encode(ctx, t)
		if err != nil {
			return out, err
		}
		out.requests, out.items = append(out.requests, t), out.items+len(t.Items)
		for _, e := range encodings {
			out.tokens += e.Len()
		}
		if p.concurrency == 1 {
			out.windows = append(out.windows, encodings)
		} else {
			all = append(all, encodings...)
		}
	}
	if p.concurrency > 1 {
		out.windows = [][]tokenizer.Encoding{all}
	}
	return out, nil
}

func (s set) encodings() (all []tokenizer.Encoding) {
	for _, w := range s.windows {
		all = append(all, w...)
	}
	return all
}

// closedLoop answers every request with so many callers at a time.
func closedLoop(ctx context.Context, requests []workload.Texts, callers int, do func(context.Context, workload.Texts) error) (round, error) {
	out := round{latencies: make([]time.Duration, len(requests))}
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make(chan error, callers)
	start := time.Now()
	for range callers {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(requests)); i = next.Add(1) - 1 {
				sent := time.Now()
				if err := do(ctx, requests[i]); err != nil {
					failures <- err
					return
				}
				out.latencies[i] = time.Since(sent)
			}
		})
	}
	group.Wait()
	out.elapsed = time.Since(start)
	close(failures)
	return out, <-failures
}

// engineRound is a round of the engine, with what its batcher padded.
func (s *subject) engineRound(ctx context.Context, p plan, in set) (round, error) {
	s.takeRuns()
	r, err := closedLoop(ctx, in.requests, p.concurrency, s.do)
	r.padded = s.takeRuns().cost
	return r, err
}

// aloneRound runs the windows one after the other; each is laid out beforehand.
func (a *alone) aloneRound(ctx context.Context, in set) (round, error) {
	var out round
	prepared := make([][]inference.Batch, len(in.windows))
	for i := range in.windows {
		prepared[i] = a.prepare(in.windows[i:i+1], a.budget)
		out.padded += paddedTokens(prepared[i])
	}
	start := time.Now()
	for _, batches := range prepared {
		took, err := a.run(ctx, batches)
		if err != nil {
			return out, err
		}
		if len(in.windows) == len(in.requests) {
			out.latencies = append(out.latencies, took)
		}
	}
	out.elapsed = time.Since(start)
	return out, nil
}

func fifoRound(ctx context.Context, s *subject, a *alone, p plan, in set) (round, error) {
	f := newFIFO(s, a)
	r, err := closedLoop(ctx, in.requests, p.concurrency, f.do)
	f.close()
	r.padded = f.padded
	return r, err
}

// requestsFor is how many requests keep the systems busy for about the duration, given that
// some of them took so long.
func requestsFor(duration, took time.Duration, some, callers int) int {
	n := int(float64(some) * duration.Seconds() / max(took.Seconds(), 1e-6))
	// Several callers need several requests each, or the end of a round weighs too much.
	least := 3
	if callers > 1 {
		least = 6 * callers
	}
	return min(max(n, least), 20_000)
}

// tune searches for ONNX Runtime's best batches on requests that no round uses, and returns how
// many requests a round is to have. The search sees about half a round's worth.
func (p plan) tune(ctx context.Context, s *subject, a *alone, duration time.Duration) (requests int, err error) {
	first, err := p.texts(ctx, s, 1<<40, 1)
	if err != nil {
		return 0, err
	}
	took, err := a.fastest(ctx, a.prepare(first.windows, leastBudget))
	if err != nil {
		return 0, err
	}
	n := min(max(int(duration.Seconds()/2/took.Seconds()), 1), 2*p.concurrency)
	probe, err := p.texts(ctx, s, 1<<40, n)
	if err != nil {
		return 0, err
	}
	if took, err = a.search(ctx, probe.windows); err != nil {
		return 0, err
	}
	return requestsFor(duration, took, n, p.concurrency), nil
}

// comparison is the rounds of every system under one plan.
type comparison struct {
	plan   plan
	budget int
	sets   []set
	rounds map[string][]round
}

// system is one of those that take turns.
type system struct {
	name string
	run  func(set) (round, error)
}

// compare runs the rounds of the engine, of ONNX Runtime alone, and of what else is asked for.
// The systems take turns in going first.
func compare(ctx context.Context, s *subject, p plan, o options, others ...func(a *alone) system) (*comparison, error) {
	a, err := s.newAlone()
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.close() }()
	n, err := p.tune(ctx, s, a, o.duration)
	if err != nil {
		return nil, err
	}
	out := &comparison{plan: p, budget: a.budget, rounds: map[string][]round{}}
	systems := []system{
		{systemEngine, func(in set) (round, error) { return s.engineRound(ctx, p, in) }},
		{systemAlone, func(in set) (round, error) { return a.aloneRound(ctx, in) }},
	}
	for _, other := range others {
		systems = append(systems, other(a))
	}
	for k := range o.rounds {
		fmt.Fprintf(o.notes, "%s, %d callers: round %d of %d\n", p.workload.Name, p.concurrency, k+1, o.rounds)
		in, err := p.texts(ctx, s, uint64(k)<<20, n) //nolint:gosec // a count
		if err != nil {
			return nil, err
		}
		if err := out.round(systems, k, in); err != nil {
			return nil, fmt.Errorf("%s: %w", p.workload.Name, err)
		}
	}
	return out, nil
}

func (c *comparison) round(systems []system, k int, in set) error {
	c.sets = append(c.sets, in)
	for i := range systems {
		system := systems[(i+k)%len(systems)]
		r, err := system.run(in)
		if err != nil {
			return fmt.Errorf("%s: %w", system.name, err)
		}
		c.rounds[system.name] = append(c.rounds[system.name], r)
	}
	return nil
}

// withFIFO is the emulation as one of the systems.
func withFIFO(ctx context.Context, s *subject, p plan) func(a *alone) system {
	return func(a *alone) system {
		return system{systemFIFO, func(in set) (round, error) { return fifoRound(ctx, s, a, p, in) }}
	}
}
