package managed_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

// deaf does not answer some calls, though its watch goes on.
type deaf struct {
	*managedtest.Engine
	lists, images atomic.Int64 // so many are not answered
}

func (e *deaf) List(ctx context.Context) ([]managed.Container, error) {
	if e.lists.Add(-1) >= 0 {
		return nil, fmt.Errorf("list: %w", managed.ErrAway)
	}
	return e.Engine.List(ctx)
}

func (e *deaf) HasImage(ctx context.Context, image string) (bool, error) {
	if e.images.Add(-1) >= 0 {
		return false, fmt.Errorf("inspect: %w", managed.ErrAway)
	}
	return e.Engine.HasImage(ctx, image)
}

func TestEngineThatAnswersInPart(t *testing.T) {
	for name, c := range map[string]struct {
		lists, images int64
		engine        []string
		starts        int
	}{
		"no list at first":   {2, 0, []string{"engine false", "engine true"}, 1},
		"no images for once": {0, 1, []string{"engine true", "engine false", "engine true"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				e := &deaf{Engine: r.engine}
				e.lists.Store(c.lists)
				e.images.Store(c.images)
				r.bootOn(e, settings(with(spec("a"), func(s *managed.Spec) { s.Preload = true })))
				time.Sleep(8 * time.Second)
				require.Equal(t, "ready", r.state("a"))
				require.Equal(t, c.engine, r.heard("engine"))
				require.Len(t, r.engine.Started(), c.starts)
				require.Empty(t, r.heard("a started false"))
			})
		})
	}
}

// tardy answers the first List when the watch that it was for has ended, and the next has begun.
type tardy struct {
	*managedtest.Engine
	lists atomic.Int64
}

func (e *tardy) List(ctx context.Context) ([]managed.Container, error) {
	if e.lists.Add(1) == 1 {
		return nil, hang(ctx)
	}
	return e.Engine.List(ctx)
}

func TestAnswerForAnEarlierWatchIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.bootOn(&tardy{Engine: r.engine}, settings(spec("a")))
		time.Sleep(time.Second)
		r.engine.GoAway()
		time.Sleep(time.Second)
		r.engine.ComeBack()
		time.Sleep(40 * time.Second)
		r.use("a")
		require.Equal(t, []string{"engine false", "engine true"}, r.heard("engine"))
	})
}

func TestOutageWhileARequestWaits(t *testing.T) {
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Create: 3 * time.Second}
	}, func(r *rig) {
		begun := time.Now()
		time.AfterFunc(time.Second, r.engine.GoAway)
		time.AfterFunc(4*time.Second, r.engine.ComeBack)
		r.use("a") // a short one is waited out
		require.Less(t, time.Since(begun), 20*time.Second)
		require.NoError(t, r.s.Unload(context.Background(), "a"))

		time.AfterFunc(time.Second, r.engine.GoAway)
		_, err := r.acquire("a")
		require.Contains(t, failure(t, err, models.KindUnavailable).Message, "the container engine does not answer")
		r.engine.ComeBack()
		time.Sleep(10 * time.Second)
		require.Equal(t, "ready", r.state("a")) // the client may come back
	})
}

func TestRoomIsGivenBackWhenAWantLapses(t *testing.T) {
	specs := grouped("a", "b")
	specs[0].DrainTimeout = time.Hour
	specs[1].StartWait = 11 * time.Second
	virtual(t, settings(specs...), nil, func(r *rig) {
		l, err := r.acquire("a")
		require.NoError(t, err)
		time.Sleep(15 * time.Second)
		_, err = r.acquire("b")
		refused(t, err, models.KindLoading)
		require.Equal(t, "draining", r.state("a"))
		time.Sleep(34 * time.Second)
		require.Equal(t, "draining", r.state("a")) // b's client was told 5 s, and has 30 s more
		time.Sleep(2 * time.Second)
		require.Equal(t, "ready", r.state("a"))
		require.False(t, l.Lost())
		l.Release()
	})
}

func TestLoadForgetsFailures(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		for range 4 {
			r.use("a")
			r.engine.Crash("a", 1, false)
			require.Equal(t, "failed", r.state("a"))
		}
		require.Equal(t, 8*time.Second, time.Until(r.s.Status("a").Container.RetryAt))
		require.NoError(t, r.s.Load(context.Background(), "a"))
		r.engine.Crash("a", 1, false)
		require.Equal(t, "failed", r.state("a"))
		require.Equal(t, time.Second, time.Until(r.s.Status("a").Container.RetryAt))
	})
}

// broken has watches that end after a while, or do not even begin.
type broken struct {
	*managedtest.Engine
	lasts  time.Duration
	begins bool
}

func (e *broken) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, e.lasts, managed.ErrAway)
	defer cancel()
	if e.begins {
		_ = e.Engine.Watch(ctx, begun, heard)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (r *rig) bootOn(e managed.Engine, o managed.Settings) {
	r.s = managed.New(managed.Options{Settings: o, Engine: e, Prober: r.prober, Hooks: r.hooks()})
}

func TestContainerThatIsBeingMadeIsNoOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(managed.Spec) managedtest.Behaviour {
			return managedtest.Behaviour{Create: 15 * time.Second}
		})
		r.bootOn(&broken{r.engine, 6 * time.Second, true}, settings(spec("a")))
		r.use("a")
		require.Equal(t, []string{"a"}, r.engine.Started())
		require.Empty(t, r.heard("removed"))
		require.Greater(t, len(r.heard("engine")), 3)
	})
}

func TestWhoWaitsForAnEngineHearsThatItIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.bootOn(&broken{r.engine, 3 * time.Second, false}, settings(spec("a")))
		begun := time.Now()
		_, err := r.acquire("a")
		refused(t, err, models.KindUnavailable)
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func TestEndOfAStartIsHeardAtOnce(t *testing.T) {
	virtual(t, settings(spec("a")), func(managed.Spec) managedtest.Behaviour {
		return managedtest.Behaviour{Unhealthy: true, EndsAfter: 7100 * time.Millisecond, ExitCode: 1}
	}, func(r *rig) {
		begun := time.Now()
		_, err := r.acquire("a")
		refused(t, err, models.KindUnavailable)
		require.Equal(t, 7100*time.Millisecond, time.Since(begun))
	})
}

// blind starts nothing for want of an image, whatever it says.
type blind struct {
	*managedtest.Engine
	asked atomic.Int64
}

func (e *blind) HasImage(context.Context, string) (bool, error) {
	e.asked.Add(1)
	return true, nil
}

func (e *blind) Start(context.Context, managed.Spec) (managed.Container, error) {
	return managed.Container{}, managed.ErrNoImage
}

func TestImageThatIsThereAndIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := &blind{Engine: r.engine}
		r.bootOn(e, settings(spec("a")))
		for n := range 3 {
			_, err := r.acquire("a")
			e := failure(t, err, models.KindUnavailable)
			require.Equal(t, `container of "a" did not start: there is no image "image", though the engine said that there is`, e.Message)
			require.Equal(t, time.Second<<n, e.RetryAfter)
			time.Sleep(e.RetryAfter)
		}
		require.EqualValues(t, 6, e.asked.Load(), "twice for each")
	})
}
