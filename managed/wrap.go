package managed

import (
	"context"
	"errors"

	"github.com/quadrate-maas/quadrate/models"
)

// wrapped is a model whose server runs while it is asked.
type wrapped struct {
	s  *Supervisor
	id string
	m  models.Model
}

var (
	_ models.Model         = (*wrapped)(nil)
	_ models.Embedder      = (*wrapped)(nil)
	_ models.TokenEmbedder = (*wrapped)(nil)
	_ models.Reranker      = (*wrapped)(nil)
	_ models.Classifier    = (*wrapped)(nil)
	_ models.Tokenizer     = (*wrapped)(nil)
	_ models.Lifecycle     = (*wrapped)(nil)
)

// Wrap returns m with the container of id started for each request that needs it. It does what m
// does, and is a models.Lifecycle.
func (s *Supervisor) Wrap(id string, m models.Model) models.Model {
	return &wrapped{s: s, id: id, m: m}
}

// Info is the inner model's.
func (w *wrapped) Info() models.Info { return w.m.Info() }

// Status is the container's, with what waits for it and in the inner model's queue.
func (w *wrapped) Status() models.Status {
	status, inner := w.s.Status(w.id), w.m.Status()
	items := status.Queue.Items
	status.Queue, status.Cache = inner.Queue, inner.Cache
	status.Queue.Items += items
	return status
}

// Load implements models.Lifecycle.
func (w *wrapped) Load(ctx context.Context) error { return w.s.Load(ctx, w.id) }

// Unload implements models.Lifecycle.
func (w *wrapped) Unload(ctx context.Context) error { return w.s.Unload(ctx, w.id) }

// Logs implements models.Lifecycle.
func (w *wrapped) Logs(ctx context.Context, lines int) (string, error) {
	return w.s.Logs(ctx, w.id, lines)
}

// while calls ask while the server runs, and once more when the server was lost under it.
func while[R any](ctx context.Context, w *wrapped, gone func() bool, ask func() (R, error)) (R, error) {
	for again := true; ; again = false {
		lease, err := w.s.Acquire(ctx, w.id, gone)
		if err != nil {
			var none R
			return none, err
		}
		result, lost, err := held(ctx, lease, ask)
		if !lost || !again {
			return result, err
		}
	}
}

// held calls ask, and releases the lease whatever it does. lost: it failed since the server ended.
func held[R any](ctx context.Context, l *Lease, ask func() (R, error)) (result R, lost bool, err error) {
	defer l.Release()
	result, err = ask()
	return result, err != nil && ctx.Err() == nil && mayBeLost(err) && l.gone(ctx), err
}

// mayBeLost reports whether an error may come of a server that has ended.
func mayBeLost(err error) bool {
	var e *models.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Kind == models.KindUpstream || e.Kind == models.KindLoading || e.Kind == models.KindUnavailable
}

// can returns the inner model as what a request needs.
func can[T any](w *wrapped, op string) (T, error) {
	m, ok := w.m.(T)
	if !ok {
		return m, models.Errorf(models.KindUnsupportedTask, "the server of %q cannot do this", w.id).At("model").In(w.id, op)
	}
	return m, nil
}

// Embed implements models.Embedder.
func (w *wrapped) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	m, err := can[models.Embedder](w, "embed")
	if err != nil {
		return models.EmbedResult{}, err
	}
	return while(ctx, w, req.Caller.Gone, func() (models.EmbedResult, error) { return m.Embed(ctx, req) })
}

// EmbedTokens implements models.TokenEmbedder.
func (w *wrapped) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	m, err := can[models.TokenEmbedder](w, "embed")
	if err != nil {
		return models.TokensResult{}, err
	}
	return while(ctx, w, req.Caller.Gone, func() (models.TokensResult, error) { return m.EmbedTokens(ctx, req) })
}

// Rerank implements models.Reranker.
func (w *wrapped) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	m, err := can[models.Reranker](w, "rerank")
	if err != nil {
		return models.RerankResult{}, err
	}
	return while(ctx, w, req.Caller.Gone, func() (models.RerankResult, error) { return m.Rerank(ctx, req) })
}

// Classify implements models.Classifier.
func (w *wrapped) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	m, err := can[models.Classifier](w, "classify")
	if err != nil {
		return models.ClassifyResult{}, err
	}
	return while(ctx, w, req.Caller.Gone, func() (models.ClassifyResult, error) { return m.Classify(ctx, req) })
}

// Tokenize implements models.Tokenizer.
func (w *wrapped) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	m, err := can[models.Tokenizer](w, "tokenize")
	if err != nil {
		return models.TokenizeResult{}, err
	}
	return while(ctx, w, req.Caller.Gone, func() (models.TokenizeResult, error) { return m.Tokenize(ctx, req) })
}

// Decode implements models.Tokenizer.
func (w *wrapped) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	m, err := can[models.Tokenizer](w, "tokenize")
	if err != nil {
		return nil, err
	}
	return while(ctx, w, req.Caller.Gone, func() ([]string, error) { return m.Decode(ctx, req) })
}
