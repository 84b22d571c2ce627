// Package batcher lets many callers share runs of a function that works on batches.
//
// It knows neither tokens, tensors, HTTP, logs nor metrics: an item is anything that has a
// size, and the cost of a batch is that of padding its items to the longest.
package batcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// RunFunc computes a batch: exactly one result for each item, in order. It is called on a
// runner's goroutine and has to return soon after ctx ends: until it does, its runner is
// occupied and Close waits. It may panic. Items and results are its own; the slice of items
// is not used again.
type RunFunc[T, R any] func(ctx context.Context, items []T) ([]R, error)

// Batcher gathers the items of concurrent callers into batches.
//
// A batch is formed at the moment a runner is free and never earlier, under the lock, which is
// held for nothing else but admission and the end of a caller. There is no worker that waits
// on a channel and no batch that fills up beforehand: in that usual design an item's place is
// fixed when it arrives, a large caller blocks all that come behind it, an early batch is cut
// while it is small, a caller that has left is found out when its turn comes, and lengths meet
// by chance. Here what waits stays in an index, and every pick sees all of it.
//
// What holds:
//   - All items of a caller are admitted, or none. One that can clearly not be answered before
//     its context ends is refused at once.
//   - Do returns within its context and the queue timeout whatever the runners do. What a
//     caller abandons leaves the queue at once, and is not computed unless it runs already.
//   - Each item is computed once; twice if the first run failed, for a reason that may have
//     been another's: a failed batch of several callers is repeated caller by caller, and one
//     out of memory in two halves. A run that outlasted its limit is not repeated.
//   - A result goes to the caller whose item it was computed from and to its place.
//   - No batch is above MaxItems or MaxCost, save an item that alone is above MaxCost.
//   - Padding is at most PaddingShare of a batch.
//   - Callers take turns, tag by tag: a caller waits for a turn of each tag before it, not for
//     their items. An aged item is reached after at most two batches for each older item.
//   - Every goroutine is a runner, is started only when there is work, ends when there is none,
//     and has ended when Close returns.
type Batcher[T, R any] struct {
	run  RunFunc[T, R]
	opts Options[T]

	runners sync.WaitGroup

	mu       sync.Mutex
	queue    queue
	meter    meter
	capacity capacity
	lates    uint64 // callers refused because they would be too late
	allowed  int    // runners that may exist; Options.Runners until SetRunners
	runnerN  int    // runners that exist
	closed   bool
	timer    *time.Timer // nil without Delay; starts a runner when the delay has passed
}

// New makes a batcher for run.
func New[T, R any](run RunFunc[T, R], opts Options[T]) (*Batcher[T, R], error) {
	opts, err := opts.withDefaults()
	if run == nil {
		err = errors.Join(errors.New("batcher: the run function is nil"), err)
	}
	if err != nil {
		return nil, err
	}
	b := &Batcher[T, R]{run: run, opts: opts, allowed: opts.Runners, queue: newQueue(opts.limits())}
	if opts.Delay > 0 {
		b.timer = time.AfterFunc(opts.Delay, b.wake)
		b.timer.Stop()
	}
	return b, nil
}

// Call says who calls.
type Call struct {
	// Tag groups callers: tags take turns, whatever their number of callers.
	Tag string
	// Gone, when not nil, reports that nobody waits for the results any more. It is asked on a
	// runner, just before a run that would hold the caller's items, and without the lock; it
	// must be quick and not panic, and may be asked after Do has returned.
	Gone func() bool
}

// Result answers a Do.
type Result[R any] struct {
	// Values has one entry for each item, in order.
	Values []R
	// Queue is the longest wait of an item before its run started.
	Queue time.Duration
	// Run is the time from the start of the first run to the end of the last.
	Run time.Duration
}

// job is what a caller brings and gets.
type job[T, R any] struct {
	caller *caller
	inputs []T
	values []R
}

// Do has items computed and returns their results, or the first failure. The error is one of
// this package's, the run function's, or wraps the error of ctx; it wraps context.Canceled when
// the call's Gone reported true. No items: no results, at once. What items refer to must not be
// changed, even after Do has returned early: a run may still read it.
func (b *Batcher[T, R]) Do(ctx context.Context, call Call, items []T) (Result[R], error) {
	if len(items) == 0 {
		return Result[R]{}, nil
	}
	if err := ctx.Err(); err != nil {
		return Result[R]{}, contextError(err)
	}
	sizes := make([]int, len(items))
	for i, it := range items {
		if sizes[i] = b.opts.Size(it); sizes[i] <= 0 {
			return Result[R]{}, fmt.Errorf("%w: item %d has %d", ErrSize, i, sizes[i])
		}
	}
	j := &job[T, R]{caller: newCaller(ctx, call, sizes), inputs: slices.Clone(items), values: make([]R, len(items))}
	j.caller.job = j
	if err := b.admit(j.caller); err != nil {
		return Result[R]{}, err
	}
	return b.wait(ctx, j)
}

// admit puts all of a caller's items in the queue or says why not.
func (b *Batcher[T, R]) admit(c *caller) error {
	cost := c.cost()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.closed {
		return ErrClosed
	}
	for _, l := range []struct {
		limit              Limit
		queued, asked, max int
	}{
		{LimitItems, b.queue.items, len(c.items), b.opts.MaxQueuedItems},
		{LimitCost, b.queue.cost, cost, b.opts.MaxQueuedCost},
	} {
		if l.asked > l.max {
			return &TooLargeError{Limit: l.limit, Asked: l.asked, Max: l.max}
		}
		if l.queued+l.asked > l.max {
			excess := float64(l.queued + l.asked - l.max)
			if l.limit == LimitItems {
				excess *= float64(b.queue.cost) / float64(b.queue.items)
			}
			return &QueueFullError{Limit: l.limit, Queued: l.queued, Asked: l.asked, Max: l.max, RetryAfter: b.drain(excess, now)}
		}
	}
	if err := b.tooLate(c, cost, now); err != nil {
		return err
	}
	b.queue.admit(c, cost, now, b.opts.QueueTimeout)
	b.dispatch()
	return nil
}

// wait returns when the job has ended; its own clock and context end it, whatever runs.
func (b *Batcher[T, R]) wait(ctx context.Context, j *job[T, R]) (Result[R], error) {
	c := j.caller
	var expired <-chan time.Time
	if b.opts.QueueTimeout > 0 {
		t := time.NewTimer(time.Until(c.expires))
		defer t.Stop()
		expired = t.C
	}
	for {
		select {
		case <-c.done:
			return j.result()
		case <-ctx.Done():
			b.abandon(c, contextError(ctx.Err()))
		case <-expired:
			b.expire(c)
			expired = nil
		}
	}
}

func (j *job[T, R]) result() (Result[R], error) {
	c := j.caller
	if c.failure != nil {
		return Result[R]{}, c.failure
	}
	return Result[R]{Values: j.values, Queue: c.longestWait, Run: c.lastEnd.Sub(c.firstStart)}, nil
}

func (b *Batcher[T, R]) abandon(c *caller, why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.end(c, why)
	b.queue.index.compact()
}

// expire ends c unless one of its items was started.
func (b *Batcher[T, R]) expire(c *caller) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.firstStart.IsZero() {
		b.queue.end(c, ErrQueueTimeout)
		b.queue.index.compact()
	}
}

// SetRunners changes how many batches may run at the same time, from now on: those that run
// go on. With 0, what waits stays in the queue; after Close it is refused.
func (b *Batcher[T, R]) SetRunners(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowed = max(n, 0)
	b.dispatch()
	b.refuse()
}

// Close refuses new callers, runs what was admitted, and returns when every runner has ended.
// Where no runner is allowed, what was admitted is refused too. It may be called several times
// and at once; each call waits. It has no error of its own.
func (b *Batcher[T, R]) Close() error {
	b.mu.Lock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	b.dispatch()
	b.refuse()
	b.mu.Unlock()
	b.runners.Wait()
	return nil
}

// refuse ends what waits after Close when nothing may run it. The lock is held.
func (b *Batcher[T, R]) refuse() {
	if !b.closed || b.allowed > 0 {
		return
	}
	for first := b.queue.byAge.first; first != nil; first = b.queue.byAge.first {
		b.queue.end(first.value, ErrClosed)
	}
	b.queue.index.compact()
}
