package modelstest

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Words is a small model that keeps the whole contract, in plain arithmetic: a token is
// a word, two special tokens stand around each text, an embedding is the sum of its words'
// hashed directions, and a score is the sigmoid of four times the cosine less two.
type Words struct {
	Dimensions int
	MaxLength  int
	// Prompts are put before a text, by their names.
	Prompts map[string]string
}

var (
	_ EmbedModel  = Words{}
	_ RerankModel = Words{}
	_ TokenModel  = TokenWords{}
)

const specialTokens = 2

// Info describes the model.
func (w Words) Info() models.Info {
	info := models.Info{
		Dimensions: w.Dimensions,
		MaxLength:  w.MaxLength,
		ScoreKind:  models.ScoreSigmoid,
		Variant:    "fp32",
		Backend:    "words",
		Provider:   "cpu",
		Created:    time.Unix(1700000000, 0),
	}
	info.Prompts = slices.Sorted(maps.Keys(w.Prompts))
	return info
}

// Status is always ready.
func (w Words) Status() models.Status { return models.Status{State: models.StateReady} }

// Embed embeds; ids are taken as the words that are their decimal numbers, below 1,000.
func (w Words) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	var result models.EmbedResult
	prompt, known := w.Prompts[req.PromptName]
	if req.PromptName != "" && !known {
		return result, models.Errorf(models.KindInvalid, "no prompt is called %q", req.PromptName).At("prompt_name")
	}
	for i, in := range req.Inputs {
		param := fmt.Sprintf("input[%d]", i)
		words, err := wordsOf(in, prompt, param)
		if err != nil {
			return models.EmbedResult{}, err
		}
		if words, err = w.cut(words, w.MaxLength-specialTokens, req.Truncate, param, &result.Usage); err != nil {
			return models.EmbedResult{}, err
		}
		result.Usage.PromptTokens += len(words) + specialTokens
		result.Vectors = append(result.Vectors, w.vector(words, req.Dimensions, req.Raw))
	}
	return result, contextError(ctx)
}

// TokenWords is Words that gives the states of its tokens too: one for each word and one for
// each special token, of twice its Dimensions.
type TokenWords struct{ Words }

// EmbedTokens gives states.
func (w TokenWords) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	var result models.TokensResult
	prompt, known := w.Prompts[req.PromptName]
	if req.PromptName != "" && !known {
		return result, models.Errorf(models.KindInvalid, "no prompt is called %q", req.PromptName).At("prompt_name")
	}
	wide := Words{Dimensions: 2 * w.Dimensions}
	for i, in := range req.Inputs {
		param := fmt.Sprintf("input[%d]", i)
		words, err := wordsOf(in, prompt, param)
		if err == nil {
			words, err = w.cut(words, w.MaxLength-specialTokens, req.Truncate, param, &result.Usage)
		}
		if err != nil {
			return models.TokensResult{}, err
		}
		tokens := slices.Concat([]string{"[begin]"}, words, []string{"[end]"})
		result.Usage.PromptTokens += len(tokens)
		states := make([][]float32, len(tokens))
		for at := range tokens {
			states[at] = wide.vector(tokens[at:], 0, true)
		}
		result.States = append(result.States, states)
	}
	if bytes := int64(4*wide.Dimensions) * int64(result.Usage.PromptTokens); req.MaxBytes > 0 && bytes > req.MaxBytes {
		return models.TokensResult{}, models.Errorf(models.KindTooLarge, "%d bytes of states, and one request may have %d", bytes, req.MaxBytes).At("input")
	}
	return result, contextError(ctx)
}

// Rerank scores.
func (w Words) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	result := models.RerankResult{Kind: models.ScoreSigmoid}
	if req.Raw {
		result.Kind = models.ScoreLogit
	}
	query := strings.Fields(req.Query)
	if room := w.MaxLength - 2*specialTokens; len(query) > room {
		if req.Truncate == models.TruncateNone {
			return models.RerankResult{}, models.Errorf(models.KindTooLong, "the query has %d words", len(query)).At("query")
		}
		query = query[:room]
	}
	for i, document := range req.Documents {
		words := strings.Fields(document)
		cut := 0
		if limit := req.MaxTokensPerDoc; limit > 0 && len(words) > limit {
			words, cut = words[:limit], 1
		}
		var usage models.Usage
		words, err := w.cut(words, w.MaxLength-specialTokens-len(query), req.Truncate, fmt.Sprintf("documents[%d]", i), &usage)
		if err != nil {
			return models.RerankResult{}, err
		}
		result.Usage.Truncated += max(cut, usage.Truncated)
		result.Usage.PromptTokens += len(query) + len(words) + specialTokens
		result.Scores = append(result.Scores, w.score(query, words, req.Raw))
	}
	return result, contextError(ctx)
}

func wordsOf(in models.Input, prompt, param string) ([]string, error) {
	words := strings.Fields(prompt + in.Text)
	for _, id := range in.IDs {
		if id >= 1000 {
			return nil, models.Errorf(models.KindInvalid, "token id %d is not below 1000", id).At(param)
		}
		words = append(words, strconv.Itoa(int(id)))
	}
	return words, nil
}

func (w Words) cut(words []string, room int, how models.Truncate, param string, usage *models.Usage) ([]string, error) {
	room = max(room, 0)
	if len(words) <= room {
		return words, nil
	}
	switch how {
	case models.TruncateNone:
		return nil, models.Errorf(models.KindTooLong, "%s has %d words; the model takes %d", param, len(words), room).At(param)
	case models.TruncateStart:
		words = words[len(words)-room:]
	default:
		words = words[:room]
	}
	usage.Truncated++
	return words, nil
}

func (w Words) vector(words []string, dimensions int, raw bool) []float32 {
	sum := make([]float64, w.Dimensions)
	for at, word := range append([]string{"[begin]"}, words...) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(word))
		seed := h.Sum64()
		for i := range sum {
			seed = seed*6364136223846793005 + 1442695040888963407
			sum[i] += (float64(seed>>11)/(1<<53) - 0.5) / float64(at+1)
		}
	}
	if dimensions > 0 {
		sum = sum[:dimensions]
	}
	scale := 1.0
	if !raw {
		scale = 1 / norm(sum)
	}
	vector := make([]float32, len(sum))
	for i, x := range sum {
		vector[i] = float32(x * scale)
	}
	return vector
}

func (w Words) score(query, document []string, raw bool) float32 {
	logit := 4*dot(w.vector(query, 0, false), w.vector(document, 0, false)) - 2
	if raw {
		return float32(logit)
	}
	return float32(sigmoid(logit))
}

func contextError(ctx context.Context) error {
	switch ctx.Err() {
	case nil:
		return nil
	case context.DeadlineExceeded:
		return models.Errorf(models.KindDeadline, "the deadline has passed").Because(ctx.Err())
	default:
		return models.Errorf(models.KindCanceled, "the request was cancelled").Because(ctx.Err())
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func norm[T float32 | float64](v []T) float64 { return math.Sqrt(dot(v, v)) }

func dot[T float32 | float64](a, b []T) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
