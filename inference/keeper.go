package inference

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// errClosing ends a wait for a session that will not come back.
var errClosing = errors.New("the model is being closed")

const (
	firstReopen = time.Second
	lastReopen  = time.Minute

	// suspicious is how many runs must fail one after the other before the session is checked.
	suspicious = 3
)

// keeper owns a model's session. A run that outlasted its limit may have left the session in
// any state, and one that fails again and again may be broken for good; the first is certain,
// the second is found out with the reference inputs, since the requests may be at fault. Then
// keeper closes the session, marks the model failed, and opens another until one passes the
// load check. Runs that come meanwhile wait, as long as their context lasts.
type keeper struct {
	open  func(ctx context.Context) (Session, error)
	check func(ctx context.Context, s Session) error
	event func(Event)

	ctx     context.Context // ends at Close
	cancel  context.CancelFunc
	reopens sync.WaitGroup

	mu      sync.Mutex
	session Session       // nil while there is none
	back    chan struct{} // closed when session is set again
	failed  int           // runs that failed since the last that did not
	status  models.Status
}

// newKeeper keeps a session, which open has made and check has passed.
func newKeeper(s Session, open func(context.Context) (Session, error), check func(context.Context, Session) error, event func(Event)) *keeper {
	ctx, cancel := context.WithCancel(context.Background())
	return &keeper{open: open, check: check, event: event, ctx: ctx, cancel: cancel, session: s, status: models.Status{State: models.StateReady}}
}

// Run runs a batch on the present session.
func (k *keeper) Run(ctx context.Context, b Batch) (Output, error) {
	s, err := k.acquire(ctx)
	if err != nil {
		return Output{}, err
	}
	if err := ctx.Err(); err != nil {
		return Output{}, err // no fault of the session's
	}
	out, err := s.Run(ctx, b)
	switch {
	case err == nil:
		k.count(0)
	case ctx.Err() != nil:
		k.replace(s, "a run outlasted its limit", err)
	case !errors.Is(err, ErrOutOfMemory) && k.count(1) >= suspicious:
		k.suspect(ctx, s)
	}
	return out, err
}

// count counts failed runs; 0 starts anew.
func (k *keeper) count(failed int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if failed == 0 {
		k.failed = 0
	}
	k.failed += failed
	return k.failed
}

// suspect replaces s when it does not pass the load check any more.
func (k *keeper) suspect(ctx context.Context, s Session) {
	if err := k.check(ctx, s); err != nil {
		k.replace(s, "its runs fail", err)
		return
	}
	k.count(0)
}

func (k *keeper) acquire(ctx context.Context) (Session, error) {
	for {
		k.mu.Lock()
		s, back := k.session, k.back
		k.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-back:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-k.ctx.Done():
			return nil, errClosing
		}
	}
}

// replace takes s out of service, unless another run has done so already.
func (k *keeper) replace(s Session, reason string, cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.session != s || k.ctx.Err() != nil {
		return
	}
	k.session, k.back = nil, make(chan struct{})
	k.status = models.Status{State: models.StateFailed, Reason: reason + "; its session is being reopened"}
	k.failed = 0
	k.event(Event{Kind: EventFailed, Err: fmt.Errorf("%s: %w", reason, cause)})
	k.reopens.Go(func() { k.reopen(s) })
}

// reopen closes the old session and tries for a new one until it has it or the keeper closes.
func (k *keeper) reopen(old Session) {
	if err := old.Close(); err != nil {
		k.event(Event{Kind: EventFailed, Err: fmt.Errorf("closing the failed session: %w", err)})
	}
	for wait := firstReopen; ; wait = min(2*wait, lastReopen) {
		s, err := k.open(k.ctx)
		if err == nil {
			k.resume(s)
			return
		}
		k.event(Event{Kind: EventFailed, Err: fmt.Errorf("reopening: %w", err)})
		select {
		case <-time.After(wait):
		case <-k.ctx.Done():
			return
		}
	}
}

func (k *keeper) resume(s Session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.session = s
	k.status = models.Status{State: models.StateReady}
	close(k.back)
	k.event(Event{Kind: EventReopened})
}

// Status is the model's state, without its queue.
func (k *keeper) Status() models.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// Close ends reopening and closes the session; it waits for both.
func (k *keeper) Close() error {
	k.cancel()
	k.reopens.Wait()
	k.mu.Lock()
	s := k.session
	k.session = nil
	if k.back == nil {
		k.back = make(chan struct{})
	}
	k.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.Close()
}
