package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/internal/measure"
	"github.com/quadrate-maas/quadrate/internal/workload"
)

const (
	resultFile = "benchmark_result.json"
	reportFile = "benchmark_report.html"
)

// report is what benchmark_result.json holds.
type report struct {
	Started     time.Time    `json:"started"`
	Client      clientInfo   `json:"client"`
	Servers     []serverInfo `json:"servers"`
	Interrupted bool         `json:"interrupted"`
	Results     []result     `json:"results"`
	Comparisons []comparison `json:"comparisons,omitempty"`
	Soak        *soak        `json:"soak,omitempty"`

	options      options
	measurements []*measurement
}

// clientInfo is this program and its machine; the server's may be another.
type clientInfo struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	machine.Info
}

type serverInfo struct {
	URL     string        `json:"url"`
	Version string        `json:"version,omitempty"`
	Runtime string        `json:"runtime,omitempty"`
	Machine *machine.Info `json:"machine,omitempty"` // null where the server does not say
}

type latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

type throughput struct {
	Requests float64 `json:"requests_per_second"`
	Items    float64 `json:"items_per_second"`
	Tokens   float64 `json:"tokens_per_second"`
}

// result is one model under one workload on one server, all rounds together. Only calls that
// were answered well count, but for errors and dropped.
type result struct {
	Server         string         `json:"server"`
	Model          string         `json:"model"`
	Task           workload.Task  `json:"task"`
	Workload       string         `json:"workload"`
	Dialect        string         `json:"dialect"`
	Provider       string         `json:"provider,omitempty"`
	Variant        string         `json:"variant,omitempty"`
	Dimensions     int            `json:"dimensions,omitempty"`
	Loop           string         `json:"loop"` // open or closed
	Concurrency    int            `json:"concurrency,omitempty"`
	Rate           float64        `json:"rate,omitempty"`
	Seed           uint64         `json:"seed"`
	Rounds         int            `json:"rounds"`
	Seconds        float64        `json:"seconds"`
	Requests       int            `json:"requests"`
	Items          int            `json:"items"`
	TokensIntended int            `json:"tokens_intended"`
	TokensReported *int           `json:"tokens_reported"` // null where not every answer has it
	Latency        latency        `json:"latency_ms"`
	Distribution   []bin          `json:"distribution_ms,omitempty"`
	Split          *split         `json:"split_ms,omitempty"` // null where the server does not say
	ServerSide     *serverSide    `json:"server_side,omitempty"`
	Ramp           *ramp          `json:"ramp,omitempty"` // of W5; the other figures are then those at the knee
	Throughput     throughput     `json:"throughput"`
	Errors         map[string]int `json:"errors"`
	FirstError     string         `json:"first_error,omitempty"`
	Dropped        int            `json:"dropped"`
	ClientLag      float64        `json:"client_lag_max_ms"`
	Background     *result        `json:"background,omitempty"`
}

type comparison struct {
	Model    string  `json:"model"`
	Workload string  `json:"workload"`
	First    string  `json:"first"`
	Second   string  `json:"second"`
	Rounds   int     `json:"rounds"`
	Ratios   []ratio `json:"ratios"`
}

func newReport(o options, servers []*server) *report {
	r := &report{
		Started: time.Now().UTC().Truncate(time.Second), options: o,
		Client:  clientInfo{Version: version, Go: runtime.Version(), Info: machine.This()},
		Results: []result{},
	}
	for _, s := range servers {
		r.Servers = append(r.Servers, serverInfo{s.URL, s.Version, s.Runtime, s.Machine})
	}
	return r
}

func (r *report) add(m *measurement) {
	r.measurements = append(r.measurements, m)
	for _, s := range m.sides {
		if len(s.rounds) == 0 {
			continue
		}
		out := r.result(s, m.workload, m.dialect, s.rounds)
		out.ServerSide = joinSides(s.sides)
		if s.climb != nil {
			out.Ramp, out.Loop, out.Concurrency, out.Rate = &s.climb.result, "open", 0, s.climb.result.Knee
		}
		if len(s.behind) > 0 {
			reranker, _ := s.reranker()
			behind := *s
			behind.model = reranker
			back := r.result(&behind, *m.workload.Background, *m.background, s.behind)
			back.Loop, back.Rate, back.Concurrency = "closed", 0, 1
			out.Background = &back
		}
		r.Results = append(r.Results, out)
	}
	if len(m.sides) < 2 {
		return
	}
	a, b := m.sides[0], m.sides[1]
	if ratios, rounds := compare(a.rounds, b.rounds); rounds > 0 {
		r.Comparisons = append(r.Comparisons, comparison{
			Model: a.model.name, Workload: m.workload.Name, First: a.server.URL, Second: b.server.URL,
			Rounds: rounds, Ratios: ratios,
		})
	}
}

func (r *report) result(s *side, w workload.Workload, d dialect, rounds []*stats) result {
	all := merge(rounds)
	out := result{
		Server: s.server.URL, Model: s.model.name, Task: w.Task, Workload: w.Name, Dialect: d.name,
		Provider: s.model.provider, Variant: s.model.variant,
		Dimensions: all.dimensions,
		Loop:       "closed", Concurrency: r.options.concurrency, Seed: r.options.seed,
		Rounds: len(rounds), Seconds: all.elapsed.Seconds(),
		Requests: all.requests, Items: all.items, TokensIntended: all.intended,
		Latency: all.latency(), Throughput: all.throughput(), Distribution: all.distribution(), Split: all.split(),
		Errors: all.errors, Dropped: all.dropped, ClientLag: measure.Milliseconds(all.lag),
	}
	if r.options.rate > 0 {
		out.Loop, out.Concurrency, out.Rate = "open", 0, r.options.rate
	}
	if all.requests > 0 && all.reported == all.requests {
		out.TokensReported = &all.tokens
	}
	if all.firstError != nil {
		out.FirstError = all.firstError.Error()
	}
	return out
}

// save replaces each file of an earlier run as a whole.
// writable makes the folder and tries it before anything is measured: minutes of load would be
// lost with the results.
func writable(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".quadrate-bench-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (r *report) save(folder string, stdout io.Writer) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(folder, resultFile), append(data, '\n'), stdout); err != nil {
		return err
	}
	page, err := r.page()
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(folder, reportFile), page, stdout)
}

func replaceFile(path string, content []byte, stdout io.Writer) error {
	if err := os.WriteFile(path+".tmp", content, 0o644); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "written:", path)
	return nil
}

// verdict is an error when requests failed and none was answered well; a soak has its own.
func (r *report) verdict() error {
	if r.Soak != nil {
		return r.Soak.verdict()
	}
	failed, first := 0, ""
	for _, res := range r.Results {
		if res.Requests > 0 {
			return nil
		}
		failed += total(res.Errors)
		if first == "" {
			first = res.FirstError
		}
	}
	if failed == 0 {
		return nil
	}
	return fmt.Errorf("every request failed (%d): %w", failed, errors.New(first))
}
