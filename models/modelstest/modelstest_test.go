package modelstest

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

var good = Words{Dimensions: 16, MaxLength: 32, Prompts: map[string]string{"query": "query: "}}

func TestWordsKeepsTheContract(t *testing.T) {
	RunEmbedder(t, good, Options{})
	RunReranker(t, good, Options{})
}

func TestWordsTakesItsOwnIDs(t *testing.T) {
	RunEmbedder(t, good, Options{Texts: []string{"1 2 3", "4", "5 6", "7 8 9 10"}, IDs: []uint32{1, 2, 3}})
}

// brokenEmbedder alters each answer of a good model.
func brokenEmbedder(alter func(req models.EmbedRequest, res *models.EmbedResult, err *error)) *Embedder {
	return &Embedder{Model: Model{InfoFunc: good.Info}, EmbedFunc: func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
		res, err := good.Embed(ctx, req)
		alter(req, &res, &err)
		return res, err
	}}
}

func TestEmbedderSuiteFindsFaults(t *testing.T) {
	var mu sync.Mutex
	var shared [][]float32
	tests := map[string]struct {
		alter  func(req models.EmbedRequest, res *models.EmbedResult, err *error)
		caught []string
	}{
		"answers reversed": {func(_ models.EmbedRequest, res *models.EmbedResult, _ *error) { slices.Reverse(res.Vectors) },
			[]string{"one vector for each input, in order", "concurrent callers get their own"}},
		"an answer lost": {func(_ models.EmbedRequest, res *models.EmbedResult, _ *error) {
			res.Vectors = res.Vectors[:max(0, len(res.Vectors)-1)]
		}, []string{"one vector for each input, in order", "blank texts"}},
		"not a number": {func(_ models.EmbedRequest, res *models.EmbedResult, _ *error) {
			for i := range res.Vectors {
				res.Vectors[i][0] = float32(math.NaN())
			}
		}, []string{"vectors have unit norm and the model's dimensions"}},
		"norm left out": {func(req models.EmbedRequest, res *models.EmbedResult, _ *error) {
			if !req.Raw {
				for i := range res.Vectors {
					res.Vectors[i][0] *= 2
				}
			}
		}, []string{"vectors have unit norm and the model's dimensions", "raw leaves only the norm out"}},
		"dimensions ignored": {func(req models.EmbedRequest, res *models.EmbedResult, _ *error) {
			req.Dimensions = 0
			*res, _ = good.Embed(context.Background(), req)
		}, []string{"dimensions cut, then normalise"}},
		"padding counted": {func(req models.EmbedRequest, res *models.EmbedResult, _ *error) {
			res.Usage.PromptTokens = len(req.Inputs) * 20
			if len(req.Inputs) == 1 {
				res.Usage.PromptTokens = 3
			}
		}, []string{"usage counts each text as if alone"}},
		"errors swallowed": {func(req models.EmbedRequest, res *models.EmbedResult, err *error) {
			req.PromptName, req.Truncate = "", models.TruncateEnd
			*res, *err = good.Embed(context.Background(), req)
		}, []string{"unknown prompt", "long texts are refused on request", "cancelled context"}},
		"cuts not counted": {func(_ models.EmbedRequest, res *models.EmbedResult, _ *error) { res.Usage.Truncated = 0 },
			[]string{"long texts are cut and counted"}},
		"buffer used again": {func(_ models.EmbedRequest, res *models.EmbedResult, _ *error) {
			mu.Lock()
			defer mu.Unlock()
			for i, v := range res.Vectors {
				if i == len(shared) {
					shared = append(shared, make([]float32, good.Dimensions))
				}
				res.Vectors[i] = shared[i][:copy(shared[i], v)]
			}
		}, []string{"results are not written to later"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := brokenEmbedder(test.alter)
			s := embedderSuite{model: m, Options: Options{}.withDefaults(m.Info())}
			if name == "buffer used again" {
				require.Error(t, s.kept())
				return
			}
			require.Subset(t, failing(s.checks()), test.caught)
		})
	}
}

func TestRerankerSuiteFindsFaults(t *testing.T) {
	tests := map[string]struct {
		alter  func(req models.RerankRequest, res *models.RerankResult, err *error)
		caught []string
	}{
		"sorted": {func(_ models.RerankRequest, res *models.RerankResult, _ *error) { slices.Sort(res.Scores) },
			[]string{"one score for each document, in input order", "concurrent callers get their own"}},
		"cut to the best": {func(_ models.RerankRequest, res *models.RerankResult, _ *error) {
			res.Scores = res.Scores[:min(2, len(res.Scores))]
		},
			[]string{"one score for each document, in input order", "blank documents"}},
		"raw ignored": {func(req models.RerankRequest, res *models.RerankResult, _ *error) {
			req.Raw = false
			*res, _ = good.Rerank(context.Background(), req)
		}, []string{"raw scores"}},
		"another kind": {func(_ models.RerankRequest, res *models.RerankResult, _ *error) { res.Kind = models.ScoreLogit },
			[]string{"scores are of the kind that is said"}},
		"limit ignored": {func(req models.RerankRequest, res *models.RerankResult, _ *error) {
			req.MaxTokensPerDoc = 0
			*res, _ = good.Rerank(context.Background(), req)
		}, []string{"max tokens per document"}},
		"errors swallowed": {func(req models.RerankRequest, res *models.RerankResult, err *error) {
			req.Truncate = models.TruncateEnd
			*res, *err = good.Rerank(context.Background(), req)
		}, []string{"long documents are refused on request", "a long query is refused on request", "cancelled context"}},
		"cuts not counted": {func(_ models.RerankRequest, res *models.RerankResult, _ *error) { res.Usage.Truncated = 0 },
			[]string{"long documents are cut and counted"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := &Reranker{Model: Model{InfoFunc: good.Info}, RerankFunc: func(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
				res, err := good.Rerank(ctx, req)
				test.alter(req, &res, &err)
				return res, err
			}}
			s := rerankerSuite{model: m, Options: Options{}.withDefaults(m.Info())}
			require.Subset(t, failing(s.checks()), test.caught)
		})
	}
}

func failing(checks []check) []string {
	var names []string
	for _, c := range checks {
		if c.run() != nil {
			names = append(names, c.name)
		}
	}
	return names
}

func TestFakes(t *testing.T) {
	both := &EmbedReranker{EmbedFunc: good.Embed, RerankFunc: good.Rerank}
	require.Equal(t, models.StateReady, both.Status().State)
	require.Equal(t, models.Info{}, both.Info())
	both.StatusFunc = func() models.Status { return models.Status{State: models.StateFailed} }
	require.Equal(t, models.StateFailed, both.Status().State)
	res, err := both.Rerank(t.Context(), models.RerankRequest{Query: "cat", Documents: []string{"a cat", "rain"}})
	require.NoError(t, err)
	require.Greater(t, res.Scores[0], res.Scores[1])
	vectors, err := both.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "cat"}}})
	require.NoError(t, err)
	require.Len(t, vectors.Vectors, 1)
}
