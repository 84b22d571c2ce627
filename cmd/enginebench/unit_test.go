package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/measure"
	"github.com/quadrate-maas/quadrate/internal/workload"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

func lengths(ns ...int) []tokenizer.Encoding {
	out := make([]tokenizer.Encoding, len(ns))
	for i, n := range ns {
		out[i] = tokenizer.Encoding{IDs: make([]uint32, n)}
	}
	return out
}

func TestCutKeepsTheBudget(t *testing.T) {
	items := lengths(3, 10, 5, 8, 1, 10, 40)
	var sizes [][]int
	total := 0
	for _, batch := range cut(items, 20) {
		var of []int
		for _, e := range batch {
			of = append(of, e.Len())
		}
		total += len(batch)
		if len(batch) > 1 {
			require.LessOrEqual(t, slices.Max(of)*len(of), 20)
		}
		sizes = append(sizes, of)
	}
	require.Equal(t, len(items), total)
	require.Equal(t, [][]int{{40}, {10, 10}, {8, 5}, {3, 1}}, sizes, "an item above the budget runs alone")
	require.Equal(t, 3, items[0].Len(), "the caller's order stays")
	require.Equal(t, 280, cost([][]tokenizer.Encoding{items, lengths(2)}))
}

// sessionOf answers each batch after as long as its padded tokens say.
type sessionOf struct {
	mu      sync.Mutex
	batches []inference.Batch
	each    time.Duration // for a batch
	token   time.Duration
	err     error
}

var _ inference.Session = (*sessionOf)(nil)

func (s *sessionOf) Run(_ context.Context, b inference.Batch) (inference.Output, error) {
	s.mu.Lock()
	s.batches = append(s.batches, b)
	s.mu.Unlock()
	time.Sleep(s.each + time.Duration(b.Rows*b.Length)*s.token)
	return inference.Output{Width: 1, Values: make([]float32, b.Rows)}, s.err
}

func (*sessionOf) Close() error { return nil }

func TestPadIsRightPadded(t *testing.T) {
	a := &alone{inputs: []string{"input_ids", "attention_mask", "token_type_ids"}}
	b := a.pad([]tokenizer.Encoding{{IDs: []uint32{7, 8, 9}, Types: []uint8{0, 1, 1}}, {IDs: []uint32{5}}})
	require.Equal(t, inference.Batch{Rows: 2, Length: 3, IDs: []int64{7, 8, 9, 5, 0, 0}, Mask: []int64{1, 1, 1, 1, 0, 0}, Types: []int64{0, 1, 1, 0, 0, 0}}, b)
	a.inputs = []string{"input_ids", "position_ids"}
	require.Equal(t, []int64{0, 1, 0, 1}, a.pad(lengths(2, 1)).Positions)
	require.Nil(t, a.pad(lengths(2)).Types)
	require.Equal(t, 8, paddedTokens([]inference.Batch{b, a.pad(lengths(2))}))
}

// A batch costs 10 ms and a padded token 100 µs: small batches pay for their number, and one
// batch of everything pays for padding.
func TestTheSearchFindsTheBestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		items := lengths(slices.Repeat([]int{16}, 64)...)
		items = append(items, lengths(slices.Repeat([]int{512}, 4)...)...)
		a := &alone{session: &sessionOf{each: 10 * time.Millisecond, token: 100 * time.Microsecond}}
		took, err := a.search(t.Context(), [][]tokenizer.Encoding{items})
		require.NoError(t, err)
		require.Equal(t, 2048, a.budget, "the long ones in one batch, the short ones in another")
		require.Equal(t, 20*time.Millisecond+time.Duration(64*16+4*512)*100*time.Microsecond, took)
	})
}

func TestTheClosedLoopAnswersEachRequestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := make([]workload.Texts, 10)
		for i := range requests {
			requests[i].Tokens = i
		}
		var mu sync.Mutex
		var seen []int
		r, err := closedLoop(t.Context(), requests, 2, func(_ context.Context, x workload.Texts) error {
			mu.Lock()
			seen = append(seen, x.Tokens)
			mu.Unlock()
			time.Sleep(time.Second)
			return nil
		})
		require.NoError(t, err)
		require.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, seen)
		require.Equal(t, 5*time.Second, r.elapsed)
		require.Equal(t, slices.Repeat([]time.Duration{time.Second}, 10), r.latencies)
		_, err = closedLoop(t.Context(), requests, 2, func(context.Context, workload.Texts) error { return errors.New("broken") })
		require.EqualError(t, err, "broken")
	})
}

func TestTheEmulationTakesAtMostEightInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		session := &sessionOf{each: time.Second}
		a := &alone{session: session}
		f := &fifo{alone: a, queue: make(chan fifoItem, 64)}
		done := make(chan error, 20)
		for n := 1; n <= 20; n++ {
			f.queue <- fifoItem{t.Context(), lengths(n)[0], done}
		}
		f.worker.Go(f.work)
		for range 20 {
			require.NoError(t, <-done)
		}
		f.close()
		var rows, longest []int
		for _, b := range session.batches {
			rows, longest = append(rows, b.Rows), append(longest, b.Length)
		}
		require.Equal(t, []int{8, 8, 4}, rows)
		require.Equal(t, []int{8, 16, 20}, longest)
		require.Equal(t, 210, f.real)
		require.Equal(t, 8*8+8*16+4*20, f.padded)
	})
}

// The values of BERT's formula, layers * 2 * (4 d^2 + 2 d f) + 4 L d layers a token: 22.4
// million for MiniLM-L6 and 617 million for XLM-R-large at 128 tokens.
// fakeNative opens sessions that take no more than their profile.
type fakeNative struct{ native }

type fakeProfiled struct{ of inference.Profile }

func (fakeNative) NewSession(cfg inference.SessionConfig) (inference.Session, error) {
	if cfg.Profile == nil || cfg.EngineCache == "" {
		return nil, errors.New("no profile, or no folder for its engine")
	}
	return fakeProfiled{*cfg.Profile}, nil
}

func (f fakeProfiled) Run(_ context.Context, b inference.Batch) (inference.Output, error) {
	if b.Rows > f.of.MaxRows || b.Length > f.of.MaxLength {
		return inference.Output{}, errors.New("beyond the profile")
	}
	return inference.Output{Values: make([]float32, b.Rows), Width: 1}, nil
}

func (fakeProfiled) Close() error { return nil }

// The last of the engine's sessions takes the longest texts; ONNX Runtime alone runs short ones too.
func TestAloneHasEveryEngineOfTensorRT(t *testing.T) {
	s := &subject{native: fakeNative{}, config: inference.SessionConfig{
		Provider: inference.ProviderTensorRT, EngineCache: t.TempDir(), Profile: &inference.Profile{MinRows: 1, MaxRows: 1, MinLength: 257, MaxLength: 512},
	}}
	a, err := s.newAlone()
	require.NoError(t, err)
	for _, items := range [][]tokenizer.Encoding{lengths(16), lengths(16, 16, 9), lengths(512, 300)} {
		out, err := a.session.Run(t.Context(), a.pad(items))
		require.NoError(t, err)
		require.Len(t, out.Values, len(items))
	}
}

func TestFLOPs(t *testing.T) {
	miniLM := shape{Type: "bert", Layers: 6, Hidden: 384, FFN: 1536, Heads: 12}
	require.InEpsilon(t, 22.4e6*128, miniLM.flops(lengths(128)), 0.01)
	large := shape{Type: "xlm-roberta", Layers: 24, Hidden: 1024, FFN: 4096, Heads: 16}
	require.InEpsilon(t, 617e6*128, large.flops(lengths(128)), 0.01)
	require.InEpsilon(t, 2*large.flops(lengths(128)), large.flops(lengths(128, 128)), 1e-12)
	qwen := shape{Type: "qwen3", Layers: 28, Hidden: 1024, FFN: 3072, Heads: 16, KVHeads: 8, HeadSize: 128}
	require.InEpsilon(t, 881e6, qwen.flops(lengths(1)), 0.01)
}

func TestAShapeThatIsNotSaidIsAnError(t *testing.T) {
	dir := t.TempDir()
	_, err := readShape(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"hidden_size":4,"num_hidden_layers":2}`), 0o600))
	_, err = readShape(dir)
	require.ErrorContains(t, err, "intermediate_size")
}

func TestFloat16(t *testing.T) {
	// 0.5, -0.25 and 0.1 in float32, and in float16 the same cut to 10 bits.
	raw := []byte{0, 0, 0, 0x3f, 0, 0, 0x80, 0xbe, 0xcd, 0xcc, 0xcc, 0x3d, 0, 0, 0, 0}
	require.Equal(t, []byte{0x00, 0x38, 0x00, 0xb4, 0x66, 0x2e, 0, 0}, halves(raw))
}

func TestFiguresAreMetByTheirMedian(t *testing.T) {
	value := measure.Spread{Median: 0.96, Min: 0.9, Max: 1.2}
	require.True(t, figure{value: value, target: 0.95, atLeast: true}.met())
	require.False(t, figure{value: value, target: 0.95}.met())
	require.Equal(t, []string{"x", "≤ 0.95 ms", "0.960", "0.900", "1.200", "no"}, figure{name: "x", unit: "ms", value: value, target: 0.95}.cells())
}

func TestRatiosAreTakenRoundByRound(t *testing.T) {
	in := set{requests: make([]workload.Texts, 2), windows: [][]tokenizer.Encoding{lengths(10, 10)}, tokens: 20, items: 2}
	engine := func(d time.Duration) round {
		return round{elapsed: d, latencies: []time.Duration{d / 2, d}, padded: 25}
	}
	// The machine is twice as slow in the second round: the ratio does not see it.
	c := &comparison{plan: plan{workload: workload.Workload{Name: "W3"}, concurrency: 2}, budget: 64, sets: []set{in, in}, rounds: map[string][]round{
		systemEngine: {engine(time.Second), engine(2 * time.Second)},
		systemAlone:  {{elapsed: 500 * time.Millisecond, padded: 20}, {elapsed: time.Second, padded: 20}},
	}}
	r := c.result(func(set) float64 { return 1e9 }, 2e9)
	require.Equal(t, []ratio{{"throughput", systemAlone, measure.Spread{Median: 0.5, Min: 0.5, Max: 0.5}}}, r.Ratios)
	require.InDelta(t, 0.8, r.Systems[0].Efficiency, 1e-12)
	require.InDelta(t, 0.375, r.Systems[0].MFU.Median, 1e-12)
	require.InDelta(t, 750, r.Systems[0].P50.Median, 1e-9)
	require.Nil(t, r.Systems[1].P50, "ONNX Runtime alone saw both requests at once")
	require.Equal(t, 64, r.Systems[1].Budget)
	var out bytes.Buffer
	(&results{Workloads: []workloadResult{r}, MFUOf: "fp32"}).print(&out)
	require.Contains(t, out.String(), "| W3 | 2 | ONNX Runtime alone, batches of 64 tokens | 30 | 3.0 | – | – | 1.000 | 75.0 % |")
}

func TestBadFlagsAreReportedTogether(t *testing.T) {
	err := run(t.Context(), []string{"-workload", "W1,W5", "-sweep", "rows", "-rounds", "0", "-threads", "-1"}, &bytes.Buffer{}, io.Discard)
	for _, want := range []string{"-model", `-workload "W5"`, `-sweep "rows"`, "-rounds 0", "-threads -1"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorIs(t, run(t.Context(), []string{"-nonsense"}, &bytes.Buffer{}, io.Discard), errUsage)
	require.ErrorContains(t, run(t.Context(), []string{"W1"}, &bytes.Buffer{}, io.Discard), `unknown argument "W1"`)
}
