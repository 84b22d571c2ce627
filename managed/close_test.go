package managed_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCloseAtAnyTime ends a supervisor amid starts, pulls, drains and stops, in every other schedule
// on an engine that hangs.
func TestCloseAtAnyTime(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newSchedule(t, 2*seed+1).cut() })
		})
	}
}

func (d *schedule) cut() {
	d.engine.Bound(d.settings.Budgets)
	hangs := d.seed%4 == 3
	d.settings.Leave = d.below(3) == 0
	d.engine.Absent("image", d.upTo(time.Minute), nil)
	if d.below(2) == 0 {
		d.engine.Put(d.settings.Specs[0], d.settings.Specs[0].Hash(), true)
	}
	if hangs {
		d.bootOn(moody{d.engine, d}, d.settings)
	} else {
		d.boot(d.settings)
	}
	var clients sync.WaitGroup
	end := time.Now().Add(d.upTo(3 * time.Minute))
	for _, s := range d.settings.Specs {
		for range 1 + d.below(3) {
			clients.Go(func() {
				for time.Now().Before(end) {
					time.Sleep(d.upTo(5 * time.Second))
					if l, err := d.acquire(s.ID); err == nil {
						time.Sleep(d.upTo(8 * time.Second))
						l.Release()
					}
				}
			})
		}
	}
	time.Sleep(time.Until(end))
	patience := d.upTo(40 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	begun := time.Now()
	err := d.s.Close(ctx)
	clients.Wait()
	if hangs { // each stop has its time, and the look at a container and its logs before
		require.Less(d.t, time.Since(begun), patience+50*time.Second)
		return
	}
	require.NoError(d.t, err)
	require.Less(d.t, time.Since(begun), patience+25*time.Second)
	if !d.settings.Leave {
		require.Empty(d.t, d.engine.Left())
	}
}
