package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

func (r *report) printHeader(w io.Writer) {
	c := r.Client
	fmt.Fprintf(w, "client: %s; %d cores; %s %s/%s; quadrate-bench %s\n",
		orUnknown(strings.Join(c.InstructionSet, " ")), c.Cores, c.Go, c.OS, c.Arch, c.Version)
	for _, s := range r.Servers {
		fmt.Fprintf(w, "server: %s\n", s.describe())
	}
}

func (s serverInfo) describe() string {
	text := s.URL + "; version " + orUnknown(s.Version)
	if s.Runtime != "" {
		text += "; " + s.Runtime
	}
	if m := s.Machine; m != nil {
		text += fmt.Sprintf("; %s; %d cores; %s/%s", orUnknown(strings.Join(m.InstructionSet, " ")), m.Cores, m.OS, m.Arch)
	}
	return text
}

// print writes the tables and, if asked, the lines for benchstat.
func (r *report) print(w io.Writer, gobench bool) {
	if r.Interrupted {
		fmt.Fprintln(w, "interrupted: this is what there is so far")
	}
	if r.Soak != nil {
		r.Soak.print(w)
	}
	if len(r.Results) == 0 {
		return
	}
	fmt.Fprintln(w)
	r.printResults(w)
	for _, c := range r.Comparisons {
		fmt.Fprintln(w)
		c.print(w)
	}
	if gobench {
		fmt.Fprintln(w)
		r.printBenchLines(w)
	}
}

func (r *report) printResults(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "server\tmodel\tprovider\tworkload\tload\tok\terrors\tdropped\tmean ms\tp50\tp95\tp99\treq/s\titems/s\ttok/s\tdims")
	for _, res := range r.Results {
		printRow(t, res, "")
		if res.Background != nil {
			printRow(t, *res.Background, " (behind)")
		}
	}
	_ = t.Flush()
	for _, res := range r.Results {
		res.printNotes(w)
	}
}

func printRow(w io.Writer, res result, mark string) {
	load := fmt.Sprintf("closed %d", res.Concurrency)
	if res.Loop == "open" {
		load = "open " + rateName(res.Rate)
	}
	l, t := res.Latency, res.Throughput
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.1f\t%.1f\t%.0f\t%s\n",
		res.Server, orUnknown(res.Model), orUnknown(strings.Trim(res.Provider+" "+res.Variant, " ")),
		res.Workload+mark, load, res.Requests, total(res.Errors), res.Dropped,
		l.Mean, l.P50, l.P95, l.P99, t.Requests, t.Items, t.Tokens, dimensions(res.Dimensions))
}

// printNotes says what a row has no room for.
func (res result) printNotes(w io.Writer) {
	at := fmt.Sprintf("%s %s %s:", res.Server, res.Model, res.Workload)
	switch {
	case res.Requests == 0:
	case res.TokensReported == nil:
		fmt.Fprintf(w, "%s %d tokens intended, not reported: tok/s are the intended\n", at, res.TokensIntended)
	default:
		fmt.Fprintf(w, "%s %d tokens intended, %d reported\n", at, res.TokensIntended, *res.TokensReported)
	}
	for _, kind := range slices.Sorted(maps.Keys(res.Errors)) {
		fmt.Fprintf(w, "%s %d errors: %s\n", at, res.Errors[kind], kind)
	}
	if res.FirstError != "" {
		fmt.Fprintf(w, "%s first error: %s\n", at, res.FirstError)
	}
	if res.Loop == "open" && res.Requests > 0 {
		fmt.Fprintf(w, "%s sent at most %.2f ms late\n", at, res.ClientLag)
	}
	res.printServerSide(w, at)
	if res.Ramp != nil {
		res.Ramp.print(w, at)
	}
	if res.Background != nil {
		behind := *res.Background
		behind.Workload += " (behind)"
		behind.printNotes(w)
	}
}

// printServerSide says what the server itself told of the measured time.
func (res result) printServerSide(w io.Writer, at string) {
	if p := res.Split; p != nil {
		fmt.Fprintf(w, "%s of the mean %.2f ms: tokenize %.2f, queue %.2f, run %.2f, other %.2f\n", at, res.Latency.Mean, p.Tokenize, p.Queue, p.Run, p.Other)
	}
	s := res.ServerSide
	if s == nil {
		return
	}
	fmt.Fprintf(w, "%s %d batches of %.1f items and %.0f tokens", at, s.Batches, s.itemsPerBatch(), ratioOf(s.Tokens, s.Batches))
	if s.PaddedTokens > 0 {
		fmt.Fprintf(w, "; padding efficiency %.3f", s.efficiency())
	}
	fmt.Fprintf(w, "; %.3f CPU seconds per 1000 tokens; %.0f MiB resident\n", 1000*s.CPUSeconds/float64(max(s.Tokens, 1)), float64(s.Resident)/(1<<20))
}

func (r *ramp) print(w io.Writer, at string) {
	fmt.Fprintf(w, "%s knee at %s: the highest rate with p99 within %.1f ms and at most %g %% lost\n", at, rateName(r.Knee), r.Limit, 100*mostLost)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "offered/s\tanswered/s\titems/s\ttok/s\tp50 ms\tp95\tp99\tfailed\tdropped\theld\t")
	for _, s := range r.Steps {
		word := "yes"
		if !s.Held {
			word = "no"
		}
		fmt.Fprintf(t, "%.1f\t%.1f\t%.1f\t%.0f\t%.2f\t%.2f\t%.2f\t%d\t%d\t%s\t\n", s.Offered, s.Throughput.Requests, s.Throughput.Items,
			s.Throughput.Tokens, s.Latency.P50, s.Latency.P95, s.Latency.P99, s.Failed, s.Dropped, word)
	}
	_ = t.Flush()
}

func rateName(rate float64) string { return fmt.Sprintf("%.4g/s", rate) }

func (c comparison) print(w io.Writer) {
	fmt.Fprintf(w, "%s %s over %d rounds: %s / %s\n", orUnknown(c.Model), c.Workload, c.Rounds, c.First, c.Second)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tfirst\tsecond\tratio\tfrom\tto")
	for _, q := range c.Ratios {
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.3f\t%.3f\t%.3f\n", q.Figure, q.First.Median, q.Second.Median, q.Ratio.Median, q.Ratio.Min, q.Ratio.Max)
	}
	_ = t.Flush()
}

// printBenchLines writes one line a round in the format of Go's benchmarks.
func (r *report) printBenchLines(w io.Writer) {
	fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: quadrate-bench\n", r.Client.OS, r.Client.Arch)
	for _, m := range r.measurements {
		for k, s := range m.sides {
			for _, round := range s.rounds {
				if round.requests > 0 {
					fmt.Fprintln(w, r.benchLine(m, k, round))
				}
			}
		}
	}
}

// benchLine names the server by its place, so that benchstat -col /server sets the two side
// by side whatever their URLs are.
func (r *report) benchLine(m *measurement, place int, round *stats) string {
	load := fmt.Sprintf("concurrency=%d", r.options.concurrency)
	if r.options.rate > 0 {
		load = fmt.Sprintf("rate=%g", r.options.rate)
	}
	name := strings.NewReplacer("/", "_", " ", "_", "-", "_").Replace(orUnknown(m.sides[0].model.name))
	p := round.percentiles(50, 95, 99)
	return fmt.Sprintf("BenchmarkServer/model=%s/workload=%s/%s/server=%s-%d\t%d\t%d ns/op\t%d p50-ns\t%d p95-ns\t%d p99-ns\t%.4g req/s\t%.4g items/s\t%.4g tok/s",
		name, m.workload.Name, load, [...]string{"first", "second"}[place], runtime.GOMAXPROCS(0), round.requests,
		round.mean().Nanoseconds(), p[0].Nanoseconds(), p[1].Nanoseconds(), p[2].Nanoseconds(),
		round.perSecond(round.requests), round.perSecond(round.items), round.perSecond(round.tokenCount()))
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func dimensions(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
