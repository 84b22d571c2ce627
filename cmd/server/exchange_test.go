package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/models"
)

// loaded is a locals whose models are loaded by a fake.
func loaded(t *testing.T, names ...string) (*locals, *fakeLocals) {
	t.Helper()
	l, _ := loading(t, names...)
	f := &fakeLocals{hooks: map[string]localHooks{}}
	l.runtime = f
	require.NoError(t, l.load(t.Context()))
	return l, f
}

func names(list []*local) []string {
	out := []string{}
	for _, m := range list {
		out = append(out, m.spec.Name)
	}
	return out
}

func TestOnlyChangedModelsAreExchanged(t *testing.T) {
	l, f := loaded(t, "kept", "changed", "removed")
	next := specs("added", "changed", "kept")
	next[1].MaxLength = 17
	kept := l.list[0].model
	x, err := l.prepare(t.Context(), next)
	require.NoError(t, err)
	require.Equal(t, []string{"added", "changed", "kept"}, names(x.list))
	require.Equal(t, []string{"added", "changed"}, names(x.opened))
	require.Equal(t, []string{"changed", "removed"}, names(x.retired))
	loadedNow, removed := x.names()
	require.Equal(t, []string{"added", "changed"}, loadedNow)
	require.Equal(t, []string{"removed"}, removed)
	require.Same(t, kept, x.list[2].model)
	require.Equal(t, []string{"kept", "changed", "removed"}, names(l.list), "nothing is in force yet")
	require.Empty(t, f.closed)
	require.NoError(t, l.commit(x, l.content.setLocal))
	require.NoError(t, l.closeAll(x.retired))
	require.Equal(t, []string{"changed", "removed"}, f.closed)
}

// What no model runs on any more is not in the metrics.
func TestProvidersOfModelsThatAreGone(t *testing.T) {
	l, _ := loaded(t, "kept", "removed", "unloaded")
	for _, m := range l.list {
		l.event(inference.Event{Kind: inference.EventLoaded, Model: m.spec.Name, Provider: "cpu", Variant: "fp32", Placed: 1})
	}
	_, err := l.unload("unloaded")
	require.NoError(t, err)
	x, err := l.prepare(t.Context(), specs("kept", "unloaded"))
	require.NoError(t, err)
	require.NoError(t, l.commit(x, l.content.setLocal))
	answer := httptest.NewRecorder()
	l.metrics.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Contains(t, answer.Body.String(), `quadrate_execution_provider{model="kept"`)
	require.Contains(t, answer.Body.String(), `quadrate_execution_provider_share{model="kept"`)
	for _, gone := range []string{"removed", "unloaded"} {
		require.NotContains(t, answer.Body.String(), `model="`+gone+`"`)
	}
}

// A model that is reopened shows its progress whenever it likes, and never the list of before.
func TestProgressWhileModelsAreExchanged(t *testing.T) {
	l, _ := loaded(t, "kept", "removed")
	x, err := l.prepare(t.Context(), specs("kept", "added"))
	require.NoError(t, err)
	var building sync.WaitGroup
	require.NoError(t, l.commit(x, func(entries []models.Entry) error {
		err := l.content.setLocal(entries)
		begun := make(chan struct{})
		building.Go(func() {
			close(begun)
			l.event(inference.Event{Kind: inference.EventBuilding, Model: "kept", Step: 1, Steps: 6})
		})
		<-begun
		runtime.Gosched()
		return err
	}))
	building.Wait()
	_, err = l.content.catalog.Lookup("added")
	require.NoError(t, err)
	_, err = l.content.catalog.Lookup("removed")
	require.Error(t, err)
}

func TestAnOptionalModelThatIsAbsentWasNotLoaded(t *testing.T) {
	l, f := loaded(t, "kept", "bad/model")
	f.refuse = inference.ErrAbsent
	next := specs("kept", "bad/model")
	next[1].Optional = true
	x, err := l.prepare(t.Context(), next)
	require.NoError(t, err)
	loadedNow, removed := x.names()
	require.Empty(t, loadedNow)
	require.Equal(t, []string{"bad/model"}, removed)
}

func TestAListThatCannotBeShownIsNotInForce(t *testing.T) {
	l, _ := loaded(t, "kept")
	x, err := l.prepare(t.Context(), specs("kept", "added"))
	require.NoError(t, err)
	refused := errors.New("a route has that name")
	require.ErrorIs(t, l.commit(x, func([]models.Entry) error { return refused }), refused)
	require.Equal(t, []string{"kept"}, names(l.list))
}

func TestAModelThatCannotBeLoadedLeavesAllAsItIs(t *testing.T) {
	l, f := loaded(t, "kept")
	f.refuse = errors.New("its files are broken")
	_, err := l.prepare(t.Context(), specs("kept", "added", "bad/model"))
	require.ErrorContains(t, err, "its files are broken")
	require.Equal(t, []string{"added"}, f.closed)
	require.Equal(t, []string{"kept"}, names(l.list))
}

func TestALoadThatLosesTheDeviceEndsTheProgram(t *testing.T) {
	l, f := loaded(t, "kept")
	var cause error
	l.end = func(err error) { cause = err }
	f.refuse = inference.ErrDevice
	_, err := l.prepare(t.Context(), specs("kept", "bad/model"))
	require.ErrorIs(t, err, errRestart)
	require.ErrorIs(t, cause, errRestart)
}

func TestAModelIsUnloadedAndLoadedByHand(t *testing.T) {
	l, f := loaded(t, "m")
	status := func() models.State {
		e, err := l.content.catalog.Lookup("m")
		require.NoError(t, err)
		return e.Model.Status().State
	}
	retired, err := l.unload("m")
	require.NoError(t, err)
	require.Equal(t, models.StateUnloaded, status())
	require.Empty(t, f.closed, "requests may still use it")
	require.NoError(t, l.closeAll([]*local{retired}))
	require.Equal(t, []string{"m"}, f.closed)

	_, err = l.unload("m")
	require.Equal(t, models.KindInvalid, models.KindOf(err))
	require.ErrorContains(t, err, `model "m" is not loaded: it is unloaded`)

	require.NoError(t, l.reload(t.Context(), "m"))
	require.Equal(t, models.StateReady, status())
	require.NoError(t, l.reload(t.Context(), "m"), "loading what is loaded changes nothing")

	_, err = l.unload("other")
	require.Equal(t, models.KindNotFound, models.KindOf(err))
	require.Equal(t, models.KindNotFound, models.KindOf(l.reload(t.Context(), "other")))
}

func TestAModelThatCannotBeLoadedByHandStaysUnloaded(t *testing.T) {
	l, f := loaded(t, "bad/model")
	_, err := l.unload("bad/model")
	require.NoError(t, err)
	f.refuse = errors.New("no memory")
	require.ErrorContains(t, l.reload(t.Context(), "bad/model"), "no memory")
	e, err := l.content.catalog.Lookup("bad/model")
	require.NoError(t, err)
	require.Equal(t, models.StateUnloaded, e.Model.Status().State)
}
