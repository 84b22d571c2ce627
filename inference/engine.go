package inference

import (
	"context"
	"errors"
	"fmt"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/cache"
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
	sessions        *pool
	buffers         *buffers
	batcher         *batcher.Batcher[work, struct{}]
	results         *cache.Cache[[]float32]
	keepsRerank     bool // reranking keeps results too
	info            models.Info
	chosen          candidate
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
	status, stats := e.sessions.Status(), e.batcher.Stats()
	status.Queue = models.Queue{Items: stats.Items, Tokens: stats.Cost, Oldest: stats.Oldest, Wait: stats.Wait, Running: stats.Running}
	status.Cache = models.CacheStatus(e.results.Stats())
	return status
}

// run pads, runs and hands out rows. Each result is one row, [Width], and the caller's own.
func (e *engine) run(ctx context.Context, items []tokenizer.Encoding) ([][]float32, error) {
	buf := e.buffers.get()
	out, err := e.sessions.Run(ctx, e.padder.padIn(buf, items))
	if errors.Is(err, errHung) {
		return nil, err // and with it the buffer, which the run may still write to
	}
	defer e.buffers.put(buf)
	if len(out.Values) > 0 {
		buf.values = out.Values
	}
	switch {
	case errors.Is(err, ErrOutOfMemory) && len(items) == 1:
		return nil, &noMemoryError{tokens: items[0].Len(), cause: err}
	case errors.Is(err, ErrOutOfMemory):
		return nil, fmt.Errorf("%w: %w", batcher.ErrOutOfMemory, err)
	case err != nil:
		return nil, err
	}
	return out.rows(len(items)), nil
}

// Close implements Model.
func (e *engine) Close() error {
	var problems []error
	if e.sessions != nil {
		e.sessions.drain()
	}
	if e.batcher != nil {
		problems = append(problems, e.batcher.Close())
	}
	if e.sessions != nil {
		problems = append(problems, e.sessions.Close())
	}
	if e.encoder != nil {
		problems = append(problems, e.encoder.Close())
	}
	if e.loaded {
		e.event(Event{Kind: EventClosed})
	}
	return errors.Join(problems...)
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
