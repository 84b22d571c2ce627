package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is a collector that keeps what it is sent.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	path     string
	resource map[string]string
	spans    map[string]*wire.Span
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{spans: map[string]*wire.Span{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var export collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &export) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.keep(req.URL.Path, &export)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) keep(path string, export *collector.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.path = path
	for _, resource := range export.ResourceSpans {
		r.resource = attributesOf(resource.Resource.Attributes)
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				r.spans[span.Name] = span
			}
		}
	}
}

func attributesOf(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range list {
		m[a.Key] = a.Value.GetStringValue()
		if _, number := a.Value.Value.(*common.AnyValue_IntValue); number {
			m[a.Key] = time.Duration(a.Value.GetIntValue()).String()
		}
	}
	return m
}

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
	r := receive(t)
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

	require.Equal(t, "/v1/traces", r.path)
	require.Equal(t, "quadrate", r.resource["service.name"])
	require.Equal(t, "v1", r.resource["service.version"])
	require.Len(t, r.spans, 3)
	root, called, child := r.spans["POST /v1/embeddings"], r.spans["embed tei"], r.spans["tokenize"]
	for name, span := range r.spans {
		require.Equal(t, traceID, hex(span.TraceId), name)
	}
	require.Equal(t, parentID, hex(root.ParentSpanId))
	require.Equal(t, root.SpanId, called.ParentSpanId)
	require.Equal(t, root.SpanId, child.ParentSpanId)
	require.Equal(t, wire.Span_SPAN_KIND_SERVER, root.Kind)
	require.Equal(t, wire.Span_SPAN_KIND_CLIENT, called.Kind)
	require.EqualValues(t, began.UnixNano(), root.StartTimeUnixNano)
	require.EqualValues(t, time.Millisecond, child.EndTimeUnixNano-child.StartTimeUnixNano)
	require.Equal(t, map[string]string{"http.route": "/v1/embeddings", "http.response.status_code": "200ns"}, attributesOf(root.Attributes))
	require.Equal(t, map[string]string{"server.address": "tei"}, attributesOf(called.Attributes))
	require.Equal(t, map[string]string{"items": "2ns"}, attributesOf(child.Attributes))
	require.Equal(t, wire.Status_STATUS_CODE_ERROR, called.Status.Code)
	require.Equal(t, "it answered 500", called.Status.Message)
	require.Equal(t, wire.Status_STATUS_CODE_UNSET, root.GetStatus().GetCode())
}

func hex(id []byte) string {
	const digits = "0123456789abcdef"
	var text []byte
	for _, b := range id {
		text = append(text, digits[b>>4], digits[b&15])
	}
	return string(text)
}

// TestSampling: a caller's flag counts more than the ratio, and what is not kept has ids all the
// same, for the log and for upstreams.
func TestSampling(t *testing.T) {
	for _, test := range []struct {
		ratio  float64
		header string
		kept   bool
	}{{0, "", false}, {1, "", true}, {0, traceparent, true}, {1, traceparent[:len(traceparent)-1] + "0", false}, {1, "nonsense", true}} {
		r := receive(t)
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
		require.Len(t, r.spans, want, "ratio %v, traceparent %q", test.ratio, test.header)
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
