package inference

import (
	"context"
	"errors"
)

// lateSession opens its session at the first run and keeps it: weights that only few requests
// need take no memory before one of them comes. A run that fails with its context, or that
// fails again and again, ends the session; the next run opens another, which is checked anew.
type lateSession struct {
	open func(ctx context.Context) (Session, error)

	slot    chan struct{} // holds one: whoever put it there may use the fields below
	session Session
	failed  int
	closed  bool
}

var _ Session = (*lateSession)(nil)

// Run implements Session, but for one run at a time.
func (l *lateSession) Run(ctx context.Context, b Batch) (Output, error) {
	select {
	case l.slot <- struct{}{}:
	case <-ctx.Done():
		return Output{}, ctx.Err()
	}
	defer func() { <-l.slot }()
	if l.closed {
		return Output{}, errClosing
	}
	if l.session == nil {
		s, err := l.open(ctx)
		if err != nil {
			return Output{}, err
		}
		l.session = s
	}
	out, err := attempt(ctx, l.session, b)
	if err == nil {
		l.failed = 0
		return out, nil
	}
	if errors.Is(err, ErrOutOfMemory) {
		return out, err
	}
	if l.failed++; ctx.Err() != nil || l.failed >= suspicious {
		err = errors.Join(err, l.drop())
	}
	return out, err
}

// drop closes the session.
func (l *lateSession) drop() error {
	s := l.session
	l.session, l.failed = nil, 0
	return closeInTime(s)
}

// Close implements Session: it waits for the run under way.
func (l *lateSession) Close() error {
	l.slot <- struct{}{}
	defer func() { <-l.slot }()
	l.closed = true
	return l.drop()
}
