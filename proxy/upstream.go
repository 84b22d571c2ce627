package proxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// pool is an upstream: its endpoints, and what is sent to them. It is safe for concurrent use.
//
// What holds:
//   - A request holds one of MaxInFlight places from its first attempt to its last, and is at one
//     endpoint at a time. Who waits for a place gets it in the order of coming.
//   - An answer reaches request.read whole or not at all, so an attempt can be repeated until one
//     is read.
//   - Retries are at most RetryBudget per cent of the requests of late and a few more, whatever
//     fails.
//   - Ejection leaves half of the endpoints and at least one. Only probes can take all of them
//     out, and then requests fail at once.
//   - Every goroutine is one of loops. A request needs none.
type pool struct {
	opts    Upstream // with its defaults
	dialect dialect
	hooks   Hooks
	seams   seams
	targets []target
	tls     *tls.Config
	// header is that of every request. It is shared with the transports, which only read it.
	header http.Header
	// secrets are not to be in what others are told.
	secrets [][]byte

	admission admission
	budget    budget
	// listing is the latest list of models, nil before the first; relist asks for another soon.
	listing atomic.Pointer[dated]
	relist  chan struct{}
	// locate tells the address of a managed upstream, and moved that it is another one.
	locate func() (address string, ok bool)
	moved  chan struct{}

	mu        sync.Mutex
	endpoints []*endpoint
	scratch   []*endpoint
	// resolved is closed when every target's addresses were asked for once.
	resolved     chan struct{}
	resolvedOnce bool
	// refused is why the upstream's key was not accepted lately; empty: it was.
	refused string

	// users counts the proxies that share the pool; files is a digest of the TLS files.
	users atomic.Int32
	files [sha256.Size]byte

	stop context.CancelFunc
	// loops are the goroutines below watch.
	loops sync.WaitGroup
}

// seams are what tests put in the place of the network.
type seams struct {
	resolve   func(ctx context.Context, host string) ([]string, error)
	dialect   func(Type) (dialect, error)
	transport func(u Upstream, config *tls.Config, url, address string) http.RoundTripper
}

func (s seams) withDefaults() seams {
	if s.resolve == nil {
		s.resolve = net.DefaultResolver.LookupHost
	}
	if s.transport == nil {
		s.transport = func(u Upstream, config *tls.Config, _, address string) http.RoundTripper {
			return newTransport(u, config, address)
		}
	}
	return s
}

// newPool makes a pool whose loops do not run yet.
func newPool(u Upstream, o Options, s seams) (*pool, error) {
	u = u.withDefaults()
	d, err := newDialect(u.Type)
	if s.dialect != nil {
		d, err = s.dialect(u.Type)
	}
	if err != nil {
		return nil, err
	}
	p := &pool{opts: u, dialect: d, hooks: o.Hooks, seams: s.withDefaults(), relist: make(chan struct{}, 1),
		locate: locator(o, u.Name), moved: make(chan struct{}, 1), resolved: make(chan struct{})}
	if p.tls, p.files, err = tlsConfig(u); err != nil {
		return nil, err
	}
	p.header = baseHeader(u, d, cmp.Or(o.UserAgent, "quadrate"))
	p.secrets = secretsOf(u)
	p.admission = admission{max: u.MaxInFlight, maxQueued: u.MaxQueued}
	p.budget = budget{percent: u.RetryBudget}
	if u.Managed {
		p.targets = []target{{base: managedURL(u.Name)}}
	}
	for _, raw := range u.URLs {
		t, err := parseTarget(raw)
		if err != nil {
			return nil, err
		}
		p.targets = append(p.targets, t)
	}
	return p, nil
}

// same reports whether another pool does as well, made of the same options at another time.
func (p *pool) same(other *pool) bool {
	return reflect.DeepEqual(p.opts, other.opts) && reflect.DeepEqual(p.header, other.header) && p.files == other.files
}

// baseHeader is the header of every request: ours, the configured one, the key. Idempotency-Key is
// not sent, as it has no value; it has net/http send a request again, at once and on another
// connection, when the server has closed an idle one at the same moment.
func baseHeader(u Upstream, d dialect, agent string) http.Header {
	h := http.Header{
		"User-Agent":      {agent},
		"Accept":          {"application/json"},
		"Accept-Encoding": {"identity"},
		"Content-Type":    {"application/json"},
		"Idempotency-Key": nil,
	}
	if u.APIKey != "" {
		d.authorize(h, u.APIKey)
	}
	for name, values := range u.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

// start begins the loops, which end with close.
func (p *pool) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	p.loops.Go(func() { p.watch(ctx) })
}

// close waits until nothing is in flight, or until ctx ends, and ends the loops. A request that
// comes later is served all the same: it found its model before the configuration changed.
func (p *pool) close(ctx context.Context) error {
	err := p.admission.drained(ctx)
	if err != nil {
		n, queued, _ := p.admission.counts()
		err = models.Errorf(models.KindShuttingDown, "upstream %q: %d requests are in flight and %d wait", p.opts.Name, n, queued).Because(err)
	}
	p.stop()
	p.loops.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints {
		e.gone = true
		e.closeIdle()
	}
	return err
}

// watch keeps the addresses and the list of models fresh until ctx ends.
func (p *pool) watch(ctx context.Context) {
	p.refresh(ctx)
	p.mu.Lock()
	p.resolvedOnce = true
	p.mu.Unlock()
	close(p.resolved)
	addresses := time.NewTicker(resolveEvery)
	defer addresses.Stop()
	list := time.NewTimer(p.list(ctx))
	defer list.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-addresses.C:
			if slices.ContainsFunc(p.targets, func(t target) bool { return t.dns }) {
				p.refresh(ctx)
			}
		case <-list.C:
			list.Reset(p.list(ctx))
		case <-p.moved:
			list.Reset(p.list(ctx))
		case <-p.relist:
			// What is asked for again and again is asked for once in a while.
			if last := p.listing.Load(); last == nil || time.Since(last.tried) > relistEvery {
				list.Reset(p.list(ctx))
			}
		}
	}
}

// resolveEvery is how often the addresses of dns targets are asked for.
const resolveEvery = 10 * time.Second

// refresh makes the endpoints those of the targets' addresses. A target whose name cannot be
// resolved keeps those that it had.
func (p *pool) refresh(ctx context.Context) {
	var found []*endpoint
	for _, t := range p.targets {
		found = append(found, p.endpointsOf(ctx, t)...)
	}
	p.mu.Lock()
	before := p.endpoints
	p.endpoints = found
	now, late := time.Now(), p.resolvedOnce
	var left []*endpoint
	for _, e := range before {
		if e.gone = !slices.Contains(found, e); e.gone {
			left = append(left, e)
		}
	}
	for _, e := range found {
		if late && !slices.Contains(before, e) {
			e.warm = now
		}
	}
	p.mu.Unlock()
	for _, e := range left {
		if e.stop != nil {
			e.stop()
		}
		e.closeIdle()
	}
	for _, e := range found {
		p.probing(ctx, e)
	}
}

// probing has an endpoint probed, if it is not yet and there is something to ask for. Only watch
// calls it.
func (p *pool) probing(ctx context.Context, e *endpoint) {
	if p.opts.ProbeInterval == 0 || e.stop != nil || p.dialect.probe() == nil {
		return
	}
	ctx, e.stop = context.WithCancel(ctx)
	p.loops.Go(func() { p.probes(ctx, e) })
}

// endpointsOf returns the endpoints of a target, those that there are already before new ones.
func (p *pool) endpointsOf(ctx context.Context, t target) []*endpoint {
	if !t.dns {
		return []*endpoint{p.endpoint(t, "")}
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.ConnectTimeout)
	defer cancel()
	hosts, err := p.seams.resolve(ctx, t.base.Hostname())
	var list []*endpoint
	if err != nil || len(hosts) == 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.endpoints {
			if e.base == t.base {
				list = append(list, e)
			}
		}
		return list
	}
	slices.Sort(hosts)
	for _, host := range slices.Compact(hosts) {
		list = append(list, p.endpoint(t, net.JoinHostPort(host, t.port())))
	}
	return list
}

// endpoint returns that of an address, which is empty for the URL's own host.
func (p *pool) endpoint(t target, address string) *endpoint {
	shown := t.base
	if address != "" {
		shown.Host = address
	}
	url := shown.String()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints {
		if e.url == url && e.base == t.base {
			return e
		}
	}
	e := &endpoint{url: url, base: t.base, rt: p.seams.transport(p.opts, p.tls, url, address)}
	if p.opts.Managed {
		e.rt = located{e.rt, p.locate}
	}
	return e
}

// status implements backend.
func (p *pool) status() models.Status {
	inFlight, queued, _ := p.admission.counts()
	s := models.Status{State: models.StateReady, Queue: models.Queue{Items: inFlight + queued}}
	runs := p.runs()
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok, why := p.healthy(); !ok {
		s.State, s.Reason, s.Backend = models.StateFailed, p.prefix()+why, p.opts.Name
	} else if !runs {
		s.State, s.Reason, s.Backend = models.StateStopped, p.prefix()+errStopped.Error(), p.opts.Name
	} else if p.refused != "" {
		s.Reason = p.refused
	}
	return s
}

// describe is the upstream for those who look after it.
func (p *pool) describe() Status {
	s := Status{Name: p.opts.Name, Type: p.opts.Type}
	s.InFlight, s.Queued, _ = p.admission.counts()
	p.mu.Lock()
	for _, e := range p.endpoints {
		one := e.status()
		if one.Reason == "" {
			one.Reason = p.refused
		}
		s.Endpoints = append(s.Endpoints, one)
	}
	p.mu.Unlock()
	for i, one := range s.Endpoints {
		s.Endpoints[i] = p.shown(one)
	}
	return s
}

// prefix begins every message about the upstream.
func (p *pool) prefix() string { return "upstream \"" + p.opts.Name + "\": " }

// errorf makes an error of the upstream.
func (p *pool) errorf(kind models.Kind, format string, args ...any) *models.Error {
	return p.blame(models.Errorf(kind, format, args...))
}

// blame says that an error is the upstream's.
func (p *pool) blame(err *models.Error) *models.Error {
	e := *err
	e.Backend = p.opts.Name
	if !strings.HasPrefix(e.Message, p.prefix()) {
		e.Message = p.prefix() + e.Message
	}
	return &e
}
