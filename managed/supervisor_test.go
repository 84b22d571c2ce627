package managed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

// rig is a supervisor over an engine that is played.
type rig struct {
	t      *testing.T
	s      *managed.Supervisor
	engine *managedtest.Engine
	prober *managedtest.Prober

	mu sync.Mutex
	// said are the hooks' calls, in order.
	said []string
}

func spec(id string) managed.Spec {
	return managed.Spec{
		ID: id, Model: "m-" + id, Type: "tei", Image: "image", Command: []string{id}, Pull: managed.PullMissing,
		MinResidency: 10 * time.Second, StartWait: 20 * time.Second, StartTimeout: 5 * time.Minute,
		PullTimeout: 30 * time.Minute, DrainTimeout: 30 * time.Second, StopTimeout: 10 * time.Second,
		CheckInterval: 10 * time.Second,
	}
}

// with changes a spec.
func with(s managed.Spec, change func(*managed.Spec)) managed.Spec {
	change(&s)
	return s
}

func settings(specs ...managed.Spec) managed.Settings {
	return managed.Settings{Specs: specs, MaxWait: 10 * time.Second}
}

// virtual runs f in virtual time with a supervisor of o; behave may be nil. What is left at the
// end is closed, and nothing may be left after that.
func virtual(t *testing.T, o managed.Settings, behave func(managed.Spec) managedtest.Behaviour, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, behave)
		r.engine.Bound(o.Budgets)
		r.boot(o)
		f(r)
		r.close(time.Minute)
		if !o.Leave {
			require.Empty(t, r.engine.Left())
		}
	})
}

// newRig is without a supervisor; one that boots later ends with the test.
func newRig(t *testing.T, behave func(managed.Spec) managedtest.Behaviour) *rig {
	r := &rig{t: t, engine: managedtest.NewEngine(t)}
	r.engine.Behave = behave
	r.prober = &managedtest.Prober{Engine: r.engine}
	t.Cleanup(func() {
		r.engine.ComeBack()
		if r.s != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_ = r.s.Close(ctx)
		}
		r.engine.Close()
	})
	return r
}

func (r *rig) boot(o managed.Settings) {
	r.s = managed.New(managed.Options{Settings: o, Engine: r.engine, Prober: r.prober, Hooks: r.hooks()})
}

func (r *rig) close(limit time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	require.NoError(r.t, r.s.Close(ctx))
}

func (r *rig) hooks() managed.Hooks {
	say := func(format string, args ...any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.said = append(r.said, fmt.Sprintf(format, args...))
	}
	return managed.Hooks{
		Changed: func(id string, from, to managed.State, _ string) { say("%s %s>%s", id, from, to) },
		Located: func(id, address string) { say("%s located %t", id, address != "") },
		Started: func(id string, _ time.Duration, err error) { say("%s started %t", id, err == nil) },
		Failed:  func(id, why, lines string) { say("%s failed %s [%s]", id, why, lines) },
		Pulling: func(id, progress string) { say("%s progress %s", id, progress) },
		Swapped: func(from, to string) { say("swapped %s for %s", from, to) },
		Crashed: func(id, reason string) { say("%s crashed %s", id, reason) },
		Stuck:   func(name string, err error) { say("stuck %s: %v", name, err) },
		Engine:  func(err error) { say("engine %t", err == nil) },
		Adopted: func(id, name string) { say("%s adopted %s", id, name) },
		Removed: func(name, why string) { say("removed %s: %s", name, why) },
	}
}

// heard are the hooks' calls with a word in them.
func (r *rig) heard(word string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, line := range r.said {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

func (r *rig) acquire(id string) (*managed.Lease, error) {
	return r.s.Acquire(context.Background(), id, nil)
}

// use is a request that takes no time.
func (r *rig) use(id string) {
	r.t.Helper()
	l, err := r.acquire(id)
	require.NoError(r.t, err)
	address, ok := r.s.Address(id)
	require.True(r.t, ok)
	require.True(r.t, r.prober.Serves(address))
	l.Release()
}

// state is the container's, once all that can happen now has.
func (r *rig) state(id string) string {
	synctest.Wait()
	return r.s.Status(id).Container.State
}

func refused(t *testing.T, err error, kind models.Kind) {
	t.Helper()
	require.Equal(t, kind, failure(t, err, kind).Kind)
}

// failure is err as what it is.
func failure(t *testing.T, err error, kind models.Kind) *models.Error {
	t.Helper()
	var e *models.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, "%v", err)
	return e
}

// ready has servers take d to get healthy.
func ready(d time.Duration) func(managed.Spec) managedtest.Behaviour {
	return func(managed.Spec) managedtest.Behaviour { return managedtest.Behaviour{Ready: d} }
}

func TestRequestStartsServer(t *testing.T) {
	virtual(t, settings(spec("a")), ready(3*time.Second), func(r *rig) {
		require.Equal(t, "stopped", r.state("a"))
		status := r.s.Status("a")
		require.True(t, status.OnDemand)
		require.Equal(t, models.StateStopped, status.State)
		_, ok := r.s.Address("a")
		require.False(t, ok)

		begun := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { r.use("a") })
		}
		wg.Wait()
		require.Less(t, time.Since(begun), 5*time.Second)
		require.Equal(t, []string{"a"}, r.engine.Started())
		require.EqualValues(t, 1, r.prober.Tries.Load())
		require.Equal(t, models.StateReady, r.s.Status("a").State)
		require.Equal(t, []string{"a located true"}, r.heard("located"))
		c := r.s.Containers()[0]
		require.Equal(t, "m-a", c.Model)
		require.Equal(t, 1, c.Starts)
		require.InDelta(t, 3, c.StartTook.Seconds(), 1)
	})
}

func TestWaitEndsBeforeTheServerServes(t *testing.T) {
	virtual(t, settings(spec("a")), ready(time.Minute), func(r *rig) {
		begun := time.Now()
		_, err := r.acquire("a")
		e := failure(t, err, models.KindLoading)
		require.Equal(t, 20*time.Second, time.Since(begun))
		require.Equal(t, `"a" is being started (starting, 20 s so far)`, e.Message)
		require.Equal(t, "a", e.Backend)
		require.Equal(t, time.Second, e.RetryAfter) // nothing is known: 5 s less 20 s
		time.Sleep(41 * time.Second)
		r.use("a") // the start went on

		require.NoError(t, r.s.Unload(context.Background(), "a"))
		_, err = r.acquire("a")
		e = failure(t, err, models.KindLoading)
		require.InDelta(t, 40, e.RetryAfter.Seconds(), 1.5)

		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		begun = time.Now()
		_, err = r.s.Acquire(ctx, "a", nil)
		refused(t, err, models.KindLoading)
		require.Equal(t, 9500*time.Millisecond, time.Since(begun))
		short, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begun = time.Now()
		_, err = r.s.Acquire(short, "a", nil)
		refused(t, err, models.KindLoading)
		require.Equal(t, 800*time.Millisecond, time.Since(begun))
	})
}

func TestWaiterLeaves(t *testing.T) {
	virtual(t, settings(spec("a")), ready(15*time.Second), func(r *rig) {
		begun := time.Now()
		_, err := r.s.Acquire(context.Background(), "a", func() bool { return time.Since(begun) > 2*time.Second })
		refused(t, err, models.KindCanceled)
		require.Equal(t, 3*time.Second, time.Since(begun))
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err = r.s.Acquire(ctx, "a", nil)
		refused(t, err, models.KindCanceled)
		_, err = r.s.Acquire(ctx, "a", nil)
		refused(t, err, models.KindCanceled)
		require.Zero(t, r.s.Status("a").Container.Waiting)
		time.Sleep(13 * time.Second)
		require.Equal(t, "ready", r.state("a"))
		require.Zero(t, r.s.Status("a").Container.InFlight)
	})
}

func TestWantLapses(t *testing.T) {
	o := settings(with(spec("a"), func(s *managed.Spec) { s.Group = "g"; s.Pinned = true }),
		with(spec("b"), func(s *managed.Spec) { s.Group = "g"; s.StartWait = time.Second }))
	virtual(t, o, nil, func(r *rig) {
		r.use("a")
		_, err := r.acquire("b")
		e := failure(t, err, models.KindLoading)
		require.Equal(t, `"b" waits for room, which "a" holds`, e.Message)
		require.Equal(t, 5*time.Second, e.RetryAfter)
		time.Sleep(40 * time.Second)
		require.Equal(t, "stopped", r.state("b"))
		require.NoError(t, r.s.Unload(context.Background(), "a")) // an admin's word counts
		require.Equal(t, "stopped", r.state("a"))
		require.Equal(t, "stopped", r.state("b")) // nobody waits any more
		r.use("a")
		_, err = r.acquire("b")
		refused(t, err, models.KindLoading)
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		require.Equal(t, "ready", r.state("b")) // somebody may come back
	})
}

func TestTooManyWaiters(t *testing.T) {
	virtual(t, settings(spec("a")), ready(time.Hour), func(r *rig) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		kinds := map[models.Kind]int{}
		for range 1030 {
			wg.Go(func() {
				_, err := r.acquire("a")
				mu.Lock()
				defer mu.Unlock()
				kinds[models.KindOf(err)]++
			})
		}
		wg.Wait()
		require.Equal(t, map[models.Kind]int{models.KindLoading: 1024, models.KindQueueFull: 6}, kinds)
	})
}

func TestStartFails(t *testing.T) {
	never := errors.New("port is already allocated")
	logs := strings.Repeat("old\n", 30) + "\x1b[31mout of \x00luck\x1b[0m\xff\n"
	for _, c := range []struct {
		name string
		goes managedtest.Behaviour
		want string
		tail bool
	}{
		{"engine refuses", managedtest.Behaviour{StartErr: never}, `container of "a" did not start: port is already allocated`, false},
		{"ends at once", managedtest.Behaviour{Unhealthy: true, EndsAfter: time.Millisecond, ExitCode: 3, Logs: logs}, `container of "a" did not start: it ended with exit code 3; its last lines: `, true},
		{"ends later", managedtest.Behaviour{Unhealthy: true, EndsAfter: 7 * time.Second, ExitCode: 3, Logs: logs}, `container of "a" did not start: it ended with exit code 3; its last lines: `, true},
		{"out of memory", managedtest.Behaviour{Unhealthy: true, EndsAfter: time.Second, ExitCode: 137, OOM: true, Logs: logs}, `container of "a" did not start: it was killed for want of memory (memory_mb is 64); its last lines: `, true},
		{"never healthy", managedtest.Behaviour{Unhealthy: true, Logs: "waiting\n"}, `container of "a" did not start: it did not serve within 10s (start_timeout), and said at last: the server is not healthy; its last lines: waiting`, false},
		{"answers wrongly", managedtest.Behaviour{TryErr: models.Errorf(models.KindNotFound, "no such model")}, `container of "a" did not start: no such model`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := settings(with(spec("a"), func(s *managed.Spec) { s.MemoryMB = 64; s.StartTimeout = 10 * time.Second }))
			virtual(t, o, func(managed.Spec) managedtest.Behaviour { return c.goes }, func(r *rig) {
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() {
						_, err := r.acquire("a")
						e := failure(t, err, models.KindUnavailable)
						require.Equal(t, "a", e.Backend)
						require.True(t, strings.HasPrefix(e.Message, c.want), e.Message)
						if c.tail {
							require.Equal(t, 19, strings.Count(e.Message, "old"))
							require.True(t, strings.HasSuffix(e.Message, "old\nout of luck\uFFFD"), e.Message)
						} else {
							require.Equal(t, c.want, e.Message)
						}
						require.Equal(t, time.Second, e.RetryAfter)
					})
				}
				wg.Wait()
				require.Equal(t, "failed", r.state("a"))
				_, err := r.acquire("a") // in the backoff
				e := failure(t, err, models.KindUnavailable)
				require.True(t, strings.HasPrefix(e.Message, c.want), e.Message)
				require.LessOrEqual(t, len(r.engine.Started()), 1)
				require.Equal(t, []string{"a started false"}, r.heard("started"))
				told := r.heard("a failed ")
				require.Len(t, told, 1)
				require.Equal(t, c.tail || c.goes.Logs != "", strings.Contains(told[0], "luck") || strings.Contains(told[0], "[waiting]"), told)
				if c.tail {
					text, err := r.s.Logs(context.Background(), "a", 1)
					require.NoError(t, err)
					require.Contains(t, text, "luck")
					require.Equal(t, []string{"a"}, r.engine.Left())
				} else {
					require.Empty(t, r.engine.Left())
				}
			})
		})
	}
}

func TestEndOfAStartIsSeenWithoutEvents(t *testing.T) {
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Unhealthy: true, EndsAfter: 2 * time.Second, ExitCode: 1}
	}, func(r *rig) {
		r.engine.Mute(true)
		begun := time.Now()
		_, err := r.acquire("a")
		refused(t, err, models.KindUnavailable)
		require.Less(t, time.Since(begun), 7*time.Second)
	})
}

func TestBackoffAndBreaker(t *testing.T) {
	bad := true
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{TryErr: map[bool]error{true: models.Errorf(models.KindInvalid, "no")}[bad]}
	}, func(r *rig) {
		begun := time.Now()
		for _, backoff := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			_, err := r.acquire("a")
			e := failure(t, err, models.KindUnavailable)
			require.Equal(t, backoff, e.RetryAfter)
			time.Sleep(backoff)
		}
		_, err := r.acquire("a")
		e := failure(t, err, models.KindUnavailable)
		require.Equal(t, 10*time.Minute-15*time.Second, e.RetryAfter)
		require.Equal(t, "failed", r.state("a"))
		require.Equal(t, begun.Add(10*time.Minute), r.s.Status("a").Container.RetryAt)
		time.Sleep(9 * time.Minute)
		bad = false
		_, err = r.acquire("a")
		refused(t, err, models.KindUnavailable)
		require.Len(t, r.engine.Started(), 5)
		require.NoError(t, r.s.Load(context.Background(), "a"))
		r.use("a")
	})
}

func TestCrash(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		crash        func(*rig)
	}{
		{"exit", "exit", func(r *rig) { r.engine.Crash("a", 1, false) }},
		{"out of memory", "oom", func(r *rig) { r.engine.Crash("a", 137, true) }},
		{"without event", "exit", func(r *rig) { r.engine.Mute(true); r.engine.Crash("a", 1, false) }},
		{"unhealthy", "unhealthy", func(r *rig) { r.engine.Sicken("a", true) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, settings(spec("a")), ready(time.Second), func(r *rig) {
				l, err := r.acquire("a")
				require.NoError(t, err)
				c.crash(r)
				for begun := time.Now(); !l.Lost(); time.Sleep(time.Second) {
					require.Less(t, time.Since(begun), 40*time.Second)
				}
				r.use("a") // waits for the backoff and the start
				l.Release()
				require.Equal(t, []string{"a crashed " + c.reason}, r.heard("crashed"))
				require.Equal(t, []string{"a", "a"}, r.engine.Started())
				require.Equal(t, 1, r.s.Status("a").Container.Crashes)
				require.Zero(t, r.s.Status("a").Container.InFlight)
			})
		})
	}
}

func TestCrashIsMendedForWhomItMatters(t *testing.T) {
	for name, c := range map[string]struct {
		pinned, busy bool
		want         string
	}{
		"idle":   {false, false, "failed"},
		"busy":   {false, true, "ready"},
		"pinned": {true, false, "ready"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings(with(spec("a"), func(s *managed.Spec) { s.Pinned = c.pinned })), nil, func(r *rig) {
				l, err := r.acquire("a")
				require.NoError(t, err)
				if !c.busy {
					l.Release()
				}
				synctest.Wait()
				r.engine.Crash("a", 1, false)
				require.Equal(t, "failed", r.state("a"))
				time.Sleep(3 * time.Second)
				require.Equal(t, c.want, r.state("a"))
			})
		})
	}
}

func TestCrashLoop(t *testing.T) {
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{EndsAfter: 3 * time.Second, ExitCode: 9, Logs: "bad luck\n"}
	}, func(r *rig) {
		var err error
		for range 30 {
			var l *managed.Lease
			if l, err = r.acquire("a"); err != nil {
				break
			}
			time.Sleep(3500 * time.Millisecond)
			require.True(t, l.Lost())
			l.Release()
		}
		e := failure(t, err, models.KindUnavailable)
		require.Equal(t, `container of "a" ended with exit code 9; its last lines: bad luck`, e.Message)
		require.Len(t, r.engine.Started(), 5)
		require.Greater(t, e.RetryAfter, 8*time.Minute)
		require.Equal(t, models.StateFailed, r.s.Status("a").State)
		require.Contains(t, r.s.Status("a").Reason, "exit code 9")
	})
}

func TestLongServiceForgivesFailures(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		for range 8 {
			r.use("a")
			time.Sleep(10 * time.Minute)
			r.engine.Crash("a", 1, false)
			require.Equal(t, "failed", r.state("a"))
			require.Equal(t, time.Second, time.Until(r.s.Status("a").Container.RetryAt))
		}
	})
}

func TestPull(t *testing.T) {
	o := settings(with(spec("a"), func(s *managed.Spec) { s.StartWait = 2 * time.Minute }))
	for name, c := range map[string]struct {
		pull  managed.Pull
		takes time.Duration
		err   error
		want  string
	}{
		"works":    {managed.PullMissing, time.Minute, nil, ""},
		"fails":    {managed.PullMissing, time.Minute, fmt.Errorf("%w: no such tag", managed.ErrNoImage), `container of "a" did not start: image "image" could not be pulled: the image is not there: no such tag`},
		"too slow": {managed.PullMissing, time.Hour, nil, `container of "a" did not start: image "image" was not pulled within 1m30s (pull_timeout)`},
		"never":    {managed.PullNever, 0, nil, `container of "a" did not start: there is no image "image", and pull is never`},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Specs = []managed.Spec{with(o.Specs[0], func(s *managed.Spec) { s.Pull = c.pull; s.PullTimeout = 90 * time.Second })}
			virtual(t, o, nil, func(r *rig) {
				r.engine.Absent("image", c.takes, c.err)
				time.AfterFunc(30*time.Second, func() {
					if c.takes > 0 {
						require.Equal(t, "pulling image", r.s.Status("a").Container.Progress)
						require.Equal(t, models.StateLoading, r.s.Status("a").State)
					}
				})
				l, err := r.acquire("a")
				if c.want == "" {
					require.NoError(t, err)
					l.Release()
					require.Less(t, r.s.Status("a").Container.StartTook, time.Second)
					return
				}
				require.Equal(t, c.want, failure(t, err, models.KindUnavailable).Message)
			})
		})
	}
}

func TestEngineAway(t *testing.T) {
	virtual(t, settings(spec("a"), spec("b")), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		r.engine.GoAway()
		synctest.Wait()
		_, err = r.acquire("b")
		e := failure(t, err, models.KindUnavailable)
		require.Equal(t, `container of "b" cannot be started: the container engine does not answer`, e.Message)
		require.Equal(t, 5*time.Second, e.RetryAfter)
		require.Equal(t, `container of "a" cannot be stopped: the container engine does not answer`, failure(t, r.s.Unload(context.Background(), "a"), models.KindUnavailable).Message)
		time.Sleep(10 * time.Minute)
		r.use("a") // serves as before
		require.False(t, l.Lost())
		r.engine.ComeBack()
		time.Sleep(5 * time.Second)
		r.use("b")
		require.False(t, l.Lost())
		l.Release()
		require.Equal(t, []string{"engine true", "engine false", "engine true"}, r.heard("engine"))
		require.Empty(t, r.heard("crashed"))
	})
}

func TestEngineStartsAgain(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		r.engine.GoAway()
		r.engine.CrashAll()
		time.Sleep(3 * time.Second)
		r.engine.ComeBack()
		time.Sleep(5 * time.Second)
		require.True(t, l.Lost())
		require.Equal(t, []string{"a crashed exit"}, r.heard("crashed"))
		r.use("a")
	})
}

func TestEngineIsAwayAtFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.engine.GoAway()
		r.boot(settings(with(spec("a"), func(s *managed.Spec) { s.Preload = true })))
		_, err := r.acquire("a")
		refused(t, err, models.KindUnavailable)
		require.Equal(t, models.StateFailed, r.s.Status("a").State)
		time.Sleep(time.Minute)
		r.engine.ComeBack()
		time.Sleep(5 * time.Second)
		require.Equal(t, "ready", r.state("a"))
		r.close(time.Minute)
		require.Empty(t, r.engine.Left())
	})
}

func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := managed.New(managed.Options{Settings: settings(spec("a")), Refused: errors.New("no Docker socket")})
		status := s.Status("a")
		require.False(t, status.OnDemand)
		require.Equal(t, models.StateUnavailable, status.State)
		require.Equal(t, "its container cannot be run here; the server's log says why", status.Reason)
		require.Equal(t, "no Docker socket", status.Container.Reason)
		_, err := s.Acquire(context.Background(), "a", nil)
		refused(t, err, models.KindUnavailable)
		require.ErrorContains(t, s.Load(context.Background(), "a"), "no Docker socket")
		require.NoError(t, s.Unload(context.Background(), "a"))
		s.Apply(settings(spec("b")))
		require.Equal(t, models.StateUnavailable, s.Status("a").State)
		require.NoError(t, s.Close(context.Background()))
		_, err = s.Acquire(context.Background(), "b", nil)
		refused(t, err, models.KindShuttingDown)
	})
}

func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(s managed.Spec) managedtest.Behaviour {
			return managedtest.Behaviour{Unhealthy: s.ID == "sick"}
		})
		grouped := func(id string) managed.Spec { return with(spec(id), func(s *managed.Spec) { s.Group = "g" }) }
		o := settings(spec("good"), spec("old"), spec("sick"), spec("dead"), grouped("first"), grouped("second"))
		for _, s := range o.Specs[:5] {
			r.engine.Put(s, s.Hash(), s.ID != "dead")
		}
		// What an earlier configuration allowed does not fail the test.
		second := with(spec("second"), func(s *managed.Spec) {})
		r.engine.Put(second, o.Specs[5].Hash(), true)
		r.engine.Put(spec("gone"), "", true)
		o.Specs[1].Command = []string{"new"}
		r.boot(o)
		time.Sleep(16 * time.Second)
		require.Equal(t, []string{"first adopted test-first", "good adopted test-good"}, slices.Sorted(slices.Values(r.heard("adopted"))))
		require.ElementsMatch(t, []string{
			"removed test-old: its configuration has changed",
			"removed test-sick: its server did not serve within 15s, and said at last: the server is not healthy",
			"removed test-dead: it does not run",
			"removed test-second: there is no room for it beside the others",
			"removed test-gone: its upstream is not configured any more",
		}, r.heard("removed"))
		require.Equal(t, []string{"first", "good"}, r.engine.Left())
		started := len(r.engine.Started())
		r.use("good")
		require.Len(t, r.engine.Started(), started)
		r.use("old")
		r.close(time.Minute)
		require.Empty(t, r.engine.Left())
	})
}

// stuck cannot remove one of its containers.
type stuck struct {
	*managedtest.Engine
	id string
}

func (e stuck) Stop(ctx context.Context, id string, timeout time.Duration) error {
	if id != e.id {
		return e.Engine.Stop(ctx, id, timeout)
	}
	select {
	case <-ctx.Done():
	case <-time.After(30 * time.Second):
	}
	return errors.New("device or resource busy")
}

func TestWhatHasEndedAndCannotBeRemovedHoldsNobodyUp(t *testing.T) {
	for name, running := range map[string]bool{"ended": false, "runs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				gone := r.engine.Put(spec("gone"), "", running)
				patient := with(spec("a"), func(s *managed.Spec) { s.StartWait = 2 * time.Minute })
				r.s = managed.New(managed.Options{Settings: settings(patient), Engine: stuck{r.engine, gone.ID}, Prober: r.prober, Hooks: r.hooks()})
				begun := time.Now()
				r.use("a")
				require.Equal(t, running, time.Since(begun) > 5*time.Second)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				require.ErrorContains(t, r.s.Close(ctx), "busy")
			})
		})
	}
}

func TestLeave(t *testing.T) {
	o := settings(spec("a"), spec("b"))
	o.Leave = true
	virtual(t, o, func(s managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Unhealthy: s.ID == "b"}
	}, func(r *rig) {
		r.use("a")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := r.s.Acquire(ctx, "b", nil)
		refused(t, err, models.KindLoading)
		require.Equal(t, []string{"a", "b"}, r.engine.Running())
		r.close(time.Minute)
		require.Equal(t, []string{"a"}, r.engine.Left())
		r.boot(settings(spec("a")))
		r.use("a")
		require.Equal(t, []string{"a adopted test-a"}, r.heard("adopted"))
		r.close(time.Minute)
		require.Empty(t, r.engine.Left())
	})
}
