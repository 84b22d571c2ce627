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
			{Name: "*er*", Upstream: "c", Tasks: embedTask},
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
		require.Equal(t, models.Status{State: models.StateReady, Backend: "a", Reason: `upstream "a": its one address does not pass health checks`}, e.Model.Status())
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

// everything does every task, or fails at it.
type everything struct {
	models.Placeholder
	name string
	err  error
}

func (m everything) Info() models.Info { return models.Info{Backend: m.name} }
func (m everything) Embed(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
	return models.EmbedResult{}, m.err
}
func (m everything) EmbedTokens(context.Context, models.TokensRequest) (models.TokensResult, error) {
	return models.TokensResult{}, m.err
}
func (m everything) Rerank(context.Context, models.RerankRequest) (models.RerankResult, error) {
	return models.RerankResult{}, m.err
}
func (m everything) Classify(context.Context, models.ClassifyRequest) (models.ClassifyResult, error) {
	return models.ClassifyResult{}, m.err
}
func (m everything) Tokenize(context.Context, models.TokenizeRequest) (models.TokenizeResult, error) {
	return models.TokenizeResult{Tokens: [][]models.Token{{{Text: m.name}}}}, m.err
}
func (m everything) Decode(context.Context, models.DecodeRequest) ([]string, error) {
	return []string{m.name}, m.err
}

func TestEveryTaskFallsBack(t *testing.T) {
	ready := models.Placeholder{State: models.StateReady}
	of := func(name string, err error) step {
		return step{name, models.Entry{Name: "m", Tasks: models.Tasks(), Model: everything{ready, name, err}}}
	}
	for name, c := range map[string]struct {
		err  error
		want string // who answers, or the error
	}{
		"none":       {nil, "first"},
		"upstream":   {models.Errorf(models.KindUpstream, "broken"), "second"},
		"not ours":   {errors.New("strange"), "strange"},
		"wrong task": {models.Errorf(models.KindUnsupportedTask, "cannot"), "cannot"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &failover{proxy: &Proxy{}, primary: of("first", c.err), next: []step{of("second", nil)}}
			require.Equal(t, "first", f.Info().Backend)
			require.Equal(t, models.StateReady, f.Status().State)
			answered := func(backend string, err error) {
				t.Helper()
				switch {
				case err != nil:
					require.EqualError(t, err, c.want)
				case backend == "":
					require.Equal(t, "first", c.want)
				default:
					require.Equal(t, c.want, backend)
				}
			}
			embedded, err := f.Embed(t.Context(), models.EmbedRequest{})
			answered(embedded.Timing.Backend, err)
			states, err := f.EmbedTokens(t.Context(), models.TokensRequest{})
			answered(states.Timing.Backend, err)
			scores, err := f.Rerank(t.Context(), models.RerankRequest{})
			answered(scores.Timing.Backend, err)
			labels, err := f.Classify(t.Context(), models.ClassifyRequest{})
			answered(labels.Timing.Backend, err)
			tokens, err := f.Tokenize(t.Context(), models.TokenizeRequest{})
			if answered(c.want, err); err == nil {
				require.Equal(t, c.want, tokens.Tokens[0][0].Text)
			}
			texts, err := f.Decode(t.Context(), models.DecodeRequest{})
			if answered(c.want, err); err == nil {
				require.Equal(t, []string{c.want}, texts)
			}
		})
	}
}
