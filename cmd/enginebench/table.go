package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/internal/measure"
)

// Everything is printed as Markdown, so that it can be kept in a report as it is.

func (r *results) printHeader(w io.Writer) {
	fmt.Fprintf(w, "%s: %s %s, %d threads; ONNX Runtime %s; quadrate-enginebench %s, %s\n\n", r.Model, r.Provider, r.Variant, r.Threads, r.Runtime, r.Version, r.Go)
	set := strings.Join(r.Machine.InstructionSet, " ")
	if set == "" {
		set = "unknown instruction set"
	}
	fmt.Fprintf(w, "Machine: %s; %d cores; %s/%s. Started in %.2f s; %s resident, %s at most, of a file of %s.\n",
		set, r.Machine.Cores, r.Machine.OS, r.Machine.Arch, r.StartUp, mib(r.AfterStart.Resident), mib(r.AfterStart.Peak), mib(r.FileBytes))
	if r.AfterStart.GPU > 0 {
		fmt.Fprintf(w, "On the device: %s by all processes.\n", mib(r.AfterStart.GPU))
	}
	for _, precision := range slices.Sorted(maps.Keys(r.Peak)) {
		fmt.Fprintf(w, "Peak of large %s matrix products: %.1f G operations/s.\n", precision, r.Peak[precision]/1e9)
	}
	fmt.Fprintln(w)
}

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// row writes one line of a Markdown table.
func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func head(w io.Writer, cells ...string) {
	row(w, cells...)
	fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(cells)))
}

func (r *results) print(w io.Writer) {
	r.printWorkloads(w)
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "skipped: %s\n\n", s)
	}
	r.printSweeps(w)
	fmt.Fprintf(w, "At the end: %s resident, %s at most", mib(r.AtEnd.Resident), mib(r.AtEnd.Peak))
	if r.AtEnd.GPU > 0 {
		fmt.Fprintf(w, ", %s on the device", mib(r.AtEnd.GPU))
	}
	fmt.Fprintln(w, ".")
}

func (r *results) printWorkloads(w io.Writer) {
	if len(r.Workloads) == 0 {
		return
	}
	head(w, "workload", "callers", "system", "tok/s", "items/s", "p50 ms", "p99 ms", "padding efficiency", "MFU")
	for _, m := range r.Workloads {
		for _, s := range m.Systems {
			mfu := "–"
			if s.MFU != nil {
				mfu = fmt.Sprintf("%.1f %%", 100*s.MFU.Median)
			}
			name := s.System
			if s.Budget > 0 {
				name += fmt.Sprintf(", batches of %d tokens", s.Budget)
			}
			efficiency := "–"
			if s.Efficiency > 0 {
				efficiency = fmt.Sprintf("%.3f", s.Efficiency)
			}
			row(w, m.Workload, fmt.Sprint(m.Concurrency), name, fmt.Sprintf("%.0f", s.Tokens.Median), fmt.Sprintf("%.1f", s.Items.Median),
				median(s.P50), median(s.P99), efficiency, mfu)
		}
	}
	fmt.Fprintln(w)
	if r.MFUOf != "" {
		fmt.Fprintf(w, "MFU is of the %s peak, real tokens only. ", r.MFUOf)
	}
	fmt.Fprint(w, "Medians over rounds; the ratios are taken round by round.\n\n")
	head(w, "workload", "engine over", "figure", "ratio", "from", "to")
	for _, m := range r.Workloads {
		for _, q := range m.Ratios {
			row(w, append([]string{m.Workload, q.Over, q.Figure}, cells(q.Ratio)...)...)
		}
	}
	fmt.Fprintln(w)
}

func median(s *measure.Spread) string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f", s.Median)
}

func cells(s measure.Spread) []string {
	return []string{fmt.Sprintf("%.3f", s.Median), fmt.Sprintf("%.3f", s.Min), fmt.Sprintf("%.3f", s.Max)}
}

func (r *results) printSweeps(w io.Writer) {
	if len(r.Batches) > 0 {
		fmt.Fprint(w, "ONNX Runtime alone by shape of the batch, no padding, fastest run:\n\n")
		head(w, "length", "rows", "run ms", "tok/s")
		for _, b := range r.Batches {
			row(w, fmt.Sprint(b.Length), fmt.Sprint(b.Rows), fmt.Sprintf("%.2f", b.Time), fmt.Sprintf("%.0f", b.Tokens))
		}
		fmt.Fprintln(w)
	}
	if len(r.Sessions) > 0 {
		fmt.Fprint(w, "ONNX Runtime alone on the best batches by number of sessions, fastest pass:\n\n")
		head(w, "sessions", "threads each", "tok/s")
		for _, s := range r.Sessions {
			row(w, fmt.Sprint(s.Sessions), fmt.Sprint(s.Threads), fmt.Sprintf("%.0f", s.Tokens))
		}
		fmt.Fprintln(w)
	}
}
