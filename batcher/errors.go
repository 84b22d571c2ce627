package batcher

import (
	"errors"
	"fmt"
	"time"
)

// How Do may fail, beside the error of the run function and of the caller's context.
var (
	// ErrQueueFull: the queue has no room now; see QueueFullError.
	ErrQueueFull = errors.New("batcher: the queue is full")
	// ErrTooLarge: the queue could never hold it; see TooLargeError.
	ErrTooLarge = errors.New("batcher: more than the whole queue may hold")
	// ErrTooLate: it would clearly not be computed before the caller's context ends; see
	// TooLateError.
	ErrTooLate = errors.New("batcher: too late by the time it would be computed")
	// ErrQueueTimeout: no item was started within Options.QueueTimeout.
	ErrQueueTimeout = errors.New("batcher: not started within the queue timeout")
	// ErrClosed: Close had been called before.
	ErrClosed = errors.New("batcher: closed")
	// ErrRunTimeout: the run failed after it had outlasted Options.RunTimeout.
	ErrRunTimeout = errors.New("batcher: the run outlasted its limit")
	// ErrPanic: the run function panicked; see PanicError.
	ErrPanic = errors.New("batcher: the run panicked")
	// ErrResultCount: the run function did not give one result for each item.
	ErrResultCount = errors.New("batcher: the run gave a wrong number of results")
	// ErrOutOfMemory is for the run function to wrap: the batch is then halved, once.
	ErrOutOfMemory = errors.New("batcher: out of memory")
	// ErrSize: Options.Size gave a number below 1.
	ErrSize = errors.New("batcher: an item's size must be above 0")
)

// Limit is one of the two bounds of the queue.
type Limit int

// The bounds of the queue.
const (
	LimitItems Limit = iota // Options.MaxQueuedItems
	LimitCost               // Options.MaxQueuedCost
)

func (l Limit) String() string {
	if l == LimitItems {
		return "MaxQueuedItems"
	}
	return "MaxQueuedCost"
}

// QueueFullError says that a caller's items found no room. It is ErrQueueFull.
type QueueFullError struct {
	Limit Limit
	// Queued waits, Asked came in addition, Max is the limit; in the limit's unit.
	Queued, Asked, Max int
	// RetryAfter is when there should be room, at the rate at which the queue drains.
	RetryAfter time.Duration
}

func (e *QueueFullError) Error() string {
	return fmt.Sprintf("%v: %d wait, %d came, %s is %d", ErrQueueFull, e.Queued, e.Asked, e.Limit, e.Max)
}

// Is makes the error ErrQueueFull.
func (e *QueueFullError) Is(target error) bool { return target == ErrQueueFull }

// TooLargeError says that a caller asked for more than the whole queue. It is ErrTooLarge.
type TooLargeError struct {
	Limit Limit
	// Asked came, Max is the limit; in the limit's unit.
	Asked, Max int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: %d came, %s is %d", ErrTooLarge, e.Asked, e.Limit, e.Max)
}

// Is makes the error ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// TooLateError says that a caller's context would end long before its items could be computed.
// It is ErrTooLate.
type TooLateError struct {
	// Predicted is how long the items would take at least, waiting included; Alone how long they
	// take where nothing is ahead of them; Left what the context leaves.
	Predicted, Alone, Left time.Duration
	// RetryAfter is when Left should be enough, if Alone is less.
	RetryAfter time.Duration
}

func (e *TooLateError) Error() string {
	return fmt.Sprintf("%v: it would take %s, and %s are left", ErrTooLate, e.Predicted, e.Left)
}

// Is makes the error ErrTooLate.
func (e *TooLateError) Is(target error) bool { return target == ErrTooLate }

// PanicError holds what a run function panicked with. It is ErrPanic.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("%v: %v", ErrPanic, e.Value) }

// Is makes the error ErrPanic.
func (e *PanicError) Is(target error) bool { return target == ErrPanic }

// Unwrap returns the value of the panic if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
