package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/ratelimit"
	"github.com/quadrate-maas/quadrate/telemetry"
	"github.com/quadrate-maas/quadrate/tokenizer/cl100k"
)

// program is everything that serves, but for the listener.
type program struct {
	cfg     *config.Config
	runtime localRuntime
	gateway *gateway
	tracer  *telemetry.Tracer
	log     *slog.Logger
	metrics *metrics.Metrics

	// heard is told that it is known whether the store of rate limits is there.
	heard func()

	requestTimeout, shutdownTimeout time.Duration
}

// platform is what models run on.
type platform struct {
	runtime localRuntime
	engines engines
}

// newProgram makes what cfg says; nothing is loaded yet. On an error nothing is left behind but
// the runtime.
func newProgram(cfg *config.Config, read reader, on platform, end context.CancelCauseFunc, stdout io.Writer) (*program, error) {
	runtime := on.runtime
	p := &program{cfg: cfg, runtime: runtime, log: newLogger(cfg.Log, stdout), metrics: metrics.New(version)}
	p.requestTimeout, p.shutdownTimeout = cfg.Server.Timeouts(gpuExpected(cfg, runtime))
	catalog, err := models.NewCatalog()
	if err != nil {
		return nil, err
	}
	if p.tracer, err = telemetry.Start(tracing(cfg.Tracing, p.log)); err != nil {
		return nil, err
	}
	c := &content{catalog: catalog}
	p.gateway = &gateway{
		read: read, content: c, generations: newGenerations(), log: p.log, metrics: p.metrics,
		locals: &locals{runtime: runtime, content: c, log: p.log, metrics: p.metrics, timeout: p.requestTimeout, end: end},
		hooks:  proxyHooks(p.log, p.metrics, p.tracer),
	}
	g := p.gateway
	g.containers = &containers{open: on.engines, prober: prober{g}, hooks: containerHooks(p.log, p.metrics, g.image, g.moved), log: p.log}
	limits := limitOptions(cfg.RateLimits)
	limits.OnStore = p.storeChanged
	known := make(chan struct{})
	p.heard = sync.OnceFunc(func() { close(known) })
	if g.limiter, err = ratelimit.New(limits); err == nil {
		err = g.start(cfg)
	}
	if err == nil {
		err = g.locals.announce(cfg.Specs())
	}
	if err != nil {
		return nil, errors.Join(err, g.close(), p.stopTracing())
	}
	if store := cfg.RateLimits.Store; store != "" && store != "memory" {
		select {
		case <-known:
		case <-time.After(storeWait):
		}
	}
	p.metrics.WatchQueues(queuesOf(catalog))
	p.metrics.WatchCaches(cachesOf(catalog))
	p.metrics.WatchUpstreams(upstreamsOf(g))
	p.metrics.WatchContainers(containersOf(g.containers))
	return p, nil
}

// close ends everything in the order in which it depends on the next. No request runs any more.
func (p *program) close() error {
	return errors.Join(p.gateway.close(), p.gateway.locals.close(), p.stopTracing())
}

// flushTimeout is how long the last spans may take to leave.
const flushTimeout = 2 * time.Second

func (p *program) stopTracing() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := p.tracer.Shutdown(ctx); err != nil {
		p.log.Warn("the last spans were not sent", "error", err)
	}
	return nil
}

// storeWait is how long a start waits to hear from the store of rate limits: requests that came
// before would be let in by this server's own share, beside what the others let in.
const storeWait = time.Second

// storeChanged tells that the shared store of rate limits was found or lost.
func (p *program) storeChanged(available bool, err error) {
	defer p.heard()
	p.metrics.SetLimitStore(available)
	if available {
		p.log.Info("rate limits are shared through their store")
		return
	}
	p.log.Warn("the store of rate limits is away: this server allows its own share", "error", err)
}

// metricsHandler answers GET /metrics; nil: there is no such route.
func (p *program) metricsHandler() http.Handler {
	if p.cfg.Server.Metrics == config.MetricsOff {
		return nil
	}
	return p.metrics.Handler()
}

// server makes the HTTP server, whose requests end with base.
func (p *program) server(base context.Context) (*api.Server, error) {
	here := machine.This()
	cfg, g := p.cfg.Server, p.gateway
	return api.New(api.Options{
		Catalog:            g.content.catalog,
		BaseContext:        base,
		BodyLimit:          int64(cfg.BodyLimit),
		AnonymousBodyLimit: int64(cfg.AnonymousBody),
		BytesInFlight:      int64(cfg.BytesInFlight),
		MaxInputs:          cfg.MaxInputs,
		MaxStateBytes:      int64(cfg.MaxStateBytes),
		MaxDocuments:       cfg.MaxDocuments,
		RequestTimeout:     p.requestTimeout,
		TokenIDs:           api.TokenIDMode(cfg.TokenIDs),
		DecodeTokenIDs:     cl100k.Decode,
		CORSOrigins:        cfg.CORS.Origins,
		GzipFrom:           int64(cfg.GzipFrom),
		TLS:                g.tls(),
		Metrics:            p.metricsHandler(),
		MetricsNeedKey:     cfg.Metrics == config.MetricsKey,
		Version:            version,
		Runtime:            p.runtime.Engine(),
		Machine:            &here,
		OnRequest:          func(ev api.RequestEvent) { observe(ev, p.log, p.metrics) },
		Begin:              g.generations.begin,
		Keys:               func() *auth.Keyring { return g.keys.Load() },
		Limits:             g.limiter,
		TrustedProxies:     func() []netip.Prefix { return *g.trusted.Load() },
		Admin:              admin{g},
		Tracer:             p.tracer,
	})
}
