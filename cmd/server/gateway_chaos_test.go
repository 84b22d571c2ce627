package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// load is what clients saw who asked at a steady rate, whether answers came or not.
type load struct {
	mu     sync.Mutex
	took   []time.Duration
	failed map[string]int // by status and code, or what went wrong with the connection
	sample map[string]string
}

// generate asks so many times a second until ctx ends, and waits for the last answers. ask must
// not use ctx.
func generate(ctx context.Context, rate int, ask func(i int) (answer, error)) *load {
	l := &load{failed: map[string]int{}, sample: map[string]string{}}
	var group sync.WaitGroup
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	began := time.Now()
	for i := 0; ctx.Err() == nil; {
		// Ticks that a busy machine has lost are made up for.
		for due := int(time.Since(began).Seconds() * float64(rate)); i < due; i++ {
			n := i
			group.Go(func() {
				start := time.Now()
				a, err := ask(n)
				l.note(time.Since(start), a, err)
			})
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	group.Wait()
	slices.Sort(l.took)
	return l
}

func (l *load) note(took time.Duration, a answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
	switch {
	case err != nil:
		l.failed[err.Error()]++
	case a.status != http.StatusOK:
		what := fmt.Sprint(a.status)
		l.failed[what]++
		l.sample[what] = a.body
	}
}

func (l *load) percentile(p float64) time.Duration {
	return l.took[min(int(float64(len(l.took))*p/100), len(l.took)-1)]
}

func (l *load) String() string {
	return fmt.Sprintf("%d requests, p50 %v, p99 %v, longest %v, failed %v", len(l.took), l.percentile(50).Round(time.Microsecond),
		l.percentile(99).Round(time.Microsecond), l.percentile(100).Round(time.Microsecond), l.failed)
}

// loadClient keeps a connection for each request at once.
func loadClient(t testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConns: 1000, MaxIdleConnsPerHost: 1000}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// Three replicas at 200 requests a second: one is killed, one made slow and one answers 500, in
// turn, under the defaults of an upstream.
//
// No client may see an error. What no retry could save is a request whose three attempts all met
// a replica that failed, or that the budget of retries refused; with one replica down at a time
// and a fifth of the requests as budget there is no such request, and they are counted as errors
// if there are. A request that meets the slow replica is answered when that answers, after 2 s: it
// is not asked twice. Those are few, as less is sent to an address that is silent: hence the bound
// of p99; in a short run they may be more than one in a hundred.
func TestChaos(t *testing.T) {
	t.Parallel()
	const rate = 200
	duration, bound, more := time.Minute, time.Second, ""
	if testing.Short() {
		duration, bound, more = 6*time.Second, 3*time.Second, ", eject_time: 500ms, probe_interval: 500ms"
	}
	var replicas [3]*upstreamtest.Server
	var urls []string
	for i := range replicas {
		replicas[i] = upstreamtest.NewTEI(t, upstreamtest.Options{Delay: 5 * time.Millisecond})
		urls = append(urls, replicas[i].URL)
	}
	s := newSite(t, "upstreams:\n"+upstreamLine("tei", "tei", more, urls...)+"models:\n  - {name: m, upstream: tei, upstream_model: fake}\n")
	g := s.open("QUADRATE_LOG_LEVEL=warn")
	want := g.vectors(t, "m", "the text")[0]

	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	client := loadClient(t)
	done := make(chan *load, 1)
	go func() {
		done <- generate(ctx, rate, func(int) (answer, error) {
			return send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", `{"model":"m","input":"the text"}`)
		})
	}()
	for _, step := range []struct {
		at   float64 // of the duration
		what func()
	}{
		{0.10, replicas[0].Stop},
		{0.25, func() { require.NoError(t, replicas[0].Start()) }},
		{0.40, func() { replicas[1].Fail(upstreamtest.Fault{Name: upstreamtest.SlowHeader, Wait: 2 * time.Second}) }},
		{0.55, replicas[1].Clear},
		{0.70, func() { replicas[2].Fail(upstreamtest.Fault{Name: upstreamtest.InternalError}) }},
		{0.85, replicas[2].Clear},
	} {
		end, _ := ctx.Deadline()
		select {
		case <-time.After(time.Until(end.Add(-duration + time.Duration(step.at*float64(duration))))):
			step.what()
		case <-t.Context().Done():
			return
		}
	}
	l := <-done
	attempts := g.metric(t, "quadrate_upstream_requests_total", `op="embed"`)
	retried := g.metric(t, "quadrate_upstream_retries_total", `op="embed"`)
	ejected := g.metric(t, "quadrate_upstream_changes_total", `event="ejected"`)
	recovered := g.metric(t, "quadrate_upstream_changes_total", `event="recovered"`)
	unhealthy := g.metric(t, "quadrate_upstream_changes_total", `event="unhealthy"`)
	t.Logf("%v: %v; errors that no retry could save: %d (of 0 expected); %v attempts, %v of them retries, %v ejections, %v recoveries, %v times unhealthy by probe; p99 must be below %v",
		duration, l, sum(l.failed), attempts, retried, ejected, recovered, unhealthy, bound)
	require.Empty(t, l.failed, l.sample)
	require.InDelta(t, rate*duration.Seconds(), len(l.took), 0.05*rate*duration.Seconds())
	require.Less(t, l.percentile(99), bound)
	require.NotZero(t, retried)
	// One that fails gets so little that it may not fail often enough to be ejected.
	require.NotZero(t, ejected+unhealthy)
	require.Less(t, retried, 0.2*float64(len(l.took)))
	require.InDeltaSlice(t, want, g.vectors(t, "m", "the text")[0], 1e-6)
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
