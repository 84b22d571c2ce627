package modelstest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
)

// TokenModel is what RunTokenEmbedder tests.
type TokenModel interface {
	models.Model
	models.TokenEmbedder
}

type tokenSuite struct {
	model TokenModel
	Options
}

// RunTokenEmbedder checks that m keeps the contract of models.TokenEmbedder.
func RunTokenEmbedder(t *testing.T, m TokenModel, o Options) {
	s := tokenSuite{model: m, Options: o.withDefaults(m.Info())}
	runChecks(t, s.checks(), o.Lacks...)
}

func (s tokenSuite) checks() []check {
	return []check{
		{"states for each input, in order", s.order},
		{"one state for each token", s.usage},
		{"unknown prompt", s.unknownPrompt},
		{"known prompts", s.knownPrompts},
		{"long texts are cut and counted", s.cut},
		{"long texts are refused on request", s.refuse},
		{"too many states are refused", s.tooLarge},
		{"blank texts", s.blank},
		{"cancelled context", s.cancelled},
		{"concurrent callers get their own", s.concurrent},
		{"results are not written to later", s.kept},
	}
}

// ask asks and checks what holds of every answer.
func (s tokenSuite) ask(req models.TokensRequest) (models.TokensResult, error) {
	result, err := s.model.EmbedTokens(context.Background(), req)
	if err != nil {
		return result, err
	}
	if len(result.States) != len(req.Inputs) {
		return result, fmt.Errorf("states of %d inputs for %d inputs", len(result.States), len(req.Inputs))
	}
	tokens := 0
	for i, states := range result.States {
		if tokens += len(states); len(states) == 0 {
			return result, fmt.Errorf("input %d has no states", i)
		}
		if err := checkVectors(states, len(states), len(result.States[0][0]), true); err != nil {
			return result, fmt.Errorf("input %d: %w", i, err)
		}
	}
	if tokens != result.Usage.PromptTokens {
		return result, fmt.Errorf("%d states, and %d tokens are counted", tokens, result.Usage.PromptTokens)
	}
	return result, nil
}

func (s tokenSuite) states(texts ...string) ([][][]float32, error) {
	result, err := s.ask(models.TokensRequest{Inputs: inputs(texts)})
	return result.States, err
}

func sameStates(got, want [][]float32, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d states, not %d", len(got), len(want))
	}
	for i := range got {
		if err := sameVector(got[i], want[i], tolerance); err != nil {
			return fmt.Errorf("token %d: %w", i, err)
		}
	}
	return nil
}

func (s tokenSuite) order() error {
	all, err := s.states(s.Texts...)
	if err != nil {
		return err
	}
	reversed, err := s.states(backwards(s.Texts)...)
	if err != nil {
		return err
	}
	for i, text := range s.Texts {
		alone, err := s.states(text)
		if err != nil {
			return err
		}
		if err := sameStates(all[i], alone[0], s.Tolerance); err != nil {
			return fmt.Errorf("text %d in a batch is not what it is alone: %w", i, err)
		}
		if err := sameStates(reversed[len(all)-1-i], alone[0], s.Tolerance); err != nil {
			return fmt.Errorf("text %d in the reversed batch is not what it is alone: %w", i, err)
		}
	}
	return nil
}

func (s tokenSuite) usage() error {
	return checkUsage(false, s.Texts, func(texts ...string) (models.Usage, error) {
		result, err := s.ask(models.TokensRequest{Inputs: inputs(texts)})
		return result.Usage, err
	})
}

func (s tokenSuite) unknownPrompt() error { return checkUnknownPrompt(s.prompted) }

func (s tokenSuite) knownPrompts() error { return checkKnownPrompts(s.model.Info(), s.prompted) }

func (s tokenSuite) prompted(name string) error {
	_, err := s.ask(models.TokensRequest{Inputs: inputs(s.Texts[:1]), PromptName: name})
	return err
}

func (s tokenSuite) cut() error {
	if s.Long == "" {
		return nil
	}
	result, err := s.ask(models.TokensRequest{Inputs: inputs([]string{s.Texts[0], s.Long})})
	if err != nil {
		return err
	}
	if limit := s.model.Info().MaxLength; result.Usage.Truncated != 1 || limit > 0 && len(result.States[1]) > limit {
		return fmt.Errorf("%d inputs counted as cut, %d states of the long one", result.Usage.Truncated, len(result.States[1]))
	}
	return nil
}

func (s tokenSuite) refuse() error {
	if s.Long == "" {
		return nil
	}
	_, err := s.ask(models.TokensRequest{Inputs: inputs([]string{s.Texts[0], s.Long}), Truncate: models.TruncateNone})
	return wantError(err, models.KindTooLong, "input[1]")
}

func (s tokenSuite) tooLarge() error {
	states, err := s.states(s.Texts...)
	if err != nil {
		return err
	}
	size := 0
	for _, list := range states {
		size += 4 * len(list) * len(list[0])
	}
	if _, err := s.ask(models.TokensRequest{Inputs: inputs(s.Texts), MaxBytes: int64(size)}); err != nil {
		return fmt.Errorf("with room for just as many: %w", err)
	}
	_, err = s.ask(models.TokensRequest{Inputs: inputs(s.Texts), MaxBytes: int64(size) - 1})
	return wantError(err, models.KindTooLarge, "input")
}

func (s tokenSuite) blank() error {
	_, err := s.states("", s.Texts[0], "   ")
	return err
}

func (s tokenSuite) cancelled() error {
	return checkCancelled(func(ctx context.Context) error {
		_, err := s.model.EmbedTokens(ctx, models.TokensRequest{Inputs: inputs(s.Texts)})
		return err
	})
}

func (s tokenSuite) concurrent() error {
	want, err := s.states(s.Texts...)
	if err != nil {
		return err
	}
	return concurrently(len(s.Texts), func(caller, round int) error {
		at := (caller + round) % len(s.Texts)
		got, err := s.states(s.Texts[at])
		if err != nil {
			return err
		}
		return sameStates(got[0], want[at], s.Tolerance)
	})
}

func (s tokenSuite) kept() error {
	first, err := s.states(s.Texts...)
	if err != nil {
		return err
	}
	was := make([][]float32, len(first))
	for i, states := range first {
		was[i] = slices.Concat(states...)
	}
	for range 3 {
		if _, err := s.states(backwards(s.Texts)...); err != nil {
			return err
		}
	}
	for i, states := range first {
		if !slices.Equal(slices.Concat(states...), was[i]) {
			return fmt.Errorf("states of input %d changed after they were returned", i)
		}
	}
	return nil
}
