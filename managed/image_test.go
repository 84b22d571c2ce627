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

// other has an image of its own.
func other(s *managed.Spec) { s.Image = "other" }

func TestPullMakesNobodyStop(t *testing.T) {
	specs := grouped("a", "b", "c")
	other(&specs[1])
	virtual(t, settings(specs...), nil, func(r *rig) {
		r.engine.Absent("other", time.Minute, nil)
		r.use("a")
		time.Sleep(15 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() { r.use("b") })
		require.Equal(t, "pulling", r.state("b"))
		time.Sleep(50 * time.Second)
		require.Equal(t, "ready", r.state("a"))
		r.use("a")
		r.use("c") // others change places meanwhile
		require.Equal(t, "pulling", r.state("b"))
		time.Sleep(9 * time.Second)
		require.Equal(t, "ready", r.state("c"))
		wg.Wait()
		require.Equal(t, []string{"a", "c", "b"}, r.engine.Started())
		require.Equal(t, []string{"swapped a for c", "swapped c for b"}, r.heard("swapped"))
		require.Equal(t, []string{"b progress pulling other"}, r.heard("progress"))
	})
}

func TestPullGoesOnWhenNobodyWaits(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		r.engine.Absent("image", 10*time.Minute, nil)
		_, err := r.acquire("a")
		refused(t, err, models.KindLoading)
		time.Sleep(9 * time.Minute)
		require.Equal(t, "pulling", r.state("a"))
		time.Sleep(time.Minute)
		require.Equal(t, "stopped", r.state("a"))
		begun := time.Now()
		r.use("a")
		require.Less(t, time.Since(begun), time.Second)
	})
}

func TestPullEndsWithItsSpec(t *testing.T) {
	for name, c := range map[string]struct {
		after []managed.Spec
		left  string // the state of a
	}{
		"removed": {nil, ""},
		"changed": {[]managed.Spec{with(spec("a"), func(s *managed.Spec) { s.Image = "another" })}, "ready"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings(spec("a")), nil, func(r *rig) {
				r.engine.Absent("image", time.Hour, nil)
				_, err := r.acquire("a")
				refused(t, err, models.KindLoading)
				r.s.Apply(settings(c.after...))
				synctest.Wait()
				require.Len(t, r.s.Containers(), len(c.after))
				for range c.after {
					require.Equal(t, c.left, r.state("a"), "its client may come back")
				}
			})
		})
	}
}

// counting counts looks for images, which take a while.
type counting struct {
	*managedtest.Engine
	looks atomic.Int64
	takes time.Duration
	err   error
}

func (e *counting) HasImage(ctx context.Context, image string) (bool, error) {
	e.looks.Add(1)
	select {
	case <-time.After(e.takes):
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if e.err != nil {
		return false, e.err
	}
	return e.Engine.HasImage(ctx, image)
}

func TestImageIsLookedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := &counting{Engine: r.engine}
		r.bootOn(e, settings(grouped("a", "b")...))
		for range 3 {
			r.use("a")
			r.use("b")
		}
		require.EqualValues(t, 2, e.looks.Load())

		// It is removed by hand, and pulled again.
		r.engine.Absent("image", time.Second, nil)
		r.use("a")
		require.EqualValues(t, 3, e.looks.Load())
		require.Empty(t, r.heard("started false"))
		require.NotEmpty(t, r.heard("a stopped>pulling"))

		// An engine that comes back may be another.
		r.engine.GoAway()
		time.Sleep(time.Second)
		r.engine.ComeBack()
		time.Sleep(5 * time.Second)
		r.use("b")
		require.EqualValues(t, 4, e.looks.Load())
	})
}

func TestSlowLookForAnImageHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := &counting{Engine: r.engine, takes: 20 * time.Second}
		specs := grouped("a", "b")
		specs[0].StartWait = 19 * time.Second
		r.bootOn(e, settings(specs...))
		_, err := r.acquire("a")
		require.Equal(t, `"a" is being started (its image is looked for)`, failure(t, err, models.KindLoading).Message)
		require.Equal(t, models.StateLoading, r.s.Status("a").State)
		begun := time.Now()
		r.close(time.Minute)
		require.Zero(t, time.Since(begun), "the look is given up")
		require.Empty(t, r.engine.Started())
	})
}

func TestLookForAnImageThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := &counting{Engine: r.engine, err: errors.New("invalid reference format")}
		r.bootOn(e, settings(spec("a")))
		for n := range 3 {
			_, err := r.acquire("a")
			e := failure(t, err, models.KindUnavailable)
			require.Equal(t, `container of "a" did not start: invalid reference format`, e.Message)
			require.Equal(t, time.Second<<n, e.RetryAfter)
			time.Sleep(e.RetryAfter)
		}
		require.EqualValues(t, 3, e.looks.Load())
	})
}
