package managed_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
	"github.com/quadrate-maas/quadrate/managed/managedtest"
	"github.com/quadrate-maas/quadrate/models"
)

// server is a model whose requests do what a test says.
type server struct {
	asked int
	do    func(asked int) error
}

func (m *server) Info() models.Info { return models.Info{Dimensions: 3} }

func (m *server) Status() models.Status {
	return models.Status{State: models.StateReady, Queue: models.Queue{Items: 2}}
}

func (m *server) ask() error {
	m.asked++
	return m.do(m.asked)
}

func (m *server) Embed(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
	return models.EmbedResult{Timing: models.Timing{Backend: "x"}}, m.ask()
}

func (m *server) EmbedTokens(context.Context, models.TokensRequest) (models.TokensResult, error) {
	return models.TokensResult{}, m.ask()
}

func (m *server) Rerank(context.Context, models.RerankRequest) (models.RerankResult, error) {
	return models.RerankResult{}, m.ask()
}

func (m *server) Classify(context.Context, models.ClassifyRequest) (models.ClassifyResult, error) {
	return models.ClassifyResult{}, m.ask()
}

func (m *server) Tokenize(context.Context, models.TokenizeRequest) (models.TokenizeResult, error) {
	return models.TokenizeResult{}, m.ask()
}

func (m *server) Decode(context.Context, models.DecodeRequest) ([]string, error) {
	return nil, m.ask()
}

// calls are all that a model can be asked.
func calls(m models.Model, gone func() bool) map[string]func(context.Context) error {
	by := models.Caller{Gone: gone}
	return map[string]func(context.Context) error{
		"embed": func(ctx context.Context) error {
			_, err := m.(models.Embedder).Embed(ctx, models.EmbedRequest{Caller: by})
			return err
		},
		"tokens": func(ctx context.Context) error {
			_, err := m.(models.TokenEmbedder).EmbedTokens(ctx, models.TokensRequest{Caller: by})
			return err
		},
		"rerank": func(ctx context.Context) error {
			_, err := m.(models.Reranker).Rerank(ctx, models.RerankRequest{Caller: by})
			return err
		},
		"classify": func(ctx context.Context) error {
			_, err := m.(models.Classifier).Classify(ctx, models.ClassifyRequest{Caller: by})
			return err
		},
		"tokenize": func(ctx context.Context) error {
			_, err := m.(models.Tokenizer).Tokenize(ctx, models.TokenizeRequest{Caller: by})
			return err
		},
		"decode": func(ctx context.Context) error {
			_, err := m.(models.Tokenizer).Decode(ctx, models.DecodeRequest{Caller: by})
			return err
		},
	}
}

func TestWrapRepeatsWhatWasLost(t *testing.T) {
	broken := models.Errorf(models.KindUpstream, "connection reset")
	for name := range calls(&server{}, nil) {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings(spec("a")), nil, func(r *rig) {
				r.engine.Mute(true) // the wrapper looks for itself
				inner := &server{do: func(asked int) error {
					if asked > 1 {
						return nil
					}
					r.engine.Crash("a", 1, false)
					return broken
				}}
				require.NoError(t, calls(r.s.Wrap("a", inner), nil)[name](context.Background()))
				require.Equal(t, 2, inner.asked)
				require.Equal(t, []string{"a", "a"}, r.engine.Started())
				require.Equal(t, "ready", r.state("a"))
				require.Zero(t, r.s.Status("a").Container.InFlight)
			})
		})
	}
}

// laggard says for a while of a container that has ended that it runs.
type laggard struct {
	*managedtest.Engine
	seen atomic.Int64 // when it was first found to have ended
}

func (e *laggard) Inspect(ctx context.Context, id string) (managed.Container, error) {
	c, err := e.Engine.Inspect(ctx, id)
	if !c.Running {
		e.seen.CompareAndSwap(0, time.Now().UnixNano())
		c.Running = time.Since(time.Unix(0, e.seen.Load())) < 300*time.Millisecond
	}
	return c, err
}

func TestWrapRepeatsWhatTheEngineDoesNotKnowYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.engine.Mute(true)
		r.bootOn(&laggard{Engine: r.engine}, settings(spec("a")))
		inner := &server{do: func(asked int) error {
			if asked > 1 {
				return nil
			}
			r.engine.Crash("a", 1, false)
			return models.Errorf(models.KindUpstream, "connection reset")
		}}
		_, err := r.s.Wrap("a", inner).(models.Embedder).Embed(context.Background(), models.EmbedRequest{})
		require.NoError(t, err)
		require.Equal(t, 2, inner.asked)
	})
}

func TestWrapDoesNotRepeat(t *testing.T) {
	for name, c := range map[string]struct {
		err   *models.Error
		crash bool
		asked int
	}{
		"an error of a server that runs": {models.Errorf(models.KindUpstream, "500"), false, 1},
		"a wrong request":                {models.Errorf(models.KindInvalid, "no"), true, 1},
		"more than once":                 {models.Errorf(models.KindUpstream, "reset"), true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, settings(spec("a")), nil, func(r *rig) {
				inner := &server{do: func(int) error {
					if c.crash {
						r.engine.Crash("a", 1, false)
					}
					return c.err
				}}
				err := calls(r.s.Wrap("a", inner), nil)["embed"](context.Background())
				require.ErrorIs(t, err, c.err)
				require.Equal(t, c.asked, inner.asked)
			})
		})
	}
}

func TestWrapTellsOfBoth(t *testing.T) {
	virtual(t, settings(spec("a")), ready(time.Minute), func(r *rig) {
		m := r.s.Wrap("a", &server{})
		require.Equal(t, 3, m.Info().Dimensions)
		begun := time.Now()
		time.AfterFunc(1500*time.Millisecond, func() {
			status := m.Status()
			require.Equal(t, models.StateLoading, status.State)
			require.Equal(t, 3, status.Queue.Items)
			require.Equal(t, "starting", status.Container.State)
		})
		err := calls(m, func() bool { return time.Since(begun) >= 2*time.Second })["rerank"](context.Background())
		refused(t, err, models.KindCanceled)
		l, ok := models.Entry{Name: "m", Model: m}.Lifecycle()
		require.True(t, ok)
		require.NoError(t, l.Load(context.Background()))
		require.NoError(t, l.Unload(context.Background()))
		_, err = l.Logs(context.Background(), 3)
		require.NoError(t, err)
	})
}

func TestWrapOfWhatCannot(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		for name, call := range calls(r.s.Wrap("a", models.Placeholder{}), nil) {
			e := failure(t, call(context.Background()), models.KindUnsupportedTask)
			require.Equal(t, "model", e.Param, name)
		}
		require.Empty(t, r.engine.Started())
	})
}

var _ models.Model = (*server)(nil)

func TestWhoNeedNotWaitDoesNot(t *testing.T) {
	virtual(t, settings(spec("a")), ready(5*time.Second), func(r *rig) {
		began := time.Now()
		_, err := r.s.Acquire(models.WithoutWaiting(context.Background()), "a", nil)
		refused(t, err, models.KindLoading)
		require.Zero(t, time.Since(began))
		time.Sleep(6 * time.Second)
		require.Equal(t, "ready", r.state("a"), "the start goes on")
		lease, err := r.s.Acquire(models.WithoutWaiting(context.Background()), "a", nil)
		require.NoError(t, err)
		lease.Release()
	})
}

func TestErrorOfAServerThatRunsIsToldAtOnce(t *testing.T) {
	virtual(t, settings(spec("a")), nil, func(r *rig) {
		r.use("a")
		r.engine.GoAway()
		inner := &server{do: func(int) error { return models.Errorf(models.KindUpstream, "500") }}
		begun := time.Now()
		_, err := r.s.Wrap("a", inner).(models.Embedder).Embed(context.Background(), models.EmbedRequest{})
		refused(t, err, models.KindUpstream)
		require.Zero(t, time.Since(begun))
		r.engine.ComeBack()
		time.Sleep(10 * time.Second)
	})
}
