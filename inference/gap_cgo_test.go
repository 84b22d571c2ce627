//go:build cgo

package inference_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/inference/ort"
	"github.com/quadrate-maas/quadrate/internal/golden"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
	"github.com/quadrate-maas/quadrate/tokenizer/hf"
)

// watched notes how long runs take, and how long a session stands idle between two of them.
type watched struct {
	inference.Session
	mu            sync.Mutex
	ended         time.Time
	running, idle time.Duration
	runs          int
	real, padded  int
}

func (w *watched) Run(ctx context.Context, b inference.Batch) (inference.Output, error) {
	began := time.Now()
	out, err := w.Session.Run(ctx, b)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended.IsZero() {
		w.idle += began.Sub(w.ended)
	}
	w.ended = time.Now()
	w.running += w.ended.Sub(began)
	w.runs++
	w.padded += len(b.IDs)
	for _, m := range b.Mask {
		w.real += int(m)
	}
	return out, err
}

func (w *watched) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended, w.running, w.idle, w.runs, w.real, w.padded = time.Time{}, 0, 0, 0, 0, 0
}

// mixed makes n texts of MiniLM's words: of 14 words, or of lengths as W3 has them.
func mixed(n int, long bool) []string {
	r := rand.New(rand.NewPCG(1, 2))
	texts := make([]string, n)
	for i := range texts {
		words := 14
		if long {
			words = min(max(int(90*math.Exp(0.7*r.NormFloat64())), 1), 254)
		}
		var text strings.Builder
		for range words {
			text.WriteString([]string{"search ", "model ", "vector ", "query ", "document ", "index ", "river ", "mountain "}[r.IntN(8)])
		}
		texts[i] = text.String()
	}
	return texts
}

// BenchmarkSaturated keeps 64 requests of one text in flight and reports the texts a second,
// the part of the time in which the session stood idle between two runs (pick, padding, hand-out,
// and whatever kept the runner from its processor), and the part of what was computed that was
// not padding. The gate is the number of texts that are tokenised at once.
func BenchmarkSaturated(b *testing.B) {
	for _, load := range []string{"short", "W3"} {
		texts := mixed(4096, load == "W3")
		for _, gate := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s gate %d", load, gate), func(b *testing.B) {
				model, w := openWatched(b, gate)
				var next atomic.Int64
				w.reset()
				b.ReportAllocs()
				start := time.Now()
				var group sync.WaitGroup
				for range 64 {
					group.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							_, err := model.Embed(context.Background(), models.EmbedRequest{Inputs: []models.Input{{Text: texts[n%4096]}}})
							if err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
				took := time.Since(start)
				b.ReportMetric(float64(b.N)/took.Seconds(), "texts/s")
				b.ReportMetric(100*w.idle.Seconds()/(w.idle+w.running).Seconds(), "%idle")
				b.ReportMetric(float64(w.idle.Microseconds())/float64(w.runs), "µs-idle/run")
				b.ReportMetric(w.running.Seconds()*1000/float64(w.runs), "ms/run")
				b.ReportMetric(100*float64(w.real)/float64(w.padded), "%real")
			})
		}
	}
}

func openWatched(b *testing.B, gate int) (*inference.Embedding, *watched) {
	b.Helper()
	path := golden.Model(b, "models/all-MiniLM-L6-v2")
	runtime, err := ort.Open(ort.Options{Library: golden.Library()})
	require.NoError(b, err)
	w := &watched{}
	model, err := inference.Open(b.Context(), models.Spec{Name: "m", Path: path, Runtime: models.RuntimeSpec{Provider: "cpu"}, Batcher: models.BatcherSpec{QueueTimeout: 5 * time.Minute}}, inference.Deps{
		NewSession: func(cfg inference.SessionConfig) (inference.Session, error) {
			w.Session, err = runtime.NewSession(cfg)
			return w, err
		},
		NewEncoder:     func(data []byte) (tokenizer.Encoder, error) { return hf.New(data) },
		Gate:           tokenizer.NewGate(gate),
		RequestTimeout: 5 * time.Minute,
	})
	require.NoError(b, err)
	b.Cleanup(func() {
		require.NoError(b, model.Close())
		require.NoError(b, runtime.Close())
	})
	return model.(*inference.Embedding), w
}
