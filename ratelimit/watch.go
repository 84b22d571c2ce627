package ratelimit

import (
	"context"
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

// lose is told by whoever got no answer. The others then count in memory at once.
func (s *shared) lose(err error) {
	if s.up.CompareAndSwap(true, false) {
		select {
		case s.lost <- err:
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
	if err := s.beat(ctx); err != nil {
		return 0, err
	}
	select {
	case <-s.lost: // by a call that began before
	default:
	}
	began := time.Now()
	s.up.Store(true)
	s.onStore(true, nil)
	for {
		select {
		case <-ctx.Done():
			return time.Since(began), ctx.Err()
		case err := <-s.lost:
			return time.Since(began), err
		case <-time.After(beatEvery):
		}
		if err := s.beat(ctx); err != nil {
			return time.Since(began), err
		}
	}
}

func (s *shared) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := beatScript.Run(ctx, s.client, []string{replicasKey}, s.instance, goneAfter.Milliseconds()).Int64()
	if err == nil {
		s.replicas.Store(max(n, 1))
	}
	return err
}

// close takes this server out of those that share, if Redis is there to be told.
func (s *shared) close() error {
	s.stop()
	was := s.up.Load()
	<-s.stopped
	if was {
		ctx, cancel := s.within(context.Background())
		defer cancel()
		_ = s.client.ZRem(ctx, replicasKey, s.instance).Err() // if not, it is gone in goneAfter
	}
	return s.client.Close()
}
