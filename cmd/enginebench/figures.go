package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/internal/measure"
	"github.com/quadrate-maas/quadrate/internal/workload"
)

// What text-embeddings-inference 1.9.3 with its ONNX back end in fp32 reached of ONNX Runtime
// alone when both were measured on one machine (two AMD cores, all-MiniLM-L6-v2, the load's
// maker on the same cores): a single text of 12 tokens took 3.7 ms against 2.6, many short texts
// ran at 65 % of the tokens a second, mixed lengths at 45 %, uniform long batches at all of it.
// With them a ratio to ONNX Runtime alone becomes one to that server.
const (
	teiSingle  = 3.7 / 2.6
	teiShort   = 0.65
	teiMixed   = 0.45
	teiUniform = 1.0
)

const (
	shortCallers  = 32
	coldStarts    = 5
	behindWindows = 50 // W4 requests of a round behind W1
)

// figure is one of the project's own targets.
type figure struct {
	name, unit string
	value      measure.Spread
	target     float64
	atLeast    bool // else at most
}

func (f figure) met() bool {
	if f.atLeast {
		return f.value.Median >= f.target
	}
	return f.value.Median <= f.target
}

// figures collects them while they are measured.
type figures struct {
	list        []figure
	comparisons []*comparison
}

func (f *figures) add(name, unit string, value measure.Spread, target float64, atLeast bool) {
	f.list = append(f.list, figure{name, unit, value, target, atLeast})
}

// runFigures measures every figure and writes them to the file.
func runFigures(ctx context.Context, s *subject, o options, stdout io.Writer) (err error) {
	if !s.embeds() {
		return errors.New("the figures are those of an embedding model")
	}
	o.peak = false
	r := newResults(ctx, s, o)
	f := &figures{}
	info := s.model.Info()
	starts := make([]float64, 0, coldStarts)
	var server *child
	for k := range coldStarts {
		if server, err = startServer(ctx, o, info.Provider, info.Variant); err != nil {
			return err
		}
		starts = append(starts, server.ready.Seconds())
		if k < coldStarts-1 {
			if err := server.stop(); err != nil {
				return err
			}
		}
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	for _, measureOne := range []func(context.Context, *subject, *child, options) error{f.single, f.mixed, f.rerank, f.short, f.uniform, f.behind} {
		if err := measureOne(ctx, s, server, o); err != nil {
			return err
		}
	}
	f.add("cold start to ready", "s", measure.SpreadOf(starts), 1, false)
	return f.write(ctx, r, o, stdout)
}

// compared runs a workload on all systems, the server and the emulation among them.
func (f *figures) compared(ctx context.Context, s *subject, server *child, o options, name string, callers int) (*comparison, error) {
	o.concurrency = callers
	p, err := o.plan(s, name)
	if err != nil {
		return nil, err
	}
	c, err := compare(ctx, s, p, o, withFIFO(ctx, s, p), server.with(ctx, p))
	if err == nil {
		f.comparisons = append(f.comparisons, c)
	}
	return c, err
}

func scaled(s measure.Spread, by float64) measure.Spread {
	return measure.Spread{Median: s.Median * by, Min: s.Min * by, Max: s.Max * by}
}

func throughput(r round) float64 { return 1 / r.elapsed.Seconds() }

func (f *figures) single(ctx context.Context, s *subject, server *child, o options) error {
	c, err := f.compared(ctx, s, server, o, "W4", 1)
	if err != nil {
		return err
	}
	differences := make([]float64, len(c.sets))
	for k := range c.sets {
		differences[k] = percentile(50)(c.rounds[systemHTTP][k]) - percentile(50)(c.rounds[systemAlone][k])
	}
	f.add("p50 of a 16-token embedding over HTTP less the run in ONNX Runtime alone", "ms", measure.SpreadOf(differences), 0.4, false)
	f.add("single-text p50 to TEI's, derived from HTTP / alone", "", scaled(c.ratioSpread(systemHTTP, systemAlone, percentile(50)), 1/teiSingle), 0.82, false)
	f.add("single-text p50, engine / FIFO of 8, both in process", "", c.ratioSpread(systemEngine, systemFIFO, percentile(50)), 1.05, false)
	return nil
}

func (f *figures) mixed(ctx context.Context, s *subject, server *child, o options) error {
	c, err := f.compared(ctx, s, server, o, "W3", usualCallers["W3"])
	if err != nil {
		return err
	}
	f.add("saturated W3, engine / alone in its best batches", "", c.ratioSpread(systemEngine, systemAlone, throughput), 0.95, true)
	f.add("the same over HTTP, client and server on the same cores", "", c.ratioSpread(systemHTTP, systemAlone, throughput), 0.95, true)
	for _, system := range []string{systemEngine, systemHTTP} {
		e := c.efficiency(system)
		f.add("padding efficiency of saturated W3, "+system, "", measure.Spread{Median: e, Min: e, Max: e}, 0.9, true)
	}
	f.add("mixed lengths, throughput to TEI's, derived from HTTP / alone", "", scaled(c.ratioSpread(systemHTTP, systemAlone, throughput), 1/teiMixed), 2, true)
	f.add("mixed lengths, throughput, engine / FIFO of 8", "", c.ratioSpread(systemEngine, systemFIFO, throughput), 1.2, true)
	f.add("mixed lengths, p99, engine / FIFO of 8", "", c.ratioSpread(systemEngine, systemFIFO, percentile(99)), 0.5, false)
	return nil
}

func (f *figures) rerank(ctx context.Context, s *subject, server *child, o options) error {
	c, err := f.compared(ctx, s, server, o, "W1", 1)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("rerank of %d documents, p50, ", o.documents)
	f.add(name+"engine / alone on the same texts", "", c.ratioSpread(systemEngine, systemAlone, percentile(50)), 1.1, false)
	f.add(name+"over HTTP / alone", "", c.ratioSpread(systemHTTP, systemAlone, percentile(50)), 1.1, false)
	return nil
}

func (f *figures) short(ctx context.Context, s *subject, server *child, o options) error {
	c, err := f.compared(ctx, s, server, o, "W4", shortCallers)
	if err != nil {
		return err
	}
	f.add("many short texts, throughput to TEI's, derived from HTTP / alone", "", scaled(c.ratioSpread(systemHTTP, systemAlone, throughput), 1/teiShort), 1.4, true)
	f.add("many short texts, throughput, engine / FIFO of 8", "", c.ratioSpread(systemEngine, systemFIFO, throughput), 1, true)
	return nil
}

func (f *figures) uniform(ctx context.Context, s *subject, server *child, o options) error {
	c, err := f.compared(ctx, s, server, o, "W2", usualCallers["W2"])
	if err != nil {
		return err
	}
	// "No less" is an equality that noise decides: 2 % are granted.
	f.add("uniform long batches, throughput to TEI's, derived from HTTP / alone", "", scaled(c.ratioSpread(systemHTTP, systemAlone, throughput), 1/teiUniform), 0.98, true)
	f.add("uniform long batches, throughput, engine / FIFO of 8", "", c.ratioSpread(systemEngine, systemFIFO, throughput), 0.98, true)
	return nil
}

// behind measures W4 while one W1 request after the other is in flight, in process.
func (f *figures) behind(ctx context.Context, s *subject, _ *child, o options) error {
	o.concurrency = 1
	front, err := o.plan(s, "W4")
	if err != nil {
		return err
	}
	back, err := o.plan(s, "W1")
	if err != nil {
		return err
	}
	var latencies, batches, own []time.Duration
	for k := range o.rounds {
		fmt.Fprintf(o.notes, "W4 behind W1: round %d of %d\n", k+1, o.rounds)
		in, err := front.texts(ctx, s, uint64(k)<<20, behindWindows) //nolint:gosec // a count
		if err != nil {
			return err
		}
		idle, err := s.engineRound(ctx, front, in)
		if err != nil {
			return err
		}
		own = append(own, idle.latencies...)
		s.takeRuns()
		busy, err := s.withBackground(ctx, back.workload, o.seed, func() (round, error) { return closedLoop(ctx, in.requests, 1, s.do) })
		if err != nil {
			return err
		}
		latencies, batches = append(latencies, busy.latencies...), append(batches, s.takeRuns().times...)
	}
	if len(batches) == 0 {
		return errors.New("W4 behind W1: no batch ran")
	}
	p99 := measure.Percentiles(latencies, 99)[0]
	expected := measure.Percentiles(batches, 50)[0] + measure.Percentiles(own, 50)[0]
	ratio := float64(p99) / float64(expected)
	f.add("W4 p99 with W1 behind / (median time of W1's batches + its own)", "", measure.Spread{Median: ratio, Min: ratio, Max: ratio}, 1.3, false)
	return nil
}

// withBackground keeps one request of w in flight while work runs.
func (s *subject) withBackground(ctx context.Context, w workload.Workload, seed uint64, work func() (round, error)) (round, error) {
	behind, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	var failure error
	group.Go(func() {
		for i := uint64(1 << 50); behind.Err() == nil; i++ {
			if err := s.do(behind, w.Texts(seed, i)); err != nil && behind.Err() == nil {
				failure = err
				return
			}
		}
	})
	r, err := work()
	stop()
	group.Wait()
	return r, errors.Join(err, failure)
}

func (f *figures) write(ctx context.Context, r *results, o options, stdout io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Figures\n\nWritten by `make figures` on %s. They hold for this machine and moment; the ratios are taken round by round, over %d rounds in which the systems took turns.\n\n",
		r.Started.Format("2006-01-02 15:04 MST"), o.rounds)
	r.printHeader(&b)
	head(&b, "figure", "target", "median", "from", "to", "met")
	for _, one := range f.list {
		row(&b, one.cells()...)
	}
	fmt.Fprintf(&b, "\n\"FIFO of 8\" is an emulation in process of batches of at most %d in order of arrival, padded, on one session, with our tokenizer: a policy, not a server. Figures \"to TEI's\" divide a ratio to ONNX Runtime alone by what text-embeddings-inference 1.9.3 (ONNX, fp32) reached of it on another machine: %.2f of the time for a single text, and of the throughput %.2f for short texts, %.2f for mixed lengths, %.2f for uniform batches.\n\n",
		fifoBatch, teiSingle, teiShort, teiMixed, teiUniform)
	flops, peak := r.mfu(o)
	for _, c := range f.comparisons {
		r.Workloads = append(r.Workloads, c.result(flops, peak))
	}
	r.printWorkloads(&b)
	r.AtEnd = readMemory(ctx, o.device, r.AfterStart.GPU > 0)
	if _, err := stdout.Write(b.Bytes()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.figures), 0o755); err != nil { //nolint:gosec // for everyone to read
		return err
	}
	if err := os.WriteFile(o.figures, b.Bytes(), 0o644); err != nil { //nolint:gosec // for everyone to read
		return err
	}
	if o.json == "" {
		return nil
	}
	return r.save(o.json)
}

func (f figure) cells() []string {
	sign, word := "≤", "no"
	if f.atLeast {
		sign = "≥"
	}
	if f.met() {
		word = "yes"
	}
	unit := ""
	if f.unit != "" {
		unit = " " + f.unit
	}
	return append([]string{f.name, fmt.Sprintf("%s %g%s", sign, f.target, unit)}, append(cells(f.value), word)...)
}
