//go:build cgo

package inference_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/inference/ort"
	"github.com/quadrate-maas/quadrate/internal/golden"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// needOpenVINO skips the test where OpenVINO offers no device.
func needOpenVINO(t *testing.T) {
	t.Helper()
	runtime, err := ort.Open(ort.Options{Library: golden.Library(), OpenVINO: golden.OpenVINO(t)})
	require.NoError(t, err)
	defer func() { require.NoError(t, runtime.Close()) }()
	if err := runtime.OpenVINO(); err != nil {
		require.ErrorContains(t, err, "on Intel processors only")
		t.Skip(err)
	}
}

func on(provider, variant string) func(*models.Spec) {
	return func(s *models.Spec) { s.Runtime.Provider, s.Variant = provider, variant }
}

func TestOpenVINOAnswersAsTheReference(t *testing.T) {
	needOpenVINO(t)
	items := golden.Read(t, "minilm").Items
	for variant, bounds := range map[string]struct{ cosine, company float64 }{
		"fp32": {1 - 1e-9, 1e-6}, "fp16": {0.9999, 1e-3}, "bf16": {0.999, 4e-3},
	} {
		t.Run(variant, func(t *testing.T) {
			model := openReal(t, "models/all-MiniLM-L6-v2", on("openvino", variant)).(*inference.Embedding)
			require.Equal(t, "openvino", model.Info().Provider)
			require.Equal(t, variant, model.Info().Variant)
			require.Equal(t, 1.0, model.Info().Placed)
			req := models.EmbedRequest{}
			for _, item := range items {
				req.Inputs = append(req.Inputs, models.Input{Text: item.Text})
			}
			together, err := model.Embed(t.Context(), req)
			require.NoError(t, err)
			least, company := 1.0, 0.0
			for i, item := range items {
				alone, err := model.Embed(t.Context(), models.EmbedRequest{Inputs: req.Inputs[i : i+1]})
				require.NoError(t, err)
				least = min(least, dot(together.Vectors[i], item.Vector))
				company = max(company, golden.Difference(together.Vectors[i], alone.Vectors[0]))
			}
			t.Logf("%d texts: least cosine %.7f, alone against in company %.2g", len(items), least, company)
			require.GreaterOrEqual(t, least, bounds.cosine-1e-6)
			require.LessOrEqual(t, company, bounds.company)
			for _, set := range golden.Read(t, "minilm_rerank").Sets {
				result, err := model.Rerank(t.Context(), models.RerankRequest{Query: set.Query, Documents: set.Documents})
				require.NoError(t, err)
				require.Equal(t, set.Order[:3], order(result.Scores)[:3], set.Name)
			}
		})
	}
}

// dot is the cosine of two vectors of norm 1.
func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestOpenVINOKeepsTheContract(t *testing.T) {
	needOpenVINO(t)
	embedder := openReal(t, "models/all-MiniLM-L6-v2", on("openvino", "fp32")).(*inference.Embedding)
	modelstest.RunEmbedder(t, embedder, modelstest.Options{})
	require.NoError(t, embedder.Close())
	reranker := openReal(t, "testmodels/xlmr-rerank", on("openvino", "auto")).(*inference.CrossEncoder)
	t.Logf("the reranker runs in %s", reranker.Info().Variant)
	g := golden.Read(t, "xlmr-rerank")
	for _, item := range g.Items {
		require.InDelta(t, item.Logits[0], logits(t, reranker, item.Text, []string{item.Pair})[0], 0.16, item.Name)
	}
	require.NoError(t, reranker.Close())
}

func TestAutoTakesOpenVINO(t *testing.T) {
	needOpenVINO(t)
	model := openReal(t, "models/all-MiniLM-L6-v2", on("auto", "auto"))
	require.Equal(t, "openvino", model.Info().Provider)
	t.Logf("auto takes %s", model.Info().Variant)
	require.NoError(t, model.Close())
}
