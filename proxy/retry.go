package proxy

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

var _ backend = (*pool)(nil)

// errGone ends a request that nobody waits for.
var errGone = errors.New("the client has left")

// send implements sender: it waits for a place, and tries as often as may be. The place is kept
// between attempts: an upstream that asks to be left alone is sent less by that.
func (p *pool) send(ctx context.Context, r *request) error {
	if !p.runs() {
		return p.stopped()
	}
	ctx, stop := watchGone(ctx, r.gone)
	defer stop()
	if err := p.admission.enter(ctx); err != nil {
		return p.refusal(ctx, err)
	}
	defer p.admission.leave()
	select {
	case <-p.resolved:
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // nobody is asked in vain
		return p.ended(ctx)
	}
	p.budget.request()
	return p.attempts(ctx, r)
}

// attempts tries a request until it is answered, or another attempt would not help or is not
// allowed.
func (p *pool) attempts(ctx context.Context, r *request) error {
	var room [4]*endpoint
	tried, work := room[:0], float64(requestWork+r.tokens)
	most := p.opts.Retries
	var last error
	for number := 1; ; number++ {
		e, trial := p.choose(work, tried)
		if e == nil && last != nil {
			return last
		} else if e == nil {
			return p.nobody()
		}
		tried = append(tried, e)
		o := p.try(ctx, e, r, number, trial, work)
		if o.err == nil {
			return nil
		}
		// The trial of an ejected endpoint was our wish: it is paid for neither by the request, unless
		// it may not be tried again at all, nor by the budget.
		if trial && number == 1 && most > 0 {
			most++
		}
		if !o.again || number > most {
			return o.err
		}
		wait, fits := p.pause(ctx, o, number, tried)
		if !fits || !trial && !p.budget.retry() {
			return o.err
		}
		if sleep(ctx, wait) != nil {
			return p.ended(ctx)
		}
		last = o.err
	}
}

// try is an attempt with its account: the endpoint is left again even if reading the answer panics.
func (p *pool) try(ctx context.Context, e *endpoint, r *request, number int, trial bool, work float64) (o outcome) {
	defer func() { p.settle(e, o.settled(trial, work)) }()
	limit := p.opts.Timeout
	if end, ends := ctx.Deadline(); ends && trial && number == 1 && p.opts.Retries > 0 {
		if elsewhere, _ := p.outlook([]*endpoint{e}, 0); elsewhere {
			limit = min(limit, time.Until(end)/2) // what hangs on trial leaves time for another
		}
	}
	return p.attempt(ctx, e, r, number, limit)
}

// Backoff: the first retry waits up to pauseElsewhere, or pauseSame at an endpoint that has failed
// already, the next up to twice as long, and so on. The wait is drawn from all of that range, so
// that what failed together does not come back together.
const (
	pauseElsewhere = 20 * time.Millisecond
	pauseSame      = 200 * time.Millisecond
	pauseMost      = 5 * time.Second
)

// pause is how long to wait before the next attempt. false: the time is not enough for it.
func (p *pool) pause(ctx context.Context, o outcome, number int, tried []*endpoint) (wait time.Duration, fits bool) {
	elsewhere, rest := p.outlook(tried, o.rest)
	most := pauseSame
	if elsewhere {
		most = pauseElsewhere
	}
	wait = rest + time.Duration(rand.Int64N(int64(min(most<<(number-1), pauseMost))+1))
	end, ends := ctx.Deadline()
	return wait, wait <= p.opts.Timeout && (!ends || time.Until(end) > wait)
}

// outlook reports whether there is an endpoint that was not tried and has not asked to be left
// alone, and for how long yet all of them have: rest if none is in.
func (p *pool) outlook(tried []*endpoint, rest time.Duration) (elsewhere bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, first := time.Now(), true
	for _, e := range p.endpoints {
		if !e.in() {
			continue
		}
		left := max(0, e.rest.Sub(now))
		if first || left < rest {
			rest, first = left, false
		}
		elsewhere = elsewhere || left == 0 && !slices.Contains(tried, e)
	}
	return elsewhere, rest
}

// nobody is the error of an upstream without an endpoint to send to.
func (p *pool) nobody() error {
	p.mu.Lock()
	_, why := p.healthy()
	p.mu.Unlock()
	return p.errorf(models.KindUnavailable, "%s", why).After(p.opts.ProbeInterval)
}

// refusal is the error of a request that got no place.
func (p *pool) refusal(ctx context.Context, err error) error {
	inFlight, queued, wait := p.admission.counts()
	wait = max(wait, time.Second)
	switch {
	case errors.Is(err, errQueueFull):
		return p.errorf(models.KindQueueFull, "%d requests are in flight and %d wait: raise upstreams[].max_queued or max_in_flight", inFlight, queued).After(wait)
	case errors.Is(err, errTooLate):
		return p.errorf(models.KindQueueTimeout, "%d requests wait (upstreams[].max_in_flight), longer than this one has time", queued).After(wait)
	}
	return p.ended(ctx)
}

// ended is the error of a request whose context ended.
func (p *pool) ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return p.errorf(models.KindDeadline, "no complete answer within the request's deadline").Because(ctx.Err())
	}
	return p.errorf(models.KindCanceled, "%s", errGone).Because(context.Cause(ctx))
}

// goneEvery is how often it is asked whether anybody waits for an answer.
const goneEvery = 50 * time.Millisecond

// watchGone returns a context that ends soon after gone says so; without a goroutine, as most
// requests are answered before the first time that it is asked.
func watchGone(ctx context.Context, gone func() bool) (context.Context, func()) {
	if gone == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		switch {
		case ctx.Err() != nil:
		case gone():
			cancel(errGone)
		default:
			timer.Reset(goneEvery)
		}
	})
	timer.Reset(goneEvery)
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// budget bounds retries to a share of the requests of late, whose counts fade, and a few more, so
// that an upstream with little traffic has some, too. When everything fails, retries then add
// little to the load instead of multiplying it.
type budget struct {
	percent int

	mu                sync.Mutex
	at                time.Time
	requests, retries float64
}

// retriesFree are the retries of late that need no requests.
const retriesFree = 3

// fade takes the passing of time into account. b.mu is held.
func (b *budget) fade() {
	now := time.Now()
	keep := math.Exp(-float64(now.Sub(b.at)) / float64(memory))
	b.at, b.requests, b.retries = now, b.requests*keep, b.retries*keep
}

func (b *budget) request() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fade()
	b.requests++
}

// retry takes one, if there is one.
func (b *budget) retry() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fade()
	if b.percent == 0 || b.retries+1 > retriesFree+b.requests*float64(b.percent)/100 {
		return false
	}
	b.retries++
	return true
}
