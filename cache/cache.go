// Package cache keeps results by key within a bound in bytes, and has what several callers
// want at the same time computed once.
//
// It knows neither models, tokens nor HTTP, and it does not compute: callers stand in a line
// that is not its own, and whoever serves that line asks here what is still to be done.
package cache

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Key names a result: equal keys mean equal results, so it must be a strong hash of all that
// the result depends on.
type Key [32]byte

// Options says how results are kept.
type Options[V any] struct {
	// Bytes bounds what is kept, the cost of keeping it included. 0: nothing is kept, and only
	// work at the same time is shared.
	Bytes int64
	// TTL is how long a result is kept; 0: until its room is needed.
	TTL time.Duration
	// Size is a value's memory in bytes. Required when Bytes is above 0.
	Size func(V) int
	// Keep, when not nil, says which values may be kept.
	Keep func(V) bool
}

func (o Options[V]) validate() error {
	var problems []error
	if o.Bytes < 0 {
		problems = append(problems, errors.New("cache: Bytes is negative"))
	}
	if o.TTL < 0 {
		problems = append(problems, errors.New("cache: TTL is negative"))
	}
	if o.Bytes > 0 && o.Size == nil {
		problems = append(problems, errors.New("cache: Bytes is set, and Size is not"))
	}
	return errors.Join(problems...)
}

// Cache holds results, and the items that callers want and that are not known yet. It is safe
// for concurrent use. Values are shared between callers: nobody may change them.
//
// Every caller submits the items it wants itself, under its own place in the line, its own
// deadline and its own admission; an item wanted by several is then in the line several times.
// Whichever copy is reached first is computed, and the others are answered by it. In the usual
// design one caller leads and the others follow it: they then fail with its deadline, wait
// behind its other thousand items or in the line of its key, and have to be saved from each of
// these.
//
// What holds:
//   - An item is computed by one run at a time, unless its caller asked for a computation of
//     its own (Use.Fresh). One that was computed is not computed again while anybody wants it.
//   - A caller waits for another's run only once that has begun, never for another's place in
//     the line. Runs wait for nobody. So nobody waits in a circle, and nobody waits longer
//     than if alone, by more than a run.
//   - A run that fails settles nothing: its items are wanted again, by whoever still waits.
//   - A caller that leaves, or is refused, takes nothing from the others.
type Cache[V any] struct {
	opts  Options[V]
	store *store[V] // nil: nothing is kept

	mu      sync.Mutex
	pending map[Key]*Pending[V] // wanted or computed, and not known; without those of Fresh callers
	counts  Stats
}

// New makes a cache.
func New[V any](opts Options[V]) (*Cache[V], error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	c := &Cache[V]{opts: opts, pending: map[Key]*Pending[V]{}}
	if opts.Bytes > 0 {
		var err error
		if c.store, err = newStore(opts); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Use says what a caller wants of the cache.
type Use struct {
	// Fresh has every item computed for this caller alone.
	Fresh bool
	// Keep has results kept that are computed for this caller.
	Keep bool
}

// Result answers a Do.
type Result[V any] struct {
	// Values has one entry for each key, in order.
	Values []V
	// Hits counts the keys whose results had been kept; Shared those that another key of this
	// call, or another caller, already waited for.
	Hits, Shared int
	// Queue is the longest wait for the start of a run that answered, and Run the time from the
	// start of the first of these runs to the end of the last. What ran before the call does not
	// count. Both are 0 when all had been kept.
	Queue, Run time.Duration
}

// Submit puts items into the line and returns when a Run has been over all of them, or with
// the reason why not. at has the place among the keys of each item. It must return soon after
// ctx ends, which it does early when all results are known without it.
type Submit[V any] func(ctx context.Context, items []*Pending[V], at []int) error

// Do returns the results of keys. It submits what is not known and not being computed, and
// again what others failed to compute. Its error is that of submit, or of ctx.
func (c *Cache[V]) Do(ctx context.Context, keys []Key, use Use, submit Submit[V]) (Result[V], error) {
	k, result := c.enter(keys, use)
	if len(k.wants) == 0 {
		return result, nil
	}
	defer c.leave(k)
	for {
		items, at, known := c.wanted(k)
		switch {
		case known:
			k.collect(&result)
			return result, nil
		case len(items) == 0:
			select {
			case <-k.wake:
			case <-ctx.Done():
				return Result[V]{}, ctx.Err()
			}
		default:
			if err := c.submit(ctx, k, items, at, submit); err != nil && !c.known(k) {
				return Result[V]{}, err
			}
		}
	}
}

// submit calls submit with a context that also ends when all is known.
func (c *Cache[V]) submit(ctx context.Context, k *call[V], items []*Pending[V], at []int, submit Submit[V]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	k.answered = cancel
	if k.missing == 0 {
		cancel()
	}
	c.mu.Unlock()
	return submit(ctx, items, at)
}

// Clear drops all results that are kept.
func (c *Cache[V]) Clear() {
	if c.store != nil {
		c.store.entries.InvalidateAll()
	}
}

// Stats tells what a cache has done and holds.
type Stats struct {
	// Hits, Shared and Misses count keys: kept, wanted by another already, and neither. Fresh
	// counts the keys of callers that asked for a computation of their own.
	Hits, Shared, Misses, Fresh uint64
	// Evictions counts results that were dropped for want of room.
	Evictions uint64
	// Bytes and Entries are kept now.
	Bytes, Entries int64
}

// Stats returns the present counts.
func (c *Cache[V]) Stats() Stats {
	c.mu.Lock()
	s := c.counts
	c.mu.Unlock()
	if c.store != nil {
		s.Evictions, s.Bytes, s.Entries = c.store.stats()
	}
	return s
}
