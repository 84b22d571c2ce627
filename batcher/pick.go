package batcher

import "time"

// batch is a set of items that run together: the anchor first, then its companions.
type batch struct {
	id      uint64
	items   []ref
	callers []*caller // each once
	longest int
	size    int // sum of sizes
	started time.Time
	repeat  bool
	full    bool // it says something of the capacity
}

// batchOf makes a batch, of which there will be room for so many items. Like add, it needs
// the lock.
func (q *queue) batchOf(room int, items ...ref) *batch {
	q.batches++
	b := &batch{id: q.batches, items: make([]ref, 0, room)}
	for _, r := range items {
		b.add(r)
	}
	return b
}

func (b *batch) add(r ref) {
	b.items = append(b.items, r)
	b.longest = max(b.longest, r.size())
	b.size += r.size()
	if r.caller.lastBatch != b.id {
		r.caller.lastBatch = b.id
		b.callers = append(b.callers, r.caller)
	}
}

func (b *batch) cost() int { return b.longest * len(b.items) }

// pick forms a batch of what waits, nil when nothing does. kept, when not nil, is an anchor
// that an earlier pick has taken out of the queue already.
func (q *queue) pick(now time.Time, kept *ref) *batch {
	var anchor ref
	if kept != nil {
		anchor = *kept
		if anchor.caller.waiting > 0 {
			q.round.serve(anchor.caller)
		}
	} else {
		var ok bool
		if anchor, ok = q.anchor(now); !ok {
			return nil
		}
		q.take(anchor)
	}
	p := picker{queue: q, now: now, batch: q.batchOf(min(q.limits.items, q.items+1), anchor)}
	p.fill()
	q.index.compact()
	return p.batch
}

// anchor chooses the item that is in the next batch whatever else is, and gives its caller the
// turn: the oldest item that has waited longer than the ageing limit, else the head of the next
// caller in the round.
//
// Age goes first only every other time, and not for the caller that had the last turn. Under a
// backlog of more than the ageing limit everything is aged; were age always first, one caller's
// thousand items would hold up every other caller until they are done, and the round would rule
// only when there is no need for it. So the oldest item is still reached at every second batch.
func (q *queue) anchor(now time.Time) (ref, bool) {
	for {
		c, byAge := q.nextCaller(now)
		if c == nil {
			return ref{}, false
		}
		if err := c.lost(now); err != nil {
			q.end(c, err)
			continue
		}
		q.round.serve(c)
		q.lastAnchor, q.lastByAge = c.seq, byAge
		return ref{c, c.next()}, true
	}
}

func (q *queue) nextCaller(now time.Time) (c *caller, byAge bool) {
	oldest := q.byAge.first
	if oldest != nil && !q.lastByAge && oldest.value.seq != q.lastAnchor && q.aged(oldest.value, now) {
		return oldest.value, true
	}
	return q.round.next(), false
}

func (q *queue) aged(c *caller, now time.Time) bool { return now.Sub(c.admitted) > q.limits.ageing }

// picker adds companions to an anchor.
type picker struct {
	queue *queue
	now   time.Time
	batch *batch
}

// fill adds what is at most as long as the anchor, nearest first, then what is longer, nearest
// first. Each way it goes on until nothing further that way could be let in.
func (p *picker) fill() {
	buckets := p.queue.index.buckets
	above := p.queue.index.above(p.batch.longest)
	for i := above - 1; i >= 0 && p.fromBucket(buckets[i]); i-- {
	}
	for i := above; i < len(buckets) && p.fromBucket(buckets[i]); i++ {
	}
}

// fromBucket lets in what it can of one size, callers in turn, and reports whether a size
// further away may be let in still.
func (p *picker) fromBucket(b *bucket) bool {
	for took := true; took; {
		took = false
		g := b.ring.first
		for left := b.ring.len; left > 0; left-- {
			next := g.next // of another caller, so it stays linked whatever becomes of g
			if !p.inBudget(b.size) || !p.inShare(b.size) {
				return false
			}
			took = p.consider(g.value) || took
			g = next
		}
	}
	return p.inBudget(b.size)
}

// consider lets one item of g in, if it may.
func (p *picker) consider(g *group) bool {
	c := g.caller
	if err := c.lost(p.now); err != nil {
		p.queue.end(c, err)
		return false
	}
	r := ref{c, g.head()}
	p.queue.take(r)
	p.batch.add(r)
	return true
}

// inBudget reports whether an item of size may join as far as items and padded cost go. It is
// false for every further size the same way, once it is for one.
func (p *picker) inBudget(size int) bool {
	n := len(p.batch.items) + 1
	return n <= p.queue.limits.items && n*max(p.batch.longest, size) <= p.queue.limits.cost
}

// inShare reports whether the batch stays within its share of padding when an item of size
// joins.
func (p *picker) inShare(size int) bool {
	cost := (len(p.batch.items) + 1) * max(p.batch.longest, size)
	padding := cost - p.batch.size - size
	return float64(padding) <= p.queue.limits.padding*float64(cost)
}
