package managed_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

// hanging answers some calls never.
type hanging struct {
	*managedtest.Engine
	watch, ping, start atomic.Bool
	// turn is had by a watch that has not begun, and a ping waits for it whatever its context, as
	// in clients that find out first which version of the API to speak.
	turn chan struct{}
}

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (e *hanging) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	if e.watch.Load() {
		<-e.turn
		defer func() { e.turn <- struct{}{} }()
		return hang(ctx)
	}
	return e.Engine.Watch(ctx, begun, heard)
}

func (e *hanging) Ping(ctx context.Context) error {
	<-e.turn
	defer func() { e.turn <- struct{}{} }()
	if e.ping.Load() {
		return hang(ctx)
	}
	return e.Engine.Ping(ctx)
}

func (e *hanging) Start(ctx context.Context, s managed.Spec) (managed.Container, error) {
	if e.start.Load() {
		return managed.Container{}, hang(ctx)
	}
	return e.Engine.Start(ctx, s)
}

func TestEngineThatHangs(t *testing.T) {
	patient := with(spec("a"), func(s *managed.Spec) { s.StartWait, s.StartTimeout = 10*time.Minute, 15*time.Minute })
	for name, c := range map[string]struct {
		which func(*hanging) []*atomic.Bool
		// begins is when it hangs, found when that is noticed.
		begins, found time.Duration
	}{
		"from the first": {func(e *hanging) []*atomic.Bool { return []*atomic.Bool{&e.watch, &e.ping} }, 0, 35 * time.Second},
		"without a word": {func(e *hanging) []*atomic.Bool { return []*atomic.Bool{&e.ping} }, 6 * time.Second, 65 * time.Second},
		"at a start":     {func(e *hanging) []*atomic.Bool { return []*atomic.Bool{&e.start} }, 0, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				e := &hanging{Engine: r.engine, turn: make(chan struct{}, 1)}
				e.turn <- struct{}{}
				hangs := func(yes bool) {
					for _, b := range c.which(e) {
						b.Store(yes)
					}
				}
				time.AfterFunc(c.begins, func() { hangs(true) })
				synctest.Wait()
				r.bootOn(e, settings(patient))
				begun := time.Now()
				var wg sync.WaitGroup
				if c.which(e)[0] == &e.start {
					wg.Go(func() { r.use("a") }) // waits for it
				}
				time.Sleep(c.found - time.Second)
				require.Empty(t, r.heard("engine false"))
				if c.begins > 0 {
					require.NotEmpty(t, r.heard("engine true"))
				}
				time.AfterFunc(900*time.Millisecond, func() { hangs(false) })
				time.Sleep(2 * time.Second)
				require.NotEmpty(t, r.heard("engine false"))
				time.Sleep(40 * time.Second)
				wg.Wait()
				r.use("a")
				require.Less(t, time.Since(begun), c.found+time.Minute)
				r.close(time.Minute)
				require.Empty(t, r.engine.Left())
			})
		})
	}
}

// lasting needs a time for each stop, beyond the container's own.
type lasting struct {
	*managedtest.Engine
	beyond time.Duration
	stops  atomic.Int64
}

func (e *lasting) Stop(ctx context.Context, id string, timeout time.Duration) error {
	e.stops.Add(1)
	select {
	case <-time.After(timeout + e.beyond):
		return e.Engine.Stop(ctx, id, timeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestEngineHasTimeToRemoveByForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := &lasting{Engine: r.engine, beyond: time.Minute}
		r.bootOn(e, settings(spec("a")))
		r.use("a")
		require.NoError(t, r.s.Unload(context.Background(), "a"))
		require.EqualValues(t, 1, e.stops.Load())

		r.use("a") // but not when this process is to end
		begun := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.ErrorContains(t, r.s.Close(ctx), "container test-a could not be stopped")
		require.Equal(t, 25*time.Second, time.Since(begun))
	})
}

func TestContainerThatCannotBeStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.bootOn(stuck{r.engine, "c1"}, settings(spec("a")))
		r.use("a")
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		require.ErrorIs(t, r.s.Unload(ctx, "a"), context.DeadlineExceeded)
		require.Equal(t, []string{"stuck test-a: device or resource busy"}, r.heard("stuck"))
		require.Equal(t, "cannot be stopped: device or resource busy", r.s.Containers()[0].Reason)
		_, err := r.acquire("a")
		require.Equal(t, `an earlier container of "a" cannot be stopped: device or resource busy`, failure(t, err, models.KindLoading).Message)
	})
}

// What has ended, and cannot be removed, is no reason not to start again.
func TestStartBesideItsDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := stuck{r.engine, "c1"}
		r.bootOn(e, settings(with(spec("a"), func(s *managed.Spec) { s.StartWait = 2 * time.Minute })))
		r.use("a")
		r.engine.Crash("a", 1, false)
		require.Equal(t, "failed", r.state("a"))
		r.use("a")
		require.Equal(t, []string{"a", "a"}, r.engine.Started())
		require.Equal(t, []string{"engine true"}, r.heard("engine"))
		require.Empty(t, r.heard("started false"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := r.s.Close(ctx)
		require.ErrorContains(t, err, "busy")
		require.False(t, errors.Is(err, managed.ErrAway))
	})
}

// gossip lets a test say what is heard.
type gossip struct {
	*managedtest.Engine
	heard atomic.Pointer[func(managed.Event)]
}

func (e *gossip) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	e.heard.Store(&heard)
	return e.Engine.Watch(ctx, begun, heard)
}

func TestMemoryThatRanOutLongAgoIsNoReason(t *testing.T) {
	for since, want := range map[time.Duration]string{time.Second: "a crashed oom", time.Hour: "a crashed exit"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, nil)
			e := &gossip{Engine: r.engine}
			r.bootOn(e, settings(spec("a")))
			r.use("a")
			(*e.heard.Load())(managed.Event{Container: "c1"})
			(*e.heard.Load())(managed.Event{Container: "unknown", Died: true})
			time.Sleep(since)
			require.Equal(t, "ready", r.state("a"))
			r.engine.Crash("a", 1, false)
			synctest.Wait()
			require.Equal(t, []string{want}, r.heard("crashed"))
		})
	}
}

func TestUnhealthyServersLastLinesAreTold(t *testing.T) {
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Logs: "out of file descriptors\n"}
	}, func(r *rig) {
		r.use("a")
		r.engine.Sicken("a", true)
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a failed was not healthy: the server is not healthy [out of file descriptors]"}, r.heard("a failed"))
	})
}
