package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/batcher"
)

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestRequestsAreCounted(t *testing.T) {
	m := New("v1")
	m.ObserveRequest(Request{Route: "/v1/embeddings", Model: "a", Status: 200, Items: 3, Tokens: 12, Truncated: 1, Duration: 20 * time.Millisecond, Tokenize: time.Millisecond})
	m.ObserveRequest(Request{Route: "/v1/embeddings", Model: "a", Status: 429, Duration: time.Millisecond})
	m.ObserveRequest(Request{Route: "(none)", Status: 404, Duration: time.Millisecond})
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_requests_total{model="a",route="/v1/embeddings",status="200"} 1`,
		`quadrate_requests_total{model="a",route="/v1/embeddings",status="429"} 1`,
		`quadrate_requests_total{model="",route="(none)",status="404"} 1`,
		`quadrate_request_duration_seconds_count{model="a",route="/v1/embeddings",status="200"} 1`,
		`quadrate_tokenize_duration_seconds_count{model="a"} 1`,
		`quadrate_tokens_total{model="a"} 12`,
		`quadrate_items_total{model="a"} 3`,
		`quadrate_truncated_inputs_total{model="a"} 1`,
		`quadrate_build_info{go="`,
		`go_goroutines`,
		`process_resident_memory_bytes`,
	} {
		require.Contains(t, out, line)
	}
}

func TestRunsAreCounted(t *testing.T) {
	m := New("v1")
	m.ObserveRun("a", batcher.RunStats{Items: 4, Size: 30, Cost: 40, Queue: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond, 2 * time.Millisecond}, Run: 5 * time.Millisecond})
	m.ObserveRun("a", batcher.RunStats{Items: 1, Size: 8, Cost: 8, Err: errors.New("broken")})
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_runs_total{model="a",outcome="ok"} 1`,
		`quadrate_runs_total{model="a",outcome="failed"} 1`,
		`quadrate_batch_items_sum{model="a"} 5`,
		`quadrate_batch_tokens_sum{model="a"} 38`,
		`quadrate_batch_padding_ratio_sum{model="a"} 0.25`,
		`quadrate_batch_padded_tokens_total{model="a"} 48`,
		`quadrate_queue_duration_seconds_count{model="a"} 4`,
		`quadrate_run_duration_seconds_sum{model="a"} 0.005`,
	} {
		require.Contains(t, out, line)
	}
}

func TestQueuesAreReadAtEachScrape(t *testing.T) {
	m := New("v1")
	depth := 0
	m.WatchQueues(func() []Queue {
		depth++
		return []Queue{{Model: "a", Items: depth, Tokens: 10 * depth, Oldest: time.Second, Ready: true}, {Model: "b"}}
	})
	scrape(t, m)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_queue_items{model="a"} 2`, `quadrate_queue_tokens{model="a"} 20`,
		`quadrate_queue_oldest_seconds{model="a"} 1`, `quadrate_model_ready{model="a"} 1`, `quadrate_model_ready{model="b"} 0`,
	} {
		require.Contains(t, out, line)
	}
}

func TestCachesAreReadAtEachScrape(t *testing.T) {
	m := New("v1")
	scrapes := uint64(0)
	m.WatchCaches(func() []Cache {
		scrapes++
		return []Cache{{Model: "a", Hits: 3 * scrapes, Shared: 2, Misses: 1, Fresh: 4, Evictions: 5, Bytes: 600, Entries: 7}}
	})
	scrape(t, m)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_cache_items_total{model="a",outcome="hit"} 6`, `quadrate_cache_items_total{model="a",outcome="shared"} 2`,
		`quadrate_cache_items_total{model="a",outcome="miss"} 1`, `quadrate_cache_items_total{model="a",outcome="fresh"} 4`,
		`quadrate_cache_evictions_total{model="a"} 5`, `quadrate_cache_bytes{model="a"} 600`, `quadrate_cache_entries{model="a"} 7`,
	} {
		require.Contains(t, out, line)
	}
}

func TestAModelHasOneProvider(t *testing.T) {
	m := New("v1")
	m.SetProvider("a", "cuda", "fp16", 1)
	m.SetProvider("a", "cpu", "fp32", 1)
	out := scrape(t, m)
	require.Contains(t, out, `quadrate_execution_provider{model="a",provider="cpu",variant="fp32"} 1`)
	require.Equal(t, 1, strings.Count(out, "quadrate_execution_provider{"))
}
