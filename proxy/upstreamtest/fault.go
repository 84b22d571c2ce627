package upstreamtest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// FaultName names a way to fail.
type FaultName string

// The faults that a server answers in its own words. A port that is closed, as that of a server
// that has not started, is played by [Server.Stop].
const (
	// Loading blocks requests while a model loads, as Ollama does; the others refuse connections,
	// for which see [Server.Load].
	Loading       FaultName = "loading"
	EngineDead    FaultName = "engine_dead"
	InternalError FaultName = "internal_error" // 500, as a framework says it
	Overloaded    FaultName = "overloaded"
	UnknownModel  FaultName = "unknown_model"
	NoRoute       FaultName = "no_route" // the task is not served here
	BadKey        FaultName = "bad_key"
	Forbidden     FaultName = "forbidden"
	TooLong       FaultName = "too_long"
	BatchTooLarge FaultName = "batch_too_large"
)

// The faults of the wire and of what stands between.
const (
	ResetFirst     FaultName = "reset_first"  // before the first byte
	ResetBody      FaultName = "reset_body"   // in the middle of the body
	SlowHeader     FaultName = "slow_header"  // nothing for Wait
	SlowBody       FaultName = "slow_body"    // the body trickles for Wait
	HugeBody       FaultName = "huge_body"    // valid JSON of Bytes bytes
	TruncatedJSON  FaultName = "truncated"    // the body is cut, its length agrees
	EmptyBody      FaultName = "empty_body"   // 200 and nothing
	WrongType      FaultName = "wrong_type"   // JSON that is called HTML
	Gzipped        FaultName = "gzip"         // compressed without being asked
	BadGateway     FaultName = "bad_gateway"  // a proxy's page, 502
	GatewayTimeout FaultName = "gateway_time" // a proxy's page, 504
	Redirected     FaultName = "redirect"     // 307 to Location
)

// The faults inside an answer that looks right.
const (
	NumberNaN       FaultName = "nan"
	NumberInfinity  FaultName = "infinity"
	NumberNull      FaultName = "null"
	NumberOverflow  FaultName = "overflow" // 1e999
	WrongIndex      FaultName = "wrong_index"
	DuplicateIndex  FaultName = "duplicate_index"
	MissingItem     FaultName = "missing_item"
	ExtraItem       FaultName = "extra_item"
	WrongDimensions FaultName = "wrong_dimensions"
)

// Faults lists every fault; [FaultName.PlayedBy] says who can play it, and where.
func Faults() []FaultName {
	return slices.Concat(ownFaults, wireFaults, rowFaults)
}

var (
	ownFaults  = []FaultName{Loading, EngineDead, InternalError, Overloaded, UnknownModel, NoRoute, BadKey, Forbidden, TooLong, BatchTooLarge}
	wireFaults = []FaultName{ResetFirst, ResetBody, SlowHeader, SlowBody, HugeBody, TruncatedJSON, EmptyBody, WrongType, Gzipped, BadGateway, GatewayTimeout, Redirected}
	rowFaults  = []FaultName{NumberNaN, NumberInfinity, NumberNull, NumberOverflow, WrongIndex, DuplicateIndex, MissingItem, ExtraItem, WrongDimensions}
)

// literals are what number faults write for a number.
var literals = map[FaultName]string{NumberNaN: "NaN", NumberInfinity: "Infinity", NumberNull: "null", NumberOverflow: "1e999"}

// Fault is a line of a fake's script. The first line that applies to a request is played.
type Fault struct {
	Name FaultName
	// Path is the route that fails, without a prefix; empty: every POST route that can play the
	// fault, and the health check of a dead engine; "*": all routes.
	Path string
	// Times is how often it is played; 0: until Clear.
	Times int
	// Every plays it at each so many requests that it applies to; 0 and 1: at all.
	Every int
	// RetryAfter is the header's value; empty: none.
	RetryAfter string
	// Wait is how long what is slow takes; 0: a second. Loading with 0 lasts until Clear.
	Wait time.Duration
	// Bytes is the size of a huge body; 0: 64 MiB.
	Bytes int
	// Location is where a redirect leads; empty: /redirected of the same server.
	Location string
}

// trait is what a route's answer has, and so what can be wrong with it.
type trait int

const (
	hasRows   trait = 1 << iota // one result for each input or document
	hasIndex                    // which say their index
	hasVector                   // and are vectors
	hasHealth                   // tells whether the server can serve
)

// needs is what a route must have for a fault to be played there.
func (n FaultName) needs() trait {
	switch n {
	case NumberNaN, NumberInfinity, NumberNull, NumberOverflow, MissingItem, ExtraItem:
		return hasRows
	case WrongIndex, DuplicateIndex:
		return hasRows | hasIndex
	case WrongDimensions:
		return hasRows | hasVector
	default:
		return 0
	}
}

// PlayedBy reports whether a server of a kind can fail so on a path, without a prefix, of its POST
// routes; empty: on any. A kind does not play what its real server cannot do: an unknown model
// where the name is ignored, a batch too large where there is no bound.
func (n FaultName) PlayedBy(kind Kind, path string) bool { return New(kind, Options{}).Plays(n, path) }

// Plays is PlayedBy for a fake as it is, whose models may give it other routes.
func (f *Fake) Plays(n FaultName, path string) bool {
	if path != "" {
		r, is := f.routes["POST "+path]
		return is && f.plays(n, r)
	}
	for name, r := range f.routes {
		if strings.HasPrefix(name, "POST ") && f.plays(n, r) {
			return true
		}
	}
	return false
}

func (f *Fake) plays(n FaultName, r route) bool {
	switch {
	case slices.Contains(rowFaults, n):
		return r.has&n.needs() == n.needs()
	case slices.Contains(wireFaults, n):
		return true
	case n == Loading:
		return f.kind == Ollama
	case n == InternalError:
		return true
	}
	_, is := f.dialect.fault(&exchange{fake: f}, n)
	return is
}

// script is the faults to come.
type script struct {
	mu      sync.Mutex
	lines   []*line
	cleared chan struct{}
}

type line struct {
	Fault
	seen, played int
}

func (s *script) add(fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, &line{Fault: fault})
}

// clear ends all faults, those in play too.
func (s *script) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = nil
	close(s.cleared)
	s.cleared = make(chan struct{})
}

// next gives the fault to play where applies says which could be, and the end of the script.
func (s *script) next(applies func(Fault) bool) (*Fault, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if l.Times > 0 && l.played >= l.Times || !applies(l.Fault) {
			continue
		}
		l.seen++
		if l.Every > 1 && l.seen%l.Every != 0 {
			continue
		}
		l.played++
		fault := l.Fault
		return &fault, s.cleared
	}
	return nil, s.cleared
}

// Fail adds a fault to the script. It panics if the fake cannot play it.
func (f *Fake) Fail(fault Fault) {
	if err := f.check(fault); err != nil {
		panic("upstreamtest: " + err.Error())
	}
	f.script.add(fault)
}

func (f *Fake) check(fault Fault) error {
	if !slices.Contains(Faults(), fault.Name) {
		return fmt.Errorf("no fault is called %q", fault.Name)
	}
	for name, r := range f.routes {
		if f.applies(fault, name, r) {
			return nil
		}
	}
	return fmt.Errorf("%s has no route for fault %s with path %q", f.kind, fault.Name, fault.Path)
}

// Clear ends all faults and lets go what they hold.
func (f *Fake) Clear() { f.script.clear() }

// applies reports whether a fault is meant for the route of a name, "METHOD path".
func (f *Fake) applies(fault Fault, name string, r route) bool {
	method, path := cutName(name)
	switch fault.Path {
	case "":
		if method != "POST" && (fault.Name != EngineDead || r.has&hasHealth == 0) {
			return false
		}
	case "*":
	default:
		if path != fault.Path {
			return false
		}
	}
	return f.plays(fault.Name, r)
}
