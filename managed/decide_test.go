package managed

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noon is when the scenarios are decided.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// ago is so long before noon.
func ago(d time.Duration) time.Time { return noon.Add(-d) }

func in(d time.Duration) time.Time { return noon.Add(d) }

// wanted is a stopped unit that somebody has waited for.
func wanted(id string, since time.Duration, with ...func(*Unit)) Unit {
	return unitOf(Unit{ID: id, State: StateStopped, Waiting: 1, WantedSince: ago(since)}, with)
}

// running is a unit that has been ready for an hour, and idle for half of it.
func running(id string, with ...func(*Unit)) Unit {
	return unitOf(Unit{ID: id, State: StateReady, ReadySince: ago(time.Hour), LastUsed: ago(30 * time.Minute)}, with)
}

func unitOf(u Unit, with []func(*Unit)) Unit {
	u.LoadCost, u.DrainTimeout = 10*time.Second, 30*time.Second
	for _, f := range with {
		f(&u)
	}
	return u
}

func group(u *Unit)   { u.Group = "g" }
func pinned(u *Unit)  { u.Pinned = true }
func leaving(u *Unit) { u.Leaving = true }
func busy(u *Unit)    { u.InFlight = 1 }

func host(mb int) func(*Unit)    { return func(u *Unit) { u.MemoryMB = mb } }
func priority(p int) func(*Unit) { return func(u *Unit) { u.Priority = p } }
func state(s State) func(*Unit)  { return func(u *Unit) { u.State = s } }
func waiting(n int) func(*Unit)  { return func(u *Unit) { u.Waiting = n } }
func retry(t time.Time) func(*Unit) {
	return func(u *Unit) { u.State, u.RetryAt = StateFailed, t }
}
func gpu(mb int, names ...string) func(*Unit) {
	return func(u *Unit) { u.GPUMemoryMB, u.GPUs = mb, names }
}
func ttl(d time.Duration) func(*Unit)       { return func(u *Unit) { u.IdleTTL = d } }
func residency(d time.Duration) func(*Unit) { return func(u *Unit) { u.MinResidency = d } }
func ready(since time.Duration) func(*Unit) { return func(u *Unit) { u.ReadySince = ago(since) } }
func used(since time.Duration) func(*Unit)  { return func(u *Unit) { u.LastUsed = ago(since) } }
func cost(d time.Duration) func(*Unit)      { return func(u *Unit) { u.LoadCost = d } }
func draining(since time.Duration) func(*Unit) {
	return func(u *Unit) { u.State, u.DrainingSince = StateDraining, ago(since) }
}

// aged has waited for longer than the scenarios' MaxWait of a minute, fresh has not.
const (
	aged  = 2 * time.Minute
	fresh = time.Second
	// age is when one that is fresh will be aged.
	age = time.Minute - fresh
)

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		budgets Budgets
		units   []Unit
		want    Plan
	}{
		"nothing to do": {units: []Unit{running("a"), {ID: "b", State: StateStopped}}},
		"who is wanted starts": {
			units: []Unit{wanted("a", fresh)},
			want:  Plan{Start: []string{"a"}},
		},
		"who is leaving does not start": {units: []Unit{wanted("a", fresh, leaving)}},
		"who failed waits for its time": {
			units: []Unit{wanted("a", fresh, retry(in(time.Second)))},
			want:  Plan{Wake: in(time.Second)},
		},
		"who failed starts again at its time": {
			units: []Unit{wanted("a", fresh, retry(noon))},
			want:  Plan{Start: []string{"a"}},
		},
		"a failed one that nobody wants stays": {
			units: []Unit{{ID: "a", State: StateFailed, RetryAt: in(time.Second)}},
		},
		"a pull holds no place, and is let be": {
			units: []Unit{wanted("a", aged, group, state(StatePulling)), wanted("b", fresh, group)},
			want:  Plan{Start: []string{"b"}},
		},
		"a pull makes nobody stop": {
			units: []Unit{wanted("a", aged, group, state(StatePulling)), running("b", group)},
		},
		"disjoint starts run side by side, in order of their turns": {
			units: []Unit{wanted("a", fresh), wanted("b", 2*fresh), wanted("c", fresh, priority(1))},
			want:  Plan{Start: []string{"c", "b", "a"}},
		},
		"of a group one starts: the oldest": {
			units: []Unit{wanted("a", fresh, group), wanted("b", 2*fresh, group)},
			want:  Plan{Start: []string{"b"}, Wake: in(age)},
		},
		"at the same age the first configured": {
			units: []Unit{wanted("a", fresh, group), wanted("b", fresh, group)},
			want:  Plan{Start: []string{"a"}, Wake: in(age)},
		},
		"priority comes before age": {
			units: []Unit{wanted("a", 2*fresh, group), wanted("b", fresh, group, priority(1))},
			want:  Plan{Start: []string{"b"}, Wake: in(time.Minute - 2*fresh)},
		},
		"who has waited too long comes before priority": {
			units: []Unit{wanted("a", fresh, group, priority(1)), wanted("b", aged, group)},
			want:  Plan{Start: []string{"b"}, Wake: in(age)},
		},
		"so it does where it is configured first": {
			units: []Unit{wanted("b", aged, group), wanted("a", fresh, group, priority(1))},
			want:  Plan{Start: []string{"b"}, Wake: in(age)},
		},
		"of those that waited too long the oldest, whatever the priority": {
			units: []Unit{wanted("a", aged, group, priority(1)), wanted("b", aged+1, group)},
			want:  Plan{Start: []string{"b"}},
		},
		"pinned comes first": {
			units: []Unit{wanted("a", aged, group), wanted("b", fresh, group, pinned)},
			want:  Plan{Start: []string{"b"}},
		},
		"who failed has had its turn": {
			units: []Unit{wanted("a", 3*aged, group, retry(ago(fresh))), wanted("b", aged, group)},
			want:  Plan{Start: []string{"b"}, Wake: in(age)},
		},

		"an idle one of the group stops": {
			units: []Unit{wanted("a", fresh, group), running("b", group)},
			want:  Plan{Stop: []string{"b"}, Wake: in(age)},
		},
		"a starting one of the group is waited for": {
			units: []Unit{wanted("a", fresh, group), running("b", group, state(StateStarting))},
			want:  Plan{Wake: in(age)},
		},
		"a starting one is waited for by one that waited too long": {
			units: []Unit{wanted("a", aged, group), running("b", group, state(StateStarting))},
		},
		"a stopping one holds its place": {
			units: []Unit{wanted("a", aged, group), running("b", group, state(StateStopping))},
		},
		"a busy one stays while the other has not waited for long": {
			units: []Unit{wanted("a", fresh, group), running("b", group, busy)},
			want:  Plan{Wake: in(age)},
		},
		"one with its own waiters stays too": {
			units: []Unit{wanted("a", fresh, group), running("b", group, waiting(1))},
			want:  Plan{Wake: in(age)},
		},
		"a busy one drains for one that waited too long": {
			units: []Unit{wanted("a", aged, group), running("b", group, busy)},
			want:  Plan{Drain: []string{"b"}, Wake: in(30 * time.Second)},
		},
		"one drains until its limit": {
			units: []Unit{wanted("a", aged, group), running("b", group, busy, draining(29*time.Second))},
			want:  Plan{Wake: in(time.Second)},
		},
		"at the limit it stops": {
			units: []Unit{wanted("a", aged, group), running("b", group, busy, draining(30*time.Second))},
			want:  Plan{Stop: []string{"b"}},
		},
		"once nothing is in flight it stops, whoever waits for it": {
			units: []Unit{wanted("a", aged, group), running("b", group, waiting(3), draining(fresh))},
			want:  Plan{Stop: []string{"b"}},
		},
		"without time to drain it stops": {
			units: []Unit{wanted("a", aged, group), running("b", group, busy, func(u *Unit) { u.DrainTimeout = 0 })},
			want:  Plan{Stop: []string{"b"}},
		},
		"when nobody needs the room any more, it lets requests in": {
			units: []Unit{running("b", group, busy, draining(fresh))},
			want:  Plan{Admit: []string{"b"}},
		},
		"a drain that has no beginning cuts nobody": {
			units: []Unit{wanted("a", aged, group), running("b", group, busy, state(StateDraining))},
		},
		"a busy one drains for one that is pinned": {
			units: []Unit{wanted("a", fresh, group, pinned), running("b", group, busy)},
			want:  Plan{Drain: []string{"b"}, Wake: in(30 * time.Second)},
		},
		"time changes nothing for a pinned one that waits for a start": {
			units: []Unit{wanted("a", fresh, group, pinned), running("b", group, state(StateStarting))},
		},
		"time changes nothing for who waits for a pinned one": {
			units: []Unit{wanted("a", aged, group), running("b", group, pinned, residency(2*time.Hour))},
		},
		"a residency is nothing to wake for when nobody waits": {
			units: []Unit{running("b", residency(2*time.Hour))},
		},
		"pinned makes room for nobody": {
			units: []Unit{wanted("a", aged, group), running("b", group, pinned)},
		},
		"in its residency it stays, whoever waits": {
			units: []Unit{wanted("a", aged, group), running("b", group, ready(50*time.Second), residency(time.Minute))},
			want:  Plan{Wake: in(10 * time.Second)},
		},
		"after its residency it goes": {
			units: []Unit{wanted("a", aged, group), running("b", group, ready(time.Minute), used(fresh), residency(time.Minute))},
			want:  Plan{Stop: []string{"b"}},
		},
		"a higher priority stays": {
			units: []Unit{wanted("a", fresh, group), running("b", group, priority(1))},
			want:  Plan{Wake: in(age)},
		},
		"even a higher priority goes for one that waited too long": {
			units: []Unit{wanted("a", aged, group), running("b", group, priority(1))},
			want:  Plan{Stop: []string{"b"}},
		},

		"leaving, idle: stops, in residency or pinned": {
			units: []Unit{running("a", leaving, pinned, residency(2*time.Hour))},
			want:  Plan{Stop: []string{"a"}},
		},
		"leaving, busy: drains": {
			units: []Unit{running("a", leaving, busy)},
			want:  Plan{Drain: []string{"a"}, Wake: in(30 * time.Second)},
		},
		"leaving, drained: stops": {
			units: []Unit{running("a", leaving, draining(fresh))},
			want:  Plan{Stop: []string{"a"}},
		},
		"leaving, draining for too long: stops": {
			units: []Unit{running("a", leaving, busy, draining(31*time.Second))},
			want:  Plan{Stop: []string{"a"}},
		},
		"leaving, starting: stops": {
			units: []Unit{running("a", leaving, state(StateStarting))},
			want:  Plan{Stop: []string{"a"}},
		},

		"idle for long enough: stops": {
			units: []Unit{running("a", ttl(30*time.Minute))},
			want:  Plan{Stop: []string{"a"}},
		},
		"idle, not for long enough": {
			units: []Unit{running("a", ttl(31*time.Minute))},
			want:  Plan{Wake: in(time.Minute)},
		},
		"never used: idle since it was ready": {
			units: []Unit{running("a", ttl(time.Hour), used(2*time.Hour))},
			want:  Plan{Stop: []string{"a"}},
		},
		"never used again: idle since it was ready again": {
			units: []Unit{running("a", ttl(90*time.Minute), used(2*time.Hour))},
			want:  Plan{Wake: in(30 * time.Minute)},
		},
		"who cannot be idle is nothing to wake for": {
			units: []Unit{running("a", ttl(2*time.Hour), busy), running("c", ttl(2*time.Hour), pinned)},
		},
		"busy ones, waited for ones and pinned ones are not idle": {
			units: []Unit{
				running("a", ttl(time.Minute), busy), running("b", ttl(time.Minute), waiting(1)),
				running("c", ttl(time.Minute), pinned),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := View{Now: noon, Budgets: c.budgets, MaxWait: time.Minute, Units: c.units}
			require.Equal(t, c.want, Decide(v))
		})
	}
}
