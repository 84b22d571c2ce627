package managed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSchedules lets plans be carried out against random requests, starts, failures, crashes and
// admins, and checks after each what must hold always. Times are numbers. One schedule alone:
// -run TestSchedules/seed=17.
func TestSchedules(t *testing.T) {
	schedules := uint64(2000)
	if testing.Short() {
		schedules = 300
	}
	var done simulationTotals
	for seed := range schedules {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { newSimulation(t, seed).run(&done) })
	}
	if done.Schedules < int(schedules) {
		return
	}
	t.Logf("%+v", done)
	for what, n := range map[string]int{
		"start": done.Starts, "swap": done.Stops, "drain": done.Drains, "readmission": done.Admits,
		"cut request": done.Cuts, "failure": done.Failures, "answer": done.Answers,
	} {
		require.Positive(t, n, "no schedule had a %s", what)
	}
	require.Less(t, 1000*done.Changes, done.Drains+1, "plans change their minds")
}

// simulationTotals say what the schedules had of each.
type simulationTotals struct {
	Schedules                                              int
	Starts, Stops, Drains, Admits, Cuts, Failures, Answers int
	// Changes are drains that the next plan took back at once, since who is promised room had it of
	// another then. They are rare, and none is taken back twice.
	Changes int
}

// simulation is one schedule: servers that do what the plans say, and what happens to them.
type simulation struct {
	*testing.T
	*rand.Rand
	View
	servers []simulated
	total   *simulationTotals

	arrivals  int       // still to come
	arrival   time.Time // of the next
	interval  time.Duration
	impatient bool
	troubled  bool // servers fail, crash, and admins unload
	// turn is what one turn may take at most: a start, a residency, a drain and a stop.
	turn time.Duration
	// pinnedStarts counts starts of pinned servers, which come before everybody's turn.
	pinnedStarts int
}

// simulated is a server, beside what the policy sees of it.
type simulated struct {
	flights []time.Time // when each request in flight ends
	waiters []time.Time // when each waiter gives up
	// changes is when its start, stop or pull ends, or when it crashes while it serves.
	changes             time.Time
	start, stop, pull   time.Duration
	pulled, asked, fits bool // asked: by an admin
	// since is from when on its turn must come, pinned what pinnedStarts was then.
	since  time.Time
	pinned int
	ended  int // failures in a row
}

// never is after every schedule.
var never = noon.AddDate(1, 0, 0)

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{T: t, Rand: rand.New(rand.NewPCG(seed, 6))}
	s.Now, s.arrival, s.arrivals = noon, noon, 20+s.IntN(100)
	s.interval = s.upTo(4 * time.Second)
	s.impatient, s.troubled = s.IntN(3) == 0, s.IntN(2) == 0
	s.MaxWait = s.upTo(20 * time.Second)
	if s.IntN(2) == 0 {
		s.Budgets.HostMB = 4 + s.IntN(12)
	}
	s.Budgets.GPUs = map[string]int{}
	for g := range s.IntN(3) {
		s.Budgets.GPUs[fmt.Sprint(g)] = 4 + s.IntN(8)
	}
	for i := range 2 + s.IntN(7) {
		s.add(i)
	}
	for i := range s.servers {
		s.servers[i].fits = s.fitsBesidePinned(i)
	}
	return s
}

func (s *simulation) upTo(d time.Duration) time.Duration {
	return 1 + time.Duration(s.Int64N(int64(d)))
}

func (s *simulation) add(i int) {
	u := Unit{
		ID: fmt.Sprint("u", i), Priority: s.IntN(3), State: StateStopped,
		MemoryMB: s.IntN(9), GPUMemoryMB: s.IntN(7), DrainTimeout: s.upTo(10 * time.Second),
	}
	u.Group = []string{"", "", "g", "h"}[s.IntN(4)]
	u.GPUs = [][]string{nil, {"0"}, {"1"}, {"0", "1"}, {"all"}, {"7"}}[s.IntN(6)]
	if s.IntN(8) == 0 {
		u.DrainTimeout = 0
	}
	if s.IntN(2) == 0 {
		u.MinResidency = s.upTo(20 * time.Second)
	}
	if s.IntN(3) == 0 {
		u.IdleTTL = s.upTo(30 * time.Second)
	}
	c := simulated{start: s.upTo(20 * time.Second), stop: s.upTo(4 * time.Second), changes: never, pulled: s.IntN(4) > 0, pull: s.upTo(30 * time.Second)}
	s.turn = max(s.turn, c.start+u.MinResidency+u.DrainTimeout+c.stop)
	s.Units, s.servers = append(s.Units, u), append(s.servers, c)
	if s.IntN(5) == 0 && s.fitsBesidePinned(i) {
		s.Units[i].Pinned = true
		s.want(i)
	}
}

// fitsBesidePinned reports whether i can run at all.
func (s *simulation) fitsBesidePinned(i int) bool {
	return withinBudgets(s.Budgets, s.Units, func(j int) bool { return j == i || s.Units[j].Pinned })
}

// withinBudgets reports whether those that hold keep to budgets and groups.
func withinBudgets(b Budgets, units []Unit, hold func(int) bool) bool {
	memory, members, used := 0, map[string]int{}, map[string]int{}
	for i, u := range units {
		if !hold(i) {
			continue
		}
		memory += u.MemoryMB
		members[u.Group]++
		for g := range b.GPUs {
			if slices.Contains(u.GPUs, g) || slices.Contains(u.GPUs, "all") {
				used[g] += u.GPUMemoryMB
			}
		}
	}
	for g, n := range members {
		if g != "" && n > 1 {
			return false
		}
	}
	for g, mb := range used {
		if mb > b.GPUs[g] {
			return false
		}
	}
	return b.HostMB == 0 || memory <= b.HostMB
}

// must fails with all that is needed to see why.
func (s *simulation) must(ok bool, format string, args ...any) {
	s.Helper()
	if !ok {
		s.Logf("%v since the start\nbudgets %+v, max wait %v", s.Now.Sub(noon), s.Budgets, s.MaxWait)
		for i := range s.Units {
			s.Logf("%+v\n  %+v", s.Units[i], s.servers[i])
		}
		require.Failf(s.T, "the schedule broke a rule", format, args...)
	}
}

func (s *simulation) run(total *simulationTotals) {
	s.total = total
	total.Schedules++
	for unchanged := 0; ; {
		wake, acted := s.decide()
		event := s.nextEvent()
		if event.Equal(never) && wake.IsZero() {
			break
		}
		next := event
		if !wake.IsZero() && wake.Before(event) {
			next = wake
		}
		s.mustRestUntil(next)
		if acted || next.Equal(event) {
			unchanged = 0
		} else {
			unchanged++
		}
		s.must(unchanged <= 4*len(s.Units), "it wakes again and again, for nothing")
		s.Now = next
		s.happen()
	}
	for i, u := range s.Units {
		s.must(u.WantedSince.IsZero() || !s.servers[i].fits, "%s is never served", u.ID)
	}
}

// decide carries out plans until there is nothing more to do at this moment.
func (s *simulation) decide() (wake time.Time, acted bool) {
	did := map[string][]string{}
	for round := 0; ; round++ {
		p := Decide(s.View)
		s.must(p.Wake.IsZero() || p.Wake.After(s.Now), "it wakes at %v", p.Wake)
		if p.empty() {
			s.mustBeBounded()
			return p.Wake, round > 0
		}
		s.must(round <= len(s.Units), "it never comes to rest")
		s.mustBeAllowed(p)
		for what, ids := range map[string][]string{"start": p.Start, "drain": p.Drain, "stop": p.Stop, "admit": p.Admit} {
			for _, id := range ids {
				did[id] = append(did[id], what)
				s.must(len(did[id]) == 1 || slices.Equal(did[id], []string{"drain", "admit"}), "%s at once: %v", id, did[id])
				s.total.Changes += len(did[id]) - 1
			}
		}
		s.apply(p)
		s.must(withinBudgets(s.Budgets, s.Units, func(i int) bool { return s.Units[i].holds() }), "more runs than may")
	}
}

func (p Plan) empty() bool { return len(p.Start)+len(p.Drain)+len(p.Stop)+len(p.Admit) == 0 }

// mustRestUntil checks that nothing is to be done at a time before the next.
func (s *simulation) mustRestUntil(next time.Time) {
	if gap := int64(next.Sub(s.Now)); gap > 1 && s.IntN(3) == 0 {
		v := s.View
		v.Now = v.Now.Add(time.Duration(1 + s.Int64N(gap-1)))
		s.must(Decide(v).empty(), "at %v it would do %+v, and nobody would ask", v.Now.Sub(noon), Decide(v))
	}
}

// mustBeAllowed checks who is to stop.
func (s *simulation) mustBeAllowed(p Plan) {
	agedWaits, highest := false, -1
	for _, u := range s.Units {
		if u.wants() && !u.RetryAt.After(s.Now) {
			agedWaits = agedWaits || u.Pinned || !u.WantedSince.Add(s.MaxWait).After(s.Now)
			highest = max(highest, u.Priority)
		}
	}
	for _, id := range append(slices.Clone(p.Stop), p.Drain...) {
		u := s.unit(id)
		idle := u.InFlight == 0 && u.Waiting == 0
		idleFor := min(s.Now.Sub(u.ReadySince), s.Now.Sub(u.LastUsed))
		expired := idle && u.IdleTTL > 0 && idleFor >= u.IdleTTL && !u.Pinned
		s.must(u.InFlight == 0 || slices.Contains(p.Drain, id) || u.DrainTimeout == 0 ||
			u.State == StateDraining && s.Now.Sub(u.DrainingSince) >= u.DrainTimeout, "%s is cut", id)
		if u.Leaving || expired {
			continue
		}
		s.must(!u.Pinned, "%s is pinned", id)
		s.must(s.Now.Sub(u.ReadySince) >= u.MinResidency, "%s has just come", id)
		s.must(idle || agedWaits, "%s is busy, and nobody has waited for long", id)
		s.must(agedWaits || highest >= u.Priority, "%s stops for less than itself", id)
	}
	for _, id := range p.Start {
		u := s.unit(id)
		s.must(u.wants() && (u.State == StateStopped || !u.RetryAt.After(s.Now)), "%s starts unasked", id)
	}
}

// mustBeBounded checks that nobody has waited for longer than the turns of those before it take:
// each other's once, and those of pinned ones that started meanwhile.
func (s *simulation) mustBeBounded() {
	for i, u := range s.Units {
		c := s.servers[i]
		if !c.fits || !u.wants() || u.RetryAt.After(s.Now) {
			continue
		}
		turns := len(s.Units) + s.pinnedStarts - c.pinned
		bound := s.MaxWait + time.Duration(turns)*s.turn
		s.must(s.Now.Sub(c.since) <= bound, "%s waits for %v, more than %v", u.ID, s.Now.Sub(c.since), bound)
	}
}

func (s *simulation) unit(id string) *Unit {
	i := slices.IndexFunc(s.Units, func(u Unit) bool { return u.ID == id })
	s.must(i >= 0, "there is no %q", id)
	return &s.Units[i]
}
