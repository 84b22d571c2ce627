package managed_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

// What cannot be removed is not begun to be removed at each return of the engine.
func TestOrphanIsRemovedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		gone := r.engine.Put(spec("gone"), "", true)
		r.bootOn(stuck{r.engine, gone.ID}, settings(spec("a")))
		for range 20 {
			time.Sleep(10 * time.Second)
			r.engine.GoAway()
			time.Sleep(time.Second)
			r.engine.ComeBack()
		}
		require.Len(t, r.heard("removed"), 1)
		time.Sleep(10 * time.Second)
		r.use("a")
	})
}

// slow takes a while to tell which containers there are.
type slow struct{ *managedtest.Engine }

func (e slow) List(ctx context.Context) ([]managed.Container, error) {
	list, err := e.Engine.List(ctx)
	time.Sleep(5 * time.Second)
	return list, err
}

// A process that ends before it has taken over what an earlier one left leaves it, too.
func TestLeaveWhatHasNotBeenTakenOver(t *testing.T) {
	for name, c := range map[string]struct {
		engine func(*managedtest.Engine) managed.Engine
		goes   managedtest.Behaviour
	}{
		"not listed": {func(e *managedtest.Engine) managed.Engine { return slow{e} }, managedtest.Behaviour{}},
		"not looked at": {
			func(e *managedtest.Engine) managed.Engine { return e },
			managedtest.Behaviour{Ready: 10 * time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(managed.Spec) managedtest.Behaviour { return c.goes })
				r.engine.Put(spec("a"), spec("a").Hash(), true)
				o := settings(spec("a"))
				o.Leave = true
				r.bootOn(c.engine(r.engine), o)
				time.Sleep(time.Second)
				r.close(time.Minute)
				require.Equal(t, []string{"a"}, r.engine.Running())
			})
		})
	}
}

// One that has come up for somebody who has not come back does not come up for him again.
func TestServedWantIsOver(t *testing.T) {
	specs := grouped("a", "b")
	specs[0].StartWait = time.Second
	virtual(t, settings(specs...), ready(5*time.Second), func(r *rig) {
		_, err := r.acquire("a")
		refused(t, err, models.KindLoading)
		time.Sleep(5 * time.Second)
		require.Equal(t, "ready", r.state("a"))
		r.use("b")
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a", "b"}, r.engine.Started())
		require.Equal(t, "ready", r.state("b"))
	})
}

func TestEndOfTheServerIsNoSwap(t *testing.T) {
	specs := grouped("a", "b")
	specs[0].Pinned, specs[1].StartWait = true, time.Second
	virtual(t, settings(specs...), nil, func(r *rig) {
		r.use("a")
		_, err := r.acquire("b")
		refused(t, err, models.KindLoading)
		r.close(time.Minute)
		require.Empty(t, r.heard("swapped"))
	})
}
