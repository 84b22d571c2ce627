package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// dock is a container engine whose containers are fakes of model servers on the loopback interface.
type dock struct {
	*managedtest.Engine
	opened atomic.Int32

	mu     sync.Mutex
	behave map[string]behaviour
	latest map[string]*vessel
}

// behaviour is what the containers of an upstream do.
type behaviour struct {
	// takes is how long the server loads before it listens.
	takes time.Duration
	// goes is how the container does.
	goes managedtest.Behaviour
	// options are the server's.
	options upstreamtest.Options
}

// vessel is a server in a container.
type vessel struct {
	*upstreamtest.Server
	spec managed.Spec
}

func newDock(t testing.TB) *dock {
	d := &dock{Engine: managedtest.NewEngine(t), behave: map[string]behaviour{}, latest: map[string]*vessel{}}
	d.Behave = func(s managed.Spec) managedtest.Behaviour {
		goes := d.of(s.ID).goes
		if goes.Logs == "" {
			goes.Logs = "loading " + s.Model + "\n"
		}
		return goes
	}
	d.Serve = d.serve
	t.Cleanup(d.Close)
	return d
}

// open is of type engines.
func (d *dock) open(config.Containers) (managed.Engine, error) {
	d.opened.Add(1)
	return d, nil
}

// set says what the containers of an upstream do that start from now on.
func (d *dock) set(upstream string, b behaviour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.behave[upstream] = b
}

func (d *dock) of(upstream string) behaviour {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.behave[upstream]
}

// last is the server of an upstream that was started last.
func (d *dock) last(upstream string) *vessel {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.latest[upstream]
}

// serve starts a spec's server.
func (d *dock) serve(s managed.Spec) (address string, stop func(), err error) {
	how := d.of(s.ID)
	server, err := upstreamtest.Listen("127.0.0.1:0", upstreamtest.Kind(s.Type), how.serves(s.Model))
	if err != nil {
		return "", nil, err
	}
	address, stop = strings.TrimPrefix(server.URL, "http://"), server.Stop
	if how.takes > 0 {
		listen := server.Load()
		var mu sync.Mutex
		ended := false
		time.AfterFunc(how.takes, func() {
			mu.Lock()
			defer mu.Unlock()
			if !ended {
				_ = listen()
			}
		})
		stop = func() {
			mu.Lock()
			defer mu.Unlock()
			ended = true
			server.Stop()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest[s.ID] = &vessel{server, s}
	return address, stop, nil
}

// serves are the options of a server of a model.
func (b behaviour) serves(model string) upstreamtest.Options {
	o := b.options
	m := upstreamtest.Model{Name: model}
	if strings.Contains(model, "rerank") {
		m.Task = upstreamtest.Rerank
	}
	o.Models = []upstreamtest.Model{m}
	return o
}

// severed is a dock as a program sees it until it is killed: nothing more of that program comes to
// the containers.
type severed struct {
	*dock
	killed chan struct{}
}

func (s severed) open(config.Containers) (managed.Engine, error) { return s, nil }

func (s severed) dead() error {
	select {
	case <-s.killed:
		return fmt.Errorf("%w: the program was killed", managed.ErrAway)
	default:
		return nil
	}
}

func (s severed) Start(ctx context.Context, spec managed.Spec) (managed.Container, error) {
	if err := s.dead(); err != nil {
		return managed.Container{}, err
	}
	return s.dock.Start(ctx, spec)
}

func (s severed) Stop(ctx context.Context, id string, timeout time.Duration) error {
	if err := s.dead(); err != nil {
		return err
	}
	return s.dock.Stop(ctx, id, timeout)
}

func (s severed) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.killed:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.dead(); err != nil {
		return err
	}
	return s.dock.Watch(ctx, begun, heard)
}
