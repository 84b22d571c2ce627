package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// outcome is how one attempt ended. err is nil, or a *models.Error of the upstream.
type outcome struct {
	err     error
	again   bool
	verdict verdict
	// took is the time of the attempt, known says what it is of.
	took  time.Duration
	known known
	rest  time.Duration // what the upstream asked for by Retry-After
}

// known is what the time of an attempt tells of the time of an answer.
type known int

const (
	knownNothing known = iota
	knownLeast         // an answer would have taken at least as long
	knownAnswer        // it was an answer
)

func (o outcome) settled(trial bool, work float64) settled {
	s := settled{verdict: o.verdict, trial: trial, work: work, took: o.took, known: o.known, rest: o.rest, busy: o.again && o.verdict == verdictGood}
	if o.err != nil {
		s.reason = o.err.Error()
	}
	return s
}

// attempt sends a request to an endpoint, once, within limit, which is upstreams[].timeout or less.
func (p *pool) attempt(ctx context.Context, e *endpoint, r *request, number int, limit time.Duration) outcome {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := Attempt{Upstream: p.opts.Name, URL: e.url, Type: p.opts.Type, Op: string(r.op), Model: r.model, Number: number}
	header := p.headerFor(r)
	patient, tells := p.dialect.(patience)
	if tells || p.hooks.Span != nil {
		header = maps.Clone(header)
	}
	if until, ok := inner.Deadline(); ok && tells {
		patient.patience(header, time.Until(until))
	}
	var end func(error)
	if p.hooks.Span != nil {
		inner, end = p.hooks.Span(inner, "upstream "+a.Op, a, header)
	}
	start := time.Now()
	o := p.exchange(ctx, inner, e, r, header, &a)
	a.Duration, a.Err = time.Since(start), o.err
	o.took = a.Duration
	if end != nil {
		end(o.err)
	}
	p.report(a)
	return o
}

// direct sends a request to an endpoint, once, past the queue, and counts it nowhere. Its error
// says that the endpoint cannot serve; an answer that refuses the request is none.
func (p *pool) direct(ctx context.Context, e *endpoint, r *request, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := Attempt{Upstream: p.opts.Name, URL: e.url, Type: p.opts.Type, Op: string(r.op), Model: r.model, Number: 1}
	start := time.Now()
	o := p.exchange(ctx, ctx, e, r, p.headerFor(r), &a)
	a.Duration, a.Err = time.Since(start), o.err
	p.report(a)
	if o.err == nil || o.verdict == verdictGood {
		return nil
	}
	return o.err
}

// report tells of a request that was sent.
func (p *pool) report(a Attempt) {
	if p.hooks.Attempt != nil && !errors.Is(a.Err, errStopped) {
		p.hooks.Attempt(a)
	}
}

// headerFor is the header of a request: the shared one where that will do.
func (p *pool) headerFor(r *request) http.Header {
	if len(r.header) == 0 {
		return p.header
	}
	h := maps.Clone(p.header)
	for name, values := range r.header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

// exchange is the attempt itself. outer is the request's context, inner that of the attempt.
func (p *pool) exchange(outer, inner context.Context, e *endpoint, r *request, header http.Header, a *Attempt) outcome {
	start := time.Now()
	answer, err := e.rt.RoundTrip(newHTTP(inner, e, r, header))
	if err != nil {
		return p.broken(outer, inner, err, a)
	}
	defer func() { _ = answer.Body.Close() }()
	a.Status, a.FirstByte = answer.StatusCode, time.Since(start)
	if answer.StatusCode == http.StatusSwitchingProtocols { // its body is the connection, which does not end
		return p.faulty(r, &response{status: answer.StatusCode, header: answer.Header})
	}
	limit := p.largest(r.op)
	ok := answer.StatusCode/100 == 2
	if !ok {
		limit = min(limit, maxFault)
	}
	body, err := readBody(answer.Body, answer.ContentLength, limit)
	got := response{status: answer.StatusCode, header: answer.Header, body: body.bytes, memory: body}
	defer func() {
		if !got.held {
			body.release()
		}
	}()
	if err != nil && (ok || !errors.Is(err, errTooLarge)) {
		return p.broken(outer, inner, err, a)
	}
	if !ok {
		return p.faulty(r, &got)
	}
	if r.read != nil {
		if err := r.read(&got); err != nil {
			o := outcome{err: p.unreadable(err), again: true, verdict: verdictSick}
			if r.foreign {
				o.verdict = verdictNone
			}
			return o
		}
	}
	if r.op != opProbe { // which servers answer without a key
		p.accepted()
	}
	return outcome{verdict: verdictGood, known: knownAnswer}
}

// largest is the size of an answer that is read.
func (p *pool) largest(op operation) int64 {
	if op == opList || op == opProbe {
		return min(p.opts.MaxAnswer, maxList)
	}
	return p.opts.MaxAnswer
}

// newHTTP makes the request of an attempt.
func newHTTP(ctx context.Context, e *endpoint, r *request, header http.Header) *http.Request {
	url := e.base
	path, query, _ := strings.Cut(r.path, "?")
	url.Path, url.RawQuery = joinPath(url.Path, path), query
	host := url.Host
	if own := header["Host"]; len(own) > 0 {
		host = own[0]
	}
	h := http.Request{Method: r.method, URL: &url, Host: host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header}
	if h.Method == "" {
		h.Method = http.MethodPost
	}
	if r.body != nil {
		h.ContentLength = int64(len(r.body))
		h.Body = io.NopCloser(bytes.NewReader(r.body))
		h.GetBody = replay(r.body)
	}
	return h.WithContext(ctx)
}

// errReplayed ends an attempt whose second connection broke, too.
var errReplayed = errors.New("the connection broke, and the one in its place")

// replay gives the transport a body again, once: it would go through all idle connections, however
// many break, and is not to do in an attempt what Retries and RetryBudget bound.
func replay(body []byte) func() (io.ReadCloser, error) {
	replayed := false
	return func() (io.ReadCloser, error) {
		if replayed {
			return nil, errReplayed
		}
		replayed = true
		return io.NopCloser(bytes.NewReader(body)), nil
	}
}

// broken is the outcome of an attempt without a complete answer.
func (p *pool) broken(outer, inner context.Context, err error, a *Attempt) outcome {
	sick := func(kind models.Kind, again bool, message string) outcome {
		e := p.errorf(kind, "%s", message).Because(err)
		if kind == models.KindLoading {
			e.RetryAfter = loadingAgain
		}
		return outcome{err: e, again: again, verdict: verdictSick}
	}
	var connect *connectError
	switch {
	case outer.Err() != nil:
		o := outcome{err: p.ended(outer)}
		if errors.Is(outer.Err(), context.DeadlineExceeded) {
			o.known = knownLeast
		}
		return o
	case errors.Is(err, errTooLarge):
		message := "its answer is larger than upstreams[].max_answer, %d bytes"
		if a.Op == string(opList) {
			message = "its list of models is larger than %d bytes"
		}
		return outcome{err: p.errorf(models.KindUpstream, message, p.largest(operation(a.Op))), verdict: verdictGood}
	case errors.Is(err, errStopped):
		return outcome{err: p.stopped()}
	case errors.As(err, &connect) && errors.Is(err, syscall.ECONNREFUSED):
		return sick(models.KindLoading, true, "nothing listens at its address: it has not started, or is still loading its model")
	case errors.As(err, &connect):
		return sick(models.KindUpstream, true, "cannot be connected to (upstreams[].connect_timeout is "+p.opts.ConnectTimeout.String()+")")
	case a.Status != 0 && inner.Err() != nil:
		return sick(models.KindUpstream, false, "no complete answer within upstreams[].timeout, "+p.opts.Timeout.String())
	case inner.Err() != nil || isTimeout(err):
		setting := "first_byte_timeout"
		if p.opts.FirstByteTimeout == p.opts.Timeout {
			setting = "timeout"
		}
		return sick(models.KindUpstream, true, "no answer within upstreams[]."+setting+", "+p.opts.FirstByteTimeout.String())
	case a.Status != 0:
		return sick(models.KindUpstream, true, "the connection broke in the middle of its answer")
	}
	return sick(models.KindUpstream, true, "the connection broke before its answer")
}

// loadingAgain is when a server that is not there may be.
const loadingAgain = 5 * time.Second

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// faulty is the outcome of an answer that is no success.
func (p *pool) faulty(r *request, got *response) outcome {
	if got.status/100 == 3 {
		err := p.errorf(models.KindUpstream, "it answered with a redirect (%d), which is not followed: see upstreams[].urls", got.status)
		return outcome{err: err, verdict: verdictGood}
	}
	got.body = p.conceal(got.body)
	f := p.dialect.fault(r.op, got)
	o := outcome{again: f.again, verdict: verdictGood}
	if f.sick {
		o.verdict = verdictSick
	}
	if got.status == http.StatusTooManyRequests || got.status == http.StatusServiceUnavailable {
		o.rest = retryAfter(got.header.Get("Retry-After"))
	}
	err := p.blame(f.err)
	if err.RetryAfter == 0 {
		err.RetryAfter = o.rest
	}
	o.err = err
	if err.Kind == models.KindUpstreamCredentials {
		o.again, o.verdict = false, verdictGood // the key is to blame
		p.mu.Lock()
		p.refused = err.Message
		p.mu.Unlock()
	}
	return o
}

// unreadable is the error of an answer that is not what it should be.
func (p *pool) unreadable(err error) error {
	var e *models.Error
	if errors.As(err, &e) {
		return p.blame(e)
	}
	return p.errorf(models.KindUpstream, "its answer is wrong: %v", err)
}

// accepted notes that the upstream's key was.
func (p *pool) accepted() {
	p.mu.Lock()
	p.refused = ""
	p.mu.Unlock()
}
