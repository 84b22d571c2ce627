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

// pool is a model's sessions, on one device or several. There are as many runners as sessions,
// and a runner has a session to itself while it runs, so that a batch is formed when a session
// is there for it.
//
// A session that is being reopened is in nobody's reach, and the batcher is told to run so many
// batches fewer: what waits stays in the queue, where everything about it can still change. Only
// when no session is left does the model count as failed.
type pool struct {
	check func(ctx context.Context, s Session) error
	event func(Event)
	// resized, when not nil, is told how many batches may run from now on.
	resized func(runners int)

	ctx     context.Context // ends at close
	cancel  context.CancelFunc
	reopens sync.WaitGroup

	keepers []*keeper
	free    chan *keeper // those that are well and not in use

	mu     sync.Mutex
	well   int           // keepers that are not being reopened
	ending bool          // see drain
	lost   chan struct{} // closed when nothing in this process mends the model
	status models.Status
}

// newPool has no sessions yet; check is the load check of one, event is told of failures.
func newPool(check func(context.Context, Session) error, event func(Event), size int) *pool {
	ctx, cancel := context.WithCancel(context.Background())
	return &pool{check: check, event: event, ctx: ctx, cancel: cancel, free: make(chan *keeper, size), lost: make(chan struct{}), status: models.Status{State: models.StateReady}}
}

// add gives the pool a session, which open has made and check has passed.
func (p *pool) add(s Session, open func(context.Context) (Session, error)) {
	k := &keeper{pool: p, open: open, session: s}
	p.keepers = append(p.keepers, k)
	p.well++
	p.free <- k
}

// Run runs a batch on a session that is free and well.
func (p *pool) Run(ctx context.Context, b Batch) (Output, error) {
	k, err := p.acquire(ctx)
	if err != nil {
		return Output{}, err
	}
	if err := ctx.Err(); err != nil {
		p.free <- k
		return Output{}, err // no fault of the session's
	}
	out, healthy, err := k.run(ctx, b)
	if healthy {
		p.free <- k
	}
	return out, err
}

func (p *pool) acquire(ctx context.Context) (*keeper, error) {
	select {
	case <-p.lost:
		return nil, ErrLost
	default:
	}
	select {
	case k := <-p.free:
		return k, nil
	case <-p.lost:
		return nil, ErrLost
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.ctx.Done():
		return nil, errClosing
	}
}

// down records that a keeper has to be reopened.
func (p *pool) down(reason string, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.well--; p.well == 0 && !p.isLost() {
		p.status = models.Status{State: models.StateFailed, Reason: reason + "; its session is being reopened"}
	}
	p.resize()
	p.giveUp()
	p.event(Event{Kind: EventFailed, Err: fmt.Errorf("%s: %w", reason, cause)})
}

// up records that a keeper has been reopened.
func (p *pool) up(k *keeper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.well++
	if !p.isLost() {
		p.status = models.Status{State: models.StateReady}
	}
	p.event(Event{Kind: EventReopened})
	p.free <- k
	p.resize()
}

// resize needs the lock. A lost model keeps a runner, which refuses what waits.
func (p *pool) resize() {
	n := p.well
	if p.isLost() {
		n = max(n, 1)
	}
	if p.resized != nil {
		p.resized(n)
	}
}

// onResize has f told how many batches may run, now and whenever it changes.
func (p *pool) onResize(f func(runners int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resized = f
	p.resize()
}

// drain begins the end: from now on nobody waits for a session when none is left.
func (p *pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = true
	p.giveUp()
}

// giveUp needs the lock.
func (p *pool) giveUp() {
	if p.ending && p.well == 0 {
		p.cancel()
	}
}

// lose gives the model up, once: what still waits for a session is refused.
func (p *pool) lose(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isLost() {
		return
	}
	close(p.lost)
	p.status = models.Status{State: models.StateFailed, Reason: "its device or a run on it cannot be recovered; the server is about to end"}
	p.resize()
	p.event(Event{Kind: EventLost, Err: cause})
}

// isLost needs the lock, or a caller that can do with an old answer.
func (p *pool) isLost() bool {
	select {
	case <-p.lost:
		return true
	default:
		return false
	}
}

// Status is the model's state, without its queue.
func (p *pool) Status() models.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Close ends reopening and closes the sessions. It waits for both, but no longer than native
// code may reasonably take: a session in which a run does not end is left open. Of a model that
// is lost it closes nothing: what its device does then is anybody's guess.
func (p *pool) Close() error {
	p.cancel()
	reopened := make(chan struct{})
	go func() {
		p.reopens.Wait()
		close(reopened)
	}()
	select {
	case <-reopened:
	case <-time.After(2 * lostAfter):
		return fmt.Errorf("%w: a session is still being reopened", ErrLost)
	}
	if p.isLost() {
		return ErrLost
	}
	problems := make([]error, len(p.keepers))
	var closing sync.WaitGroup
	for i, k := range p.keepers {
		closing.Go(func() { problems[i] = closeInTime(k.session) })
	}
	closing.Wait()
	return errors.Join(problems...)
}

// placed is Placed of the session that has the least on its provider. It is asked before any
// runner has a session.
func (p *pool) placed() float64 {
	least := 1.0
	for _, k := range p.keepers {
		least = min(least, placedOf(k.session))
	}
	return least
}
