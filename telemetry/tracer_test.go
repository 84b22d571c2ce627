package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/telemetry/telemetrytest"
)

func start(t *testing.T, o Options) *Tracer {
	t.Helper()
	tracer, err := Start(o)
	require.NoError(t, err)
	return tracer
}

// headers is a request's header as a Tracer reads it.
func headers(pairs ...string) func(string) string {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h.Get
}

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	parentID    = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + parentID + "-01"
)

// TestATraceThroughTheServer: a request within a caller's trace, the request that it makes of
// another server, and a piece of work whose times were known afterwards.
func TestATraceThroughTheServer(t *testing.T) {
	r := telemetrytest.Start(t)
	tracer := start(t, Options{Endpoint: r.URL, Service: "quadrate", Version: "v1"})
	began := time.Now().Add(-time.Second)
	ctx, server := tracer.Server(t.Context(), "POST /v1/embeddings", began, headers("traceparent", traceparent, "tracestate", "vendor=1", "baggage", "secret=1"))
	require.Equal(t, traceID, server.TraceID())
	require.Regexp(t, "^00-"+traceID+"-[0-9a-f]{16}-01$", server.Traceparent())
	out := http.Header{}
	_, client := tracer.Client(ctx, "embed tei", out, String("server.address", "tei"))
	require.Equal(t, client.Traceparent(), out.Get("traceparent"))
	require.Equal(t, "vendor=1", out.Get("tracestate"))
	require.Empty(t, out.Get("baggage"), "what a client says of itself is not passed on")
	client.Fail("it answered 500")
	client.End()
	server.Child("tokenize", began, began.Add(time.Millisecond), Int("items", 2))
	server.Set(String("http.route", "/v1/embeddings"), Int("http.response.status_code", 200))
	server.End()
	require.NoError(t, tracer.Shutdown(t.Context()))

	resource, path := r.Resource()
	require.Equal(t, "/v1/traces", path)
	require.Equal(t, "quadrate", resource["service.name"])
	require.Equal(t, "v1", resource["service.version"])
	require.Len(t, r.Spans(), 3)
	root, called, child := r.Span("POST /v1/embeddings"), r.Span("embed tei"), r.Span("tokenize")
	for _, span := range r.Spans() {
		require.Equal(t, traceID, span.TraceID, span.Name)
	}
	require.Equal(t, []string{parentID, root.ID, root.ID}, []string{root.Parent, called.Parent, child.Parent})
	require.Equal(t, []string{"server", "client", "internal"}, []string{root.Kind, called.Kind, child.Kind})
	require.WithinDuration(t, began, root.Start, 0)
	require.Equal(t, time.Millisecond, child.End.Sub(child.Start))
	require.Equal(t, map[string]string{"http.route": "/v1/embeddings", "http.response.status_code": "200"}, root.Attributes)
	require.Equal(t, map[string]string{"server.address": "tei"}, called.Attributes)
	require.Equal(t, map[string]string{"items": "2"}, child.Attributes)
	require.True(t, called.Failed)
	require.Equal(t, "it answered 500", called.Message)
	require.False(t, root.Failed)
}

// TestSampling: a caller's flag counts more than the ratio, and what is not kept has ids all the
// same, for the log and for upstreams.
func TestSampling(t *testing.T) {
	for _, test := range []struct {
		ratio  float64
		header string
		kept   bool
	}{{0, "", false}, {1, "", true}, {0, traceparent, true}, {1, traceparent[:len(traceparent)-1] + "0", false}, {1, "nonsense", true}} {
		r := telemetrytest.Start(t)
		tracer := start(t, Options{Endpoint: r.URL + "/v1/traces", Ratio: test.ratio})
		ctx, span := tracer.Server(t.Context(), "request", time.Now(), headers("traceparent", test.header))
		require.Len(t, span.TraceID(), 32)
		out := http.Header{}
		_, client := tracer.Client(ctx, "call", out)
		require.Contains(t, out.Get("traceparent"), span.TraceID())
		client.End()
		span.Set(String("key", "value"))
		span.Child("part", time.Now(), time.Now())
		span.End()
		require.NoError(t, tracer.Shutdown(t.Context()))
		want := 0
		if test.kept {
			want = 3
		}
		require.Len(t, r.Spans(), want, "ratio %v, traceparent %q", test.ratio, test.header)
	}
}

func TestNoTracerCostsNothing(t *testing.T) {
	tracer := start(t, Options{Ratio: 7})
	require.Nil(t, tracer)
	none := func(string) string { return "" }
	ctx, out, began := t.Context(), http.Header{}, time.Now()
	allocations := testing.AllocsPerRun(100, func() {
		ctx, server := tracer.Server(ctx, "request", began, none)
		_, client := tracer.Client(ctx, "call", out, String("key", "value"))
		client.Fail("why")
		client.End()
		server.Set(String("key", "value"), Int("status", 200))
		server.Child("part", began, began, Int("items", 2))
		server.Fail("why")
		server.End()
		if server.TraceID() != "" || server.Traceparent() != "" {
			t.Fail()
		}
	})
	require.Zero(t, allocations)
	require.Empty(t, out)
	require.NoError(t, tracer.Shutdown(ctx))

	ctx, _ = tracer.Server(ctx, "request", began, headers("traceparent", traceparent))
	tracer.Client(ctx, "call", out)
	require.Equal(t, traceparent, out.Get("traceparent"), "others' traces are not broken")
}

func TestStartReportsEveryProblem(t *testing.T) {
	_, err := Start(Options{Endpoint: "collector:4318", Ratio: 2})
	require.EqualError(t, err, `telemetry: the endpoint is "collector:4318"; it must be a URL such as http://localhost:4318
telemetry: the ratio of traces is 2; it must be from 0 to 1`)
	_, err = Start(Options{Endpoint: "http://user:secret@/", Ratio: 1})
	require.ErrorContains(t, err, "it must be a URL")
	require.NotContains(t, err.Error(), "secret")
	_, err = Start(Options{Endpoint: "http://[::1"})
	require.ErrorContains(t, err, "the endpoint is not a URL")
	for given, want := range map[string]string{
		"http://c:4318": "http://c:4318/v1/traces", "https://c/otlp/": "https://c/otlp/v1/traces", "http://c/v1/traces": "http://c/v1/traces",
	} {
		got, err := endpointOf(given)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// TestADeafCollector: requests go on, and the end comes in time.
func TestADeafCollector(t *testing.T) {
	hang := make(chan struct{})
	deaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer deaf.Close()
	defer close(hang)
	tracer := start(t, Options{Endpoint: deaf.URL, Ratio: 1})
	for range 3 * queueSize {
		_, span := tracer.Server(t.Context(), "request", time.Now(), headers())
		span.End() // must not wait
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, tracer.Shutdown(ctx), context.DeadlineExceeded)
}

func TestARefusalIsToldOf(t *testing.T) {
	r := httptest.NewServer(http.NotFoundHandler())
	defer r.Close()
	told := make(chan error, 16)
	tracer := start(t, Options{Endpoint: r.URL, Ratio: 1, OnError: func(err error) {
		select {
		case told <- err:
		default:
		}
	}})
	_, span := tracer.Server(t.Context(), "request", time.Now(), headers())
	span.End()
	require.NoError(t, tracer.Shutdown(t.Context()))
	for err := range told { // others' errors come here, too
		if strings.Contains(err.Error(), "404") {
			return
		}
	}
}
