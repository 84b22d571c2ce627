package batcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// seen is a batcher of 1,000 a batch whose runs take a second; it has seen enough of them, and
// nothing runs or waits.
func seen(t *testing.T, change func(*Options[piece])) (*Batcher[piece, int], *engine) {
	t.Helper()
	e, opts := newEngine(), options()
	if change != nil {
		change(&opts)
	}
	b := start(t, e, opts)
	for range enoughRuns {
		send(b, Call{}, pieces(500, 500)...)
		pass(time.Second)
	}
	require.Zero(t, b.Stats().Items+b.Stats().Running)
	return b, e
}

// within calls Do with a deadline so far from now.
func within(t *testing.T, b *Batcher[piece, int], left time.Duration, tag string, items ...piece) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), left)
	t.Cleanup(cancel)
	return sendUntil(ctx, b, Call{Tag: tag}, items...)
}

func requireLate(t *testing.T, a *answer, want TooLateError) {
	t.Helper()
	require.True(t, a.done)
	require.Zero(t, a.took)
	var late *TooLateError
	require.ErrorAs(t, a.err, &late)
	require.ErrorIs(t, a.err, ErrTooLate)
	require.Equal(t, want, *late)
}

func many(n, size int) []piece {
	list := make([]piece, n)
	for i := range list {
		list[i] = piece{size: size, id: i}
	}
	return list
}

func TestNothingIsForetoldOfTheUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine()
		b := start(t, e, options())
		for range 20 {
			send(b, Call{}, pieces(30)...) // small runs do not tell what large ones take
			pass(time.Second)
		}
		a := within(t, b, time.Second/2, "a", pieces(500, 500, 500, 500)...)
		pass(time.Second)
		require.ErrorIs(t, a.err, context.DeadlineExceeded)
		require.NoError(t, b.Close())
	})
}

func TestARequestThatIsTooLargeForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := seen(t, nil)
		requireLate(t, within(t, b, time.Second, "a", pieces(500, 500, 500, 500)...),
			TooLateError{Predicted: 2 * time.Second, Alone: 2 * time.Second, Left: time.Second, RetryAfter: time.Second})
		require.EqualValues(t, 1, b.Stats().TooLate)
		within(t, b, 1400*time.Millisecond, "a", pieces(500, 500, 500, 500)...)
		require.EqualValues(t, 1, b.Stats().TooLate, "only clear cases are refused")
		send(b, Call{}, many(20, 500)...)
		require.EqualValues(t, 1, b.Stats().TooLate, "whoever has no deadline is never too late")
		require.NoError(t, b.Close())
	})
}

// The wait is that of the turn: a small caller is not behind all of a large one's items, and one
// of another tag not behind all callers of a tag.
func TestTurnsAreForetold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := seen(t, func(o *Options[piece]) { o.MaxQueuedCost = 100_000 })
		send(b, Call{Tag: "a"}, many(80, 500)...) // 40 s, of which one batch runs
		within(t, b, 2*time.Second, "b", pieces(500)...)
		within(t, b, 2*time.Second, "a", pieces(500)...)
		require.Zero(t, b.Stats().TooLate)
		requireLate(t, within(t, b, 2*time.Second, "b", many(6, 500)...),
			TooLateError{Predicted: 8 * time.Second, Alone: 3 * time.Second, Left: 2 * time.Second, RetryAfter: 6 * time.Second})
		require.NoError(t, b.Close())
	})
}

// Many callers of a tag count as one to another tag, and all of them to their own.
func TestTagsAreForetold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := seen(t, func(o *Options[piece]) { o.MaxQueuedCost = 100_000 })
		for range 41 {
			send(b, Call{Tag: "a"}, pieces(1000)...) // 1 s each
		}
		other := within(t, b, 3500*time.Millisecond, "b", pieces(1000)...)
		require.Zero(t, b.Stats().TooLate)
		requireLate(t, within(t, b, 20*time.Second, "a", pieces(1000)...),
			TooLateError{Predicted: 43 * time.Second, Alone: time.Second, Left: 20 * time.Second, RetryAfter: 23 * time.Second})
		pass(3 * time.Second)
		require.True(t, other.done)
		require.NoError(t, other.err)
		require.NoError(t, b.Close())
	})
}

func TestWhatRunsIsForetoldLessWhatHasRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := seen(t, nil)
		send(b, Call{}, pieces(1000)...)
		pass(time.Second / 2)
		requireLate(t, within(t, b, 100*time.Millisecond, "a", pieces(1000)...),
			TooLateError{Predicted: 1500 * time.Millisecond, Alone: time.Second, Left: 100 * time.Millisecond, RetryAfter: 1400 * time.Millisecond})
		require.NoError(t, b.Close())
	})
}

// A forecast that keeps everybody away is not believed for ever, and what is seen then stands
// alone.
func TestTheForecastIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, e := seen(t, nil)
		e.took = 10 * time.Millisecond
		ask := func() *answer { return within(t, b, time.Second/5, "a", pieces(500, 500)...) }
		require.ErrorIs(t, ask().err, ErrTooLate)
		pass(capacityForgets + 1)
		for range enoughRuns {
			a := ask()
			pass(e.took)
			require.NoError(t, a.err)
		}
		require.InDelta(t, 100_000, b.capacity.rate(time.Now()), 1)
		require.NoError(t, b.Close())
	})
}

// A queue that is full is drained at the same rate.
func TestRetryAfterIsByTheCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := seen(t, func(o *Options[piece]) { o.MaxQueuedCost = 3000 })
		for range 20 {
			send(b, Call{}, pieces(1)...) // slow in size, and no sign of what a full batch takes
			pass(time.Second)
		}
		send(b, Call{}, pieces(1000)...)
		send(b, Call{}, pieces(1000, 1000, 1000)...)
		refused := send(b, Call{}, pieces(1000)...)
		var full *QueueFullError
		require.ErrorAs(t, refused.err, &full)
		require.Equal(t, time.Second, full.RetryAfter)
		require.NoError(t, b.Close())
	})
}

// traffic is a random load of one batcher whose runs take what a CPU's do: a little for each run,
// and their padded cost, more or less.
type traffic struct {
	b     *Batcher[piece, int]
	r     *rand.Rand
	speed float64 // padded cost a second and runner
	mu    sync.Mutex
	rows  []forecast
}

// forecast is what was foretold of a call, and what became of it.
type forecast struct {
	refused, met bool
	cost         int
}

func newTraffic(t *testing.T, seed uint64, runners int) *traffic {
	f := &traffic{r: rand.New(rand.NewPCG(seed, 9)), speed: 20_000}
	noise := rand.New(rand.NewPCG(seed, 10))
	var err error
	f.b, err = New(func(_ context.Context, items []piece) ([]int, error) {
		longest := 0
		for _, p := range items {
			longest = max(longest, p.size)
		}
		f.mu.Lock()
		factor := 0.8 + 0.4*noise.Float64()
		f.mu.Unlock()
		time.Sleep(time.Duration((0.002 + float64(longest*len(items))/f.speed) * factor * float64(time.Second)))
		return make([]int, len(items)), nil
	}, Options[piece]{Size: pieceSize, Runners: runners, MaxItems: 256, MaxCost: 2000, MaxQueuedItems: 1 << 20, MaxQueuedCost: 1 << 30})
	require.NoError(t, err)
	return f
}

// call draws the items of a short query, of some texts, or of a rerank.
func (f *traffic) call(kinds []string) []piece {
	n, shortest, longest := 1, 20, 160
	switch choose(f.r, kinds...) {
	case "texts":
		n, shortest, longest = 1+f.r.IntN(8), 50, 500
	case "rerank":
		n, shortest, longest = 20+f.r.IntN(80), 50, 400
	}
	items := make([]piece, n)
	for i := range items {
		items[i] = piece{size: shortest + f.r.IntN(longest-shortest), id: i}
	}
	return items
}

// ask calls with left to spare. As long as it only watches, the queue is not told of the
// deadline, so that what it would have refused shows what would have become of it.
func (f *traffic) ask(tag string, items []piece, left time.Duration, watch bool) {
	cost := 0
	for _, p := range items {
		cost += p.size
	}
	ctx, cancel := context.WithTimeout(context.Background(), left)
	defer cancel()
	row := forecast{cost: cost}
	if watch {
		c := newCaller(ctx, Call{Tag: tag}, sizesOf(items))
		f.b.mu.Lock()
		row.refused = f.b.tooLate(c, cost, time.Now()) != nil
		f.b.mu.Unlock()
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(context.Background())
		defer stop()
		defer time.AfterFunc(left, stop).Stop()
	}
	_, err := f.b.Do(ctx, Call{Tag: tag}, items)
	row.met = err == nil
	row.refused = row.refused || errors.Is(err, ErrTooLate)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, row)
}

// play sends calls for some seconds, at so many times what can be done.
func (f *traffic) play(load float64, tags int, kinds []string, watch bool) {
	var calls sync.WaitGroup
	for at := time.Duration(0); at < 4*time.Second; {
		items, cost := f.call(kinds), 0
		for _, p := range items {
			cost += p.size
		}
		at += time.Duration(f.r.ExpFloat64() * float64(cost) / (f.speed * float64(f.b.allowed) * load) * float64(time.Second))
		left := time.Duration((0.1 + 8*f.r.Float64()*f.r.Float64()) * float64(time.Second))
		tag, when := fmt.Sprint(f.r.IntN(tags)), at
		calls.Go(func() {
			time.Sleep(when)
			f.ask(tag, items, left, watch)
		})
	}
	calls.Wait()
	_ = f.b.Close()
}

// Of those who would have been answered in time less than one in a hundred is refused, of those
// who ask for a batch or more less than one in fifty; of those who would not, a fair part is.
func TestForesight(t *testing.T) {
	type tally struct{ met, wrongly, late, rightly int }
	var all, large tally
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			f := newTraffic(t, seed, choose(r, 1, 1, 2))
			kinds := choose(r, []string{"query"}, []string{"query", "texts"}, []string{"query", "texts", "rerank"}, []string{"rerank"}, []string{"query", "query", "query", "query", "query", "rerank"})
			f.play(choose(r, 0.5, 1, 2, 3), choose(r, 1, 1, 3, 10), kinds, true)
			for _, row := range f.rows {
				for _, c := range []*tally{&all, &large} {
					switch {
					case c == &large && row.cost < f.b.opts.MaxCost:
					case row.met:
						c.met++
						c.wrongly += one(row.refused)
					default:
						c.late++
						c.rightly += one(row.refused)
					}
				}
			}
		})
	}
	for name, c := range map[string]tally{"all": all, "a batch or more": large} {
		wrong, right := float64(c.wrongly)/float64(c.met), float64(c.rightly)/float64(c.late)
		t.Logf("%s: %d in time, %.2f %% of them refused; %d late, %.0f %% of them refused", name, c.met, 100*wrong, c.late, 100*right)
		require.Less(t, wrong, map[string]float64{"all": 0.01, "a batch or more": 0.02}[name], name)
		require.Greater(t, right, 0.15, name)
		require.Greater(t, min(c.met, c.late), 100, name)
	}
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Under an overload by large requests, those that are hopeless are refused at once, and more are
// answered in time than where nobody is refused.
func TestHopelessRequestsAreRefusedEarly(t *testing.T) {
	met, refused := map[bool]int{}, 0
	for _, watch := range []bool{false, true} {
		for seed := range uint64(8) {
			synctest.Test(t, func(t *testing.T) {
				f := newTraffic(t, seed, 1)
				f.play(4, 3, []string{"rerank"}, watch)
				for _, row := range f.rows {
					met[watch] += one(row.met)
					refused += one(row.refused && !watch)
				}
				require.Equal(t, !watch && f.b.Stats().TooLate > 0, !watch)
			})
		}
	}
	t.Logf("%d answered in time with refusals, of which there were %d; %d without", met[false], refused, met[true])
	require.Greater(t, refused, 50)
	require.GreaterOrEqual(t, met[false], met[true])
}
