package proxy

import (
	"context"
	"errors"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// The intents of texts in a search.
const (
	intentQuery    = "search_query"
	intentDocument = "search_document"
)

// intents marks a dialect that tells its server what texts are for, and so must not have a query
// and documents in one request.
type intents interface{ intents() }

// cosine scores by the cosine of the query's vector and each document's. Raw changes nothing.
func (m *model) cosine(ctx context.Context, req *models.RerankRequest) (models.RerankResult, error) {
	var none models.RerankResult
	if len(req.Documents) == 0 {
		return none, models.Errorf(models.KindInvalid, "documents is empty: give at least one").At("documents")
	}
	if err := noDocumentLimit(m.upstream.Type, m.call(), req.MaxTokensPerDoc); err != nil {
		return none, err
	}
	embed := m.together
	if _, apart := m.dialect.(intents); apart {
		embed = m.apart
	}
	vectors, err := embed(ctx, req)
	if err != nil {
		return none, err
	}
	result := models.RerankResult{Kind: models.ScoreCosine, Usage: vectors.Usage, Timing: vectors.Timing}
	for _, v := range vectors.Vectors[1:] {
		result.Scores = append(result.Scores, dot(vectors.Vectors[0], v))
	}
	return result, nil
}

// together embeds the query before the documents.
func (m *model) together(ctx context.Context, req *models.RerankRequest) (models.EmbedResult, error) {
	texts := append([]string{req.Query}, req.Documents...)
	result, err := m.embed(ctx, embeddingOf(req, texts, ""))
	return result, asDocuments(err, 1)
}

// apart embeds the query, and then the documents.
func (m *model) apart(ctx context.Context, req *models.RerankRequest) (models.EmbedResult, error) {
	query, err := m.embed(ctx, embeddingOf(req, []string{req.Query}, intentQuery))
	if err != nil {
		return query, asDocuments(err, 1)
	}
	result, err := m.embed(ctx, embeddingOf(req, req.Documents, intentDocument))
	if err != nil {
		return result, asDocuments(err, 0)
	}
	result.Vectors = append(query.Vectors, result.Vectors...)
	addUsage(&result.Usage, query.Usage)
	addTiming(&result.Timing, query.Timing)
	return result, nil
}

// embeddingOf has no extra fields: what a client said of a rerank is not about embeddings.
func embeddingOf(req *models.RerankRequest, texts []string, intent string) *models.EmbedRequest {
	inputs := make([]models.Input, len(texts))
	for i, text := range texts {
		inputs[i] = models.Input{Text: text}
	}
	return &models.EmbedRequest{Inputs: inputs, InputType: intent, Truncate: req.Truncate, Caller: req.Caller}
}

// asDocuments turns the inputs that an error names into documents, of which so many texts are the
// query.
func asDocuments(err error, queries int) error {
	var e *models.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Param, "input") {
		return err
	}
	if queries > 0 && e.Param == item("input", 0) {
		return reparam(e, "query")
	}
	return shift(reparam(e, "documents"+strings.TrimPrefix(e.Param, "input")), func(i int) int { return i - queries })
}

// reparam names another field at fault.
func reparam(e *models.Error, param string) *models.Error {
	moved := *e
	moved.Param = param
	moved.Message = strings.ReplaceAll(e.Message, e.Param, param)
	return &moved
}

// dot is the cosine of vectors of norm 1, without what rounding adds.
func dot(a, b []float32) float32 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return float32(max(-1, min(sum, 1)))
}
