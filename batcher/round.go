package batcher

// line is where turns are waited for. Whoever had a turn goes back to the end when the next
// one is given, not before: those who come in between are ahead of it. So a caller of many
// items never delays a newcomer by more than the batch that is running.
type line[E any] struct {
	waiting list[E]
	served  *node[E]
}

// next is whose turn it is; nil when nobody waits.
func (l *line[E]) next() *node[E] {
	l.requeue()
	return l.waiting.first
}

// serve records that n had a turn.
func (l *line[E]) serve(n *node[E]) {
	l.requeue()
	l.waiting.remove(n)
	l.served = n
}

func (l *line[E]) requeue() {
	if l.served != nil {
		l.waiting.pushBack(l.served)
		l.served = nil
	}
}

func (l *line[E]) remove(n *node[E]) {
	if l.served == n {
		l.served = nil
		return
	}
	l.waiting.remove(n)
}

func (l *line[E]) empty() bool { return l.waiting.len == 0 && l.served == nil }

// tagLine is the line of one tag's callers; it stands itself in the line of tags.
type tagLine struct {
	callers line[*caller]
	turn    node[*tagLine]
	left    int // sum of the sizes that wait
}

// round gives turns to tags, and within a tag to its callers.
type round struct {
	tags  map[string]*tagLine
	order line[*tagLine]
}

func (r *round) join(c *caller) {
	c.line = r.lineOf(c.tag)
	c.line.callers.waiting.pushBack(&c.turn)
}

// rejoin puts a caller whose items were given back ahead of the others.
func (r *round) rejoin(c *caller) {
	c.line = r.lineOf(c.tag)
	c.line.callers.waiting.pushFront(&c.turn)
}

func (r *round) lineOf(tag string) *tagLine {
	t := r.tags[tag]
	if t == nil {
		t = &tagLine{}
		t.turn.value = t
		r.tags[tag] = t
		r.order.waiting.pushBack(&t.turn)
	}
	return t
}

func (r *round) leave(c *caller) {
	t := r.tags[c.tag]
	t.callers.remove(&c.turn)
	if t.callers.empty() {
		r.order.remove(&t.turn)
		delete(r.tags, c.tag)
	}
}

// next is the caller whose turn it is; nil when nobody waits.
func (r *round) next() *caller {
	t := r.order.next()
	if t == nil {
		return nil
	}
	return t.value.callers.next().value
}

// serve records that c had a turn, and with it its tag.
func (r *round) serve(c *caller) {
	t := r.tags[c.tag]
	r.order.serve(&t.turn)
	t.callers.serve(&c.turn)
}
