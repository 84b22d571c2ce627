package managed

import (
	"cmp"
	"slices"
	"time"
)

// victims returns who must go so that c fits at all stages: first all that may are taken, then
// those given back without whom it fits too, beginning with the last in order. A member of c's group
// is never given back, as c does not fit beside it. ok is false when all together are not enough.
func (d *decision) victims(c candidate, order []int, may func(candidate, int) bool, at ...*stage) (chosen []int, ok bool) {
	room := d.room(c, at)
	for _, i := range order {
		if !at[0].out[i] && may(c, i) {
			room.take(i)
			chosen = append(chosen, i)
		}
	}
	if !room.fits() {
		return nil, false
	}
	for k, i := range slices.Backward(chosen) {
		room.give(i)
		if room.fits() {
			chosen = slices.Delete(chosen, k, k+1)
		} else {
			room.take(i)
		}
	}
	return chosen, true
}

// room tries out what would be held at some stages without some units.
type room struct {
	demands []demand
	need    demand
	at      []*stage
	left    []ledger
}

func (d *decision) room(c candidate, at []*stage) room {
	r := room{demands: d.demands, need: d.demands[c.unit], at: at}
	for _, s := range at {
		r.left = append(r.left, s.clone())
	}
	return r
}

func (r *room) take(i int) { r.count(i, -1) }
func (r *room) give(i int) { r.count(i, 1) }

func (r *room) count(i, sign int) {
	for k := range r.at {
		if !r.at[k].out[i] {
			r.left[k].count(r.demands[i], sign)
		}
	}
}

func (r *room) fits() bool {
	for k := range r.left {
		if !r.left[k].fits(r.need) {
			return false
		}
	}
	return true
}

// evictable reports whether i may make room for c now.
func (d *decision) evictable(c candidate, i int) bool {
	u := &d.Units[i]
	if !u.serves() || u.Pinned || d.ahead(u.residentUntil()) {
		return false
	}
	return c.aged || u.idle() && u.Priority <= d.Units[c.unit].Priority
}

// evictableOnce reports whether i will be evictable for a candidate that has waited for long.
func (d *decision) evictableOnce(_ candidate, i int) bool { return !d.Units[i].Pinned }

// rank orders the units for victims to choose from.
func (d *decision) rank() {
	d.cheapest = make([]int, len(d.Units))
	for i := range d.cheapest {
		d.cheapest[i] = i
	}
	slices.SortStableFunc(d.cheapest, d.cheaper)
	d.soonest = slices.Clone(d.cheapest)
	slices.SortStableFunc(d.cheapest, d.draining)
	slices.SortStableFunc(d.soonest, d.sooner)
}

// cheaper orders by what it costs to evict: the lower priority, then idle ones, then the longer
// idle for what its start takes, then the quicker start. Whether it drains makes no difference, so
// that the next plan chooses no others.
func (d *decision) cheaper(i, j int) int {
	a, b := &d.Units[i], &d.Units[j]
	return cmp.Or(
		cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(d.idleness(b), d.idleness(a)),
		cmp.Compare(a.LoadCost, b.LoadCost),
	)
}

// draining orders those first that drain already.
func (d *decision) draining(i, j int) int {
	return trueFirst(d.Units[i].State == StateDraining, d.Units[j].State == StateDraining)
}

// idleness is how long u has been idle, in durations of its start (of a second at least); -1 when
// it is not idle, or does not serve.
func (d *decision) idleness(u *Unit) float64 {
	if u.State != StateReady || !u.idle() {
		return -1
	}
	age := max(d.Now.Sub(u.idleSince()), 0)
	return float64(age) / float64(max(u.LoadCost, time.Second))
}

// sooner orders by when they can be evicted; of those that still start that is not known.
func (d *decision) sooner(i, j int) int {
	a, b := &d.Units[i], &d.Units[j]
	if order := trueFirst(a.serves(), b.serves()); order != 0 || !a.serves() {
		return order
	}
	return d.evictableFrom(a).Compare(d.evictableFrom(b))
}

func (d *decision) evictableFrom(u *Unit) time.Time {
	if until := u.residentUntil(); d.ahead(until) {
		return until
	}
	return d.Now
}
