package batcher

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// logNormal is a length in tokens as mixed texts have them: median 60, at most 512.
func logNormal(r *rand.Rand) int {
	return min(1+int(60*math.Exp(0.7*r.NormFloat64())), 512)
}

// BenchmarkPick forms a batch out of 8,192 waiting items and admits as many again.
func BenchmarkPick(b *testing.B) {
	for _, bm := range []struct {
		name      string
		perCaller int
		size      func(*rand.Rand) int
		age       time.Duration // of the older half
		cost      int
	}{
		{"single items", 1, logNormal, 0, 16384},
		{"single items, half aged", 1, logNormal, time.Minute, 16384},
		{"reranks of 100", 100, logNormal, 0, 16384},
		{"reranks of 1000, half aged", 1000, logNormal, time.Minute, 16384},
		{"all sizes differ", 1, func(r *rand.Rand) int { return 1 + r.IntN(1<<20) }, 0, 1 << 30},
		{"all sizes differ, half aged", 1, func(r *rand.Rand) int { return 1 + r.IntN(1<<20) }, time.Minute, 1 << 30},
	} {
		b.Run(bm.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			q := newQueue(limits{items: 256, cost: bm.cost, ageing: time.Second, padding: 0.15})
			now := epoch
			admit := func(at time.Time) {
				sizes := make([]int, bm.perCaller)
				for i := range sizes {
					sizes[i] = bm.size(r)
				}
				c := newCaller(context.Background(), Call{Tag: fmt.Sprint(r.IntN(8))}, sizes)
				q.admit(c, c.cost(), at, 0)
			}
			for q.items < 8192 {
				at := now
				if q.items < 4096 {
					at = now.Add(-bm.age)
				}
				admit(at)
			}
			var picks time.Duration
			items, padded, size, batches := 0, 0, 0, 0
			for b.Loop() {
				began := time.Now()
				batch := q.pick(now, nil)
				picks += time.Since(began)
				batches++
				items, padded, size = items+len(batch.items), padded+batch.cost(), size+batch.size
				for q.items < 8192 {
					admit(now)
				}
			}
			b.ReportMetric(float64(picks.Microseconds())/float64(batches), "µs/pick")
			b.ReportMetric(float64(items)/float64(batches), "items/batch")
			b.ReportMetric(100*float64(padded-size)/float64(padded), "%padding")
		})
	}
}

// BenchmarkAhead is what a forecast costs under the lock, behind 8,192 callers.
func BenchmarkAhead(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	q := newQueue(limits{items: 256, cost: 16384, ageing: time.Second, padding: 0.15})
	for range 8192 {
		c := newCaller(context.Background(), Call{Tag: fmt.Sprint(r.IntN(8))}, []int{logNormal(r)})
		q.admit(c, c.cost(), epoch, 0)
	}
	c := newCaller(context.Background(), Call{Tag: "0"}, []int{60})
	for b.Loop() {
		if q.ahead(c, 60) == 0 {
			b.Fatal("nothing is ahead")
		}
	}
}

// BenchmarkDo is the cost of sharing: callers of one item, and a run that takes no time.
func BenchmarkDo(b *testing.B) {
	batcher, err := New(func(_ context.Context, items []piece) ([]int, error) { return make([]int, len(items)), nil },
		Options[piece]{Size: pieceSize, MaxItems: 256, MaxCost: 16384, MaxQueuedItems: 8192, MaxQueuedCost: 1 << 20, QueueTimeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		item := []piece{{size: 16}}
		for pb.Next() {
			if _, err := batcher.Do(context.Background(), Call{}, item); err != nil {
				b.Error(err)
			}
		}
	})
	_ = batcher.Close()
}
