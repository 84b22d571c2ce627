package proxy

import (
	"context"
	"errors"
	"strings"
	"time"
)

const (
	// listEvery is how often an upstream is asked for its models, listAgain how soon after it
	// could not be asked; that doubles up to listEvery.
	listEvery = time.Minute
	listAgain = 5 * time.Second
	// listFresh is how long a list is believed: some that failed are borne.
	listFresh = 2*listEvery + 3*listAgain
	// relistEvery bounds how often an unknown name has the list asked for at once.
	relistEvery = 5 * time.Second
	listTime    = 10 * time.Second
	// maxList bounds a list, in bytes: it is decoded whole, and shown by /v1/models.
	maxList = 8 << 20
)

// dated is an upstream's list of models and its age.
type dated struct {
	listing
	byName map[string]int
	// at is when it was told, zero if never; tried when it was last asked for, and failed how often
	// in vain since.
	at, tried time.Time
	failed    int
}

func (d *dated) fresh() bool { return d != nil && !d.at.IsZero() && time.Since(d.at) < listFresh }

// untagged is a name without what Ollama does not need to be told.
func untagged(name string, t Type) string {
	if t != TypeOllama {
		return name
	}
	return strings.TrimSuffix(name, latest)
}

// find returns a model of the list. Ollama knows what it lists as bge-m3:latest as bge-m3, too.
func (d *dated) find(name string, t Type) (listed, bool) {
	if d == nil {
		return listed{}, false
	}
	i, ok := d.byName[untagged(name, t)]
	if !ok {
		return listed{}, false
	}
	return d.models[i], true
}

// list asks the upstream for its models and returns when to ask again. A list that cannot be had
// leaves the one before, which grows old. A managed upstream that does not run is not asked.
func (p *pool) list(ctx context.Context) time.Duration {
	next := dated{tried: time.Now()}
	r := p.dialect.list(func(l listing) { next.listing, next.at = l, time.Now() })
	if r == nil || !p.runs() {
		return listEvery
	}
	err := errors.New("nobody to ask")
	if e := p.any(); e != nil {
		err = p.direct(ctx, e, r, listTime)
	}
	if err != nil && !p.runs() {
		return listEvery
	}
	if err != nil || next.at.IsZero() {
		if before := p.listing.Load(); before != nil {
			next = *before
			next.tried = time.Now()
		}
		next.failed++
		p.listing.Store(&next)
		return min(listAgain<<min(next.failed-1, 10), listEvery)
	}
	next.byName = make(map[string]int, len(next.models))
	for i, m := range next.models {
		next.byName[untagged(m.name, p.opts.Type)] = i
	}
	p.listing.Store(&next)
	return listEvery
}

// any returns the endpoint that is most likely to answer, nil if there is none.
func (p *pool) any() *endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	var best *endpoint
	for _, e := range p.endpoints {
		if best == nil || !best.in() && e.in() {
			best = e
		}
	}
	return best
}

// askAgain has the list asked for soon, as a name is not on it.
func (p *pool) askAgain() {
	select {
	case p.relist <- struct{}{}:
	default:
	}
}

// model implements backend.
func (p *pool) model(name string) (listed, bool) { return p.listing.Load().find(name, p.opts.Type) }

// limits implements backend.
func (p *pool) limits(op operation) limits {
	l := limits{items: p.opts.MaxItems, bytes: p.opts.MaxBytes}
	said := limits{}
	if d := p.listing.Load(); d != nil {
		said = d.limits
	}
	for _, from := range []limits{said, p.dialect.limits(op)} {
		if l.items == 0 {
			l.items = from.items
		}
		if l.bytes == 0 {
			l.bytes = from.bytes
		}
	}
	return l
}
