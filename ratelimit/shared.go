package ratelimit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// redisTimeout bounds connecting, writing and reading, where the URL does not.
	redisTimeout = 250 * time.Millisecond
	// A request's place among those at once comes back by itself this long after its deadline,
	// or lease after its start where it has none: its server may have died.
	leaseGrace = 5 * time.Second
	lease      = 2 * time.Minute
	maxLease   = time.Hour

	keyPrefix   = "quadrate:ratelimit:"
	replicasKey = keyPrefix + "replicas"
)

var (
	//go:embed lua/counts.lua
	countsLua string
	//go:embed lua/take.lua
	takeLua string
	//go:embed lua/settle.lua
	settleLua string
	//go:embed lua/beat.lua
	beatLua string

	takeScript   = redis.NewScript(countsLua + takeLua)
	settleScript = redis.NewScript(countsLua + settleLua)
	beatScript   = redis.NewScript(beatLua)
)

// errLost is the answer where Redis gave none.
var errLost = errors.New("redis did not answer")

func inMemory(store string) bool { return store == "" || store == "memory" }

// parseStore returns nil for memory. Its errors do not have the URL, which may have a password.
func parseStore(store string) (*redis.Options, error) {
	if inMemory(store) {
		return nil, nil
	}
	opts, err := redis.ParseURL(store)
	if err == nil && opts.Network == "tcp" {
		return withDefaults(opts), nil
	}
	reason := ""
	if malformed := (*url.Error)(nil); err != nil && !errors.As(err, &malformed) {
		reason = ": " + err.Error()
	}
	return nil, fmt.Errorf("rate limits: store: neither memory nor a URL as redis://user:password@host:6379/0 (rediss:// for TLS)%s", reason)
}

func withDefaults(o *redis.Options) *redis.Options {
	for _, t := range []*time.Duration{&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.PoolTimeout} {
		if *t == 0 {
			*t = redisTimeout
		}
	}
	o.ContextTimeoutEnabled = true
	// What is repeated would be counted twice, and the watch connects again.
	o.MaxRetries, o.DialerRetries = -1, 1
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o
}

// shared counts in Redis. Each call is one script, so that it counts as a whole or not at all,
// by Redis' clock, whatever the servers' clocks say.
type shared struct {
	client  *redis.Client
	timeout time.Duration
	// instance tells this server from the others, and its leases from theirs.
	instance string
	leases   atomic.Uint64

	up       atomic.Bool  // Redis answers
	replicas atomic.Int64 // servers that Redis last knew of
	lost     chan loss    // one slot: a call found Redis gone
	onStore  func(available bool, err error)
	stop     context.CancelFunc
	stopped  chan struct{}
}

func newShared(opts *redis.Options, onStore func(bool, error)) *shared {
	logging.Disable() // what it says, OnStore is told
	s := &shared{
		client: redis.NewClient(opts), timeout: max(opts.DialTimeout, opts.ReadTimeout),
		instance: rand.Text(), lost: make(chan loss, 1), onStore: onStore, stopped: make(chan struct{}),
	}
	if s.onStore == nil {
		s.onStore = func(bool, error) {}
	}
	s.replicas.Store(1)
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	go s.watch(ctx)
	return s
}

// within bounds a call, and keeps it from ending early: whether an interrupted one was counted
// nobody would know.
func (s *shared) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
}

// take fails with errLost where Redis does not answer.
func (s *shared) take(ctx context.Context, sc *scope, caller string, tokens int64) (*Grant, error) {
	b := sc.bounds
	keys := countKeys(sc, caller)
	id := s.instance + ":" + strconv.FormatUint(s.leases.Add(1), 36)
	bounded, cancel := s.within(ctx)
	defer cancel()
	answer, err := takeScript.Run(bounded, s.client, keys,
		b.requests, b.burst, b.tokens, tokens, b.concurrency, id, leaseFor(ctx).Milliseconds()).Int64Slice()
	if err == nil && len(answer) != 4 {
		err = fmt.Errorf("redis answered %d numbers to a script that has 4", len(answer))
	}
	if err != nil {
		s.lose(err)
		return nil, errLost
	}
	u := usage{requests: answer[1], tokens: answer[2], active: answer[3]}
	if answer[0] == 0 {
		r := u.refusal(b, tokens)
		if r.setting == "" {
			r = refusal{tokensSetting, 1} // by what Lua's numbers lose of the largest limits
		}
		return nil, sc.exceeded(r, u.state(b))
	}
	return &Grant{state: u.state(b), counted: &sharedGrant{shared: s, keys: keys, lease: id, bounds: b, tokens: tokens}}, nil
}

// countKeys are a caller's keys of a scope. They are hashed, as names and addresses are nobody's
// business there, and have a hash tag, so that a cluster keeps them together.
func countKeys(sc *scope, caller string) []string {
	sum := sha256.Sum256([]byte(sc.id + "\x00\x00" + caller))
	tag := keyPrefix + "{" + hex.EncodeToString(sum[:16]) + "}"
	return []string{tag, tag + ":leases"}
}

func leaseFor(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(max(time.Until(deadline), 0)+leaseGrace, maxLease)
	}
	return lease
}

// sharedGrant is a request that was counted in Redis.
type sharedGrant struct {
	shared *shared
	keys   []string
	lease  string
	bounds bounds
	tokens int64
}

// settle leaves the estimate and the lease as they are where Redis is gone: both end by themselves.
func (g *sharedGrant) settle(tokens int64) {
	b, more := g.bounds, min(tokens, 2*maxLimit)-g.tokens
	if !g.shared.up.Load() || b.concurrency == 0 && (b.tokens == 0 || more == 0) {
		return
	}
	ctx, cancel := g.shared.within(context.Background())
	defer cancel()
	if err := settleScript.Run(ctx, g.shared.client, g.keys, b.requests, b.burst, b.tokens, more, g.lease).Err(); err != nil {
		g.shared.lose(err)
	}
}
