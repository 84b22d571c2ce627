package api

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/telemetry"
)

// trace begins the request's span, which the context then carries to upstreams. Without a tracer
// a trace that the client has begun is carried on as it is.
func (x *call) trace(ctx context.Context) context.Context {
	tracer, header := x.server.options.Tracer, &x.http.Request().Header
	if tracer == nil && len(header.Peek("Traceparent")) == 0 {
		return ctx
	}
	ctx, x.span = tracer.Server(ctx, x.event.Method+" "+x.event.Route, x.start, func(name string) string { return string(header.Peek(name)) })
	if x.span != nil {
		x.event.TraceID = x.span.TraceID()
		x.http.Set("Traceparent", x.span.Traceparent())
	}
	return ctx
}

// endTrace ends the request's span. What a model tells of its own work becomes the span's parts:
// tokenising and waiting from when the model was called, the runs until it had answered.
func (x *call) endTrace() {
	span, e := x.span, &x.event
	if span == nil {
		return
	}
	span.Set(telemetry.String("http.request.method", e.Method), telemetry.String("http.route", e.Route),
		telemetry.Int("http.response.status_code", e.Status), telemetry.String("quadrate.request_id", e.ID), telemetry.String("quadrate.key", e.Key))
	if e.Client.IsValid() {
		span.Set(telemetry.String("client.address", e.Client.String()))
	}
	if e.Model != "" {
		span.Set(telemetry.String("gen_ai.request.model", e.Model), telemetry.String("quadrate.backend", e.Backend),
			telemetry.Int("gen_ai.usage.input_tokens", e.Usage.PromptTokens), telemetry.Int("quadrate.items", e.Items))
	}
	if e.Error != nil {
		span.Set(telemetry.String("error.type", e.Code))
	}
	if e.FailedBy != "" {
		span.Set(telemetry.String("quadrate.failed_by", e.FailedBy))
	}
	if e.Status >= fiber.StatusInternalServerError {
		span.Fail(e.Code)
	}
	x.parts()
	span.End()
}

// parts adds what is known of a model's work.
func (x *call) parts() {
	t, end := x.event.Timing, x.answered
	if end.IsZero() {
		end = time.Now()
	}
	queued := x.called.Add(t.Tokenize)
	if t.Tokenize > 0 {
		x.span.Child("tokenize", x.called, queued, telemetry.Int("quadrate.items", x.event.Items))
	}
	if t.Queue > 0 {
		x.span.Child("queue", queued, queued.Add(t.Queue))
	}
	if t.Run > 0 {
		x.span.Child("run", end.Add(-t.Run), end, telemetry.String("quadrate.backend", x.event.Backend),
			telemetry.Int("quadrate.kept", t.Kept), telemetry.Int("quadrate.shared", t.Shared))
	}
}
