package managed

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// unit is a Spec and what has become of it. It belongs to the run loop; published apart.
type unit struct {
	spec Spec
	hash string
	// next takes spec's place when the container of spec is gone.
	next *Spec
	// removed: it is configured no more, and is forgotten when its container is gone.
	removed bool
	// leaving: it is to stop whatever it does; unloaders wait for that.
	leaving   bool
	unloaders []chan error
	// halted: an admin has stopped it, so that being pinned does not start it.
	halted bool
	// preload: it is to be started though nobody has asked.
	preload bool

	state State
	// epoch counts lives: pulls, starts and adoptions. The effects of this one live as long as life,
	// which cancel ends.
	epoch  uint64
	life   context.Context
	cancel context.CancelCauseFunc
	// attempt: a start, an adoption or a pull has not reported yet.
	attempt bool
	// adopting: its container is of an earlier process, and has not shown yet that it serves.
	adopting bool
	// hasImage: its image is known to be there; looking: that is being found out; imageMissed: the
	// last start did not find it.
	hasImage, looking, imageMissed bool
	// box is its container, dead the ID of an earlier one that is kept for its logs.
	box     Container
	dead    string
	address string
	// stuck is why the container cannot be stopped; empty: it can, as far as is known.
	stuck string
	// oomAt is when memory has run out in the container; zero: it has not.
	oomAt time.Time
	// tail is what its last container wrote at the end.
	tail string
	// endCheck ends the checks of its health.
	endCheck context.CancelFunc
	misses   int
	// confirming wait to hear whether the container still runs.
	confirming []chan struct{}

	leases  map[*Lease]struct{}
	waiters []*waiter
	// wantUntil is how long it is wanted for somebody who was told to come back.
	wantUntil, wantedSince time.Time

	begunAt, readySince, drainingSince, lastUsed, retryAt time.Time
	loadCost                                              time.Duration
	starts, crashes                                       int
	memoryUsed                                            int64
	started                                               time.Time
	progress                                              string

	// failures are the latest ones, row is how many there were in a row. why and lines tell of
	// the last; refuses: until retryAt requests hear that at once.
	failures   []time.Time
	row        int
	why, lines string
	refuses    bool
	// roomFor is the unit that this one is stopped for.
	roomFor string

	shown atomic.Pointer[shown]
}

func newUnit(spec Spec) *unit {
	return &unit{
		spec: spec, hash: spec.Hash(), state: StateStopped, preload: spec.Preload,
		leases: map[*Lease]struct{}{}, cancel: func(error) {},
	}
}

func (u *unit) in(states ...State) bool { return slices.Contains(states, u.state) }

// idle: there is no container, nor one on its way.
func (u *unit) idle() bool { return u.in(StateStopped, StateFailed) }

// holds: it takes its memory and its group's place.
func (u *unit) holds() bool { return !u.idle() && u.state != StatePulling }

// configured is the spec that requests are to find.
func (u *unit) configured() *Spec {
	if u.next != nil {
		return u.next
	}
	return &u.spec
}

func (u *unit) refreshWant(now time.Time) {
	if !u.wantUntil.After(now) {
		u.wantUntil = time.Time{}
	}
	switch {
	case !u.wanted():
		u.wantedSince = time.Time{}
	case u.wantedSince.IsZero():
		u.wantedSince = now
	}
}

func (u *unit) wanted() bool {
	if u.removed {
		return false
	}
	pinned := u.configured().Pinned && !u.halted && u.state != StateReady
	return len(u.waiters) > 0 || !u.wantUntil.IsZero() || u.preload || pinned
}

// view is u as the policy is to see it at a time.
func (u *unit) view(now time.Time) Unit {
	v := Unit{
		ID: u.spec.ID, Group: u.spec.Group, Priority: u.spec.Priority, Pinned: u.spec.Pinned,
		MemoryMB: u.spec.MemoryMB, GPUMemoryMB: u.spec.GPUMemoryMB, GPUs: u.spec.GPUs,
		IdleTTL: u.spec.IdleTTL, MinResidency: u.spec.MinResidency, DrainTimeout: u.spec.DrainTimeout,
		State: u.state, InFlight: len(u.leases), Waiting: len(u.waiters), WantedSince: u.wantedSince,
		ReadySince: u.readySince, DrainingSince: u.drainingSince, LastUsed: u.lastUsed, RetryAt: u.retryAt,
		LoadCost: u.loadCost, Leaving: u.leaving,
	}
	if u.needsImage(now) { // there may be a pull first
		v.State = StatePulling
	}
	return v
}

// to changes the state.
func (s *Supervisor) to(u *unit, state State, reason string) {
	from := u.state
	u.state = state
	if s.hooks.Changed != nil && from != state {
		s.hooks.Changed(u.spec.ID, from, state, reason)
	}
}

// drain lets nobody in any more.
func (s *Supervisor) drain(u *unit) {
	u.drainingSince = time.Now()
	u.roomFor = s.needing(u)
	reason := "nobody asks for it"
	switch {
	case u.leaving:
		reason = "it is to stop"
	case u.roomFor != "":
		reason = "makes room for " + u.roomFor
	}
	s.to(u, StateDraining, reason)
}

// needing is the unit that waits for what u holds; empty: none does.
func (s *Supervisor) needing(u *unit) string {
	if u.leaving || s.closing {
		return ""
	}
	var first *unit
	for _, other := range s.units {
		if other == u || !other.idle() || other.wantedSince.IsZero() || !s.collide(u, other) {
			continue
		}
		if first == nil || other.wantedSince.Before(first.wantedSince) {
			first = other
		}
	}
	if first == nil {
		return ""
	}
	return first.spec.ID
}

// readmit lets requests in again.
func (s *Supervisor) readmit(u *unit) {
	u.drainingSince = time.Time{}
	u.roomFor = ""
	s.to(u, StateReady, "nobody needs its room any more")
	s.admitAll(u)
}

// stop stops a unit's container, or ends what is to make it one, whatever is in flight.
func (s *Supervisor) stop(u *unit) {
	if u.roomFor == "" {
		u.roomFor = s.needing(u)
	}
	s.lose(u)
	u.cancel(errStop)
	s.to(u, StateStopping, "")
	if !u.attempt {
		s.remove(u)
	}
}

// lose takes the server from those who use it.
func (s *Supervisor) lose(u *unit) {
	for l := range u.leases {
		l.lost.Store(true)
	}
	clear(u.leases)
	u.forgiveLongService(time.Now())
	u.readySince, u.drainingSince, u.memoryUsed, u.misses = time.Time{}, time.Time{}, 0, 0
	if u.address != "" {
		u.address = ""
		s.show(u)
		if s.hooks.Located != nil {
			s.hooks.Located(u.spec.ID, "")
		}
	}
}

// remove stops the container and forgets it when it is gone.
func (s *Supervisor) remove(u *unit) {
	if u.box.ID == "" {
		s.settle(u)
		return
	}
	box, timeout := u.box, u.spec.StopTimeout
	s.effect(func() func() {
		lines := s.lastLines(box.ID)
		err := s.stopHard(box, timeout, func(err error) { u.stuck = words(err) })
		return func() {
			u.stuck = ""
			if lines != "" {
				u.tail = lines
			}
			if u.why != "" && u.lines == "" {
				u.lines = tail(u.spec.Conceal(lines))
			}
			if err != nil {
				s.unstopped = append(s.unstopped, err)
			}
			u.box = Container{}
			s.settle(u)
		}
	})
}

// settle is where a unit is without a container again.
func (s *Supervisor) settle(u *unit) {
	if u.roomFor != "" && s.hooks.Swapped != nil {
		s.hooks.Swapped(u.spec.ID, u.roomFor)
	}
	u.roomFor, u.leaving, u.progress, u.oomAt = "", false, "", time.Time{}
	u.cancel(errEnded)
	s.dismiss(u, nil)
	if u.next != nil {
		s.renew(u, *u.next)
	}
	if u.refuses || u.retryAt.After(time.Now()) {
		s.to(u, StateFailed, u.why)
	} else {
		s.to(u, StateStopped, "")
	}
	if u.removed {
		s.forget(u)
	}
}

// renew gives another spec to a unit that has no container. What failed may be mended by it.
func (s *Supervisor) renew(u *unit, spec Spec) {
	if spec.Image != u.spec.Image {
		u.hasImage, u.imageMissed = false, false
	}
	u.spec, u.hash, u.next = spec, spec.Hash(), nil
	u.loadCost = 0
	u.forgive()
}

// forgive forgets failures.
func (u *unit) forgive() {
	u.failures, u.row, u.refuses, u.why, u.lines, u.retryAt = nil, 0, false, "", "", time.Time{}
}

// dismiss answers those who wait for the unit to be gone.
func (s *Supervisor) dismiss(u *unit, err error) {
	for _, done := range u.unloaders {
		s.answers = append(s.answers, func() { done <- err })
	}
	u.unloaders = nil
}

// forget drops a unit that is configured no more, when nothing is left of it.
func (s *Supervisor) forget(u *unit) {
	if s.bury(u) {
		return
	}
	s.units = slices.DeleteFunc(slices.Clone(s.units), func(other *unit) bool { return other == u })
	delete(s.byID, u.spec.ID)
	s.publishIndex()
}

// bury removes a container that was kept for its logs; false: there is none.
func (s *Supervisor) bury(u *unit) bool {
	if u.dead == "" {
		return false
	}
	s.to(u, StateStopping, "")
	s.clearDead(u, func() { s.settle(u) })
	return true
}

// clearDead removes a container that was kept for its logs, and then calls done.
func (s *Supervisor) clearDead(u *unit, done func()) {
	c := Container{ID: u.dead}
	u.dead = ""
	s.ending[c.ID] = true
	s.effect(func() func() {
		err := s.stopHard(c, 0, nil)
		return func() {
			delete(s.ending, c.ID)
			if err != nil {
				s.unstopped = append(s.unstopped, err)
			}
			done()
		}
	})
}

// collide reports whether b has more room when a is gone.
func (s *Supervisor) collide(a, b *unit) bool {
	x, y := s.demand(a), s.demand(b)
	return x.group != "" && x.group == y.group ||
		s.limits.host > 0 && x.host > 0 && y.host > 0 ||
		slices.ContainsFunc(x.devices, func(gpu int) bool { return slices.Contains(y.devices, gpu) })
}

// demand is what u takes of the budgets.
func (s *Supervisor) demand(u *unit) demand {
	return s.limits.demand(&Unit{Group: u.spec.Group, MemoryMB: u.spec.MemoryMB, GPUMemoryMB: u.spec.GPUMemoryMB, GPUs: u.spec.GPUs})
}
