package modelstest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
)

// ClassifyModel is what RunClassifier tests.
type ClassifyModel interface {
	models.Model
	models.Classifier
}

type classifierSuite struct {
	model ClassifyModel
	Options
}

// RunClassifier checks that m keeps the contract of models.Classifier.
func RunClassifier(t *testing.T, m ClassifyModel, o Options) {
	s := classifierSuite{model: m, Options: o.withDefaults(m.Info())}
	runChecks(t, s.checks(), o.Lacks...)
}

func (s classifierSuite) checks() []check {
	return []check{
		{"a row for each input, in order", s.order},
		{"probabilities", s.probabilities},
		{"raw scores", s.raw},
		{"pairs", s.pairs},
		{"usage counts each text as if alone", s.usage},
		{"long texts are cut and counted", s.cut},
		{"long texts are refused on request", s.refuse},
		{"no inputs", s.noInputs},
		{"blank texts", s.blank},
		{"cancelled context", s.cancelled},
		{"concurrent callers get their own", s.concurrent},
		{"results are not written to later", s.kept},
	}
}

func classifyInputs(texts []string) []models.ClassifyInput {
	list := make([]models.ClassifyInput, len(texts))
	for i, text := range texts {
		list[i].Text = text
	}
	return list
}

func (s classifierSuite) classify(texts ...string) ([][]float32, error) {
	result, err := s.ask(models.ClassifyRequest{Inputs: classifyInputs(texts)})
	return result.Scores, err
}

// ask classifies and checks what holds of every answer.
func (s classifierSuite) ask(req models.ClassifyRequest) (models.ClassifyResult, error) {
	result, err := s.model.Classify(context.Background(), req)
	if err != nil {
		return result, err
	}
	if labels := s.model.Info().Labels; len(result.Labels) == 0 || len(labels) > 0 && !slices.Equal(labels, result.Labels) {
		return result, fmt.Errorf("the labels are %q, and Info says %q", result.Labels, labels)
	}
	return result, checkVectors(result.Scores, len(req.Inputs), len(result.Labels), true)
}

func (s classifierSuite) order() error {
	all, err := s.classify(s.Texts...)
	if err != nil {
		return err
	}
	reversed, err := s.classify(backwards(s.Texts)...)
	if err != nil {
		return err
	}
	for i, text := range s.Texts {
		alone, err := s.classify(text)
		if err != nil {
			return err
		}
		if err := sameVector(all[i], alone[0], s.Tolerance); err != nil {
			return fmt.Errorf("text %d in a batch is not what it is alone: %w", i, err)
		}
		if err := sameVector(reversed[len(all)-1-i], alone[0], s.Tolerance); err != nil {
			return fmt.Errorf("text %d in the reversed batch is not what it is alone: %w", i, err)
		}
		if i > 0 && sameVector(alone[0], all[i-1], 1e-9) == nil {
			return fmt.Errorf("texts %d and %d have the same scores", i-1, i)
		}
	}
	return nil
}

func (s classifierSuite) probabilities() error {
	rows, err := s.classify(s.Texts...)
	if err != nil {
		return err
	}
	for i, row := range rows {
		sum := 0.0
		for j, score := range row {
			if score < 0 || score > 1 {
				return fmt.Errorf("score %d of text %d is %v, which no probability is", j, i, score)
			}
			sum += float64(score)
		}
		if !s.model.Info().MultiLabel && math.Abs(sum-1) > 1e-5 {
			return fmt.Errorf("the scores of text %d add up to %v", i, sum)
		}
	}
	return nil
}

func (s classifierSuite) raw() error {
	rows, err := s.classify(s.Texts...)
	if err != nil {
		return err
	}
	raw, err := s.ask(models.ClassifyRequest{Inputs: classifyInputs(s.Texts), Raw: true})
	if err != nil {
		return err
	}
	for i, logits := range raw.Scores {
		if err := sameVector(rows[i], probabilities(logits, s.model.Info().MultiLabel), s.Tolerance); err != nil {
			return fmt.Errorf("the scores of text %d are not those of its logits: %w", i, err)
		}
	}
	return nil
}

// probabilities is the sigmoid of each logit, or the softmax over all.
func probabilities(logits []float32, multiLabel bool) []float32 {
	list, sum := make([]float32, len(logits)), 0.0
	top := float64(slices.Max(logits))
	for _, x := range logits {
		sum += math.Exp(float64(x) - top)
	}
	for i, x := range logits {
		if list[i] = float32(math.Exp(float64(x)-top) / sum); multiLabel {
			list[i] = float32(sigmoid(float64(x)))
		}
	}
	return list
}

func (s classifierSuite) pairs() error {
	pair := models.ClassifyInput{Text: s.Texts[0], Pair: &s.Texts[2]}
	both, err := s.ask(models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: s.Texts[0]}, pair, {Text: s.Texts[1]}}})
	if err != nil {
		return err
	}
	alone, err := s.ask(models.ClassifyRequest{Inputs: []models.ClassifyInput{pair}})
	if err != nil {
		return err
	}
	if err := sameVector(both.Scores[1], alone.Scores[0], s.Tolerance); err != nil {
		return fmt.Errorf("a pair beside texts is not what it is alone: %w", err)
	}
	if sameVector(both.Scores[0], both.Scores[1], 1e-9) == nil {
		return fmt.Errorf("a pair has the scores of its first text")
	}
	return nil
}

func (s classifierSuite) usage() error {
	return checkUsage(false, s.Texts, func(texts ...string) (models.Usage, error) {
		result, err := s.ask(models.ClassifyRequest{Inputs: classifyInputs(texts)})
		return result.Usage, err
	})
}

func (s classifierSuite) cut() error {
	if s.Long == "" {
		return nil
	}
	for _, how := range []models.Truncate{models.TruncateEnd, models.TruncateStart} {
		result, err := s.ask(models.ClassifyRequest{Inputs: classifyInputs([]string{s.Texts[0], s.Long}), Truncate: how})
		if err != nil {
			return err
		}
		if result.Usage.Truncated != 1 {
			return fmt.Errorf("truncate %q: one of two inputs is too long, and %d were counted as cut", how, result.Usage.Truncated)
		}
	}
	return nil
}

func (s classifierSuite) refuse() error {
	if s.Long == "" {
		return nil
	}
	_, err := s.ask(models.ClassifyRequest{Inputs: classifyInputs([]string{s.Texts[0], s.Long}), Truncate: models.TruncateNone})
	return wantError(err, models.KindTooLong, "inputs[1]")
}

func (s classifierSuite) noInputs() error {
	_, err := s.model.Classify(context.Background(), models.ClassifyRequest{})
	return emptyOrInvalid(err)
}

func (s classifierSuite) blank() error {
	_, err := s.classify("", s.Texts[0], "   ")
	return err
}

func (s classifierSuite) cancelled() error {
	return checkCancelled(func(ctx context.Context) error {
		_, err := s.model.Classify(ctx, models.ClassifyRequest{Inputs: classifyInputs(s.Texts)})
		return err
	})
}

func (s classifierSuite) concurrent() error {
	want, err := s.classify(s.Texts...)
	if err != nil {
		return err
	}
	return concurrently(len(s.Texts), func(caller, round int) error {
		at := (caller + round) % len(s.Texts)
		got, err := s.classify(s.Texts[at])
		if err != nil {
			return err
		}
		return sameVector(got[0], want[at], s.Tolerance)
	})
}

func (s classifierSuite) kept() error {
	first, err := s.classify(s.Texts...)
	if err != nil {
		return err
	}
	was := slices.Concat(first...)
	for range 3 {
		if _, err := s.classify(backwards(s.Texts)...); err != nil {
			return err
		}
	}
	if !slices.Equal(slices.Concat(first...), was) {
		return fmt.Errorf("scores changed after they were returned")
	}
	return nil
}
