package modelstest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
)

// RerankModel is what RunReranker tests.
type RerankModel interface {
	models.Model
	models.Reranker
}

const query = "which animal sleeps in the sun?"

type rerankerSuite struct {
	model RerankModel
	Options
}

// RunReranker checks that m keeps the contract of models.Reranker. Options.Texts are its
// documents; Options.IDs are not used.
func RunReranker(t *testing.T, m RerankModel, o Options) {
	s := rerankerSuite{model: m, Options: o.withDefaults(m.Info())}
	runChecks(t, s.checks(), o.Lacks...)
}

func (s rerankerSuite) checks() []check {
	return []check{
		{"one score for each document, in input order", s.order},
		{"equal documents have equal scores", s.equal},
		{"scores are of the kind that is said", s.kind},
		{"raw scores", s.raw},
		{"usage counts what the model sees", s.usage},
		{"long documents are cut and counted", s.cut},
		{"long documents are refused on request", s.refuse},
		{"a long query is refused on request", s.refuseQuery},
		{"max tokens per document", s.maxTokens},
		{"no documents", s.noDocuments},
		{"blank documents", s.blank},
		{"cancelled context", s.cancelled},
		{"concurrent callers get their own", s.concurrent},
		{"results are not written to later", s.kept},
	}
}

func (s rerankerSuite) rerank(documents ...string) (models.RerankResult, error) {
	return s.ask(models.RerankRequest{Query: query, Documents: documents})
}

// ask scores and checks what holds of every answer.
func (s rerankerSuite) ask(req models.RerankRequest) (models.RerankResult, error) {
	result, err := s.model.Rerank(context.Background(), req)
	if err != nil {
		return result, err
	}
	return result, checkScores(result, len(req.Documents))
}

func (s rerankerSuite) order() error {
	all, err := s.rerank(s.Texts...)
	if err != nil {
		return err
	}
	reversed, err := s.rerank(backwards(s.Texts)...)
	if err != nil {
		return err
	}
	for i, text := range s.Texts {
		alone, err := s.rerank(text)
		if err != nil {
			return err
		}
		if !near(all.Scores[i], alone.Scores[0], s.Tolerance) || !near(reversed.Scores[len(s.Texts)-1-i], alone.Scores[0], s.Tolerance) {
			return fmt.Errorf("document %d: %v alone, %v in a batch, %v in the reversed batch",
				i, alone.Scores[0], all.Scores[i], reversed.Scores[len(s.Texts)-1-i])
		}
	}
	if slices.Min(all.Scores) == slices.Max(all.Scores) {
		return fmt.Errorf("all %d documents have the same score", len(s.Texts))
	}
	return nil
}

func (s rerankerSuite) equal() error {
	result, err := s.rerank(s.Texts[0], s.Texts[1], s.Texts[0])
	if err == nil && !near(result.Scores[0], result.Scores[2], s.Tolerance) {
		err = fmt.Errorf("the same document scores %v and %v", result.Scores[0], result.Scores[2])
	}
	return err
}

func (s rerankerSuite) kind() error {
	result, err := s.rerank(s.Texts...)
	if err == nil && result.Kind != s.model.Info().ScoreKind {
		err = fmt.Errorf("scores are %q, Info says %q", result.Kind, s.model.Info().ScoreKind)
	}
	return err
}

func (s rerankerSuite) raw() error {
	scores, err := s.rerank(s.Texts...)
	if err != nil {
		return err
	}
	raw, err := s.ask(models.RerankRequest{Query: query, Documents: s.Texts, Raw: true})
	if err != nil {
		return err
	}
	want := models.ScoreLogit
	if scores.Kind == models.ScoreCosine {
		want = models.ScoreCosine
	}
	if raw.Kind != want {
		return fmt.Errorf("raw scores are %q, not %q", raw.Kind, want)
	}
	for i, score := range raw.Scores {
		if scores.Kind == models.ScoreSigmoid {
			score = float32(sigmoid(float64(score)))
		}
		if !near(score, scores.Scores[i], s.Tolerance) {
			return fmt.Errorf("document %d scores %v, and %v from its raw score", i, scores.Scores[i], score)
		}
	}
	return nil
}

// usage of a bi-encoder counts the query once, of a cross-encoder with each document.
func (s rerankerSuite) usage() error {
	return checkUsage(s.model.Info().ScoreKind == models.ScoreCosine, s.Texts, func(texts ...string) (models.Usage, error) {
		result, err := s.rerank(texts...)
		return result.Usage, err
	})
}

func (s rerankerSuite) cut() error {
	if s.Long == "" {
		return nil
	}
	result, err := s.rerank(s.Texts[0], s.Long, s.Texts[1])
	if err == nil && result.Usage.Truncated != 1 {
		err = fmt.Errorf("one of three documents is too long, and %d were counted as cut", result.Usage.Truncated)
	}
	return err
}

func (s rerankerSuite) refuse() error {
	if s.Long == "" {
		return nil
	}
	_, err := s.ask(models.RerankRequest{Query: query, Documents: []string{s.Texts[0], s.Long}, Truncate: models.TruncateNone})
	return wantError(err, models.KindTooLong, "documents[1]")
}

func (s rerankerSuite) refuseQuery() error {
	if s.Long == "" {
		return nil
	}
	_, err := s.ask(models.RerankRequest{Query: s.Long, Documents: s.Texts, Truncate: models.TruncateNone})
	return wantError(err, models.KindTooLong, "query")
}

func (s rerankerSuite) maxTokens() error {
	all, err := s.rerank(s.Texts...)
	if err != nil {
		return err
	}
	short, err := s.ask(models.RerankRequest{Query: query, Documents: s.Texts, MaxTokensPerDoc: 1})
	if err != nil {
		return err
	}
	if short.Usage.PromptTokens >= all.Usage.PromptTokens || short.Usage.Truncated == 0 {
		return fmt.Errorf("one token a document takes %d tokens with %d cut; uncut it takes %d",
			short.Usage.PromptTokens, short.Usage.Truncated, all.Usage.PromptTokens)
	}
	return nil
}

func (s rerankerSuite) noDocuments() error {
	_, err := s.rerank()
	return emptyOrInvalid(err)
}

func (s rerankerSuite) blank() error {
	_, err := s.rerank("", s.Texts[0], "  ")
	return err
}

func (s rerankerSuite) cancelled() error {
	return checkCancelled(func(ctx context.Context) error {
		_, err := s.model.Rerank(ctx, models.RerankRequest{Query: query, Documents: s.Texts})
		return err
	})
}

func (s rerankerSuite) concurrent() error {
	want, err := s.rerank(s.Texts...)
	if err != nil {
		return err
	}
	return concurrently(len(s.Texts), func(caller, round int) error {
		order := rotated(len(s.Texts), caller+round)[:1+(caller+round)%len(s.Texts)]
		documents := make([]string, len(order))
		for i, at := range order {
			documents[i] = s.Texts[at]
		}
		result, err := s.rerank(documents...)
		if err != nil {
			return err
		}
		for i, at := range order {
			if !near(result.Scores[i], want.Scores[at], s.Tolerance) {
				return fmt.Errorf("document %d scores %v, and %v with others asking too", at, want.Scores[at], result.Scores[i])
			}
		}
		return nil
	})
}

func (s rerankerSuite) kept() error {
	first, err := s.rerank(s.Texts...)
	if err != nil {
		return err
	}
	was := slices.Clone(first.Scores)
	for range 3 {
		if _, err := s.rerank(backwards(s.Texts)...); err != nil {
			return err
		}
	}
	if !slices.Equal(first.Scores, was) {
		return fmt.Errorf("scores changed after they were returned")
	}
	return nil
}
