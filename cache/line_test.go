package cache

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func keyOf(i int) (k Key) {
	binary.LittleEndian.PutUint64(k[:], uint64(i)+1)
	return k
}

func keysOf(items ...int) []Key {
	keys := make([]Key, len(items))
	for i, item := range items {
		keys[i] = keyOf(item)
	}
	return keys
}

func valueOf(k Key) float64 { return 1.5 * float64(binary.LittleEndian.Uint64(k[:])) }

func newCache(t testing.TB, opts Options[float64]) *Cache[float64] {
	t.Helper()
	if opts.Bytes > 0 && opts.Size == nil {
		opts.Size = func(float64) int { return 8 }
	}
	c, err := New(opts)
	require.NoError(t, err)
	return c
}

var (
	errRefused = errors.New("refused")
	errRun     = errors.New("the run failed")
)

// line is what callers stand in: runners take up to batch waiting items of any callers and
// compute them. It counts how often each key is computed, and by how many at once.
type line struct {
	c     *Cache[float64]
	batch int
	// takes is how long a run takes; fails, when not nil, says whether it fails.
	takes func() time.Duration
	fails func() bool
	pick  func(n int) int // of n waiting items

	mu       sync.Mutex
	waiting  []ticket
	wake     chan struct{}
	computed map[Key]int
	now      map[Key]int
	most     int // runs of one shared item at once
}

type ticket struct {
	item *Pending[float64]
	of   *visit
}

// visit is one submission.
type visit struct {
	left int
	err  error
	over chan struct{}
}

func newLine(c *Cache[float64]) *line {
	return &line{c: c, batch: 4, takes: func() time.Duration { return time.Second }, pick: func(int) int { return 0 },
		wake: make(chan struct{}, 1000), computed: map[Key]int{}, now: map[Key]int{}}
}

// submit is a Submit.
func (l *line) submit(ctx context.Context, items []*Pending[float64], _ []int) error {
	v := &visit{left: len(items), over: make(chan struct{})}
	l.mu.Lock()
	for _, item := range items {
		l.waiting = append(l.waiting, ticket{item, v})
	}
	l.mu.Unlock()
	l.wake <- struct{}{}
	select {
	case <-v.over:
		return v.err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		kept := l.waiting[:0]
		for _, t := range l.waiting {
			if t.of != v {
				kept = append(kept, t)
			}
		}
		l.waiting = kept
		return ctx.Err()
	}
}

// serve runs batches until ctx ends.
func (l *line) serve(ctx context.Context) {
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		for l.run() {
		}
	}
}

func (l *line) take() (batch []ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(batch) < l.batch && len(l.waiting) > 0 {
		i := l.pick(len(l.waiting))
		batch = append(batch, l.waiting[i])
		l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
	}
	return batch
}

func (l *line) run() bool {
	batch := l.take()
	items := make([]*Pending[float64], len(batch))
	for i, t := range batch {
		items[i] = t.item
	}
	err := l.c.Run(items, func(at []int) ([]float64, error) { return l.compute(items, at) })
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range batch {
		if err != nil && t.of.err == nil {
			t.of.err = err
		}
		if t.of.left--; t.of.left == 0 {
			close(t.of.over)
		}
	}
	return len(batch) > 0
}

func (l *line) compute(items []*Pending[float64], at []int) ([]float64, error) {
	l.count(items, at, 1)
	defer l.count(items, at, -1)
	time.Sleep(l.takes())
	if l.fails != nil && l.fails() {
		return nil, errRun
	}
	values := make([]float64, len(at))
	for n, i := range at {
		values[n] = valueOf(items[i].key)
	}
	return values, nil
}

func (l *line) count(items []*Pending[float64], at []int, by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range at {
		if items[i].fresh {
			continue
		}
		key := items[i].key
		l.now[key] += by
		l.most = max(l.most, l.now[key])
		if by > 0 {
			l.computed[key]++
		}
	}
}

// total is how many items were computed.
func (l *line) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, times := range l.computed {
		n += times
	}
	return n
}
