package batcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// dispatch starts runners for what waits, as many as are allowed and of use, or sees to it
// that the delay's end does. The lock is held.
func (b *Batcher[T, R]) dispatch() {
	idle := min(b.allowed-b.runnerN, b.queue.items)
	if idle <= 0 {
		return
	}
	if left := b.hold(time.Now()); left > 0 {
		b.timer.Reset(left)
		return
	}
	for range idle {
		b.runnerN++
		b.runners.Go(b.runner)
	}
}

// hold is how much longer what waits shall wait for company. A full batch needs none.
func (b *Batcher[T, R]) hold(now time.Time) time.Duration {
	if b.opts.Delay == 0 || b.closed || b.queue.items >= b.opts.MaxItems || b.queue.cost >= b.opts.MaxCost {
		return 0
	}
	return b.opts.Delay - b.queue.oldest(now)
}

// wake is called when a delay has passed.
func (b *Batcher[T, R]) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dispatch()
}

// runner runs batches until nothing is to be run.
func (b *Batcher[T, R]) runner() {
	for next := b.next(); next != nil; next = b.next() {
		b.execute(next)
	}
}

// next forms the batch to run now. When there is none, or a runner too many, the calling runner
// no longer counts: both happen under one lock, so that nothing is admitted unseen in between.
func (b *Batcher[T, R]) next() *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	var kept *ref
	for {
		now := time.Now()
		var picked *batch
		if kept != nil || (b.runnerN <= b.allowed && b.queue.items > 0 && b.hold(now) <= 0) {
			picked = b.queue.pick(now, kept)
		}
		if picked == nil {
			b.runnerN--
			b.dispatch()
			return nil
		}
		if b.vet(picked) {
			b.start(picked)
			return picked
		}
		kept = b.disband(picked)
	}
}

// vet asks the batch's callers whether they are gone, ends those that are, and reports whether
// all of them still wait. The lock is released while they are asked.
func (b *Batcher[T, R]) vet(picked *batch) bool {
	ended := func(c *caller) bool { return c.ended }
	if !slices.ContainsFunc(picked.callers, func(c *caller) bool { return c.gone != nil }) {
		return !slices.ContainsFunc(picked.callers, ended)
	}
	b.mu.Unlock()
	var gone []*caller
	for _, c := range picked.callers {
		if c.gone != nil && c.gone() {
			gone = append(gone, c)
		}
	}
	b.mu.Lock()
	for _, c := range gone {
		b.queue.end(c, errGone)
	}
	return !slices.ContainsFunc(picked.callers, ended)
}

// disband gives a batch back to the queue, less the items of ended callers, and keeps its
// anchor, whose turn it is, if that one still waits.
func (b *Batcher[T, R]) disband(picked *batch) (anchor *ref) {
	for i := len(picked.items) - 1; i >= 0; i-- {
		switch r := picked.items[i]; {
		case r.caller.ended:
		case i == 0:
			anchor = &r
		default:
			b.queue.giveBack(r)
		}
	}
	return anchor
}

// start records that the items of a batch no longer wait.
func (b *Batcher[T, R]) start(picked *batch) {
	now := time.Now()
	picked.started = now
	for _, c := range picked.callers {
		if c.firstStart.IsZero() {
			c.firstStart = now
		}
		c.longestWait = max(c.longestWait, now.Sub(c.admitted))
	}
	b.meter.start(now, picked.size)
	picked.full = b.full(picked)
}

// execute runs a batch and settles all of its items. What failed is repeated at most once.
func (b *Batcher[T, R]) execute(first *batch) {
	err := b.attempt(first)
	if err == nil {
		return
	}
	parts := first.parts(err)
	if len(parts) == 0 {
		b.fail(first, err)
	}
	for _, part := range parts {
		if again := b.remaining(part); again != nil {
			if err := b.attempt(again); err != nil {
				b.fail(again, err)
			}
		}
	}
}

// parts divides a failed batch into what is to be repeated; none when that is of no use.
func (b *batch) parts(err error) [][]ref {
	n := len(b.items)
	switch {
	case errors.Is(err, ErrRunTimeout):
		return nil
	case errors.Is(err, ErrOutOfMemory) && n > 1:
		return [][]ref{b.items[:n/2], b.items[n/2:]}
	case len(b.callers) == 1:
		return nil
	}
	own := make(map[*caller][]ref, len(b.callers))
	for _, r := range b.items {
		own[r.caller] = append(own[r.caller], r)
	}
	list := make([][]ref, len(b.callers))
	for i, c := range b.callers {
		list[i] = own[c]
	}
	return list
}

// remaining starts the repetition of those items whose callers still wait; nil when none does.
func (b *Batcher[T, R]) remaining(items []ref) *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vet(b.queue.batchOf(len(items), items...))
	items = slices.DeleteFunc(slices.Clone(items), func(r ref) bool { return r.caller.ended })
	if len(items) == 0 {
		return nil
	}
	again := b.queue.batchOf(len(items), items...)
	again.repeat = true
	again.started = time.Now()
	b.meter.start(again.started, again.size)
	return again
}

// attempt runs a batch once and, when that succeeds, hands out its results.
func (b *Batcher[T, R]) attempt(now *batch) error {
	inputs := make([]T, len(now.items))
	for i, r := range now.items {
		inputs[i] = r.caller.job.(*job[T, R]).inputs[r.at]
	}
	results, err := b.call(inputs)
	end := time.Now()
	if b.opts.OnRun != nil {
		b.opts.OnRun(now.stats(end, err))
	}
	if err == nil {
		for i, r := range now.items {
			r.caller.job.(*job[T, R]).values[r.at] = results[i]
		}
	}
	b.finish(now, end, err)
	return err
}

// call calls the run function within its limit. Results that come too late are results.
func (b *Batcher[T, R]) call(inputs []T) ([]R, error) {
	ctx := context.Background()
	if b.opts.RunTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.opts.RunTimeout)
		defer cancel()
	}
	results, err := b.protect(ctx, inputs)
	if err != nil && ctx.Err() != nil {
		// Not wrapped: the run's own context error would pass for the caller's.
		return nil, fmt.Errorf("%w of %s: %s", ErrRunTimeout, b.opts.RunTimeout, err.Error())
	}
	return results, err
}

// protect contains the run function's panic and counts its results.
func (b *Batcher[T, R]) protect(ctx context.Context, inputs []T) (results []R, err error) {
	defer func() {
		if v := recover(); v != nil {
			results, err = nil, &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	results, err = b.run(ctx, inputs)
	if err == nil && len(results) != len(inputs) {
		return nil, fmt.Errorf("%w: %d for %d items", ErrResultCount, len(results), len(inputs))
	}
	return results, err
}

// finish accounts for a run and ends the callers that have all of their results.
func (b *Batcher[T, R]) finish(done *batch, end time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meter.stop(end, done.size, !done.repeat)
	if err != nil {
		return
	}
	if done.full {
		b.capacity.learn(end, done.size, end.Sub(done.started))
	}
	for _, r := range done.items {
		c := r.caller
		c.lastEnd = end
		if c.open--; c.open == 0 {
			b.queue.end(c, nil)
		}
	}
}

// fail ends the callers of a batch; what still waits of them leaves the queue.
func (b *Batcher[T, R]) fail(failed *batch, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range failed.callers {
		b.queue.end(c, err)
	}
	b.queue.index.compact()
}
