//go:build cgo

package inference_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// The mean of the token states that the exporter's second graph gives is the vector of the
// first, and of sentence-transformers.
func TestTokenStatesOfAnExportedModel(t *testing.T) {
	model, ok := openReal(t, "testmodels/bert-mean", nil).(*inference.TokenEmbedding)
	require.True(t, ok, "the model was exported without its tokens: run `make test-setup`")
	var worst float64
	for _, item := range golden.Read(t, "bert-mean").Items {
		result, err := model.EmbedTokens(t.Context(), models.TokensRequest{Inputs: []models.Input{{Text: item.Text}}, PromptName: item.Prompt})
		require.NoError(t, err)
		require.Len(t, result.States[0], len(item.IDs), item.Name)
		worst = max(worst, golden.Difference(unitMean(result.States[0]), item.Vector))
	}
	require.LessOrEqual(t, worst, vectorTolerance)
	t.Logf("largest difference %.2g", worst)
	modelstest.RunTokenEmbedder(t, model, modelstest.Options{})
}

// unitMean is the mean of states, of norm 1.
func unitMean(states [][]float32) []float32 {
	sum := make([]float64, len(states[0]))
	var squares float64
	for k := range sum {
		for _, state := range states {
			sum[k] += float64(state[k])
		}
		squares += sum[k] * sum[k]
	}
	mean := make([]float32, len(sum))
	for k, x := range sum {
		mean[k] = float32(x / math.Sqrt(squares))
	}
	return mean
}
