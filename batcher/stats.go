package batcher

import (
	"math"
	"time"
)

// RunStats tells of one run.
type RunStats struct {
	Items, Callers int
	// Size is the sum of the items' sizes, Cost the padded cost: longest size times items.
	Size, Cost int
	// Queue has one entry for each item: how long it waited. It is nil when Repeat.
	Queue []time.Duration
	// Run is how long the run function took.
	Run time.Duration
	// Repeat marks the second run of items whose first one failed.
	Repeat bool
	// Err is the run's failure: of the run function, ErrRunTimeout, ErrPanic or ErrResultCount.
	Err error
}

// Stats is the state of a batcher at one moment.
type Stats struct {
	// Items wait, of sizes that add up to Cost; the oldest has waited for Oldest.
	Items, Cost int
	Oldest      time.Duration
	// Running is how many batches run.
	Running int
	// Rate is the size that is run a second while anything runs, averaged over the last
	// seconds of running; 0 before the first run has ended.
	Rate float64
	// Wait is how long what is queued now is likely to wait; 0 when a runner is free or
	// nothing is known yet.
	Wait time.Duration
	// TooLate counts the callers that were refused because they would have been too late.
	TooLate uint64
}

const (
	// meterMemory is the time constant of the rate: long enough to even out batches, short
	// enough to follow a change of load within one retry of a refused client.
	meterMemory = 10 * time.Second
	// unknownWait is told to refused callers while no run has ended yet.
	unknownWait = time.Second
)

// meter measures the rate at which size is drained while anything runs.
type meter struct {
	running  int
	inFlight int       // size that runs
	mark     time.Time // when time was last accounted for, while anything runs

	size, busy float64 // both decay by busy time; their ratio is the rate
}

func (m *meter) start(now time.Time, size int) {
	if m.running == 0 {
		m.mark = now
	}
	m.running++
	m.inFlight += size
}

// stop counts the time of a run, and its size when that is drained by it for the first time.
func (m *meter) stop(now time.Time, size int, first bool) {
	passed := now.Sub(m.mark).Seconds()
	m.mark = now
	keep := math.Exp(-passed / meterMemory.Seconds())
	m.size *= keep
	if first {
		m.size += float64(size)
	}
	m.busy = m.busy*keep + passed
	m.running--
	m.inFlight -= size
}

// rate is in size a second; 0 when unknown.
func (m *meter) rate() float64 {
	if m.busy <= 0 {
		return 0
	}
	return m.size / m.busy
}

// drain is how long it takes to run size; unknownWait when the rate is unknown.
func (m *meter) drain(size float64) time.Duration {
	r := m.rate()
	if r <= 0 {
		return unknownWait
	}
	return time.Duration(min(size/r*float64(time.Second), math.MaxInt64/2))
}

// Stats returns the present state.
func (b *Batcher[T, R]) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	return Stats{
		Items: b.queue.items, Cost: b.queue.cost, Oldest: b.queue.oldest(now),
		Running: b.meter.running, Rate: b.meter.rate(), Wait: b.predict(now), TooLate: b.lates,
	}
}

// predict is the wait of what would be queued now: what runs and what waits has to be run
// first, less what has been run since the last batch ended.
func (b *Batcher[T, R]) predict(now time.Time) time.Duration {
	if b.meter.rate() == 0 || (b.queue.items == 0 && b.runnerN < b.allowed) {
		return 0
	}
	ahead := b.drain(float64(b.queue.cost+b.meter.inFlight), now)
	if b.meter.running > 0 {
		ahead -= now.Sub(b.meter.mark)
	}
	return max(ahead, b.drain(float64(b.queue.cost), now))
}

// stats tells of a run that has ended.
func (b *batch) stats(end time.Time, err error) RunStats {
	s := RunStats{
		Items: len(b.items), Callers: len(b.callers),
		Size: b.size, Cost: b.cost(), Run: end.Sub(b.started), Repeat: b.repeat, Err: err,
	}
	if !b.repeat {
		s.Queue = make([]time.Duration, len(b.items))
		for i, r := range b.items {
			s.Queue[i] = b.started.Sub(r.caller.admitted)
		}
	}
	return s
}
