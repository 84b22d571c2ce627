package managed

import (
	"cmp"
	"slices"
	"time"
)

// Decide says what to do in v: which servers start, and which make room for them. The plan depends
// on nothing but v.
//
// Those that want to start get their turn in order ([decision.queue]). One for which there is room
// starts. Else it is looked whether others can make room; if so, they stop, and what they leave is
// kept for it: what comes after it starts only beside it. One that is pinned, or that has waited
// for MaxWait, may also have busy servers drained, and is promised room that others can make only
// later, when their start or minimum residency ends. So it is served at last: those before it are
// finitely many, none that comes later gets before it but a pinned one, and the turn of each is at
// most a start, a residency, a drain and a stop.
//
// A plan carried out leaves nothing to do at that moment, but that now and then the next one takes
// back a drain: who was promised room may find that it needs other room than before.
//
// One that starts again after a failure queues as if it was wanted from RetryAt on: it had its turn.
func Decide(v View) Plan {
	d := newDecision(v)
	d.settle()
	for _, c := range d.queue() {
		d.place(c)
	}
	d.admit()
	return d.plan()
}

// decision is a plan in the making. Units are known by their index.
type decision struct {
	View
	demands []demand
	actions []action
	starts  []int
	// now is what is held and what this plan starts. soon is what will be once all has stopped that
	// is to stop, with those for whom they stop. later is what will be once those have stopped too
	// whose room is promised, with those to whom it is. Who starts fits in each of them.
	now         ledger
	soon, later stage
	// waiting are candidates that this plan does not start.
	waiting []candidate
	// cheapest and soonest are the orders of choosing victims.
	cheapest, soonest []int
}

type action int8

const (
	nothing action = iota
	toDrain
	toStop
	toAdmit
)

// stage is what will be held at a time to come. Units are out that do not run then, or whose room
// is only kept; the others can be asked to make room.
type stage struct {
	ledger
	out []bool
}

// drop has unit i be out.
func (s *stage) drop(i int, d demand) {
	if !s.out[i] {
		s.out[i] = true
		s.remove(d)
	}
}

// candidate is a unit that wants to start.
type candidate struct {
	unit  int
	since time.Time
	// aged: its turn has come, whoever is busy.
	aged bool
}

func newDecision(v View) *decision {
	n := len(v.Units)
	bounds := newLimits(v.Budgets)
	d := &decision{
		View:    v,
		demands: make([]demand, n),
		actions: make([]action, n),
		now:     newLedger(bounds),
	}
	out := make([]bool, n)
	for i := range v.Units {
		d.demands[i] = bounds.demand(&v.Units[i])
		if out[i] = !v.Units[i].holds(); !out[i] {
			d.now.add(d.demands[i])
		}
	}
	d.soon = stage{ledger: d.now.clone(), out: slices.Clone(out)}
	d.later = stage{ledger: d.now.clone(), out: out}
	d.rank()
	return d
}

// settle ends what is to end whoever waits: those that are leaving, and those that were idle for
// long enough.
func (d *decision) settle() {
	for i := range d.Units {
		u := &d.Units[i]
		switch {
		case u.State == StateStopping:
			d.leave(i)
		case u.holds() && u.Leaving:
			d.end(i)
		case u.serves() && u.idle() && u.IdleTTL > 0 && !u.Pinned && !d.ahead(u.idleSince().Add(u.IdleTTL)):
			d.end(i)
		}
	}
}

// queue returns those who want to start: pinned ones, then those that have waited for MaxWait, the
// oldest first, then the others by priority, age and the configuration's order.
func (d *decision) queue() []candidate {
	var q []candidate
	for i := range d.Units {
		u := &d.Units[i]
		if !u.wants() || u.State == StateFailed && d.ahead(u.RetryAt) {
			continue
		}
		c := candidate{unit: i, since: u.WantedSince}
		if u.State == StateFailed && u.RetryAt.After(c.since) {
			c.since = u.RetryAt
		}
		c.aged = u.Pinned || !d.ahead(c.since.Add(d.MaxWait))
		q = append(q, c)
	}
	slices.SortStableFunc(q, d.compare)
	return q
}

func (d *decision) compare(a, b candidate) int {
	u, w := &d.Units[a.unit], &d.Units[b.unit]
	if order := cmp.Or(trueFirst(u.Pinned, w.Pinned), trueFirst(a.aged, b.aged)); order != 0 {
		return order
	}
	if a.aged {
		return a.since.Compare(b.since)
	}
	return cmp.Or(cmp.Compare(w.Priority, u.Priority), a.since.Compare(b.since))
}

// place starts c, or makes room for it, or leaves it waiting.
func (d *decision) place(c candidate) {
	need := d.demands[c.unit]
	if d.soon.fits(need) && d.later.fits(need) {
		d.soon.add(need)
		d.later.add(need)
		if d.now.fits(need) {
			d.now.add(need)
			d.soon.out[c.unit], d.later.out[c.unit] = false, false
			d.starts = append(d.starts, c.unit)
			return
		}
		d.waiting = append(d.waiting, c)
		return
	}
	d.waiting = append(d.waiting, c)
	if victims, ok := d.victims(c, d.cheapest, d.evictable, &d.soon, &d.later); ok {
		for _, i := range victims {
			d.end(i)
		}
		d.soon.add(need)
		d.later.add(need)
		return
	}
	if !c.aged {
		return
	}
	if victims, ok := d.victims(c, d.soonest, d.evictableOnce, &d.later); ok {
		for _, i := range victims {
			d.later.drop(i, d.demands[i])
		}
		d.later.add(need)
	}
}

// end has unit i stop: at once when nothing is in flight, or when that has had its time.
func (d *decision) end(i int) {
	d.leave(i)
	u := &d.Units[i]
	switch {
	case u.InFlight == 0, u.DrainTimeout <= 0, u.State == StateStarting:
		d.actions[i] = toStop
	case u.State != StateDraining:
		d.actions[i] = toDrain
	case !u.DrainingSince.IsZero() && !d.ahead(u.drainLimit()):
		d.actions[i] = toStop
	}
}

// leave takes unit i out of what will be held.
func (d *decision) leave(i int) {
	d.soon.drop(i, d.demands[i])
	d.later.drop(i, d.demands[i])
}

// admit lets requests in again where nobody needs the room.
func (d *decision) admit() {
	for i := range d.Units {
		if d.Units[i].State == StateDraining && !d.soon.out[i] {
			d.actions[i] = toAdmit
		}
	}
}

// ahead reports whether t is in the future.
func (d *decision) ahead(t time.Time) bool { return t.After(d.Now) }

// holds reports whether u takes memory and its group's place.
func (u *Unit) holds() bool {
	return u.State == StateStarting || u.State == StateStopping || u.serves()
}

func (u *Unit) serves() bool { return u.State == StateReady || u.State == StateDraining }

func (u *Unit) wants() bool {
	return (u.State == StateStopped || u.State == StateFailed) && !u.Leaving && !u.WantedSince.IsZero()
}

func (u *Unit) idle() bool { return u.InFlight == 0 && u.Waiting == 0 }

func (u *Unit) idleSince() time.Time {
	if u.LastUsed.After(u.ReadySince) {
		return u.LastUsed
	}
	return u.ReadySince
}

func (u *Unit) residentUntil() time.Time { return u.ReadySince.Add(u.MinResidency) }

func (u *Unit) drainLimit() time.Time { return u.DrainingSince.Add(u.DrainTimeout) }

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
