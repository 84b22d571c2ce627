package proxy

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// localModel is a model of this server.
type localModel struct {
	models.Placeholder
	err error
}

func (localModel) Info() models.Info { return models.Info{Backend: "onnxruntime"} }
func (m localModel) Embed(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
	return models.EmbedResult{Vectors: [][]float32{{3}}}, m.err
}

// failovers is a proxy of three upstreams and a route over them, with what its hook was told.
func failovers(t *testing.T, w *world, local models.Entry, to ...string) (models.Embedder, *[]string) {
	var told []string
	o := Options{
		Upstreams: []Upstream{quiet("a", "http://a"), quiet("b", "http://b"), quiet("c", "http://c")},
		Routes: []Route{
			{Name: "m", Upstream: "a", Tasks: embedTask, Fallback: to},
			{Name: "other", Upstream: "c", Tasks: embedTask, Fallback: []string{"m"}},
			{Name: "ranker", Upstream: "c", Tasks: []models.Task{models.TaskRerank}},
			{Name: "wild-*", Upstream: "b", Tasks: embedTask, Fallback: []string{"m"}},
		},
		Local: func(name string) (models.Entry, error) {
			if name == local.Name {
				return local, nil
			}
			return models.Entry{}, models.Errorf(models.KindNotFound, "no %s", name)
		},
		Hooks: Hooks{Fallback: func(model, from, to string, cause error) {
			require.Equal(t, "m", model)
			require.Error(t, cause)
			told = append(told, from+" "+to)
		}},
	}
	p := openProxy(t, o, w.seams())
	m, err := p.Entries()[0].Embedder()
	require.NoError(t, err)
	return m, &told
}

func TestFallbacksAreAskedInOrder(t *testing.T) {
	local := models.Entry{Name: "here", Tasks: embedTask, Model: localModel{Placeholder: models.Placeholder{State: models.StateReady}}}
	loading := models.Entry{Name: "here", Tasks: embedTask, Model: models.Placeholder{State: models.StateLoading}}
	works := always(200, "[[1]]")
	for name, c := range map[string]struct {
		up      string // the upstreams that work
		local   models.Entry
		to      []string
		backend string
		told    []string
	}{
		"the primary":                  {"a b c", local, []string{"b"}, "", nil},
		"another upstream":             {"b c", local, []string{"b", "here"}, "b", []string{"a b"}},
		"a local model":                {"", local, []string{"b", "here"}, "onnxruntime", []string{"a b", "b here"}},
		"another route":                {"c", local, []string{"b", "other"}, "c", []string{"a b", "b other"}},
		"a model of a family":          {"b", local, []string{"wild-x"}, "b", []string{"a wild-x"}},
		"past one that cannot do it":   {"b", local, []string{"ranker", "b"}, "b", []string{"a ranker", "ranker b"}},
		"past one that does not exist": {"b", local, []string{"nobody", "b"}, "b", []string{"nobody b"}},
		"past one that is loading":     {"b", loading, []string{"here", "b"}, "b", []string{"a here", "here b"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				for _, up := range []string{"a", "b", "c"} {
					if w.at("http://"+up, failing); contains(c.up, up) {
						w.at("http://"+up, works)
					}
				}
				m, told := failovers(t, w, c.local, c.to...)
				result, err := m.Embed(t.Context(), embedOne("text"))
				require.NoError(t, err)
				require.Len(t, result.Vectors, 1)
				require.Equal(t, c.backend, result.Timing.Backend)
				require.Equal(t, c.told, *told)
			})
		})
	}
}

func contains(list, one string) bool {
	for _, r := range list {
		if string(r) == one {
			return true
		}
	}
	return false
}

func TestWhoIsToBlameStaysTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://a", failing)
		w.at("http://b", always(401, ""))
		// Fallbacks in a circle: other's own is m, and is not asked.
		m, told := failovers(t, w, models.Entry{}, "b", "other")
		_, err := m.Embed(t.Context(), embedOne("text"))
		requireKind(t, models.KindUpstream, "a", err)
		require.ErrorContains(t, err, `upstream "b": the key was refused`)
		require.ErrorContains(t, err, `upstream "c": cannot be connected to`)
		require.Equal(t, []string{"a b", "b other"}, *told)
	})
}

func TestNobodyElseIsAskedForWhatIsWrongOrOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://b", always(200, "[[1]]"))
		m, told := failovers(t, w, models.Entry{}, "b")
		w.at("http://a", always(400, "no"))
		_, err := m.Embed(t.Context(), embedOne("text"))
		requireKind(t, models.KindInvalid, "a", err)

		w.at("http://a", after(time.Hour, ok))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = m.Embed(ctx, embedOne("text"))
		requireKind(t, models.KindDeadline, "a", err)
		req := embedOne("text")
		req.Caller.Gone = func() bool { return true }
		_, err = m.Embed(t.Context(), req)
		requireKind(t, models.KindCanceled, "a", err)
		require.Empty(t, *told)

		// The second may run out of time as well.
		w.at("http://a", failing)
		w.at("http://b", after(time.Hour, ok))
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = m.Embed(ctx, embedOne("text"))
		requireKind(t, models.KindDeadline, "b", err)
	})
}

func TestAFallbackKeepsAModelReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://b", always(200, "[[1]]"))
		a, b := quiet("a", "http://a"), quiet("b", "http://b")
		a.ProbeInterval, b.ProbeInterval = time.Second, time.Second
		p := openProxy(t, Options{Upstreams: []Upstream{a, b}, Routes: []Route{{Name: "m", Upstream: "a", Tasks: embedTask, Fallback: []string{"b"}}}}, w.seams())
		time.Sleep(10 * time.Second)
		e := p.Entries()[0]
		require.Equal(t, models.Status{State: models.StateReady, Reason: `upstream "a": none of its 1 addresses passes health checks`}, e.Model.Status())
		m, err := e.Embedder()
		require.NoError(t, err)
		result, err := m.Embed(t.Context(), embedOne("text"))
		require.NoError(t, err)
		require.Equal(t, "b", result.Timing.Backend)

		w.at("http://b", nil)
		time.Sleep(10 * time.Second)
		require.Equal(t, models.StateFailed, e.Model.Status().State)
		_, err = m.Embed(t.Context(), embedOne("text"))
		var failed *models.Error
		require.True(t, errors.As(err, &failed))
		require.Equal(t, models.KindUnavailable, failed.Kind)
		require.Equal(t, "a", failed.Backend)
	})
}
