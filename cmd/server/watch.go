package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/quadrate-maas/quadrate/config"
)

// watch reloads the configuration at SIGHUP and when one of its files has changed, until the
// function that it returns is called or ctx ends; the function waits for a reload under way.
func (p *program) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			p.watchFiles(ctx, hup)
		}
	})
	return sync.OnceFunc(func() {
		signal.Stop(hup)
		cancel()
		group.Wait()
	})
}

// watchFiles reloads until ctx ends or until a reload has named other files.
func (p *program) watchFiles(ctx context.Context, hup <-chan os.Signal) {
	ctx, cancel := context.WithCancel(ctx)
	cfg := p.gateway.inForce()
	changed := make(chan struct{}, 1)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() {
		err := config.Watch(ctx, cfg, func() {
			select {
			case changed <- struct{}{}:
			default: // a reload is due already
			}
		})
		if err != nil {
			p.log.Error("the configuration's files are not watched any more; SIGHUP and POST /admin/reload still work", "error", err)
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-changed:
		}
		_, _ = p.gateway.reload(ctx) // it has been logged, counted and noted
		if !slices.Equal(cfg.Sources(), p.gateway.inForce().Sources()) {
			return
		}
	}
}
