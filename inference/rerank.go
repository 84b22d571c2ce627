package inference

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// CrossEncoder scores pairs of query and document.
type CrossEncoder struct {
	*engine
}

var _ models.Reranker = (*CrossEncoder)(nil)

// Rerank implements models.Reranker. Scores are sigmoid(logit), or logits when Raw.
func (m *CrossEncoder) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	start := time.Now()
	documents, cut := m.cutDocuments(req.Documents)
	items, err := m.tokenizer.Pairs(ctx, req.Query, documents, rerankTruncation(req))
	if err != nil {
		return models.RerankResult{}, m.tokenFailure(err, documentField, opRerank)
	}
	markCut(items, cut)
	tokenized := time.Since(start)
	rows, timing, err := m.rows(ctx, req.Caller, items, opRerank, documentField)
	if err != nil {
		return models.RerankResult{}, err
	}
	timing.Tokenize = tokenized
	result := models.RerankResult{Scores: make([]float32, len(rows)), Kind: models.ScoreLogit, Usage: usage(items), Timing: timing}
	for i, row := range rows {
		result.Scores[i] = row[0]
	}
	if !req.Raw {
		result.Kind = models.ScoreSigmoid
		for i, logit := range result.Scores {
			result.Scores[i] = sigmoid(logit)
		}
	}
	return result, nil
}

// Rerank implements models.Reranker by the cosine of the query's embedding and each
// document's, made with the model's prompts for queries and documents.
func (m *Embedding) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	start := time.Now()
	items, err := m.tokenizeForCosine(ctx, req)
	if err != nil {
		return models.RerankResult{}, err
	}
	tokenized := time.Since(start)
	rows, timing, err := m.rows(ctx, req.Caller, items, opRerank, rowField)
	if err != nil {
		return models.RerankResult{}, err
	}
	timing.Tokenize = tokenized
	query, rows := rows[0], rows[1:]
	scores := make([]float32, len(rows))
	for i, row := range rows {
		scores[i] = float32(cosine(query, row))
	}
	return models.RerankResult{Scores: scores, Kind: models.ScoreCosine, Usage: usage(items), Timing: timing}, nil
}

// tokenizeForCosine returns the query's encoding, then the documents'.
func (m *Embedding) tokenizeForCosine(ctx context.Context, req models.RerankRequest) ([]tokenizer.Encoding, error) {
	prompts := m.manifest.Prompts
	query, err := m.tokenizer.Singles(ctx, []tokenizer.Text{{Text: req.Query}}, prompts[m.promptFor("query")], truncation(req.Truncate))
	if err != nil {
		return nil, m.tokenFailure(err, func(int) string { return "query" }, opRerank)
	}
	documents, cut := m.cutDocuments(req.Documents)
	texts := make([]tokenizer.Text, len(documents))
	for i, text := range documents {
		texts[i].Text = text
	}
	items, err := m.tokenizer.Singles(ctx, texts, prompts[m.promptFor("document")], rerankTruncation(req))
	if err != nil {
		return nil, m.tokenFailure(err, documentField, opRerank)
	}
	markCut(items, cut)
	return append(query, items...), nil
}

func documentField(index int) string { return fmt.Sprintf("documents[%d]", index) }

func rerankTruncation(req models.RerankRequest) tokenizer.Truncation {
	t := truncation(req.Truncate)
	t.Text = req.MaxTokensPerDoc
	return t
}

// rowField names the rows of tokenizeForCosine.
func rowField(index int) string {
	if index == 0 {
		return "query"
	}
	return documentField(index - 1)
}

// cutDocuments cuts documents to the configured number of characters; cut[i] says whether
// documents[i] lost some. cut is nil when none did.
func (e *engine) cutDocuments(documents []string) (_ []string, cut []bool) {
	limit := e.maxDocumentChars
	if limit <= 0 {
		return documents, nil
	}
	out := make([]string, len(documents))
	cut = make([]bool, len(documents))
	for i, text := range documents {
		out[i] = firstChars(text, limit)
		cut[i] = len(out[i]) < len(text)
	}
	return out, cut
}

// firstChars returns the first n characters (code points) of text.
func firstChars(text string, n int) string {
	if len(text) <= n {
		return text
	}
	at := 0
	for range n {
		if at == len(text) {
			return text
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return text[:at]
}

func markCut(items []tokenizer.Encoding, cut []bool) {
	for i, was := range cut {
		items[i].Truncated = items[i].Truncated || was
	}
}
