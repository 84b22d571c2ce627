package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/models"
)

// engines opens the container engine that a configuration names, which need not answer. An error
// says why no container can be run here.
type engines func(cfg config.Containers) (managed.Engine, error)

// containers runs the managed upstreams of whatever configuration is in force. It begins with the
// first configuration that has some, and lives as long as the program from then on.
type containers struct {
	open   engines
	prober managed.Prober
	hooks  managed.Hooks
	log    *slog.Logger

	supervisor atomic.Pointer[managed.Supervisor] // nil: there was no such configuration yet
	// specs are in force, by their IDs.
	specs atomic.Pointer[map[string]managed.Spec]

	// What follows is for those who hold the gateway's change. inUse is called when the first
	// settings are in force.
	refused error
	inUse   func()

	mu  sync.Mutex
	now managed.Settings
	// leaving are not in force any more, and kept for requests that began before.
	leaving []*managed.Spec
}

// begin starts the supervisor where a configuration is the first to need it.
func (c *containers) begin(cfg config.Routing) {
	n := len(containerSettings(cfg).Specs)
	if c.supervisor.Load() != nil || n == 0 {
		return
	}
	options := managed.Options{Prober: c.prober, Hooks: c.hooks}
	engine, refused := c.open(cfg.Containers)
	if options.Refused, c.refused = refused, refused; refused == nil {
		c.log.Info("upstreams run in containers", "upstreams", n, "instance", cfg.Containers.Instance)
		inUse := make(chan struct{})
		c.inUse = sync.OnceFunc(func() { close(inUse) })
		options.Engine = waiting{engine, inUse}
	}
	c.supervisor.Store(managed.New(options))
}

// waiting is an engine that is not looked at before inUse is closed: what an earlier process has left
// would be nobody's, and removed.
type waiting struct {
	managed.Engine
	inUse <-chan struct{}
}

func (w waiting) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	select {
	case <-w.inUse:
		return w.Engine.Watch(ctx, begun, heard)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// apply puts settings in force. What they have no more is kept, for those who asked for it before,
// until drop is called. Which upstreams cannot be run here is said once.
func (c *containers) apply(next managed.Settings) (drop func()) {
	s := c.supervisor.Load()
	if s == nil {
		return func() {}
	}
	before, now := c.inForce(), map[string]managed.Spec{}
	for _, spec := range next.Specs {
		now[spec.ID] = spec
		if _, told := before[spec.ID]; c.refused != nil && !told {
			c.log.Error("no container can be run here: the upstream serves nobody", "upstream", spec.ID, "image", spec.Image, "error", clip(c.refused.Error()))
		}
	}
	c.specs.Store(&now)
	drop = c.exchange(s, next, now)
	if len(next.Specs) > 0 && c.refused == nil {
		c.inUse()
	}
	return drop
}

// exchange gives the supervisor what next says, whose specs are now, with what leaves.
func (c *containers) exchange(s *managed.Supervisor, next managed.Settings, now map[string]managed.Spec) (drop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = slices.DeleteFunc(c.leaving, func(spec *managed.Spec) bool { _, back := now[spec.ID]; return back })
	var gone []*managed.Spec
	for _, spec := range c.now.Specs {
		if _, stays := now[spec.ID]; !stays {
			spec.Preload, spec.Pinned = false, false
			gone = append(gone, &spec)
		}
	}
	c.leaving = append(c.leaving, gone...)
	c.now = next
	s.Apply(c.kept())
	return func() { c.drop(s, gone) }
}

// drop ends what was kept.
func (c *containers) drop(s *managed.Supervisor, gone []*managed.Spec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.leaving)
	c.leaving = slices.DeleteFunc(c.leaving, func(spec *managed.Spec) bool { return slices.Contains(gone, spec) })
	if len(c.leaving) < n {
		s.Apply(c.kept())
	}
}

// kept are the settings in force, with what leaves.
func (c *containers) kept() managed.Settings {
	all := c.now
	all.Specs = slices.Clone(all.Specs)
	for _, spec := range c.leaving {
		all.Specs = append(all.Specs, *spec)
	}
	return all
}

// expect lets in requests for what next adds, which come as soon as clients can see it. Nothing else
// of next is in force yet, and nothing starts unless it is asked for; apply is to follow.
func (c *containers) expect(next managed.Settings) {
	c.mu.Lock()
	defer c.mu.Unlock()
	both := c.kept()
	before := len(both.Specs)
	for _, spec := range next.Specs {
		if !slices.ContainsFunc(both.Specs, func(old managed.Spec) bool { return old.ID == spec.ID }) {
			spec.Preload, spec.Pinned = false, false
			both.Specs = append(both.Specs, spec)
		}
	}
	if s := c.supervisor.Load(); s != nil && len(both.Specs) > before {
		s.Apply(both)
	}
}

// inForce are the managed upstreams by their names.
func (c *containers) inForce() map[string]managed.Spec {
	if specs := c.specs.Load(); specs != nil {
		return *specs
	}
	return nil
}

// image is what an upstream runs; empty: it is not managed any more.
func (c *containers) image(id string) string { return c.inForce()[id].Image }

// address is where an upstream can be reached; false: it does not run.
func (c *containers) address(id string) (string, bool) {
	s := c.supervisor.Load()
	if s == nil {
		return "", false
	}
	return s.Address(id)
}

// wrap has an upstream run while one of its models is asked.
func (c *containers) wrap(id string, m models.Model) models.Model {
	return c.supervisor.Load().Wrap(id, m)
}

// status is an upstream's; nil: it is not managed.
func (c *containers) status(id string) *models.Status {
	if _, ok := c.inForce()[id]; !ok {
		return nil
	}
	s := c.supervisor.Load().Status(id)
	return &s
}

// list tells of every container.
func (c *containers) list() []managed.Report {
	if s := c.supervisor.Load(); s != nil {
		return s.Containers()
	}
	return nil
}

// engineSlack is what the engine has at the end, beside the time that servers have.
const engineSlack = 10 * time.Second

// close stops the containers, all at once, or leaves them, as configured. No request runs any more.
func (c *containers) close() error {
	s := c.supervisor.Load()
	if s == nil {
		return nil
	}
	longest := time.Duration(0)
	for _, spec := range c.inForce() {
		longest = max(longest, spec.StopTimeout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), longest+engineSlack)
	defer cancel()
	return s.Close(ctx)
}

// prober asks servers in containers as the proxy in force does.
type prober struct{ gateway *gateway }

var _ managed.Prober = prober{}

func (p prober) Health(ctx context.Context, upstream, address string) error {
	return p.gateway.proxy.Load().Health(ctx, upstream, address)
}

func (p prober) Try(ctx context.Context, upstream, address string) error {
	return p.gateway.proxy.Load().Try(ctx, upstream, address)
}
