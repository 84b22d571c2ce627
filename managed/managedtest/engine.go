package managedtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/managed"
)

// TB is what an Engine needs of a test.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
}

// Behaviour is how a container of a Spec goes. The zero value serves at once, for ever.
type Behaviour struct {
	// Create is how long Engine.Start takes, Ready how long the server is not healthy after that.
	Create, Ready time.Duration
	// StartErr fails Engine.Start, as a port that is taken does.
	StartErr error
	// EndsAfter, if not 0, is when the container ends by itself, with ExitCode or, if OOM, for want
	// of memory.
	EndsAfter time.Duration
	ExitCode  int
	OOM       bool
	// Unhealthy servers never get healthy. TryErr is what the Prober's Try fails with.
	Unhealthy bool
	TryErr    error
	// StopTakes is what the server needs to end; beyond the timeout it is killed.
	StopTakes time.Duration
	// Logs are what it writes.
	Logs string
}

// Engine is a managed.Engine without containers. Its fields are to be set before it is used.
type Engine struct {
	T TB
	// Behave says how a container goes that is about to be started; nil: all do as the zero
	// Behaviour.
	Behave func(managed.Spec) Behaviour
	// Serve, if not nil, runs the server of a container, and returns where, and what ends it. Else
	// the address is made up, and Prober answers for it.
	Serve func(managed.Spec) (address string, stop func(), err error)

	mu         sync.Mutex
	made       int
	containers map[string]*container
	absent     map[string]image
	budgets    managed.Budgets
	away       chan struct{} // closed when the engine goes away; nil while it is
	mute       bool
	watchers   map[*watcher]struct{}
	started    []string
}

var _ managed.Engine = (*Engine)(nil)

type image struct {
	takes time.Duration
	err   error
}

type container struct {
	managed.Container
	spec  managed.Spec
	goes  Behaviour
	since time.Time
	// sick: it is unhealthy, whatever its Behaviour.
	sick bool
	stop func()
	end  *time.Timer
	// ended is closed when it runs no more.
	ended chan struct{}
}

type watcher struct {
	events []managed.Event
	wake   chan struct{}
}

// NewEngine returns an engine that answers, with every image and no container.
func NewEngine(t TB) *Engine {
	return &Engine{
		T: t, containers: map[string]*container{}, absent: map[string]image{},
		away: make(chan struct{}), watchers: map[*watcher]struct{}{},
	}
}

// Bound has the test fail when what runs exceeds b, or a group.
func (e *Engine) Bound(b managed.Budgets) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.budgets = b
}

// Absent says that an image is not there, and how long a pull takes and how it ends.
func (e *Engine) Absent(name string, takes time.Duration, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.absent[name] = image{takes: takes, err: err}
}

// GoAway has every call fail with managed.ErrAway until ComeBack.
func (e *Engine) GoAway() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away != nil {
		close(e.away)
		e.away = nil
	}
}

// ComeBack ends GoAway.
func (e *Engine) ComeBack() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away == nil {
		e.away = make(chan struct{})
	}
}

// Mute has events get lost, until it is called with false.
func (e *Engine) Mute(mute bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mute = mute
}

// Crash ends the container of a Spec; false: none runs.
func (e *Engine) Crash(spec string, exitCode int, oom bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.running(spec)
	if c == nil {
		return false
	}
	e.finish(c, exitCode, oom)
	return true
}

// CrashAll ends all containers, as the end of an engine does.
func (e *Engine) CrashAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.containers {
		e.finish(c, 137, false)
	}
}

// Sicken makes the server of a Spec unhealthy, or well again; false: none runs.
func (e *Engine) Sicken(spec string, sick bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.running(spec)
	if c != nil {
		c.sick = sick
	}
	return c != nil
}

// Put makes a container as if an earlier process had.
func (e *Engine) Put(spec managed.Spec, hash string, running bool) managed.Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.create(spec)
	c.Hash = hash
	e.run(c, "")
	if !running {
		e.finish(c, 0, false)
	}
	return c.Container
}

// Started are the Specs of all containers that were started, in order.
func (e *Engine) Started() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.started)
}

// Running are the Specs of the containers that run, sorted.
func (e *Engine) Running() []string { return e.list(func(c *container) bool { return c.Running }) }

// Left are the Specs of all containers that there are, running or not, sorted.
func (e *Engine) Left() []string { return e.list(func(*container) bool { return true }) }

func (e *Engine) list(which func(*container) bool) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := []string{}
	for _, c := range e.containers {
		if which(c) {
			names = append(names, c.Spec)
		}
	}
	slices.Sort(names)
	return names
}

// Close ends all servers and timers.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, c := range e.containers {
		e.finish(c, 0, false)
		delete(e.containers, id)
	}
}

// running is the container of a Spec that runs, or nil.
func (e *Engine) running(spec string) *container {
	for _, c := range e.containers {
		if c.Spec == spec && c.Running {
			return c
		}
	}
	return nil
}

// create makes a container that counts as running from now on.
func (e *Engine) create(spec managed.Spec) *container {
	e.made++
	c := &container{spec: spec, ended: make(chan struct{}), stop: func() {}}
	if e.Behave != nil {
		c.goes = e.Behave(spec)
	}
	c.Container = managed.Container{
		ID: fmt.Sprintf("c%d", e.made), Name: "test-" + strings.ReplaceAll(spec.ID, "/", "-"),
		Spec: spec.ID, Hash: spec.Hash(), Running: true,
	}
	e.containers[c.ID] = c
	e.check()
	return c
}

// run has the server of a container run from now on.
func (e *Engine) run(c *container, address string) {
	if address == "" {
		address = fmt.Sprintf("10.0.%d.%d:80", e.made/250, 1+e.made%250)
	}
	c.Address, c.since = address, time.Now()
	e.started = append(e.started, c.Spec)
	if c.goes.EndsAfter > 0 {
		c.end = time.AfterFunc(c.goes.EndsAfter, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.finish(c, c.goes.ExitCode, c.goes.OOM)
		})
	}
}

// finish ends a container, and tells watchers.
func (e *Engine) finish(c *container, exitCode int, oom bool) {
	if !c.Running {
		return
	}
	if c.end != nil {
		c.end.Stop()
	}
	c.Running, c.ExitCode, c.OOM, c.Address = false, exitCode, oom, ""
	close(c.ended)
	c.stop()
	if oom {
		e.tell(managed.Event{Container: c.ID})
	}
	e.tell(managed.Event{Container: c.ID, Died: true, ExitCode: exitCode})
}

func (e *Engine) tell(event managed.Event) {
	if e.mute {
		return
	}
	for w := range e.watchers {
		w.events = append(w.events, event)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// check fails the test when too much runs.
func (e *Engine) check() {
	host, gpus, groups, specs := 0, map[string]int{}, map[string][]string{}, map[string]int{}
	for _, c := range e.containers {
		if !c.Running {
			continue
		}
		host += c.spec.MemoryMB
		for _, gpu := range e.devices(c.spec) {
			gpus[gpu] += c.spec.GPUMemoryMB
		}
		if c.spec.Group != "" {
			groups[c.spec.Group] = append(groups[c.spec.Group], c.Spec)
		}
		specs[c.Spec]++
	}
	e.T.Helper()
	if e.budgets.HostMB > 0 && host > e.budgets.HostMB {
		e.T.Errorf("containers take %d MiB of %d", host, e.budgets.HostMB)
	}
	for gpu, bound := range e.budgets.GPUs {
		if gpus[gpu] > bound {
			e.T.Errorf("containers take %d MiB of %d on GPU %s", gpus[gpu], bound, gpu)
		}
	}
	for group, members := range groups {
		if len(members) > 1 {
			e.T.Errorf("of group %s %v run at once", group, members)
		}
	}
	for spec, n := range specs {
		if n > 1 {
			e.T.Errorf("%d containers of %s run at once", n, spec)
		}
	}
}

func (e *Engine) devices(spec managed.Spec) []string {
	if !slices.Contains(spec.GPUs, managed.AllGPUs) {
		return spec.GPUs
	}
	var all []string
	for gpu := range e.budgets.GPUs {
		all = append(all, gpu)
	}
	return all
}

// reach returns what is closed when the engine goes away, or ErrAway.
func (e *Engine) reach(ctx context.Context) (away <-chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if e.away == nil {
		return nil, managed.ErrAway
	}
	return e.away, nil
}

// wait sleeps for d; ended may end it early, which is no error.
func wait(ctx context.Context, d time.Duration, away, ended <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ended:
	case <-away:
		return managed.ErrAway
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
