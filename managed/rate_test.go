package managed_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/models"
)

// What requests do has no decision for each, however many units there are to decide on.
func TestRequestsAreNotDecidedOnOneByOne(t *testing.T) {
	for name, request := range map[string]func(*rig) error{
		"served": func(r *rig) error {
			l, err := r.acquire("a")
			l.Release()
			l.Release()
			return err
		},
		"in vain": func(r *rig) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_, err := r.s.Acquire(ctx, "waits", nil)
			if models.KindOf(err) == models.KindLoading {
				err = nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := settings(append(grouped("holds", "waits"), spec("a"))...)
			o.Specs[0].Pinned = true
			virtual(t, o, nil, func(r *rig) {
				r.use("holds")
				r.use("a")
				require.NoError(r.t, request(r))
				time.Sleep(time.Second)
				require.NoError(r.t, request(r))
				synctest.Wait()
				decisions, before := 0, r.s.Published("holds")
				for range 1000 {
					require.NoError(r.t, request(r))
					synctest.Wait()
					if now := r.s.Published("holds"); now != before {
						decisions, before = decisions+1, now
					}
				}
				require.LessOrEqual(t, decisions, 1)
			})
		})
	}
}

// A server that has no request any more is idle, though no decision followed at once.
func TestIdlenessIsSeenSoon(t *testing.T) {
	o := settings(with(spec("a"), func(s *managed.Spec) { s.IdleTTL = time.Minute }))
	virtual(t, o, nil, func(r *rig) {
		r.use("a")
		time.Sleep(30 * time.Second)
		for range 3 {
			r.use("a")
		}
		time.Sleep(time.Minute - time.Millisecond)
		require.Equal(t, "ready", r.state("a"))
		time.Sleep(2 * time.Millisecond)
		require.Equal(t, "stopped", r.state("a"))
	})
}

func TestWantIsKeptForThoseWhoLeaveAtOnce(t *testing.T) {
	o := settings(grouped("holds", "waits")...)
	o.Specs[0].Pinned = true
	virtual(t, o, nil, func(r *rig) {
		r.use("holds")
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		for range 3 {
			_, err := r.s.Acquire(ctx, "waits", nil)
			refused(t, err, models.KindLoading)
		}
		time.Sleep(34 * time.Second)
		require.Equal(t, models.StateLoading, r.s.Status("waits").State)
		time.Sleep(2 * time.Second) // it was to come back after 5 s, and has 30 s more
		require.Equal(t, models.StateStopped, r.s.Status("waits").State)
	})
}
