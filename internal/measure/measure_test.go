package measure

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentilesAreNearestRank(t *testing.T) {
	samples := make([]time.Duration, 100)
	for i := range samples {
		samples[i] = time.Duration((i*37)%100+1) * time.Millisecond
	}
	first := samples[0]
	require.Equal(t, []time.Duration{50e6, 95e6, 99e6, 100e6, 1e6}, Percentiles(samples, 50, 95, 99, 100, 0.5))
	require.Equal(t, first, samples[0], "the sample stays as it was")
	require.Equal(t, []time.Duration{7}, Percentiles([]time.Duration{7}, 99))
	require.Equal(t, []time.Duration{0}, Percentiles(nil, 50))
}

func TestSpread(t *testing.T) {
	values := []float64{4, 1, 2, 3}
	require.Equal(t, Spread{Median: 2.5, Min: 1, Max: 4}, SpreadOf(values))
	require.Equal(t, []float64{4, 1, 2, 3}, values)
	require.Equal(t, Spread{Median: 5, Min: 5, Max: 5}, SpreadOf([]float64{5}))
	require.InDelta(t, 1.5, Milliseconds(1500*time.Microsecond), 1e-12)
}
