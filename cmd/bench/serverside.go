package main

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prom "github.com/prometheus/common/model"
)

// scrape is one reading of a server's /metrics, by family.
type scrape map[string]*dto.MetricFamily

// readMetrics returns nil where there are none to read: the route is not every server's.
func (c *client) readMetrics(ctx context.Context) scrape {
	status, _, body, err := c.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil || status != http.StatusOK {
		return nil
	}
	parser := expfmt.NewTextParser(prom.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	return families
}

// of returns the family's metric of a model, or its only one when the model is empty.
func (s scrape) of(family, name string) *dto.Metric {
	for _, m := range s[family].GetMetric() {
		if name == "" {
			return m
		}
		for _, l := range m.GetLabel() {
			if l.GetName() == "model" && l.GetValue() == name {
				return m
			}
		}
	}
	return nil
}

// value is that of a counter or a gauge; 0 where there is none.
func (s scrape) value(family, name string) float64 {
	m := s.of(family, name)
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

const residentBytes = "process_resident_memory_bytes"

// serverSide is what a server's own counters say of the measured time, on everything that the
// model did then. Only Quadrate's counters are known.
type serverSide struct {
	Batches      int      `json:"batches"`
	Items        int      `json:"items"`
	Tokens       int      `json:"tokens"`        // real ones
	PaddedTokens int      `json:"padded_tokens"` // those and padding; 0: not said
	BatchItems   []bucket `json:"batch_items"`
	CPUSeconds   float64  `json:"cpu_seconds"`
	Resident     int64    `json:"resident_bytes"` // at the end
}

// bucket counts batches of at most so many items, and more than the bucket before.
type bucket struct {
	UpTo  float64 `json:"up_to"` // -1: no bound
	Count int     `json:"count"`
}

// efficiency is the share of real tokens in what was computed; 0: not said.
func (s serverSide) efficiency() float64 { return ratioOf(s.Tokens, s.PaddedTokens) }

func (s serverSide) itemsPerBatch() float64 { return ratioOf(s.Items, s.Batches) }

func ratioOf(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// between returns what happened from one reading to the next; nil where the server does not
// count batches, or counted none.
func between(before, after scrape, name string) *serverSide {
	const items, tokens, padded = "quadrate_batch_items", "quadrate_batch_tokens", "quadrate_batch_padded_tokens_total"
	then, now := before.of(items, name).GetHistogram(), after.of(items, name).GetHistogram()
	if now.GetSampleCount() == then.GetSampleCount() {
		return nil
	}
	sum := func(family string) int {
		return int(math.Round(after.of(family, name).GetHistogram().GetSampleSum() - before.of(family, name).GetHistogram().GetSampleSum()))
	}
	const cpu = "process_cpu_seconds_total"
	return &serverSide{
		Batches: int(now.GetSampleCount() - then.GetSampleCount()),
		Items:   sum(items), Tokens: sum(tokens),
		PaddedTokens: int(after.value(padded, name) - before.value(padded, name)),
		BatchItems:   buckets(then, now),
		CPUSeconds:   after.value(cpu, "") - before.value(cpu, ""),
		Resident:     int64(after.value(residentBytes, "")),
	}
}

// buckets turns two readings of cumulative counts into what was added to each bucket.
func buckets(then, now *dto.Histogram) []bucket {
	var out []bucket
	below := 0
	for k, b := range now.GetBucket() {
		count := int(b.GetCumulativeCount())
		if k < len(then.GetBucket()) {
			count -= int(then.GetBucket()[k].GetCumulativeCount())
		}
		bound := b.GetUpperBound()
		if math.IsInf(bound, 1) {
			bound = -1
		}
		out = append(out, bucket{UpTo: bound, Count: count - below})
		below = count
	}
	return out
}

// joinSides adds up several rounds; nil of none.
func joinSides(rounds []*serverSide) *serverSide {
	var all *serverSide
	for _, r := range rounds {
		if all == nil {
			first := *r
			first.BatchItems = slices.Clone(r.BatchItems)
			all = &first
			continue
		}
		all.Batches += r.Batches
		all.Items += r.Items
		all.Tokens += r.Tokens
		all.PaddedTokens += r.PaddedTokens
		all.CPUSeconds += r.CPUSeconds
		all.Resident = r.Resident
		for k := range min(len(all.BatchItems), len(r.BatchItems)) {
			all.BatchItems[k].Count += r.BatchItems[k].Count
		}
	}
	return all
}
