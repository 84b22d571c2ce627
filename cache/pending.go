package cache

import (
	"context"
	"fmt"
	"time"
)

// Pending is an item that somebody wants and that is not known yet. Its fields are guarded by
// the cache's lock, but for value, which does not change once the state is done.
type Pending[V any] struct {
	key   Key
	fresh bool // not in the cache's table
	keep  bool
	state state
	began time.Time // the run that computes or computed it
	value V
	calls map[*call[V]]struct{} // who waits for it
}

type state int

const (
	idle    state = iota // perhaps in the line
	running              // a Run computes it
	done
)

// call is one Do.
type call[V any] struct {
	wants    []want[V]
	missing  int // items that are not done
	times    times
	answered context.CancelFunc // ends the submission; nil before the first
	// wake has one slot. It is filled when missing has become 0, and when an item that was
	// being computed is to be submitted again.
	wake chan struct{}
}

// times says when the runs that answer a call were under way, as far as it saw of them.
type times struct {
	entered      time.Time
	began, ended time.Time // of the first and of the last run that has answered
	waited       time.Duration
}

// add counts a run that began, perhaps for another call, and has ended now.
func (t *times) add(began, ended time.Time) {
	if began.Before(t.entered) {
		began = t.entered
	}
	if t.began.IsZero() || began.Before(t.began) {
		t.began = began
	}
	t.waited = max(t.waited, began.Sub(t.entered))
	t.ended = ended
}

// want is one distinct item of a call, and its places among the keys.
type want[V any] struct {
	item *Pending[V]
	at   []int
}

func (k *call[V]) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// collect puts the values in their places, and says how long they took.
func (k *call[V]) collect(r *Result[V]) {
	for _, w := range k.wants {
		for _, at := range w.at {
			r.Values[at] = w.item.value
		}
	}
	r.Queue, r.Run = k.times.waited, k.times.ended.Sub(k.times.began)
}

// enter looks up what is known, and joins or makes an item for everything else.
func (c *Cache[V]) enter(keys []Key, use Use) (*call[V], Result[V]) {
	k := &call[V]{wake: make(chan struct{}, 1), times: times{entered: time.Now()}}
	result := Result[V]{Values: make([]V, len(keys))}
	mine := make(map[Key]int, len(keys)) // index in k.wants
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, key := range keys {
		if j, twice := mine[key]; twice {
			k.wants[j].at = append(k.wants[j].at, i)
			result.Shared++
			continue
		}
		if !use.Fresh && c.store != nil {
			if value, ok := c.store.get(key); ok {
				result.Values[i] = value
				result.Hits++
				continue
			}
		}
		item, shared := c.join(key, use)
		if shared {
			result.Shared++
		}
		item.keep = item.keep || use.Keep
		item.calls[k] = struct{}{}
		mine[key] = len(k.wants)
		k.wants = append(k.wants, want[V]{item: item, at: []int{i}})
	}
	k.missing = len(k.wants)
	c.count(len(keys), use, result)
	return k, result
}

// join returns the item of a key, and whether others wait for it.
func (c *Cache[V]) join(key Key, use Use) (item *Pending[V], shared bool) {
	if item := c.pending[key]; item != nil && !use.Fresh {
		return item, true
	}
	item = &Pending[V]{key: key, fresh: use.Fresh, calls: make(map[*call[V]]struct{}, 1)}
	if !use.Fresh {
		c.pending[key] = item
	}
	return item, false
}

func (c *Cache[V]) count(keys int, use Use, r Result[V]) {
	if use.Fresh {
		c.counts.Fresh += uint64(keys)
		return
	}
	c.counts.Hits += uint64(r.Hits)
	c.counts.Shared += uint64(r.Shared)
	c.counts.Misses += uint64(keys - r.Hits - r.Shared)
}

// wanted returns the items that a call has to submit; none while all that it lacks are being
// computed.
func (c *Cache[V]) wanted(k *call[V]) (items []*Pending[V], at []int, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.missing == 0 {
		return nil, nil, true
	}
	items, at = make([]*Pending[V], 0, k.missing), make([]int, 0, k.missing)
	for _, w := range k.wants {
		if w.item.state == idle {
			items, at = append(items, w.item), append(at, w.at[0])
		}
	}
	return items, at, false
}

func (c *Cache[V]) known(k *call[V]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return k.missing == 0
}

// leave forgets a call, and the items that nobody else wants.
func (c *Cache[V]) leave(k *call[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range k.wants {
		delete(w.item.calls, k)
		c.forget(w.item)
	}
}

// forget takes an item that is neither wanted nor computed out of the table.
func (c *Cache[V]) forget(item *Pending[V]) {
	if item.state == idle && len(item.calls) == 0 && c.pending[item.key] == item {
		delete(c.pending, item.key)
	}
}

// Run computes those of items that are not known and that no other Run computes. compute gets
// their places and returns one value for each, which is then given to all who wait. When it
// fails or panics, nothing is known, and its error is Run's.
func (c *Cache[V]) Run(items []*Pending[V], compute func(at []int) ([]V, error)) error {
	mine := c.claim(items)
	if len(mine) == 0 {
		return nil
	}
	var values []V
	defer func() { c.settle(items, mine, values) }()
	found, err := compute(mine)
	switch {
	case err != nil:
		return err
	case len(found) != len(mine):
		return fmt.Errorf("cache: %d values for %d items", len(found), len(mine))
	}
	values = found
	return nil
}

// claim marks items as being computed and returns the places of those that were not before.
func (c *Cache[V]) claim(items []*Pending[V]) []int {
	mine := make([]int, 0, len(items))
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for i, item := range items {
		if item.state == idle {
			item.state, item.began = running, now
			mine = append(mine, i)
		}
	}
	return mine
}

// settle gives out values, or, when there are none, makes items wanted again. What is kept is
// in the store before it is out of the table, so that nobody who comes finds it in neither.
func (c *Cache[V]) settle(items []*Pending[V], mine []int, values []V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for n, at := range mine {
		item := items[at]
		if values == nil {
			item.state = idle
			for k := range item.calls {
				k.stir()
			}
			c.forget(item)
			continue
		}
		item.state, item.value = done, values[n]
		if item.keep && c.store != nil && (c.opts.Keep == nil || c.opts.Keep(item.value)) {
			c.store.set(item.key, item.value)
		}
		if c.pending[item.key] == item {
			delete(c.pending, item.key)
		}
		for k := range item.calls {
			k.times.add(item.began, now)
			k.got()
		}
	}
}

// got notes that an item is done.
func (k *call[V]) got() {
	if k.missing--; k.missing > 0 {
		return
	}
	k.stir()
	if k.answered != nil {
		k.answered()
	}
}
