package main

import (
	"encoding/json"
	"os"
	"time"

	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/internal/measure"
)

// results is what -json holds.
type results struct {
	Started    time.Time          `json:"started"`
	Version    string             `json:"version"`
	Go         string             `json:"go"`
	Machine    machine.Info       `json:"machine"`
	Runtime    string             `json:"runtime"`
	Model      string             `json:"model"`
	Provider   string             `json:"provider"`
	Variant    string             `json:"variant"`
	Threads    int                `json:"threads"`
	StartUp    float64            `json:"start_up_seconds"`
	FileBytes  int64              `json:"file_bytes"`
	AfterStart memory             `json:"memory_after_start"`
	AtEnd      memory             `json:"memory_at_end"`
	Peak       map[string]float64 `json:"peak_operations_per_second,omitempty"` // by precision
	// MFUOf names the peak that mfu is a share of; empty where there is none, or config.json
	// does not say the model's shape.
	MFUOf     string           `json:"mfu_of,omitempty"`
	Workloads []workloadResult `json:"workloads"`
	Skipped   []string         `json:"skipped,omitempty"`
	Batches   []batchPoint     `json:"batch_sweep,omitempty"`
	Sessions  []sessionPoint   `json:"session_sweep,omitempty"`
}

// workloadResult is one workload on every system.
type workloadResult struct {
	Workload    string         `json:"workload"`
	Concurrency int            `json:"concurrency"`
	Rounds      int            `json:"rounds"`
	Requests    int            `json:"requests_per_round"`
	Tokens      int            `json:"tokens_per_round"` // of the first round
	Systems     []systemResult `json:"systems"`
	Ratios      []ratio        `json:"ratios"`
}

type systemResult struct {
	System string         `json:"system"`
	Tokens measure.Spread `json:"tokens_per_second"` // real ones
	Items  measure.Spread `json:"items_per_second"`  // texts, or pairs
	// P50 and P99 are those of a request; absent where the system does not run requests.
	P50        *measure.Spread `json:"p50_ms,omitempty"`
	P99        *measure.Spread `json:"p99_ms,omitempty"`
	Efficiency float64         `json:"padding_efficiency,omitempty"` // 0: not known
	// MFU is the share of the measured peak that went into real tokens.
	MFU *measure.Spread `json:"mfu,omitempty"`
	// Budget is the padded tokens of a batch with which ONNX Runtime alone is fastest.
	Budget int `json:"budget,omitempty"`
}

// ratio is the engine's figure over another system's, round by round.
type ratio struct {
	Figure string         `json:"figure"`
	Over   string         `json:"over"`
	Ratio  measure.Spread `json:"ratio"`
}

// result turns the rounds into figures. flops, where not nil, is what a set computes.
func (c *comparison) result(flops func(set) float64, peak float64) workloadResult {
	out := workloadResult{
		Workload: c.plan.workload.Name, Concurrency: c.plan.concurrency, Rounds: len(c.sets),
		Requests: len(c.sets[0].requests), Tokens: c.sets[0].tokens,
	}
	for _, name := range []string{systemEngine, systemAlone, systemFIFO, systemHTTP} {
		if len(c.rounds[name]) > 0 {
			out.Systems = append(out.Systems, c.system(name, flops, peak))
		}
	}
	for _, over := range []string{systemAlone, systemFIFO} {
		if len(c.rounds[over]) == 0 {
			continue
		}
		out.Ratios = append(out.Ratios, c.ratio("throughput", over, func(r round) float64 { return 1 / r.elapsed.Seconds() }))
		if c.answers(over) {
			out.Ratios = append(out.Ratios, c.ratio("p50", over, percentile(50)), c.ratio("p99", over, percentile(99)))
		}
	}
	return out
}

// answers is whether the system's rounds have the latencies of requests.
func (c *comparison) answers(name string) bool { return len(c.rounds[name][0].latencies) > 0 }

func percentile(p float64) func(round) float64 {
	return func(r round) float64 { return measure.Milliseconds(measure.Percentiles(r.latencies, p)[0]) }
}

func (c *comparison) ratio(figure, over string, of func(round) float64) ratio {
	return ratio{Figure: figure, Over: over, Ratio: c.ratioSpread(systemEngine, over, of)}
}

// ratioSpread is a figure of one system over that of another, round by round.
func (c *comparison) ratioSpread(a, b string, of func(round) float64) measure.Spread {
	values := make([]float64, len(c.sets))
	for k := range c.sets {
		values[k] = of(c.rounds[a][k]) / of(c.rounds[b][k])
	}
	return measure.SpreadOf(values)
}

func (c *comparison) system(name string, flops func(set) float64, peak float64) systemResult {
	spread := func(of func(k int, r round) float64) measure.Spread {
		values := make([]float64, len(c.sets))
		for k, r := range c.rounds[name] {
			values[k] = of(k, r)
		}
		return measure.SpreadOf(values)
	}
	out := systemResult{
		System: name,
		Tokens: spread(func(k int, r round) float64 { return float64(c.sets[k].tokens) / r.elapsed.Seconds() }),
		Items:  spread(func(k int, r round) float64 { return float64(c.sets[k].items) / r.elapsed.Seconds() }),
	}
	if c.answers(name) {
		p50, p99 := spread(func(_ int, r round) float64 { return percentile(50)(r) }), spread(func(_ int, r round) float64 { return percentile(99)(r) })
		out.P50, out.P99 = &p50, &p99
	}
	out.Efficiency = c.efficiency(name)
	if flops != nil && peak > 0 {
		mfu := spread(func(k int, r round) float64 { return flops(c.sets[k]) / r.elapsed.Seconds() / peak })
		out.MFU = &mfu
	}
	if name == systemAlone {
		out.Budget = c.budget
	}
	return out
}

// efficiency is the share of real tokens in what the system computed over all rounds; 0 where
// that is not known.
func (c *comparison) efficiency(name string) float64 {
	tokens, padded := 0, 0
	for k, r := range c.rounds[name] {
		tokens, padded = tokens+c.sets[k].tokens, padded+r.padded
	}
	if padded == 0 {
		return 0
	}
	return float64(tokens) / float64(padded)
}

func (r *results) save(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", append(data, '\n'), 0o644); err != nil { //nolint:gosec // results are for everyone to read
		return err
	}
	return os.Rename(file+".tmp", file)
}
