package batcher

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// caller is one Do as the queue sees it.
type caller struct {
	tag      string
	gone     func() bool
	err      func() error // of the caller's context
	deadline time.Time    // of the caller's context; zero: none
	job      any          // the *job that holds inputs and values

	items  []item
	groups []group // ascending by size

	seq      uint64 // order of admission
	admitted time.Time
	expires  time.Time // when the queue timeout ends; zero: never
	head     int       // no item before it waits
	waiting  int       // items in the queue
	left     int       // sum of their sizes
	line     *tagLine  // of its tag, while items wait
	open     int       // items not answered yet

	// firstStart is zero until an item was started.
	firstStart, lastEnd time.Time
	longestWait         time.Duration

	ended   bool
	failure error         // why it ended; nil: answered
	done    chan struct{} // closed when ended

	lastBatch uint64 // id of the last batch that an item was added to
	age       node[*caller]
	turn      node[*caller]
}

// item is one item as the queue sees it.
type item struct {
	size  int
	group int // place in caller.groups
	taken bool
}

// ref names an item of a caller.
type ref struct {
	caller *caller
	at     int
}

func (r ref) size() int { return r.caller.items[r.at].size }

// newCaller sorts sizes into groups, so that admission has little to do under the lock.
func newCaller(ctx context.Context, call Call, sizes []int) *caller {
	c := &caller{
		tag: call.Tag, gone: call.Gone, err: ctx.Err,
		items: make([]item, len(sizes)), open: len(sizes), done: make(chan struct{}),
	}
	c.deadline, _ = ctx.Deadline()
	c.age.value, c.turn.value = c, c
	order := make([]int, len(sizes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(sizes[a], sizes[b]) })
	distinct := 1
	for i := 1; i < len(order); i++ {
		if sizes[order[i]] != sizes[order[i-1]] {
			distinct++
		}
	}
	c.groups = make([]group, 0, distinct)
	for start := 0; start < len(order); {
		size, end := sizes[order[start]], start+1
		for end < len(order) && sizes[order[end]] == size {
			end++
		}
		c.addGroup(size, order[start:end])
		start = end
	}
	return c
}

func (c *caller) addGroup(size int, members []int) {
	for _, at := range members {
		c.items[at] = item{size: size, group: len(c.groups)}
	}
	c.groups = append(c.groups, group{caller: c, size: size, members: members})
	g := &c.groups[len(c.groups)-1]
	g.link.value = g
}

func (c *caller) cost() int {
	sum := 0
	for i := range c.groups {
		sum += c.groups[i].size * len(c.groups[i].members)
	}
	return sum
}

// next is the place of the first waiting item.
func (c *caller) next() int {
	for c.items[c.head].taken {
		c.head++
	}
	return c.head
}

// lost says why nobody waits for c any more, as far as the clock and its context tell.
func (c *caller) lost(now time.Time) error {
	if err := c.err(); err != nil {
		return contextError(err)
	}
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		return contextError(context.DeadlineExceeded)
	}
	if c.firstStart.IsZero() && !c.expires.IsZero() && !now.Before(c.expires) {
		return ErrQueueTimeout
	}
	return nil
}

func contextError(err error) error { return fmt.Errorf("batcher: the caller's context ended: %w", err) }

// errGone is what a caller gets, if it still listens, whose Gone reported true.
var errGone = fmt.Errorf("batcher: the caller is gone: %w", context.Canceled)

// end settles c, once: what waits of it leaves the queue, and its Do returns.
func (q *queue) end(c *caller, failure error) {
	if c.ended {
		return
	}
	q.withdraw(c)
	c.ended, c.failure = true, failure
	close(c.done)
}

// queue holds what waits. It is not safe for concurrent use: the batcher's lock guards it and
// the callers in it.
//
// Invariant: a caller is in byAge, in the round, and, with each group that has waiting items,
// in the index, exactly as long as it has waiting items.
type queue struct {
	limits limits
	items  int
	cost   int // sum of sizes

	byAge list[*caller] // in order of admission
	round round
	index index
	seq   uint64 // of the last caller

	batches uint64 // made so far

	// How the last anchor was found; see anchor.
	lastAnchor uint64 // its caller's seq
	lastByAge  bool
}

func newQueue(l limits) queue {
	return queue{limits: l, round: round{tags: map[string]*tagLine{}}}
}

// admit puts all of a caller's items in.
func (q *queue) admit(c *caller, cost int, now time.Time, timeout time.Duration) {
	q.seq++
	c.seq, c.admitted = q.seq, now
	if timeout > 0 {
		c.expires = now.Add(timeout)
	}
	c.waiting = len(c.items)
	for i := range c.groups {
		c.groups[i].waiting = len(c.groups[i].members)
	}
	q.items += c.waiting
	q.cost += cost
	q.byAge.pushBack(&c.age)
	q.round.join(c)
	c.weigh(cost)
	q.index.add(c.groups)
}

// take takes one waiting item out.
func (q *queue) take(r ref) {
	c := r.caller
	it := &c.items[r.at]
	g := &c.groups[it.group]
	it.taken = true
	q.items--
	q.cost -= it.size
	c.weigh(-it.size)
	if g.waiting--; g.waiting == 0 {
		q.index.unlink(g)
	} else {
		g.bucket.ring.moveToBack(&g.link)
	}
	if c.waiting--; c.waiting == 0 {
		q.leave(c)
	}
}

// giveBack undoes take for an item that was not run after all.
func (q *queue) giveBack(r ref) {
	c := r.caller
	it := &c.items[r.at]
	g := &c.groups[it.group]
	it.taken = false
	q.items++
	q.cost += it.size
	c.head, g.first = min(c.head, r.at), 0
	if g.waiting++; g.waiting == 1 {
		q.index.relink(g)
	}
	if c.waiting++; c.waiting == 1 {
		q.round.rejoin(c)
		q.reage(c)
	}
	c.weigh(it.size)
}

// weigh counts size that comes to wait.
func (c *caller) weigh(size int) {
	c.left += size
	c.line.left += size
}

// reage puts c back in its place in the order of admission, which is near the front.
func (q *queue) reage(c *caller) {
	var before *node[*caller]
	for n := q.byAge.first; n != nil && n.value.seq < c.seq; n = n.next {
		before = n
	}
	q.byAge.insertAfter(&c.age, before)
}

// withdraw takes all of a caller's waiting items out.
func (q *queue) withdraw(c *caller) {
	if c.waiting == 0 {
		return
	}
	for i := range c.groups {
		if g := &c.groups[i]; g.waiting > 0 {
			q.cost -= g.waiting * g.size
			g.waiting = 0
			q.index.unlink(g)
		}
	}
	q.items -= c.waiting
	c.waiting = 0
	c.weigh(-c.left)
	q.leave(c)
}

func (q *queue) leave(c *caller) {
	q.byAge.remove(&c.age)
	q.round.leave(c)
}

// oldest is how long the oldest waiting item has waited; 0 when nothing waits.
func (q *queue) oldest(now time.Time) time.Duration {
	if q.byAge.first == nil {
		return 0
	}
	return now.Sub(q.byAge.first.value.admitted)
}
