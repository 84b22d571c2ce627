package proxy

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"
)

// verdict is what an attempt says of the endpoint's health.
type verdict int

const (
	verdictNone verdict = iota // whoever asked has left, or ran out of time
	verdictGood
	verdictSick
)

// maxSpell is how many times EjectTime an endpoint is out at most.
const maxSpell = 16

// maxRest bounds how long an endpoint is left alone because it asked for it.
const maxRest = time.Minute

// settled is how an attempt ended.
type settled struct {
	verdict verdict
	trial   bool
	work    float64
	took    time.Duration
	known   known
	rest    time.Duration
	busy    bool // too much to do: not sick, and not to be sent more than others
	reason  string
}

// settle takes a request off its endpoint and draws the conclusions.
func (p *pool) settle(e *endpoint, s settled) {
	p.mu.Lock()
	now := time.Now()
	e.inFlight--
	e.work -= s.work
	e.moved = now
	if e.inFlight == 0 {
		e.work = 0 // sums of floats do not come back to 0 by themselves
	}
	if s.known == knownAnswer || s.known == knownLeast && s.took > e.latency {
		e.observe(now, s.took, s.work)
	}
	if s.rest > 0 {
		e.rest = now.Add(min(s.rest, maxRest))
	}
	if s.busy {
		e.slower(now)
	}
	if s.trial {
		e.trial = false
	}
	event := p.judge(e, s, now)
	idle := e.gone && e.inFlight == 0
	p.mu.Unlock()
	if idle {
		e.closeIdle()
	}
	p.tell(e, event, s.reason)
}

// judge counts an outcome and returns what changed by it. p.mu is held.
//
// Ejection never takes the last endpoint that is in, and at most half of all: what half of the
// servers refuse is more likely to be wrong itself.
func (p *pool) judge(e *endpoint, s settled, now time.Time) (event string) {
	switch s.verdict {
	case verdictGood:
		e.outcomes.add(false)
		if e.ejected.IsZero() || !s.trial {
			return "" // an answer to what was sent before it was ejected proves nothing
		}
		e.ejected, e.spell, e.reason = time.Time{}, 0, ""
		e.outcomes, e.pace, e.warm = outcomes{}, 0, now
		return "recovered"
	case verdictSick:
		e.outcomes.add(true)
		e.slower(now)
		switch {
		case s.trial && !e.ejected.IsZero():
			e.spell = min(2*e.spell, maxSpell*p.opts.EjectTime)
		case e.ejected.IsZero() && e.failing(p.opts.EjectAfter) && p.mayEject(e):
			e.spell = p.opts.EjectTime
		default:
			return ""
		}
		e.ejected, e.reason = now.Add(e.spell), s.reason
		return "ejected"
	}
	return ""
}

// failing reports whether the endpoint's latest answers are reason to eject it.
func (e *endpoint) failing(inRow int) bool {
	return e.outcomes.row >= inRow || e.outcomes.n == window && bits.OnesCount32(e.outcomes.bits) >= window/2
}

// mayEject reports whether the endpoint can be spared. p.mu is held.
func (p *pool) mayEject(e *endpoint) bool {
	out, others := 0, 0
	for _, other := range p.endpoints {
		if !other.ejected.IsZero() {
			out++
		} else if other != e && other.in() {
			others++
		}
	}
	return others > 0 && 2*(out+1) <= len(p.endpoints)
}

func (p *pool) tell(e *endpoint, event, reason string) {
	if event != "" && p.hooks.Changed != nil {
		p.hooks.Changed(Change{Upstream: p.opts.Name, URL: e.url, Event: event, Reason: reason})
	}
}

const (
	// probeTime bounds a probe, whatever its interval.
	probeTime = 10 * time.Second
	// confirm is when a probe that failed is repeated.
	confirm = time.Second
	// missed probes, one after the other, that make an endpoint unhealthy.
	missed = 2
)

// probes asks an endpoint for its health until ctx ends.
func (p *pool) probes(ctx context.Context, e *endpoint) {
	// Not all endpoints of all replicas of this server at once.
	wait := time.Duration(rand.Int64N(int64(min(p.opts.ProbeInterval, time.Second))/4 + 1))
	for sleep(ctx, wait) == nil {
		err := p.direct(ctx, e, p.dialect.probe(), min(p.opts.ProbeInterval, probeTime))
		if ctx.Err() != nil {
			return
		}
		wait = p.opts.ProbeInterval*9/10 + time.Duration(rand.Int64N(int64(p.opts.ProbeInterval)/5+1))
		if p.probed(e, err) {
			wait = min(wait, confirm)
		}
	}
}

// probed takes the outcome of a probe; doubtful says that it failed for the first time.
func (p *pool) probed(e *endpoint, err error) (doubtful bool) {
	p.mu.Lock()
	e.lastProbe = time.Now()
	event, reason := "", ""
	if err == nil {
		e.misses = 0
		if e.unhealthy {
			e.unhealthy, e.reason, e.warm, e.pace = false, "", time.Now(), 0
			event = "healthy"
		}
	} else {
		e.misses++
		if e.misses >= missed {
			reason = err.Error()
			e.reason = reason
			if !e.unhealthy {
				e.unhealthy = true
				event = "unhealthy"
			}
		}
	}
	doubtful = err != nil && !e.unhealthy
	p.mu.Unlock()
	p.tell(e, event, reason)
	return doubtful
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// healthy reports whether a request could be sent to anybody, and why not. p.mu is held.
func (p *pool) healthy() (bool, string) {
	if len(p.endpoints) == 0 {
		return !p.resolvedOnce, "its name has no address"
	}
	if slices.ContainsFunc(p.endpoints, func(e *endpoint) bool { return !e.unhealthy }) {
		return true, ""
	}
	if len(p.endpoints) == 1 {
		return false, "its one address does not pass health checks"
	}
	return false, fmt.Sprintf("none of its %d addresses passes health checks", len(p.endpoints))
}
