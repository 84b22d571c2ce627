package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// way is one way to the upstream.
type way struct {
	name string
	url  string
}

// measureAll starts everything, measures in rounds, and writes the report.
func measureAll(ctx context.Context, o options, stdout, stderr io.Writer) error {
	folder, err := os.MkdirTemp("", "quadrate-gatewaybench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	up, err := startSelf(ctx, stderr, roleUpstream)
	if err != nil {
		return err
	}
	defer up.stop()
	plain, err := startSelf(ctx, stderr, roleProxy, up.url)
	if err != nil {
		return err
	}
	defer plain.stop()
	gateway, err := startGateway(ctx, stderr, o.server, folder, up.url)
	if err != nil {
		return err
	}
	defer gateway.stop()
	ways := []way{{"direct", up.url}, {"plain", plain.url}, {"gateway", gateway.url}}
	all, err := rounds(ctx, o, ways, stderr)
	if err != nil {
		return err
	}
	text := report(o, all)
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil { //nolint:gosec // a report
			return err
		}
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// round is what one round measured, by way.
type round struct {
	// open is smallWork at a fixed rate; small and large are closed loops.
	open, small, large map[string]*result
}

const warmUp = time.Second

func rounds(ctx context.Context, o options, ways []way, stderr io.Writer) ([]round, error) {
	small, large := smallWork.request(), largeWork.request()
	for _, w := range ways {
		for _, body := range [][]byte{small, large} {
			if r := newClient(w.url, body, o.concurrency).closed(ctx, o.concurrency, warmUp); r.failed > 0 {
				return nil, fmt.Errorf("%s: %d of the first requests failed, the last with: %w", w.name, r.failed, r.failure)
			}
		}
	}
	var all []round
	for i := range o.rounds {
		fmt.Fprintf(stderr, "round %d of %d\n", i+1, o.rounds)
		r := round{open: map[string]*result{}, small: map[string]*result{}, large: map[string]*result{}}
		for k := range ways {
			w := ways[(i+k)%len(ways)] // each goes first in turn
			r.open[w.name] = newClient(w.url, small, 1024).open(ctx, o.rate, o.duration)
		}
		for k := range ways {
			w := ways[(i+k)%len(ways)]
			r.small[w.name] = newClient(w.url, small, o.concurrency).closed(ctx, o.concurrency, o.duration)
			r.large[w.name] = newClient(w.url, large, o.concurrency).closed(ctx, o.concurrency, o.duration)
		}
		if err := r.check(); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, ctx.Err()
}

func (r round) check() error {
	for _, part := range []map[string]*result{r.open, r.small, r.large} {
		for name, result := range part {
			if result.failed > 0 {
				return fmt.Errorf("%s: %d requests failed, the last with: %w", name, result.failed, result.failure)
			}
			if len(result.latencies) == 0 {
				return fmt.Errorf("%s: nothing was answered", name)
			}
		}
	}
	return nil
}
