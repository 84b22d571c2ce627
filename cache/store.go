package cache

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// entryOverhead is what it takes to keep an entry besides its value, measured: key, links,
// place in the hash table, and the allocator's rounding.
const entryOverhead = 160

// store keeps values. The library bounds them by weight, and keeps what is asked for often
// when much comes that is asked for once. It starts no goroutine: its upkeep runs on whoever
// writes, and since its expiry would start one, times are checked here, when an entry is read.
type store[V any] struct {
	ttl       time.Duration
	entries   *otter.Cache[Key, entry[V]]
	evictions atomic.Uint64
}

type entry[V any] struct {
	value   V
	expires time.Time // zero: never
}

func newStore[V any](opts Options[V]) (*store[V], error) {
	s := &store[V]{ttl: opts.TTL}
	var err error
	s.entries, err = otter.New(&otter.Options[Key, entry[V]]{
		MaximumWeight: uint64(opts.Bytes),
		Weigher: func(_ Key, e entry[V]) uint32 {
			return uint32(min(opts.Size(e.value)+entryOverhead, math.MaxUint32))
		},
		OnAtomicDeletion: func(e otter.DeletionEvent[Key, entry[V]]) {
			if e.WasEvicted() {
				s.evictions.Add(1)
			}
		},
		Executor: func(upkeep func()) { upkeep() },
	})
	return s, err
}

func (s *store[V]) get(key Key) (value V, ok bool) {
	e, ok := s.entries.GetIfPresent(key)
	if ok && !e.expires.IsZero() && !time.Now().Before(e.expires) {
		s.entries.Invalidate(key)
		return value, false
	}
	return e.value, ok
}

func (s *store[V]) set(key Key, value V) {
	e := entry[V]{value: value}
	if s.ttl > 0 {
		e.expires = time.Now().Add(s.ttl)
	}
	s.entries.Set(key, e)
}

func (s *store[V]) stats() (evictions uint64, bytes, entries int64) {
	return s.evictions.Load(), int64(s.entries.WeightedSize()), int64(s.entries.EstimatedSize())
}
