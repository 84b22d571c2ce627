package inference

import (
	"context"
	"errors"
	"fmt"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// engine is what embedding models and cross-encoders share: tokenizer, batcher and session.
type engine struct {
	name             string
	manifest         *Manifest
	padder           padder
	maxDocumentChars int
	event            func(Event)

	encoder         tokenizer.Encoder
	tokenizer       *tokenizer.Tokenizer
	keeper          *keeper
	batcher         *batcher.Batcher[tokenizer.Encoding, []float32]
	info            models.Info
	limits          models.BatcherSpec
	tokensPerSecond float64
	loaded          bool
}

// Info implements models.Model.
func (e *engine) Info() models.Info { return e.info }

// Tasks implements Model.
func (e *engine) Tasks() []models.Task { return canDo(e.manifest.Task) }

// Status implements models.Model.
func (e *engine) Status() models.Status {
	status, stats := e.keeper.Status(), e.batcher.Stats()
	status.Queue = models.Queue{Items: stats.Items, Tokens: stats.Cost, Oldest: stats.Oldest}
	return status
}

// run is the batcher's: it pads, runs and hands out rows. Each result is one row, [Width].
func (e *engine) run(ctx context.Context, items []tokenizer.Encoding) ([][]float32, error) {
	out, err := e.keeper.Run(ctx, e.padder.pad(items))
	if errors.Is(err, ErrOutOfMemory) {
		return nil, fmt.Errorf("%w: %w", batcher.ErrOutOfMemory, err)
	}
	if err != nil {
		return nil, err
	}
	rows := make([][]float32, len(items))
	for i := range rows {
		rows[i] = out.Row(i)
	}
	return rows, nil
}

// rows computes each distinct item once and returns one row for each item. Equal items share
// their row. field names an item in the request, for errors.
func (e *engine) rows(ctx context.Context, caller models.Caller, items []tokenizer.Encoding, op string, field func(index int) string) ([][]float32, models.Timing, error) {
	distinct, place := dedupe(items)
	result, err := e.batcher.Do(ctx, batcher.Call{Tag: caller.Tag, Gone: caller.Gone}, distinct)
	if err != nil {
		return nil, models.Timing{}, e.failure(err, op)
	}
	rows := make([][]float32, len(items))
	for i := range rows {
		rows[i] = result.Values[place[i]]
	}
	for i, row := range rows {
		if !finite(row) {
			return nil, models.Timing{}, models.Errorf(models.KindInternal, "model %q gave a number that is not finite for %s", e.name, field(i)).At(field(i)).In(e.name, op)
		}
	}
	return rows, models.Timing{Queue: result.Queue, Run: result.Run}, nil
}

// Close implements Model.
func (e *engine) Close() error {
	var problems []error
	if e.batcher != nil {
		problems = append(problems, e.batcher.Close())
	}
	if e.keeper != nil {
		problems = append(problems, e.keeper.Close())
	}
	if e.encoder != nil {
		problems = append(problems, e.encoder.Close())
	}
	if e.loaded {
		e.event(Event{Kind: EventClosed})
	}
	return errors.Join(problems...)
}

// dedupe returns the distinct items and, for each item, its place among them.
func dedupe(items []tokenizer.Encoding) (distinct []tokenizer.Encoding, place []int) {
	seen := make(map[string]int, len(items))
	place = make([]int, len(items))
	key := make([]byte, 0, 1024)
	for i, item := range items {
		key = appendKey(key[:0], item)
		at, ok := seen[string(key)]
		if !ok {
			at = len(distinct)
			seen[string(key)] = at
			distinct = append(distinct, item)
		}
		place[i] = at
	}
	return distinct, place
}

// appendKey appends what two encodings have in common exactly when they are equal: ids are
// four bytes each, so where they end and the types begin follows from the length.
func appendKey(key []byte, e tokenizer.Encoding) []byte {
	for _, id := range e.IDs {
		key = append(key, byte(id), byte(id>>8), byte(id>>16), byte(id>>24))
	}
	return append(key, e.Types...)
}

func usage(items []tokenizer.Encoding) models.Usage {
	var u models.Usage
	for _, item := range items {
		u.PromptTokens += item.Len()
		if item.Truncated {
			u.Truncated++
		}
	}
	return u
}
