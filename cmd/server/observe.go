package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
)

// observe counts an answered request and writes its one line to the log: failures of ours as
// errors, refusals as warnings, health checks and scrapes only when debugging.
func observe(ev api.RequestEvent, log *slog.Logger, m *metrics.Metrics) {
	m.ObserveRequest(metrics.Request{
		Route: ev.Route, Model: ev.Model, Status: ev.Status,
		Items: ev.Items, Tokens: ev.Usage.PromptTokens, Truncated: ev.Usage.Truncated,
		Duration: ev.Duration, Tokenize: ev.Timing.Tokenize,
	})
	level := levelOf(ev)
	if !log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", ev.ID), slog.String("method", ev.Method), slog.String("route", ev.Route),
		slog.Int("status", ev.Status), slog.String("duration", short(ev.Duration)), slog.String("remote", ev.RemoteAddr),
		slog.Int64("bytes_in", ev.BytesIn), slog.Int64("bytes_out", ev.BytesOut),
	}
	if ev.Model != "" {
		attrs = append(attrs, slog.String("model", ev.Model), slog.String("backend", ev.Backend))
	}
	if ev.Items > 0 {
		attrs = append(attrs, slog.Int("items", ev.Items), slog.Int("tokens", ev.Usage.PromptTokens), slog.Int("truncated", ev.Usage.Truncated),
			slog.String("tokenize", short(ev.Timing.Tokenize)), slog.String("queue", short(ev.Timing.Queue)), slog.String("run", short(ev.Timing.Run)))
	}
	if ev.Error != nil {
		attrs = append(attrs, slog.String("error", ev.Error.Error()))
	}
	log.LogAttrs(context.Background(), level, "request", attrs...)
}

func levelOf(ev api.RequestEvent) slog.Level {
	switch {
	case ev.Status >= 500 && ev.Status != 503 && ev.Status != 504:
		return slog.LevelError
	case ev.Status >= 400:
		return slog.LevelWarn
	case strings.HasPrefix(ev.Route, "/health"), ev.Route == "/metrics":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// queuesOf lists every model's queue.
func queuesOf(catalog *models.Catalog) func() []metrics.Queue {
	return func() []metrics.Queue {
		var list []metrics.Queue
		for _, e := range catalog.Entries() {
			status := e.Model.Status()
			list = append(list, metrics.Queue{Model: e.Name, Items: status.Queue.Items, Tokens: status.Queue.Tokens, Oldest: status.Queue.Oldest, Ready: status.State == models.StateReady})
		}
		return list
	}
}
