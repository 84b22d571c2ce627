// Package telemetry makes the spans of requests and sends them to an OpenTelemetry collector.
// It is the only user of OpenTelemetry, and it knows neither HTTP libraries nor models: others
// give it names, headers and attributes.
//
// A nil Tracer and a nil Span are those of a program that makes no spans. All their methods may
// be called and cost next to nothing; a trace that a caller has begun is passed on all the same.
package telemetry
