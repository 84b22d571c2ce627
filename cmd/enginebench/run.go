package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/machine"
)

// run prints results on stdout, and what it is at on stderr: a run takes minutes.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	o.notes = stderr
	if o.json != "" { // before minutes are spent on what could not be kept
		if _, err := os.Stat(filepath.Dir(o.json)); err != nil {
			return fmt.Errorf("-json: %w", err)
		}
	}
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if o.figures != "" {
		return runFigures(ctx, s, o, stdout)
	}
	r := newResults(ctx, s, o)
	if err := r.fill(ctx, s, o, stdout); err != nil {
		return err
	}
	r.print(stdout)
	if o.json == "" {
		return nil
	}
	return r.save(o.json)
}

func newResults(ctx context.Context, s *subject, o options) *results {
	info := s.model.Info()
	gpu := s.config.Provider != inference.ProviderCPU
	return &results{
		Started: time.Now().UTC().Truncate(time.Second), Version: version, Go: runtime.Version(), Machine: machine.This(),
		Runtime: s.native.Version(), Model: filepath.Base(filepath.Clean(o.model)), Provider: info.Provider, Variant: info.Variant,
		Threads: s.config.Threads, StartUp: s.started.Seconds(), FileBytes: fileBytes(s.config.File),
		AfterStart: readMemory(ctx, o.device, gpu), Workloads: []workloadResult{},
	}
}

// fill measures what the options ask for.
func (r *results) fill(ctx context.Context, s *subject, o options, stdout io.Writer) error {
	if err := r.measurePeak(ctx, s, o); err != nil {
		return err
	}
	r.printHeader(stdout)
	flops, peak := r.mfu(o)
	for _, name := range r.workloads(s, o) {
		p, err := o.plan(s, name)
		if err != nil {
			r.Skipped = append(r.Skipped, err.Error())
			continue
		}
		var others []func(*alone) system
		if o.fifo {
			others = append(others, withFIFO(ctx, s, p))
		}
		c, err := compare(ctx, s, p, o, others...)
		if err != nil {
			return err
		}
		r.Workloads = append(r.Workloads, c.result(flops, peak))
	}
	if err := r.sweep(ctx, s, o); err != nil {
		return err
	}
	r.AtEnd = readMemory(ctx, o.device, s.config.Provider != inference.ProviderCPU)
	return nil
}

func (r *results) workloads(s *subject, o options) []string {
	switch {
	case len(o.workloads) > 0 || len(o.sweeps) > 0:
		return o.workloads
	case s.embeds():
		return []string{"W2", "W3", "W4"}
	default:
		return []string{"W1"}
	}
}

// measurePeak leaves the peak out where the provider runs no plain matrix product.
func (r *results) measurePeak(ctx context.Context, s *subject, o options) error {
	if !o.peak {
		return nil
	}
	peak, err := s.peaks(ctx)
	if err != nil && ctx.Err() == nil {
		r.Skipped = append(r.Skipped, "MFU: "+err.Error())
		return nil
	}
	r.Peak = peak
	return err
}

// mfu returns what a set computes, and the peak of the variant's precision; nil and 0 where one
// of them is not known.
func (r *results) mfu(o options) (func(set) float64, float64) {
	shape, err := readShape(o.model)
	if err != nil {
		r.Skipped = append(r.Skipped, "MFU: "+err.Error())
		return nil, 0
	}
	precision := r.Variant
	if slices.Contains([]string{"packed", "trt"}, precision) {
		precision = "fp16"
	}
	if r.Peak[precision] == 0 {
		return nil, 0
	}
	r.MFUOf = precision
	return func(in set) float64 { return shape.flops(in.encodings()) }, r.Peak[precision]
}

func (r *results) sweep(ctx context.Context, s *subject, o options) (err error) {
	if slices.Contains(o.sweeps, sweepBatch) {
		if r.Batches, err = s.sweepBatches(ctx, s.model.Info().MaxLength); err != nil {
			return err
		}
	}
	if !slices.Contains(o.sweeps, sweepSessions) {
		return nil
	}
	name := "W3"
	if !s.embeds() {
		name = "W1"
	}
	p, err := o.plan(s, name)
	if err != nil {
		return err
	}
	r.Sessions, err = s.sweepSessions(ctx, p, o)
	return err
}
