package upstreamtest

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fake is a server of one kind, as a handler. Its methods are safe for concurrent use.
type Fake struct {
	kind    Kind
	options Options
	dialect dialect
	routes  map[string]route
	words   *words
	spaces  map[int]*directions // by dimensions
	script  script

	mu       sync.Mutex
	requests []Request
	kept     int // bytes of the requests' bodies, at most bound
	bound    int
	stats    Stats
	permits  int
}

var _ http.Handler = (*Fake)(nil)

// Stats counts what a fake has seen.
type Stats struct {
	Requests int `json:"requests"`
	// InFlight are being answered now, Peak the most there were at once.
	InFlight int `json:"in_flight"`
	Peak     int `json:"peak"`
	// Cancelled are those whose client left before its answer was written.
	Cancelled int `json:"cancelled"`
	// Failed are those that a fault of the script was played to.
	Failed int `json:"failed"`
}

// Request is one request as it came.
type Request struct {
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Query  string      `json:"query"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"-"`
}

// keptRequests and keptBytes, of their bodies, bound Requests; the oldest go first.
const (
	keptRequests = 4096
	keptBytes    = 64 << 20
)

// dialect is what is particular to a kind.
type dialect interface {
	// routes are keyed by method and path, with one space between.
	routes() map[string]route
	// open reports whether a path needs no key.
	open(path string) bool
	// missing answers where no route is; methods are those that the path has.
	missing(methods []string) answer
	// fault is the kind's own answer to a fault of ownFaults, and whether it plays it. The
	// request of x may be nil.
	fault(x *exchange, name FaultName) (answer, bool)
	// decorate adds the headers of every answer.
	decorate(h http.Header)
	// oversized answers a body above MaxBytes.
	oversized() answer
}

// route is one of a fake's routes.
type route struct {
	do  func(x *exchange) answer
	has trait
}

// exchange is one request and what is needed to answer it.
type exchange struct {
	fake *Fake
	r    *http.Request
	body []byte
	// path is the route's, without the prefix.
	path string
	// fault is the one to play, nil if there is none.
	fault   *Fault
	cleared <-chan struct{}
	permits int
}

// New makes a fake. It panics on options that no server of the kind could have: more than one
// model for TEI and vLLM, or a fault that the kind does not play.
//
// Models without a name are called fake; without dimensions they have 384, without a length 256
// tokens, without a task they embed; a classifier without labels has negative, neutral, positive.
func New(kind Kind, options Options) *Fake {
	if n := len(options.Models); defaultsOf(kind).single && n > 1 {
		panic(fmt.Sprintf("upstreamtest: %s serves one model, not %d", kind, n))
	}
	f := &Fake{kind: kind, options: options.complete(kind), words: newWords(), bound: keptBytes}
	f.script.cleared = make(chan struct{})
	f.dialect = dialectOf(kind, f)
	f.routes = f.dialect.routes()
	f.spaces = map[int]*directions{}
	for _, m := range f.options.Models {
		f.spaces[m.Dimensions] = &directions{dimensions: m.Dimensions, kept: map[int][]float32{}}
	}
	for _, fault := range f.options.Faults {
		f.Fail(fault)
	}
	return f
}

// Kind is what the fake plays.
func (f *Fake) Kind() Kind { return f.kind }

// Models are those that it serves.
func (f *Fake) Models() []Model { return slices.Clone(f.options.Models) }

// Requests gives what was asked since the last Reset; of very many or very large requests, the
// last (4,096, and 64 MiB of bodies).
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Stats gives the counts since the last Reset.
func (f *Fake) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Reset forgets requests and counts; what is in flight stays so.
func (f *Fake) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.kept = nil, 0
	f.stats = Stats{InFlight: f.stats.InFlight, Peak: f.stats.InFlight}
}

// ServeHTTP answers as the kind's server would, or as the script says.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		f.control(w, r)
		return
	}
	body, oversized := f.readBody(r)
	f.begin(r, body)
	defer f.end(r.Context())
	name, at := f.find(r)
	x := &exchange{fake: f, r: r, body: body}
	_, x.path = cutName(name)
	defer x.release()
	x.fault, x.cleared = f.script.next(func(fault Fault) bool { return f.applies(fault, name, at) })
	if x.fault != nil {
		f.count(func(s *Stats) { s.Failed++ })
	}
	var a answer
	if x.before() {
		a = x.answer(at, oversized)
	}
	if r.Context().Err() != nil {
		reset(w) // nobody waits, or the server stops
		return
	}
	x.write(w, a)
}

// readBody reads a body up to the bound; more of it is left unread.
func (f *Fake) readBody(r *http.Request) (body []byte, oversized bool) {
	limit := f.options.MaxBytes
	if limit == 0 {
		limit = 256 << 20
	}
	body, _ = io.ReadAll(io.LimitReader(r.Body, limit+1))
	return body, int64(len(body)) > limit
}

func (f *Fake) begin(r *http.Request, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Requests++
	f.stats.InFlight++
	f.stats.Peak = max(f.stats.Peak, f.stats.InFlight)
	f.kept += len(body)
	for len(f.requests) >= keptRequests || len(f.requests) > 0 && f.kept > f.bound {
		n := (len(f.requests) + 3) / 4
		for _, old := range f.requests[:n] {
			f.kept -= len(old.Body)
		}
		f.requests = slices.Delete(f.requests, 0, n)
	}
	header := r.Header.Clone()
	if r.Host != "" {
		header.Set("Host", r.Host)
	}
	f.requests = append(f.requests, Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: header, Body: body})
}

func (f *Fake) end(ctx context.Context) {
	left := ctx.Err() != nil && !errors.Is(context.Cause(ctx), errStopped)
	f.count(func(s *Stats) {
		s.InFlight--
		if left {
			s.Cancelled++
		}
	})
}

func (f *Fake) count(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

// find gives a request's route and its name; there may be none.
func (f *Fake) find(r *http.Request) (string, route) {
	path, under := strings.CutPrefix(r.URL.Path, f.options.Prefix)
	if free := f.routes[r.Method+" "+r.URL.Path]; free.has&hasHealth != 0 {
		path, under = r.URL.Path, true
	}
	if !under {
		return r.Method + " ", route{}
	}
	name := r.Method + " " + path
	return name, f.routes[name]
}

func cutName(name string) (method, path string) {
	method, path, _ = strings.Cut(name, " ")
	return method, path
}

// methods are those that a path has.
func (f *Fake) methods(path string) []string {
	var methods []string
	for _, name := range slices.Sorted(maps.Keys(f.routes)) {
		if method, p := cutName(name); p == path {
			methods = append(methods, method)
		}
	}
	return methods
}

// answer is what the request gets before the wire's faults.
func (x *exchange) answer(at route, oversized bool) answer {
	f := x.fake
	if a, is := x.own(); is {
		return a
	}
	if at.do == nil {
		return f.dialect.missing(f.methods(x.path))
	}
	if !f.dialect.open(x.path) && !x.authorized() {
		a, _ := f.dialect.fault(x, BadKey)
		return a
	}
	if oversized {
		return f.dialect.oversized()
	}
	return at.do(x)
}

// own is the kind's answer to the fault in play, if that is one of those.
func (x *exchange) own() (answer, bool) {
	if x.fault == nil {
		return answer{}, false
	}
	if x.fault.Name == InternalError {
		return textf(http.StatusInternalServerError, "Internal Server Error"), true
	}
	if !slices.Contains(ownFaults, x.fault.Name) || x.fault.Name == Loading {
		return answer{}, false
	}
	a, is := x.fake.dialect.fault(x, x.fault.Name)
	if x.fault.RetryAfter != "" {
		a.header.Set("Retry-After", x.fault.RetryAfter)
	}
	return a, is
}

func (x *exchange) authorized() bool {
	key := x.fake.options.Key
	if key == "" {
		return true
	}
	given := x.r.Header.Get("Authorization")
	return subtle.ConstantTimeCompare([]byte(given), []byte("Bearer "+key)) == 1
}

// work is called by a route before it computes n results: it takes as much of MaxConcurrent as
// the kind counts and waits for Delay. not is the answer where it may not, or nobody waits.
func (x *exchange) work(n int) (not *answer) {
	if !x.admit(n) {
		a, _ := x.fake.dialect.fault(x, Overloaded)
		return &a
	}
	if !x.sleep(x.fake.options.Delay) {
		return &answer{} // is not sent
	}
	return nil
}

func (x *exchange) admit(n int) bool {
	f := x.fake
	if f.options.MaxConcurrent == 0 {
		return true
	}
	if f.kind != TEI && f.kind != TEI18 {
		n = 1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.permits+n > f.options.MaxConcurrent {
		return false
	}
	f.permits += n
	x.permits = n
	return true
}

func (x *exchange) release() {
	x.fake.mu.Lock()
	defer x.fake.mu.Unlock()
	x.fake.permits -= x.permits
}

// sleep waits, and reports whether the client still does.
func (x *exchange) sleep(d time.Duration) bool {
	if d <= 0 {
		return x.r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// isJSON reports whether the request says that its body is JSON.
func (x *exchange) isJSON() bool {
	kind, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), jsonType)
}

// blank reports whether a body is empty but for white space.
func blank(body []byte) bool { return len(bytes.TrimSpace(body)) == 0 }
