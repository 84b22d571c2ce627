package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

const (
	// A server that starts is asked for its health so often; of its container every so many times.
	pollMin, pollMax = 250 * time.Millisecond, time.Second
	inspectEvery     = 4
	// healthTime bounds one question for health, askTime one to the engine, makeTime the making of a
	// container.
	healthTime, askTime, makeTime = 5 * time.Second, 30 * time.Second, 5 * time.Minute
)

// outcome is what has become of a start, or of an adoption.
type outcome struct {
	// box is the container that was made; none: empty. last is how it was at the end.
	box, last Container
	// deadGone: the container of an earlier life has been removed.
	deadGone bool
	// err is nil if the server serves. ended: the container has ended by itself, as last tells.
	err   error
	ended bool
	lines string
	took  time.Duration
}

// begin starts a unit that has no container.
func (s *Supervisor) begin(u *unit) {
	ctx := s.newLife(u)
	s.to(u, StateStarting, "")
	spec, epoch, dead := u.spec, u.epoch, u.dead
	s.effect(func() func() {
		o := s.start(ctx, spec, dead, func(c Container) {
			s.post(func() {
				if u.epoch == epoch {
					u.box = c
				}
			})
		})
		return func() { s.started(u, o) }
	})
}

// newLife returns the context of the effects of another life of u.
func (s *Supervisor) newLife(u *unit) context.Context {
	u.cancel(errEnded)
	ctx, cancel := context.WithCancelCause(s.life)
	u.life, u.cancel = ctx, cancel
	u.epoch++
	u.attempt, u.begunAt, u.oomAt = true, time.Now(), time.Time{}
	u.refuses, u.retryAt = false, time.Time{}
	return ctx
}

// start makes a container and waits until its server serves.
func (s *Supervisor) start(ctx context.Context, spec Spec, dead string, made func(Container)) (o outcome) {
	if dead != "" {
		err := s.removeDead(ctx, dead)
		o.deadGone = err == nil || errors.Is(err, ErrGone)
		if !o.deadGone && (errors.Is(err, ErrAway) || ctx.Err() != nil) {
			o.err = err
			return o
		}
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, spec.StartTimeout)
	defer cancel()
	o.err = s.within(ctx, makeTime, func(ctx context.Context) (err error) {
		o.box, err = s.engine.Start(ctx, spec)
		return err
	})
	if o.err != nil {
		o.box = Container{}
		return o
	}
	made(o.box)
	o.err = s.untilServes(ctx, spec.ID, o.box)
	o.took = time.Since(begun)
	if o.err != nil && !errors.Is(context.Cause(ctx), errStop) {
		var looked bool
		o.last, looked = s.look(s.life, o.box.ID)
		o.ended = looked && !o.last.Running || !looked && errors.Is(o.err, errEnded)
		o.lines = s.lastLines(o.box.ID)
	}
	return o
}

// removeDead removes a container that has ended. The start does not depend on it.
func (s *Supervisor) removeDead(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return s.engine.Stop(ctx, id, 0)
}

// briefly bounds what should take no time.
func (s *Supervisor) briefly(ctx context.Context, ask func(context.Context) error) error {
	return s.within(ctx, askTime, ask)
}

// within bounds what an engine is asked: one that takes longer does not answer.
func (s *Supervisor) within(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := ask(bounded)
	if err != nil && ctx.Err() == nil && bounded.Err() != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// unserved is why a server was not waited for any longer, and what it had said last.
type unserved struct{ cause, last error }

func (e *unserved) Error() string { return e.cause.Error() }
func (e *unserved) Unwrap() error { return e.cause }

// untilServes returns when the server in c is healthy and has answered a real request, or never will.
func (s *Supervisor) untilServes(ctx context.Context, id string, c Container) error {
	pause := pollMin
	for poll := 0; ; poll++ {
		err := s.serves(ctx, id, c.Address)
		if err == nil || hopeless(err) {
			return err
		}
		if poll%inspectEvery == 0 {
			if now, looked := s.look(ctx, c.ID); looked && !now.Running {
				return errEnded
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(pause*3/2, pollMax)
		case <-ctx.Done():
			timer.Stop()
			return &unserved{cause: context.Cause(ctx), last: err}
		}
	}
}

// serves asks for health, and then for one real answer.
func (s *Supervisor) serves(ctx context.Context, id, address string) error {
	if err := s.health(ctx, id, address); err != nil {
		return err
	}
	return s.prober.Try(ctx, id, address)
}

func (s *Supervisor) health(ctx context.Context, id, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	return s.prober.Health(ctx, id, address)
}

// look reports how a container is; false: that is not known.
func (s *Supervisor) look(ctx context.Context, id string) (Container, bool) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	c, err := s.engine.Inspect(ctx, id)
	if errors.Is(err, ErrGone) {
		return Container{ID: id, ExitCode: -1}, true
	}
	return c, err == nil
}

// hopeless reports whether a server that is asked again will answer the same: it runs, and is wrong.
func hopeless(err error) bool {
	switch models.KindOf(err) {
	case models.KindInvalid, models.KindUnsupportedTask, models.KindNotFound, models.KindTooLong, models.KindTooLarge,
		models.KindUnauthorized, models.KindForbidden, models.KindUpstreamCredentials:
		return true
	}
	return false
}

// started takes over what has become of a start.
func (s *Supervisor) started(u *unit, o outcome) {
	u.attempt = false
	switch {
	case o.deadGone:
		u.dead = ""
	case u.dead != "" && o.box.ID != "":
		s.clearDead(u, func() {})
	}
	u.box = o.box
	switch {
	case u.state == StateStopping:
		s.remove(u)
	case o.err == nil:
		u.imageMissed = false
		u.starts++
		u.loadCost = o.took
		s.tellStarted(u, o.took, nil)
		s.serve(u, "")
	case errors.Is(o.err, ErrAway):
		s.suspect(o.err)
		s.to(u, StateStopping, "")
		s.remove(u)
	case errors.Is(o.err, ErrNoImage):
		s.noImage(u, o)
	default:
		s.failed(u, o)
	}
}

// serve lets requests in to a server that has shown that it serves.
func (s *Supervisor) serve(u *unit, reason string) {
	now := time.Now()
	u.address, u.readySince, u.started = u.box.Address, now, now
	u.preload, u.halted, u.misses = false, false, 0
	if !u.leaving { // who is told to come back finds it, or asks anew
		u.wantUntil, u.wantedSince = time.Time{}, time.Time{}
	}
	u.why, u.lines, u.tail = "", "", ""
	s.to(u, StateReady, reason)
	s.show(u)
	if s.hooks.Located != nil {
		s.hooks.Located(u.spec.ID, u.address)
	}
	s.watchHealth(u)
	if !u.leaving {
		s.admitAll(u)
	}
}

func (s *Supervisor) tellStarted(u *unit, took time.Duration, err error) {
	if s.hooks.Started != nil {
		s.hooks.Started(u.spec.ID, took, err)
	}
}

// failed ends a start in vain. A container that has ended is kept for its logs.
func (s *Supervisor) failed(u *unit, o outcome) {
	why := u.spec.words(o.err)
	switch {
	case o.ended:
		_, why = end(o.last, u.lacksMemory(), u.spec.MemoryMB)
		why = "it " + why
	case errors.Is(o.err, context.DeadlineExceeded):
		why = fmt.Sprintf("it did not serve within %v (start_timeout)%s", u.spec.StartTimeout, u.spec.lastSaid(o.err))
	}
	s.failStart(u, why, o)
}

// lastSaid is what a server answered before it was given up.
func (s Spec) lastSaid(err error) string {
	var e *unserved
	if !errors.As(err, &e) || e.last == nil {
		return ""
	}
	return ", and said at last: " + s.words(e.last)
}

func (s *Supervisor) failStart(u *unit, why string, o outcome) {
	why = u.spec.Conceal("did not start: " + why)
	s.tellStarted(u, time.Since(u.begunAt), errors.New(why))
	s.to(u, StateStopping, why)
	if o.lines != "" {
		u.tail = o.lines
	}
	s.strike(u, why, o.lines, true)
	u.cancel(errEnded)
	if o.ended {
		u.dead, u.box = u.box.ID, Container{}
	}
	s.remove(u)
}
