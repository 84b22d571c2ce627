package tokenizer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Gate bounds how many goroutines tokenise at once, over all requests that share it.
//
// A request works on its own goroutine, in a slot that it waits for, and borrows slots that
// nobody wants for further goroutines. Whenever another request waits, borrowed slots are
// given back after the item in hand, and a request puts itself behind those that wait. So
// requests take turns item by item, and one of many documents does not hold up the others.
type Gate struct {
	slots   chan struct{}
	waiting atomic.Int32
}

// NewGate makes a gate of n slots; n below 1: GOMAXPROCS.
func NewGate(n int) *Gate {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	return &Gate{slots: make(chan struct{}, n)}
}

// acquire waits for a slot, first come first served: a channel hands a free place to the
// sender that has waited longest.
func (g *Gate) acquire(ctx context.Context) error {
	if g.tryAcquire() {
		return nil
	}
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Gate) tryAcquire() bool {
	select {
	case g.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *Gate) release() { <-g.slots }

// each calls work for 0 to n-1, in this order but several at a time, until one fails or ctx
// ends. It returns the error of the lowest index, and only when all its goroutines are gone.
// A panic in work becomes one of the caller's.
func (g *Gate) each(ctx context.Context, n int, work func(i int) error) error {
	j := &job{gate: g, n: n, work: work, failed: n + 1}
	if n > 0 {
		j.lead(ctx)
	}
	j.helpers.Wait()
	if p := (*panicError)(nil); errors.As(j.err, &p) {
		panic(p.Error())
	}
	return j.err
}

// job is one call of each.
type job struct {
	gate    *Gate
	n       int
	work    func(i int) error
	next    atomic.Int64
	stopped atomic.Bool
	helpers sync.WaitGroup

	mu     sync.Mutex
	failed int // the index of err
	err    error
}

// lead works in the request's own slot.
func (j *job) lead(ctx context.Context) {
	for {
		if err := j.gate.acquire(ctx); err != nil {
			j.fail(j.n, err)
			return
		}
		again := j.turn(ctx)
		j.gate.release()
		if !again {
			return
		}
	}
}

// turn works until somebody waits or nothing is left, and reports whether something is.
func (j *job) turn(ctx context.Context) bool {
	for j.step(ctx) {
		if j.gate.waiting.Load() > 0 {
			return int(j.next.Load()) < j.n
		}
	}
	return false
}

// help works in a borrowed slot.
func (j *job) help(ctx context.Context) {
	defer j.gate.release()
	j.turn(ctx)
}

// step does the next item, and reports whether there was one.
func (j *job) step(ctx context.Context) bool {
	if j.stopped.Load() {
		return false
	}
	if err := ctx.Err(); err != nil {
		j.fail(j.n, err)
		return false
	}
	i := int(j.next.Add(1)) - 1
	if i >= j.n {
		return false
	}
	if i+1 < j.n && j.gate.waiting.Load() == 0 && j.gate.tryAcquire() {
		j.helpers.Go(func() { j.help(ctx) })
	}
	if err := j.guarded(i); err != nil {
		j.fail(i, err)
	}
	return true
}

func (j *job) guarded(i int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: debug.Stack()}
		}
	}()
	return j.work(i)
}

// fail stops the job. Items are begun in order, so that all below the first failure are
// done or under way, and the lowest index that fails is always the same.
func (j *job) fail(i int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if i < j.failed {
		j.failed, j.err = i, err
	}
	j.stopped.Store(true)
}

type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("%v\n\n%s", p.value, p.stack) }
