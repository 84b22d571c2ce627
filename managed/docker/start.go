package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/quadrate-maas/quadrate/managed"
)

const (
	// cleanupLimit is what tidying up after a start that failed may take.
	cleanupLimit = 10 * time.Second
	// createGrace is how long a container's creation is waited for after its context has ended.
	createGrace = 3 * time.Second
)

// errTaken: somebody else's container has the name.
var errTaken = errors.New("the name is taken")

// Start makes a container of s and starts it. On an error nothing is left behind.
func (e *Engine) Start(ctx context.Context, s managed.Spec) (managed.Container, error) {
	ctx, cancel := bounded(ctx, startLimit)
	defer cancel()
	in, err := e.network(ctx, s)
	if err != nil {
		return managed.Container{}, err
	}
	options, err := e.creation(s, in)
	if err != nil {
		return managed.Container{}, err
	}
	id, err := e.create(ctx, s, options)
	if err != nil {
		return managed.Container{}, err
	}
	c, err := e.begin(ctx, s, id)
	if err != nil {
		e.discard(ctx, id)
		return managed.Container{}, err
	}
	return c, nil
}

// network is where the container of s goes; empty: its port is published.
func (e *Engine) network(ctx context.Context, s managed.Spec) (string, error) {
	mode := container.NetworkMode(s.Network)
	switch {
	case s.Network == "":
		return e.neighbourhood(ctx)
	case mode.IsNone() || mode.IsContainer():
		return "", fmt.Errorf("upstreams[].managed.network is %q, where no container can be reached", s.Network)
	}
	return s.Network, nil
}

func (e *Engine) begin(ctx context.Context, s managed.Spec, id string) (managed.Container, error) {
	if _, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return managed.Container{}, e.startFailed(ctx, s, err)
	}
	return e.Inspect(ctx, id)
}

// create makes the container under the first name that is free, or that only an older container of
// this instance has.
func (e *Engine) create(ctx context.Context, s managed.Spec, options client.ContainerCreateOptions) (string, error) {
	base := name(e.instance, s.ID)
	for n := 1; n <= maxNames; n++ {
		options.Name = base
		if n > 1 {
			options.Name = fmt.Sprintf("%s-%d", base, n)
		}
		id, err := e.createNamed(ctx, s, options)
		if !errors.Is(err, errTaken) {
			return id, err
		}
	}
	return "", fmt.Errorf("others' containers have the names %s to %s-%d: remove one of them, or set another containers.instance", base, base, maxNames)
}

func (e *Engine) createNamed(ctx context.Context, s managed.Spec, options client.ContainerCreateOptions) (string, error) {
	if err := e.freeName(ctx, options.Name); err != nil {
		return "", err
	}
	// The engine goes on when it is not waited for: so wait a while, to know what to remove.
	longer, cancel := outliving(ctx, createGrace)
	defer cancel()
	made, err := e.api.ContainerCreate(longer, options)
	switch {
	case err == nil && ctx.Err() != nil:
		e.discard(ctx, made.ID)
		return "", e.failed(ctx, "create a container", ctx.Err())
	case err == nil:
		return made.ID, nil
	case errdefs.IsConflict(err): // since it was looked for
		return "", errTaken
	}
	err = e.createFailed(ctx, s, err)
	if errors.Is(err, managed.ErrAway) || ctx.Err() != nil {
		tidy, done := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
		defer done()
		_ = e.freeName(tidy, options.Name) // what it tells is of no use beside err
	}
	return "", err
}

// freeName removes a container of this instance that has a name; errTaken: it is somebody else's, or
// cannot be removed.
func (e *Engine) freeName(ctx context.Context, name string) error {
	c, err := e.api.ContainerInspect(ctx, name, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return e.failed(ctx, "look for a container called "+name, err)
	case c.Container.Config == nil || c.Container.Config.Labels[labelInstance] != e.instance:
		return errTaken
	case c.Container.State != nil && c.Container.State.Dead: // the engine could not remove it
		return errTaken
	}
	return e.remove(ctx, c.Container.ID)
}

// discard removes a container that was made in vain, also when ctx has ended.
func (e *Engine) discard(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
	defer cancel()
	_ = e.remove(ctx, id) // what went wrong before is told
}
