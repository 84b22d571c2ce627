package main

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/proxy"
	"github.com/quadrate-maas/quadrate/telemetry"
)

// proxyHooks counts, logs and traces what happens towards upstreams.
func proxyHooks(log *slog.Logger, m *metrics.Metrics, tracer *telemetry.Tracer) proxy.Hooks {
	return proxy.Hooks{
		Attempt:  func(a proxy.Attempt) { attempted(a, log, m) },
		Changed:  func(c proxy.Change) { changed(c, log, m) },
		Fallback: func(model, from, to string, cause error) { fellBack(model, from, to, cause, log, m) },
		Span: func(ctx context.Context, name string, a proxy.Attempt, header http.Header) (context.Context, func(error)) {
			return span(ctx, tracer, name, a, header)
		},
	}
}

// attempted counts a request to an upstream; one that failed is a line in the log, since a retry
// may hide it from the client.
func attempted(a proxy.Attempt, log *slog.Logger, m *metrics.Metrics) {
	kind := ""
	if a.Err != nil {
		kind = models.KindOf(a.Err).String()
	}
	m.ObserveAttempt(metrics.Attempt{Upstream: a.Upstream, Op: a.Op, Retry: a.Number > 1, Kind: kind, Duration: a.Duration, FirstByte: a.FirstByte})
	if a.Err == nil {
		return
	}
	level := slog.LevelWarn
	if a.Op == "probe" || models.KindOf(a.Err) == models.KindCanceled {
		level = slog.LevelDebug
	}
	log.Log(context.Background(), level, "upstream request failed", "upstream", a.Upstream, "url", a.URL, "op", a.Op, "model", a.Model,
		"attempt", a.Number, "status", a.Status, milliseconds("duration_ms", a.Duration), "error", clip(a.Err.Error()))
}

func changed(c proxy.Change, log *slog.Logger, m *metrics.Metrics) {
	m.ObserveUpstreamChange(c.Upstream, c.Event)
	level := slog.LevelInfo
	if c.Event == "ejected" || c.Event == "unhealthy" {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "upstream "+c.Event, "upstream", c.Upstream, "url", c.URL, "reason", clip(c.Reason))
}

func fellBack(model, from, to string, cause error, log *slog.Logger, m *metrics.Metrics) {
	m.ObserveFallback(from, to)
	log.Warn("fell back", "model", model, "from", from, "to", to, "error", clip(cause.Error()))
}

// span is that of one request to an upstream, and puts its context into the request's header.
func span(ctx context.Context, tracer *telemetry.Tracer, name string, a proxy.Attempt, header http.Header) (context.Context, func(error)) {
	ctx, s := tracer.Client(ctx, name, header, telemetry.String("server.address", a.URL), telemetry.String("quadrate.upstream", a.Upstream),
		telemetry.String("gen_ai.request.model", a.Model), telemetry.Int("http.request.resend_count", a.Number-1))
	return ctx, func(err error) {
		if err != nil {
			s.Fail(models.KindOf(err).String())
		}
		s.End()
	}
}

// containerHooks counts and logs what happens to containers; image tells an upstream's, and moved
// is told of one whose address is another.
func containerHooks(log *slog.Logger, m *metrics.Metrics, image func(id string) string, moved func(id string)) managed.Hooks {
	return managed.Hooks{
		Changed: func(id string, from, to managed.State, reason string) {
			level := slog.LevelDebug
			if to == managed.StatePulling { // it may take minutes
				level = slog.LevelInfo
			}
			log.Log(context.Background(), level, "container changed", "upstream", id, "from", string(from), "to", string(to), "reason", clip(reason))
		},
		Located: func(id, _ string) { moved(id) },
		Started: func(id string, took time.Duration, err error) { started(id, image(id), took, err, log, m) },
		Failed: func(id, why, lines string) {
			log.Warn("container failed", "upstream", id, "image", image(id), "reason", clip(why), "last_lines", clip(lines))
		},
		Pulling: seldom(func(id, progress string) {
			log.Info("image is being pulled", "upstream", id, "image", image(id), "progress", progress)
		}),
		Swapped: func(from, to string) {
			m.ObserveContainerSwap(from, to)
			log.Info("container makes room", "upstream", from, "for", to)
		},
		Crashed: m.ObserveContainerCrash,
		Stuck: func(name string, err error) {
			log.Error("container cannot be stopped or removed, which is tried again", "container", name, "error", clip(err.Error()))
		},
		Engine: func(err error) { engineChanged(err, log, m) },
		Adopted: func(id, name string) {
			log.Info("container adopted from an earlier process", "upstream", id, "container", name)
		},
		Removed: func(name, why string) {
			log.Info("container of an earlier process removed", "container", name, "reason", clip(why))
		},
	}
}

// pullInterval is how often the log tells of a pull.
const pullInterval = 30 * time.Second

// seldom calls tell with a container's progress, once in pullInterval.
func seldom(tell func(id, progress string)) func(id, progress string) {
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(id, progress string) {
		mu.Lock()
		defer mu.Unlock()
		maps.DeleteFunc(told, func(_ string, at time.Time) bool { return time.Since(at) >= pullInterval })
		if _, lately := told[id]; !lately {
			told[id] = time.Now()
			tell(id, progress)
		}
	}
}

// started tells of a start that has ended, and of one that failed only how long it took.
func started(id, image string, took time.Duration, err error, log *slog.Logger, m *metrics.Metrics) {
	if err != nil {
		m.ObserveContainerStart(id, took, "failed")
		log.Debug("container did not start", "upstream", id, "image", image, "seconds", took.Seconds())
		return
	}
	m.ObserveContainerStart(id, took, "")
	log.Info("container ready", "upstream", id, "image", image, "seconds", took.Seconds())
}

func engineChanged(err error, log *slog.Logger, m *metrics.Metrics) {
	m.SetContainerEngine(err == nil)
	if err != nil {
		log.Warn("the container engine is away: nothing is started or stopped until it is back", "error", clip(err.Error()))
		return
	}
	log.Info("the container engine answers")
}

func tracing(cfg config.Tracing, log *slog.Logger) telemetry.Options {
	return telemetry.Options{Endpoint: cfg.Endpoint, Service: cfg.Service, Version: version, Ratio: cfg.Share(),
		OnError: func(err error) { log.Warn("spans were not sent", "error", err) }}
}
