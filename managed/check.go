package managed

import (
	"context"
	"time"
)

// maxMisses is how many checks of health in a row may fail.
const maxMisses = 3

// watchHealth has the health of a server that runs asked now and then.
func (s *Supervisor) watchHealth(u *unit) {
	if u.endCheck != nil {
		u.endCheck()
		u.endCheck = nil
	}
	if u.spec.CheckInterval <= 0 {
		return
	}
	life, end := context.WithCancel(u.life)
	u.endCheck = end
	c, id, every, epoch := u.box, u.spec.ID, u.spec.CheckInterval, u.epoch
	s.effect(func() func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-life.Done():
				return func() {}
			case <-ticker.C:
			}
			found := s.check(life, id, c)
			s.post(func() {
				if u.epoch == epoch && life.Err() == nil {
					s.checked(u, found)
				}
			})
		}
	})
}

// checked is what a check has found.
type checked struct {
	err    error // nil: it is healthy
	ended  bool
	memory int64 // 0: not known
}

// check asks a server for its health and, when it has none, the engine for its container.
func (s *Supervisor) check(ctx context.Context, id string, c Container) checked {
	if err := s.health(ctx, id, c.Address); err != nil {
		now, looked := s.look(ctx, c.ID)
		return checked{err: err, ended: looked && !now.Running}
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	memory, err := s.engine.Memory(ctx, c.ID)
	if err != nil {
		memory = 0
	}
	return checked{memory: memory}
}

func (s *Supervisor) checked(u *unit, found checked) {
	switch {
	case !u.in(StateReady, StateDraining):
		s.quiet = true
	case found.err == nil:
		u.misses, s.quiet = 0, true
		if found.memory > 0 {
			u.memoryUsed = found.memory
		}
		s.show(u)
	case found.ended:
		s.fell(u)
	default:
		if u.misses++; u.misses >= maxMisses {
			s.unhealthy(u, found.err)
		}
	}
}

const (
	// The engine hears of a container's end after its clients do: one that does not serve is looked
	// at so often, with pauses.
	endLooks, endPause = 3, 200 * time.Millisecond
	// aliveTime is what a server has to show that it is there.
	aliveTime = time.Second
)

// hasEnded reports whether a container that has served does not run any more.
func (s *Supervisor) hasEnded(ctx context.Context, id string, c Container) bool {
	for n := 1; !s.alive(ctx, id, c.Address); n++ {
		if now, looked := s.look(s.life, c.ID); looked && !now.Running {
			return true
		}
		if n == endLooks {
			break
		}
		select {
		case <-time.After(endPause):
		case <-ctx.Done():
			return false
		}
	}
	return false
}

func (s *Supervisor) alive(ctx context.Context, id, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, aliveTime)
	defer cancel()
	return s.health(ctx, id, address) == nil
}

// confirm looks whether the container of a lease still runs, and then closes done.
func (s *Supervisor) confirm(l *Lease, done chan struct{}) {
	u := l.u
	s.quiet = true
	if _, held := u.leases[l]; !held || !u.in(StateReady, StateDraining) {
		close(done)
		return
	}
	u.confirming = append(u.confirming, done)
	if len(u.confirming) > 1 {
		return
	}
	life, id, box, epoch := u.life, u.spec.ID, u.box, u.epoch
	s.effect(func() func() {
		gone := s.hasEnded(life, id, box)
		return func() {
			if gone && u.epoch == epoch && u.in(StateReady, StateDraining) {
				s.fell(u)
			} else {
				s.quiet = true
			}
			for _, done := range u.confirming {
				close(done)
			}
			u.confirming = nil
		}
	})
}
