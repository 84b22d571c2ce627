package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/proxy"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// gateway is what is in force of the configuration that can be exchanged while requests run:
// keys, limits, upstreams, routes and local models. A change is prepared whole beside what is in
// force, then put in its place; what it replaces is closed when the last request that may use it
// has ended. Changes come one at a time.
type gateway struct {
	// read reads the configuration anew.
	read        func() (*config.Config, error)
	content     *content
	locals      *locals
	containers  *containers
	limiter     *ratelimit.Limiter
	generations *generations
	log         *slog.Logger
	metrics     *metrics.Metrics
	// hooks are what every proxy reports to.
	hooks proxy.Hooks

	keys    atomic.Pointer[auth.Keyring]
	pair    atomic.Pointer[tls.Certificate] // nil: plain HTTP
	trusted atomic.Pointer[[]netip.Prefix]
	proxy   atomic.Pointer[proxy.Proxy]
	last    atomic.Pointer[reloadReport]

	// change is held while something is prepared and put in force; cfg is what was last.
	change  sync.Mutex
	cfg     *config.Config
	closing sync.WaitGroup
}

// reloadReport tells what a reload did.
type reloadReport struct {
	api.Reload
	Took float64 `json:"seconds"`
	// Loaded and Removed are local models; Routing says whether upstreams and routes were
	// exchanged.
	Loaded  []string `json:"loaded,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Routing bool     `json:"routing,omitempty"`
	// Restart lists settings that have changed and are not in force before a restart.
	Restart []string `json:"needs_restart,omitempty"`
}

// start puts the configuration in force that the program starts with; local models come later.
func (g *gateway) start(cfg *config.Config) error {
	keys, keysErr := keyring(cfg.Auth)
	pair, pairErr := certificate(cfg.Server.TLS)
	g.containers.begin(cfg.Routing)
	p, proxyErr := proxy.New(g.proxyOptions(cfg.Routing))
	if err := errors.Join(pairErr, keysErr, proxyErr); err != nil {
		return err
	}
	g.cfg = cfg
	g.adopt(cfg, keys)
	g.pair.Store(pair)
	g.proxy.Store(p)
	if err := g.content.set(parts{nil, p.Entries(), p.Families()}); err != nil {
		return err
	}
	g.containers.apply(containerSettings(cfg.Routing))
	return nil
}

func (g *gateway) adopt(cfg *config.Config, keys *auth.Keyring) {
	g.keys.Store(keys)
	trusted := cfg.RateLimits.Proxies()
	g.trusted.Store(&trusted)
}

func (g *gateway) proxyOptions(cfg config.Routing) proxy.Options {
	options := proxyOptions(cfg)
	options.Local, options.Hooks, options.UserAgent = g.content.findLocal, g.hooks, "quadrate/"+version
	options.Locate, options.Manage = g.containers.address, g.containers.wrap
	return options
}

// load loads the local models that the program starts with. Changes wait until it has: whoever
// else loaded one of them would have it twice.
func (g *gateway) load(ctx context.Context) error {
	g.change.Lock()
	defer g.change.Unlock()
	return g.locals.load(ctx)
}

// ending refuses a change that has waited until ctx, and with it the server, ended.
func ending(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return models.Errorf(models.KindShuttingDown, "").Because(context.Cause(ctx))
}

// reload reads the configuration and puts it in force, or leaves everything as it is. Either
// way it is logged, counted and shown by /health.
func (g *gateway) reload(ctx context.Context) (*reloadReport, error) {
	g.change.Lock()
	defer g.change.Unlock()
	if err := ending(ctx); err != nil {
		return nil, err
	}
	started := time.Now()
	report := &reloadReport{Reload: api.Reload{At: started}}
	cfg, err := g.read()
	if err == nil {
		err = g.exchange(ctx, cfg, report)
	}
	report.Took, report.OK = time.Since(started).Seconds(), err == nil
	if err != nil {
		report.Problems = problemsOf(err)
		g.log.Error("reload refused: the old configuration stays in force", "error", err)
	} else {
		g.log.Info("reloaded", "loaded", report.Loaded, "removed", report.Removed, "routing", report.Routing, "seconds", report.Took)
	}
	if len(report.Restart) > 0 {
		g.log.Warn("settings have changed that take a restart", "settings", report.Restart)
	}
	g.metrics.ObserveReload(report.OK, report.At)
	g.last.Store(report)
	return report, err
}

func problemsOf(err error) []string {
	var list config.LoadError
	if !errors.As(err, &list) {
		return []string{err.Error()}
	}
	lines := make([]string, len(list))
	for i, p := range list {
		lines[i] = p.String()
	}
	return lines
}

func (g *gateway) exchange(ctx context.Context, cfg *config.Config, report *reloadReport) error {
	report.Restart = config.Restart(g.cfg, cfg)
	cfg = reloadable(g.cfg, cfg)
	pair, pairErr := certificate(cfg.Server.TLS)
	keys, keysErr := keyring(cfg.Auth)
	if err := errors.Join(pairErr, keysErr); err != nil {
		return err
	}
	g.containers.begin(cfg.Routing)
	// Upstreams whose configuration and files are unchanged are shared, and keep their connections.
	before := g.proxy.Load()
	after, err := before.Next(g.proxyOptions(cfg.Routing))
	if err != nil {
		return err
	}
	x, err := g.locals.prepare(ctx, cfg.Specs())
	var drop func()
	if err == nil {
		drop, err = g.commit(cfg, x, after)
	}
	if err != nil {
		return errors.Join(err, after.Close(ctx))
	}
	report.Routing = !reflect.DeepEqual(g.cfg.Routing, cfg.Routing)
	g.adopt(cfg, keys)
	g.renew(pair)
	g.cfg = cfg
	report.Loaded, report.Removed = x.names()
	g.retire(x.retired, before, drop)
	return nil
}

// commit puts models, routes, containers and limits in force together, or nothing. drop is to be
// called when the requests that have begun are done.
func (g *gateway) commit(cfg *config.Config, x *exchange, p *proxy.Proxy) (drop func(), err error) {
	before, old := g.containers.now, g.proxy.Load()
	after := containerSettings(cfg.Routing)
	// A new container's server is asked by p whether it serves.
	g.proxy.Store(p)
	g.containers.expect(after)
	err = g.locals.commit(x, func(entries []models.Entry) error {
		before := g.content.snapshot()
		if err := g.content.set(parts{entries, p.Entries(), p.Families()}); err != nil {
			return err
		}
		if err := g.limiter.Apply(limitOptions(cfg.RateLimits)); err != nil {
			return errors.Join(err, g.content.set(before))
		}
		return nil
	})
	if err != nil {
		g.proxy.Store(old)
		g.containers.apply(before)
		return nil, errors.Join(err, g.locals.closeAll(x.opened))
	}
	return g.containers.apply(after), nil
}

// inForce is the configuration in force.
func (g *gateway) inForce() *config.Config {
	g.change.Lock()
	defer g.change.Unlock()
	return g.cfg
}

// retire closes local models and a proxy, if it is not nil, and calls drop, likewise, once the
// requests that have begun are done; drop no later than those for models can take, as an admin's may
// take for ever.
func (g *gateway) retire(list []*local, p *proxy.Proxy, drop func()) {
	old := g.generations.next()
	if len(list) == 0 && p == nil && drop == nil {
		return
	}
	g.closing.Go(func() {
		if drop != nil {
			select {
			case <-old.done:
			case <-time.After(g.locals.timeout):
			}
			drop()
		}
		<-old.done
		err := g.locals.closeAll(list)
		if p != nil {
			err = errors.Join(err, p.Close(context.Background())) // nothing is in flight any more
		}
		if err != nil {
			g.log.Error("closing what a reload has replaced", "error", err)
		}
	})
}

// loadAgain loads a local model that is not loaded.
func (g *gateway) loadAgain(ctx context.Context, name string) error {
	g.change.Lock()
	defer g.change.Unlock()
	if err := ending(ctx); err != nil {
		return err
	}
	return g.locals.reload(ctx, name)
}

// unload takes a local model out of memory, once the requests that use it are done.
func (g *gateway) unload(ctx context.Context, name string) error {
	g.change.Lock()
	defer g.change.Unlock()
	if err := ending(ctx); err != nil {
		return err
	}
	m, err := g.locals.unload(name)
	if m != nil {
		g.retire([]*local{m}, nil, nil)
	}
	return err
}

// closeLimit is how long upstreams may take to end requests whose clients are gone.
const closeLimit = 5 * time.Second

// close ends the containers and upstreams, and waits for what reloads have replaced. No request runs any more.
func (g *gateway) close() error {
	g.change.Lock()
	defer g.change.Unlock()
	g.generations.next()
	g.closing.Wait()
	var problems []error
	problems = append(problems, g.containers.close())
	if p := g.proxy.Load(); p != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		problems = append(problems, p.Close(ctx))
	}
	if g.limiter != nil {
		problems = append(problems, g.limiter.Close())
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("closing the gateway: %w", err)
	}
	return nil
}

// image is what a managed upstream's container runs.
func (g *gateway) image(upstream string) string { return g.containers.image(upstream) }

// moved says that a managed upstream's server has another address, or none any more.
func (g *gateway) moved(upstream string) { g.proxy.Load().Moved(upstream) }

// upstreams tells how the upstreams are.
func (g *gateway) upstreams() []proxy.Status {
	if p := g.proxy.Load(); p != nil {
		return p.Statuses()
	}
	return nil
}
