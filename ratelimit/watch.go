package ratelimit

import (
	"context"
	"fmt"
	"time"
)

const (
	// beatEvery is how often a server says that it is there, and goneAfter when it counts as gone.
	beatEvery = 2 * time.Second
	goneAfter = 3 * beatEvery
	// Redis is tried again after firstPause, and then ever more rarely; calm is how long it must
	// have worked for that to begin anew.
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
	calm       = 10 * time.Second
)

// loss is why a call got no answer.
type loss struct{ why error }

// lose is told by whoever got no answer. The others then count in memory at once.
func (s *shared) lose(err error) {
	if s.up.CompareAndSwap(true, false) {
		select {
		case s.lost <- loss{s.named(err)}:
		default:
		}
	}
}

// watch owns what is known of Redis: it says that this server is there, which also tells whether
// scripts and writes work, connects again, and is alone in telling OnStore.
func (s *shared) watch(ctx context.Context) {
	defer close(s.stopped)
	pause := firstPause
	for first := true; ; first = false {
		worked, err := s.serve(ctx)
		s.up.Store(false)
		if ctx.Err() != nil {
			return
		}
		if first || worked > 0 {
			s.onStore(false, err)
		}
		if worked > calm {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// serve lets calls count in Redis while it works; it returns for how long it did, and why it
// does no longer.
func (s *shared) serve(ctx context.Context) (worked time.Duration, err error) {
	n, err := s.beat(ctx)
	if err != nil {
		return 0, err
	}
	select {
	case <-s.lost: // by a call of the time before
	default:
	}
	began := time.Now()
	s.count(n, 0)
	s.up.Store(true)
	s.onStore(true, nil)
	for {
		select {
		case <-ctx.Done():
			return time.Since(began), ctx.Err()
		case l := <-s.lost:
			return time.Since(began), l.why
		case <-time.After(beatEvery):
		}
		if n, err = s.beat(ctx); err != nil {
			return time.Since(began), err
		}
		s.count(n, time.Since(began))
	}
}

// beat says that this server is there, and returns how many are. It is not interrupted: Redis
// might get to it after close has said that the server is gone.
func (s *shared) beat(ctx context.Context) (int64, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	n, err := beatScript.Run(ctx, s.client, []string{replicasKey}, s.instance, goneAfter.Milliseconds()).Int64()
	return n, s.named(err)
}

// count takes over how many servers there are. Less than before counts only when Redis has
// worked for long enough that each has found it again: one that is started anew knows of nobody.
func (s *shared) count(n int64, worked time.Duration) {
	if n > s.replicas.Load() || worked > goneAfter+lastPause {
		s.replicas.Store(max(n, 1))
	}
}

// named says which server an error is of: most say only that time was up.
func (s *shared) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis at %s: %w", s.client.Options().Addr, err)
}

// close takes this server out of those that share, if Redis is there to be told.
func (s *shared) close() error {
	was := s.up.Load() // watch forgets it once it is stopped
	s.stop()
	<-s.stopped
	if was {
		ctx, cancel := s.within(context.Background())
		defer cancel()
		_ = s.client.ZRem(ctx, replicasKey, s.instance).Err() // if not, it is gone in goneAfter
	}
	return s.client.Close()
}
