package batcher

import (
	"math"
	"time"
)

// A caller is refused at once when what is ahead of it takes clearly longer than its context
// leaves: so many times as long, and somewhat more. For a caller of a batch or more the forecast
// is a lower bound but for noise. One that asks for less may be lucky: its items may join a batch
// that begins soon, beside others of their length, so that its wait is anything up to its turn.
// With these numbers, under loads of up to three times what can be done and sizes of every kind,
// less than one in a hundred is refused of those that would have been answered in time, and a
// quarter of those that would not (TestForesight).
const (
	clearlyLarge = 1.5
	clearlySmall = 6.0
	clearlyMore  = 50 * time.Millisecond
)

const (
	// enoughRuns have to be seen before anything is foretold.
	enoughRuns = 5
	// capacityForgets is how long what was seen is believed. A forecast that is too dark keeps
	// away those whose runs would correct it.
	capacityForgets = 30 * time.Second
)

// capacity measures how much size one runner runs a second while it has all that it can take.
// The meter's rate is no measure of that: batches are small as long as little is asked.
type capacity struct {
	runs       int
	last       time.Time
	size, busy float64 // both decay by busy time
}

// learn counts a run of a batch that was full, or left others waiting.
func (c *capacity) learn(now time.Time, size int, took time.Duration) {
	if now.Sub(c.last) > capacityForgets {
		*c = capacity{}
	}
	keep := math.Exp(-took.Seconds() / meterMemory.Seconds())
	c.size = c.size*keep + float64(size)
	c.busy = c.busy*keep + took.Seconds()
	c.runs++
	c.last = now
}

// rate is in size a second; 0 when unknown.
func (c *capacity) rate(now time.Time) float64 {
	if c.runs < enoughRuns || c.busy <= 0 || now.Sub(c.last) > capacityForgets {
		return 0
	}
	return c.size / c.busy
}

// full reports whether a batch that was picked says something of the capacity. The lock is held.
func (b *Batcher[T, R]) full(picked *batch) bool {
	return b.queue.items > 0 || 2*picked.cost() >= b.opts.MaxCost || 2*len(picked.items) >= b.opts.MaxItems
}

// rate is the size that can be run a second; 0 when unknown. The lock is held.
func (b *Batcher[T, R]) rate(now time.Time) float64 {
	return b.capacity.rate(now) * float64(b.allowed)
}

// drain is how long it takes to run size, by the capacity or, while that is unknown, the meter.
// The lock is held.
func (b *Batcher[T, R]) drain(size float64, now time.Time) time.Duration {
	if r := b.rate(now); r > 0 {
		return seconds(size / r)
	}
	return b.meter.drain(size)
}

func seconds(s float64) time.Duration {
	return time.Duration(min(math.Round(s*float64(time.Second)), math.MaxInt64/2))
}

// tooLate fails when a caller that comes now can clearly not be answered before its context
// ends. The lock is held.
func (b *Batcher[T, R]) tooLate(c *caller, cost int, now time.Time) error {
	rate := b.rate(now)
	if c.deadline.IsZero() || rate <= 0 {
		return nil
	}
	left := c.deadline.Sub(now)
	running := 0.0
	if b.runnerN >= b.allowed {
		running = max(float64(b.meter.inFlight)-rate*now.Sub(b.meter.mark).Seconds(), 0)
	}
	batches := max(float64(cost)/float64(b.opts.MaxCost), float64(len(c.items))/float64(b.opts.MaxItems))
	bound := seconds(clearly(batches)*left.Seconds()) + clearlyMore
	if seconds((running+float64(b.queue.cost+cost))/rate) <= bound {
		return nil // behind all the others too
	}
	predicted := seconds((running + float64(b.queue.ahead(c, cost))) / rate)
	if predicted <= bound {
		return nil
	}
	b.lates++
	return &TooLateError{Predicted: predicted, Alone: seconds(float64(cost) / rate), Left: left, RetryAfter: predicted - left}
}

// clearly is the factor by which the forecast for so many batches must exceed what is left.
func clearly(batches float64) float64 {
	return clearlySmall + min(batches, 1)*(clearlyLarge-clearlySmall)
}

// ahead is the size that is run before c, which is not admitted yet, has all of its results, its
// own included, as far as turns can tell: while it gets what it asks for, every other caller gets
// as much or all that it waits for; and so does, while c's tag does, every other tag.
func (q *queue) ahead(c *caller, cost int) int {
	callers, own, line := cost, cost, q.round.tags[c.tag]
	for n := q.byAge.first; n != nil; n = n.next {
		share := min(n.value.left, cost)
		callers += share
		if n.value.line == line {
			own += share
		}
	}
	tags := own
	for _, other := range q.round.tags {
		if other != line {
			tags += min(other.left, own)
		}
	}
	return min(callers, tags)
}
