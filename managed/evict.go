package managed

import (
	"cmp"
	"slices"
	"time"
)

// victims returns who must go so that c fits, in the given order of choice: all members of its
// group, and no more of the others than it takes. ok is false when that is not enough.
func (d *decision) victims(c candidate, order []int, may func(candidate, int) bool) (chosen []int, ok bool) {
	need, room := d.demands[c.unit], d.later.clone()
	for _, i := range order {
		if d.gone[i] || need.group == "" || need.group != d.demands[i].group {
			continue
		}
		if !may(c, i) {
			return nil, false
		}
		room.remove(d.demands[i])
		chosen = append(chosen, i)
	}
	members := len(chosen)
	for _, i := range order {
		if room.fits(need) {
			break
		}
		if !d.gone[i] && !slices.Contains(chosen[:members], i) && may(c, i) {
			room.remove(d.demands[i])
			chosen = append(chosen, i)
		}
	}
	if !room.fits(need) {
		return nil, false
	}
	for k := len(chosen) - 1; k >= members; k-- {
		room.add(d.demands[chosen[k]])
		if room.fits(need) {
			chosen = slices.Delete(chosen, k, k+1)
		} else {
			room.remove(d.demands[chosen[k]])
		}
	}
	return chosen, true
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

// rank orders those that hold for victims to choose from.
func (d *decision) rank() {
	for i := range d.Units {
		if d.Units[i].holds() {
			d.cheapest = append(d.cheapest, i)
		}
	}
	slices.SortStableFunc(d.cheapest, d.cheaper)
	d.soonest = slices.Clone(d.cheapest)
	slices.SortStableFunc(d.soonest, d.sooner)
}

// cheaper orders by what it costs to evict: those that drain already, then the lower priority, then
// idle ones, then the longer idle for what its start takes, then the quicker start. Among those
// that drain, the order is the one that they had while they were busy, so that the next plan wants
// the same ones.
func (d *decision) cheaper(i, j int) int {
	a, b := &d.Units[i], &d.Units[j]
	return cmp.Or(
		trueFirst(a.State == StateDraining, b.State == StateDraining),
		cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(d.idleness(b), d.idleness(a)),
		cmp.Compare(a.LoadCost, b.LoadCost),
	)
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
