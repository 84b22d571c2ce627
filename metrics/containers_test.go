package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
)

func TestContainersAreCounted(t *testing.T) {
	m := New("v1")
	require.NotContains(t, scrape(t, m), "quadrate_container_engine_up ", "there may be no containers")
	m.ObserveContainerStart("tei", 3*time.Second, "")
	m.ObserveContainerStart("tei", 20*time.Minute, "")
	m.ObserveContainerStart("tei", 15*time.Minute, "loading")
	m.ObserveContainerSwap("tei", "vllm")
	m.ObserveContainerCrash("tei", "oom")
	m.SetContainerEngine(true)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_container_starts_total{outcome="ok",upstream="tei"} 2`, `quadrate_container_starts_total{outcome="loading",upstream="tei"} 1`,
		`quadrate_container_start_duration_seconds_count{upstream="tei"} 2`, `quadrate_container_start_duration_seconds_sum{upstream="tei"} 1203`,
		`quadrate_container_start_duration_seconds_bucket{upstream="tei",le="5"} 1`, `quadrate_container_start_duration_seconds_bucket{upstream="tei",le="1800"} 2`,
		`quadrate_container_swaps_total{from="tei",to="vllm"} 1`,
		`quadrate_container_crashes_total{reason="oom",upstream="tei"} 1`,
		`quadrate_container_engine_up 1`,
	} {
		require.Contains(t, out, line)
	}
	m.SetContainerEngine(false)
	require.Contains(t, scrape(t, m), `quadrate_container_engine_up 0`)
}

func TestContainersAreReadAtEachScrape(t *testing.T) {
	m := New("v1")
	scrapes := 0
	m.WatchContainers(func() []Container {
		scrapes++
		return []Container{
			{Upstream: "tei", State: "draining", InFlight: scrapes, Waiting: 3, Memory: 1 << 20},
			{Upstream: "vllm", State: "stopped"}, {Upstream: "tei", State: "ready"}, {Upstream: "bad\xff", State: "ready"},
		}
	})
	scrape(t, m)
	out := scrape(t, m)
	for _, line := range []string{
		`quadrate_container_in_flight{upstream="tei"} 2`, `quadrate_container_waiting{upstream="tei"} 3`,
		`quadrate_container_memory_bytes{upstream="tei"} 1.048576e+06`, `quadrate_container_in_flight{upstream="vllm"} 0`,
		`quadrate_container_state{state="ready",upstream="other"} 1`,
	} {
		require.Contains(t, out, line)
	}
	require.NotContains(t, out, `quadrate_container_memory_bytes{upstream="vllm"}`, "it is not known")
	for upstream, holds := range map[string]string{"tei": "draining", "vllm": "stopped"} {
		for _, state := range containerStates {
			require.Contains(t, out, fmt.Sprintf("quadrate_container_state{state=%q,upstream=%q} %v\n", state, upstream, number(state == holds)))
		}
	}
}

// TestContainersAreBounded: neither reloads that rename upstreams nor what is no label make series
// without end.
func TestContainersAreBounded(t *testing.T) {
	m := New("v1")
	for i := range 2 * defaultNames {
		name := fmt.Sprint("tei/", i)
		m.ObserveContainerStart(name, time.Second, "upstream")
		m.ObserveContainerSwap(name, "bad\xff")
		m.ObserveContainerCrash(name, "exit")
	}
	out := scrape(t, m)
	for _, metric := range []string{"starts", "swaps", "crashes"} {
		require.LessOrEqual(t, strings.Count(out, "quadrate_container_"+metric+"_total{"), defaultNames+1, metric)
	}
	require.Contains(t, out, fmt.Sprintf(`quadrate_container_starts_total{outcome="upstream",upstream="other"} %d`, defaultNames))
	require.Contains(t, out, fmt.Sprintf(`quadrate_container_swaps_total{from="other",to="other"} %d`, defaultNames))
}

// TestNamesFollowThePractice: of Prometheus, whose own linter reads what is served.
func TestNamesFollowThePractice(t *testing.T) {
	m := New("v1")
	m.WatchContainers(func() []Container { return []Container{{Upstream: "tei", State: "ready", Memory: 1}} })
	m.WatchUpstreams(func() []Upstream { return []Upstream{{Name: "tei", Endpoints: []Endpoint{{URL: "http://a"}}}} })
	m.WatchQueues(func() []Queue { return []Queue{{Model: "a"}} })
	m.WatchCaches(func() []Cache { return []Cache{{Model: "a"}} })
	m.ObserveContainerStart("tei", time.Second, "")
	m.ObserveContainerSwap("tei", "vllm")
	m.ObserveContainerCrash("tei", "exit")
	m.SetContainerEngine(true)
	m.ObserveRequest(Request{Route: "/embed", Model: "a", Status: 200, Tokens: 1, Code: "x"})
	m.ObserveAttempt(Attempt{Upstream: "tei", Op: "embed", Retry: true, FirstByte: 1})
	m.SetProvider("a", "cpu", "fp32", 1)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	problems, err := promlint.New(w.Body).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
}
