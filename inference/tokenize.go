package inference

import (
	"context"
	"errors"
	"fmt"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

var (
	_ models.Tokenizer = (*Embedding)(nil)
	_ models.Tokenizer = (*CrossEncoder)(nil)
	_ models.Tokenizer = (*Classifier)(nil)
)

const opTokenize, opDecode = "tokenize", "decode"

// What one request may have tokenised or decoded. Nothing is cut here, and while a text is
// tokenised it takes about 100 times its bytes.
const (
	maxTokenizedBytes = 1 << 20
	maxDecodedIDs     = 1 << 20
)

// Tokenize implements models.Tokenizer. Places are counted from the prompt's beginning, where
// there is one, and a token's text is the part of the text that it stands for.
func (e *engine) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	prompt, err := e.prompt(req.PromptName, "", opTokenize)
	if err != nil {
		return models.TokenizeResult{}, err
	}
	bytes := 0
	for _, text := range req.Texts {
		bytes += len(prompt) + len(text)
	}
	if bytes > maxTokenizedBytes {
		return models.TokenizeResult{}, models.Errorf(models.KindTooLarge, "inputs have %d bytes, and one request may have %d tokenised", bytes, maxTokenizedBytes).At("inputs").In(e.name, opTokenize)
	}
	lists, err := e.tokenizer.Tokens(ctx, req.Texts, prompt, req.AddSpecial)
	if err != nil {
		return models.TokenizeResult{}, e.failure(err, opTokenize)
	}
	result := models.TokenizeResult{Tokens: make([][]models.Token, len(lists))}
	for i, list := range lists {
		result.Tokens[i] = make([]models.Token, len(list))
		for j, token := range list {
			result.Tokens[i][j] = models.Token{ID: token.ID, Text: token.Text, Special: token.Special, Start: token.Start, Stop: token.Stop}
		}
	}
	return result, nil
}

// Decode implements models.Tokenizer.
func (e *engine) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	ids := 0
	for _, list := range req.IDs {
		ids += len(list)
	}
	if ids > maxDecodedIDs {
		return nil, models.Errorf(models.KindTooLarge, "there are %d ids, and one request may have %d decoded", ids, maxDecodedIDs).At("ids").In(e.name, opDecode)
	}
	texts, err := e.tokenizer.Decode(ctx, req.IDs, req.SkipSpecial)
	if err != nil {
		return nil, e.decodeFailure(err)
	}
	return texts, nil
}

func (e *engine) decodeFailure(err error) error {
	var id *tokenizer.IDError
	var none *tokenizer.DecodeError
	switch {
	case errors.As(err, &id):
		at := fmt.Sprintf("ids[%d][%d]", id.Index, id.Position)
		return models.Errorf(models.KindInvalid, "%s is token id %d, and the vocabulary of model %q has %d", at, id.ID, e.name, id.VocabSize).
			At(at).In(e.name, opDecode).Because(err)
	case errors.As(err, &none) && !errors.Is(err, tokenizer.ErrClosed):
		at := fmt.Sprintf("ids[%d]", none.Index)
		return models.Errorf(models.KindInvalid, "%s cannot be written as text: it holds the character NUL", at).At(at).In(e.name, opDecode).Because(err)
	default:
		return e.failure(err, opDecode)
	}
}
