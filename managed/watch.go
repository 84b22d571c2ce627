package managed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// engineRetry is the longest pause between two tries to reach the engine, watchKept how long
	// a watch lasts that is begun again at once.
	engineRetry = 5 * time.Second
	watchKept   = 5 * time.Second
	// The engine is asked whether it answers so long after a watch was begun, and so often then.
	pulseFirst, pulseEvery = 5 * time.Second, 30 * time.Second
	// adoptTime is what the server of a container of an earlier process has to answer.
	adoptTime = 15 * time.Second
	// orphanTime is how long a start waits for such containers to be removed.
	orphanTime = 40 * time.Second
)

type engineState int8

const (
	engineUnknown engineState = iota
	engineUp
	engineAway
)

// watch hears of containers until the supervisor ends.
func (s *Supervisor) watch() {
	for pause := time.Duration(0); s.life.Err() == nil; {
		begun := time.Now()
		err := s.watchOnce()
		if s.life.Err() != nil {
			return
		}
		if !errors.Is(err, errDumb) {
			s.post(func() { s.lost(err) })
		}
		if pause = min(max(2*pause, time.Second), engineRetry); time.Since(begun) >= watchKept {
			pause = pollMin
		}
		select {
		case <-time.After(pause):
		case <-s.life.Done():
		}
	}
}

// watchOnce hears of containers until the engine goes away.
func (s *Supervisor) watchOnce() error {
	ctx, cancel := context.WithCancelCause(s.life)
	again := func() { cancel(ErrAway) }
	s.post(func() { s.rewatch = again })
	var pulse sync.WaitGroup
	var begun atomic.Bool
	pulse.Go(func() { s.feelPulse(ctx, &begun, cancel) })
	err := s.engine.Watch(ctx,
		func() {
			begun.Store(true)
			s.post(func() { s.relist(ctx, again) })
		},
		func(e Event) { s.post(func() { s.heard(e) }) })
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	cancel(nil)
	pulse.Wait()
	return err
}

// errDumb ends a watch that does not begin though the engine answers.
var errDumb = errors.New("the engine answers, but not to be watched")

// feelPulse asks the engine now and then whether it answers: one that hangs, or has gone without a
// word, ends no watch.
func (s *Supervisor) feelPulse(ctx context.Context, begun *atomic.Bool, end context.CancelCauseFunc) {
	for pause := pulseFirst; ; pause = pulseEvery {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if err := s.ping(ctx, end); errors.Is(err, ErrAway) {
			end(err)
			return
		}
		if pause == pulseEvery && !begun.Load() {
			end(errDumb)
			return
		}
	}
}

// ping asks whether the engine answers, and ends the watch when there is no answer in time: it may be
// that the question waits for the watch.
func (s *Supervisor) ping(ctx context.Context, end context.CancelCauseFunc) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			end(fmt.Errorf("%w: nothing within %v", ErrAway, askTime))
		}
	})
	defer stop()
	return s.engine.Ping(ctx)
}

// suspect is called when the engine did not answer somebody: the watch is to find out.
func (s *Supervisor) suspect(err error) {
	if s.engineState == engineAway {
		return // it is at that
	}
	s.lost(err)
	if s.rewatch != nil {
		s.rewatch()
	}
}

// lost is called when the engine does not answer. What serves goes on serving.
func (s *Supervisor) lost(err error) {
	if s.engineState == engineAway {
		return
	}
	first := s.engineState == engineUnknown
	s.engineState, s.engineErr = engineAway, err
	if s.hooks.Engine != nil {
		s.hooks.Engine(err)
	}
	for _, u := range s.units {
		u.hasImage = false
		if first {
			s.refuse(u, s.away(u.spec.ID, "started"))
		}
	}
}

// relist asks for what the events of a watch did not tell. What comes when the watch has ended is of
// no use: the next one asks anew.
func (s *Supervisor) relist(watch context.Context, again func()) {
	if s.closing {
		return
	}
	serving := map[*unit]uint64{}
	for _, u := range s.units {
		if u.in(StateReady, StateDraining) {
			serving[u] = u.epoch
		}
	}
	s.effect(func() func() {
		ctx, done := context.WithTimeout(s.patience, askTime)
		defer done()
		list, err := s.engine.List(ctx)
		return func() {
			switch {
			case watch.Err() != nil:
			case err != nil:
				s.lost(err)
				again()
			default:
				s.reconcile(list, serving)
			}
		}
	})
}

// reconcile compares what runs with what is known. serving are those that served before list.
func (s *Supervisor) reconcile(list []Container, serving map[*unit]uint64) {
	if s.engineState != engineUp {
		s.engineState, s.engineErr = engineUp, nil
		if s.hooks.Engine != nil {
			s.hooks.Engine(nil)
		}
	}
	for u, epoch := range serving {
		if u.epoch == epoch && u.in(StateReady, StateDraining) && !slices.ContainsFunc(list, func(c Container) bool { return c.ID == u.box.ID && c.Running }) {
			s.fell(u)
		}
	}
	if s.closing && s.settings.Leave {
		return // they may be some that were left
	}
	adopt := !s.booted && !s.closing
	s.booted = true
	slices.SortStableFunc(list, func(a, b Container) int { return cmp.Compare(s.place(a), s.place(b)) })
	for _, c := range list {
		if s.known(c) {
			continue
		}
		why := "it is no one's"
		if adopt {
			if why = s.unfit(c); why == "" {
				s.adopt(s.byID[c.Spec], c)
				continue
			}
		}
		s.discard(c, why)
	}
}

// place is that of a container's unit in the configuration.
func (s *Supervisor) place(c Container) int {
	return slices.IndexFunc(s.units, func(u *unit) bool { return u.spec.ID == c.Spec })
}

// known reports whether a container is a unit's, may be that of a start under way, or is being removed.
func (s *Supervisor) known(c Container) bool {
	return s.ending[c.ID] || slices.ContainsFunc(s.units, func(u *unit) bool {
		return u.box.ID == c.ID || u.dead == c.ID || u.attempt && u.box.ID == "" && u.spec.ID == c.Spec
	})
}

// unfit says why a container of an earlier process cannot be taken over; empty: it may be.
func (s *Supervisor) unfit(c Container) string {
	u := s.byID[c.Spec]
	switch {
	case u == nil || u.removed:
		return "its upstream is not configured any more"
	case c.Hash != u.hash:
		return "its configuration has changed"
	case !c.Running || c.Address == "":
		return "it does not run"
	case !u.idle() || u.box.ID != "":
		return "there is another of its upstream"
	}
	room := newLedger(s.limits)
	for _, other := range s.units {
		if other.holds() {
			room.add(s.demand(other))
		}
	}
	if !room.fits(s.demand(u)) {
		return "there is no room for it beside the others"
	}
	return ""
}

// adopt takes over a container of an earlier process if its server serves.
func (s *Supervisor) adopt(u *unit, c Container) {
	ctx := s.newLife(u)
	u.box, u.adopting = c, true
	s.to(u, StateStarting, "a container of an earlier process is looked at")
	id := u.spec.ID
	s.effect(func() func() {
		ctx, cancel := context.WithTimeout(ctx, adoptTime)
		defer cancel()
		err := s.untilServes(ctx, id, c)
		return func() { s.adopted(u, err) }
	})
}

func (s *Supervisor) adopted(u *unit, err error) {
	u.attempt, u.adopting = false, false
	switch {
	case u.box.ID == "": // it has been left as it is
	case u.state == StateStopping:
		s.remove(u)
	case err == nil:
		if s.hooks.Adopted != nil {
			s.hooks.Adopted(u.spec.ID, u.box.Name)
		}
		s.serve(u, "taken over from an earlier process")
	default:
		why := "its server does not serve: " + u.spec.words(err)
		if errors.Is(err, context.DeadlineExceeded) {
			why = "its server did not serve within " + adoptTime.String() + u.spec.lastSaid(err)
		}
		s.tellRemoved(u.box, why)
		u.cancel(errStop)
		s.to(u, StateStopping, why)
		s.remove(u)
	}
}

func (s *Supervisor) tellRemoved(c Container, why string) {
	if s.hooks.Removed != nil {
		s.hooks.Removed(c.Name, why)
	}
}

// discard removes a container that is no unit's. Nothing starts for as long as that takes, as its
// memory is in use, unless it has ended; but not for ever.
func (s *Supervisor) discard(c Container, why string) {
	s.tellRemoved(c, why)
	s.ending[c.ID] = true
	timeout := 10 * time.Second
	if u := s.byID[c.Spec]; u != nil {
		timeout = u.spec.StopTimeout
	}
	waits := c.Running
	if waits {
		s.orphans++
	}
	free := func() {
		if waits {
			waits = false
			s.orphans--
		}
	}
	timer := time.AfterFunc(orphanTime+timeout, func() { s.post(free) })
	s.effect(func() func() {
		err := s.stopHard(c, timeout, nil)
		return func() {
			timer.Stop()
			free()
			delete(s.ending, c.ID)
			if err != nil {
				s.unstopped = append(s.unstopped, err)
			}
		}
	})
}

// heard takes an event.
func (s *Supervisor) heard(e Event) {
	i := slices.IndexFunc(s.units, func(u *unit) bool { return u.box.ID != "" && u.box.ID == e.Container })
	if i < 0 {
		s.quiet = true
		return
	}
	u := s.units[i]
	switch {
	case !e.Died:
		u.oomAt = time.Now()
	case u.in(StateReady, StateDraining):
		s.fell(u)
	case u.state == StateStarting:
		u.cancel(errEnded)
	}
}
