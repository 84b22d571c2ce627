package main

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func statsOf(latencies ...time.Duration) *stats {
	s := newStats()
	for _, l := range latencies {
		s.record(call{items: 2, tokens: 10}, reply{tokens: 11}, l)
	}
	return s
}

func upTo(n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration((i*37)%n+1) * time.Millisecond // a permutation where 37 does not divide n
	}
	return out
}

func TestPercentiles(t *testing.T) {
	s := statsOf(upTo(100)...)
	require.Equal(t, []time.Duration{50e6, 95e6, 99e6, 100e6, 1e6}, s.percentiles(50, 95, 99, 100, 0.5))
	require.Equal(t, 50500*time.Microsecond, s.mean())
	require.Equal(t, time.Millisecond, s.min)
	require.Equal(t, 100*time.Millisecond, s.max)
	require.Equal(t, []time.Duration{7}, statsOf(7).percentiles(99))
	require.Equal(t, []time.Duration{0}, newStats().percentiles(50))
	require.Zero(t, newStats().mean())
}

func TestSamplesAreBoundedAndStayRepresentative(t *testing.T) {
	s := newStats()
	s.limit = 1000
	for i := range 100_000 {
		s.record(call{}, reply{}, time.Duration(i))
	}
	require.Len(t, s.samples, 1000)
	require.Equal(t, 100_000, s.requests)
	require.Equal(t, time.Duration(99_999), s.max)
	require.InDelta(t, 50_000, float64(s.percentiles(50)[0]), 5_000)
	require.InDelta(t, 90_000, float64(s.percentiles(90)[0]), 4_000)
}

func TestTokensAreReportedOnlyWhereAllAnswersDo(t *testing.T) {
	s := statsOf(1, 1)
	require.Equal(t, 22, s.tokenCount())
	s.record(call{tokens: 10}, reply{}, 1)
	require.Equal(t, 30, s.tokenCount())
}

func TestMerge(t *testing.T) {
	a, b := statsOf(4, 6), statsOf(2)
	a.elapsed, b.elapsed = time.Second, 2*time.Second
	b.record(call{}, reply{kind: "503", err: errors.New("full")}, 0)
	b.drop()
	b.late(5)
	m := merge([]*stats{newStats(), a, b})
	require.Equal(t, 3, m.requests)
	require.Equal(t, 6, m.items)
	require.Equal(t, time.Duration(4), m.mean())
	require.Equal(t, time.Duration(2), m.min)
	require.Equal(t, time.Duration(6), m.max)
	require.Equal(t, []time.Duration{4}, m.percentiles(50))
	require.Equal(t, map[string]int{"503": 1}, m.errors)
	require.EqualError(t, m.firstError, "full")
	require.Equal(t, 1, m.dropped)
	require.Equal(t, time.Duration(5), m.lag)
	require.InDelta(t, 1.0, m.perSecond(m.requests), 1e-9)
}

func TestCompareTakesRatiosRoundByRound(t *testing.T) {
	round := func(latency, elapsed time.Duration) *stats {
		s := statsOf(latency)
		s.elapsed = elapsed
		return s
	}
	// The machine is three times slower in the second round: the ratio does not see it.
	first := []*stats{round(10e6, time.Second), round(30e6, 3*time.Second), round(30e6, time.Second)}
	second := []*stats{round(20e6, 2*time.Second), round(60e6, 6*time.Second), newStats()}
	ratios, rounds := compare(first, second)
	require.Equal(t, 2, rounds, "a round without answers is no round")
	require.Len(t, ratios, len(figures))
	for _, q := range ratios {
		want := 0.5
		if q.Figure == "requests/s" || q.Figure == "items/s" || q.Figure == "tokens/s" {
			want = 2
		}
		require.InDelta(t, want, q.Ratio.Min, 1e-9, q.Figure)
		require.InDelta(t, want, q.Ratio.Median, 1e-9, q.Figure)
		require.InDelta(t, want, q.Ratio.Max, 1e-9, q.Figure)
	}
	none, rounds := compare(first[:1], nil)
	require.Empty(t, none)
	require.Zero(t, rounds)
}
