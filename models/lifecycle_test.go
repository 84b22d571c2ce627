package models

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// started is a model that is started when it is asked; it can do everything.
type started struct {
	status Status
	Lifecycle
	everything
}

func (s started) Info() Info     { return Info{} }
func (s started) Status() Status { return s.status }

// everything stands for a model's tasks, none of which is called here.
type everything struct {
	Embedder
	Reranker
	TokenEmbedder
	Classifier
	Tokenizer
}

// finders are all ways to a model's tasks, by how errors call them.
var finders = map[string]func(Entry) error{
	"embed":    func(e Entry) error { _, err := e.Embedder(); return err },
	"rerank":   func(e Entry) error { _, err := e.Reranker(); return err },
	"tokens":   func(e Entry) error { _, err := e.TokenEmbedder(); return err },
	"classify": func(e Entry) error { _, err := e.Classifier(); return err },
	"tokenize": func(e Entry) error { _, err := e.Tokenizer(); return err },
}

func states() []State {
	return []State{StateReady, StateLoading, StateFailed, StateUnavailable, StateUnloaded, StateStopped}
}

func TestAModelThatStartsOnDemandLetsRequestsInWhateverItsState(t *testing.T) {
	for name, find := range finders {
		for _, state := range states() {
			e := Entry{Name: "m", Tasks: Tasks(), Model: started{status: Status{State: state, OnDemand: true, Reason: "a reason"}}}
			require.NoError(t, find(e), "%s, %s", name, state)
		}
	}
}

func TestAModelThatDoesNotStartOnDemandSaysWhy(t *testing.T) {
	for name, find := range finders {
		for _, c := range []struct {
			state State
			kind  Kind
			want  string
		}{
			{StateStopped, KindUnavailable, `model "m" cannot serve: a reason`},
			{StateUnloaded, KindUnavailable, `model "m" cannot serve: a reason`},
			{StateLoading, KindLoading, `model "m" is being loaded`},
			{StateUnavailable, KindNotFound, `model "m" is not here: a reason`},
		} {
			err := find(Entry{Name: "m", Tasks: Tasks(), Model: started{status: Status{State: c.state, Reason: "a reason", Backend: "tei"}}})
			require.Equal(t, c.kind, KindOf(err), "%s, %s", name, c.state)
			require.ErrorContains(t, err, c.want)
		}
	}
}

// TestOnDemandIsNoLeaveForOtherTasks: a container is not started for what its model cannot do.
func TestOnDemandIsNoLeaveForOtherTasks(t *testing.T) {
	stopped := Status{State: StateStopped, OnDemand: true}
	_, err := Entry{Name: "m", Tasks: []Task{TaskRerank}, Model: started{status: stopped}}.Embedder()
	require.Equal(t, KindUnsupportedTask, KindOf(err))
	require.ErrorContains(t, err, `model "m" does not do embed; it does rerank`)
	_, err = Entry{Name: "m", Tasks: Tasks(), Model: onDemand{}}.Reranker()
	require.Equal(t, KindUnsupportedTask, KindOf(err))
	require.ErrorContains(t, err, "which its files cannot do")
}

// onDemand is a model that starts when it is asked, and can do nothing.
type onDemand struct{ Placeholder }

func (o onDemand) Status() Status {
	s := o.Placeholder.Status()
	s.OnDemand = true
	return s
}

func TestWhoCanServe(t *testing.T) {
	serves := map[bool][]State{}
	for _, onDemand := range []bool{false, true} {
		for _, state := range states() {
			if (Status{State: state, OnDemand: onDemand}).CanServe() {
				serves[onDemand] = append(serves[onDemand], state)
			}
		}
	}
	require.Equal(t, map[bool][]State{
		false: {StateReady},
		true:  {StateReady, StateLoading, StateUnavailable, StateUnloaded, StateStopped},
	}, serves)
}

// TestWhatHasFailedCanServeOnceItMayBeTriedAgain: nothing but a request tries it, and a server that
// is not ready gets none.
func TestWhatHasFailedCanServeOnceItMayBeTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Status{State: StateFailed, OnDemand: true, Container: &Container{State: "failed", RetryAt: time.Now().Add(time.Minute)}}
		require.False(t, s.CanServe())
		time.Sleep(time.Minute - time.Nanosecond)
		require.False(t, s.CanServe())
		time.Sleep(time.Nanosecond)
		require.True(t, s.CanServe())
		s.Container.RetryAt = time.Time{}
		require.True(t, s.CanServe(), "any time")
		s.Container.State = "stopped"
		require.False(t, s.CanServe(), "it is the container engine that has failed")
		s.Container.State, s.OnDemand = "failed", false
		require.False(t, s.CanServe(), "it is refused")
	})
}

func TestARequestWithoutAModelGetsOneThatStartsRatherThanOneThatCannotServe(t *testing.T) {
	at := func(name string, state State) Entry {
		return Entry{Name: name, Tasks: []Task{TaskEmbed}, Model: onDemand{Placeholder{State: state}}}
	}
	for name, c := range map[string]struct {
		entries []Entry
		want    string
	}{
		"it starts":               {[]Entry{entry("a", StateFailed, TaskEmbed), at("b", StateStopped), at("c", StateLoading)}, "b"},
		"another is ready":        {[]Entry{at("a", StateStopped), at("b", StateReady)}, "b"},
		"its start has failed":    {[]Entry{entry("a", StateLoading, TaskEmbed), at("b", StateFailed)}, "a"},
		"there is none but that":  {[]Entry{at("a", StateFailed), at("b", StateFailed)}, "a"},
		"it does something else":  {[]Entry{{Name: "a", Tasks: []Task{TaskRerank}, Model: onDemand{}}, at("b", StateFailed)}, "b"},
		"the first of some start": {[]Entry{at("a", StateStopped), at("b", StateStopped)}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			catalog, err := NewCatalog(c.entries...)
			require.NoError(t, err)
			e, err := catalog.Resolve("", TaskEmbed)
			require.NoError(t, err)
			require.Equal(t, c.want, e.Name)
		})
	}
}

// named is a Lifecycle that is known by its log.
type named string

func (named) Load(context.Context) error                      { return nil }
func (named) Unload(context.Context) error                    { return nil }
func (n named) Logs(_ context.Context, _ int) (string, error) { return string(n), nil }

// failover is a model with fallbacks.
type failover struct {
	Placeholder
	named
	first Model
}

func (f failover) Primary() Model { return f.first }

func TestLifecycle(t *testing.T) {
	container := started{Lifecycle: named("first")}
	for name, c := range map[string]struct {
		model Model
		logs  string // empty: it has none
	}{
		"nothing starts it":              {Placeholder{}, ""},
		"it starts":                      {container, "first"},
		"it starts, and has fallbacks":   {failover{named: "all", first: container}, "first"},
		"only its fallbacks are started": {failover{named: "all", first: Placeholder{}}, ""},
		"one of its own, without a first": {struct {
			Placeholder
			named
		}{named: "own"}, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			l, ok := Entry{Name: "m", Model: c.model}.Lifecycle()
			require.Equal(t, c.logs != "", ok)
			if !ok {
				return
			}
			logs, err := l.Logs(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, c.logs, logs)
		})
	}
}
