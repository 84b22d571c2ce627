package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// fakeLocals runs models whose embeddings take until release is closed.
type fakeLocals struct {
	release chan struct{}
	began   chan struct{} // gets a value for each request that has begun
	refuse  error         // when not nil, what opening bad/model gives
	opened  func()        // when not nil, called by each opening

	mu     sync.Mutex
	hooks  map[string]localHooks
	closed []string
}

var _ localRuntime = (*fakeLocals)(nil)

// fakeModel is one of them.
type fakeModel struct {
	modelstest.Embedder
	close func() error
}

func (m *fakeModel) Tasks() []models.Task { return []models.Task{models.TaskEmbed} }

func (m *fakeModel) Close() error { return m.close() }

// only is a platform without containers.
func (f *fakeLocals) only() platform { return platform{runtime: f, engines: noEngine} }

// noEngine is what there is where no container can be run.
func noEngine(config.Containers) (managed.Engine, error) {
	return nil, errors.New("there is no socket")
}

func (f *fakeLocals) GPU(string) error { return errors.New("there is none") }

func (f *fakeLocals) Check(models.Spec) error { return nil }

func (f *fakeLocals) Engine() string { return "a fake" }

func (f *fakeLocals) Describe() string { return "a fake" }

func (f *fakeLocals) Open(_ context.Context, spec models.Spec, hooks localHooks) (inference.Model, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil && spec.Name == "bad/model" {
		return nil, f.refuse
	}
	f.hooks[spec.Name] = hooks
	if f.opened != nil {
		f.opened()
	}
	m := &fakeModel{close: func() error { return f.note(spec.Name) }}
	m.EmbedFunc = func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
		f.began <- struct{}{}
		select {
		case <-f.release:
			return models.EmbedResult{Vectors: make([][]float32, len(req.Inputs))}, nil
		case <-ctx.Done():
			return models.EmbedResult{}, ctx.Err()
		}
	}
	return m, nil
}

func (f *fakeLocals) Close() error { return f.note("runtime") }

func (f *fakeLocals) note(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = append(f.closed, what)
	return nil
}

func (f *fakeLocals) lose(model string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hooks[model].onEvent(inference.Event{Kind: inference.EventLost, Model: model, Err: inference.ErrLost})
}

// serveFake serves two fake models and returns the server's address and its end.
func serveFake(t *testing.T) (f *fakeLocals, url string, done <-chan error) {
	t.Helper()
	f = &fakeLocals{release: make(chan struct{}), began: make(chan struct{}, 8), hooks: map[string]localHooks{}}
	cfg := twoModels(t)
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- serveOn(t.Context(), f.only(), cfg, nil, io.Discard, func(addr string) { ready <- addr })
	}()
	select {
	case addr := <-ready:
		return f, "http://" + addr, ended
	case err := <-ended:
		require.NoError(t, err)
	}
	panic("unreachable")
}

// twoModels is a configuration of good/model and bad/model, which is loaded second.
func twoModels(t *testing.T) *config.Config {
	t.Helper()
	return loadConfig(t, "drain_delay: 1h", "good/model", "bad/model")
}

func loadConfig(t *testing.T, server string, names ...string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.yaml")
	text := "server: {host: 127.0.0.1, port: 0, " + server + "}\nmodels:\n"
	for _, name := range names {
		text += "  - {name: " + name + "}\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cfg, err := config.Load(config.LoadOptions{File: file, Dir: t.TempDir()})
	require.NoError(t, err)
	return cfg
}

func statusOf(t *testing.T, method, url, body string) int {
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A lost model ends the process: not ready at once, without the drain delay, another model's
// request in flight is answered, and nothing native is closed.
func TestALostModelEndsTheProcess(t *testing.T) {
	f, url, done := serveFake(t)
	require.Equal(t, http.StatusOK, statusOf(t, http.MethodGet, url+"/health/ready", ""))
	answer := make(chan int, 1)
	go func() {
		answer <- statusOf(t, http.MethodPost, url+"/v1/embeddings", `{"model": "good/model", "input": "x"}`)
	}()
	<-f.began
	f.lose("bad/model")
	require.Eventually(t, func() bool { return statusOf(t, http.MethodGet, url+"/health/ready", "") != http.StatusOK }, 5*time.Second, 5*time.Millisecond)
	select {
	case err := <-done:
		t.Fatalf("ended with a request in flight: %v", err)
	default:
	}
	close(f.release)
	require.Equal(t, http.StatusOK, <-answer)
	err := <-done
	require.ErrorIs(t, err, errRestart)
	require.Equal(t, "the process must be started anew: model bad/model: "+inference.ErrLost.Error(), err.Error())
	require.False(t, strings.Contains(err.Error(), "\n"), "one line")
	require.Empty(t, f.closed)
}

// Nothing else loads models, or reloads, while those of the start are loaded; what is asked for
// meanwhile, also by SIGHUP, is done when they are.
func TestChangesWaitForTheStart(t *testing.T) {
	f := &fakeLocals{hooks: map[string]localHooks{}}
	cfg := twoModels(t)
	reloads := make(chan struct{}, 1)
	read := func() (*config.Config, error) {
		reloads <- struct{}{}
		return cfg, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, err := newProgram(cfg, read, f.only(), func(error) {}, io.Discard)
	require.NoError(t, err)
	stopWatching := p.watch(ctx)
	opened := 0
	f.opened = func() {
		opened++
		require.False(t, p.gateway.change.TryLock(), "a change could begin")
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	}
	require.NoError(t, p.gateway.load(ctx))
	<-reloads
	stopWatching()
	require.Equal(t, 2, opened)
	require.NoError(t, p.close())
	require.Equal(t, []string{"good/model", "bad/model", "runtime"}, f.closed)
}

// A reload whose model native code is loading, which nothing interrupts, keeps nobody from
// draining, and a program from ending whose models are lost.
func TestALoadThatDoesNotEndKeepsNobody(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost %v", lost), func(t *testing.T) {
			const server = "drain_delay: 0s"
			cfg, next := loadConfig(t, server, "good/model"), loadConfig(t, server, "good/model", "bad/model")
			f := &fakeLocals{hooks: map[string]localHooks{}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ready, ended := make(chan string, 1), make(chan error, 1)
			read := func() (*config.Config, error) { return next, nil }
			go func() { ended <- serveOn(ctx, f.only(), cfg, read, io.Discard, func(addr string) { ready <- addr }) }()
			url := "http://" + <-ready
			loading, release := make(chan struct{}), make(chan struct{})
			f.mu.Lock()
			hooks := f.hooks["good/model"]
			f.opened = func() {
				close(loading)
				<-release
			}
			f.mu.Unlock()
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
			<-loading
			require.Equal(t, http.StatusOK, statusOf(t, http.MethodGet, url+"/health/ready", ""))
			if lost {
				hooks.onEvent(inference.Event{Kind: inference.EventLost, Model: "good/model", Err: inference.ErrLost})
				require.ErrorIs(t, <-ended, errRestart)
				close(release)
				return
			}
			cancel()
			require.Eventually(t, func() bool { return statusOf(t, http.MethodGet, url+"/health/ready", "") != http.StatusOK }, 5*time.Second, 5*time.Millisecond)
			close(release)
			require.NoError(t, <-ended)
		})
	}
}

// An admin's change that had to wait until the server ends is not begun.
func TestNoChangeBeginsAtTheEnd(t *testing.T) {
	f := &fakeLocals{hooks: map[string]localHooks{}}
	cfg := twoModels(t)
	p, err := newProgram(cfg, func() (*config.Config, error) { return cfg, errors.New("it is read") }, f.only(), func(error) {}, io.Discard)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.gateway.reload(ctx)
	require.Equal(t, models.KindShuttingDown, models.KindOf(err))
	require.Equal(t, models.KindShuttingDown, models.KindOf(p.gateway.loadAgain(ctx, "good/model")))
	require.Equal(t, models.KindShuttingDown, models.KindOf(p.gateway.unload(ctx, "good/model")))
	require.Nil(t, p.gateway.last.Load())
	require.NoError(t, p.close())
}

// When a model's close says that native code has not let go, the runtime stays open.
func TestTheRuntimeIsNotClosedUnderARun(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"lost":  {inference.ErrLost, nil},
		"other": {errors.New("a leak"), []string{"runtime"}},
		"none":  {nil, []string{"runtime"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeLocals{}
			l := &locals{runtime: f, list: []*local{{model: &fakeModel{close: func() error { return c.err }}}}}
			require.ErrorIs(t, l.close(), c.err)
			require.Equal(t, c.want, f.closed)
		})
	}
}

// A load that leaves native code running, or a device broken, ends like a model that is lost later.
func TestAModelThatIsLostInItsLoad(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		restart bool
		closed  []string
	}{
		"a run that does not end": {errors.Join(errors.New("hung"), inference.ErrLost), true, nil},
		"a device":                {inference.ErrDevice, true, nil},
		"its files":               {errors.New("no such file"), false, []string{"good/model", "runtime"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeLocals{hooks: map[string]localHooks{}, refuse: c.err}
			err := serveOn(t.Context(), f.only(), twoModels(t), nil, io.Discard, nil)
			require.Equal(t, c.restart, errors.Is(err, errRestart), err)
			require.ErrorContains(t, err, "bad/model")
			require.Equal(t, c.closed, f.closed)
		})
	}
}
