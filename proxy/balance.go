package proxy

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// requestWork is what a request costs whatever its tokens are, in tokens. Without it, the pace
	// of an endpoint that happened to get short texts would look bad.
	requestWork = 128
	// memory is how long the past counts in moving averages.
	memory = 10 * time.Second
	// slowStart is how long an endpoint that has joined or recovered gets less than its share.
	slowStart = 10 * time.Second
	// alike is the ratio of costs below which chance decides.
	alike = 1.25
	// unusual is how many times the average answer's time makes a silence.
	unusual = 4
	// slowest bounds a pace: a second for each token.
	slowest = 1.0
)

// An endpoint's cost for a request is the work it would then have, in tokens, times its pace: the
// time in which it would be done with everything. Of two endpoints taken at random, the one of
// lower cost gets the request; the best of all would get all requests of a moment. Tokens and not
// requests are counted, as one request may be a thousand times the work of another; time for a
// token and not for an answer is measured, as answers are as different. A pace that nobody has
// measured for a while drifts to that of the fastest, or a slow endpoint would never be tried
// again. One that has requests and gives no answer costs more with time: what hangs is found out
// by its silence, long before its first request has timed out.

// choose picks the endpoint of the next attempt and counts the request as its; nil: there is none
// that could serve. trial says that the endpoint is out, and that the request tries whether it has
// recovered.
func (p *pool) choose(work float64, tried []*endpoint) (e *endpoint, trial bool) {
	p.mu.Lock()
	now, first := time.Now(), false
	if e = p.due(now, tried); e == nil {
		e = p.best(now, work, tried)
	}
	if e != nil {
		if e.inFlight == 0 {
			e.moved = now
		}
		e.inFlight++
		e.work += work
		trial = !e.ejected.IsZero()
		first = trial && !e.trial
		e.trial = trial
	}
	p.mu.Unlock()
	if first {
		p.tell(e, "probing", "")
	}
	return e, trial
}

// due returns an ejected endpoint whose time is over and that nobody tries; only while another is
// in, so that the request, should it fail, can be tried there, and not for a request that has failed
// already. p.mu is held.
func (p *pool) due(now time.Time, tried []*endpoint) *endpoint {
	if len(tried) > 0 || !slices.ContainsFunc(p.endpoints, (*endpoint).in) {
		return nil
	}
	for _, e := range p.endpoints {
		if !e.ejected.IsZero() && !e.trial && !e.unhealthy && !now.Before(e.ejected) {
			return e
		}
	}
	return nil
}

// rank orders endpoints by how willing they are; higher is better, 0 is not at all.
func (e *endpoint) rank(now time.Time, tried []*endpoint) int {
	fresh, rested := !slices.Contains(tried, e), !now.Before(e.rest)
	switch {
	case e.unhealthy:
		return 0
	case !e.ejected.IsZero():
		return 1 // better than nobody
	case fresh && rested:
		return 5
	case rested:
		return 4
	case fresh:
		return 3
	}
	return 2
}

// best takes two at random of the endpoints of the best rank, and of those the cheaper.
func (p *pool) best(now time.Time, work float64, tried []*endpoint) *endpoint {
	candidates, top := p.scratch[:0], 1
	fastest := 0.0
	for _, e := range p.endpoints {
		if e.pace > 0 && (fastest == 0 || e.pace < fastest) {
			fastest = e.pace
		}
		switch r := e.rank(now, tried); {
		case r > top:
			candidates, top = append(candidates[:0], e), r
		case r == top:
			candidates = append(candidates, e)
		}
	}
	p.scratch = candidates
	switch n := len(candidates); n {
	case 0:
		return nil
	case 1:
		return candidates[0]
	default:
		i := rand.IntN(n)
		j := (i + 1 + rand.IntN(n-1)) % n
		a, b := candidates[i], candidates[j]
		if b.cost(now, work, fastest)*alike < a.cost(now, work, fastest) {
			return b
		} else if a.cost(now, work, fastest)*alike < b.cost(now, work, fastest) || rand.IntN(2) == 0 {
			return a
		}
		return b
	}
}

func (e *endpoint) cost(now time.Time, work, fastest float64) float64 {
	pace := fastest
	if e.pace > 0 {
		pace += (e.pace - fastest) * math.Exp(-float64(now.Sub(e.heard))/float64(memory))
	}
	if pace == 0 {
		pace = 1
	}
	return (e.work + work) * pace * e.silence(now) / e.share(now)
}

// silence is how many times longer than usual nothing has come from the endpoint: 1 but for one
// that hangs.
func (e *endpoint) silence(now time.Time) float64 {
	if e.inFlight == 0 || e.latency == 0 {
		return 1
	}
	return max(1, float64(now.Sub(e.moved))/float64(unusual*e.latency))
}

// share is how much of its share an endpoint gets: 1 but for the slow start.
func (e *endpoint) share(now time.Time) float64 {
	if e.warm.IsZero() {
		return 1
	}
	return min(1, max(0.1, float64(now.Sub(e.warm))/float64(slowStart)))
}

// observe takes the time of an answer into the averages: over ten answers or ten seconds, about,
// whichever is shorter.
func (e *endpoint) observe(now time.Time, took time.Duration, work float64) {
	pace := max(took.Seconds()/work, 1e-9)
	a := max(0.1, 1-math.Exp(-float64(now.Sub(e.heard))/float64(memory)))
	if e.pace == 0 {
		a = 1
	}
	e.pace += a * (pace - e.pace)
	e.latency += time.Duration(a * float64(took-e.latency))
	e.heard = now
}

// slower makes the endpoint less liked after a failure, which may have come faster than any
// answer.
func (e *endpoint) slower(now time.Time) {
	if e.pace > 0 {
		e.pace = min(2*e.pace, slowest)
		e.heard = now
	}
}
