package batcher

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// piece is an item of tests: its size, and what tells it from others. Its result is 10 x id.
type piece struct{ size, id int }

func pieceSize(p piece) int { return p.size }

func pieces(sizes ...int) []piece {
	list := make([]piece, len(sizes))
	for i, s := range sizes {
		list[i] = piece{size: s, id: i}
	}
	return list
}

func sizesOf(items []piece) []int {
	list := make([]int, len(items))
	for i, p := range items {
		list[i] = p.size
	}
	return list
}

// engine is a run function that takes a second, notes what it was given and when, and does
// what a test's hook says.
type engine struct {
	mu      sync.Mutex
	began   time.Time
	batches [][]int // sizes
	ids     [][]int
	at      []time.Duration
	took    time.Duration
	hook    func(ctx context.Context, n int, items []piece) error
}

func newEngine() *engine { return &engine{began: time.Now(), took: time.Second} }

func (e *engine) run(ctx context.Context, items []piece) ([]int, error) {
	e.mu.Lock()
	n := len(e.batches)
	e.batches = append(e.batches, sizesOf(items))
	results := make([]int, len(items))
	ids := make([]int, len(items))
	for i, p := range items {
		results[i], ids[i] = 10*p.id, p.id
	}
	e.ids = append(e.ids, ids)
	e.at = append(e.at, time.Since(e.began))
	e.mu.Unlock()
	if e.hook != nil {
		if err := e.hook(ctx, n, items); err != nil {
			return nil, err
		}
	}
	time.Sleep(e.took)
	return results, nil
}

// sorted are the sizes of each batch, ascending.
func (e *engine) sorted() [][]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([][]int, len(e.batches))
	for i, b := range e.batches {
		list[i] = slices.Sorted(slices.Values(b))
	}
	return list
}

func options() Options[piece] {
	return Options[piece]{Size: pieceSize, MaxItems: 8, MaxCost: 1000, MaxQueuedItems: 100, MaxQueuedCost: 10_000, Ageing: time.Hour}
}

func start(t *testing.T, e *engine, opts Options[piece]) *Batcher[piece, int] {
	t.Helper()
	b, err := New(e.run, opts)
	require.NoError(t, err)
	return b
}

// answer is what a Do gave, and when.
type answer struct {
	res  Result[int]
	err  error
	done bool
	took time.Duration
}

// send calls Do and returns when it waits or has returned.
func send(b *Batcher[piece, int], call Call, items ...piece) *answer {
	return sendUntil(context.Background(), b, call, items...)
}

func sendUntil(ctx context.Context, b *Batcher[piece, int], call Call, items ...piece) *answer {
	a := &answer{}
	go func() {
		began := time.Now()
		a.res, a.err = b.Do(ctx, call, items)
		a.done, a.took = true, time.Since(began)
	}()
	synctest.Wait()
	return a
}

// queued is a batcher whose only runner is busy for a second with a piece of size 1, so that a
// test sees the batches formed of what it sends: from e.batches[1] on.
func queued(t *testing.T, opts Options[piece]) (*Batcher[piece, int], *engine) {
	t.Helper()
	e := newEngine()
	b := start(t, e, opts)
	send(b, Call{Tag: "plug"}, piece{1, 0})
	return b, e
}

// times are the starts of the batches so far.
func (e *engine) times() []time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.at)
}

// pass lets virtual time pass, and all that is due until then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
