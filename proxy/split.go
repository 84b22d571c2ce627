package proxy

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/quadrate-maas/quadrate/models"
)

// part is the items [from, to) of a request, which go to the upstream in one.
type part struct{ from, to int }

// split cuts n items into parts within the limits: as few as can be, and of about equal numbers.
// Each part takes overhead bytes besides its items, and size gives an item's. An item that fits
// nowhere is KindTooLarge.
func split(n int, l limits, overhead int, param string, size func(i int) int) ([]part, error) {
	items := n
	if l.items > 0 && n > l.items {
		count := (n + l.items - 1) / l.items
		items = (n + count - 1) / count
	}
	var parts []part
	from, bytes := 0, overhead
	for i := range n {
		more := 0
		if l.bytes > 0 {
			more = size(i)
		}
		switch {
		case l.bytes > 0 && overhead+more > l.bytes:
			return nil, models.Errorf(models.KindTooLarge, "%s takes %d bytes with what goes beside it; one request to the upstream may have %d (upstreams[].max_bytes)",
				item(param, i), overhead+more, l.bytes).At(item(param, i))
		case i-from == items, l.bytes > 0 && bytes+more > l.bytes:
			parts = append(parts, part{from, i})
			from, bytes = i, overhead
		}
		bytes += more
	}
	return append(parts, part{from, n}), nil
}

// maxParallel is how many parts of one request are under way at once.
const maxParallel = 4

// scatter calls ask for each part, some at once. The first failure cancels the rest. It returns
// the error of the first part that failed by itself; indices in it are the request's.
func scatter(ctx context.Context, parts []part, ask func(ctx context.Context, k int, p part) error) error {
	if len(parts) == 1 {
		return ask(ctx, 0, parts[0])
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(parts))
	next := make(chan int, len(parts))
	for k := range parts {
		next <- k
	}
	close(next)
	var group sync.WaitGroup
	for range min(maxParallel, len(parts)) {
		group.Go(func() {
			for k := range next {
				if errs[k] = inner.Err(); errs[k] != nil {
					continue
				}
				if errs[k] = guard(func() error { return ask(inner, k, parts[k]) }); errs[k] != nil {
					cancel()
				}
			}
		})
	}
	group.Wait()
	return firstFailure(ctx, parts, errs)
}

// guard turns a panic, which would end the program where no caller can catch it, into an error.
func guard(ask func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = models.Errorf(models.KindInternal, "").Because(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return ask()
}

func firstFailure(ctx context.Context, parts []part, errs []error) error {
	var other error
	for k, err := range errs {
		switch {
		case err == nil:
		case ctx.Err() == nil && (errors.Is(err, context.Canceled) || models.KindOf(err) == models.KindCanceled):
			other = err
		default:
			return shift(err, func(i int) int { return i + parts[k].from })
		}
	}
	return other
}

// shift turns the index that an error names, of a part's item, into the request's.
func shift(err error, to func(i int) int) error {
	var e *models.Error
	if !errors.As(err, &e) {
		return err
	}
	field, rest, found := strings.Cut(e.Param, "[")
	digits, rest, closed := strings.Cut(rest, "]")
	i, bad := strconv.Atoi(digits)
	if !found || !closed || bad != nil {
		return err
	}
	return reparam(e, item(field, to(i))+rest)
}

// item names an item of a list.
func item(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
