package managed_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

func TestReloadKeepsWhatIsMadeTheSame(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		r.s.Apply(settings(with(spec("a"), func(s *managed.Spec) {
			s.IdleTTL, s.Priority, s.CheckInterval = time.Minute, 7, time.Second
		})))
		require.Equal(t, 7, r.s.Containers()[0].Priority)
		time.Sleep(10 * time.Minute)
		require.False(t, l.Lost())
		l.Release()
		time.Sleep(61 * time.Second)
		require.Equal(t, "stopped", r.state("a")) // by the new time to live
		require.Equal(t, []string{"a"}, r.engine.Started())
	})
}

func TestReloadExchangesWhatIsMadeOtherwise(t *testing.T) {
	virtual(t, settings(spec("a"), spec("b")), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		other := with(spec("a"), func(s *managed.Spec) { s.Model, s.Command = "n", []string{"other"} })
		r.s.Apply(settings(other, spec("c")))
		require.Equal(t, "draining", r.state("a"))
		_, err = r.acquire("b")
		refused(t, err, models.KindUnavailable)
		r.use("c")
		var wg sync.WaitGroup
		wg.Go(func() { r.use("a") }) // waits for the new one
		time.Sleep(5 * time.Second)
		require.Equal(t, models.StateLoading, r.s.Status("a").State)
		require.False(t, l.Lost())
		l.Release()
		wg.Wait()
		require.Equal(t, "n", r.s.Containers()[0].Model)
		require.Equal(t, []string{"a", "c", "a"}, r.engine.Started())
	})
}

func TestReloadBackBeforeItWasDrained(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		r.s.Apply(settings())
		require.Equal(t, "draining", r.state("a"))
		r.s.Apply(settings(spec("a")))
		require.Equal(t, "ready", r.state("a"))
		r.use("a")
		require.False(t, l.Lost())
		l.Release()
		require.Equal(t, []string{"a"}, r.engine.Started())
	})
}

func TestReloadForgets(t *testing.T) {
	virtual(t, settings(spec("a"), spec("b")), nil, func(r *rig) {
		r.use("a")
		r.engine.Crash("a", 1, false)
		require.Equal(t, "failed", r.state("a"))
		require.Equal(t, []string{"a"}, r.engine.Left()) // for its logs
		r.s.Apply(settings(spec("b")))
		synctest.Wait()
		require.Empty(t, r.engine.Left())
		require.Len(t, r.s.Containers(), 1)
		require.Equal(t, models.StateUnavailable, r.s.Status("a").State)
		require.False(t, r.s.Status("a").OnDemand)
		_, err := r.s.Logs(context.Background(), "a", 5)
		refused(t, err, models.KindUnavailable)
	})
}

func TestReloadMendsAFailure(t *testing.T) {
	preloaded := with(spec("b"), func(s *managed.Spec) { s.Preload, s.Command = true, []string{"a"} })
	virtual(t, settings(spec("a"), preloaded), func(s managed.Spec) managedtest.Behaviour {
		if s.Command[0] == "a" {
			return managedtest.Behaviour{StartErr: errors.New("no")}
		}
		return managedtest.Behaviour{}
	}, func(r *rig) {
		_, err := r.acquire("a")
		refused(t, err, models.KindUnavailable)
		require.Equal(t, "failed", r.state("b"))
		mended := func(s *managed.Spec) { s.Command = []string{"b"} }
		r.s.Apply(settings(with(spec("a"), mended), with(preloaded, mended)))
		require.Equal(t, "stopped", r.state("a"))
		require.Equal(t, "ready", r.state("b"))
		r.use("a")
	})
}

func TestPinnedAndPreloaded(t *testing.T) {
	pinned := with(spec("pinned"), func(s *managed.Spec) { s.Pinned = true })
	preloaded := with(spec("preloaded"), func(s *managed.Spec) { s.Preload, s.IdleTTL = true, time.Minute })
	virtual(t, settings(pinned, preloaded, spec("a")), nil, func(r *rig) {
		synctest.Wait()
		require.Equal(t, []string{"pinned", "preloaded"}, r.engine.Running())
		time.Sleep(2 * time.Minute)
		require.Equal(t, []string{"pinned"}, r.engine.Running())
		r.s.Apply(settings(pinned, preloaded, with(spec("a"), func(s *managed.Spec) { s.Pinned = true })))
		synctest.Wait()
		require.Equal(t, []string{"a", "pinned"}, r.engine.Running())
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		time.Sleep(time.Minute)
		require.Equal(t, "stopped", r.state("a"))
		r.use("a")
		require.Equal(t, "ready", r.state("a"))
	})
}

func TestUnload(t *testing.T) {
	patient := with(spec("a"), func(s *managed.Spec) { s.StartWait = time.Minute })
	virtual(t, settings(patient), nil, func(r *rig) {
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		l, err := r.acquire("a")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.ErrorIs(t, r.s.Unload(ctx, "a"), context.DeadlineExceeded)
		var wg sync.WaitGroup
		wg.Go(func() { r.use("a") }) // starts it again afterwards
		wg.Go(func() { require.NoError(t, r.s.Unload(context.Background(), "a")) })
		time.Sleep(time.Second)
		require.Equal(t, "draining", r.state("a"))
		time.Sleep(27 * time.Second)
		require.False(t, l.Lost())
		time.Sleep(2 * time.Second) // the drain's limit has passed
		require.True(t, l.Lost())
		wg.Wait()
		l.Release()
		l.Release()
		require.Equal(t, []string{"a", "a"}, r.engine.Started())
		refused(t, r.s.Unload(context.Background(), "z"), models.KindUnavailable)
	})
}

func TestUnloadEndsAStart(t *testing.T) {
	for name, goes := range map[string]managedtest.Behaviour{
		"creating": {Create: time.Hour},
		"starting": {Ready: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour { return goes }, func(r *rig) {
				_, err := r.acquire("a")
				refused(t, err, models.KindLoading)
				require.NoError(t, r.s.Unload(context.Background(), "a"))
				require.Empty(t, r.engine.Left())
				require.Equal(t, "stopped", r.state("a"))
			})
		})
	}
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		r.engine.Absent("image", 10*time.Minute, nil)
		_, err := r.acquire("a")
		refused(t, err, models.KindLoading)
		require.Equal(t, "pulling", r.state("a"))
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		require.Equal(t, "stopped", r.state("a"))
	})
}

func TestLoad(t *testing.T) {
	virtual(t, settings(spec("a")), ready(time.Minute), func(r *rig) {
		begun := time.Now()
		require.NoError(t, r.s.Load(context.Background(), "a"))
		require.Greater(t, time.Since(begun), 59*time.Second) // start_wait is for requests
		require.NoError(t, r.s.Load(context.Background(), "a"))
		require.Zero(t, r.s.Status("a").Container.InFlight)
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		refused(t, r.s.Load(ctx, "a"), models.KindLoading)
		refused(t, r.s.Load(context.Background(), "z"), models.KindUnavailable)
	})
}

func TestLogs(t *testing.T) {
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Logs: "one\ntwo\nthree\n"}
	}, func(r *rig) {
		logs := func(lines int) string {
			text, err := r.s.Logs(context.Background(), "a", lines)
			require.NoError(t, err)
			return text
		}
		require.Empty(t, logs(2))
		r.use("a")
		require.Equal(t, "two\nthree\n", logs(2))
		r.engine.Crash("a", 1, false)
		require.Equal(t, "failed", r.state("a"))
		require.Equal(t, "three\n", logs(1))
		time.Sleep(time.Minute)
		r.use("a")
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		require.Empty(t, r.engine.Left())
		require.Equal(t, "two\nthree\n", logs(2)) // kept
	})
}

func TestMemoryIsSampled(t *testing.T) {
	virtual(t, settings(with(spec("a"), func(s *managed.Spec) { s.MemoryMB = 64 })), nil, func(r *rig) {
		r.use("a")
		require.Zero(t, r.s.Containers()[0].MemoryUsed)
		time.Sleep(11 * time.Second)
		require.EqualValues(t, 32<<20, r.s.Containers()[0].MemoryUsed)
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		require.Zero(t, r.s.Containers()[0].MemoryUsed)
	})
}

func TestCloseWaitsForWhatIsInFlight(t *testing.T) {
	virtual(t, settings(spec("a"), spec("b")), func(s managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Unhealthy: s.ID == "b", StopTakes: 4 * time.Second}
	}, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := r.acquire("b")
			refused(t, err, models.KindShuttingDown)
		})
		time.Sleep(time.Second)
		begun := time.Now()
		wg.Go(func() {
			time.Sleep(7 * time.Second)
			require.False(t, l.Lost())
			_, err := r.acquire("a")
			refused(t, err, models.KindShuttingDown)
			l.Release()
		})
		r.close(time.Minute)
		require.Equal(t, 11*time.Second, time.Since(begun))
		wg.Wait()
		require.Empty(t, r.engine.Left())
		refused(t, r.s.Load(context.Background(), "a"), models.KindShuttingDown)
		refused(t, r.s.Unload(context.Background(), "a"), models.KindShuttingDown)
		_, err = r.s.Logs(context.Background(), "a", 1)
		refused(t, err, models.KindShuttingDown)
		r.s.Apply(settings())
		r.close(0)
	})
}

func TestCloseEndsInTime(t *testing.T) {
	virtual(t, settings(spec("a"), spec("b")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{StopTakes: time.Hour}
	}, func(r *rig) {
		a, err := r.acquire("a")
		require.NoError(t, err)
		r.use("b")
		begun := time.Now()
		r.close(5 * time.Second)
		require.Equal(t, 15*time.Second, time.Since(begun)) // ctx, and both stop timeouts at once
		require.True(t, a.Lost())
		a.Release()
	})
}

func TestCloseWithTheEngineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.boot(settings(spec("a")))
		r.use("a")
		r.engine.GoAway()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		require.ErrorIs(t, r.s.Close(ctx), managed.ErrAway)
		require.Less(t, time.Since(begun), 12*time.Second)
	})
}
