//go:build cgo

package ort

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
)

// The benchmarks of this file compare settings of one session. Machines drift, so they run all
// alternatives in turn, round after round, and report each one's best; docs/benchmarks/runners.md
// says what was taken from them.

// openMiniLM returns the model and a batch of ones of its shape.
func openMiniLM(b *testing.B) (*Runtime, inference.SessionConfig) {
	rt, cfg := openTest(b)
	cfg.File = filepath.Join(golden.Model(b, "models/all-MiniLM-L6-v2"), "model.onnx")
	cfg.Inputs, cfg.Output, cfg.Width = append(cfg.Inputs, "token_type_ids"), "sentence_embedding", 384
	return rt, cfg
}

func typed(rows, length int) inference.Batch {
	in := batch(rows, length)
	in.Types = make([]int64, len(in.IDs))
	return in
}

// together runs a batch on each session at once and returns the time until all are done.
func together(b *testing.B, sessions []inference.Session, in inference.Batch) time.Duration {
	b.Helper()
	start := time.Now()
	var group sync.WaitGroup
	for _, s := range sessions {
		group.Go(func() {
			if _, err := s.Run(context.Background(), in); err != nil {
				b.Error(err)
			}
		})
	}
	group.Wait()
	return time.Since(start)
}

// BenchmarkSessions is one session of two threads against two of one thread each: the rows a
// second of both, and the time of a single run while nothing else runs.
func BenchmarkSessions(b *testing.B) {
	rt, cfg := openMiniLM(b)
	alternatives := map[string][]inference.Session{}
	for name, c := range map[string]struct{ sessions, threads int }{"1x2": {1, 2}, "2x1": {2, 1}} {
		cfg.Threads = c.threads
		for range c.sessions {
			alternatives[name] = append(alternatives[name], newSession(b, rt, cfg))
		}
	}
	for _, shape := range [][2]int{{1, 16}, {8, 64}, {16, 128}} {
		b.Run(fmt.Sprintf("%dx%d", shape[0], shape[1]), func(b *testing.B) {
			in := typed(shape[0], shape[1])
			best, alone := map[string]time.Duration{}, map[string]time.Duration{}
			for b.Loop() {
				for name, sessions := range alternatives {
					least(best, name, together(b, sessions, in))
					least(alone, name, together(b, sessions[:1], in))
				}
			}
			for name, took := range best {
				b.ReportMetric(float64(shape[0]*len(alternatives[name]))/took.Seconds(), name+"-rows/s")
				b.ReportMetric(float64(alone[name].Microseconds())/1000, name+"-ms-alone")
			}
		})
	}
}

func least(best map[string]time.Duration, name string, took time.Duration) {
	if old, ok := best[name]; !ok || took < old {
		best[name] = took
	}
}

// BenchmarkBatchTokens is the processor time of a token by the size of its batch, in rows of 64
// tokens and in longer ones. Processor time is what other programs on the machine change least.
func BenchmarkBatchTokens(b *testing.B) {
	rt, cfg := openMiniLM(b)
	cfg.Threads = 2
	s := []inference.Session{newSession(b, rt, cfg)}
	shapes := [][2]int{{2, 64}, {4, 64}, {8, 64}, {16, 64}, {32, 64}, {64, 64}, {2, 256}, {4, 256}, {8, 256}, {16, 256}}
	best := map[string]time.Duration{}
	for b.Loop() {
		for _, shape := range shapes {
			before := processorTime(b)
			together(b, s, typed(shape[0], shape[1]))
			least(best, fmt.Sprint(shape), processorTime(b)-before)
		}
	}
	for _, shape := range shapes {
		took := best[fmt.Sprint(shape)]
		b.ReportMetric(float64(took.Nanoseconds())/1000/float64(shape[0]*shape[1]), fmt.Sprintf("%dx%d-µs/token", shape[0], shape[1]))
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
