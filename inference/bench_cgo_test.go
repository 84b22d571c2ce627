//go:build cgo

package inference_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/workload"
	"github.com/quadrate-maas/quadrate/models"
)

// BenchmarkEmbed is one request from text to normalised vectors, without HTTP.
func BenchmarkEmbed(b *testing.B) {
	model := openReal(b, "models/all-MiniLM-L6-v2", nil).(*inference.Embedding)
	for _, name := range []string{"W4", "W3", "W2"} {
		w, err := workload.For(name, workload.Shape{Max: model.Info().MaxLength})
		require.NoError(b, err)
		b.Run(fmt.Sprintf("workload=%s", name), func(b *testing.B) {
			b.ReportAllocs()
			tokens, request := 0, uint64(0)
			for b.Loop() {
				t := w.Texts(1, request)
				request++
				inputs := make([]models.Input, len(t.Items))
				for i, text := range t.Items {
					inputs[i].Text = text
				}
				got, err := model.Embed(b.Context(), models.EmbedRequest{Inputs: inputs, Caller: models.Caller{Cache: models.CacheControl{NoCache: true}}})
				require.NoError(b, err)
				tokens += got.Usage.PromptTokens
			}
			b.ReportMetric(float64(tokens)/b.Elapsed().Seconds(), "tok/s")
		})
	}
}

// BenchmarkRerank is one request of 20 documents of 128 tokens.
func BenchmarkRerank(b *testing.B) {
	model := openReal(b, "testmodels/xlmr-rerank", nil).(*inference.CrossEncoder)
	w, err := workload.For("W1", workload.Shape{Documents: 20, Tokens: 128, Max: model.Info().MaxLength})
	require.NoError(b, err)
	t := w.Texts(1, 0)
	b.ReportAllocs()
	for b.Loop() {
		_, err := model.Rerank(b.Context(), models.RerankRequest{Query: t.Query, Documents: t.Items, Caller: models.Caller{Cache: models.CacheControl{NoCache: true}}})
		require.NoError(b, err)
	}
}
