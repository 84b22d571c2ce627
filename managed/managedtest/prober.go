package managedtest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/managed"
)

// Prober answers for the servers in an Engine's containers.
type Prober struct {
	Engine *Engine
	// Tries counts what Try was asked.
	Tries atomic.Int64
}

var _ managed.Prober = (*Prober)(nil)

// errRefused is what comes of asking where no server is.
var errRefused = errors.New("connection refused")

// Health implements managed.Prober.
func (p *Prober) Health(ctx context.Context, _, address string) error {
	_, err := p.ask(ctx, address)
	return err
}

// Try implements managed.Prober.
func (p *Prober) Try(ctx context.Context, _, address string) error {
	p.Tries.Add(1)
	goes, err := p.ask(ctx, address)
	if err != nil {
		return err
	}
	return goes.TryErr
}

// Serves reports whether a server at an address answers.
func (p *Prober) Serves(address string) bool {
	_, err := p.ask(context.Background(), address)
	return err == nil
}

func (p *Prober) ask(ctx context.Context, address string) (Behaviour, error) {
	if ctx.Err() != nil {
		return Behaviour{}, ctx.Err()
	}
	p.Engine.mu.Lock()
	defer p.Engine.mu.Unlock()
	for _, c := range p.Engine.containers {
		if !c.Running || c.Address != address || address == "" {
			continue
		}
		if c.goes.Unhealthy || c.sick || time.Since(c.since) < c.goes.Ready {
			return Behaviour{}, errors.New("the server is not healthy")
		}
		return c.goes, nil
	}
	return Behaviour{}, errRefused
}
