package managed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// backoffMin doubles with each failure in a row, to backoffMax.
	backoffMin, backoffMax = time.Second, time.Minute
	// breakAfter failures within breakWindow: no start before the oldest of them is so old. A
	// container that has served so long has its failures forgotten.
	breakAfter  = 5
	breakWindow = 10 * time.Minute
	// lookTime bounds a look at a container, and at its logs.
	lookTime = 5 * time.Second
	// oomKept is how long after memory has run out in a container its end is put down to that: one
	// that goes on ends of something else.
	oomKept = time.Minute
	// An engine has so long beyond a container's stop timeout: to kill it, and to remove it by
	// force; or, when this process is to end at last, only hurriedTime.
	forceTime, hurriedTime = 65 * time.Second, 10 * time.Second
)

// strike counts a failure of u's container, which wrote lines at the end. Of a start that failed requests hear until the backoff
// is over; those of a server that had served wait for it, unless it fails again and again.
func (s *Supervisor) strike(u *unit, why, lines string, inStart bool) {
	now := time.Now()
	u.row++
	u.failures = append(u.failures, now)
	for len(u.failures) > 0 && now.Sub(u.failures[0]) >= breakWindow {
		u.failures = u.failures[1:]
	}
	u.why, u.lines, u.refuses = u.spec.Conceal(why), tail(u.spec.Conceal(lines)), inStart
	if s.hooks.Failed != nil {
		s.hooks.Failed(u.spec.ID, u.why, u.lines)
	}
	u.retryAt = now.Add(backoff(u.row))
	if n := len(u.failures); n >= breakAfter {
		u.refuses = true
		if until := u.failures[n-breakAfter].Add(breakWindow); until.After(u.retryAt) {
			u.retryAt = until
		}
	}
	if u.refuses {
		u.preload, u.wantUntil, u.wantedSince = false, time.Time{}, time.Time{}
		s.refuse(u, u.failure())
	}
}

// backoff is the pause after so many failures in a row.
func backoff(row int) time.Duration {
	return min(backoffMin<<min(row-1, 10), backoffMax)
}

// crashed tells of the end of a server that has served.
func (s *Supervisor) crashed(u *unit, reason, why, lines string, inFlight int) {
	u.crashes++
	if s.hooks.Crashed != nil {
		s.hooks.Crashed(u.spec.ID, reason)
	}
	s.strike(u, why, lines, false)
	if inFlight > 0 && !u.refuses {
		u.wantUntil = u.retryAt.Add(comeBack)
	}
}

// forgiveLongService forgets the failures before a service that was long.
func (u *unit) forgiveLongService(now time.Time) {
	if !u.readySince.IsZero() && now.Sub(u.readySince) >= breakWindow {
		u.forgive()
	}
}

// fell is called when the container of a unit that serves has ended.
func (s *Supervisor) fell(u *unit) {
	crash, inFlight := u.state == StateReady, len(u.leases)
	s.lose(u)
	u.cancel(errEnded)
	s.to(u, StateStopping, "its container has ended")
	if !crash {
		s.remove(u)
		return
	}
	id, oom := u.box.ID, u.lacksMemory()
	s.effect(func() func() {
		c, lines := s.postMortem(id)
		return func() {
			u.dead, u.box = id, Container{}
			u.tail = lines
			reason, why := end(c, oom, u.spec.MemoryMB)
			s.crashed(u, reason, why, lines, inFlight)
			s.settle(u)
		}
	})
}

// unhealthy is called when a server that runs does not serve any more.
func (s *Supervisor) unhealthy(u *unit, err error) {
	inFlight := len(u.leases)
	s.lose(u)
	u.cancel(errStop)
	s.to(u, StateStopping, "it is not healthy")
	id := u.box.ID
	s.effect(func() func() {
		lines := s.lastLines(id)
		return func() {
			s.crashed(u, "unhealthy", "was not healthy: "+u.spec.words(err), lines, inFlight)
			s.remove(u)
		}
	})
}

// postMortem looks at a container that has ended.
func (s *Supervisor) postMortem(id string) (Container, string) {
	c, looked := s.look(s.life, id)
	if !looked {
		c = Container{ID: id, ExitCode: -1}
	}
	return c, s.lastLines(id)
}

// lastLines is what a container has written; empty when that cannot be had soon.
func (s *Supervisor) lastLines(id string) string {
	ctx, cancel := context.WithTimeout(s.life, lookTime)
	defer cancel()
	lines, err := s.engine.Logs(ctx, id, tailKept)
	if err != nil {
		return ""
	}
	return clip(lines, tailBytes)
}

// lacksMemory: memory has run out in the container, just now.
func (u *unit) lacksMemory() bool { return !u.oomAt.IsZero() && time.Since(u.oomAt) < oomKept }

// end says how a container ended: exit or oom, and in words.
func end(c Container, oom bool, memoryMB int) (reason, why string) {
	switch {
	case c.OOM || oom:
		limit := "memory_mb is not set"
		if memoryMB > 0 {
			limit = fmt.Sprintf("memory_mb is %d", memoryMB)
		}
		return "oom", "was killed for want of memory (" + limit + ")"
	case c.ExitCode < 0:
		return "exit", "has ended"
	}
	return "exit", fmt.Sprintf("ended with exit code %d", c.ExitCode)
}

// stopHard stops and removes a container, and tries until that is done, or nobody has the patience
// any more. Of its first failure failing, which may be nil, is told in the loop, and the hooks are.
func (s *Supervisor) stopHard(c Container, timeout time.Duration, failing func(error)) error {
	told := false
	for pause := time.Second; ; pause = min(2*pause, engineRetry) {
		err := s.stopOnce(c.ID, timeout)
		if err == nil || errors.Is(err, ErrGone) {
			return nil
		}
		switch {
		case errors.Is(err, ErrAway):
			s.post(func() { s.suspect(err) })
		case !told:
			told = true
			s.post(func() { s.stuck(c, err, failing) })
		}
		if s.patience.Err() != nil {
			return fmt.Errorf("container %s could not be stopped: %w", c.name(), err)
		}
		select {
		case <-time.After(pause):
		case <-s.patience.Done():
		}
	}
}

// stopOnce gives the engine the time to remove by force what does not end, unless that is not there.
func (s *Supervisor) stopOnce(id string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(s.life, timeout+forceTime)
	defer cancel()
	defer context.AfterFunc(s.patience, func() {
		select {
		case <-time.After(timeout + hurriedTime):
			cancel()
		case <-ctx.Done():
		}
	})()
	return s.engine.Stop(ctx, id, timeout)
}

func (s *Supervisor) stuck(c Container, err error, failing func(error)) {
	if s.hooks.Stuck != nil {
		s.hooks.Stuck(c.name(), err)
	}
	if failing != nil {
		failing(err)
	}
}

// name is what people know c by.
func (c Container) name() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}
