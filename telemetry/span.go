package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Attribute is a key with its value.
type Attribute struct {
	key   string
	value attribute.Value
}

// String is an attribute whose value is text.
func String(key, value string) Attribute { return Attribute{key, attribute.StringValue(value)} }

// Int is an attribute whose value is a whole number.
func Int(key string, value int) Attribute { return Attribute{key, attribute.IntValue(value)} }

// Span is one piece of work within a trace. It is for one goroutine at a time.
type Span struct {
	inner  trace.Span
	ctx    context.Context //nolint:containedctx // what the children of a span are made from
	tracer trace.Tracer
}

// Set adds attributes.
func (s *Span) Set(attributes ...Attribute) {
	if s != nil && s.inner.IsRecording() {
		s.inner.SetAttributes(convert(attributes)...)
	}
}

func convert(attributes []Attribute) []attribute.KeyValue {
	list := make([]attribute.KeyValue, len(attributes))
	for i, a := range attributes {
		list[i] = attribute.KeyValue{Key: attribute.Key(a.key), Value: a.value}
	}
	return list
}

// Fail marks the span as failed, and says why.
func (s *Span) Fail(why string) {
	if s != nil {
		s.inner.SetStatus(codes.Error, why)
	}
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.inner.End()
	}
}

// Child adds a piece of the span's work whose times are known only afterwards.
func (s *Span) Child(name string, from, to time.Time, attributes ...Attribute) {
	if s == nil || !s.inner.IsRecording() {
		return
	}
	_, child := s.tracer.Start(s.ctx, name, trace.WithTimestamp(from), trace.WithAttributes(convert(attributes)...))
	child.End(trace.WithTimestamp(to))
}

// TraceID names the span's trace in 32 hexadecimal digits; "" without a span.
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return s.inner.SpanContext().TraceID().String()
}

// Traceparent is the span as W3C's header has it; "" without a span.
func (s *Span) Traceparent() string {
	if s == nil {
		return ""
	}
	c := s.inner.SpanContext()
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
}
