package batcher

import (
	"errors"
	"fmt"
	"time"
)

const (
	defaultRunners      = 1
	defaultAgeing       = time.Second
	defaultPaddingShare = 0.15
)

// Options says how items are gathered. Size and the four limits must be set.
type Options[T any] struct {
	// Size is an item's length, > 0. It is called once for each item, on the caller's goroutine.
	Size func(T) int
	// Runners is how many batches may run at the same time. Default 1.
	Runners int
	// MaxItems and MaxCost bound a batch: its items, and its padded cost, which is the longest
	// size times the number of items. An item above MaxCost runs alone.
	MaxItems, MaxCost int
	// Delay lets the oldest waiting item wait so long for company while a runner is free,
	// unless a full batch is there before. 0: a free runner takes what is there.
	Delay time.Duration
	// QueueTimeout ends a caller of which no item has started so long after admission. 0: none.
	QueueTimeout time.Duration
	// MaxQueuedItems and MaxQueuedCost bound what waits: its items, and the sum of their sizes.
	MaxQueuedItems, MaxQueuedCost int
	// Ageing is how long an item waits for its caller's turn; one that has waited longer
	// becomes the anchor. Default 1 s.
	Ageing time.Duration
	// PaddingShare is the part of a batch's padded cost that may be padding, in (0,1].
	// Default 0.15.
	PaddingShare float64
	// RunTimeout ends the context given to the run function; when that then fails, its callers
	// get ErrRunTimeout. A run that never returns keeps its runner: its callers and those behind
	// it return by their own contexts and the queue timeout. 0: no limit.
	RunTimeout time.Duration
	// OnRun, when not nil, is told of every run before its callers are answered. It is called
	// on the runner, so it must be quick, and from several goroutines when Runners is above 1.
	OnRun func(RunStats)
}

// withDefaults returns a copy with defaults filled in, or every problem at once.
func (o Options[T]) withDefaults() (Options[T], error) {
	if o.Runners == 0 {
		o.Runners = defaultRunners
	}
	if o.Ageing == 0 {
		o.Ageing = defaultAgeing
	}
	if o.PaddingShare == 0 {
		o.PaddingShare = defaultPaddingShare
	}
	return o, errors.Join(o.problems()...)
}

func (o Options[T]) problems() []error {
	var list []error
	if o.Size == nil {
		list = append(list, errors.New("batcher: Size is not set"))
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"Runners", o.Runners},
		{"MaxItems", o.MaxItems},
		{"MaxCost", o.MaxCost},
		{"MaxQueuedItems", o.MaxQueuedItems},
		{"MaxQueuedCost", o.MaxQueuedCost},
	} {
		if f.value <= 0 {
			list = append(list, fmt.Errorf("batcher: %s is %d, and must be above 0", f.name, f.value))
		}
	}
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"Delay", o.Delay},
		{"QueueTimeout", o.QueueTimeout},
		{"Ageing", o.Ageing},
		{"RunTimeout", o.RunTimeout},
	} {
		if f.value < 0 {
			list = append(list, fmt.Errorf("batcher: %s is %s, and must not be negative", f.name, f.value))
		}
	}
	if !(o.PaddingShare > 0 && o.PaddingShare <= 1) {
		list = append(list, fmt.Errorf("batcher: PaddingShare is %v, and must be above 0 and at most 1", o.PaddingShare))
	}
	return list
}

// limits are the options that shape a batch.
type limits struct {
	items, cost int
	ageing      time.Duration
	padding     float64
}

func (o Options[T]) limits() limits {
	return limits{items: o.MaxItems, cost: o.MaxCost, ageing: o.Ageing, padding: o.PaddingShare}
}
