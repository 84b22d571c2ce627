package managed_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
)

// moody is an engine that, while its schedule is not calm, is slow now and then, or fails, or goes
// away for one call, or hangs.
type moody struct {
	*managedtest.Engine
	d *schedule
}

// mood is how the next call goes; an error ends it.
func (e moody) mood(ctx context.Context, what string) error {
	if e.d.isCalm() {
		return nil
	}
	switch e.d.below(30) {
	case 0, 1:
		select {
		case <-time.After(e.d.upTo(20 * time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	case 2:
		return errors.New(what + ": internal server error")
	case 3:
		return fmt.Errorf("%s: %w", what, managed.ErrAway)
	case 4:
		e.d.count("hangs")
		return hang(ctx)
	}
	return nil
}

func (e moody) Ping(ctx context.Context) error {
	if err := e.mood(ctx, "ping"); err != nil {
		return err
	}
	return e.Engine.Ping(ctx)
}

func (e moody) HasImage(ctx context.Context, image string) (bool, error) {
	if err := e.mood(ctx, "look"); err != nil {
		return false, err
	}
	return e.Engine.HasImage(ctx, image)
}

func (e moody) Pull(ctx context.Context, image string, progress func(string)) error {
	if err := e.mood(ctx, "pull"); err != nil {
		return err
	}
	return e.Engine.Pull(ctx, image, progress)
}

func (e moody) Start(ctx context.Context, s managed.Spec) (managed.Container, error) {
	if err := e.mood(ctx, "start"); err != nil {
		return managed.Container{}, err
	}
	return e.Engine.Start(ctx, s)
}

func (e moody) Stop(ctx context.Context, id string, timeout time.Duration) error {
	if err := e.mood(ctx, "stop"); err != nil {
		return err
	}
	if err := e.Engine.Stop(ctx, id, timeout); err != nil {
		return err
	}
	return e.mood(ctx, "stopped")
}

func (e moody) List(ctx context.Context) ([]managed.Container, error) {
	list, err := e.Engine.List(ctx)
	if mood := e.mood(ctx, "list"); mood != nil {
		return nil, mood
	}
	return list, err
}

func (e moody) Inspect(ctx context.Context, id string) (managed.Container, error) {
	if err := e.mood(ctx, "inspect"); err != nil {
		return managed.Container{}, err
	}
	return e.Engine.Inspect(ctx, id)
}

func (e moody) Logs(ctx context.Context, id string, lines int) (string, error) {
	if err := e.mood(ctx, "logs"); err != nil {
		return "", err
	}
	return e.Engine.Logs(ctx, id, lines)
}

func (e moody) Memory(ctx context.Context, id string) (int64, error) {
	if err := e.mood(ctx, "memory"); err != nil {
		return 0, err
	}
	return e.Engine.Memory(ctx, id)
}

func (e moody) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	if err := e.mood(ctx, "watch"); err != nil {
		return err
	}
	return e.Engine.Watch(ctx, begun, heard)
}
