// Package measure holds what the benchmarks share of statistics: percentiles of a sample, and
// a figure's spread over rounds. It knows nothing of what is measured.
package measure

import (
	"math"
	"slices"
	"time"
)

// Spread is a figure over rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf takes at least one value; it leaves them as they are.
func SpreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

// Percentiles returns the nearest-rank percentiles, each in (0, 100], in the order asked for;
// zeros of an empty sample.
func Percentiles(samples []time.Duration, ps ...float64) []time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	out := make([]time.Duration, len(ps))
	for k, p := range ps {
		if len(sorted) > 0 {
			out[k] = sorted[max(int(math.Ceil(p/100*float64(len(sorted)))), 1)-1]
		}
	}
	return out
}

// Milliseconds is d as a number.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
