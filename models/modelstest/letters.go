package modelstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

var (
	_ ClassifyModel = ClassWords{}
	_ TokenizeModel = Letters{}
)

// ClassWords is Words as a classifier: the logit of a label is twice the number of its place in
// the text's direction, which has as many dimensions as there are labels. A pair is the words of
// both with "[sep]" between them.
type ClassWords struct {
	Labels     []string
	MultiLabel bool
	// MaxLength is in words and two special tokens.
	MaxLength int
}

// Info describes the model.
func (c ClassWords) Info() models.Info {
	info := Words{MaxLength: c.MaxLength}.Info()
	info.ScoreKind, info.Labels, info.MultiLabel = "", c.Labels, c.MultiLabel
	return info
}

// Status is always ready.
func (c ClassWords) Status() models.Status { return models.Status{State: models.StateReady} }

// Classify scores.
func (c ClassWords) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	w := Words{Dimensions: len(c.Labels), MaxLength: c.MaxLength}
	result := models.ClassifyResult{Labels: c.Labels}
	for i, in := range req.Inputs {
		words := strings.Fields(in.Text)
		if in.Pair != nil {
			words = slices.Concat(words, []string{"[sep]"}, strings.Fields(*in.Pair))
		}
		words, err := w.cut(words, w.MaxLength-specialTokens, req.Truncate, fmt.Sprintf("inputs[%d]", i), &result.Usage)
		if err != nil {
			return models.ClassifyResult{}, err
		}
		result.Usage.PromptTokens += len(words) + specialTokens
		row := w.vector(words, 0, true)
		for j := range row {
			row[j] *= 2
		}
		if !req.Raw {
			row = probabilities(row, c.MultiLabel)
		}
		result.Scores = append(result.Scores, row)
	}
	return result, contextError(ctx)
}

// Letters is a tokenizer: a token is a character, and its id the character's number plus two.
// The ids 0 and 1 are "[begin]" and "[end]", which stand around a text.
type Letters struct {
	MaxLength int
	// Prompts are put before a text, by their names; offsets count from the prompt's beginning.
	Prompts map[string]string
}

// Info describes the model.
func (l Letters) Info() models.Info {
	info := Words{MaxLength: l.MaxLength}.Info()
	info.Prompts = slices.Sorted(maps.Keys(l.Prompts))
	return info
}

// Status is always ready.
func (l Letters) Status() models.Status { return models.Status{State: models.StateReady} }

// Tokenize takes texts apart.
func (l Letters) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	var result models.TokenizeResult
	prompt, known := l.Prompts[req.PromptName]
	if req.PromptName != "" && !known {
		return result, models.Errorf(models.KindInvalid, "no prompt is called %q", req.PromptName).At("prompt_name")
	}
	for _, text := range req.Texts {
		var tokens []models.Token
		for at, c := range prompt + text {
			tokens = append(tokens, models.Token{ID: uint32(c) + 2, Text: string(c), Start: at, Stop: at + utf8.RuneLen(c)})
		}
		if req.AddSpecial {
			tokens = slices.Concat([]models.Token{{ID: 0, Text: "[begin]", Special: true}}, tokens, []models.Token{{ID: 1, Text: "[end]", Special: true}})
		}
		result.Tokens = append(result.Tokens, tokens)
	}
	return result, contextError(ctx)
}

// Decode puts texts together.
func (l Letters) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	texts := make([]string, len(req.IDs))
	for i, ids := range req.IDs {
		for j, id := range ids {
			switch c := rune(id - 2); {
			case id < 2 && !req.SkipSpecial:
				texts[i] += [...]string{"[begin]", "[end]"}[id]
			case id < 2:
			case id > utf8.MaxRune || !utf8.ValidRune(c):
				return nil, models.Errorf(models.KindInvalid, "token id %d is no character's", id).At(fmt.Sprintf("ids[%d][%d]", i, j))
			default:
				texts[i] += string(c)
			}
		}
	}
	return texts, contextError(ctx)
}
