package main

import (
	"context"
	"math"
	"time"

	"github.com/quadrate-maas/quadrate/internal/measure"
)

const (
	// kneeFactor times the unloaded median is the latency at which a server is past its knee,
	// unless -p99 says another limit.
	kneeFactor = 10
	// mostLost is the share of requests that may fail or be dropped before a step is broken.
	mostLost = 0.01
	// firstShare of what one request at a time reaches is the first step's rate.
	firstShare = 0.5
	rampFactor = 1.3
	// Between the last rate that held and the first that did not, so many more are tried.
	refinements = 2
	mostSteps   = 40
	// mostFalls is how often the first rate is halved in search of one that holds.
	mostFalls = 4
)

// step is one rate of a ramp.
type step struct {
	Offered    float64    `json:"offered_per_second"`
	Held       bool       `json:"held"`
	Latency    latency    `json:"latency_ms"`
	Throughput throughput `json:"throughput"`
	Failed     int        `json:"failed"`
	Dropped    int        `json:"dropped"`
}

// ramp is W5's result: the knee is the highest rate that held.
type ramp struct {
	Limit float64 `json:"p99_limit_ms"`
	Knee  float64 `json:"knee_per_second"` // 0: no rate held
	Steps []step  `json:"steps"`
}

// climb is the search of one side for its knee: the rate rises until a step breaks, or falls
// until one holds, and then the gap between the two is halved, geometrically, a few times.
type climb struct {
	result  ramp
	rate    float64 // of the next step; 0 when done
	good    float64
	bad     float64
	refined int
	best    *stats // of the highest rate that held, else of the lowest tried
}

// next moves on after a step at c.rate.
func (c *climb) next(s *stats) {
	held := c.holds(s)
	c.result.Steps = append(c.result.Steps, stepOf(c.rate, s, held))
	switch {
	case held:
		c.good, c.best, c.result.Knee = c.rate, s, c.rate
	default:
		c.bad = c.rate
		if c.good == 0 {
			c.best = s
		}
	}
	switch {
	case len(c.result.Steps) >= mostSteps, c.good == 0 && len(c.result.Steps) == mostFalls, c.good > 0 && c.refined == refinements:
		c.rate = 0
	case c.good == 0:
		c.rate /= 2
	case c.bad > 0:
		c.refined++
		c.rate = math.Sqrt(c.good * c.bad)
	default:
		c.rate *= rampFactor
	}
}

// holds is whether the server keeps up: few are lost, and the 99th percentile is within the
// limit. In an open loop a server that cannot keep up shows in both.
func (c *climb) holds(s *stats) bool {
	lost := total(s.errors) + s.dropped
	if s.requests == 0 || float64(lost) > mostLost*float64(s.requests+lost) {
		return false
	}
	return measure.Milliseconds(s.percentiles(99)[0]) <= c.result.Limit
}

func stepOf(rate float64, s *stats, held bool) step {
	return step{
		Offered: rate, Held: held, Latency: s.latency(), Throughput: s.throughput(),
		Failed: total(s.errors), Dropped: s.dropped,
	}
}

// climb finds each side's knee. Both take turns, rate by rate, and drop out when they are done.
func (m *measurement) climb(ctx context.Context, o options, bar *progress) error {
	for _, s := range m.sides {
		if err := s.startClimb(ctx, o, bar.stage(m, s, "unloaded", o.duration)); err != nil {
			return err
		}
	}
	for k := 0; ctx.Err() == nil; k++ {
		going := false
		for _, s := range m.sides {
			if s.climb == nil || s.climb.rate == 0 || ctx.Err() != nil {
				continue
			}
			going = true
			done := bar.stage(m, s, rateName(s.climb.rate), o.duration)
			front, err := s.observed(ctx, o.phase(s.climb.rate, uint64(k+1)<<32))
			done()
			if err != nil {
				return err
			}
			if ctx.Err() == nil {
				s.climb.next(front)
			}
		}
		if !going {
			break
		}
	}
	for _, s := range m.sides {
		if s.climb != nil && s.climb.best != nil {
			s.rounds = []*stats{s.climb.best}
		}
	}
	return nil
}

// startClimb measures one request at a time, from which the first rate and the limit follow
// where the flags leave them open.
func (s *side) startClimb(ctx context.Context, o options, done func()) error {
	defer done()
	if err := s.warm(ctx, o, 0); err != nil || ctx.Err() != nil {
		return err
	}
	alone := phase{duration: min(o.duration, 5*time.Second), concurrency: 1, seed: o.seed}
	idle, err := alone.closed(ctx, *s.load)
	if err != nil || ctx.Err() != nil {
		return err
	}
	if idle.requests == 0 {
		s.rounds = []*stats{idle}
		return nil
	}
	s.climb = &climb{rate: o.rate, result: ramp{Limit: measure.Milliseconds(o.p99)}}
	if s.climb.rate == 0 {
		s.climb.rate = firstShare * idle.perSecond(idle.requests)
	}
	if o.p99 == 0 {
		s.climb.result.Limit = kneeFactor * measure.Milliseconds(idle.percentiles(50)[0])
	}
	return nil
}
