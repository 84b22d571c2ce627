package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// climbed runs a climb against a server that answers within the limit up to a rate.
func climbed(first, capacity float64) *climb {
	c := &climb{rate: first, result: ramp{Limit: 100}}
	for c.rate > 0 {
		latency := 50 * time.Millisecond
		if c.rate > capacity {
			latency = 200 * time.Millisecond
		}
		c.next(statsOf(latency))
	}
	return c
}

func TestTheClimbFindsTheKnee(t *testing.T) {
	for _, capacity := range []float64{12, 100, 5000} {
		c := climbed(10, capacity)
		require.LessOrEqual(t, c.result.Knee, capacity)
		// A step of 1.3, halved twice geometrically, is 1.3 to the power of a quarter.
		require.Greater(t, c.result.Knee*1.07, capacity)
		require.Equal(t, 50*time.Millisecond, c.best.max)
	}
}

func TestTheClimbComesDownWhereItStartsTooHigh(t *testing.T) {
	c := climbed(400, 150)
	require.InDelta(t, 130, c.result.Knee, 20)
	none := climbed(400, 1)
	require.Zero(t, none.result.Knee)
	require.Len(t, none.result.Steps, mostFalls)
	require.Equal(t, 200*time.Millisecond, none.best.max)
}

func TestLostRequestsBreakAStep(t *testing.T) {
	c := &climb{result: ramp{Limit: 1000}}
	s := statsOf(upTo(100)...)
	require.True(t, c.holds(s))
	s.drop()
	require.True(t, c.holds(s), "1 of 101 is within 1 %")
	s.drop()
	require.False(t, c.holds(s))
	require.False(t, c.holds(newStats()))
}

func TestTheRampIsReported(t *testing.T) {
	out, r, err := bench(t, "-url", (&peer{}).start(t), "-workload", "W5", "-rate", "100", "-p99", "1ns", "-duration", "30ms")
	require.NoError(t, err)
	ramp := r.Results[0].Ramp
	require.Len(t, ramp.Steps, mostFalls)
	require.Zero(t, ramp.Knee)
	require.InDelta(t, 12.5, ramp.Steps[3].Offered, 1e-9)
	require.Contains(t, out, "knee at 0/s")

	_, r, err = bench(t, "-url", (&peer{}).start(t), "-vs", (&peer{}).start(t), "-workload", "W5", "-rate", "50", "-p99", "10s", "-in-flight", "1", "-duration", "60ms")
	require.NoError(t, err)
	require.Len(t, r.Results, 2)
	for _, res := range r.Results {
		require.Equal(t, "open", res.Loop)
		require.NotEmpty(t, res.Ramp.Steps)
	}
}

// counted is a server with Quadrate's counters and stages: each embedding is a batch of its own
// of 20 tokens, padded to 25.
func counted(memory func(requests int) int) *peer {
	p := &peer{}
	p.replace = map[string]http.HandlerFunc{
		"/v1/embeddings": func(w http.ResponseWriter, _ *http.Request) {
			p.calls.Add(1)
			w.Header().Set("Server-Timing", "tokenize;dur=0.5, queue;dur=1, run;dur=2.5")
			fmt.Fprint(w, `{"data":[{"index":0,"embedding":[1,0,0]}],"usage":{"total_tokens":20}}`)
		},
		"/embed": func(w http.ResponseWriter, _ *http.Request) {
			p.calls.Add(1)
			fmt.Fprint(w, `[[1,0,0]]`)
		},
		"/rerank": func(w http.ResponseWriter, _ *http.Request) {
			p.calls.Add(1)
			fmt.Fprint(w, `[{"index":0,"score":1},{"index":1,"score":1},{"index":2,"score":1},{"index":3,"score":1}]`)
		},
		"/metrics": func(w http.ResponseWriter, _ *http.Request) {
			n := int(p.calls.Load())
			fmt.Fprintf(w, `# TYPE quadrate_batch_items histogram
quadrate_batch_items_bucket{model="org/embedder",le="1"} %[1]d
quadrate_batch_items_bucket{model="org/embedder",le="2"} %[1]d
quadrate_batch_items_bucket{model="org/embedder",le="+Inf"} %[1]d
quadrate_batch_items_sum{model="org/embedder"} %[1]d
quadrate_batch_items_count{model="org/embedder"} %[1]d
# TYPE quadrate_batch_tokens histogram
quadrate_batch_tokens_bucket{model="org/embedder",le="+Inf"} %[1]d
quadrate_batch_tokens_sum{model="org/embedder"} %[2]d
quadrate_batch_tokens_count{model="org/embedder"} %[1]d
# TYPE quadrate_batch_padded_tokens_total counter
quadrate_batch_padded_tokens_total{model="org/embedder"} %[3]d
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes %[4]d
`, n, 20*n, 25*n, memory(n))
		},
	}
	return p
}

func steady(int) int { return 100 << 20 }

func TestTheServersOwnCountersAreRead(t *testing.T) {
	out, r, err := bench(t, "-url", counted(steady).start(t), "-rounds", "2")
	require.NoError(t, err)
	res := r.Results[0]
	s := res.ServerSide
	require.Equal(t, res.Requests, s.Batches, "the warm-up's batches are not among them")
	require.Equal(t, 20*res.Requests, s.Tokens)
	require.Equal(t, 25*res.Requests, s.PaddedTokens)
	require.Equal(t, []bucket{{1, res.Requests}, {2, 0}, {-1, 0}}, s.BatchItems)
	require.Equal(t, int64(100<<20), s.Resident)
	require.Contains(t, out, "batches of 1.0 items and 20 tokens; padding efficiency 0.800")
	require.InDelta(t, 0.5, res.Split.Tokenize, 1e-9)
	require.InDelta(t, 2.5, res.Split.Run, 1e-9)
	_, r, err = bench(t, "-url", (&peer{}).start(t))
	require.NoError(t, err)
	require.Nil(t, r.Results[0].ServerSide)
	require.Nil(t, r.Results[0].Split)
}

func TestStagesAreReadFromEitherHeader(t *testing.T) {
	s, said := stagesOf(http.Header{"Server-Timing": {"cache, queue;dur=1.5, run;dur=x"}})
	require.True(t, said)
	require.Equal(t, stages{queue: 1500 * time.Microsecond}, s)
	s, said = stagesOf(http.Header{"X-Tokenization-Time": {"1"}, "X-Inference-Time": {"2"}})
	require.True(t, said)
	require.Equal(t, stages{tokenize: time.Millisecond, run: 2 * time.Millisecond}, s)
	_, said = stagesOf(http.Header{})
	require.False(t, said)
}

func TestTheSoakWatchesTheMemory(t *testing.T) {
	out, r, err := bench(t, "-url", counted(steady).start(t), "-soak", "400", "-concurrency", "4")
	require.NoError(t, err)
	require.Equal(t, 400, r.Soak.Requests)
	require.Equal(t, []string{"/v1/embeddings", "/embed", "/v1/rerank", "/rerank"}, r.Soak.Routes)
	require.Len(t, r.Soak.Samples, memorySamples)
	require.Zero(t, r.Soak.Growth)
	require.Contains(t, out, "growth over the second half: 0.0 %")

	_, r, err = bench(t, "-url", counted(func(n int) int { return (100 + n) << 20 }).start(t), "-soak", "400")
	require.ErrorContains(t, err, "resident memory grew by")
	// From the median of the first fifth of the second half, 220 requests, to that of the last, 380.
	require.InDelta(t, 480.0/320-1, r.Soak.Growth, 0.03)
	_, _, err = bench(t, "-url", (&peer{}).start(t), "-soak", "400")
	require.ErrorContains(t, err, "has no process_resident_memory_bytes")
	_, _, err = bench(t, "-soak", "5", "-rate", "3")
	require.ErrorContains(t, err, "-soak excludes")
}

func TestTheDistributionHoldsEverySample(t *testing.T) {
	s := statsOf(upTo(1000)...)
	bins := s.distribution()
	require.Len(t, bins, distributionBins)
	all := 0
	for k, b := range bins {
		all += b.Count
		require.Less(t, b.From, b.To)
		if k > 0 {
			require.InEpsilon(t, bins[k-1].To, b.From, 1e-9)
		}
	}
	require.Equal(t, 1000, all)
	require.Equal(t, 1, statsOf(7).distribution()[0].Count, "one latency is a distribution too")
	require.Nil(t, newStats().distribution())
}

func TestResultsAreValidJSONWithEverySection(t *testing.T) {
	_, r, err := bench(t, "-url", counted(steady).start(t))
	require.NoError(t, err)
	data, err := json.Marshal(r.Results[0])
	require.NoError(t, err)
	for _, key := range []string{"distribution_ms", "split_ms", "server_side", "batch_items", "padded_tokens"} {
		require.Contains(t, string(data), `"`+key+`"`)
	}
}
