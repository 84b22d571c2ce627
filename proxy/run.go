package proxy

import (
	"context"
	"errors"

	"github.com/quadrate-maas/quadrate/models"
)

// job is an operation on a list of items, of which some go to the upstream in one request.
type job[R any] struct {
	op     operation
	items  int
	caller models.Caller
	// extra and around are what goes with every part: fields, and the bytes of a text.
	extra  models.Extra
	around int
	// size is an item's, in bytes; tokens estimates its work.
	size, tokens func(i int) int
	// request asks for a part; result is filled when it is read.
	request func(c call, p part, result *R) (*request, error)
	// bare, when not nil, asks for what goes with every part alone, with next to nothing as item.
	bare func(c call, p part, result *R) (*request, error)
	// check, when not nil, refuses an answer.
	check func(result *R) error
}

// run does a job and returns the answers of its parts, in order.
func run[R any](ctx context.Context, m *model, j job[R]) ([]R, error) {
	if j.items == 0 {
		return nil, models.Errorf(models.KindInvalid, "%s is empty: give at least one", itemsOf(j.op)).At(itemsOf(j.op))
	}
	around := 1024 + quotedLen(m.upstreamModel) + j.around
	for _, field := range j.extra.Fields {
		around += quotedLen(field.Name) + len(field.JSON) + 2
	}
	parts, err := split(j.items, m.backend.limits(j.op), around, itemsOf(j.op), j.size)
	if err != nil {
		return nil, err
	}
	results := make([]R, len(parts))
	return results, scatter(ctx, parts, func(ctx context.Context, k int, p part) error {
		return runPart(ctx, m, j, p, &results[k])
	})
}

// runPart sends a part. Where it has an item that is too long, and the server does not say which,
// the first one is looked for.
func runPart[R any](ctx context.Context, m *model, j job[R], p part, result *R) error {
	err := send(ctx, m, j, j.request, p, result)
	if unplaced(err, j.op) {
		return narrow(ctx, m, j, p, err)
	}
	return err
}

func send[R any](ctx context.Context, m *model, j job[R], ask func(call, part, *R) (*request, error), p part, result *R) error {
	c := m.call()
	r, err := ask(c, p, result)
	if err != nil {
		return err
	}
	r.op, r.model, r.gone, r.foreign = j.op, c.model, j.caller.Gone, foreign(j.extra)
	for i := p.from; i < p.to; i++ {
		r.tokens += j.tokens(i)
	}
	read := r.read
	r.read = func(answer *response) error {
		var fresh R // nothing of an answer that was refused stays
		*result = fresh
		err := read(answer)
		if err == nil && j.check != nil {
			err = j.check(result)
		}
		return err
	}
	return m.backend.send(ctx, r)
}

// unplaced reports whether an error is of an item's length, without saying which item's.
func unplaced(err error, op operation) bool {
	var e *models.Error
	return errors.As(err, &e) && e.Kind == models.KindTooLong && e.Param == itemsOf(op)
}

// narrow finds the first item that is too long by asking for halves, which costs the server at
// most one more time what the part did: clients that refuse to have texts cut want to know which
// it was.
func narrow[R any](ctx context.Context, m *model, j job[R], p part, failure error) error {
	var scrap R
	if j.bare != nil && unplaced(send(ctx, m, j, j.bare, part{p.from, p.from}, &scrap), j.op) {
		return place(failure, "query")
	}
	from, to := p.from, p.to
	for to-from > 1 {
		middle := (from + to) / 2
		err := send(ctx, m, j, j.request, part{from, middle}, &scrap)
		switch {
		case err == nil:
			from = middle
		case unplaced(err, j.op):
			to = middle
		default:
			return failure
		}
	}
	return place(failure, item(itemsOf(j.op), from-p.from))
}

// place names the field at fault, which the message does not.
func place(failure error, param string) error {
	var e *models.Error
	if !errors.As(failure, &e) {
		return failure
	}
	placed := *e
	return placed.At(param)
}
