package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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
	m.ObserveRequest(Request{Route: "(none)", Status: 404, Duration: time.Millisecond, Code: "unknown_route"})
	m.ObserveRequest(Request{Route: "/embed", Model: "b", Status: 502, Code: "upstream_error", Upstream: "tei"})
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
		`quadrate_errors_total{code="unknown_route",upstream=""} 1`,
		`quadrate_errors_total{code="upstream_error",upstream="tei"} 1`,
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
		return []Queue{{Model: "a", Items: depth, Tokens: 10 * depth, Oldest: time.Second, Wait: 250 * time.Millisecond, Running: 3, Ready: true}, {Model: "b", Items: 5, Running: 1}}
	})
	scrape(t, m)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_queue_items{model="a"} 2`, `quadrate_queue_tokens{model="a"} 20`,
		`quadrate_queue_oldest_seconds{model="a"} 1`, `quadrate_model_ready{model="a"} 1`, `quadrate_model_ready{model="b"} 0`,
		`quadrate_queue_seconds{model="a"} 0.25`, `quadrate_queue_seconds{model="b"} 0`, `quadrate_batches_running{model="a"} 3`,
		`quadrate_waiting_items 7`, `quadrate_running_batches 4`,
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

// TestModelsAreBounded: a wildcard's models do not make series without end, and nothing is lost
// of the sum.
func TestModelsAreBounded(t *testing.T) {
	m := New("v1")
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 2 * defaultNames {
				m.ObserveRequest(Request{Route: "/embed", Model: fmt.Sprint("org/", (i+worker)%(2*defaultNames)), Status: 200, Tokens: 1})
			}
		})
	}
	group.Wait()
	m.ObserveRequest(Request{Route: "/embed", Status: 404})
	out := scrape(t, m)
	require.Equal(t, defaultNames+1, strings.Count(out, "quadrate_tokens_total{"))
	require.Contains(t, out, fmt.Sprintf(`quadrate_requests_total{model="other",route="/embed",status="200"} %d`, 4*defaultNames))
	require.Contains(t, out, `quadrate_requests_total{model="",route="/embed",status="404"} 1`)
}

func TestWhatIsNoLabelIsOther(t *testing.T) {
	m := New("v1")
	for _, name := range []string{"bad\xff", strings.Repeat("n", maxLabel+1)} {
		m.ObserveRequest(Request{Route: "/embed", Model: name, Status: 200, Tokens: 1})
		m.ObserveFallback(name, name)
	}
	out := scrape(t, m)
	require.Contains(t, out, `quadrate_requests_total{model="other",route="/embed",status="200"} 2`)
	require.Contains(t, out, `quadrate_upstream_fallbacks_total{from="other",to="other"} 2`)
}

func TestAttemptsAreCounted(t *testing.T) {
	m := New("v1")
	m.ObserveAttempt(Attempt{Upstream: "tei", Op: "embed", Kind: "upstream", Duration: time.Second})
	m.ObserveAttempt(Attempt{Upstream: "tei", Op: "embed", Retry: true, Duration: 2 * time.Second, FirstByte: time.Second})
	m.ObserveUpstreamChange("tei", "ejected")
	m.ObserveFallback("tei", "vllm")
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_upstream_requests_total{op="embed",outcome="upstream",upstream="tei"} 1`,
		`quadrate_upstream_requests_total{op="embed",outcome="ok",upstream="tei"} 1`,
		`quadrate_upstream_retries_total{op="embed",upstream="tei"} 1`,
		`quadrate_upstream_request_duration_seconds_sum{op="embed",upstream="tei"} 3`,
		`quadrate_upstream_first_byte_seconds_count{op="embed",upstream="tei"} 1`,
		`quadrate_upstream_changes_total{event="ejected",upstream="tei"} 1`,
		`quadrate_upstream_fallbacks_total{from="tei",to="vllm"} 1`,
	} {
		require.Contains(t, out, line)
	}
}

func TestUpstreamsAreReadAtEachScrape(t *testing.T) {
	m := New("v1")
	scrapes := 0
	m.WatchUpstreams(func() []Upstream {
		scrapes++
		return []Upstream{{Name: "tei", InFlight: scrapes, Queued: 3, Endpoints: []Endpoint{
			{URL: "http://a", Ready: true, InFlight: 1, Latency: 20 * time.Millisecond}, {URL: "http://b"}, {URL: "http://a"},
		}}, {Name: "empty"}}
	})
	scrape(t, m)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_upstream_in_flight{upstream="tei"} 2`, `quadrate_upstream_queued{upstream="tei"} 3`,
		`quadrate_upstream_endpoint_ready{endpoint="http://a",upstream="tei"} 1`, `quadrate_upstream_endpoint_ready{endpoint="http://b",upstream="tei"} 0`,
		`quadrate_upstream_endpoint_in_flight{endpoint="http://a",upstream="tei"} 1`,
		`quadrate_upstream_endpoint_latency_seconds{endpoint="http://a",upstream="tei"} 0.02`,
		`quadrate_upstream_in_flight{upstream="empty"} 0`,
	} {
		require.Contains(t, out, line)
	}
}

func TestAccessIsCounted(t *testing.T) {
	m := New("v1")
	require.NotContains(t, scrape(t, m), "quadrate_limit_store_available ", "there may be no such store")
	m.ObserveRefusal("unknown_key")
	m.ObserveLimited("free", "tokens_per_minute")
	m.ObserveReload(true, time.Unix(1000, 0))
	m.ObserveReload(false, time.Unix(2000, 500e6))
	m.SetLimitStore(false)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_auth_refusals_total{reason="unknown_key"} 1`,
		`quadrate_rate_limited_total{class="free",setting="tokens_per_minute"} 1`,
		`quadrate_config_reloads_total{outcome="ok"} 1`, `quadrate_config_reloads_total{outcome="failed"} 1`,
		`quadrate_config_last_reload_timestamp_seconds{outcome="ok"} 1000`, `quadrate_config_last_reload_timestamp_seconds{outcome="failed"} 2000.5`,
		`quadrate_limit_store_available 0`,
	} {
		require.Contains(t, out, line)
	}
	m.SetLimitStore(true)
	require.Contains(t, scrape(t, m), `quadrate_limit_store_available 1`)
}
