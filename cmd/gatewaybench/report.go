package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/internal/measure"
)

// figure is one line of the report: a value in each round and what it should reach.
type figure struct {
	name, target string
	met          func(median float64) bool
	value        func(r round) float64
}

func atMost(limit float64) func(float64) bool  { return func(x float64) bool { return x <= limit } }
func atLeast(limit float64) func(float64) bool { return func(x float64) bool { return x >= limit } }

// percentile is that of a way's open loop, in milliseconds.
func percentile(r round, name string, p float64) float64 {
	return measure.Milliseconds(measure.Percentiles(r.open[name].latencies, p)[0])
}

func figures() []figure {
	overhead := func(p float64, way string) func(round) float64 {
		return func(r round) float64 { return percentile(r, way, p) - percentile(r, "direct", p) }
	}
	return []figure{
		{"gateway less direct, p50, ms", "≤ 0.3", atMost(0.3), overhead(50, "gateway")},
		{"gateway less direct, p99, ms", "≤ 1", atMost(1), overhead(99, "gateway")},
		{"plain proxy less direct, p50, ms", "", nil, overhead(50, "plain")},
		{"plain proxy less direct, p99, ms", "", nil, overhead(99, "plain")},
		{"throughput, base64, gateway / plain proxy", "≥ 0.9", atLeast(0.9), func(r round) float64 {
			return r.small["gateway"].throughput() / r.small["plain"].throughput()
		}},
		{"throughput, numbers, gateway / plain proxy", "≥ 0.6", atLeast(0.6), func(r round) float64 {
			return r.large["gateway"].throughput() / r.large["plain"].throughput()
		}},
	}
}

func report(o options, all []round) string {
	var b strings.Builder
	here := machine.This()
	fmt.Fprintf(&b, "# What the gateway costs\n\nWritten by `make gateway-bench` on %s. The ratios are taken round by round.\n\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(&b, "Machine: %s; %d cores; %s/%s; %s. Client, upstream and gateway are processes of their own on the same cores; the gateway's request log is off, as the plain proxy has none.\n\n",
		strings.Join(here.InstructionSet, " "), here.Cores, here.OS, here.Arch, runtime.Version())
	fmt.Fprintf(&b, "%d rounds of %s a measurement, in which the ways took turns. The open loop sends %s, %g times a second; throughput is that of %d connections.\n\n",
		o.rounds, o.duration, smallWork.name, o.rate, o.concurrency)
	b.WriteString("| figure | target | median | from | to | met |\n|---|---|---|---|---|---|\n")
	for _, f := range figures() {
		spread, met := spreadOf(all, f.value), ""
		if f.met != nil {
			met = map[bool]string{true: "yes", false: "no"}[f.met(spread.Median)]
		}
		fmt.Fprintf(&b, "| %s | %s | %.3f | %.3f | %.3f | %s |\n", f.name, f.target, spread.Median, spread.Min, spread.Max, met)
	}
	b.WriteString("\n| way | p50 ms | p99 ms | requests/s, base64 | requests/s, numbers |\n|---|---|---|---|---|\n")
	for _, name := range []string{"direct", "plain", "gateway"} {
		fmt.Fprintf(&b, "| %s | %.3f | %.3f | %.0f | %.0f |\n", name,
			spreadOf(all, func(r round) float64 { return percentile(r, name, 50) }).Median,
			spreadOf(all, func(r round) float64 { return percentile(r, name, 99) }).Median,
			spreadOf(all, func(r round) float64 { return r.small[name].throughput() }).Median,
			spreadOf(all, func(r round) float64 { return r.large[name].throughput() }).Median)
	}
	return b.String()
}

func spreadOf(all []round, value func(round) float64) measure.Spread {
	values := make([]float64, len(all))
	for i, r := range all {
		values[i] = value(r)
	}
	return measure.SpreadOf(values)
}
