package proxy

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// endpoint is one address of an upstream. What is below the line belongs to the pool's mutex.
type endpoint struct {
	// url is for people: of a dns target it has the address in the place of the name.
	url  string
	base url.URL
	rt   http.RoundTripper
	// stop ends the endpoint's probes; nil before they begin.
	stop context.CancelFunc

	// ---
	inFlight int
	work     float64 // of the requests in flight
	// pace is the moving average of seconds for a unit of work, heard when it was last measured;
	// 0: not known. latency is that of whole answers, for people.
	pace    float64
	latency time.Duration
	heard   time.Time
	// moved is when a request last ended here, or, if that is later, when the first of those in
	// flight began.
	moved time.Time
	// warm is when the endpoint joined or recovered; zero: it was there from the start.
	warm time.Time
	// rest is until when the endpoint has asked to be left alone.
	rest time.Time

	outcomes outcomes
	// ejected is until when it is out, zero if it is in; spell is how long this time, and trial
	// says that a request is trying whether it has recovered.
	ejected time.Time
	spell   time.Duration
	trial   bool
	reason  string

	unhealthy bool
	misses    int // failed probes, one after the other
	lastProbe time.Time
	gone      bool // its address is no longer the name's
}

// in reports whether the endpoint takes requests as usual.
func (e *endpoint) in() bool { return e.ejected.IsZero() && !e.unhealthy }

func (e *endpoint) state() string {
	switch {
	case e.unhealthy:
		return "unhealthy"
	case e.trial:
		return "probing"
	case !e.ejected.IsZero():
		return "ejected"
	}
	return "ready"
}

func (e *endpoint) status() EndpointStatus {
	return EndpointStatus{URL: e.url, State: e.state(), Reason: e.reason, InFlight: e.inFlight, Latency: e.latency, LastProbe: e.lastProbe}
}

// closeIdle closes the connections that no request uses.
func (e *endpoint) closeIdle() {
	if t, ok := e.rt.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// outcomes are the latest answers of an endpoint.
type outcomes struct {
	row  int    // failures, one after the other
	bits uint32 // the latest answers, 1 for a failure, the newest lowest
	n    int    // how many of the bits count
}

// window is how many answers are looked at for their share of failures.
const window = 20

func (o *outcomes) add(failed bool) {
	o.bits <<= 1
	o.row++
	if failed {
		o.bits |= 1
	} else {
		o.row = 0
	}
	o.bits &= 1<<window - 1
	o.n = min(o.n+1, window)
}
