package managed

import (
	"context"
	"errors"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// What Logs returns is bounded in lines and bytes.
const maxLogLines, maxLogBytes = 10_000, 4 << 20

// Load starts the server of id, whatever has failed before, or joins a start that is under way, and
// returns once it serves or has failed. Its error is a *models.Error.
func (s *Supervisor) Load(ctx context.Context, id string) error {
	w := newWaiter(id, true)
	if !s.post(func() { s.load(w) }) {
		return shuttingDown()
	}
	select {
	case a := <-w.answer:
		return a.err
	case <-ctx.Done():
		return s.giveUp(w, nil).err
	}
}

func (s *Supervisor) load(w *waiter) {
	if u := s.byID[w.id]; u != nil && !u.removed {
		u.halted = false
		u.forgive()
		if u.state == StateFailed {
			s.to(u, StateStopped, "it is to be loaded")
		}
	}
	s.enter(w)
}

// Unload has the server of id let its requests in flight end, stops it, and returns when it is gone
// or ctx ends, which does not keep it from stopping. A pinned one stops, too. It starts again when a
// request, or Load, asks for it. While the engine is away it is not stopped, and serves on.
func (s *Supervisor) Unload(ctx context.Context, id string) error {
	done := make(chan error, 1)
	if !s.post(func() { s.unload(id, done) }) {
		return shuttingDown()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Supervisor) unload(id string, done chan error) {
	u := s.byID[id]
	switch {
	case s.closing:
		done <- shuttingDown()
		return
	case u == nil || u.removed:
		done <- unknown(id)
		return
	case s.engineState == engineAway && !u.idle():
		done <- s.away(id, "stopped") // it goes on serving
		return
	}
	u.halted, u.preload, u.wantUntil = true, false, time.Time{}
	switch {
	case u.idle():
		done <- nil
	case len(u.unloaders) >= maxWaiters:
		done <- models.Errorf(models.KindQueueFull, "%d calls wait for %q to stop already", maxWaiters, id).By(id)
	default:
		u.unloaders = append(u.unloaders, done)
		s.goodbye(u)
	}
}

// Logs returns the last lines of what the container of id has written, also when it has ended.
func (s *Supervisor) Logs(ctx context.Context, id string, lines int) (string, error) {
	var box, kept string
	found := false
	if !s.do(func() {
		if u := s.byID[id]; u != nil {
			box, kept, found = u.box.ID, u.tail, true
			if box == "" {
				box = u.dead
			}
		}
		s.quiet = true
	}) {
		return "", shuttingDown()
	}
	if !found {
		return "", unknown(id)
	}
	lines = min(max(lines, 1), maxLogLines)
	if box == "" {
		return lastOf(kept, lines), nil
	}
	text, err := s.engine.Logs(ctx, box, lines)
	switch {
	case err == nil:
		return clip(text, maxLogBytes), nil
	case errors.Is(err, ErrGone):
		return lastOf(kept, lines), nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	}
	return "", models.Errorf(models.KindUnavailable, "the logs of %q cannot be had now", id).By(id).After(awayRetry).Because(err)
}
