package batcher

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// device runs one batch at a time, as a session on a GPU does; its runner pads the batch before
// it waits for the device.
type device struct {
	free         chan struct{} // holds a token while no batch runs
	padding, run time.Duration
}

func (d *device) compute(_ context.Context, items []piece) ([]int, error) {
	time.Sleep(d.padding)
	<-d.free
	time.Sleep(d.run)
	d.free <- struct{}{}
	return make([]int, len(items)), nil
}

// Why there are as many runners as runs that a model's devices can do at once, and no more: a
// second runner on a device that is busy hides the padding, here a hundredth of the run, but it
// has to pick its batch a whole run earlier than needed, and whoever comes then waits for two
// runs in place of one. The two figures are kept here; docs/decisions/0014 draws the conclusion.
func TestASecondRunnerOnOneDeviceFreezesABatchTooEarly(t *testing.T) {
	for name, c := range map[string]struct {
		runners      int
		backlog, new time.Duration
	}{
		"one runner":  {1, 100 * 15150 * time.Microsecond, (15150 - 7500 + 15150) * time.Microsecond},
		"two runners": {2, 150*time.Microsecond + 100*15*time.Millisecond, (15150 - 7500 + 2*15000) * time.Microsecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &device{free: make(chan struct{}, 1), padding: 150 * time.Microsecond, run: 15 * time.Millisecond}
				d.free <- struct{}{}
				opts := options()
				opts.Runners, opts.MaxItems, opts.MaxQueuedItems = c.runners, 8, 1000
				b, err := New(d.compute, opts)
				require.NoError(t, err)
				sizes := make([]int, 800)
				for i := range sizes {
					sizes[i] = 10
				}
				backlog := send(b, Call{Tag: "bulk"}, pieces(sizes...)...)
				time.Sleep(7500 * time.Microsecond)
				newcomer := send(b, Call{Tag: "single"}, piece{10, 1})
				require.NoError(t, b.Close())
				synctest.Wait()
				// The newcomer's item makes the last batch one more.
				require.Equal(t, c.new, newcomer.took)
				require.InDelta(t, c.backlog.Seconds(), backlog.took.Seconds(), 0.0152)
			})
		})
	}
}
