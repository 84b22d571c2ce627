package managedtest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/managed"
)

// Ping implements managed.Engine.
func (e *Engine) Ping(ctx context.Context) error {
	_, err := e.reach(ctx)
	return err
}

// HasImage implements managed.Engine.
func (e *Engine) HasImage(ctx context.Context, name string) (bool, error) {
	if _, err := e.reach(ctx); err != nil {
		return false, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, absent := e.absent[name]
	return !absent, nil
}

// Pull implements managed.Engine.
func (e *Engine) Pull(ctx context.Context, name string, progress func(string)) error {
	away, err := e.reach(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	img, absent := e.absent[name]
	e.mu.Unlock()
	if !absent {
		return nil
	}
	progress("pulling " + name)
	if err := wait(ctx, img.takes, away, nil); err != nil {
		return err
	}
	if img.err != nil {
		return img.err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.absent, name)
	return nil
}

// Start implements managed.Engine.
func (e *Engine) Start(ctx context.Context, spec managed.Spec) (managed.Container, error) {
	away, err := e.reach(ctx)
	if err != nil {
		return managed.Container{}, err
	}
	e.mu.Lock()
	for id, c := range e.containers {
		if c.Spec == spec.ID && !c.Running {
			delete(e.containers, id)
		}
	}
	if _, absent := e.absent[spec.Image]; absent {
		e.mu.Unlock()
		return managed.Container{}, fmt.Errorf("%s: %w", spec.Image, managed.ErrNoImage)
	}
	c := e.create(spec)
	e.mu.Unlock()
	address := ""
	err = wait(ctx, c.goes.Create, away, nil)
	if err == nil {
		err = c.goes.StartErr
	}
	if err == nil && e.Serve != nil {
		address, c.stop, err = e.Serve(spec)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		c.Running = false
		delete(e.containers, c.ID)
		return managed.Container{}, err
	}
	e.run(c, address)
	return c.Container, nil
}

// find returns a container, if the engine answers and has it.
func (e *Engine) find(ctx context.Context, id string) (*container, error) {
	if _, err := e.reach(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.containers[id]
	if !ok {
		return nil, managed.ErrGone
	}
	return c, nil
}

// Inspect implements managed.Engine.
func (e *Engine) Inspect(ctx context.Context, id string) (managed.Container, error) {
	c, err := e.find(ctx, id)
	if err != nil {
		return managed.Container{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return c.Container, nil
}

// List implements managed.Engine.
func (e *Engine) List(ctx context.Context) ([]managed.Container, error) {
	if _, err := e.reach(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]managed.Container, 0, len(e.containers))
	for _, c := range e.containers {
		list = append(list, c.Container)
	}
	return list, nil
}

// Stop implements managed.Engine.
func (e *Engine) Stop(ctx context.Context, id string, timeout time.Duration) error {
	away, err := e.reach(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	c, ok := e.containers[id]
	e.mu.Unlock()
	if !ok {
		return nil
	}
	code := 0
	if c.goes.StopTakes > timeout {
		code = 137
	}
	if err := wait(ctx, min(c.goes.StopTakes, timeout), away, c.ended); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.finish(c, code, false)
	delete(e.containers, id)
	return nil
}

// Logs implements managed.Engine.
func (e *Engine) Logs(ctx context.Context, id string, lines int) (string, error) {
	c, err := e.find(ctx, id)
	if err != nil {
		return "", err
	}
	all := strings.SplitAfter(c.goes.Logs, "\n")
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return strings.Join(all[max(len(all)-lines, 0):], ""), nil
}

// Memory implements managed.Engine: half of the limit.
func (e *Engine) Memory(ctx context.Context, id string) (int64, error) {
	c, err := e.find(ctx, id)
	if err != nil {
		return 0, err
	}
	return int64(c.spec.MemoryMB) << 19, nil
}

// Watch implements managed.Engine.
func (e *Engine) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	away, err := e.reach(ctx)
	if err != nil {
		return err
	}
	w := &watcher{wake: make(chan struct{}, 1)}
	e.mu.Lock()
	e.watchers[w] = struct{}{}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.watchers, w)
	}()
	begun()
	for {
		select {
		case <-w.wake:
		case <-away:
			return managed.ErrAway
		case <-ctx.Done():
			return ctx.Err()
		}
		e.mu.Lock()
		events := w.events
		w.events = nil
		e.mu.Unlock()
		for _, event := range events {
			heard(event)
		}
	}
}
