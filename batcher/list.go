package batcher

// list is a doubly linked list whose nodes live in what they link, so that whatever leaves the
// queue leaves its lists in constant time.
type list[E any] struct {
	first, last *node[E]
	len         int
}

type node[E any] struct {
	value      E
	prev, next *node[E]
	in         *list[E] // nil while in no list
}

func (l *list[E]) pushBack(n *node[E]) { l.insertAfter(n, l.last) }

func (l *list[E]) pushFront(n *node[E]) { l.insertAfter(n, nil) }

// insertAfter puts n behind at, or first when at is nil.
func (l *list[E]) insertAfter(n, at *node[E]) {
	next := l.first
	if at != nil {
		next = at.next
		at.next = n
	} else {
		l.first = n
	}
	if next != nil {
		next.prev = n
	} else {
		l.last = n
	}
	n.prev, n.next, n.in = at, next, l
	l.len++
}

// remove takes n out; it does nothing when n is not in l.
func (l *list[E]) remove(n *node[E]) {
	if n.in != l {
		return
	}
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		l.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.last = n.prev
	}
	n.prev, n.next, n.in = nil, nil, nil
	l.len--
}

func (l *list[E]) moveToBack(n *node[E]) {
	l.remove(n)
	l.pushBack(n)
}
