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
		Route: ev.Route, Model: ev.Model, Status: ev.Status, Code: ev.Code, Upstream: ev.FailedBy,
		Items: ev.Items, Tokens: ev.Usage.PromptTokens, Truncated: ev.Usage.Truncated,
		Duration: ev.Duration, Tokenize: ev.Timing.Tokenize,
	})
	if ev.Refused != "" {
		m.ObserveRefusal(ev.Refused)
	}
	if ev.LimitSetting != "" {
		m.ObserveLimited(ev.LimitClass, ev.LimitSetting)
	}
	level := levelOf(ev)
	if !log.Enabled(context.Background(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", ev.ID), slog.String("method", ev.Method), slog.String("route", ev.Route),
		slog.Int("status", ev.Status), milliseconds("duration_ms", ev.Duration), slog.String("remote", ev.RemoteAddr),
		slog.Int64("bytes_in", ev.BytesIn), slog.Int64("bytes_out", ev.BytesOut),
	}
	if ev.Client.IsValid() && !strings.HasPrefix(ev.RemoteAddr, ev.Client.String()+":") {
		attrs = append(attrs, slog.String("client", ev.Client.String()))
	}
	for _, a := range []struct{ key, value string }{
		{"key", ev.Key}, {"model", ev.Model}, {"backend", ev.Backend}, {"code", ev.Code}, {"failed_by", ev.FailedBy}, {"trace", ev.TraceID},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if ev.Items > 0 {
		attrs = append(attrs, slog.Int("items", ev.Items))
	}
	if ev.Usage.PromptTokens > 0 {
		attrs = append(attrs, slog.Int("tokens", ev.Usage.PromptTokens), slog.Int("truncated", ev.Usage.Truncated),
			slog.Int("kept", ev.Timing.Kept), slog.Int("shared", ev.Timing.Shared),
			milliseconds("tokenize_ms", ev.Timing.Tokenize), milliseconds("queue_ms", ev.Timing.Queue), milliseconds("run_ms", ev.Timing.Run))
	}
	if ev.Error != nil {
		attrs = append(attrs, slog.String("error", clip(ev.Error.Error())))
	}
	log.LogAttrs(context.Background(), level, "request", attrs...)
}

// maxLoggedError bounds an error's text in the log, which may hold what a client sent.
const maxLoggedError = 2000

func clip(text string) string {
	if len(text) <= maxLoggedError {
		return text
	}
	return text[:maxLoggedError] + "…"
}

// milliseconds is a duration as a number, so that a log can be sorted and summed by it.
func milliseconds(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d.Microseconds())/1000)
}

func levelOf(ev api.RequestEvent) slog.Level {
	switch {
	case strings.HasPrefix(ev.Route, "/health"), ev.Route == "/metrics":
		return slog.LevelDebug
	case ev.Status >= 500 && ev.Status != 503 && ev.Status != 504:
		return slog.LevelError
	case ev.Status >= 400:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// cachesOf lists every model's cache of results.
func cachesOf(catalog *models.Catalog) func() []metrics.Cache {
	return func() []metrics.Cache {
		var list []metrics.Cache
		for _, e := range catalog.Entries() {
			c := e.Model.Status().Cache
			list = append(list, metrics.Cache{Model: e.Name, Hits: c.Hits, Shared: c.Shared, Misses: c.Misses, Fresh: c.Fresh, Evictions: c.Evictions, Bytes: c.Bytes, Entries: c.Entries})
		}
		return list
	}
}

// queuesOf lists every model's queue. An optional model whose files are absent has none, and is
// nothing that somebody has to look after.
func queuesOf(catalog *models.Catalog) func() []metrics.Queue {
	return func() []metrics.Queue {
		var list []metrics.Queue
		for _, e := range catalog.Entries() {
			status := e.Model.Status()
			if status.State == models.StateUnavailable && status.Backend == "" {
				continue
			}
			q := status.Queue
			list = append(list, metrics.Queue{Model: e.Name, Items: q.Items, Tokens: q.Tokens, Oldest: q.Oldest, Wait: q.Wait, Running: q.Running, Ready: status.CanServe()})
		}
		return list
	}
}

// containersOf lists every managed upstream's container.
func containersOf(c *containers) func() []metrics.Container {
	return func() []metrics.Container {
		var list []metrics.Container
		for _, r := range c.list() {
			list = append(list, metrics.Container{Upstream: r.ID, State: r.State, InFlight: r.InFlight, Waiting: r.Waiting, Memory: r.MemoryUsed})
		}
		return list
	}
}

// upstreamsOf lists every upstream. One whose container does not run can serve if a request may start it.
func upstreamsOf(g *gateway) func() []metrics.Upstream {
	return func() []metrics.Upstream {
		var list []metrics.Upstream
		for _, s := range g.upstreams() {
			u := metrics.Upstream{Name: s.Name, InFlight: s.InFlight, Queued: s.Queued}
			container := g.containers.status(s.Name)
			for _, e := range s.Endpoints {
				ready := e.State == string(models.StateReady)
				if container != nil && e.Address == "" {
					ready = container.CanServe()
				}
				u.Endpoints = append(u.Endpoints, metrics.Endpoint{URL: e.URL, Ready: ready, InFlight: e.InFlight, Latency: e.Latency})
			}
			list = append(list, u)
		}
		return list
	}
}
