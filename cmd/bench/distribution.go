package main

import (
	"math"

	"github.com/quadrate-maas/quadrate/internal/measure"
)

const distributionBins = 40

// bin counts the latencies in [From, To) milliseconds; the last one holds its end too.
type bin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int     `json:"count"`
}

// distribution sorts the samples into bins of equal width on a logarithmic scale; nil where
// there is nothing to sort.
func (s *stats) distribution() []bin {
	if len(s.samples) == 0 {
		return nil
	}
	low := math.Max(measure.Milliseconds(s.min), 1e-3)
	high := math.Max(measure.Milliseconds(s.max), low*1.01)
	width := math.Log(high/low) / distributionBins
	bins := make([]bin, distributionBins)
	for k := range bins {
		bins[k].From, bins[k].To = low*math.Exp(float64(k)*width), low*math.Exp(float64(k+1)*width)
	}
	for _, d := range s.samples {
		at := int(math.Log(math.Max(measure.Milliseconds(d), low)/low) / width)
		bins[min(at, distributionBins-1)].Count++
	}
	return bins
}
