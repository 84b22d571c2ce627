package inference

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
)

// What the queue foretells to be too late is refused at once: for good where the request is too
// large for its time, and otherwise for as long as the queue is.
func TestRequestsThatWouldBeTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSession{}
		m := open(t, models.TaskEmbed, s, func(spec *models.Spec, d *Deps, _ *Manifest) {
			spec.Batcher = models.BatcherSpec{MaxItems: 4, MaxTokens: 4 * fakeMaxLength, QueueTimeout: time.Hour}
			d.RequestTimeout = time.Hour
		}).(*Embedding)
		s.before = func(context.Context, Batch) error {
			time.Sleep(time.Second)
			return nil
		}
		ask := func(n int, left time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			defer cancel()
			req := models.EmbedRequest{Caller: models.Caller{Cache: models.CacheControl{NoCache: true}}}
			for i := range n {
				req.Inputs = append(req.Inputs, models.Input{Text: fmt.Sprint("three words and ", i)})
			}
			_, err := m.Embed(ctx, req)
			return err
		}
		require.NoError(t, ask(24, time.Minute))
		started := time.Now()
		err := ask(40, 2*time.Second)
		wantKind(t, err, models.KindDeadline, "")
		require.ErrorContains(t, err, `the request would take model "test/model" about 10s by itself, and 2s of its time are left`)
		require.Zero(t, time.Since(started))

		long := make(chan error)
		go func() { long <- ask(40, time.Minute) }()
		synctest.Wait()
		err = ask(12, 4*time.Second)
		wantKind(t, err, models.KindQueueTimeout, "")
		require.ErrorContains(t, err, `the request would take about 7s in the queue of model "test/model", and 4s of its time are left`)
		var e *models.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, 3*time.Second, e.RetryAfter)
		var late *batcher.TooLateError
		require.True(t, errors.As(err, &late))
		require.NoError(t, <-long)
	})
}

func TestAbout(t *testing.T) {
	require.Equal(t, "12.3s", about(12_345*time.Millisecond).String())
	require.Equal(t, "123ms", about(123_456*time.Microsecond).String())
}
