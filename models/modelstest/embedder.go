package modelstest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
)

// EmbedModel is what RunEmbedder tests.
type EmbedModel interface {
	models.Model
	models.Embedder
}

// Options say what a suite runs with.
type Options struct {
	// Texts are inputs, or documents, that the model takes uncut and tells apart; at least
	// four. Nil: a built-in list of short ones.
	Texts []string
	// Long is a text longer than the model takes. Empty: more words than Info.MaxLength;
	// a model without a MaxLength is then not asked.
	Long string
	// IDs are Texts[0] as ids of the model's vocabulary, without special tokens. Nil: not asked.
	IDs []uint32
	// Tolerance is the greatest difference of a number between a text alone and the same text
	// beside others. 0: 1e-5.
	Tolerance float64
	// Lacks names the clauses that the model is known not to keep, such as one about what its
	// server cannot be told; the suite fails if it does keep one.
	Lacks []string
}

type embedderSuite struct {
	model EmbedModel
	Options
}

// RunEmbedder checks that m keeps the contract of models.Embedder.
func RunEmbedder(t *testing.T, m EmbedModel, o Options) {
	s := embedderSuite{model: m, Options: o.withDefaults(m.Info())}
	runChecks(t, s.checks(), o.Lacks...)
}

func (s embedderSuite) checks() []check {
	return []check{
		{"one vector for each input, in order", s.order},
		{"vectors have unit norm and the model's dimensions", s.shape},
		{"dimensions cut, then normalise", s.dimensions},
		{"raw leaves only the norm out", s.raw},
		{"usage counts each text as if alone", s.usage},
		{"unknown prompt", s.unknownPrompt},
		{"known prompts", s.knownPrompts},
		{"long texts are cut and counted", s.cut},
		{"long texts are refused on request", s.refuse},
		{"token ids", s.tokenIDs},
		{"ids outside the vocabulary", s.foreignIDs},
		{"no inputs", s.noInputs},
		{"blank texts", s.blank},
		{"cancelled context", s.cancelled},
		{"concurrent callers get their own", s.concurrent},
		{"results are not written to later", s.kept},
	}
}

func (s embedderSuite) embed(texts ...string) (models.EmbedResult, error) {
	return s.ask(models.EmbedRequest{Inputs: inputs(texts)})
}

// ask embeds and checks what holds of every answer.
func (s embedderSuite) ask(req models.EmbedRequest) (models.EmbedResult, error) {
	result, err := s.model.Embed(context.Background(), req)
	if err != nil {
		return result, err
	}
	want := req.Dimensions
	if want == 0 {
		want = s.model.Info().Dimensions
	}
	return result, checkVectors(result.Vectors, len(req.Inputs), want, req.Raw)
}

func (s embedderSuite) order() error {
	alone := make([][]float32, len(s.Texts))
	for i, text := range s.Texts {
		result, err := s.embed(text)
		if err != nil {
			return err
		}
		alone[i] = result.Vectors[0]
	}
	for i := range alone {
		for j := range alone[:i] {
			if dot(alone[i], alone[j]) > 1-1e-9 {
				return fmt.Errorf("texts %d and %d have the same vector", j, i)
			}
		}
	}
	all, err := s.embed(s.Texts...)
	if err != nil {
		return err
	}
	reversed, err := s.embed(backwards(s.Texts)...)
	if err != nil {
		return err
	}
	for i := range alone {
		if err := sameVector(all.Vectors[i], alone[i], s.Tolerance); err != nil {
			return fmt.Errorf("text %d in a batch is not what it is alone: %w", i, err)
		}
		if err := sameVector(reversed.Vectors[len(alone)-1-i], alone[i], s.Tolerance); err != nil {
			return fmt.Errorf("text %d in the reversed batch is not what it is alone: %w", i, err)
		}
	}
	return nil
}

func (s embedderSuite) shape() error {
	if s.model.Info().Dimensions <= 0 {
		return fmt.Errorf("Info.Dimensions is %d", s.model.Info().Dimensions)
	}
	_, err := s.embed(s.Texts...)
	return err
}

func (s embedderSuite) dimensions() error {
	full, err := s.ask(models.EmbedRequest{Inputs: inputs(s.Texts), Raw: true})
	if err != nil {
		return err
	}
	for _, n := range []int{1, s.model.Info().Dimensions / 2, s.model.Info().Dimensions} {
		short, err := s.ask(models.EmbedRequest{Inputs: inputs(s.Texts), Dimensions: max(n, 1)})
		if err != nil {
			return err
		}
		for i, v := range short.Vectors {
			if err := sameVector(v, normalised(full.Vectors[i][:max(n, 1)]), s.Tolerance); err != nil {
				return fmt.Errorf("%d dimensions of text %d: %w", n, i, err)
			}
		}
	}
	return nil
}

func (s embedderSuite) raw() error {
	unit, err := s.embed(s.Texts...)
	if err != nil {
		return err
	}
	raw, err := s.ask(models.EmbedRequest{Inputs: inputs(s.Texts), Raw: true})
	if err != nil {
		return err
	}
	for i, v := range raw.Vectors {
		if err := sameVector(normalised(v), unit.Vectors[i], s.Tolerance); err != nil {
			return fmt.Errorf("text %d, raw, points elsewhere: %w", i, err)
		}
	}
	return nil
}

func (s embedderSuite) usage() error {
	return checkUsage(false, s.Texts, func(texts ...string) (models.Usage, error) {
		result, err := s.embed(texts...)
		return result.Usage, err
	})
}

func (s embedderSuite) unknownPrompt() error { return checkUnknownPrompt(s.prompted) }

func (s embedderSuite) knownPrompts() error { return checkKnownPrompts(s.model.Info(), s.prompted) }

func (s embedderSuite) prompted(name string) error {
	_, err := s.ask(models.EmbedRequest{Inputs: inputs(s.Texts[:1]), PromptName: name})
	return err
}

func (s embedderSuite) cut() error {
	if s.Long == "" {
		return nil
	}
	for _, how := range []models.Truncate{models.TruncateEnd, models.TruncateStart} {
		result, err := s.ask(models.EmbedRequest{Inputs: inputs([]string{s.Texts[0], s.Long, s.Texts[1]}), Truncate: how})
		if err != nil {
			return err
		}
		if result.Usage.Truncated != 1 {
			return fmt.Errorf("truncate %q: one of three inputs is too long, and %d were counted as cut", how, result.Usage.Truncated)
		}
		if limit := s.model.Info().MaxLength; limit > 0 && result.Usage.PromptTokens > 3*limit {
			return fmt.Errorf("truncate %q: %d tokens for three inputs of at most %d", how, result.Usage.PromptTokens, limit)
		}
	}
	return nil
}

func (s embedderSuite) refuse() error {
	if s.Long == "" {
		return nil
	}
	_, err := s.ask(models.EmbedRequest{Inputs: inputs([]string{s.Texts[0], s.Long, s.Texts[1]}), Truncate: models.TruncateNone})
	if err := wantError(err, models.KindTooLong, "input[1]"); err != nil {
		return err
	}
	result, err := s.ask(models.EmbedRequest{Inputs: inputs(s.Texts), Truncate: models.TruncateNone})
	if err == nil && result.Usage.Truncated != 0 {
		err = fmt.Errorf("%d inputs were cut although cutting was refused", result.Usage.Truncated)
	}
	return err
}

func (s embedderSuite) tokenIDs() error {
	if s.IDs == nil {
		return nil
	}
	ids, err := s.ask(models.EmbedRequest{Inputs: []models.Input{{IDs: s.IDs}}})
	if err != nil {
		return err
	}
	text, err := s.embed(s.Texts[0])
	if err != nil {
		return err
	}
	if ids.Usage.PromptTokens != text.Usage.PromptTokens {
		return fmt.Errorf("%d tokens given as ids, %d as text", ids.Usage.PromptTokens, text.Usage.PromptTokens)
	}
	return sameVector(ids.Vectors[0], text.Vectors[0], s.Tolerance)
}

func (s embedderSuite) foreignIDs() error {
	if s.IDs == nil {
		return nil
	}
	_, err := s.ask(models.EmbedRequest{Inputs: []models.Input{{IDs: s.IDs}, {IDs: []uint32{1<<32 - 1}}}})
	return wantError(err, models.KindInvalid, "input[1]")
}

func (s embedderSuite) noInputs() error {
	_, err := s.ask(models.EmbedRequest{})
	return emptyOrInvalid(err)
}

func (s embedderSuite) blank() error {
	_, err := s.embed("", s.Texts[0], "   ", "\n")
	return err
}

func (s embedderSuite) cancelled() error {
	return checkCancelled(func(ctx context.Context) error {
		_, err := s.model.Embed(ctx, models.EmbedRequest{Inputs: inputs(s.Texts)})
		return err
	})
}

func (s embedderSuite) concurrent() error {
	want, err := s.embed(s.Texts...)
	if err != nil {
		return err
	}
	return concurrently(len(s.Texts), func(caller, round int) error {
		order := rotated(len(s.Texts), caller+round)[:1+(caller+round)%len(s.Texts)]
		texts := make([]string, len(order))
		for i, at := range order {
			texts[i] = s.Texts[at]
		}
		result, err := s.embed(texts...)
		if err != nil {
			return err
		}
		for i, at := range order {
			if err := sameVector(result.Vectors[i], want.Vectors[at], s.Tolerance); err != nil {
				return fmt.Errorf("text %d: %w", at, err)
			}
		}
		return nil
	})
}

func (s embedderSuite) kept() error {
	first, err := s.embed(s.Texts...)
	if err != nil {
		return err
	}
	was := make([][]float32, len(first.Vectors))
	for i, v := range first.Vectors {
		was[i] = slices.Clone(v)
	}
	for range 3 {
		if _, err := s.embed(backwards(s.Texts)...); err != nil {
			return err
		}
	}
	for i, v := range first.Vectors {
		if !slices.Equal(v, was[i]) {
			return fmt.Errorf("vector %d changed after it was returned", i)
		}
	}
	return nil
}
