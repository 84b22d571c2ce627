package main

import "github.com/quadrate-maas/quadrate/internal/measure"

// ratio compares one figure of the two servers: first divided by second in each round. For
// throughput more than 1 means that the first is better, for latency less than 1.
type ratio struct {
	Figure string         `json:"figure"`
	First  measure.Spread `json:"first"`
	Second measure.Spread `json:"second"`
	Ratio  measure.Spread `json:"ratio"`
}

type figure struct {
	name  string
	value func(s *stats) float64
}

func percentileOf(p float64) func(*stats) float64 {
	return func(s *stats) float64 { return measure.Milliseconds(s.percentiles(p)[0]) }
}

// figures holds tokens as intended, not as reported: both servers get the same texts, and a
// ratio must not move because one counts special tokens otherwise.
var figures = []figure{
	{"requests/s", func(s *stats) float64 { return s.perSecond(s.requests) }},
	{"items/s", func(s *stats) float64 { return s.perSecond(s.items) }},
	{"tokens/s", func(s *stats) float64 { return s.perSecond(s.intended) }},
	{"mean ms", func(s *stats) float64 { return measure.Milliseconds(s.mean()) }},
	{"p50 ms", percentileOf(50)},
	{"p95 ms", percentileOf(95)},
	{"p99 ms", percentileOf(99)},
}

// compare returns the ratios over the rounds in which both servers answered, and how many
// those are; none, and there is nothing to compare.
func compare(first, second []*stats) (ratios []ratio, rounds int) {
	var pairs [][2]*stats
	for i := range min(len(first), len(second)) {
		if first[i].requests > 0 && second[i].requests > 0 {
			pairs = append(pairs, [2]*stats{first[i], second[i]})
		}
	}
	if len(pairs) == 0 {
		return nil, 0
	}
	for _, f := range figures {
		var a, b, q []float64
		for _, pair := range pairs {
			x, y := f.value(pair[0]), f.value(pair[1])
			if y > 0 {
				a, b, q = append(a, x), append(b, y), append(q, x/y)
			}
		}
		if len(q) > 0 {
			ratios = append(ratios, ratio{f.name, measure.SpreadOf(a), measure.SpreadOf(b), measure.SpreadOf(q)})
		}
	}
	return ratios, len(pairs)
}
