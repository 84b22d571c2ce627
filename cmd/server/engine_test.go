package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// dock is a container engine whose containers are fakes of model servers on the loopback interface.
// It outlives the programs that use it, each through a berth of its own.
type dock struct {
	mu     sync.Mutex
	made   int
	afloat map[string]*vessel // by ID
	// behave says what a spec's containers do.
	behave   map[string]behaviour
	watchers map[*watcher]bool
	started  []string // the specs of all starts, in their order
	absent   map[string]bool
	// groups counts what runs of each group, together the most that ran at once.
	groups, together map[string]int
}

// behaviour is what a container does.
type behaviour struct {
	// takes is how long its server loads before it listens; fails: then it ends instead.
	takes time.Duration
	fails bool
	// options are its server's.
	options upstreamtest.Options
}

// vessel is a container.
type vessel struct {
	managed.Container
	spec   managed.Spec
	server *upstreamtest.Server
	log    []string
}

// watcher is a call of Watch.
type watcher struct{ heard func(managed.Event) }

func newDock(t testing.TB) *dock {
	d := &dock{afloat: map[string]*vessel{}, behave: map[string]behaviour{}, watchers: map[*watcher]bool{},
		absent: map[string]bool{}, groups: map[string]int{}, together: map[string]int{}}
	t.Cleanup(func() {
		for _, v := range d.vessels() {
			d.end(v, 0, false)
		}
	})
	return d
}

// berth is the engine of one program. One that is cut off answers nothing any more, as to a program
// that has been killed.
type berth struct {
	*dock
	off     chan struct{}
	once    sync.Once
	opened  atomic.Int32
	refused error
}

func (d *dock) berth() *berth { return &berth{dock: d, off: make(chan struct{})} }

func (b *berth) cut() { b.once.Do(func() { close(b.off) }) }

// open is of type engines.
func (b *berth) open(config.Containers) (managed.Engine, error) {
	b.opened.Add(1)
	if b.refused != nil {
		return nil, b.refused
	}
	return b, nil
}

var _ managed.Engine = (*berth)(nil)

func (b *berth) away(ctx context.Context) error {
	select {
	case <-b.off:
		return fmt.Errorf("%w: the process was killed", managed.ErrAway)
	default:
		return ctx.Err()
	}
}

func (b *berth) Ping(ctx context.Context) error { return b.away(ctx) }

func (b *berth) HasImage(ctx context.Context, image string) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.absent[image], b.away(ctx)
}

func (b *berth) Pull(ctx context.Context, image string, progress func(string)) error {
	progress("layer 1 of 1")
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.absent, image)
	return b.away(ctx)
}

func (b *berth) Start(ctx context.Context, s managed.Spec) (managed.Container, error) {
	if err := b.away(ctx); err != nil {
		return managed.Container{}, err
	}
	return b.launch(s)
}

func (d *dock) launch(s managed.Spec) (managed.Container, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.made++
	how := d.behave[s.ID]
	server, err := upstreamtest.Listen("127.0.0.1:0", upstreamtest.Kind(s.Type), how.serves(s))
	if err != nil {
		return managed.Container{}, err
	}
	v := &vessel{spec: s, server: server, log: []string{"loading " + s.Model}}
	v.ID, v.Name = fmt.Sprintf("id-%03d", d.made), fmt.Sprintf("quadrate-%s-%d", strings.ReplaceAll(s.ID, "/", "-"), d.made)
	v.Spec, v.Hash, v.Running, v.Address = s.ID, s.Hash(), true, strings.TrimPrefix(server.URL, "http://")
	if how.takes > 0 || how.fails {
		listen := server.Load()
		time.AfterFunc(how.takes, func() {
			if how.fails {
				d.end(v, 1, false, "RuntimeError: the weights are damaged")
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			if v.Running {
				_ = listen()
			}
		})
	}
	d.afloat[v.ID] = v
	d.started = append(d.started, s.ID)
	d.groups[s.Group]++
	d.together[s.Group] = max(d.together[s.Group], d.groups[s.Group])
	return v.Container, nil
}

// serves are the options of a spec's server: the model that its command names.
func (b behaviour) serves(s managed.Spec) upstreamtest.Options {
	o := b.options
	if len(o.Models) == 0 && len(s.Model) > 0 {
		m := upstreamtest.Model{Name: s.Model}
		if strings.Contains(s.Model, "rerank") {
			m.Task = upstreamtest.Rerank
		}
		o.Models = []upstreamtest.Model{m}
	}
	return o
}

// end has a container end; what it says last is in its log.
func (d *dock) end(v *vessel, code int, oom bool, last ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !v.Running {
		return
	}
	v.server.Stop()
	v.Running, v.Address, v.ExitCode, v.OOM = false, "", code, oom
	v.log = append(v.log, last...)
	d.groups[v.spec.Group]--
	for w := range d.watchers {
		w.heard(managed.Event{Container: v.ID, Died: true, ExitCode: code})
	}
}

// vessels are the containers, in the order of their making.
func (d *dock) vessels() []*vessel {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*vessel
	for _, v := range d.afloat {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b *vessel) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// of is the container that runs for a spec, nil if there is none.
func (d *dock) of(spec string) *vessel {
	for _, v := range d.vessels() {
		d.mu.Lock()
		found := v.Spec == spec && v.Running
		d.mu.Unlock()
		if found {
			return v
		}
	}
	return nil
}

// running are the specs whose containers run, sorted.
func (d *dock) running() []string {
	list := []string{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.afloat {
		if v.Running {
			list = append(list, v.Spec)
		}
	}
	slices.Sort(list)
	return list
}

// starts are the specs of all starts so far.
func (d *dock) starts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.started)
}

// mostOf is how many of a group ran at once, at most.
func (d *dock) mostOf(group string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.together[group]
}

// set says what the containers of a spec that start from now on do.
func (d *dock) set(spec string, b behaviour) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.behave[spec] = b
}

func (d *dock) find(id string) (*vessel, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, ok := d.afloat[id]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("%w: %s", managed.ErrGone, id)
}

func (b *berth) Inspect(ctx context.Context, id string) (managed.Container, error) {
	v, err := b.find(id)
	if err = errors.Join(b.away(ctx), err); err != nil {
		return managed.Container{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return v.Container, nil
}

func (b *berth) List(ctx context.Context) ([]managed.Container, error) {
	var list []managed.Container
	for _, v := range b.vessels() {
		b.mu.Lock()
		list = append(list, v.Container)
		b.mu.Unlock()
	}
	return list, b.away(ctx)
}

func (b *berth) Stop(ctx context.Context, id string, _ time.Duration) error {
	if err := b.away(ctx); err != nil {
		return err
	}
	v, err := b.find(id)
	if err != nil {
		return nil //nolint:nilerr // one that is gone is no error
	}
	b.end(v, 0, false)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.afloat, id)
	return nil
}

func (b *berth) Logs(ctx context.Context, id string, lines int) (string, error) {
	v, err := b.find(id)
	if err = errors.Join(b.away(ctx), err); err != nil {
		return "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(v.log[max(0, len(v.log)-lines):], "\n"), nil
}

func (b *berth) Memory(ctx context.Context, _ string) (int64, error) { return 64 << 20, b.away(ctx) }

func (b *berth) Watch(ctx context.Context, begun func(), heard func(managed.Event)) error {
	if err := b.away(ctx); err != nil {
		return err
	}
	w := &watcher{heard: heard}
	b.mu.Lock()
	b.watchers[w] = true
	b.mu.Unlock()
	begun()
	select {
	case <-ctx.Done():
	case <-b.off:
	}
	b.mu.Lock()
	delete(b.watchers, w)
	b.mu.Unlock()
	if err := b.away(ctx); err != nil {
		return err
	}
	return ctx.Err()
}
