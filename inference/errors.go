package inference

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// failure turns the batcher's errors into the caller's.
func (e *engine) failure(err error, op string) error {
	return e.kind(err).In(e.name, op).Because(err)
}

func (e *engine) kind(err error) *models.Error {
	var full *batcher.QueueFullError
	var large *batcher.TooLargeError
	var late *batcher.TooLateError
	var alone *noMemoryError
	switch {
	case errors.As(err, &large):
		return models.Errorf(models.KindTooLarge, "the request has %d %s, and the whole queue of model %q holds %d (%s)", large.Asked, unit(large.Limit), e.name, large.Max, setting(large.Limit))
	case errors.As(err, &full):
		return models.Errorf(models.KindQueueFull, "the queue of model %q is full: %d %s waiting of %d (%s)", e.name, full.Queued, unit(full.Limit), full.Max, setting(full.Limit)).After(full.RetryAfter)
	case errors.As(err, &late):
		return e.tooLate(late)
	case errors.Is(err, batcher.ErrQueueTimeout):
		return models.Errorf(models.KindQueueTimeout, "no place in a batch of model %q within %s (models[].batcher.queue_timeout)", e.name, e.limits.QueueTimeout).After(e.batcher.Stats().Wait)
	case errors.Is(err, batcher.ErrClosed), errors.Is(err, errClosing), errors.Is(err, tokenizer.ErrClosed):
		return models.Errorf(models.KindShuttingDown, "model %q is shutting down", e.name)
	case errors.Is(err, batcher.ErrRunTimeout):
		return models.Errorf(models.KindUnavailable, "a run of model %q outlasted its limit and was given up", e.name)
	case errors.As(err, &alone):
		return models.Errorf(models.KindTooLarge, "an input of %d tokens, alone in its run, found too little memory in model %q (runtime.gpu_mem_limit, models[].max_length)", alone.tokens, e.name)
	case errors.Is(err, batcher.ErrOutOfMemory):
		return models.Errorf(models.KindUnavailable, "a run of model %q found too little memory, halved too (models[].batcher.max_tokens, runtime.gpu_mem_limit)", e.name)
	case errors.Is(err, ErrDevice), errors.Is(err, ErrLost):
		return models.Errorf(models.KindUnavailable, "the device of model %q failed; the server is about to end", e.name)
	case errors.Is(err, context.DeadlineExceeded):
		return models.Errorf(models.KindDeadline, "the request's time ran out in model %q", e.name)
	case errors.Is(err, context.Canceled):
		return models.Errorf(models.KindCanceled, "the request was given up")
	default:
		return models.Errorf(models.KindInternal, "model %q failed", e.name)
	}
}

// tooLate is the error of a request that was refused at once, since the queue foretells that its
// time would run out. Where that is so in an empty queue too, there is no use in trying again.
func (e *engine) tooLate(late *batcher.TooLateError) *models.Error {
	if late.Alone > late.Left {
		return models.Errorf(models.KindDeadline, "the request would take model %q about %s by itself, and %s of its time are left", e.name, about(late.Alone), about(late.Left))
	}
	return models.Errorf(models.KindQueueTimeout, "the request would take about %s in the queue of model %q, and %s of its time are left", about(late.Predicted), e.name, about(late.Left)).After(late.RetryAfter)
}

// about rounds a duration for people.
func about(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// noMemoryError says that one input alone found too little memory. Repeating it is of no use,
// so it is not batcher.ErrOutOfMemory.
type noMemoryError struct {
	tokens int
	cause  error
}

func (e *noMemoryError) Error() string {
	return fmt.Sprintf("one input of %d tokens: %v", e.tokens, e.cause)
}

func (e *noMemoryError) Unwrap() error { return e.cause }

// The batcher speaks of items and cost; the configuration of items and tokens.
func unit(limit batcher.Limit) string {
	if limit == batcher.LimitItems {
		return "items"
	}
	return "tokens"
}

func setting(limit batcher.Limit) string {
	if limit == batcher.LimitItems {
		return "models[].batcher.max_queued_items"
	}
	return "models[].batcher.max_queued_tokens"
}

// tokenFailure turns the tokenizer's errors into the caller's. field is the request's field
// that holds the items; it is given their index.
func (e *engine) tokenFailure(err error, field func(index int) string, op string) error {
	var long *tokenizer.TooLongError
	var id *tokenizer.IDError
	switch {
	case errors.As(err, &long):
		at := field(long.Index)
		if long.Query {
			at = "query"
		}
		return models.Errorf(models.KindTooLong, "%s has %s%d tokens, model %q takes %d, and truncation was refused", at, atLeast(long), long.Tokens, e.name, long.Limit).
			At(at).In(e.name, op).Because(err)
	case errors.As(err, &id):
		return models.Errorf(models.KindInvalid, "%s[%d] is token id %d, and the vocabulary of model %q has %d; send text, or ids of its own vocabulary", field(id.Index), id.Position, id.ID, e.name, id.VocabSize).
			At(field(id.Index)).In(e.name, op).Because(err)
	default:
		return e.failure(err, op)
	}
}

func atLeast(long *tokenizer.TooLongError) string {
	if long.AtLeast {
		return "more than "
	}
	return ""
}
