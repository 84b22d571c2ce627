package inference

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
)

var (
	// errHung is what a run gives that does not come back although it was told to.
	errHung = errors.New("the run did not end when it was told to")
	// ErrLost says that only a new process can serve the model again.
	ErrLost = errors.New("lost for this process")
)

const (
	firstReopen = time.Second
	lastReopen  = time.Minute

	// suspicious is how many runs must fail one after the other before the session is checked.
	suspicious = 3

	// A run that is told to end does so after the kernel in hand. Its callers wait hungAfter
	// for that, and the process lostAfter longer: native code cannot be ended from outside.
	hungAfter = 2 * time.Second
	lostAfter = 30 * time.Second

	// checkLimit ends a reference run, which may have an engine to build first.
	checkLimit = 10 * time.Minute
)

// keeper owns one session of a pool. A run that outlasted its limit may have left the session
// in any state, and one that fails again and again may be broken for good; the first is certain,
// the second is found out with the reference inputs, since the requests may be at fault. Then
// keeper closes the session and opens another until one passes the load check; until then its
// pool gives it no runs. A device that is beyond repair, and a session that cannot be closed
// because a run in it never ends, are reported as lost: nothing in this process mends them.
type keeper struct {
	pool    *pool
	open    func(ctx context.Context) (Session, error)
	session Session // nil while there is none; set while the keeper is in no runner's hands
	failed  int     // runs that failed, or gave no numbers, since the last that did not
}

// run runs a batch and reports whether the session may be given the next.
func (k *keeper) run(ctx context.Context, b Batch) (out Output, healthy bool, err error) {
	out, err = attempt(ctx, k.session, b)
	switch {
	case err == nil && out.sound():
		k.failed = 0
		return out, true, nil
	case err == nil: // its rows say what is wrong with them, and whether the session is to blame is found out below
	case errors.Is(err, ErrDevice):
		k.pool.lose(fmt.Errorf("its device failed: %w", err))
		return out, false, err
	case errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, errHung):
		return out, true, err // of a load that is given up: nobody waits for another session
	case ctx.Err() != nil:
		k.replace("a run outlasted its limit", err)
		return out, false, err
	case errors.Is(err, ErrOutOfMemory):
		return out, true, err
	}
	if k.failed++; k.failed < suspicious {
		return out, true, err
	}
	if reason := k.pool.check(ctx, guarded{k.session}); reason != nil {
		k.replace("its runs fail", reason)
		return out, false, err
	}
	k.failed = 0
	return out, true, err
}

// attempt runs a batch on a goroutine of its own, which it leaves behind when the run does not
// end with ctx: the callers must be answered, and native code cannot be made to return.
func attempt(ctx context.Context, s Session, b Batch) (Output, error) {
	type result struct {
		out Output
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r = result{err: &batcher.PanicError{Value: v, Stack: debug.Stack()}}
			}
			done <- r
		}()
		r.out, r.err = s.Run(ctx, b)
	}()
	select {
	case r := <-done:
		return r.out, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.out, r.err
	case <-time.After(hungAfter):
		return Output{}, fmt.Errorf("%w: %w", errHung, ctx.Err())
	}
}

// guarded is a session whose runs are left behind when they do not end.
type guarded struct{ Session }

// Run implements Session.
func (g guarded) Run(ctx context.Context, b Batch) (Output, error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	return attempt(ctx, g.Session, b)
}

// replace opens another session on a goroutine of the pool's.
func (k *keeper) replace(reason string, cause error) {
	k.pool.down(reason, cause)
	k.pool.reopens.Go(k.reopen)
}

// reopen closes the session and tries for a new one until it has it or the pool closes.
func (k *keeper) reopen() {
	p, old := k.pool, k.session
	k.session, k.failed = nil, 0
	if err := closeInTime(old); errors.Is(err, ErrLost) {
		p.lose(err)
		return
	} else if err != nil {
		p.event(Event{Kind: EventFailed, Err: fmt.Errorf("closing the failed session: %w", err)})
	}
	for wait := firstReopen; ; wait = min(2*wait, lastReopen) {
		s, err := k.open(p.ctx)
		if err == nil {
			k.session = s
			p.up(k)
			return
		}
		if errors.Is(err, ErrDevice) || errors.Is(err, ErrLost) {
			p.lose(fmt.Errorf("reopening its session: %w", err))
			return
		}
		p.event(Event{Kind: EventFailed, Err: fmt.Errorf("reopening: %w", err)})
		select {
		case <-time.After(wait):
		case <-p.ctx.Done():
			return
		}
	}
}

// closeInTime closes a session, which waits for its runs; its goroutine is left behind when
// that takes longer than lostAfter.
func closeInTime(s Session) error {
	if s == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(lostAfter):
		return fmt.Errorf("%w: its session did not close within %s, because a run in it does not end", ErrLost, lostAfter)
	}
}
