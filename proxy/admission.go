package proxy

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

var (
	errQueueFull = errors.New("the queue is full")
	errTooLate   = errors.New("the queue's wait is longer than the deadline")
)

// admission bounds the requests to an upstream at once. Those beyond wait in the order they came;
// whoever leaves hands its place to the first of them.
type admission struct {
	max, maxQueued int

	mu       sync.Mutex
	inFlight int
	queue    list.List // of chan struct{}, closed when the place is given
	// gap is the moving average of the time between two places that become free while somebody
	// waits, and known when it was last measured; last is when the latest place became free, zero
	// if nobody waited.
	gap         time.Duration
	known, last time.Time
	idle        chan struct{} // closed when nothing is in flight; nil: nobody asks
}

// enter takes a place, to be given back by leave. Its error is errQueueFull, errTooLate, or the
// context's.
func (a *admission) enter(ctx context.Context) error {
	a.mu.Lock()
	if a.inFlight < a.max && a.queue.Len() == 0 {
		a.inFlight++
		a.mu.Unlock()
		return nil
	}
	if err := a.refuse(ctx); err != nil {
		a.mu.Unlock()
		return err
	}
	ready := make(chan struct{})
	place := a.queue.PushBack(ready)
	a.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		a.abandon(place, ready)
		return ctx.Err()
	}
}

// refuse says why a request may not even wait. a.mu is held.
func (a *admission) refuse(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.queue.Len() >= a.maxQueued {
		return errQueueFull
	}
	if end, ok := ctx.Deadline(); ok && a.wait() > time.Until(end) {
		return errTooLate
	}
	return nil
}

// gapKept is how long a measured gap is believed. Without an end, one slow minute could have
// everybody refused, and with nobody waiting nothing would be measured that says otherwise.
const gapKept = 5 * time.Second

// wait predicts that of the next in the queue; 0: not known. a.mu is held.
func (a *admission) wait() time.Duration {
	if time.Since(a.known) > gapKept {
		return 0
	}
	return a.gap * time.Duration(a.queue.Len()+1)
}

// abandon leaves the queue; a place that was given meanwhile goes to the next.
func (a *admission) abandon(place *list.Element, ready chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-ready:
		a.free()
	default:
		a.queue.Remove(place)
		a.settle()
	}
}

func (a *admission) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.measure()
	a.free()
}

// free gives a place to the first who waits. a.mu is held.
func (a *admission) free() {
	if first := a.queue.Front(); first != nil {
		close(a.queue.Remove(first).(chan struct{}))
		return
	}
	a.inFlight--
	a.settle()
}

// measure takes the time since the last place became free. a.mu is held.
func (a *admission) measure() {
	if a.queue.Len() == 0 {
		a.last = time.Time{}
		return
	}
	now := time.Now()
	if !a.last.IsZero() {
		gap := now.Sub(a.last)
		if now.Sub(a.known) > gapKept {
			a.gap = gap
		}
		a.gap += (gap - a.gap) / 8
		a.known = now
	}
	a.last = now
}

// settle tells who waits for nothing to be in flight. a.mu is held.
func (a *admission) settle() {
	if a.idle != nil && a.inFlight == 0 && a.queue.Len() == 0 {
		close(a.idle)
		a.idle = nil
	}
}

// drained waits until nothing is in flight.
func (a *admission) drained(ctx context.Context) error {
	a.mu.Lock()
	if a.inFlight == 0 && a.queue.Len() == 0 {
		a.mu.Unlock()
		return nil
	}
	if a.idle == nil {
		a.idle = make(chan struct{})
	}
	idle := a.idle
	a.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// counts are the requests in flight and waiting, and the wait of a further one.
func (a *admission) counts() (inFlight, queued int, wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inFlight, a.queue.Len(), a.wait()
}
