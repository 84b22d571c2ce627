package managed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

// TestSupervisorSchedules has clients ask for hours, in every other schedule while containers and
// the engine fail and admins meddle, in every fourth with an engine that hangs as well. One alone:
// -run TestSupervisorSchedules/seed=17.
func TestSupervisorSchedules(t *testing.T) {
	schedules := uint64(60)
	if testing.Short() {
		schedules = 20
	}
	total := map[string]int{}
	for seed := range schedules {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newSchedule(t, seed)
				d.run()
				for what, n := range d.counts {
					total[what] += n
				}
			})
		})
	}
	t.Log(total)
	for _, what := range []string{"served", "late", "unavailable", "canceled", "lost", "swaps", "crashes", "outages", "hangs"} {
		require.Positive(t, total[what], "no schedule had %s", what)
	}
}

// schedule is a supervisor with clients and, where it is troubled, with what goes wrong.
type schedule struct {
	*rig
	seed     uint64
	settings managed.Settings
	troubled bool
	// longest is how long a model that is asked for again and again is served at the latest, when
	// nothing goes wrong.
	longest time.Duration

	lock   sync.Mutex
	rand   *rand.Rand
	calm   bool // nothing goes wrong any more
	counts map[string]int
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	d := &schedule{
		seed: seed, troubled: seed%2 == 1, counts: map[string]int{},
		rand: rand.New(rand.NewPCG(seed, 4)),
	}
	d.rig = newRig(t, d.behave)
	d.settings = managed.Settings{MaxWait: d.upTo(15 * time.Second), Budgets: managed.Budgets{HostMB: 8, GPUs: map[string]int{"0": 8}}}
	for i := range 2 + d.below(4) {
		d.settings.Specs = append(d.settings.Specs, d.spec(fmt.Sprint("m", i)))
	}
	if d.below(3) == 0 { // what is pinned leaves room for each other
		first := &d.settings.Specs[0]
		first.Pinned, first.Group, first.MemoryMB, first.GPUMemoryMB = true, "", 1, 1
	}
	// A turn: what holds the room ends a start, a residency, a drain and its stop.
	turn := 30*time.Second + 10*time.Second + 20*time.Second + 10*time.Second + 5*time.Second
	d.longest = d.settings.MaxWait + time.Duration(2*len(d.settings.Specs))*turn
	return d
}

func (d *schedule) spec(id string) managed.Spec {
	return with(spec(id), func(s *managed.Spec) {
		s.MemoryMB, s.GPUs, s.GPUMemoryMB = 1+d.below(5), []string{"0"}, 1+d.below(5)
		s.Group = []string{"", "", "g", "h"}[d.below(4)]
		s.Priority = d.below(3)
		s.Preload = d.below(4) == 0
		s.IdleTTL = []time.Duration{0, time.Minute, 10 * time.Minute}[d.below(3)]
		s.MinResidency = d.upTo(10 * time.Second)
		s.DrainTimeout = 10*time.Second + d.upTo(10*time.Second)
		s.StartWait, s.PullTimeout = d.upTo(40*time.Second), 5*time.Minute
	})
}

func (d *schedule) below(n int) int {
	d.lock.Lock()
	defer d.lock.Unlock()
	return d.rand.IntN(n)
}

func (d *schedule) upTo(limit time.Duration) time.Duration {
	return time.Duration(1 + d.below(int(limit)))
}

func (d *schedule) count(what string) {
	d.lock.Lock()
	defer d.lock.Unlock()
	d.counts[what]++
}

func (d *schedule) isCalm() bool {
	d.lock.Lock()
	defer d.lock.Unlock()
	return !d.troubled || d.calm
}

// behave is how the next container goes.
func (d *schedule) behave(managed.Spec) managedtest.Behaviour {
	b := managedtest.Behaviour{Create: d.upTo(3 * time.Second), Ready: d.upTo(20 * time.Second), StopTakes: d.upTo(12 * time.Second)}
	if d.isCalm() {
		return b
	}
	switch d.below(10) {
	case 0:
		b.StartErr = errors.New("the port is taken")
	case 1:
		b.EndsAfter, b.ExitCode = d.upTo(time.Minute), 1
	case 2:
		b.EndsAfter, b.OOM = d.upTo(10*time.Minute), true
	case 3:
		b.TryErr = models.Errorf(models.KindInvalid, "no")
	}
	return b
}

func (d *schedule) run() {
	d.engine.Bound(d.settings.Budgets)
	if d.seed%4 == 3 {
		d.bootOn(moody{d.engine, d}, d.settings)
	} else {
		d.boot(d.settings)
	}
	end := time.Now().Add(2 * time.Hour)
	var clients, trouble sync.WaitGroup
	for _, s := range d.settings.Specs {
		for range 1 + d.below(3) {
			clients.Go(func() { d.client(s.ID, end) })
		}
	}
	if d.troubled {
		trouble.Go(func() { d.trouble(end.Add(-time.Hour)) })
		trouble.Wait()
		d.lock.Lock()
		d.calm = true
		d.lock.Unlock()
		d.engine.ComeBack()
		d.engine.Mute(false)
		d.s.Apply(d.settings)
		time.Sleep(11 * time.Minute) // the breaker's time, and an outage's
		var served sync.WaitGroup
		for _, s := range d.settings.Specs {
			served.Go(func() { d.insist(s.ID) })
		}
		served.Wait()
	}
	clients.Wait()
	synctest.Wait()
	for _, c := range d.s.Containers() {
		require.Zero(d.t, c.Waiting, c.ID)
		require.Zero(d.t, c.InFlight, c.ID)
	}
	d.counts["swaps"], d.counts["crashes"] = len(d.heard("swapped")), len(d.heard("crashed"))
	d.close(time.Minute)
	require.Empty(d.t, d.engine.Left())
}

// client asks for a model now and then.
func (d *schedule) client(id string, end time.Time) {
	for time.Now().Before(end) {
		pause := 20 * time.Second
		if d.below(4) == 0 {
			pause = 5 * time.Minute
		}
		time.Sleep(d.upTo(pause))
		if d.isCalm() && !d.troubled && d.below(2) == 0 {
			d.insist(id)
			continue
		}
		d.request(id)
	}
}

// insist asks until it is served, which must not take too long.
func (d *schedule) insist(id string) {
	begun := time.Now()
	for {
		l, err := d.s.Acquire(context.Background(), id, nil)
		if err == nil {
			require.LessOrEqual(d.t, time.Since(begun), d.longest, "%s waited for too long", id)
			d.hold(l)
			return
		}
		e := failure(d.t, err, models.KindLoading)
		require.LessOrEqual(d.t, time.Since(begun), d.longest, "%s waits for too long: %v", id, err)
		time.Sleep(min(e.RetryAfter, 2*time.Second))
	}
}

// request asks once, and may have little time, or leave.
func (d *schedule) request(id string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	limit := 40 * time.Second // of any StartWait
	var gone func() bool
	begun := time.Now()
	switch d.below(4) {
	case 0:
		limit = d.upTo(limit)
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	case 1:
		leaves := begun.Add(d.upTo(limit))
		limit = min(limit, time.Until(leaves)+time.Second)
		gone = func() bool { return time.Now().After(leaves) }
	case 2:
		limit = d.upTo(limit)
		time.AfterFunc(limit, cancel)
	}
	l, err := d.s.Acquire(ctx, id, gone)
	require.LessOrEqual(d.t, time.Since(begun), limit, "%s: %v", id, err)
	if err == nil {
		d.hold(l)
		return
	}
	switch models.KindOf(err) {
	case models.KindLoading:
		d.count("late")
	case models.KindUnavailable:
		require.True(d.t, d.troubled, "%v", err)
		d.count("unavailable")
	case models.KindCanceled:
		d.count("canceled")
	default:
		require.NoError(d.t, err)
	}
}

// hold is a request that is served.
func (d *schedule) hold(l *managed.Lease) {
	d.count("served")
	time.Sleep(d.upTo(8 * time.Second))
	if l.Lost() {
		d.count("lost")
		if !d.troubled {
			d.t.Error("a request was cut though drains take longer than any")
		}
	}
	l.Release()
}

// trouble goes on until a time.
func (d *schedule) trouble(until time.Time) {
	var admins sync.WaitGroup
	for time.Now().Before(until) {
		time.Sleep(d.upTo(2 * time.Minute))
		id := d.settings.Specs[d.below(len(d.settings.Specs))].ID
		switch d.below(9) {
		case 8:
			d.engine.Absent("image", d.upTo(10*time.Second), nil) // removed by hand
		case 0:
			d.engine.Crash(id, 1, false)
		case 1:
			d.engine.Crash(id, 137, true)
		case 2:
			d.engine.Sicken(id, true)
		case 3:
			d.count("outages")
			d.engine.GoAway()
			if d.below(2) == 0 {
				d.engine.CrashAll()
			}
			time.Sleep(d.upTo(time.Minute))
			d.engine.ComeBack()
		case 4:
			d.engine.Mute(d.below(2) == 0)
		case 5:
			d.s.Apply(d.other())
		case 6:
			admins.Go(func() { d.admin(id, d.s.Load) })
		case 7:
			admins.Go(func() { d.admin(id, d.s.Unload) })
		}
	}
	admins.Wait()
}

// admin lets go after a while.
func (d *schedule) admin(id string, do func(context.Context, string) error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.upTo(2*time.Minute))
	defer cancel()
	begun := time.Now()
	err := do(ctx, id)
	deadline, _ := ctx.Deadline()
	require.LessOrEqual(d.t, time.Since(begun), deadline.Sub(begun), "%v", err)
}

// other settings lack a model, or make one's container otherwise.
func (d *schedule) other() managed.Settings {
	o := d.settings
	o.Specs = append([]managed.Spec(nil), o.Specs...)
	i := d.below(len(o.Specs))
	switch d.below(3) {
	case 0:
		o.Specs = append(o.Specs[:i], o.Specs[i+1:]...)
	case 1:
		o.Specs[i].Command = []string{fmt.Sprint(d.below(1000))}
	case 2:
		o.Specs[i].IdleTTL, o.Specs[i].CheckInterval = d.upTo(time.Minute), d.upTo(time.Minute)
	}
	return o
}
