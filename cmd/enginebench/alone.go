package main

import (
	"context"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// alone runs ONNX Runtime with nothing around it: ids that lie ready, sorted by length and cut
// into batches of a padded budget, one after the other on one session.
type alone struct {
	session inference.Session
	inputs  []string
	budget  int // padded tokens of a batch, found by search
}

// newAlone opens a session with the options of the engine's own. The caller closes it.
func (s *subject) newAlone() (*alone, error) {
	session, err := s.session(s.config)
	return &alone{session: session, inputs: s.config.Inputs}, err
}

func (a *alone) close() error { return a.session.Close() }

// pad makes one batch of right-padded rows. The padding's id and the first position are not
// the model's own, which changes no time.
func (a *alone) pad(items []tokenizer.Encoding) inference.Batch {
	b := inference.Batch{Rows: len(items)}
	for _, item := range items {
		b.Length = max(b.Length, item.Len())
	}
	b.IDs, b.Mask = make([]int64, b.Rows*b.Length), make([]int64, b.Rows*b.Length)
	if slices.Contains(a.inputs, "token_type_ids") {
		b.Types = make([]int64, b.Rows*b.Length)
	}
	if slices.Contains(a.inputs, "position_ids") {
		b.Positions = make([]int64, b.Rows*b.Length)
	}
	for i, item := range items {
		row := i * b.Length
		for j, id := range item.IDs {
			b.IDs[row+j], b.Mask[row+j] = int64(id), 1
		}
		if b.Types != nil {
			for j, t := range item.Types {
				b.Types[row+j] = int64(t)
			}
		}
		if b.Positions != nil {
			for j := range b.Length {
				b.Positions[row+j] = int64(j)
			}
		}
	}
	return b
}

// cut sorts items by length, longest first, and cuts them where the padded cost would pass the
// budget. The batches are as even as the number of them allows.
func cut(items []tokenizer.Encoding, budget int) [][]tokenizer.Encoding {
	sorted := slices.SortedStableFunc(slices.Values(items), func(a, b tokenizer.Encoding) int { return b.Len() - a.Len() })
	var out [][]tokenizer.Encoding
	for len(sorted) > 0 {
		n := min(max(budget/sorted[0].Len(), 1), len(sorted))
		out, sorted = append(out, sorted[:n]), sorted[n:]
	}
	return out
}

// prepare lays out the batches of each window: what is known at once.
func (a *alone) prepare(windows [][]tokenizer.Encoding, budget int) (batches []inference.Batch) {
	for _, window := range windows {
		for _, items := range cut(window, budget) {
			batches = append(batches, a.pad(items))
		}
	}
	return batches
}

func (a *alone) run(ctx context.Context, batches []inference.Batch) (time.Duration, error) {
	start := time.Now()
	for _, b := range batches {
		if _, err := a.session.Run(ctx, b); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

const (
	leastBudget, mostBudget = 128, 128 << 10
	searchTries             = 2
	mostWorse               = 2
)

// search finds the budget with which the windows take the least time: each is tried, twice as
// large as the one before, until none has helped for a while.
func (a *alone) search(ctx context.Context, windows [][]tokenizer.Encoding) (time.Duration, error) {
	best := time.Duration(1<<63 - 1)
	worse := 0
	whole := cost(windows)
	for budget := leastBudget; budget <= mostBudget && worse < mostWorse; budget *= 2 {
		batches := a.prepare(windows, budget)
		took, err := a.fastest(ctx, batches)
		if err != nil {
			return 0, err
		}
		if took < best {
			best, a.budget, worse = took, budget, 0
		} else {
			worse++
		}
		if budget >= whole {
			break // every window is one batch by now
		}
	}
	return best, nil
}

// fastest of a few runs: other work on the machine makes a run slower, never faster.
func (a *alone) fastest(ctx context.Context, batches []inference.Batch) (time.Duration, error) {
	best := time.Duration(1<<63 - 1)
	for range searchTries {
		took, err := a.run(ctx, batches)
		if err != nil {
			return 0, err
		}
		best = min(best, took)
	}
	return best, nil
}

// cost is the padded cost of the largest window as one batch.
func cost(windows [][]tokenizer.Encoding) (most int) {
	for _, items := range windows {
		longest := 0
		for _, item := range items {
			longest = max(longest, item.Len())
		}
		most = max(most, longest*len(items))
	}
	return most
}

func paddedTokens(batches []inference.Batch) (n int) {
	for _, b := range batches {
		n += b.Rows * b.Length
	}
	return n
}
