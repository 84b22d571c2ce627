package batcher

import "slices"

// bucket holds the waiting items of one size: a ring of callers that take turns.
type bucket struct {
	size int
	ring list[*group]
}

// group is a caller's items of one size.
type group struct {
	caller  *caller
	size    int
	members []int // places in caller.items, ascending
	first   int   // no member before it waits
	waiting int
	bucket  *bucket
	link    node[*group]
}

// head is the place of the first waiting member.
func (g *group) head() int {
	for g.caller.items[g.members[g.first]].taken {
		g.first++
	}
	return g.members[g.first]
}

// index finds waiting items by size. Emptied buckets stay until they are an eighth of all, so
// that a caller that leaves seldom pays for moving the others, and a pick passes over few.
type index struct {
	buckets []*bucket // by size, ascending
	empty   int
}

// above returns the place of the first bucket of more than size.
func (ix *index) above(size int) int {
	i, found := ix.find(size)
	if found {
		i++
	}
	return i
}

func (ix *index) find(size int) (int, bool) {
	return slices.BinarySearchFunc(ix.buckets, size, func(b *bucket, size int) int { return b.size - size })
}

// add links groups, which are in ascending order of size.
func (ix *index) add(groups []group) {
	missing := 0
	for i := range groups {
		g := &groups[i]
		if at, ok := ix.find(g.size); ok {
			g.bucket = ix.buckets[at]
		} else {
			g.bucket = &bucket{size: g.size}
			missing++
		}
	}
	ix.merge(groups, missing)
	for i := range groups {
		ix.link(&groups[i])
	}
}

// merge makes room for all new buckets in one pass, from the end.
func (ix *index) merge(groups []group, missing int) {
	ix.empty += missing
	old := len(ix.buckets) - 1
	ix.buckets = slices.Grow(ix.buckets, missing)[:len(ix.buckets)+missing]
	to := len(ix.buckets) - 1
	for i := len(groups) - 1; to > old; {
		switch b := groups[i].bucket; {
		case old >= 0 && ix.buckets[old].size > b.size:
			ix.buckets[to] = ix.buckets[old]
			old--
			to--
		case old >= 0 && ix.buckets[old] == b:
			i--
		default:
			ix.buckets[to] = b
			to--
			i--
		}
	}
}

func (ix *index) link(g *group) {
	if g.bucket.ring.len == 0 {
		ix.empty--
	}
	g.bucket.ring.pushBack(&g.link)
}

func (ix *index) unlink(g *group) {
	g.bucket.ring.remove(&g.link)
	if g.bucket.ring.len == 0 {
		ix.empty++
	}
}

// relink links a group that had been unlinked, ahead of the others.
func (ix *index) relink(g *group) {
	at, ok := ix.find(g.size)
	if !ok {
		ix.buckets = slices.Insert(ix.buckets, at, &bucket{size: g.size})
		ix.empty++
	}
	g.bucket = ix.buckets[at]
	if g.bucket.ring.len == 0 {
		ix.empty--
	}
	g.bucket.ring.pushFront(&g.link)
}

// compact drops empty buckets once they are too many.
func (ix *index) compact() {
	if 8*ix.empty > len(ix.buckets) {
		ix.buckets = slices.DeleteFunc(ix.buckets, func(b *bucket) bool { return b.ring.len == 0 })
		ix.empty = 0
	}
}
