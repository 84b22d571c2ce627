package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// errStopped is why a managed upstream cannot be connected to: it has no address.
var errStopped = errors.New("its container does not run")

// located sends requests to the address that locate tells at that moment. Connections are kept by
// address: none to an earlier one is used for a request.
type located struct {
	http.RoundTripper
	locate func() (address string, ok bool)
}

// RoundTrip implements http.RoundTripper.
func (l located) RoundTrip(r *http.Request) (*http.Response, error) {
	address, ok := l.locate()
	if !ok {
		return nil, &connectError{errStopped}
	}
	own, to := r.WithContext(r.Context()), *r.URL
	to.Host = address
	own.URL = &to
	return l.RoundTripper.RoundTrip(own)
}

// CloseIdleConnections closes those that no request uses.
func (l located) CloseIdleConnections() {
	if t, ok := l.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// locator is Options.Locate for one upstream.
func locator(o Options, upstream string) func() (string, bool) {
	return func() (string, bool) {
		if o.Locate == nil {
			return "", false
		}
		return o.Locate(upstream)
	}
}

// maxHost bounds a host's name.
const maxHost = 253

// managedURL is the base URL of a managed upstream, whose host is its name as far as that makes one.
func managedURL(name string) url.URL {
	host := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return '-'
	}, name)
	host = strings.Trim(host[:min(len(host), maxHost)], "-.")
	if host == "" {
		host = "managed"
	}
	return url.URL{Scheme: "http", Host: host}
}

// runs reports whether there is somebody to send to: false only of a managed upstream without an
// address.
func (p *pool) runs() bool {
	if !p.opts.Managed {
		return true
	}
	_, ok := p.locate()
	return ok
}

// stopped is the error of a managed upstream without an address.
func (p *pool) stopped() *models.Error {
	return p.errorf(models.KindLoading, "%s", errStopped).Because(&connectError{errStopped}).After(loadingAgain)
}

// shown puts what is known of a managed upstream's address into its endpoint's status.
func (p *pool) shown(s EndpointStatus) EndpointStatus {
	if !p.opts.Managed {
		return s
	}
	address, ok := p.locate()
	if !ok {
		s.State = "stopped"
		return s
	}
	s.Address = address
	return s
}

// Moved says that the address of a managed upstream has changed, or that another server is there:
// connections that no request uses are closed, what was learnt from earlier answers is forgotten,
// and the list of models is asked for at once. The list before is kept until there is another.
// Of an upstream that is not managed, or not there, it does nothing.
func (p *Proxy) Moved(upstream string) {
	if pool := p.pool(upstream); pool != nil && pool.opts.Managed {
		pool.forget()
	}
}

// forget makes the pool's endpoints new ones.
func (p *pool) forget() {
	p.mu.Lock()
	endpoints := slices.Clone(p.endpoints)
	for _, e := range endpoints {
		e.pace, e.latency, e.heard = 0, 0, time.Time{}
		e.rest, e.outcomes, e.reason = time.Time{}, outcomes{}, ""
	}
	p.refused = ""
	p.mu.Unlock()
	for _, e := range endpoints {
		e.closeIdle()
	}
	if d := p.listing.Load(); d != nil && d.failed > 0 {
		fresh := *d
		fresh.failed = 0
		p.listing.CompareAndSwap(d, &fresh)
	}
	select {
	case p.moved <- struct{}{}:
	default:
	}
}

// manage wraps a model of a managed upstream.
func (p *Proxy) manage(pool *pool, m models.Model) models.Model {
	if !pool.opts.Managed || p.opts.Manage == nil {
		return m
	}
	return p.opts.Manage(pool.opts.Name, m)
}
