package docker

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// killLimit is what the engine may take beyond a container's own time to end.
const killLimit = 30 * time.Second

// Stop has a container end, kills it after timeout, removes it and returns when it is gone.
func (e *Engine) Stop(ctx context.Context, id string, timeout time.Duration) error {
	timeout = max(timeout, 0)
	ctx, cancel := bounded(ctx, timeout+2*killLimit)
	defer cancel()
	if err := e.halt(ctx, id, timeout); err != nil {
		return err
	}
	return e.remove(ctx, id)
}

// halt has a container end. An engine that cannot is left to remove it by force.
func (e *Engine) halt(ctx context.Context, id string, timeout time.Duration) error {
	stopping, cancel := context.WithTimeout(ctx, timeout+killLimit)
	defer cancel()
	seconds := int(math.Ceil(timeout.Seconds()))
	_, err := e.api.ContainerStop(stopping, id, client.ContainerStopOptions{Timeout: &seconds})
	late := stopping.Err() != nil && ctx.Err() == nil
	if err != nil && !late && (ctx.Err() != nil || away(err)) {
		return e.failed(ctx, "stop a container", err)
	}
	return nil
}

// remove kills a container, removes it with the volumes that have no name, and returns when it is
// gone.
func (e *Engine) remove(ctx context.Context, id string) error {
	ctx, cancel := bounded(ctx, killLimit)
	defer cancel()
	var refused error
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case errdefs.IsNotFound(err):
			return nil
		case err != nil && ctx.Err() == nil && away(err):
			return e.failed(ctx, "remove a container", err)
		case err != nil && ctx.Err() == nil:
			refused = err // it may be that it is being removed already
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return e.notRemoved(ctx, refused)
		}
	}
}

// notRemoved says what the engine said, if anything, rather than only that there was no more time.
func (e *Engine) notRemoved(ctx context.Context, refused error) error {
	err := e.failed(ctx, "remove a container", ctx.Err())
	if refused != nil {
		err = fmt.Errorf("%w: %w", err, plain(refused))
	}
	return err
}
