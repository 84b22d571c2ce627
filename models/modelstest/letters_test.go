package modelstest

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

var (
	goodClasses = ClassWords{Labels: []string{"calm", "glad", "sad"}, MaxLength: 32}
	goodLetters = Letters{MaxLength: 80, Prompts: map[string]string{"query": "query: "}}
)

func TestClassWordsKeepsTheContract(t *testing.T) {
	RunClassifier(t, goodClasses, Options{})
	RunClassifier(t, ClassWords{Labels: []string{"a", "b"}, MultiLabel: true, MaxLength: 32}, Options{})
}

func TestLettersKeepsTheContract(t *testing.T) {
	RunTokenizer(t, goodLetters, Options{})
	RunTokenizer(t, goodLetters, Options{Texts: []string{"aé", "b", "c", "d"}, IDs: []uint32{'a' + 2, 'é' + 2}})
}

func TestClassifierSuiteFindsFaults(t *testing.T) {
	for name, test := range map[string]struct {
		alter  func(req models.ClassifyRequest, res *models.ClassifyResult, err *error)
		caught []string
	}{
		"rows reversed": {func(_ models.ClassifyRequest, res *models.ClassifyResult, _ *error) { slices.Reverse(res.Scores) },
			[]string{"a row for each input, in order", "concurrent callers get their own"}},
		"a row lost": {func(_ models.ClassifyRequest, res *models.ClassifyResult, _ *error) {
			res.Scores = res.Scores[:max(0, len(res.Scores)-1)]
		}, []string{"a row for each input, in order", "blank texts"}},
		"not a number": {func(_ models.ClassifyRequest, res *models.ClassifyResult, _ *error) {
			for _, row := range res.Scores {
				row[0] = float32(math.NaN())
			}
		}, []string{"probabilities"}},
		"other labels": {func(_ models.ClassifyRequest, res *models.ClassifyResult, _ *error) {
			res.Labels = []string{"x", "y", "z"}
		},
			[]string{"a row for each input, in order"}},
		"logits always": {func(req models.ClassifyRequest, res *models.ClassifyResult, _ *error) {
			req.Raw = true
			*res, _ = goodClasses.Classify(context.Background(), req)
		}, []string{"probabilities", "raw scores"}},
		"pairs not read": {func(req models.ClassifyRequest, res *models.ClassifyResult, _ *error) {
			req.Inputs = slices.Clone(req.Inputs)
			for i := range req.Inputs {
				req.Inputs[i].Pair = nil
			}
			*res, _ = goodClasses.Classify(context.Background(), req)
		}, []string{"pairs"}},
		"errors swallowed": {func(req models.ClassifyRequest, res *models.ClassifyResult, err *error) {
			req.Truncate = models.TruncateEnd
			*res, *err = goodClasses.Classify(context.Background(), req)
		}, []string{"long texts are refused on request", "cancelled context"}},
		"cuts not counted": {func(_ models.ClassifyRequest, res *models.ClassifyResult, _ *error) { res.Usage.Truncated = 0 },
			[]string{"long texts are cut and counted"}},
		"padding counted": {func(_ models.ClassifyRequest, res *models.ClassifyResult, _ *error) {
			res.Usage.PromptTokens = 20 * len(res.Scores) * len(res.Scores)
		}, []string{"usage counts each text as if alone"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Classifier{Model: Model{InfoFunc: goodClasses.Info}, ClassifyFunc: func(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
				res, err := goodClasses.Classify(ctx, req)
				test.alter(req, &res, &err)
				return res, err
			}}
			s := classifierSuite{model: m, Options: Options{}.withDefaults(m.Info())}
			require.Subset(t, failing(s.checks()), test.caught)
		})
	}
}

func TestTokenizerSuiteFindsFaults(t *testing.T) {
	for name, test := range map[string]struct {
		tokens func(req models.TokenizeRequest, res *models.TokenizeResult, err *error)
		texts  func(req models.DecodeRequest, texts *[]string, err *error)
		caught []string
	}{
		"texts reversed": {tokens: func(_ models.TokenizeRequest, res *models.TokenizeResult, _ *error) { slices.Reverse(res.Tokens) },
			caught: []string{"tokens of each text, in order", "tokens lie in their text"}},
		"characters for bytes": {tokens: func(_ models.TokenizeRequest, res *models.TokenizeResult, _ *error) {
			for _, tokens := range res.Tokens {
				for i := range tokens {
					tokens[i].Start, tokens[i].Stop = 2*tokens[i].Start, 2*tokens[i].Stop
				}
			}
		}, caught: []string{"tokens lie in their text"}},
		"special tokens always": {tokens: func(req models.TokenizeRequest, res *models.TokenizeResult, _ *error) {
			req.AddSpecial = true
			*res, _ = goodLetters.Tokenize(context.Background(), req)
		}, caught: []string{"tokens of each text, in order"}},
		"cut": {tokens: func(_ models.TokenizeRequest, res *models.TokenizeResult, _ *error) {
			for i, tokens := range res.Tokens {
				res.Tokens[i] = tokens[:min(len(tokens), 4)]
			}
		}, caught: []string{"long texts are not cut", "special tokens are added on request"}},
		"errors swallowed": {tokens: func(req models.TokenizeRequest, res *models.TokenizeResult, err *error) {
			req.PromptName = ""
			*res, *err = goodLetters.Tokenize(context.Background(), req)
		}, texts: func(_ models.DecodeRequest, _ *[]string, err *error) { *err = nil },
			caught: []string{"unknown prompt", "cancelled context", "ids outside the vocabulary"}},
		"special tokens written": {texts: func(req models.DecodeRequest, texts *[]string, _ *error) {
			req.SkipSpecial = false
			*texts, _ = goodLetters.Decode(context.Background(), req)
		}, caught: []string{"special tokens are left out of a text on request"}},
		"decoded reversed": {texts: func(_ models.DecodeRequest, texts *[]string, _ *error) { slices.Reverse(*texts) },
			caught: []string{"ids are decoded in order"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Tokenizer{Model: Model{InfoFunc: goodLetters.Info}, TokenizeFunc: func(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
				res, err := goodLetters.Tokenize(ctx, req)
				if test.tokens != nil {
					test.tokens(req, &res, &err)
				}
				return res, err
			}, DecodeFunc: func(ctx context.Context, req models.DecodeRequest) ([]string, error) {
				texts, err := goodLetters.Decode(ctx, req)
				if test.texts != nil {
					test.texts(req, &texts, &err)
				}
				return texts, err
			}}
			s := tokenizerSuite{model: m, Options: Options{}.withDefaults(m.Info())}
			require.Subset(t, failing(s.checks()), test.caught)
		})
	}
}
