//go:build cgo

package inference_test

import (
	"cmp"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/inference/ort"
	"github.com/quadrate-maas/quadrate/internal/golden"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/tokenizer"
	"github.com/quadrate-maas/quadrate/tokenizer/hf"
)

// Tolerances of fp32 against the reference libraries: of a number of a normalised vector, of
// a logit, and of any number between a text alone and the same text in company.
const (
	vectorTolerance  = 1e-5
	logitTolerance   = 1e-4
	companyTolerance = 1e-5
)

// openReal opens a model below var/, changed as change says.
func openReal(t testing.TB, dir string, change func(*models.Spec)) inference.Model {
	t.Helper()
	return openFolder(t, golden.Model(t, dir), change)
}

// openFolder opens the model in a folder, changed as change says.
func openFolder(t testing.TB, path string, change func(*models.Spec)) inference.Model {
	t.Helper()
	runtime, err := ort.Open(ort.Options{Library: golden.Library(), OpenVINO: os.Getenv("QUADRATE_OPENVINO_LIBRARY")})
	require.NoError(t, err)
	spec := models.Spec{Name: filepath.Base(path), Path: path, Runtime: models.RuntimeSpec{Provider: "cpu"}}
	if change != nil {
		change(&spec)
	}
	model, err := inference.Open(t.Context(), spec, inference.Deps{
		NewSession:     runtime.NewSession,
		NewEncoder:     func(data []byte) (tokenizer.Encoder, error) { return hf.New(data) },
		Gate:           tokenizer.NewGate(0),
		RequestTimeout: 5 * time.Minute,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, model.Close())
		require.NoError(t, runtime.Close())
	})
	return model
}

func TestEmbeddingsEqualSentenceTransformers(t *testing.T) {
	for _, c := range []struct {
		dir, file string
		raw       bool // the source does not normalise
		atLeast   int
	}{
		{"models/all-MiniLM-L6-v2", "minilm", false, 60},
		{"testmodels/bert-mean", "bert-mean", false, 10},
		{"testmodels/bert-cls", "bert-cls", true, 10},
	} {
		t.Run(c.file, func(t *testing.T) {
			model := openReal(t, c.dir, nil).(models.Embedder)
			g := golden.Read(t, c.file)
			require.GreaterOrEqual(t, len(g.Items), c.atLeast)
			var toReference, toCompany float64
			for _, prompt := range []string{"", "query"} {
				items := slices.DeleteFunc(slices.Clone(g.Items), func(item golden.Item) bool { return item.Prompt != prompt })
				reference, company := compareVectors(t, model, models.EmbedRequest{Raw: c.raw, PromptName: prompt}, items)
				toReference, toCompany = max(toReference, reference), max(toCompany, company)
			}
			t.Logf("%s: %d texts, largest difference to sentence-transformers %.2g, alone against in company %.2g", c.file, len(g.Items), toReference, toCompany)
		})
	}
}

// compareVectors embeds items together and each alone, and returns the largest difference to
// the reference and of a text alone to itself in company.
func compareVectors(t *testing.T, model models.Embedder, req models.EmbedRequest, items []golden.Item) (toReference, toCompany float64) {
	t.Helper()
	if len(items) == 0 {
		return 0, 0
	}
	for _, item := range items {
		req.Inputs = append(req.Inputs, models.Input{Text: item.Text})
	}
	together, err := model.Embed(t.Context(), req)
	require.NoError(t, err)
	one, tokens := req, 0
	for i, item := range items {
		one.Inputs = req.Inputs[i : i+1]
		alone, err := model.Embed(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, len(item.IDs), alone.Usage.PromptTokens, item.Name)
		tokens += len(item.IDs)
		difference, company := golden.Difference(together.Vectors[i], item.Vector), golden.Difference(together.Vectors[i], alone.Vectors[0])
		require.LessOrEqual(t, difference, vectorTolerance*scale(item.Vector), item.Name)
		require.LessOrEqual(t, company, companyTolerance*scale(item.Vector), item.Name)
		toReference, toCompany = max(toReference, difference), max(toCompany, company)
	}
	require.Equal(t, tokens, together.Usage.PromptTokens)
	return toReference, toCompany
}

// scale is the norm of v: tolerances are of vectors of norm 1.
func scale(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return max(1, math.Sqrt(sum))
}

func TestCosineRerankHasTheReferenceOrder(t *testing.T) {
	model := openReal(t, "models/all-MiniLM-L6-v2", nil).(*inference.Embedding)
	sets := golden.Read(t, "minilm_rerank").Sets
	require.NotEmpty(t, sets)
	require.GreaterOrEqual(t, len(sets[0].Documents), 20)
	for _, set := range sets {
		result, err := model.Rerank(t.Context(), models.RerankRequest{Query: set.Query, Documents: set.Documents})
		require.NoError(t, err)
		require.Equal(t, set.Order, order(result.Scores), set.Name)
		for i, want := range set.Scores {
			require.InDelta(t, want, result.Scores[i], vectorTolerance, set.Documents[i])
		}
		t.Logf("%s: %d documents in the reference's order", set.Name, len(set.Documents))
	}
}

// order lists the indices by score, the highest first.
func order(scores []float32) []int {
	indices := make([]int, len(scores))
	for i := range indices {
		indices[i] = i
	}
	slices.SortStableFunc(indices, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return indices
}

func TestCrossEncoderLogitsEqualTransformers(t *testing.T) {
	model := openReal(t, "testmodels/xlmr-rerank", nil).(*inference.CrossEncoder)
	g := golden.Read(t, "xlmr-rerank")
	require.GreaterOrEqual(t, len(g.Items), 20)
	byQuery := map[string][]golden.Item{}
	var toReference float64
	for _, item := range g.Items {
		byQuery[item.Text] = append(byQuery[item.Text], item)
		got := logits(t, model, item.Text, []string{item.Pair})
		require.InDelta(t, item.Logits[0], got[0], logitTolerance, item.Name)
		require.InDelta(t, item.Batched[0], got[0], logitTolerance, item.Name)
		toReference = max(toReference, math.Abs(item.Logits[0]-float64(got[0])))
	}
	var toCompany float64
	for query, items := range byQuery {
		var documents []string
		var want []float32
		for _, item := range items {
			documents, want = append(documents, item.Pair), append(want, float32(item.Logits[0]))
		}
		got := logits(t, model, query, documents)
		require.Equal(t, order(want), order(got), "order of %d documents for %.40q", len(items), query)
		for i, item := range items {
			company := math.Abs(float64(got[i] - logits(t, model, query, []string{item.Pair})[0]))
			require.LessOrEqual(t, company, companyTolerance, item.Name)
			toCompany = max(toCompany, company)
		}
	}
	t.Logf("%d pairs, largest difference to transformers %.2g, alone against in company %.2g", len(g.Items), toReference, toCompany)
}

func logits(t *testing.T, model *inference.CrossEncoder, query string, documents []string) []float32 {
	t.Helper()
	result, err := model.Rerank(context.Background(), models.RerankRequest{Query: query, Documents: documents, Raw: true})
	require.NoError(t, err)
	return result.Scores
}

// inputOf is a golden's text or pair.
func inputOf(item golden.Item) models.ClassifyInput {
	in := models.ClassifyInput{Text: item.Text}
	if item.Pair != "" {
		in.Pair = &item.Pair
	}
	return in
}

// compareLogits classifies items alone and together, raw, and returns the largest difference to
// the reference.
func compareLogits(t *testing.T, model models.Classifier, items []golden.Item) (worst float64) {
	t.Helper()
	all := models.ClassifyRequest{Raw: true}
	for _, item := range items {
		all.Inputs = append(all.Inputs, inputOf(item))
	}
	together, err := model.Classify(t.Context(), all)
	require.NoError(t, err)
	for i, item := range items {
		alone, err := model.Classify(t.Context(), models.ClassifyRequest{Inputs: all.Inputs[i : i+1], Raw: true})
		require.NoError(t, err)
		require.Equal(t, len(item.IDs), alone.Usage.PromptTokens, item.Name)
		require.LessOrEqual(t, golden.Difference(alone.Scores[0], together.Scores[i]), companyTolerance, item.Name)
		for k, want := range item.Logits {
			require.InDelta(t, want, alone.Scores[0][k], logitTolerance, item.Name)
			worst = max(worst, math.Abs(want-float64(alone.Scores[0][k])))
		}
	}
	return worst
}

func TestClassifierLogitsEqualTransformers(t *testing.T) {
	for name, c := range map[string]struct {
		labels  []string
		several bool
	}{
		"bert-classify": {[]string{"negative", "neutral", "positive"}, false},
		"xlmr-labels":   {[]string{"travel", "food", "science", "other"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			model := openReal(t, "testmodels/"+name, nil).(*inference.Classifier)
			require.Equal(t, c.labels, model.Info().Labels)
			require.Equal(t, c.several, model.Info().MultiLabel)
			items := golden.Read(t, name).Items
			require.GreaterOrEqual(t, len(items), 5)
			worst := compareLogits(t, model, items)
			for _, item := range items {
				result, err := model.Classify(t.Context(), models.ClassifyRequest{Inputs: []models.ClassifyInput{inputOf(item)}})
				require.NoError(t, err)
				for k, want := range probabilities(item.Logits, c.several) {
					require.InDelta(t, want, result.Scores[0][k], logitTolerance, item.Name)
				}
			}
			t.Logf("%d texts and pairs, largest difference to transformers %.2g", len(items), worst)
		})
	}
}

// probabilities are the sigmoid of each logit, or the softmax over all.
func probabilities(logits []float64, several bool) []float64 {
	list, sum := make([]float64, len(logits)), 0.0
	for _, x := range logits {
		sum += math.Exp(x)
	}
	for i, x := range logits {
		if list[i] = math.Exp(x) / sum; several {
			list[i] = 1 / (1 + math.Exp(-x))
		}
	}
	return list
}

func TestRealModelsKeepTheContract(t *testing.T) {
	t.Run("MiniLM", func(t *testing.T) {
		m := openReal(t, "models/all-MiniLM-L6-v2", nil).(*inference.Embedding)
		modelstest.RunEmbedder(t, m, modelstest.Options{})
		modelstest.RunReranker(t, m, modelstest.Options{})
		modelstest.RunTokenizer(t, m, modelstest.Options{})
	})
	t.Run("bert-mean", func(t *testing.T) {
		m := openReal(t, "testmodels/bert-mean", nil).(*inference.TokenEmbedding)
		modelstest.RunEmbedder(t, m, modelstest.Options{})
		modelstest.RunTokenizer(t, m, modelstest.Options{})
	})
	t.Run("xlmr-rerank", func(t *testing.T) {
		m := openReal(t, "testmodels/xlmr-rerank", func(s *models.Spec) { s.Tasks = []models.Task{models.TaskRerank, models.TaskClassify} }).(*inference.CrossEncoder)
		modelstest.RunReranker(t, m, modelstest.Options{})
		modelstest.RunClassifier(t, m, modelstest.Options{})
		modelstest.RunTokenizer(t, m, modelstest.Options{})
	})
	t.Run("bert-classify", func(t *testing.T) {
		m := openReal(t, "testmodels/bert-classify", nil).(*inference.Classifier)
		modelstest.RunClassifier(t, m, modelstest.Options{})
		modelstest.RunTokenizer(t, m, modelstest.Options{})
	})
}
