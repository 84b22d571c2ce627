package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

const (
	// memorySamples is about how often a soak reads the server's memory.
	memorySamples = 200
	// mostGrowth of memory over a soak's second half is taken for steady.
	mostGrowth = 0.05
	// soakTokens and soakDocuments keep requests short: their number is what wears.
	soakTokens, soakDocuments = 32, 4
)

// soak is what many requests did to the server's memory.
type soak struct {
	Server   string         `json:"server"`
	Model    string         `json:"model"`
	Routes   []string       `json:"routes"`
	Requests int            `json:"requests"` // answered well
	Errors   map[string]int `json:"errors"`
	Seconds  float64        `json:"seconds"`
	// Growth of resident memory over the second half: the median of its last fifth over that
	// of its first fifth, less 1.
	Growth  float64        `json:"growth"`
	Samples []memorySample `json:"samples"`
}

type memorySample struct {
	Seconds  float64 `json:"seconds"`
	Requests int     `json:"requests"`
	Resident int64   `json:"resident_bytes"`
}

// mixedLoad sends the calls to the loads in turn.
func mixedLoad(loads []*load) load {
	of := func(number uint64) *load { return loads[number%uint64(len(loads))] }
	return load{
		prepare: func(i uint64) (call, error) { return of(i).prepare(i) },
		send:    func(ctx context.Context, c call) reply { return of(c.number).send(ctx, c) },
	}
}

// soakLoads are short requests to every route that the model serves, in every dialect.
func soakLoads(s *server, m model, seed uint64) (loads []*load, routes []string, err error) {
	limit := soakTokens
	if m.maxLength > 0 {
		limit = min(limit, m.maxLength)
	}
	for _, name := range []string{"W4", "W1"} {
		w, err := workload.For(name, workload.Shape{Documents: soakDocuments, Tokens: soakTokens, Max: limit})
		if err != nil {
			return nil, nil, err
		}
		if !m.can(w.Task) {
			continue
		}
		for _, dialect := range []string{"auto", "tei"} {
			d, err := dialectFor(dialect, w.Task)
			if err != nil {
				return nil, nil, err
			}
			loads, routes = append(loads, s.client.load(w, d, m.name, seed)), append(routes, d.path)
		}
	}
	return loads, routes, nil
}

// runSoak sends o.soak requests in a closed loop and watches the server's memory meanwhile.
func runSoak(ctx context.Context, o options, s *server, stderr io.Writer) (*soak, error) {
	m, err := s.find(o.model)
	if err != nil {
		return nil, err
	}
	if s.client.readMetrics(ctx).value(residentBytes, "") == 0 {
		return nil, fmt.Errorf("%s/metrics has no %s, which a soak watches", s.URL, residentBytes)
	}
	loads, routes, err := soakLoads(s, m, o.seed)
	if err != nil {
		return nil, err
	}
	out := &soak{Server: s.URL, Model: m.name, Routes: routes}
	p := o.phase(0, 0)
	p.duration, p.calls = time.Duration(math.MaxInt64/2), uint64(o.soak) //nolint:gosec // validated
	front, err := p.closed(ctx, out.watched(ctx, mixedLoad(loads), s, p.calls, stderr))
	if err != nil {
		return nil, err
	}
	out.Requests, out.Errors, out.Seconds = front.requests, front.errors, front.elapsed.Seconds()
	if front.firstError != nil {
		err = front.firstError
	}
	if front.requests == 0 {
		return out, fmt.Errorf("every request of the soak failed: %w", errors.Join(err, ctx.Err()))
	}
	out.Growth = growth(out.Samples)
	return out, nil
}

// watched reads the memory each time that another share of the calls is prepared: by requests,
// not by time, so that a slow stretch weighs no more than a fast one.
func (out *soak) watched(ctx context.Context, l load, s *server, calls uint64, stderr io.Writer) load {
	start := time.Now()
	every := max(calls/memorySamples, 1)
	bar := newCounter(stderr, calls)
	samples := make(chan struct{}, 1) // holds the right to append
	prepare := l.prepare
	l.prepare = func(i uint64) (call, error) {
		if i%every == 0 {
			samples <- struct{}{}
			bar(i)
			if resident := s.client.readMetrics(ctx).value(residentBytes, ""); resident > 0 {
				out.Samples = append(out.Samples, memorySample{time.Since(start).Seconds(), int(i), int64(resident)}) //nolint:gosec // a count
			}
			<-samples
		}
		return prepare(i)
	}
	return l
}

func growth(samples []memorySample) float64 {
	half := samples[len(samples)/2:]
	fifth := max(len(half)/5, 1)
	if len(half) < 2 {
		return 0
	}
	from, to := medianMemory(half[:fifth]), medianMemory(half[len(half)-fifth:])
	return to/from - 1
}

func medianMemory(samples []memorySample) float64 {
	values := make([]int64, len(samples))
	for i, s := range samples {
		values[i] = s.Resident
	}
	slices.Sort(values)
	return float64(values[len(values)/2])
}

func (out *soak) print(w io.Writer) {
	fmt.Fprintf(w, "\nsoak of %s on %s, routes %v: %d answered in %.0f s, %d errors\n", orUnknown(out.Model), out.Server, out.Routes, out.Requests, out.Seconds, total(out.Errors))
	every := max(len(out.Samples)/10, 1)
	for k, m := range out.Samples {
		if k%every == 0 || k == len(out.Samples)-1 {
			fmt.Fprintf(w, "  after %7d requests, %6.0f s: %7.1f MiB resident\n", m.Requests, m.Seconds, float64(m.Resident)/(1<<20))
		}
	}
	fmt.Fprintf(w, "growth over the second half: %.1f %% (target: under %g %%)\n", 100*out.Growth, 100*mostGrowth)
}

// verdict is an error when the memory was not steady or requests failed.
func (out *soak) verdict() error {
	var problems []error
	if out.Growth >= mostGrowth {
		problems = append(problems, fmt.Errorf("resident memory grew by %.1f %% over the second half, the target is under %g %%", 100*out.Growth, 100*mostGrowth))
	}
	if n := total(out.Errors); n > 0 {
		problems = append(problems, fmt.Errorf("%d requests failed", n))
	}
	return errors.Join(problems...)
}
