package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
	// Store is "memory" (or empty), or redis://user:password@host:port/db; rediss:// is TLS.
	Store string
	// Replicas is how many servers share Redis; with Redis gone each allows its part of every
	// limit. 0: as many as Redis last knew of.
	Replicas int
	// OnStore is told when Redis is lost and when it is back, at first how it was found; it may
	// be nil. It is called by one goroutine, which waits for it, and must not close the limiter.
	OnStore func(available bool, err error)
}

// Caller is whose use is counted.
type Caller struct {
	Class string // empty: no limits
	Name  string // unique within the class: a key's name, or an address
}

// Window is one limit's state, for x-ratelimit headers. Limit 0: there is no such limit.
type Window struct {
	// Limit is what may come at once after a pause: the burst of requests, or a minute's tokens.
	Limit, Remaining int
	// Reset is when Remaining is Limit again, if nothing more comes.
	Reset time.Duration
}

// State is a caller's standing after a request was counted.
type State struct {
	Requests, Tokens Window
}

// Exceeded is the error of a request that is over a limit. Nothing was counted for it.
type Exceeded struct { //nolint:errname // as context.DeadlineExceeded: the word says what is
	// Setting names what to change: requests_per_minute, tokens_per_minute or concurrency.
	Setting string
	Class   string
	Limit   int
	// RetryAfter is when the request has a chance; negative: never, it alone is more than the
	// limit allows at once. Of concurrency, of which nobody knows, it is a second.
	RetryAfter time.Duration
	State      State
}

func (e *Exceeded) Error() string {
	what := fmt.Sprintf("%s of class %q is %d", e.Setting, e.Class, e.Limit)
	if e.RetryAfter < 0 {
		return "the request alone is over a limit: " + what
	}
	return fmt.Sprintf("over a limit: %s; try again in %v", what, e.RetryAfter)
}

// Limiter counts. It is safe for concurrent use.
//
// With Redis, all counts are there while it answers. The first call that it fails or lets wait
// ends that: from then on calls count in memory, towards this server's part of each limit, and
// wait for nothing, until shared.watch finds Redis working again. Counts are not carried over
// either way, so each change may allow a burst once more.
type Limiter struct {
	store  string
	table  atomic.Pointer[table]
	memory *memory
	shared *shared // nil: in memory only
	close  sync.Once
}

// Check reports all that New would refuse, and connects to nobody.
func Check(o Options) error {
	_, storeErr := parseStore(o.Store)
	_, err := compile(o)
	return errors.Join(storeErr, err)
}

// New makes a limiter. With Redis it does not wait for a connection: it starts as if Redis were
// gone until it is there.
func New(o Options) (*Limiter, error) {
	opts, storeErr := parseStore(o.Store)
	t, err := compile(o)
	if err := errors.Join(storeErr, err); err != nil {
		return nil, err
	}
	l := &Limiter{store: o.Store, memory: newMemory(maxAccounts)}
	l.table.Store(t)
	if opts != nil {
		l.shared = newShared(opts, o.OnStore)
	}
	return l, nil
}

// Apply takes new classes and replicas, and keeps the counts of callers whose class and rule are
// still there. A change of Store is refused.
func (l *Limiter) Apply(o Options) error {
	t, err := compile(o)
	if inMemory(o.Store) != inMemory(l.store) || !inMemory(o.Store) && o.Store != l.store {
		err = errors.Join(errors.New("rate limits: store: a change needs a restart"), err)
	}
	if err != nil {
		return err
	}
	l.table.Store(t)
	return nil
}

// Take counts a request of estimated tokens, or fails with *Exceeded. It never fails because
// Redis does. A class that is not there limits nothing: the configuration refuses its name, and
// while that is reloaded a request may still have it.
func (l *Limiter) Take(ctx context.Context, caller Caller, model string, tokens int) (*Grant, error) {
	t := l.table.Load()
	s := t.scope(caller.Class, model)
	if s == nil {
		return &Grant{}, nil
	}
	cost := int64(max(tokens, 0))
	if l.shared != nil && l.shared.up.Load() {
		if g, err := l.shared.take(ctx, s, caller.Name, cost); !errors.Is(err, errLost) {
			return g, err
		}
	}
	return l.memory.take(s, caller.Name, s.bounds.share(l.replicas(t)), cost)
}

// replicas is among how many servers a limit is divided where it is counted in memory.
func (l *Limiter) replicas(t *table) int64 {
	switch {
	case l.shared == nil:
		return 1
	case t.replicas > 0:
		return int64(t.replicas)
	default:
		return l.shared.replicas.Load()
	}
}

// Close ends what runs in the background. Calls then count in memory.
func (l *Limiter) Close() error {
	var err error
	if l.shared != nil {
		l.close.Do(func() { err = l.shared.close() })
	}
	return err
}

// Grant is a counted request.
type Grant struct {
	state   State
	counted counted // nil: nowhere
	done    atomic.Bool
}

// counted is where a request was counted, and what has to be put right there.
type counted interface {
	settle(tokens int64)
}

// State is the caller's standing as Take saw it.
func (g *Grant) State() State {
	if g == nil {
		return State{}
	}
	return g.state
}

// Done ends the request: its place among those at once is free, and the tokens that it really
// had are charged in place of the estimate. It must be called once; a nil Grant is allowed.
func (g *Grant) Done(tokens int) {
	if g == nil || g.counted == nil || g.done.Swap(true) {
		return
	}
	g.counted.settle(int64(max(tokens, 0)))
}
