//go:build cgo

package inference_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/golden"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// tracedTolerance is of models that were traced by PyTorch: of a number of a normalised
// vector, and of a logit.
const tracedTolerance = 1e-4

func TestTracedEmbeddersEqualSentenceTransformers(t *testing.T) {
	for _, name := range []string{"modernbert-embed", "qwen3-embed"} {
		t.Run(name, func(t *testing.T) {
			model := openFolder(t, golden.Exported(name), nil).(*inference.Embedding)
			g := golden.Read(t, name)
			require.GreaterOrEqual(t, len(g.Items), 10)
			prompts := map[string]int{}
			var toReference, toCompany float64
			for _, item := range g.Items {
				prompts[item.Prompt]++
			}
			for prompt := range prompts {
				items := slices.DeleteFunc(slices.Clone(g.Items), func(item golden.Item) bool { return item.Prompt != prompt })
				reference, company := compareVectors(t, model, models.EmbedRequest{PromptName: prompt}, items)
				toReference, toCompany = max(toReference, reference), max(toCompany, company)
			}
			t.Logf("%s: %d texts, largest difference to sentence-transformers %.2g, alone against in company %.2g", name, len(g.Items), toReference, toCompany)
		})
	}
}

// The reference is the model card's recipe: joint text, padding on the left, and both logits.
func TestGenerativeRerankerEqualsTransformers(t *testing.T) {
	model := openFolder(t, golden.Exported("qwen3-rerank"), nil).(*inference.CrossEncoder)
	g := golden.Read(t, "qwen3-rerank")
	require.GreaterOrEqual(t, len(g.Items), 20)
	byQuery := map[string][]golden.Item{}
	var toReference float64
	for _, item := range g.Items {
		byQuery[item.Text] = append(byQuery[item.Text], item)
	}
	for query, items := range byQuery {
		var documents []string
		var want []float32
		for _, item := range items {
			documents, want = append(documents, item.Pair), append(want, float32(item.Logits[0]))
		}
		result, err := model.Rerank(t.Context(), models.RerankRequest{Query: query, Documents: documents})
		require.NoError(t, err)
		raw := logits(t, model, query, documents)
		require.Equal(t, order(want), order(raw))
		for i, item := range items {
			require.InDelta(t, item.Logits[0], raw[i], tracedTolerance, item.Name)
			require.InDelta(t, item.Batched[0], raw[i], tracedTolerance, item.Name)
			// Of the two answers' probabilities, that of yes.
			require.InDelta(t, 1/(1+math.Exp(-item.Logits[0])), result.Scores[i], tracedTolerance, item.Name)
			require.InDelta(t, raw[i], logits(t, model, query, documents[i:i+1])[0], companyTolerance, item.Name)
			toReference = max(toReference, math.Abs(item.Logits[0]-float64(raw[i])))
		}
		require.Equal(t, promptTokens(items), result.Usage.PromptTokens)
	}
	t.Logf("%d pairs, largest difference to transformers %.2g", len(g.Items), toReference)
}

func promptTokens(items []golden.Item) (n int) {
	for _, item := range items {
		n += len(item.IDs)
	}
	return n
}

func TestTracedModelsKeepTheContract(t *testing.T) {
	modelstest.RunEmbedder(t, openFolder(t, golden.Exported("qwen3-embed"), nil).(*inference.Embedding), modelstest.Options{})
	modelstest.RunReranker(t, openFolder(t, golden.Exported("qwen3-rerank"), nil).(*inference.CrossEncoder), modelstest.Options{})
}

// Documents that fill the row leave the prompt whole, so that the score still is one of yes and no.
func TestGenerativeRerankerCutsTheDocumentOnly(t *testing.T) {
	model := openFolder(t, golden.Exported("qwen3-rerank"), nil).(*inference.CrossEncoder)
	long := golden.Read(t, "qwen3-rerank").Items[0].Pair
	for len(long) < 10_000 {
		long += " " + long
	}
	result, err := model.Rerank(t.Context(), models.RerankRequest{Query: "a query", Documents: []string{long, long + " and more"}})
	require.NoError(t, err)
	require.Equal(t, result.Scores[0], result.Scores[1])
	require.Equal(t, 2*model.Info().MaxLength, result.Usage.PromptTokens)
	_, err = model.Rerank(t.Context(), models.RerankRequest{Query: "a query", Documents: []string{long}, Truncate: models.TruncateNone})
	require.ErrorContains(t, err, "the limit is 640")
}
