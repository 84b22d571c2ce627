package batcher

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// put admits a caller at a time after epoch.
func put(q *queue, tag string, at time.Duration, sizes ...int) *caller {
	c := newCaller(context.Background(), Call{Tag: tag}, sizes)
	q.admit(c, c.cost(), epoch.Add(at), 0)
	return c
}

// picked are the sizes of the next batch in the order in which they were let in.
func picked(q *queue, at time.Duration) []int {
	b := q.pick(epoch.Add(at), nil)
	if b == nil {
		return nil
	}
	list := make([]int, len(b.items))
	for i, r := range b.items {
		list[i] = r.size()
	}
	return list
}

// from are the tags of a batch's items.
func from(b *batch) (tags string) {
	for _, r := range b.items {
		tags += r.caller.tag
	}
	return tags
}

func wide() limits {
	return limits{items: 100, cost: 100_000, ageing: time.Second, padding: 1}
}

func TestCompanionsAreTheNearestAtMostAsLongThenTheNearestLonger(t *testing.T) {
	q := newQueue(wide())
	put(&q, "a", 0, 50)
	put(&q, "b", 0, 48, 90, 30, 50, 55, 51, 49, 7)
	require.Equal(t, []int{50, 50, 49, 48, 30, 7, 51, 55, 90}, picked(&q, 0))
	require.Zero(t, q.items+q.cost+q.byAge.len+len(q.round.tags))
}

func TestCompanionsStopAtTheBudget(t *testing.T) {
	for name, tc := range map[string]struct {
		limits limits
		want   []int
	}{
		"items":         {limits{items: 3, cost: 1e6, padding: 1}, []int{50, 49, 40}},
		"cost":          {limits{items: 99, cost: 150, padding: 1}, []int{50, 49, 40}},
		"cost, longer":  {limits{items: 99, cost: 420, padding: 1}, []int{50, 49, 40, 20, 10, 60, 60}},
		"share":         {limits{items: 99, cost: 1e6, padding: 0.20}, []int{50, 49, 40, 60, 60}},
		"share, longer": {limits{items: 99, cost: 1e6, padding: 0.01}, []int{50, 49}},
		"all":           {limits{items: 99, cost: 1e6, padding: 1}, []int{50, 49, 40, 20, 10, 60, 60, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.limits.ageing = time.Hour
			q := newQueue(tc.limits)
			put(&q, "a", 0, 50)
			put(&q, "b", 0, 10, 20, 40, 49, 60, 60, 200)
			require.Equal(t, tc.want, picked(&q, 0))
		})
	}
}

func TestPaddingShareCountsWhatALongerOneCosts(t *testing.T) {
	l := wide()
	l.padding = 0.15
	q := newQueue(l)
	put(&q, "a", 0, 100, 100, 118) // 118 x 3 - 318 = 36, of 354
	require.Equal(t, []int{100, 100, 118}, picked(&q, 0))
	put(&q, "a", 0, 100, 100, 131) // 131 x 3 - 331 = 62, of 393: 15.8 %
	require.Equal(t, []int{100, 100}, picked(&q, 0))
}

func TestOversizedItemRunsAlone(t *testing.T) {
	l := wide()
	l.cost = 100
	q := newQueue(l)
	put(&q, "a", 0, 101, 101, 100, 60)
	require.Equal(t, []int{101}, picked(&q, 0))
	require.Equal(t, []int{101}, picked(&q, 2*time.Second))
	require.Equal(t, []int{100}, picked(&q, 0))
	require.Equal(t, []int{60}, picked(&q, 0))
	require.Nil(t, picked(&q, 0))
}

func TestEqualCompanionsInTurn(t *testing.T) {
	l := wide()
	l.items = 7
	q := newQueue(l)
	put(&q, "a", 0, 5, 5, 5, 5, 5, 5, 5, 5)
	put(&q, "b", 0, 5, 5, 5, 5)
	put(&q, "c", 0, 5, 5)
	require.Equal(t, "abcabca", from(q.pick(epoch, nil)))
	require.Equal(t, "babaaaa", from(q.pick(epoch, nil)))
}

func TestTurnsGoRoundTagsThenTheirCallers(t *testing.T) {
	l := wide()
	l.items = 1
	q := newQueue(l)
	first := put(&q, "a", 0, 1, 2, 3)
	second := put(&q, "a", 0, 10, 20)
	put(&q, "b", 0, 100, 200)
	put(&q, "c", 0, 1000)
	var order []int
	for q.items > 0 {
		order = append(order, picked(&q, 0)...)
	}
	require.Equal(t, []int{1, 100, 1000, 10, 200, 2, 20, 3}, order)
	require.Zero(t, first.waiting+second.waiting)
}

func TestNewcomersAreAheadOfWhoWasServed(t *testing.T) {
	l := wide()
	l.items = 1
	q := newQueue(l)
	put(&q, "big", 0, 1, 1, 1, 1)
	put(&q, "", 0, 1, 1, 1, 1)
	require.Equal(t, "big", from(q.pick(epoch, nil)))
	require.Equal(t, "", from(q.pick(epoch, nil)))
	put(&q, "x", 0, 1)
	require.Equal(t, "big", from(q.pick(epoch, nil)))
	require.Equal(t, "x", from(q.pick(epoch, nil)))
}

func TestAgedItemsAreAnchorsOldestFirst(t *testing.T) {
	l := wide()
	l.items = 1
	q := newQueue(l)
	put(&q, "a", 0, 1, 1, 1)
	put(&q, "a", time.Millisecond, 2)
	put(&q, "a", time.Millisecond, 3)
	put(&q, "b", time.Second, 4, 4, 4)
	require.Equal(t, []int{1}, picked(&q, time.Second)) // the round; nothing has waited longer than 1 s
	require.Equal(t, []int{4}, picked(&q, time.Second))
	require.Equal(t, []int{1}, picked(&q, time.Second+1)) // by age
	require.Equal(t, []int{4}, picked(&q, time.Second+1)) // the round
	require.Equal(t, []int{1}, picked(&q, time.Second+1)) // by age
	require.Equal(t, []int{4}, picked(&q, time.Second+1)) // the round
	require.Equal(t, []int{2}, picked(&q, 3*time.Second)) // by age, oldest first
	require.Equal(t, []int{3}, picked(&q, 3*time.Second))
}

func TestAgeMakesAnchorsAndLetsNothingPad(t *testing.T) {
	l := wide()
	l.padding, l.cost = 0.15, 1000
	q := newQueue(l)
	put(&q, "old", 0, 10)
	put(&q, "older", 0, 190, 195)
	put(&q, "new", time.Second, 100, 20, 99, 180)
	require.Equal(t, []int{10}, picked(&q, time.Second+1)) // by age
	require.Equal(t, []int{190, 180, 195}, picked(&q, time.Second+1))
	require.Equal(t, []int{100, 99}, picked(&q, time.Second+1))
	require.Equal(t, []int{20}, picked(&q, time.Second+1))
}

// A long rerank that has aged must not ride in a short text's batch.
func TestALongCallerDoesNotStretchAShortOnesBatch(t *testing.T) {
	l := wide()
	l.items, l.padding, l.cost = 4, 0.15, 1000
	q := newQueue(l)
	put(&q, "rerank", 0, slices.Repeat([]int{250}, 40)...)
	for now := range 5 {
		at := time.Duration(now) * time.Second * 3 / 4
		require.Equal(t, []int{250, 250, 250, 250}, picked(&q, at))
		put(&q, "query", at, 16)
		require.Equal(t, []int{16}, picked(&q, at+time.Second/2), "alone, as it came")
	}
}

func TestLostCallersAreDroppedByThePick(t *testing.T) {
	for _, first := range []bool{true, false} { // where they are companions, or each of them the next anchor
		q := newQueue(wide())
		if first {
			put(&q, "d", 0, 5)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		canceled := newCaller(ctx, Call{Tag: "a"}, []int{5, 6})
		q.admit(canceled, 11, epoch, 0)
		overdue := newCaller(t.Context(), Call{Tag: "b"}, []int{5, 6})
		overdue.deadline = epoch.Add(time.Second)
		q.admit(overdue, 11, epoch, 0)
		expired := newCaller(t.Context(), Call{Tag: "c"}, []int{5, 6})
		q.admit(expired, 11, epoch, time.Second)
		if !first {
			put(&q, "d", 0, 5)
		}
		require.Equal(t, []int{5}, picked(&q, time.Second))
		require.ErrorIs(t, canceled.failure, context.Canceled)
		require.ErrorIs(t, overdue.failure, context.DeadlineExceeded)
		require.ErrorIs(t, expired.failure, ErrQueueTimeout)
		require.Zero(t, q.items+q.cost)
	}
}

// A rerank of 1,000 documents, all long aged, of the same key or another one.
func TestManyItemsDelayOneByOneBatch(t *testing.T) {
	for _, tag := range []string{"rerank", "query"} {
		t.Run(tag, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEngine()
				opts := options()
				opts.MaxQueuedItems, opts.MaxQueuedCost, opts.Ageing = 5000, 1e6, time.Second
				b := start(t, e, opts)
				documents := make([]piece, 1000)
				for i := range documents {
					documents[i] = piece{size: 100 + i%28, id: i}
				}
				rerank := send(b, Call{Tag: "rerank"}, documents...)
				pass(10*time.Second + time.Second/2)
				for range 10 {
					query := send(b, Call{Tag: tag}, piece{size: 10, id: 1})
					pass(2 * time.Second)
					require.True(t, query.done)
					require.Equal(t, time.Second/2+time.Second, query.took)
				}
				require.NoError(t, b.Close())
				synctest.Wait()
				require.NoError(t, rerank.err)
			})
		})
	}
}

// A key with 500 requests that have all aged, beside one with a single request.
func TestManyCallersOfATagCountAsOne(t *testing.T) {
	for before := range 4 {
		l := wide()
		l.items = 4
		q := newQueue(l)
		for range 500 {
			put(&q, "many", 0, 100)
		}
		for range before {
			q.pick(epoch.Add(time.Minute), nil)
		}
		put(&q, "one", time.Minute, 10)
		tags := from(q.pick(epoch.Add(time.Minute), nil)) + from(q.pick(epoch.Add(time.Minute), nil))
		require.Contains(t, tags, "one")
	}
}

// reference picks companions the slow and obvious way, of sizes that have not aged.
func reference(l limits, anchor int, waiting []int) []int {
	chosen, sum, longest := []int{anchor}, anchor, anchor
	slices.SortFunc(waiting, func(a, b int) int {
		if (a <= anchor) != (b <= anchor) {
			return map[bool]int{true: -1, false: 1}[a <= anchor]
		}
		return max(a-anchor, anchor-a) - max(b-anchor, anchor-b)
	})
	for _, s := range waiting {
		n, top := len(chosen)+1, max(longest, s)
		if n > l.items || n*top > l.cost || float64(n*top-sum-s) > l.padding*float64(n*top) {
			continue // never lets a later one in on its own side of the anchor
		}
		chosen, sum, longest = append(chosen, s), sum+s, top
	}
	return chosen
}

func TestPickAgainstReference(t *testing.T) {
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := limits{items: 1 + r.IntN(20), cost: 1 + r.IntN(400), ageing: time.Hour, padding: []float64{0.05, 0.15, 0.5, 1}[r.IntN(4)]}
		q := newQueue(l)
		var waiting []int
		for range 1 + r.IntN(6) {
			sizes := make([]int, 1+r.IntN(15))
			for i := range sizes {
				sizes[i] = 1 + r.IntN(40)
			}
			put(&q, fmt.Sprint(r.IntN(3)), 0, sizes...)
			waiting = append(waiting, sizes...)
		}
		for len(waiting) > 0 {
			got := picked(&q, 0)
			rest := slices.Clone(waiting)
			i := slices.Index(rest, got[0])
			require.GreaterOrEqual(t, i, 0, "seed %d", seed)
			rest = slices.Delete(rest, i, i+1)
			require.Equal(t, reference(l, got[0], rest), got, "seed %d", seed)
			for _, s := range got {
				i := slices.Index(waiting, s)
				waiting = slices.Delete(waiting, i, i+1)
			}
		}
		require.Zero(t, q.items+q.cost+q.byAge.len+len(q.round.tags))
	}
}
