// Package telemetry makes the spans of requests and sends them to an OpenTelemetry collector.
// It is the only user of OpenTelemetry, and it knows neither HTTP libraries nor models: others
// give it names, headers and attributes.
package telemetry

import (
	_ "go.opentelemetry.io/otel"
	_ "go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	_ "go.opentelemetry.io/otel/sdk/trace"
	_ "go.opentelemetry.io/otel/trace"
)
