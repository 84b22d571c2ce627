package modelstest

import (
	"context"

	"github.com/quadrate-maas/quadrate/models"
)

var (
	_ models.Model    = (*Model)(nil)
	_ EmbedModel      = (*Embedder)(nil)
	_ RerankModel     = (*Reranker)(nil)
	_ TokenModel      = (*TokenEmbedder)(nil)
	_ models.Embedder = (*EmbedReranker)(nil)
	_ models.Reranker = (*EmbedReranker)(nil)
	_ ClassifyModel   = (*Classifier)(nil)
	_ TokenizeModel   = (*Tokenizer)(nil)
)

// Model is a fake that can do nothing. A nil function stands for a ready model without
// particulars.
type Model struct {
	InfoFunc   func() models.Info
	StatusFunc func() models.Status
}

// Info calls InfoFunc.
func (m *Model) Info() models.Info {
	if m.InfoFunc == nil {
		return models.Info{}
	}
	return m.InfoFunc()
}

// Status calls StatusFunc.
func (m *Model) Status() models.Status {
	if m.StatusFunc == nil {
		return models.Status{State: models.StateReady}
	}
	return m.StatusFunc()
}

// Embedder is a fake embedder. EmbedFunc must be set before Embed is called.
type Embedder struct {
	Model
	EmbedFunc func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error)
}

// Embed calls EmbedFunc.
func (e *Embedder) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	return e.EmbedFunc(ctx, req)
}

// TokenEmbedder is a fake embedder that also gives token states.
type TokenEmbedder struct {
	Embedder
	EmbedTokensFunc func(ctx context.Context, req models.TokensRequest) (models.TokensResult, error)
}

// EmbedTokens calls EmbedTokensFunc.
func (e *TokenEmbedder) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	return e.EmbedTokensFunc(ctx, req)
}

// Reranker is a fake reranker. RerankFunc must be set before Rerank is called.
type Reranker struct {
	Model
	RerankFunc func(ctx context.Context, req models.RerankRequest) (models.RerankResult, error)
}

// Rerank calls RerankFunc.
func (r *Reranker) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	return r.RerankFunc(ctx, req)
}

// EmbedReranker is a fake that does both, as a bi-encoder does.
type EmbedReranker struct {
	Model
	EmbedFunc  func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error)
	RerankFunc func(ctx context.Context, req models.RerankRequest) (models.RerankResult, error)
}

// Embed calls EmbedFunc.
func (m *EmbedReranker) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	return m.EmbedFunc(ctx, req)
}

// Rerank calls RerankFunc.
func (m *EmbedReranker) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	return m.RerankFunc(ctx, req)
}

// Classifier is a fake classifier. ClassifyFunc must be set before Classify is called.
type Classifier struct {
	Model
	ClassifyFunc func(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error)
}

// Classify calls ClassifyFunc.
func (c *Classifier) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	return c.ClassifyFunc(ctx, req)
}

// Tokenizer is a fake tokenizer. Its functions must be set before they are called.
type Tokenizer struct {
	Model
	TokenizeFunc func(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error)
	DecodeFunc   func(ctx context.Context, req models.DecodeRequest) ([]string, error)
}

// Tokenize calls TokenizeFunc.
func (t *Tokenizer) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	return t.TokenizeFunc(ctx, req)
}

// Decode calls DecodeFunc.
func (t *Tokenizer) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	return t.DecodeFunc(ctx, req)
}
