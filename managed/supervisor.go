package managed

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Supervisor runs containers so that models serve when they are asked for.
//
// One goroutine, the run loop, owns all that changes. Everybody else sends it functions, which it
// runs one after the other, or reads what it has published. A decision made anywhere else would be
// made on what was true a moment ago: two requests would start one model twice, a stop would cut a
// request that came in between.
//
// What takes time (a pull, a start, a probe, a stop) is an effect: a goroutine of its own, which
// ends by itself or with its unit's life, and whose report is again a function for the loop. A unit
// has one attempt, or one removal, at a time; reports of an earlier life of a unit are known by its
// epoch.
//
// What holds:
//   - The loop never blocks: not on an engine, a server, a waiter or a hook.
//   - Whoever waits is answered: served, failed, or late, and never both. A lease is in the hands
//     of one caller, or of nobody.
//   - Memory and a group's place are held from before a container is made until it is gone.
//   - Every goroutine is an effect's, or the watch's of the engine, and has ended when Close returns.
type Supervisor struct {
	engine  Engine
	prober  Prober
	hooks   Hooks
	refused error

	inbox chan func()
	ended chan struct{}
	index atomic.Pointer[index]
	tasks sync.WaitGroup

	// life ends when everything else has; open when the supervisor is to close; patience when those
	// who stop containers are to try but once more.
	life, open, patience          context.Context
	endLife, endOpen, endPatience context.CancelFunc
	closing, hurried, over        bool
	unstopped                     []error // written by the loop, read when it has ended

	// What follows is the loop's alone.
	settings Settings
	limits   *limits // the settings' budgets
	units    []*unit
	byID     map[string]*unit
	running  int // effects that have not reported
	// quiet is set by what needs no decision, soon by what is followed by one in turnEvery at most.
	quiet, soon bool
	// turned is when the last decision was made, alarm when the loop wakes by itself; zero: it does
	// not.
	turned, alarm time.Time
	// answers are sent when what they are about has been published.
	answers []func()
	wake    time.Time

	engineState engineState
	engineErr   error
	booted      bool
	orphans     int // containers being removed that are no unit's, and may still take memory
	// ending are the IDs of containers that are being removed, and are no unit's box.
	ending  map[string]bool
	rewatch func()
}

// New starts a supervisor, which Close ends. The Specs are valid, and their IDs unique.
func New(o Options) *Supervisor {
	s := &Supervisor{
		engine: o.Engine, prober: o.Prober, hooks: o.Hooks, refused: o.Refused,
		inbox: make(chan func()), ended: make(chan struct{}), byID: map[string]*unit{}, ending: map[string]bool{},
	}
	s.life, s.endLife = context.WithCancel(context.Background())
	s.open, s.endOpen = context.WithCancel(s.life)
	s.patience, s.endPatience = context.WithCancel(s.life)
	s.apply(o.Settings)
	s.publish()
	if s.refused == nil {
		s.tasks.Go(s.watch)
	}
	go s.run()
	return s
}

// turnEvery is how often it is decided what to do for what happens at the rate of requests. A
// decision looks at all units, which takes as long as a hundred requests do.
const turnEvery = 10 * time.Millisecond

// run is the loop. It ends when everything has been closed and no effect runs.
func (s *Supervisor) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !s.over {
		s.quiet, s.soon = false, false
		select {
		case f := <-s.inbox:
			f()
		case <-timer.C:
		}
		before := s.alarm
		switch {
		case s.quiet && !s.closing:
		case s.soon && !s.closing && time.Since(s.turned) < turnEvery:
			s.alarm = earlier(s.alarm, s.turned.Add(turnEvery))
		default:
			s.turn()
			s.alarm = s.nextWake()
			before = time.Time{}
		}
		s.send()
		switch {
		case s.alarm.IsZero():
			timer.Stop()
		case !s.alarm.Equal(before):
			timer.Reset(max(time.Until(s.alarm), time.Millisecond))
		}
	}
	s.endLife()
	gone := make(chan struct{})
	go func() {
		s.tasks.Wait()
		close(gone)
	}()
	for {
		select {
		case f := <-s.inbox:
			f()
			s.send()
		case <-gone:
			close(s.ended)
			return
		}
	}
}

// send gives the answers.
func (s *Supervisor) send() {
	for _, answer := range s.answers {
		answer()
	}
	clear(s.answers)
	s.answers = s.answers[:0]
}

// turn does what follows from what has happened.
func (s *Supervisor) turn() {
	now := time.Now()
	s.turned = now
	for _, u := range s.units {
		u.refreshWant(now)
	}
	s.wake = time.Time{}
	switch {
	case s.closing:
		s.closeStep()
	case s.engineState == engineUp && s.orphans == 0:
		s.decide(now)
	}
	s.publish()
}

// decide carries out plans until there is nothing more to do now. Each plan that is not empty moves
// a unit on, so their number is bounded; the bound here is for a policy that errs.
func (s *Supervisor) decide(now time.Time) {
	for range 4*len(s.units) + 1 {
		s.lookForImages(now)
		plan := Decide(s.view(now))
		s.wake = plan.Wake
		if !s.carryOut(plan) {
			return
		}
		for _, u := range s.units {
			u.refreshWant(now)
		}
	}
}

// carryOut reports whether anything was done.
func (s *Supervisor) carryOut(plan Plan) bool {
	done := false
	each := func(ids []string, do func(*unit), states ...State) {
		for _, id := range ids {
			if u := s.byID[id]; u != nil && u.in(states...) {
				do(u)
				done = true
			}
		}
	}
	each(plan.Admit, s.readmit, StateDraining)
	each(plan.Drain, s.drain, StateReady)
	each(plan.Stop, s.stop, StatePulling, StateStarting, StateReady, StateDraining)
	each(plan.Start, s.begin, StateStopped, StateFailed)
	return done
}

// view is what the policy decides on.
func (s *Supervisor) view(now time.Time) View {
	v := View{Now: now, Budgets: s.settings.Budgets, MaxWait: s.settings.MaxWait, Units: make([]Unit, len(s.units))}
	for i, u := range s.units {
		v.Units[i] = u.view(now)
	}
	return v
}

// nextWake is when to decide again though nothing has happened; zero: no need.
func (s *Supervisor) nextWake() time.Time {
	next := s.wake
	for _, u := range s.units {
		next = earlier(next, u.wantUntil)
	}
	return next
}

// earlier ignores zero times.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// post has the loop run f; false: it has ended, and never will.
func (s *Supervisor) post(f func()) bool {
	select {
	case s.inbox <- f:
		return true
	case <-s.ended:
		return false
	}
}

// do is like post, and returns when f has run and what follows from it has been published.
func (s *Supervisor) do(f func()) bool {
	done := make(chan struct{})
	if !s.post(func() {
		f()
		s.answers = append(s.answers, func() { close(done) })
	}) {
		return false
	}
	<-done
	return true
}

// effect runs work by itself, and then what it returns in the loop.
func (s *Supervisor) effect(work func() (report func())) {
	s.running++
	s.tasks.Go(func() {
		report := work()
		s.post(func() {
			s.running--
			report()
		})
	})
}

// Close lets nobody in any more, waits for the requests in flight until ctx ends, stops all
// containers at once (or leaves those that serve: Settings.Leave) and returns when all goroutines
// have ended. What outlasts ctx is bounded by the containers' stop timeouts; the error names
// what could not be stopped.
func (s *Supervisor) Close(ctx context.Context) error {
	s.post(s.close)
	select {
	case <-s.ended:
	case <-ctx.Done():
		s.post(func() {
			s.hurried = true
			s.endPatience()
		})
		<-s.ended
	}
	return errors.Join(s.unstopped...)
}

func (s *Supervisor) close() {
	if s.closing {
		return
	}
	s.closing = true
	s.endOpen()
	for _, u := range s.units {
		s.refuse(u, shuttingDown())
		s.dismiss(u, shuttingDown())
	}
}

// closeStep stops what can be stopped now.
func (s *Supervisor) closeStep() {
	rest := s.running > 0
	for _, u := range append([]*unit(nil), s.units...) {
		switch u.state {
		case StateReady, StateDraining:
			if len(u.leases) > 0 && !s.hurried {
				rest = true
			} else if s.settings.Leave && u.state == StateReady && !u.leaving {
				s.leave(u)
			} else {
				s.stop(u)
				rest = true
			}
		case StatePulling, StateStarting:
			if s.settings.Leave && u.adopting && !u.leaving {
				s.leave(u)
			} else {
				s.stop(u)
			}
			rest = true
		case StateStopping:
			rest = true
		default:
			rest = s.bury(u) || rest
		}
	}
	s.over = !rest && s.running == 0
}

// leave lets a container run that this process does not look after any more.
func (s *Supervisor) leave(u *unit) {
	s.lose(u)
	u.cancel(errStop)
	u.box = Container{}
	u.state = StateStopped
}
