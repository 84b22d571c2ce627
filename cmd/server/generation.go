package main

import "sync/atomic"

// generations tells when the requests that began under an earlier configuration have ended, so
// that what they may still use can be closed. A request holds the generation it began in, from
// before it looks anything up; a reload puts the new configuration in force, begins the next
// generation, and closes what is old when the one before is done. Counting the users of each
// model instead would leave a gap between finding a model and using it.
type generations struct {
	current atomic.Pointer[generation]
}

// A generation is done when its requests have ended and all earlier ones are done: a request that
// began earlier may look up what is in force now.
type generation struct {
	// held counts the requests, one for being the current generation, and one for the generation
	// before until that is done. It never rises from 0.
	held atomic.Int64
	done chan struct{}
	// after is the next one, set before this is let go of as the current one.
	after *generation
}

func newGenerations() *generations {
	g := &generations{}
	g.current.Store(newGeneration(1))
	return g
}

func newGeneration(held int64) *generation {
	g := &generation{done: make(chan struct{})}
	g.held.Store(held)
	return g
}

// begin holds the current generation until end is called, once.
func (g *generations) begin() (end func()) {
	for {
		if now := g.current.Load(); now.hold() {
			return now.release
		}
	}
}

// next begins another generation and returns the one before. It is called by one at a time.
func (g *generations) next() *generation {
	old := g.current.Load()
	old.after = newGeneration(2)
	g.current.Store(old.after)
	old.release()
	return old
}

func (g *generation) hold() bool {
	for {
		n := g.held.Load()
		if n == 0 {
			return false
		}
		if g.held.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (g *generation) release() {
	for g != nil && g.held.Add(-1) == 0 {
		close(g.done)
		g = g.after
	}
}
