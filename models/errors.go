package models

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind classes failures by what the caller can do about them. The HTTP layer maps each
// to one status and one code.
type Kind int

// The kinds of failure.
const (
	KindInternal Kind = iota // a fault of ours; the cause is logged, not shown
	KindInvalid              // the request is wrong: Param names the field and item
	KindTooLong              // an input is longer than the model takes, and cutting was refused
	KindUnsupportedTask
	KindUnauthorized
	KindForbidden
	KindNotFound // no such model
	KindTooLarge // can never be admitted: the message names the setting
	KindRateLimited
	KindQueueFull
	KindQueueTimeout
	KindLoading
	KindUnavailable // the model has failed, and is being mended
	KindShuttingDown
	KindUpstream
	KindUpstreamCredentials
	KindDeadline
	KindCanceled // the client has left
)

// Kinds lists every kind, so that tables over them can be tested for completeness.
func Kinds() []Kind {
	kinds := make([]Kind, 0, KindCanceled+1)
	for k := KindInternal; k <= KindCanceled; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

var kindNames = [...]string{
	KindInternal: "internal", KindInvalid: "invalid", KindTooLong: "too_long", KindUnsupportedTask: "unsupported_task",
	KindUnauthorized: "unauthorized", KindForbidden: "forbidden", KindNotFound: "not_found", KindTooLarge: "too_large",
	KindRateLimited: "rate_limited", KindQueueFull: "queue_full", KindQueueTimeout: "queue_timeout", KindLoading: "loading",
	KindUnavailable: "unavailable", KindShuttingDown: "shutting_down", KindUpstream: "upstream",
	KindUpstreamCredentials: "upstream_credentials", KindDeadline: "deadline", KindCanceled: "canceled",
}

// String is the kind's name, for metrics and traces.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// Error is a failure of a model, or of a request to it.
type Error struct {
	Kind Kind
	// Model and Op say who failed at what; either may be empty.
	Model, Op string
	// Backend names the upstream that failed; empty when it was this server.
	Backend string
	// Param names the request's field at fault, with its index: "input[3]".
	Param string
	// Message is for the caller. It may be shown; Err may not.
	Message string
	// RetryAfter is when a repeated request has a chance; 0 when unknown.
	RetryAfter time.Duration
	// Err is the cause, for the log.
	Err error
}

// Errorf makes an Error with a message for the caller.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// In says who failed at what.
func (e *Error) In(model, op string) *Error {
	e.Model, e.Op = model, op
	return e
}

// By names the upstream that failed.
func (e *Error) By(upstream string) *Error {
	e.Backend = upstream
	return e
}

// At names the request's field at fault.
func (e *Error) At(param string) *Error {
	e.Param = param
	return e
}

// Because keeps the cause for the log.
func (e *Error) Because(err error) *Error {
	e.Err = err
	return e
}

// After says when a repeated request has a chance.
func (e *Error) After(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

func (e *Error) Error() string {
	var parts []string
	for _, s := range []string{e.Model, e.Op, e.Param, e.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first Error in err's chain, else KindInternal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

func join[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}
