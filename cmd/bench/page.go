package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"ms":      func(v float64) string { return fmt.Sprintf("%.2f", v) },
	"one":     func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"three":   func(v float64) string { return fmt.Sprintf("%.3f", v) },
	"whole":   func(v float64) string { return fmt.Sprintf("%.0f", v) },
	"mib":     func(v int64) string { return fmt.Sprintf("%.0f", float64(v)/(1<<20)) },
	"percent": func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) },
	"total":   total,
	"known":   orUnknown,
	"join":    strings.Join,
}).Parse(pageText))

// section is one model under one workload, on one server or two.
type section struct {
	Model, Workload  string
	Results          []result // a workload's background after its own
	Sides            []result // without backgrounds
	Comparison       *comparison
	Latency, Batches template.HTML
	Ramp             template.HTML
}

// page is the report as one HTML file that needs no other: styles and drawings are inside.
func (r *report) page() ([]byte, error) {
	view := struct {
		*report
		Sections []section
		Memory   template.HTML
	}{report: r}
	for _, results := range r.sections() {
		s, err := r.section(results)
		if err != nil {
			return nil, err
		}
		view.Sections = append(view.Sections, s)
	}
	if r.Soak != nil && len(r.Soak.Samples) > 1 {
		var err error
		if view.Memory, err = memoryChart(r.Soak); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, view)
	return b.Bytes(), err
}

// sections puts the results of two servers for the same measurement together: they follow
// each other.
func (r *report) sections() [][]result {
	var out [][]result
	for _, m := range r.measurements {
		var results []result
		for range m.sides {
			taken := len(results)
			for _, o := range out {
				taken += len(o)
			}
			if taken < len(r.Results) && len(results) < measured(m) {
				results = append(results, r.Results[taken])
			}
		}
		if len(results) > 0 {
			out = append(out, results)
		}
	}
	return out
}

// measured counts the sides that have a round.
func measured(m *measurement) (n int) {
	for _, s := range m.sides {
		if len(s.rounds) > 0 {
			n++
		}
	}
	return n
}

func (r *report) section(results []result) (s section, err error) {
	s = section{Model: results[0].Model, Workload: results[0].Workload, Sides: results}
	for _, res := range results {
		s.Results = append(s.Results, res)
		if res.Background != nil {
			behind := *res.Background
			behind.Workload += " (behind)"
			s.Results = append(s.Results, behind)
		}
	}
	for i, c := range r.Comparisons {
		if c.Model == s.Model && c.Workload == s.Workload {
			s.Comparison = &r.Comparisons[i]
		}
	}
	answered, batches, ramps := false, false, false
	for _, res := range results {
		answered = answered || res.Requests > 0
		batches = batches || res.ServerSide != nil
		ramps = ramps || res.Ramp != nil
	}
	for _, c := range []struct {
		wanted bool
		draw   func([]result) (template.HTML, error)
		into   *template.HTML
	}{{answered, latencyChart, &s.Latency}, {batches, batchChart, &s.Batches}, {ramps, rampChart, &s.Ramp}} {
		if c.wanted {
			if *c.into, err = c.draw(results); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// Load says how a result's requests came.
func (res result) Load() string {
	if res.Loop == "open" {
		return "open " + rateName(res.Rate)
	}
	return fmt.Sprintf("closed %d", res.Concurrency)
}

// Describe is a server's line in the header.
func (s serverInfo) Describe() string { return s.describe() }

// Efficiency and the others are the page's names for what the table prints too.
func (s serverSide) Efficiency() float64    { return s.efficiency() }
func (s serverSide) ItemsPerBatch() float64 { return s.itemsPerBatch() }

// TokensPerBatch counts real tokens.
func (s serverSide) TokensPerBatch() float64 { return ratioOf(s.Tokens, s.Batches) }

// CPUPerThousand is the server's CPU seconds for 1000 real tokens.
func (s serverSide) CPUPerThousand() float64 { return 1000 * s.CPUSeconds / float64(max(s.Tokens, 1)) }

// Share is part's part of the whole in percent, for a bar's width.
func (p split) Share(part float64) float64 {
	whole := p.Tokenize + p.Queue + p.Run + p.Other
	if whole == 0 {
		return 0
	}
	return 100 * part / whole
}
