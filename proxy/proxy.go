package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/quadrate-maas/quadrate/internal/wildcard"
	"github.com/quadrate-maas/quadrate/models"
)

// Proxy serves models of upstreams. It is safe for concurrent use, and does not change: a new
// configuration makes another one.
type Proxy struct {
	opts     Options
	seams    seams
	pools    []*pool
	entries  []models.Entry
	families []*family
	// plain are the routes' entries by name and alias, without their fallbacks.
	plain map[string]models.Entry
}

// New makes a proxy and begins to watch its upstreams; nothing is waited for. All problems of the
// options are reported at once, by the names that configuration has for them.
func New(o Options) (*Proxy, error) { return newProxy(o, nil, seams{}) }

// Next makes a proxy of other options, beside p. Upstreams whose options are unchanged, files
// included, are shared, with their connections, queues and what is known of their health; they
// keep p's hooks and its Options.Locate. p is closed as usual, once no request uses its entries any more.
func (p *Proxy) Next(o Options) (*Proxy, error) { return newProxy(o, p.pools, p.seams) }

func newProxy(o Options, before []*pool, s seams) (*Proxy, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	p := &Proxy{opts: o, seams: s, plain: map[string]models.Entry{}}
	var problems []error
	for _, u := range o.Upstreams {
		made, err := newPool(u, o, s)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if i := slices.IndexFunc(before, made.same); i >= 0 {
			made = before[i]
		}
		p.pools = append(p.pools, made)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	for _, r := range o.Routes {
		p.route(r)
	}
	slices.SortStableFunc(p.families, func(a, b *family) int { return cmp.Compare(b.literal(), a.literal()) })
	for _, pool := range p.pools {
		if pool.users.Add(1) == 1 {
			pool.start()
		}
	}
	return p, nil
}

// route adds a route's entry or family.
func (p *Proxy) route(r Route) {
	if wildcard.Is(r.Name) {
		p.families = append(p.families, &family{proxy: p, route: r, pool: p.pool(r.Upstream), made: map[string]served{}})
		return
	}
	made := p.serve(r, r.Name, cmp.Or(r.UpstreamModel, r.Name))
	e := models.Entry{Name: r.Name, Aliases: r.Aliases, Tasks: r.Tasks, Model: made.plain}
	for _, name := range append([]string{r.Name}, r.Aliases...) {
		p.plain[name] = e
	}
	e.Model = made.model
	p.entries = append(p.entries, e)
}

// served is a model of an upstream, without and with its fallbacks.
type served struct{ plain, model models.Model }

func (p *Proxy) serve(r Route, name, upstreamModel string) served {
	of := func(pool *pool) *model {
		return newModel(modelSpec{name: name, upstreamModel: upstreamModel, route: r, upstream: pool.opts, dialect: pool.dialect, backend: pool})
	}
	first := of(p.pool(r.Upstream))
	plain := p.manage(p.pool(r.Upstream), first)
	if len(r.Fallback) == 0 {
		return served{plain, plain}
	}
	f := &failover{proxy: p, primary: step{r.Upstream, models.Entry{Name: name, Tasks: r.Tasks, Model: plain}}}
	for _, to := range r.Fallback {
		s := step{name: to}
		if pool := p.pool(to); pool != nil {
			same := of(pool)
			same.dimensions = first.dimensions
			s.entry = models.Entry{Name: name, Tasks: r.Tasks, Model: p.manage(pool, same)}
		}
		f.next = append(f.next, s)
	}
	return served{plain, f}
}

// pool returns the upstream of a name, nil if there is none.
func (p *Proxy) pool(name string) *pool {
	i := slices.IndexFunc(p.pools, func(q *pool) bool { return q.opts.Name == name })
	if i < 0 {
		return nil
	}
	return p.pools[i]
}

// find returns a model for a fallback, in the order in which clients' names are looked up: one that
// has no fallbacks itself, so that nobody is asked twice.
func (p *Proxy) find(name string) (models.Entry, error) {
	if e, ok := p.plain[name]; ok {
		return e, nil
	}
	if p.opts.Local != nil {
		if e, err := p.opts.Local(name); err == nil {
			return e, nil
		}
	}
	for _, f := range p.families {
		if e, ok := f.find(name, true); ok {
			return e, nil
		}
	}
	return models.Entry{}, models.Errorf(models.KindNotFound, "no model or upstream is called %.100q", name)
}

// Entries are the routes without wildcards, in the order of the options.
func (p *Proxy) Entries() []models.Entry { return slices.Clone(p.entries) }

// Families are the routes with wildcards, the most specific first: that with the most characters
// beside the wildcards.
func (p *Proxy) Families() []models.Family {
	list := make([]models.Family, len(p.families))
	for i, f := range p.families {
		list[i] = f
	}
	return list
}

// Statuses tells of every upstream, in the order of the options.
func (p *Proxy) Statuses() []Status {
	list := make([]Status, len(p.pools))
	for i, pool := range p.pools {
		list[i] = pool.describe()
	}
	return list
}

// Close waits for the requests in flight until ctx ends, and ends what watches the upstreams,
// except for those that a proxy made by Next still uses. Requests are not cut short: they end
// under their own deadlines, and one that comes late is still served. Its error says what was
// still in flight.
func (p *Proxy) Close(ctx context.Context) error {
	var problems []error
	for _, pool := range p.pools {
		if pool.users.Add(-1) == 0 {
			problems = append(problems, pool.close(ctx))
		}
	}
	return errors.Join(problems...)
}
