package batcher

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// schedules is how many random schedules the simulation runs; fewer with -short.
const schedules = 8000

// world is one random schedule: callers that arrive, leave and disappear, runs that succeed,
// fail, panic, run out of memory and hang, and a Close somewhere. Its run function checks every
// batch; its callers check every answer.
type world struct {
	t     *testing.T
	seed  uint64
	began time.Time
	opts  Options[piece]
	chaos chaos
	b     *Batcher[piece, int]
	tally map[string]int // outcomes of callers, over all schedules

	mu       sync.Mutex
	visitors []*visitor
	starts   []time.Duration // of runs that are no repetition
	late     uint64          // callers refused as too late
	closed   time.Duration   // when Close was called; -1: not yet
}

// chaos is what may go wrong in a schedule.
type chaos struct {
	flaky, panics, miscounts, hangs bool
	memory                          int // padded cost that runs out of memory; 0: none
}

// visitor is one call of Do.
type visitor struct {
	w          *world
	tag        string
	items      []visited
	arrives    time.Duration
	cancels    time.Duration // -1: never
	deadline   time.Duration // -1: none
	disappears time.Duration // -1: never
	left       time.Duration // when Do returned; -1: not yet
}

// visited is what happened to an item.
type visited struct {
	piece    piece
	poison   bool
	computed int
	failed   bool // its last run failed
	hung     bool // its last run outlasted the limit
	started  time.Duration
}

const perVisitor = 1000 // ids of a visitor's items: visitor x perVisitor + place

func newWorld(t *testing.T, seed uint64, tally map[string]int) *world {
	r := rand.New(rand.NewPCG(seed, 0))
	w := &world{t: t, seed: seed, began: time.Now(), closed: -1, tally: tally}
	w.opts = Options[piece]{
		Size:           pieceSize,
		Runners:        1 + r.IntN(3),
		MaxItems:       1 + r.IntN(12),
		MaxCost:        20 + r.IntN(400),
		Delay:          choose(r, 0, 0, 0, 5*time.Millisecond, 70*time.Millisecond),
		QueueTimeout:   choose(r, 0, 0, 200*time.Millisecond, time.Second),
		MaxQueuedItems: 20 + r.IntN(200),
		MaxQueuedCost:  100 + r.IntN(4000),
		Ageing:         choose(r, 10*time.Millisecond, 100*time.Millisecond, 300*time.Millisecond, time.Hour),
		PaddingShare:   choose(r, 0.01, 0.15, 0.15, 0.4),
		RunTimeout:     choose(r, 0, 400*time.Millisecond),
	}
	w.chaos = chaos{flaky: r.IntN(4) == 0, panics: r.IntN(4) == 0, miscounts: r.IntN(6) == 0, memory: choose(r, 0, 0, 0, 60)}
	w.chaos.hangs = w.opts.RunTimeout > 0 && r.IntN(2) == 0
	poisoned := r.IntN(3) == 0
	leavers := choose(r, 0, 0, 3)
	for i := range 1 + r.IntN(24) {
		v := &visitor{w: w, tag: choose(r, "", "a", "a", "b", "c"), arrives: ticks(r, 120), cancels: -1, deadline: -1, disappears: -1, left: -1}
		n := choose(r, 1, 1, 1, 1+r.IntN(6), 1+r.IntN(60))
		for k := range n {
			item := visited{piece: piece{size: 1 + r.IntN(choose(r, 8, 64)), id: i*perVisitor + k}, poison: poisoned && r.IntN(30) == 0, started: -1}
			v.items = append(v.items, item)
		}
		if leavers > 0 {
			switch r.IntN(3 * leavers) {
			case 0:
				v.cancels = v.arrives + ticks(r, 60)
			case 1:
				v.deadline = v.arrives + ticks(r, 60)
			case 2:
				v.disappears = v.arrives + ticks(r, 60)
			}
		}
		w.visitors = append(w.visitors, v)
	}
	return w
}

func choose[E any](r *rand.Rand, list ...E) E { return list[r.IntN(len(list))] }

// ticks are coarse, so that many things happen at the same instant.
func ticks(r *rand.Rand, most int) time.Duration {
	return time.Duration(r.IntN(most)) * 5 * time.Millisecond
}

func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) check(ok bool, format string, args ...any) {
	if !ok {
		w.t.Errorf("seed %d, %s: %s", w.seed, w.now(), fmt.Sprintf(format, args...))
	}
}

// run is the run function.
func (w *world) run(ctx context.Context, items []piece) (results []int, err error) {
	w.enter(items)
	defer func() {
		if v := recover(); v != nil {
			w.leave(items, true)
			panic(v)
		}
		w.leave(items, err != nil || len(results) != len(items))
	}()
	r := rand.New(rand.NewPCG(w.seed, uint64(items[0].id)<<8+uint64(len(items))))
	time.Sleep(ticks(r, choose(r, 1, 10, 40)))
	longest := 0
	for _, p := range items {
		longest = max(longest, p.size)
		if w.visitors[p.id/perVisitor].items[p.id%perVisitor].poison {
			if w.chaos.panics {
				panic("poison")
			}
			return nil, errBad
		}
		results = append(results, 10*p.id)
	}
	switch dice := r.IntN(20); {
	case w.chaos.memory > 0 && longest*len(items) > w.chaos.memory:
		return nil, fmt.Errorf("engine: %w", ErrOutOfMemory)
	case w.chaos.flaky && dice < 2:
		return nil, errBad
	case w.chaos.panics && dice == 2:
		panic(errBad)
	case w.chaos.miscounts && dice == 3:
		return results[1:], nil
	case w.chaos.hangs && dice == 4:
		<-ctx.Done()
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range items {
			w.visited(p).hung = true
		}
		return nil, ctx.Err()
	}
	return results, nil
}

// enter checks a batch that is about to run.
func (w *world) enter(items []piece) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	repeats := w.visited(items[0]).computed > 0
	if !repeats {
		w.starts = append(w.starts, now)
		w.checkShape(items)
	}
	seen := map[int]bool{}
	for _, p := range items {
		v, it := w.visitors[p.id/perVisitor], w.visited(p)
		w.check(!seen[p.id], "item %d is twice in a batch", p.id)
		seen[p.id] = true
		w.check(it.piece == p, "item %d is not what was given", p.id)
		w.check((it.computed > 0) == repeats, "item %d: a batch mixes repeated and new items", p.id)
		w.check(it.computed == 0 || it.computed == 1 && it.failed, "item %d is computed again after %d runs", p.id, it.computed)
		w.check(!it.hung, "item %d is computed again after a run that outlasted its limit", p.id)
		w.check(!v.hadLeft(now), "item %d is computed for a caller that had left", p.id)
		it.computed++
		if !repeats {
			it.started = now
			w.checkStarvation(v, p.id%perVisitor, now)
		}
	}
}

func (w *world) visited(p piece) *visited {
	return &w.visitors[p.id/perVisitor].items[p.id%perVisitor]
}

func (w *world) leave(items []piece, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range items {
		w.visited(p).failed = failed
	}
}

// hadLeft reports whether v had left before this instant, or has disappeared.
func (v *visitor) hadLeft(now time.Duration) bool {
	before := func(at time.Duration) bool { return at >= 0 && at < now }
	return before(v.left) || before(v.cancels) || before(v.deadline) || before(v.disappears)
}

func (w *world) checkShape(items []piece) {
	longest, sum := 0, 0
	for _, p := range items {
		longest, sum = max(longest, p.size), sum+p.size
	}
	n := len(items)
	w.check(n <= w.opts.MaxItems, "%d items in a batch of %d", n, w.opts.MaxItems)
	w.check(n == 1 || n*longest <= w.opts.MaxCost, "cost %d above %d", n*longest, w.opts.MaxCost)
	w.check(float64(n*longest-sum) <= w.opts.PaddingShare*float64(n*longest), "padding %d of %d", n*longest-sum, n*longest)
}

// checkStarvation checks the bound that follows from the pick's order: once an item has aged,
// at least every second batch has for its anchor an item of the oldest caller, and a caller's
// items go in order. So it runs after at most two batches for each item that is older (or of
// the same caller and before it) and waited still; two more for the parity, and one for each
// other runner, whose run may be noted later than it was picked.
func (w *world) checkStarvation(v *visitor, place int, now time.Duration) {
	aged := v.arrives + w.opts.Ageing
	batches, older := 0, place+1
	for _, at := range w.starts {
		if at > aged && at <= now {
			batches++
		}
	}
	for _, u := range w.visitors {
		if u == v || u.arrives > v.arrives {
			continue
		}
		for _, it := range u.items {
			if it.started < 0 || it.started >= aged {
				older++
			}
		}
	}
	w.check(batches <= 2*older+2+w.opts.Runners, "item %d of %s ran %d batches after it had aged, behind %d items", place, v.tag, batches, older)
}

// visit calls Do and judges what comes back.
func (v *visitor) visit() {
	w := v.w
	time.Sleep(v.arrives)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if v.deadline >= 0 {
		ctx, cancel = context.WithDeadline(ctx, w.began.Add(v.deadline))
		defer cancel()
	}
	if v.cancels >= 0 {
		defer time.AfterFunc(v.cancels-w.now(), cancel).Stop()
	}
	call := Call{Tag: v.tag}
	if v.disappears >= 0 {
		call.Gone = func() bool { return w.now() >= v.disappears }
	}
	items := make([]piece, len(v.items))
	for i, it := range v.items {
		items[i] = it.piece
	}
	res, err := w.b.Do(ctx, call, items)
	w.mu.Lock()
	defer w.mu.Unlock()
	v.left = w.now()
	v.judge(res, err)
	if errors.Is(err, ErrTooLate) {
		w.late++
	}
	for _, kind := range outcomes {
		if errors.Is(err, kind) {
			w.tally[fmt.Sprint(kind)]++
		}
	}
}

// outcomes are the ways in which Do may end.
var outcomes = []error{
	nil, ErrQueueFull, ErrTooLarge, ErrTooLate, ErrQueueTimeout, ErrClosed, ErrRunTimeout, ErrPanic, ErrResultCount, ErrOutOfMemory,
	errBad, errGone, context.Canceled, context.DeadlineExceeded,
}

func (v *visitor) judge(res Result[int], err error) {
	w, took := v.w, v.left-v.arrives
	poison, computed := false, 0
	for _, it := range v.items {
		poison = poison || it.poison
		computed += it.computed
	}
	var full *QueueFullError
	var large *TooLargeError
	var late *TooLateError
	switch {
	case err == nil:
		v.judgeValues(res)
	case errors.As(err, &large):
		w.check(large.Asked > large.Max && computed == 0 && took == 0, "%v", err)
	case errors.As(err, &full):
		w.check(full.Queued+full.Asked > full.Max && full.Queued <= full.Max && full.RetryAfter > 0 && computed == 0 && took == 0, "%v", err)
	case errors.As(err, &late):
		w.check(late.Left == v.deadline-v.arrives && late.Predicted > late.Left+clearlyMore && late.Alone <= late.Predicted && late.RetryAfter == late.Predicted-late.Left && computed == 0 && took == 0, "%+v", late)
	case errors.Is(err, ErrClosed):
		w.check(w.closed >= 0 && computed == 0 && took == 0, "%v before Close", err)
	case errors.Is(err, ErrQueueTimeout):
		w.check(w.opts.QueueTimeout > 0 && took == w.opts.QueueTimeout && computed == 0, "%v after %s, %d computed", err, took, computed)
	case errors.Is(err, ErrOutOfMemory):
		w.check(w.chaos.memory > 0, "%v", err)
	case errors.Is(err, ErrRunTimeout):
		w.check(w.opts.RunTimeout > 0, "%v", err)
	case errors.Is(err, context.DeadlineExceeded):
		w.check(v.left == v.deadline, "%v, which was %s", err, v.deadline)
	case errors.Is(err, context.Canceled):
		w.check(v.left == v.cancels || v.disappears >= 0 && v.left >= v.disappears, "%v", err)
	case errors.Is(err, ErrPanic):
		w.check(w.chaos.panics, "%v", err)
	case errors.Is(err, errBad):
		w.check(poison || w.chaos.flaky || w.chaos.memory > 0, "failed for another's item")
	case errors.Is(err, ErrResultCount):
		w.check(w.chaos.miscounts, "%v", err)
	default:
		w.check(false, "unexpected %v", err)
	}
}

func (v *visitor) judgeValues(res Result[int]) {
	v.w.check(len(res.Values) == len(v.items), "%d results for %d items", len(res.Values), len(v.items))
	for i, it := range v.items {
		v.w.check(res.Values[i] == 10*it.piece.id, "item %d got %d", it.piece.id, res.Values[i])
		v.w.check(it.computed > 0 && !it.failed, "item %d was answered but not computed", it.piece.id)
	}
	v.w.check(res.Queue+res.Run >= v.left-v.arrives && res.Queue <= v.left-v.arrives, "queue %s and run %s of %s", res.Queue, res.Run, v.left-v.arrives)
}

// play runs the schedule.
func (w *world) play() {
	var err error
	w.b, err = New(w.run, w.opts)
	require.NoError(w.t, err)
	var visits sync.WaitGroup
	for _, v := range w.visitors {
		visits.Go(v.visit)
	}
	if r := rand.New(rand.NewPCG(w.seed, 1)); r.IntN(2) == 0 {
		time.Sleep(ticks(r, 150))
	} else {
		visits.Wait()
	}
	w.mu.Lock()
	w.closed = w.now()
	w.mu.Unlock()
	for range 2 {
		visits.Go(func() { w.check(w.b.Close() == nil, "Close failed") })
	}
	visits.Wait()
	w.checkEmpty()
}

func (w *world) checkEmpty() {
	synctest.Wait()
	s, b := w.b.Stats(), w.b
	w.check(s.Items == 0 && s.Cost == 0 && s.Running == 0 && s.Oldest == 0, "left behind: %+v", s)
	w.check(s.TooLate == w.late, "%d were refused as too late, and %d are counted", w.late, s.TooLate)
	w.check(b.runnerN == 0 && b.meter.inFlight == 0, "runners left: %d, size in flight %d", b.runnerN, b.meter.inFlight)
	w.check(b.queue.byAge.len == 0 && len(b.queue.round.tags) == 0 && b.queue.round.order.empty(), "the queue's lists are not empty")
	w.check(b.queue.index.empty == len(b.queue.index.buckets), "the index is not empty")
}

// TestSimulation plays random schedules. A failure names its seed; BATCHER_SEED=n plays that
// one alone. synctest fails a schedule that leaves a goroutine behind.
func TestSimulation(t *testing.T) {
	first, n, tally := uint64(0), uint64(schedules), map[string]int{}
	if s := os.Getenv("BATCHER_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
		first, n = seed, 1
	}
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { newWorld(t, seed, tally).play() })
	}
	t.Log(tally)
	for _, kind := range outcomes {
		require.True(t, n == 1 || t.Failed() || tally[fmt.Sprint(kind)] > 20, "the schedules hardly ever end in %v", kind)
	}
}
