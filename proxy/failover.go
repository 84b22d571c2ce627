package proxy

import (
	"context"
	"errors"

	"github.com/quadrate-maas/quadrate/models"
)

// failover is a model with fallbacks: who is asked, in their order, when the one before could not
// answer. Only those that the configuration names are asked, as vectors of another model mean
// something else. A request that is wrong, or whose time is over, goes to nobody else.
type failover struct {
	proxy   *Proxy
	primary step
	next    []step
}

// step is one who may be asked: an upstream, or a model that is looked up when it is needed, if
// entry has none.
type step struct {
	name  string
	entry models.Entry
}

var (
	_ models.Embedder      = (*failover)(nil)
	_ models.TokenEmbedder = (*failover)(nil)
	_ models.Reranker      = (*failover)(nil)
	_ models.Classifier    = (*failover)(nil)
	_ models.Tokenizer     = (*failover)(nil)
)

// find returns the step's entry.
func (f *failover) find(s step) (models.Entry, error) {
	if s.entry.Model != nil {
		return s.entry, nil
	}
	return f.proxy.find(s.name)
}

// Primary is the model that is asked first, which models.Entry.Lifecycle looks for.
func (f *failover) Primary() models.Model { return f.primary.entry.Model }

// Info is the primary's.
func (f *failover) Info() models.Info { return f.primary.entry.Model.Info() }

// Status is the primary's, but ready while anybody is, as somebody else's while only that one can
// serve, and on demand while anybody is.
func (f *failover) Status() models.Status {
	s := f.primary.entry.Model.Status()
	for _, next := range f.next {
		if s.State == models.StateReady {
			break
		}
		if e, err := f.find(next); err == nil {
			other := e.Model.Status()
			if other.State == models.StateReady || other.CanServe() && !s.CanServe() {
				s.State = other.State
			}
			s.OnDemand = s.OnDemand || other.OnDemand
		}
	}
	return s
}

// passesOn reports whether somebody else may do better after an error of the primary.
func passesOn(err error) bool {
	var e *models.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case models.KindUpstream, models.KindUpstreamCredentials, models.KindQueueFull, models.KindQueueTimeout,
		models.KindLoading, models.KindUnavailable, models.KindRateLimited, models.KindNotFound:
		return true
	}
	return false
}

// over reports whether the request itself has ended.
func over(err error) bool {
	kind := models.KindOf(err)
	return kind == models.KindDeadline || kind == models.KindCanceled
}

// tryAll asks the primary and then the fallbacks; backend is who answered, empty for the primary.
// A primary that has to be started first is waited for only when nobody else can answer. When all
// fail, the error is the primary's, and for the log those of the others.
func tryAll[R any](ctx context.Context, f *failover, ask func(context.Context, models.Entry) (R, error)) (result R, backend string, err error) {
	first := ctx
	if f.replaceable() {
		first = models.WithoutWaiting(ctx)
	}
	result, err = ask(first, f.primary.entry)
	if err == nil || !passesOn(err) {
		return result, "", err
	}
	unready := first != ctx && models.KindOf(err) == models.KindLoading
	causes, last, from := []error{err}, err, f.primary.name
	for _, to := range f.next {
		if ctx.Err() != nil {
			break
		}
		e, lost := f.find(to)
		if lost == nil {
			f.tell(from, to.name, last)
			if result, lost = ask(ctx, e); lost == nil {
				return result, e.Model.Info().Backend, nil
			}
		}
		causes, last, from = append(causes, lost), lost, to.name
		if over(lost) {
			return result, "", lost
		}
	}
	if unready && ctx.Err() == nil {
		if result, err = ask(ctx, f.primary.entry); err == nil {
			return result, "", nil
		}
		causes[0] = err
	}
	var none R
	return none, "", f.all(causes)
}

// replaceable reports whether a fallback can answer now, and the primary only once it was started.
func (f *failover) replaceable() bool {
	if s := f.primary.entry.Model.Status(); !s.OnDemand || s.State == models.StateReady {
		return false
	}
	for _, next := range f.next {
		if e, err := f.find(next); err == nil && e.Model.Status().State == models.StateReady {
			return true
		}
	}
	return false
}

func (f *failover) tell(from, to string, cause error) {
	if f.proxy.opts.Hooks.Fallback != nil {
		f.proxy.opts.Hooks.Fallback(f.primary.entry.Name, from, to, cause)
	}
}

// all is the error when everybody has failed.
func (f *failover) all(causes []error) error {
	var first *models.Error
	if !errors.As(causes[0], &first) {
		return causes[0]
	}
	e := *first
	if e.Backend == "" {
		e.Backend = f.primary.name
	}
	e.Err = errors.Join(append([]error{e.Err}, causes[1:]...)...)
	return &e
}

// Embed implements models.Embedder.
func (f *failover) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	result, backend, err := tryAll(ctx, f, func(ctx context.Context, e models.Entry) (models.EmbedResult, error) {
		m, err := e.Embedder()
		if err != nil {
			return models.EmbedResult{}, err
		}
		return m.Embed(ctx, req)
	})
	result.Timing.Backend = backend
	return result, err
}

// EmbedTokens implements models.TokenEmbedder.
func (f *failover) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	result, backend, err := tryAll(ctx, f, func(ctx context.Context, e models.Entry) (models.TokensResult, error) {
		m, err := e.TokenEmbedder()
		if err != nil {
			return models.TokensResult{}, err
		}
		return m.EmbedTokens(ctx, req)
	})
	result.Timing.Backend = backend
	return result, err
}

// Rerank implements models.Reranker.
func (f *failover) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	result, backend, err := tryAll(ctx, f, func(ctx context.Context, e models.Entry) (models.RerankResult, error) {
		m, err := e.Reranker()
		if err != nil {
			return models.RerankResult{}, err
		}
		return m.Rerank(ctx, req)
	})
	result.Timing.Backend = backend
	return result, err
}

// Classify implements models.Classifier.
func (f *failover) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	result, backend, err := tryAll(ctx, f, func(ctx context.Context, e models.Entry) (models.ClassifyResult, error) {
		m, err := e.Classifier()
		if err != nil {
			return models.ClassifyResult{}, err
		}
		return m.Classify(ctx, req)
	})
	result.Timing.Backend = backend
	return result, err
}

// Tokenize implements models.Tokenizer.
func (f *failover) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	result, _, err := tryAll(ctx, f, func(ctx context.Context, e models.Entry) (models.TokenizeResult, error) {
		m, err := e.Tokenizer()
		if err != nil {
			return models.TokenizeResult{}, err
		}
		return m.Tokenize(ctx, req)
	})
	return result, err
}

// Decode implements models.Tokenizer.
func (f *failover) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	result, _, err := tryAll(ctx, f, func(ctx context.Context, e models.Entry) ([]string, error) {
		m, err := e.Tokenizer()
		if err != nil {
			return nil, err
		}
		return m.Decode(ctx, req)
	})
	return result, err
}
