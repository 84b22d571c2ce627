package modelstest

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func TestTokenWordsKeepsTheContract(t *testing.T) {
	RunTokenEmbedder(t, TokenWords{good}, Options{})
	RunEmbedder(t, TokenWords{good}, Options{})
}

func TestTokenSuiteFindsFaults(t *testing.T) {
	model := TokenWords{good}
	for name, test := range map[string]struct {
		alter  func(req models.TokensRequest, res *models.TokensResult, err *error)
		caught []string
	}{
		"answers reversed": {func(_ models.TokensRequest, res *models.TokensResult, _ *error) { slices.Reverse(res.States) },
			[]string{"states for each input, in order"}},
		"a token lost": {func(_ models.TokensRequest, res *models.TokensResult, _ *error) {
			for i, states := range res.States {
				res.States[i] = states[1:]
			}
		}, []string{"one state for each token", "blank texts"}},
		"not a number": {func(_ models.TokensRequest, res *models.TokensResult, _ *error) {
			for i := range res.States {
				res.States[i][0][0] = float32(math.NaN())
			}
		}, []string{"states for each input, in order"}},
		"errors swallowed": {func(req models.TokensRequest, res *models.TokensResult, err *error) {
			req.PromptName, req.Truncate, req.MaxBytes = "", models.TruncateEnd, 0
			*res, *err = model.EmbedTokens(context.Background(), req)
		}, []string{"unknown prompt", "long texts are refused on request", "too many states are refused", "cancelled context"}},
		"cuts not counted": {func(_ models.TokensRequest, res *models.TokensResult, _ *error) { res.Usage.Truncated = 0 },
			[]string{"long texts are cut and counted"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &TokenEmbedder{Embedder: Embedder{Model: Model{InfoFunc: good.Info}}, EmbedTokensFunc: func(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
				res, err := model.EmbedTokens(ctx, req)
				test.alter(req, &res, &err)
				return res, err
			}}
			s := tokenSuite{model: m, Options: Options{}.withDefaults(m.Info())}
			require.Subset(t, failing(s.checks()), test.caught)
		})
	}
}
