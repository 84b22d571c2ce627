package ratelimit

import (
	"context"
	"time"
)

// Limits bound one caller. 0: no limit.
type Limits struct {
	RequestsPerMinute, TokensPerMinute int
	// Burst is how many requests may come at once after a pause; 0: RequestsPerMinute/6, at least 1.
	Burst       int
	Concurrency int
}

// Rule bounds a caller's use of the models that match, in place of its class's own limits.
type Rule struct {
	Models []string // wildcard patterns
	Limits
}

// Class bounds each caller of a class. The first rule that fits a model counts, with counts of
// its own; a model that none fits counts towards the class's own limits.
type Class struct {
	Name string
	Limits
	Rules []Rule
}

// Options are what a Limiter needs.
type Options struct {
	Classes []Class
	// Store is "memory" (or empty), or redis://user:password@host:port/db.
	Store string
	// Replicas is how many servers share Redis; with Redis gone each allows its part of every
	// limit. 0: as many as Redis last knew of.
	Replicas int
	// OnStore is told when Redis is lost and when it is back; it may be nil.
	OnStore func(available bool, err error)
}

// Caller is whose use is counted.
type Caller struct {
	Class string // empty: no limits
	Name  string // unique within the class: a key's name, or an address
}

// Window is one limit's state, for x-ratelimit headers. Limit 0: there is no such limit.
type Window struct {
	Limit, Remaining int
	// Reset is when Remaining is Limit again, if nothing more comes.
	Reset time.Duration
}

// State is a caller's standing after a request was counted.
type State struct {
	Requests, Tokens Window
}

// Exceeded is the error of a request that is over a limit. Nothing was counted for it.
type Exceeded struct {
	// Setting names what to change: requests_per_minute, tokens_per_minute or concurrency.
	Setting string
	Class   string
	Limit   int
	// RetryAfter is when the request has a chance; negative: never, it alone is more than the
	// limit allows at once.
	RetryAfter time.Duration
	State      State
}

func (e *Exceeded) Error() string { panic("to be written") }

// Limiter counts. It is safe for concurrent use.
type Limiter struct{}

// New makes a limiter. With Redis it does not wait for a connection: it starts as if Redis were
// gone until it is there.
func New(o Options) (*Limiter, error) { panic("to be written") }

// Apply takes new classes and replicas, and keeps the counts of callers whose class and rule are
// still there. A change of Store is refused.
func (l *Limiter) Apply(o Options) error { panic("to be written") }

// Take counts a request of estimated tokens, or fails with *Exceeded. It never fails because
// Redis does.
func (l *Limiter) Take(ctx context.Context, caller Caller, model string, tokens int) (*Grant, error) {
	panic("to be written")
}

// Close ends what runs in the background.
func (l *Limiter) Close() error { panic("to be written") }

// Grant is a counted request.
type Grant struct{}

// State is the caller's standing as Take saw it.
func (g *Grant) State() State { panic("to be written") }

// Done ends the request: its place among those at once is free, and the tokens that it really
// had are charged in place of the estimate. It must be called once; a nil Grant is allowed.
func (g *Grant) Done(tokens int) { panic("to be written") }
