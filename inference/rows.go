package inference

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/cache"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// work is an item in the batcher's queue: a row to compute, and who waits for it.
type work struct {
	tokenizer.Encoding
	pending *cache.Pending[[]float32]
}

// openCache makes the place where requests meet for equal items. It is the model's own, made
// at load and gone with the model, so neither weights, variant nor provider can change below
// its results.
func (e *engine) openCache(spec models.CacheSpec) (err error) {
	e.keepsRerank = spec.Rerank
	options := cache.Options[[]float32]{
		Bytes: spec.Bytes,
		TTL:   spec.TTL,
		Size:  func(row []float32) int { return 4 * len(row) },
		Keep:  finite,
	}
	if e.manifest.Task == models.TaskRerank && !spec.Rerank {
		options.Bytes = 0
	}
	e.results, err = cache.New(options)
	return err
}

// distrusting drops all results that are kept when the model's session failed: its last ones
// may be wrong. They are dropped again when a new one serves, because a run that outlasted its
// limit may have ended since.
func (e *engine) distrusting(tell func(Event)) func(Event) {
	return func(ev Event) {
		if e.results != nil && (ev.Kind == EventFailed || ev.Kind == EventReopened || ev.Kind == EventLost) {
			e.results.Clear()
		}
		tell(ev)
	}
}

// compute is the batcher's: it runs those items whose rows are not known yet, and gives the
// rows, [Width] each, to all who wait for them.
func (e *engine) compute(ctx context.Context, items []work) ([]struct{}, error) {
	pending := make([]*cache.Pending[[]float32], len(items))
	for i, item := range items {
		pending[i] = item.pending
	}
	err := e.results.Run(pending, func(at []int) ([][]float32, error) {
		batch := make([]tokenizer.Encoding, len(at))
		for i, n := range at {
			batch[i] = items[n].Encoding
		}
		return e.run(ctx, batch)
	})
	return make([]struct{}, len(items)), err
}

// rows returns one row for each item: kept, computed for another request, or computed now.
// Rows are shared: nobody may write to them. field names an item in the request, for errors.
func (e *engine) rows(ctx context.Context, caller models.Caller, items []tokenizer.Encoding, op string, field func(index int) string) ([][]float32, models.Timing, error) {
	result, err := e.results.Do(ctx, keysOf(items), e.use(caller.Cache, op), func(ctx context.Context, pending []*cache.Pending[[]float32], at []int) error {
		queue := make([]work, len(pending))
		for i, p := range pending {
			queue[i] = work{Encoding: items[at[i]], pending: p}
		}
		_, err := e.batcher.Do(ctx, batcher.Call{Tag: caller.Tag, Gone: caller.Gone}, queue)
		return err
	})
	if err != nil {
		return nil, models.Timing{}, e.failure(err, op)
	}
	for i, row := range result.Values {
		if !finite(row) {
			return nil, models.Timing{}, models.Errorf(models.KindInternal, "model %q gave a number that is not finite for %s", e.name, field(i)).At(field(i)).In(e.name, op)
		}
	}
	// The batcher's times are of no use here: whose answers are all known leaves it before its run
	// is accounted for, or without a run of its own.
	return result.Values, models.Timing{Queue: result.Queue, Run: result.Run, Kept: result.Hits, Shared: result.Shared}, nil
}

// use says what a request may take from the results that are kept, and leave there.
func (e *engine) use(c models.CacheControl, op string) cache.Use {
	return cache.Use{Fresh: c.NoCache || c.NoStore, Keep: !c.NoStore && (op != opRerank || e.keepsRerank)}
}

// keysOf digests what a row depends on: the number of tokens, which says where ids end and
// types begin, the ids and the types. A hash that can be made to collide would let one client
// choose another's answer.
func keysOf(items []tokenizer.Encoding) []cache.Key {
	keys := make([]cache.Key, len(items))
	longest := 0
	for _, item := range items {
		longest = max(longest, item.Len())
	}
	text := make([]byte, 0, 4+5*longest)
	for i, item := range items {
		text = binary.LittleEndian.AppendUint32(text[:0], uint32(item.Len()))
		for _, id := range item.IDs {
			text = binary.LittleEndian.AppendUint32(text, id)
		}
		keys[i] = sha256.Sum256(append(text, item.Types...))
	}
	return keys
}
