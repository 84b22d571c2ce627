package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/internal/measure"
)

// maxSamples bounds a round's memory: 8 MiB of latencies. Up to it percentiles are exact;
// beyond it they are those of a uniform random sample of this size, while mean, extremes and
// counts stay exact.
const maxSamples = 1 << 20

// stats is what one round on one server gave. Its methods may be called concurrently.
type stats struct {
	mu       sync.Mutex
	samples  []time.Duration
	limit    int
	random   *rand.Rand
	sum      time.Duration
	min, max time.Duration

	requests   int // answered well
	items      int
	intended   int // tokens as the workload meant them
	tokens     int // tokens as the answers report them
	reported   int // answers that report tokens
	dimensions int
	stages     stages         // summed
	staged     int            // answers that say their stages
	errors     map[string]int // by status, or "timeout", "connection", "invalid answer"
	firstError error
	dropped    int           // open loop: arrivals beyond the bound
	lag        time.Duration // open loop: how far the client itself fell behind at worst
	elapsed    time.Duration // from the start to the last answer
}

func newStats() *stats {
	return &stats{limit: maxSamples, random: rand.New(rand.NewPCG(1, 2)), errors: map[string]int{}} //nolint:gosec // a sample, not a secret
}

func (s *stats) record(c call, r reply, latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.err != nil {
		s.errors[r.kind]++
		if s.firstError == nil {
			s.firstError = r.err
		}
		return
	}
	s.requests++
	s.items += c.items
	s.intended += c.tokens
	s.tokens += r.tokens
	if r.tokens > 0 {
		s.reported++
	}
	if r.dimensions > 0 {
		s.dimensions = r.dimensions
	}
	if r.staged {
		s.staged++
		s.stages.add(r.stages)
	}
	s.add(latency)
}

// add is Vitter's algorithm R.
func (s *stats) add(latency time.Duration) {
	if s.requests == 1 || latency < s.min {
		s.min = latency
	}
	s.max = max(s.max, latency)
	s.sum += latency
	if len(s.samples) < s.limit {
		s.samples = append(s.samples, latency)
	} else if k := s.random.IntN(s.requests); k < s.limit {
		s.samples[k] = latency
	}
}

func (s *stats) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped++
}

func (s *stats) late(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = max(s.lag, by)
}

func total(counts map[string]int) int {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// tokenCount is what the answers report where all do, else what was intended.
func (s *stats) tokenCount() int {
	if s.requests > 0 && s.reported == s.requests {
		return s.tokens
	}
	return s.intended
}

func (s *stats) mean() time.Duration {
	if s.requests == 0 {
		return 0
	}
	return s.sum / time.Duration(s.requests)
}

func (s *stats) latency() latency {
	p := s.percentiles(50, 95, 99)
	return latency{
		Mean: measure.Milliseconds(s.mean()), P50: measure.Milliseconds(p[0]), P95: measure.Milliseconds(p[1]),
		P99: measure.Milliseconds(p[2]), Min: measure.Milliseconds(s.min), Max: measure.Milliseconds(s.max),
	}
}

func (s *stats) throughput() throughput {
	return throughput{Requests: s.perSecond(s.requests), Items: s.perSecond(s.items), Tokens: s.perSecond(s.tokenCount())}
}

// split is nil unless every answer says its stages.
func (s *stats) split() *split {
	if s.requests == 0 || s.staged != s.requests {
		return nil
	}
	mean := func(d time.Duration) float64 { return measure.Milliseconds(d) / float64(s.requests) }
	out := &split{Tokenize: mean(s.stages.tokenize), Queue: mean(s.stages.queue), Run: mean(s.stages.run)}
	out.Other = max(mean(s.sum)-out.Tokenize-out.Queue-out.Run, 0)
	return out
}

func (s *stats) perSecond(n int) float64 {
	if s.elapsed <= 0 {
		return 0
	}
	return float64(n) / s.elapsed.Seconds()
}

// percentiles returns the nearest-rank percentiles, each in (0, 100], in the order asked for.
func (s *stats) percentiles(ps ...float64) []time.Duration {
	return measure.Percentiles(s.samples, ps...)
}

// merge returns the rounds as if they were one. It is meant for rounds of equal length: each
// gives its share of the samples where all together would pass the bound.
func merge(rounds []*stats) *stats {
	all := newStats()
	for _, s := range rounds {
		share := s.samples
		if most := maxSamples / len(rounds); len(share) > most {
			share = slices.Clone(share)
			all.random.Shuffle(len(share), func(i, j int) { share[i], share[j] = share[j], share[i] })
			share = share[:most]
		}
		all.samples = append(all.samples, share...)
		if s.requests > 0 && (all.requests == 0 || s.min < all.min) {
			all.min = s.min
		}
		all.max, all.lag = max(all.max, s.max), max(all.lag, s.lag)
		all.sum += s.sum
		all.requests += s.requests
		all.items += s.items
		all.intended += s.intended
		all.tokens += s.tokens
		all.reported += s.reported
		all.staged += s.staged
		all.stages.add(s.stages)
		all.dropped += s.dropped
		all.elapsed += s.elapsed
		all.dimensions = max(all.dimensions, s.dimensions)
		for kind, n := range s.errors {
			all.errors[kind] += n
		}
		if all.firstError == nil {
			all.firstError = s.firstError
		}
	}
	return all
}
