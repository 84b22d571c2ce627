// Package telemetrytest is an OpenTelemetry collector for tests: it takes spans by OTLP over HTTP
// and shows them as plain values.
package telemetrytest

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Collector keeps what it is sent.
type Collector struct {
	// URL is what telemetry.Options.Endpoint is to be.
	URL string

	mu       sync.Mutex
	path     string
	resource map[string]string
	spans    []Span
}

// Span is one span.
type Span struct {
	Name string
	// Kind is server, client or internal.
	Kind string
	// TraceID, ID and Parent are in hexadecimal digits; Parent is empty without one.
	TraceID, ID, Parent string
	Start, End          time.Time
	// Attributes are as text, whatever their type.
	Attributes map[string]string
	Failed     bool
	Message    string
}

// Start serves until the test ends.
func Start(t testing.TB) *Collector {
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *Collector) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var export collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &export) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.path = r.URL.Path
	for _, resource := range export.ResourceSpans {
		c.resource = attributes(resource.Resource.Attributes)
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, span(s))
			}
		}
	}
}

func span(s *wire.Span) Span {
	kinds := map[wire.Span_SpanKind]string{wire.Span_SPAN_KIND_SERVER: "server", wire.Span_SPAN_KIND_CLIENT: "client", wire.Span_SPAN_KIND_INTERNAL: "internal"}
	return Span{
		Name: s.Name, Kind: kinds[s.Kind],
		TraceID: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Start: time.Unix(0, int64(s.StartTimeUnixNano)), End: time.Unix(0, int64(s.EndTimeUnixNano)),
		Attributes: attributes(s.Attributes),
		Failed:     s.GetStatus().GetCode() == wire.Status_STATUS_CODE_ERROR, Message: s.GetStatus().GetMessage(),
	}
}

func attributes(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[a.Key] = fmt.Sprint(v.IntValue)
		default:
			m[a.Key] = a.Value.String()
		}
	}
	return m
}

// Spans are all that came, in the order in which they ended.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Span is the first span of a name; its ID is empty when there is none.
func (c *Collector) Span(name string) Span {
	for _, s := range c.Spans() {
		if s.Name == name {
			return s
		}
	}
	return Span{}
}

// Resource is what the sender says of itself, and Path where it sent to.
func (c *Collector) Resource() (attributes map[string]string, path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resource, c.path
}
