package inference

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

func openCached(t testing.TB, task models.Task, s *fakeSession, spec models.CacheSpec) Model {
	return open(t, task, s, func(sp *models.Spec, _ *Deps, _ *Manifest) { sp.Cache = spec })
}

func texts(words ...string) []models.Input {
	list := make([]models.Input, len(words))
	for i, w := range words {
		list[i].Text = w
	}
	return list
}

func TestWhatWasComputedIsNotComputedAgain(t *testing.T) {
	s := &fakeSession{}
	m := openCached(t, models.TaskEmbed, s, models.CacheSpec{Bytes: 1 << 20}).(*Embedding)
	ask := func(req models.EmbedRequest) (models.EmbedResult, int) {
		result, err := m.Embed(t.Context(), req)
		require.NoError(t, err)
		return result, s.counted()
	}
	first, rows := ask(models.EmbedRequest{Inputs: texts("a b", "c")})
	require.Equal(t, 2, rows)
	second, rows := ask(models.EmbedRequest{Inputs: texts("c", "d", "a b", "d")})
	require.Equal(t, 1, rows)
	require.Equal(t, first.Vectors[1], second.Vectors[0])
	require.Equal(t, first.Vectors[0], second.Vectors[2])
	require.Equal(t, 2, second.Timing.Kept)
	require.Equal(t, 1, second.Timing.Shared)
	require.Equal(t, 3+3+4+3, second.Usage.PromptTokens, "tokens count as if computed")

	raw, rows := ask(models.EmbedRequest{Inputs: texts("a b"), Raw: true})
	cut, _ := ask(models.EmbedRequest{Inputs: texts("a b"), Dimensions: 3})
	again, _ := ask(models.EmbedRequest{Inputs: texts("a b")})
	require.Zero(t, rows, "a kept row serves every way to ask for it")
	require.Zero(t, raw.Timing.Run+raw.Timing.Queue)
	require.Equal(t, normalized(raw.Vectors[0]), first.Vectors[0])
	require.Equal(t, normalized(raw.Vectors[0][:3]), cut.Vectors[0])
	require.Equal(t, first.Vectors[0], again.Vectors[0], "and none of them has changed it")

	_, rows = ask(models.EmbedRequest{Inputs: texts("a b"), Caller: models.Caller{Cache: models.CacheControl{NoCache: true}}})
	require.Equal(t, 1, rows)
	_, rows = ask(models.EmbedRequest{Inputs: texts("z"), Caller: models.Caller{Cache: models.CacheControl{NoStore: true}}})
	require.Equal(t, 1, rows)
	_, rows = ask(models.EmbedRequest{Inputs: texts("z")})
	require.Equal(t, 1, rows)
	require.Equal(t, models.CacheStatus{Hits: 5, Shared: 1, Misses: 4, Fresh: 2, Entries: 4, Bytes: m.Status().Cache.Bytes}, m.Status().Cache)
}

func TestRerankKeepsOnlyWhenToldTo(t *testing.T) {
	for _, keep := range []bool{false, true} {
		for _, task := range []models.Task{models.TaskEmbed, models.TaskRerank} {
			s := &fakeSession{}
			m := openCached(t, task, s, models.CacheSpec{Bytes: 1 << 20, Rerank: keep}).(models.Reranker)
			var scores [2][]float32
			for i := range scores {
				result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a", "b c", "a"}})
				require.NoError(t, err)
				scores[i] = result.Scores
				require.Equal(t, i == 0 || !keep, s.counted() > 0, "%s, keep %v", task, keep)
			}
			require.Equal(t, scores[0], scores[1])
		}
	}
}

func TestWhatAFailedSessionComputedIsDropped(t *testing.T) {
	s := &fakeSession{}
	m := openCached(t, models.TaskEmbed, s, models.CacheSpec{Bytes: 1 << 20}).(*Embedding)
	for _, kind := range []EventKind{EventFailed, EventReopened} {
		_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a")})
		require.NoError(t, err)
		require.Equal(t, int64(1), m.Status().Cache.Entries)
		m.event(Event{Kind: kind})
		require.Zero(t, m.Status().Cache.Entries)
	}
}

func TestWhatIsNotFiniteIsNotKept(t *testing.T) {
	s := &fakeSession{}
	m := openCached(t, models.TaskEmbed, s, models.CacheSpec{Bytes: 1 << 20}).(*Embedding)
	s.spoil = func(row []float32) { row[0] = float32(math.NaN()) }
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a")})
	wantKind(t, err, models.KindInternal, "input[0]")
	s.spoil = nil
	_, err = m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a")})
	require.NoError(t, err)
}

func TestKeysTellEncodingsApart(t *testing.T) {
	items := []tokenizer.Encoding{
		{IDs: []uint32{1, 2, 3, 4, 0x01010000}}, {IDs: []uint32{1, 2, 3, 4}, Types: []uint8{0, 0, 1, 1}}, {IDs: []uint32{1, 2, 3, 4}, Types: []uint8{0, 1, 1, 1}},
		{IDs: []uint32{1, 2, 3, 4}}, {IDs: []uint32{1, 2}}, {IDs: []uint32{2, 1}}, {},
	}
	seen := map[[32]byte]int{}
	for i, key := range keysOf(items) {
		require.NotContains(t, seen, [32]byte(key), "item %d", i)
		seen[key] = i
	}
	require.Equal(t, keysOf(items), keysOf(items))
}

// TestTimesAreThoseOfTheRuns: whoever is answered hears of it before the run is accounted for,
// and is told how long the run took all the same; so is a request that came while it ran.
func TestTimesAreThoseOfTheRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeSession{width: fakeWidth}
		deps := fakeDeps(s)
		deps.OnRun = func(string, batcher.RunStats) { time.Sleep(time.Millisecond) }
		spec := models.Spec{Name: "m", Path: modelDir(t, fakeManifest(models.TaskEmbed)), Batcher: models.BatcherSpec{MaxItems: 2}}
		opened, err := Open(t.Context(), spec, deps)
		require.NoError(t, err)
		m := opened.(*Embedding)
		s.before = func(context.Context, Batch) error { time.Sleep(45 * time.Millisecond); return nil }
		ask := func(words ...string) models.Timing {
			result, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts(words...)})
			require.NoError(t, err)
			time.Sleep(time.Millisecond) // the runner is free again
			return result.Timing
		}
		require.Equal(t, models.Timing{Run: 45 * time.Millisecond}, ask("a"))
		require.Equal(t, models.Timing{Queue: 46 * time.Millisecond, Run: 91 * time.Millisecond}, ask("a", "b", "c"), "in two runs")

		var first, second models.Timing
		var both sync.WaitGroup
		both.Go(func() { first = ask("d") })
		time.Sleep(20 * time.Millisecond)
		both.Go(func() { second = ask("d") })
		both.Wait()
		require.Equal(t, models.Timing{Run: 45 * time.Millisecond}, first)
		require.Equal(t, models.Timing{Run: 25 * time.Millisecond, Shared: 1}, second)
		require.NoError(t, m.Close())
	})
}

// TestAnyCompany has requests with overlapping texts meet over the real batcher while runs
// fail and callers leave: each answer is the one its text has alone.
func TestAnyCompany(t *testing.T) {
	alone := map[string][]float32{}
	m := openEmbedding(t, &fakeSession{})
	for i := range 20 {
		text := strings.Repeat("w ", 1+i%5) + fmt.Sprint(i)
		result, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts(text)})
		require.NoError(t, err)
		alone[text] = result.Vectors[0]
	}
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { company(t, seed, alone) })
	}
}

func company(t *testing.T, seed uint64, alone map[string][]float32) {
	r := rand.New(rand.NewPCG(seed, 7))
	var mu sync.Mutex
	random := func(n int) int { mu.Lock(); defer mu.Unlock(); return r.IntN(n) }
	s := &fakeSession{width: fakeWidth}
	manifest := fakeManifest(models.TaskEmbed)
	spec := models.Spec{Name: "m", Path: modelDir(t, manifest), Cache: models.CacheSpec{Bytes: int64(seed%2) * 2000}, Batcher: models.BatcherSpec{MaxQueuedItems: 40, MaxItems: 8}}
	opened, err := Open(t.Context(), spec, fakeDeps(s))
	require.NoError(t, err)
	model := opened.(*Embedding)
	s.before = func(context.Context, Batch) error {
		time.Sleep(time.Duration(1+random(50)) * time.Millisecond)
		if seed%4 > 1 && random(8) == 0 {
			return fmt.Errorf("a run failed")
		}
		return nil
	}
	var all []string
	for i := range 20 {
		all = append(all, strings.Repeat("w ", 1+i%5)+fmt.Sprint(i))
	}
	answered := 0
	var callers sync.WaitGroup
	for c := range 60 {
		callers.Go(func() {
			time.Sleep(time.Duration(random(400)) * time.Millisecond)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+random(2000))*time.Millisecond)
			defer cancel()
			chosen := make([]string, 1+random(12))
			for i := range chosen {
				chosen[i] = all[random(len(all))]
			}
			result, err := model.Embed(ctx, models.EmbedRequest{Inputs: texts(chosen...), Caller: models.Caller{Tag: fmt.Sprint(c % 3), Cache: models.CacheControl{NoCache: random(9) == 0}}})
			if err != nil {
				require.Contains(t, []models.Kind{models.KindDeadline, models.KindQueueFull, models.KindInternal, models.KindQueueTimeout}, models.KindOf(err), err)
				return
			}
			mu.Lock()
			answered++
			mu.Unlock()
			for i, text := range chosen {
				require.Equal(t, alone[text], result.Vectors[i])
			}
		})
	}
	callers.Wait()
	require.Positive(t, answered)
	require.NoError(t, model.Close())
}

func BenchmarkKeys(b *testing.B) {
	for _, tokens := range []int{16, 512} {
		b.Run(fmt.Sprint(tokens), func(b *testing.B) {
			items := []tokenizer.Encoding{{IDs: make([]uint32, tokens)}}
			b.ReportAllocs()
			for b.Loop() {
				keysOf(items)
			}
		})
	}
}
