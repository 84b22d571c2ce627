package modelstest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
)

// TokenizeModel is what RunTokenizer tests.
type TokenizeModel interface {
	models.Model
	models.Tokenizer
}

type tokenizerSuite struct {
	model TokenizeModel
	Options
}

// RunTokenizer checks that m keeps the contract of models.Tokenizer.
func RunTokenizer(t *testing.T, m TokenizeModel, o Options) {
	s := tokenizerSuite{model: m, Options: o.withDefaults(m.Info())}
	runChecks(t, s.checks(), o.Lacks...)
}

func (s tokenizerSuite) checks() []check {
	return []check{
		{"tokens of each text, in order", s.order},
		{"tokens lie in their text", s.offsets},
		{"special tokens are added on request", s.special},
		{"the ids that are known", s.known},
		{"long texts are not cut", s.long},
		{"unknown prompt", s.unknownPrompt},
		{"known prompts", s.knownPrompts},
		{"ids are decoded in order", s.decode},
		{"special tokens are left out of a text on request", s.skipSpecial},
		{"ids outside the vocabulary", s.foreignIDs},
		{"nothing given", s.nothing},
		{"blank texts", s.blank},
		{"cancelled context", s.cancelled},
		{"concurrent callers get their own", s.concurrent},
	}
}

// ask asks and checks what holds of every answer.
func (s tokenizerSuite) ask(req models.TokenizeRequest) ([][]models.Token, error) {
	result, err := s.model.Tokenize(context.Background(), req)
	if err != nil {
		return nil, err
	}
	if len(result.Tokens) != len(req.Texts) {
		return nil, fmt.Errorf("tokens of %d texts for %d texts", len(result.Tokens), len(req.Texts))
	}
	for i, list := range result.Tokens {
		for j, token := range list {
			if token.Special && (token.Start != 0 || token.Stop != 0 || !req.AddSpecial) {
				return nil, fmt.Errorf("token %d of text %d is special, from %d to %d, where AddSpecial is %v", j, i, token.Start, token.Stop, req.AddSpecial)
			}
		}
	}
	return result.Tokens, nil
}

func (s tokenizerSuite) tokens(texts ...string) ([][]models.Token, error) {
	return s.ask(models.TokenizeRequest{Texts: texts})
}

func idsOf(tokens []models.Token) []uint32 {
	ids := make([]uint32, len(tokens))
	for i, token := range tokens {
		ids[i] = token.ID
	}
	return ids
}

func (s tokenizerSuite) order() error {
	all, err := s.tokens(s.Texts...)
	if err != nil {
		return err
	}
	for i, text := range s.Texts {
		alone, err := s.tokens(text)
		if err != nil {
			return err
		}
		if !slices.Equal(all[i], alone[0]) {
			return fmt.Errorf("text %d beside others has tokens %v, and alone %v", i, all[i], alone[0])
		}
		if i > 0 && slices.Equal(all[i], all[i-1]) {
			return fmt.Errorf("texts %d and %d have the same tokens", i-1, i)
		}
	}
	return nil
}

func (s tokenizerSuite) offsets() error {
	all, err := s.tokens(s.Texts...)
	if err != nil {
		return err
	}
	for i, tokens := range all {
		begun := 0
		for j, token := range tokens {
			if token.Start < begun || token.Stop < token.Start || token.Stop > len(s.Texts[i]) {
				return fmt.Errorf("token %d of text %d stands for bytes %d to %d of %d, after one that began at %d", j, i, token.Start, token.Stop, len(s.Texts[i]), begun)
			}
			begun = token.Start
		}
		if begun == 0 && len(tokens) > 1 {
			return fmt.Errorf("all %d tokens of text %d begin where it begins", len(tokens), i)
		}
	}
	return nil
}

func (s tokenizerSuite) special() error {
	plain, err := s.tokens(s.Texts...)
	if err != nil {
		return err
	}
	all, err := s.ask(models.TokenizeRequest{Texts: s.Texts, AddSpecial: true})
	if err != nil {
		return err
	}
	for i, tokens := range all {
		content := slices.DeleteFunc(slices.Clone(tokens), func(token models.Token) bool { return token.Special })
		if !slices.Equal(content, plain[i]) {
			return fmt.Errorf("text %d has tokens %v, and %v without special ones", i, content, plain[i])
		}
	}
	return nil
}

func (s tokenizerSuite) known() error {
	if s.IDs == nil {
		return nil
	}
	all, err := s.tokens(s.Texts[0])
	if err == nil && !slices.Equal(idsOf(all[0]), s.IDs) {
		err = fmt.Errorf("the ids are %v, not %v", idsOf(all[0]), s.IDs)
	}
	return err
}

func (s tokenizerSuite) long() error {
	if s.Long == "" {
		return nil
	}
	all, err := s.tokens(s.Long)
	if limit := s.model.Info().MaxLength; err == nil && limit > 0 && len(all[0]) <= limit {
		err = fmt.Errorf("%d tokens of a text that is longer than %d", len(all[0]), limit)
	}
	return err
}

func (s tokenizerSuite) unknownPrompt() error { return checkUnknownPrompt(s.prompted) }

func (s tokenizerSuite) knownPrompts() error { return checkKnownPrompts(s.model.Info(), s.prompted) }

func (s tokenizerSuite) prompted(name string) error {
	_, err := s.ask(models.TokenizeRequest{Texts: s.Texts[:1], PromptName: name})
	return err
}

func (s tokenizerSuite) texts(skip bool, ids ...[]uint32) ([]string, error) {
	texts, err := s.model.Decode(context.Background(), models.DecodeRequest{IDs: ids, SkipSpecial: skip})
	if err == nil && len(texts) != len(ids) {
		err = fmt.Errorf("%d texts for %d lists of ids", len(texts), len(ids))
	}
	return texts, err
}

func (s tokenizerSuite) decode() error {
	all, err := s.tokens(s.Texts...)
	if err != nil {
		return err
	}
	var lists [][]uint32
	for _, tokens := range all {
		lists = append(lists, idsOf(tokens))
	}
	together, err := s.texts(true, lists...)
	if err != nil {
		return err
	}
	for i, ids := range lists {
		alone, err := s.texts(true, ids)
		if err != nil {
			return err
		}
		if alone[0] != together[i] || alone[0] == "" || i > 0 && alone[0] == together[i-1] {
			return fmt.Errorf("the ids of text %d are decoded to %q alone and to %q beside others", i, alone[0], together[i])
		}
	}
	return nil
}

func (s tokenizerSuite) skipSpecial() error {
	plain, err := s.tokens(s.Texts...)
	if err != nil {
		return err
	}
	all, err := s.ask(models.TokenizeRequest{Texts: s.Texts, AddSpecial: true})
	if err != nil {
		return err
	}
	for i := range all {
		texts, err := s.texts(true, idsOf(plain[i]), idsOf(all[i]))
		if err != nil {
			return err
		}
		if texts[0] != texts[1] {
			return fmt.Errorf("text %d is decoded to %q with special tokens, and to %q without", i, texts[1], texts[0])
		}
		kept, err := s.texts(false, idsOf(all[i]))
		if err == nil && len(all[i]) > len(plain[i]) && kept[0] == texts[0] {
			err = fmt.Errorf("text %d is decoded to %q where special tokens are to be kept", i, kept)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s tokenizerSuite) foreignIDs() error {
	all, err := s.tokens(s.Texts[0])
	if err != nil {
		return err
	}
	_, err = s.texts(true, idsOf(all[0]), []uint32{all[0][0].ID, 1<<32 - 1})
	return wantError(err, models.KindInvalid, "ids[1][1]")
}

func (s tokenizerSuite) nothing() error {
	if _, err := s.tokens(); emptyOrInvalid(err) != nil {
		return err
	}
	_, err := s.texts(true)
	return emptyOrInvalid(err)
}

func (s tokenizerSuite) blank() error {
	if _, err := s.tokens("", s.Texts[0], "   "); err != nil {
		return err
	}
	_, err := s.texts(true, nil)
	return err
}

func (s tokenizerSuite) cancelled() error {
	return checkCancelled(func(ctx context.Context) error {
		_, err := s.model.Tokenize(ctx, models.TokenizeRequest{Texts: s.Texts})
		return err
	})
}

func (s tokenizerSuite) concurrent() error {
	want, err := s.tokens(s.Texts...)
	if err != nil {
		return err
	}
	return concurrently(len(s.Texts), func(caller, round int) error {
		at := (caller + round) % len(s.Texts)
		got, err := s.tokens(s.Texts[at])
		if err == nil && !slices.Equal(got[0], want[at]) {
			err = fmt.Errorf("text %d has tokens %v, not %v", at, got[0], want[at])
		}
		return err
	})
}
