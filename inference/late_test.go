package inference

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestALateSessionIsOpenedByItsFirstRun(t *testing.T) {
	var opened []*fakeSession
	var refuse error
	l := &lateSession{slot: make(chan struct{}, 1), open: func(context.Context) (Session, error) {
		if refuse != nil {
			return nil, refuse
		}
		opened = append(opened, &fakeSession{width: 1})
		return opened[len(opened)-1], nil
	}}
	batch := Batch{Rows: 1, Length: 1, IDs: []int64{5}, Mask: []int64{1}}
	run := func(ctx context.Context) error { _, err := l.Run(ctx, batch); return err }

	refuse = errors.New("no memory")
	require.ErrorIs(t, run(t.Context()), refuse)
	refuse = nil
	require.NoError(t, run(t.Context()))
	require.NoError(t, run(t.Context()))
	require.Len(t, opened, 1)

	fail := func(err error) { opened[len(opened)-1].before = func(context.Context, Batch) error { return err } }
	fail(ErrOutOfMemory)
	for range suspicious {
		require.ErrorIs(t, run(t.Context()), ErrOutOfMemory)
	}
	require.False(t, opened[0].closed, "a batch that is too large is no fault of the session's")
	fail(errors.New("broken"))
	for range suspicious {
		require.EqualError(t, run(t.Context()), "broken")
	}
	require.True(t, opened[0].closed)
	require.NoError(t, run(t.Context()))
	require.Len(t, opened, 2)

	ctx, cancel := context.WithCancel(t.Context())
	opened[1].before = func(ctx context.Context, _ Batch) error { cancel(); return ctx.Err() }
	require.ErrorIs(t, run(ctx), context.Canceled)
	require.True(t, opened[1].closed, "a run that was given up leaves doubt")
	require.NoError(t, run(t.Context()))

	require.NoError(t, l.Close())
	require.True(t, opened[2].closed)
	require.ErrorIs(t, run(t.Context()), errClosing)
	require.NoError(t, l.Close())
}

func TestAWaitForALateSessionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lateSession{slot: make(chan struct{}, 1), open: func(context.Context) (Session, error) {
			time.Sleep(time.Minute)
			return &fakeSession{width: 1}, nil
		}}
		batch := Batch{Rows: 1, Length: 1, IDs: []int64{5}, Mask: []int64{1}}
		go func() { _, _ = l.Run(t.Context(), batch) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := l.Run(ctx, batch)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, l.Close())
	})
}
