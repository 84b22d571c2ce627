package ratelimit

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"
)

const (
	// maxAccounts bounds the callers that are remembered (some 200 bytes each): there are more
	// addresses than memory.
	maxAccounts = 1 << 16
	shards      = 64
	// spared is how many accounts with requests in flight are passed over to find one to forget.
	spared = 16
)

// memory counts in this process. Its accounts are spread over shards, each with its own lock.
//
// No goroutine cleans up: whoever comes new has two forgotten that are at rest, if the two
// longest unused are, and one in any case where the shard is full. So a flood of addresses can
// make others' counts forgotten, which costs them nothing, but not memory grow.
type memory struct {
	seed   maphash.Seed
	start  time.Time
	shards [shards]shard
}

type shard struct {
	mu       sync.Mutex
	most     int
	accounts map[accountKey]*account
	recent   list.List // of *account, the last used first
}

type accountKey struct{ scope, caller string }

// account is one caller's use of one scope. Its shard's lock guards it, also once it is
// forgotten while a request is in flight.
type account struct {
	key   accountKey
	shard *shard
	place *list.Element
	usage
	at   int64 // when usage was true, in microseconds since start
	rest int64 // from when on nothing is used, likewise
}

func newMemory(most int) *memory {
	m := &memory{seed: maphash.MakeSeed(), start: time.Now()}
	for i := range m.shards {
		m.shards[i].most = max(most/shards, 1)
		m.shards[i].accounts = map[accountKey]*account{}
	}
	return m
}

func (m *memory) now() int64 { return time.Since(m.start).Microseconds() }

func (m *memory) take(s *scope, caller string, b bounds, tokens int64) (*Grant, error) {
	key := accountKey{s.id, caller}
	shard := &m.shards[maphash.Comparable(m.seed, key)%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	now := m.now()
	a := shard.account(key, now)
	a.advance(now, b)
	if r := a.refusal(b, tokens); r != (refusal{}) {
		return nil, s.exceeded(r, a.state(b))
	}
	a.charge(b, tokens)
	a.rest = now + a.usage.rest(b)
	return &Grant{state: a.state(b), counted: &localGrant{memory: m, account: a, bounds: b, tokens: tokens}}, nil
}

func (a *account) advance(now int64, b bounds) {
	// Two callers may read the clock in one order and get the lock in the other.
	if now > a.at {
		a.pass(now-a.at, b)
		a.at = now
	}
}

// account finds a caller's, or makes one.
func (s *shard) account(key accountKey, now int64) *account {
	if a := s.accounts[key]; a != nil {
		s.recent.MoveToFront(a.place)
		return a
	}
	s.makeRoom(now)
	a := &account{key: key, shard: s, at: now}
	a.place = s.recent.PushFront(a)
	s.accounts[key] = a
	return a
}

func (s *shard) makeRoom(now int64) {
	for range 2 {
		last := s.recent.Back()
		if last == nil || !last.Value.(*account).atRest(now) {
			break
		}
		s.forget(last)
	}
	if len(s.accounts) < s.most {
		return
	}
	last := s.recent.Back()
	for range spared {
		if last == nil || last.Value.(*account).active == 0 {
			break
		}
		last = last.Prev()
	}
	if last == nil {
		last = s.recent.Back()
	}
	s.forget(last)
}

func (a *account) atRest(now int64) bool { return a.active == 0 && a.rest <= now }

func (s *shard) forget(e *list.Element) {
	delete(s.accounts, e.Value.(*account).key)
	s.recent.Remove(e)
}

// localGrant is a request that was counted in memory.
type localGrant struct {
	memory  *memory
	account *account
	bounds  bounds
	tokens  int64
}

func (g *localGrant) settle(tokens int64) {
	a := g.account
	a.shard.mu.Lock()
	defer a.shard.mu.Unlock()
	now := g.memory.now()
	a.advance(now, g.bounds)
	a.settle(g.bounds, g.tokens, tokens)
	a.rest = now + a.usage.rest(g.bounds)
}
