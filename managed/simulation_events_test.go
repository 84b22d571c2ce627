package managed

import (
	"slices"
	"time"
)

// apply does what p says.
func (s *simulation) apply(p Plan) {
	for i := range s.Units {
		u, c := &s.Units[i], &s.servers[i]
		switch id := u.ID; {
		case slices.Contains(p.Start, id):
			s.total.Starts++
			if u.Pinned {
				s.pinnedStarts++
			}
			u.State, c.changes = StateStarting, s.Now.Add(c.start)
		case slices.Contains(p.Drain, id):
			s.total.Drains++
			u.State, u.DrainingSince = StateDraining, s.Now
		case slices.Contains(p.Stop, id):
			s.total.Stops++
			s.total.Cuts += len(c.flights)
			u.State, c.changes = StateStopping, s.Now.Add(c.stop)
			s.lose(i)
		case slices.Contains(p.Admit, id):
			s.total.Admits++
			u.State, u.DrainingSince = StateReady, time.Time{}
			s.serve(i)
		}
	}
}

// nextEvent is when something happens by itself.
func (s *simulation) nextEvent() time.Time {
	next := never
	at := func(times ...time.Time) {
		for _, t := range times {
			if t.Before(next) {
				next = t
			}
		}
	}
	if s.arrivals > 0 {
		at(s.arrival)
	}
	for _, c := range s.servers {
		at(c.changes)
		at(c.flights...)
		at(c.waiters...)
	}
	return next
}

// happen lets all happen whose time has come.
func (s *simulation) happen() {
	due := func(t time.Time) bool { return !t.After(s.Now) }
	for i := range s.Units {
		u, c := &s.Units[i], &s.servers[i]
		if n := len(c.flights); n > 0 {
			if c.flights = slices.DeleteFunc(c.flights, due); len(c.flights) < n {
				u.InFlight, u.LastUsed = len(c.flights), s.Now
				s.total.Answers += n - len(c.flights)
			}
		}
		c.waiters = slices.DeleteFunc(c.waiters, due)
		if u.Waiting = len(c.waiters); u.Waiting == 0 && !u.Pinned && !c.asked {
			u.WantedSince = time.Time{}
		}
		if due(c.changes) {
			c.changes = never
			s.change(i)
		}
	}
	if s.arrivals > 0 && due(s.arrival) {
		s.arrivals--
		s.arrival = s.Now.Add(s.upTo(2 * s.interval))
		s.arrive(s.IntN(len(s.Units)))
	}
}

// change ends what a server was at.
func (s *simulation) change(i int) {
	u, c := &s.Units[i], &s.servers[i]
	switch u.State {
	case StatePulling:
		c.pulled, u.State = true, StateStopped
		s.begin(i, s.Now)
	case StateStarting:
		if s.troubled && s.IntN(4) == 0 {
			s.fail(i)
			return
		}
		u.State, u.ReadySince, u.LoadCost, c.ended = StateReady, s.Now, c.start, 0
		s.serve(i)
		if s.troubled && s.IntN(6) == 0 {
			c.changes = s.Now.Add(s.upTo(time.Minute))
		}
	case StateStopping:
		if u.Leaving && !u.WantedSince.IsZero() {
			u.WantedSince = s.Now // its next turn is another
		}
		u.State, u.Leaving, u.DrainingSince = StateStopped, false, time.Time{}
		if u.Pinned {
			s.want(i)
		}
		s.begin(i, s.Now)
	case StateReady, StateDraining:
		s.fail(i)
	case StateStopped, StateFailed:
	}
}

// fail ends a start, or what was started.
func (s *simulation) fail(i int) {
	u, c := &s.Units[i], &s.servers[i]
	s.total.Failures++
	c.ended++
	u.State, u.RetryAt = StateFailed, s.Now.Add(min(time.Second<<c.ended, time.Minute))
	u.Leaving, u.DrainingSince = false, time.Time{}
	s.lose(i)
	if u.Pinned {
		s.want(i)
	}
	s.begin(i, u.RetryAt)
}

// lose ends the requests in flight.
func (s *simulation) lose(i int) { s.servers[i].flights, s.Units[i].InFlight = nil, 0 }

// want has i be wanted, and pulled if need be.
func (s *simulation) want(i int) {
	u, c := &s.Units[i], &s.servers[i]
	if !u.WantedSince.IsZero() {
		return
	}
	u.WantedSince = s.Now
	s.begin(i, s.Now)
	if !c.pulled && u.State == StateStopped {
		u.State, c.changes = StatePulling, s.Now.Add(c.pull)
	}
}

// begin counts the wait for a turn from t on.
func (s *simulation) begin(i int, t time.Time) {
	s.servers[i].since, s.servers[i].pinned = t, s.pinnedStarts
}

// arrive is a request for i, or now and then an admin's.
func (s *simulation) arrive(i int) {
	u, c := &s.Units[i], &s.servers[i]
	if s.troubled && s.IntN(20) == 0 && u.holds() && u.State != StateStopping {
		u.Leaving = true
		return
	}
	if s.IntN(20) == 0 && !u.holds() {
		c.asked = true
		s.want(i)
		return
	}
	patience := never
	if s.impatient {
		patience = s.Now.Add(s.upTo(20 * time.Second))
	}
	c.waiters = append(c.waiters, patience)
	u.Waiting++
	s.want(i)
	if u.State == StateReady {
		s.serve(i)
	}
}

// serve lets those in who wait.
func (s *simulation) serve(i int) {
	u, c := &s.Units[i], &s.servers[i]
	for range c.waiters {
		c.flights = append(c.flights, s.Now.Add(s.upTo(12*time.Second)))
	}
	c.waiters, c.asked = nil, false
	u.InFlight, u.Waiting, u.WantedSince = len(c.flights), 0, time.Time{}
}
