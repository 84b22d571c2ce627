package managed

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

const (
	// maxWaiters bounds those who wait for one unit.
	maxWaiters = 1024
	// Before its deadline a request is told to come again, so early that the answer gets through.
	marginTime  = 200 * time.Millisecond
	marginShare = 20 // of the time left, 1/20
	// goneEvery is how often it is asked whether a client that waits is still there.
	goneEvery = time.Second
	// comeBack is how much longer than they were told those who were told to come back may take.
	comeBack = 30 * time.Second
)

// Lease is the right to use a server: it is not stopped while somebody has one, except when a
// drain takes too long, or at an end. It is to be released, once or more often.
type Lease struct {
	s        *Supervisor
	u        *unit
	lost     atomic.Bool
	released atomic.Bool
}

// Release ends the lease.
func (l *Lease) Release() {
	if l.released.Swap(true) {
		return
	}
	l.s.post(func() { l.s.release(l) })
}

// Lost reports whether the server has ended, or stopped, while the lease was held.
func (l *Lease) Lost() bool { return l.lost.Load() }

// gone is like Lost, but first looks at the container of a lease that is still held: a broken
// connection is often heard of before its cause.
func (l *Lease) gone(ctx context.Context) bool {
	if l.Lost() {
		return true
	}
	done := make(chan struct{})
	if !l.s.post(func() { l.s.confirm(l, done) }) {
		return l.Lost()
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	return l.Lost()
}

// waiter is a request, or an admin's load, that waits for a server.
type waiter struct {
	id string
	// load: it wants no lease.
	load     bool
	since    time.Time
	answer   chan answered // has room for the one answer
	answered bool          // the loop's
}

type answered struct {
	lease *Lease
	err   error
}

func newWaiter(id string, load bool) *waiter {
	return &waiter{id: id, load: load, since: time.Now(), answer: make(chan answered, 1)}
}

// Acquire returns a lease on the server of id, which it has start if it does not run. It waits for
// that as long as the Spec's StartWait, and ends before ctx does. Its error is a *models.Error: of
// KindLoading when the server does not serve yet, of KindUnavailable when it cannot, of
// KindQueueFull, KindShuttingDown, or KindCanceled when ctx was, or gone, which may be nil and is
// asked now and then, says that nobody waits.
func (s *Supervisor) Acquire(ctx context.Context, id string, gone func() bool) (*Lease, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx, id)
	}
	w := newWaiter(id, false)
	if !s.post(func() { s.enter(w) }) {
		return nil, shuttingDown()
	}
	a := s.await(ctx, w, s.patienceOf(ctx, id), gone)
	return a.lease, a.err
}

// patienceOf is how long a request may wait.
func (s *Supervisor) patienceOf(ctx context.Context, id string) time.Duration {
	wait := time.Duration(0)
	if u, ok := s.index.Load().byID[id]; ok {
		wait = u.shown.Load().startWait
	}
	if !models.Waits(ctx) {
		return 0
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		wait = min(wait, left-max(marginTime, left/marginShare))
	}
	return wait
}

// await returns the answer to w. After patience, or when nobody wants it any more, it asks for one.
func (s *Supervisor) await(ctx context.Context, w *waiter, patience time.Duration, gone func() bool) answered {
	late := time.NewTimer(max(patience, 0))
	defer late.Stop()
	var ask <-chan time.Time
	if gone != nil {
		ticker := time.NewTicker(goneEvery)
		defer ticker.Stop()
		ask = ticker.C
	}
	for {
		select {
		case a := <-w.answer:
			return a
		case <-late.C:
			return s.giveUp(w, nil)
		case <-ctx.Done():
			return s.giveUp(w, ended(ctx, w.id))
		case <-ask:
			if gone() {
				return s.giveUp(w, models.Errorf(models.KindCanceled, "the client has left while %q was being started", w.id).By(w.id))
			}
		}
	}
}

// giveUp has w answered at once, with cause, or with what it has waited for.
func (s *Supervisor) giveUp(w *waiter, cause *models.Error) answered {
	s.post(func() { s.depart(w, cause) })
	return <-w.answer // if the loop has ended, it has answered before
}

// enter lets a request in, or has it wait, or refuses it.
func (s *Supervisor) enter(w *waiter) {
	u := s.byID[w.id]
	if err := s.refusal(u, w); err != nil {
		s.quiet = !w.load // a load has forgiven failures
		s.reply(w, nil, err)
		return
	}
	if u.state == StateReady && !u.leaving {
		s.quiet = u.wantedSince.IsZero()
		s.admit(u, w)
		s.show(u)
		return
	}
	u.waiters = append(u.waiters, w)
	s.soon = !u.wantedSince.IsZero()
	s.show(u)
}

// refusal is why w may not even wait; nil: it may.
func (s *Supervisor) refusal(u *unit, w *waiter) *models.Error {
	switch {
	case s.closing:
		return shuttingDown()
	case u == nil || u.removed:
		return unknown(w.id)
	case s.refused != nil:
		return models.Errorf(models.KindUnavailable, "container of %q cannot be run: %v", w.id, s.refused).By(w.id)
	case u.state == StateReady && !u.leaving:
		return nil
	case s.engineState == engineAway:
		return s.away(w.id, "started")
	case u.refuses && u.in(StateFailed, StateStopping) && time.Now().Before(u.retryAt):
		return u.failure()
	case len(u.waiters) >= maxWaiters:
		return models.Errorf(models.KindQueueFull, "%d requests wait for %q already", maxWaiters, w.id).By(w.id).After(u.retryAfter())
	}
	return nil
}

// admit gives w a lease.
func (s *Supervisor) admit(u *unit, w *waiter) {
	if w.load {
		s.reply(w, nil, nil)
		return
	}
	l := &Lease{s: s, u: u}
	u.leases[l] = struct{}{}
	u.wantUntil, u.wantedSince = time.Time{}, time.Time{}
	s.reply(w, l, nil)
}

// admitAll lets all in who wait.
func (s *Supervisor) admitAll(u *unit) {
	waiters := u.waiters
	u.waiters = nil
	for _, w := range waiters {
		s.admit(u, w)
	}
}

// refuse answers all who wait for u with err.
func (s *Supervisor) refuse(u *unit, err *models.Error) {
	waiters := u.waiters
	u.waiters = nil
	for _, w := range waiters {
		s.reply(w, nil, err)
	}
}

// reply answers w, once.
func (s *Supervisor) reply(w *waiter, l *Lease, err *models.Error) {
	w.answered = true
	a := answered{lease: l}
	if err != nil {
		own := *err // whoever gets it may add to it
		a.err = &own
	}
	s.answers = append(s.answers, func() { w.answer <- a })
}

// depart answers w, whose time is over. What it wanted stays wanted for a while, for the client to
// find it when it comes back.
func (s *Supervisor) depart(w *waiter, cause *models.Error) {
	if w.answered {
		s.quiet = true
		return
	}
	u := s.byID[w.id]
	u.waiters = slices.DeleteFunc(u.waiters, func(other *waiter) bool { return other == w })
	if !w.load {
		u.wantUntil = time.Now().Add(u.retryAfter() + comeBack)
	}
	if cause == nil {
		cause = s.late(u)
	}
	s.soon = true
	s.show(u)
	s.reply(w, nil, cause)
}

func (s *Supervisor) release(l *Lease) {
	u := l.u
	if _, held := u.leases[l]; !held {
		s.quiet = true
		return
	}
	delete(u.leases, l)
	u.lastUsed = time.Now()
	s.quiet, s.soon = len(u.leases) > 0, u.state == StateReady
	s.show(u)
}
