package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options are what a Tracer needs.
type Options struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP: its base, to which
	// /v1/traces is added, or that path itself. Empty: there is no tracer.
	Endpoint string
	// Service and Version name the program.
	Service, Version string
	// Ratio is the share, of 1, of the traces begun here that are kept. One that a caller has
	// begun is kept if its flag says so.
	Ratio float64
	// OnError is told of spans that could not be sent; nil: nobody is. It is the whole
	// process's, and must not block.
	OnError func(error)
}

const (
	tracesPath = "/v1/traces"
	scope      = "github.com/quadrate-maas/quadrate"
	// queueSize bounds the spans that wait to be sent; what does not fit is dropped.
	queueSize = 8192
)

// w3c reads and writes traceparent and tracestate. Baggage is neither used nor passed on.
var w3c propagation.TraceContext

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// Start makes a tracer that sends its spans in the background; nil when Endpoint is empty. All
// that is wrong with the options is reported at once. It does not wait for the collector.
func Start(o Options) (*Tracer, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	endpoint, err := endpointOf(o.Endpoint)
	if !(o.Ratio >= 0 && o.Ratio <= 1) {
		err = errors.Join(err, fmt.Errorf("telemetry: the ratio of traces is %v; it must be from 0 to 1", o.Ratio))
	}
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if o.OnError != nil {
			o.OnError(err)
		}
	}))
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(queueSize)),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version))),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer(scope, trace.WithInstrumentationVersion(o.Version))}, nil
}

func endpointOf(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("telemetry: the endpoint is not a URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("telemetry: the endpoint is %q; it must be a URL such as http://localhost:4318", u.Redacted())
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	if !strings.HasSuffix(u.Path, tracesPath) {
		u.Path += tracesPath
	}
	return u.String(), nil
}

// Shutdown sends the spans that wait, and ends what runs in the background. It returns when ctx
// ends at the latest.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return nil
}

// getter reads trace context out of headers.
type getter func(name string) string

func (g getter) Get(name string) string { return g(name) }
func (g getter) Set(string, string)     {}
func (g getter) Keys() []string         { return nil }

// Server begins the span of a request that came in at start, as a part of the trace that its
// headers name, if they do. header returns a header's value, or "".
func (t *Tracer) Server(ctx context.Context, name string, start time.Time, header func(name string) string) (context.Context, *Span) {
	ctx = w3c.Extract(ctx, getter(header))
	if t == nil {
		return ctx, nil
	}
	ctx, inner := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	return ctx, &Span{inner: inner, ctx: ctx, tracer: t.tracer}
}

// Client begins the span of a request that goes out, and tells its receiver of the trace in
// header.
func (t *Tracer) Client(ctx context.Context, name string, header http.Header, attributes ...Attribute) (context.Context, *Span) {
	var span *Span
	if t != nil {
		var inner trace.Span
		ctx, inner = t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
		span = &Span{inner: inner, ctx: ctx, tracer: t.tracer}
		span.Set(attributes...)
	}
	w3c.Inject(ctx, propagation.HeaderCarrier(header))
	return ctx, span
}
