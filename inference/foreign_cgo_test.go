//go:build cgo

package inference_test

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// foreign copies a folder of testdata/foreign and writes more files into it.
func foreign(t testing.TB, name string, files map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(golden.Root(), "testdata", "foreign", name))))
	for file, content := range files {
		data, err := json.Marshal(content)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), data, 0o600))
	}
	return dir
}

// pooledBy are the files of sentence-transformers for a pooling: one name, or several.
func pooledBy(mode any) map[string]any {
	module := func(class, path string) map[string]any {
		return map[string]any{"path": path, "type": "sentence_transformers.models." + class}
	}
	return map[string]any{
		"modules.json":          []any{module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")},
		"1_Pooling/config.json": map[string]any{"pooling_mode": mode},
	}
}

func openForeign(t testing.TB, spec models.Spec) (inference.Model, error) {
	t.Helper()
	runtime, err := ort.Open(ort.Options{Library: golden.Library()})
	if err != nil && os.Getenv("QUADRATE_REQUIRE_MODELS") != "1" {
		t.Skipf("run `make setup` first: %v", err)
	}
	require.NoError(t, err)
	spec.Name, spec.Runtime.Provider, spec.Runtime.Threads = "org/foreign", "cpu", 1
	model, err := inference.Open(t.Context(), spec, inference.Deps{
		NewSession:     runtime.NewSession,
		NewEncoder:     func(data []byte) (tokenizer.Encoder, error) { return hf.New(data) },
		Gate:           tokenizer.NewGate(0),
		RequestTimeout: 5 * time.Minute,
	})
	t.Cleanup(func() {
		if model != nil {
			require.NoError(t, model.Close())
		}
		require.NoError(t, runtime.Close())
	})
	return model, err
}

func mustOpenForeign(t testing.TB, spec models.Spec) inference.Model {
	t.Helper()
	model, err := openForeign(t, spec)
	require.NoError(t, err)
	return model
}

// under lists the items of a golden file whose name begins with prefix.
func under(t testing.TB, file, prefix string) []golden.Item {
	var items []golden.Item
	for _, item := range golden.Read(t, file).Items {
		if strings.HasPrefix(item.Name, prefix+"/") {
			items = append(items, item)
		}
	}
	require.Len(t, items, 5)
	return items
}

// differenceTo is the largest difference of raw vectors to the goldens, alone and in company.
func differenceTo(t testing.TB, model models.Embedder, items []golden.Item) (worst float64) {
	req := models.EmbedRequest{Raw: true}
	for _, item := range items {
		req.Inputs = append(req.Inputs, models.Input{Text: item.Text})
	}
	together, err := model.Embed(t.Context(), req)
	require.NoError(t, err)
	for i, item := range items {
		one := req
		one.Inputs = req.Inputs[i : i+1]
		alone, err := model.Embed(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, len(item.IDs), alone.Usage.PromptTokens, item.Name)
		for _, got := range [][]float32{alone.Vectors[0], together.Vectors[i]} {
			worst = max(worst, golden.Difference(got, item.Vector)/scale(item.Vector))
		}
	}
	return worst
}

func TestForeignPoolingsEqualSentenceTransformers(t *testing.T) {
	for name, mode := range map[string]any{
		"cls": "cls", "max": "max", "mean": []string{"mean"}, "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
		"weightedmean": "weightedmean", "lasttoken": "lasttoken", "cls,mean": []string{"cls", "mean"},
	} {
		t.Run(name, func(t *testing.T) {
			model := mustOpenForeign(t, models.Spec{Path: foreign(t, "bert", pooledBy(mode))})
			worst := differenceTo(t, model.(models.Embedder), under(t, "foreign-bert", name))
			require.LessOrEqual(t, worst, vectorTolerance)
			info := model.Info()
			require.Equal(t, models.CheckedCompany, info.Checked)
			require.Less(t, info.Company, 1e-6)
			require.Empty(t, info.Notes)
			require.Equal(t, 64, info.MaxLength)
			t.Logf("largest difference %.2g", worst)
		})
	}
}

func TestForeignOlderPoolingConfig(t *testing.T) {
	files := pooledBy("")
	files["1_Pooling/config.json"] = map[string]any{"word_embedding_dimension": 16, "pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}
	model := mustOpenForeign(t, models.Spec{Path: foreign(t, "bert", files)})
	require.LessOrEqual(t, differenceTo(t, model.(models.Embedder), under(t, "foreign-bert", "cls,mean")), vectorTolerance)
	require.Equal(t, 32, model.Info().Dimensions)
}

func TestForeignWithoutModules(t *testing.T) {
	model := mustOpenForeign(t, models.Spec{Path: foreign(t, "bert", nil)})
	require.LessOrEqual(t, differenceTo(t, model.(models.Embedder), under(t, "foreign-bert", "mean")), vectorTolerance)
	require.Len(t, model.Info().Notes, 1)
	require.Contains(t, model.Info().Notes[0], "pooling mean is assumed")
	model = mustOpenForeign(t, models.Spec{Path: foreign(t, "bert", nil), Pooling: "cls, mean"})
	require.LessOrEqual(t, differenceTo(t, model.(models.Embedder), under(t, "foreign-bert", "cls,mean")), vectorTolerance)
	require.Empty(t, model.Info().Notes)
}

func TestForeignVariants(t *testing.T) {
	dir := foreign(t, "bert", pooledBy("mean"))
	items := under(t, "foreign-bert", "mean")
	half := mustOpenForeign(t, models.Spec{Path: dir, Variant: "fp16"})
	require.Equal(t, "fp16", half.Info().Variant)
	halfDifference := differenceTo(t, half.(models.Embedder), items)
	require.LessOrEqual(t, halfDifference, 5e-3, "float16")
	quantized := mustOpenForeign(t, models.Spec{Path: dir, Variant: "int8"})
	difference := differenceTo(t, quantized.(models.Embedder), items)
	require.LessOrEqual(t, difference, 0.2, "int8: the file that is named, not another; processors without VNNI saturate")
	info := quantized.Info()
	require.Greater(t, info.Company, 1e-9, "activations are quantized over the whole batch")
	require.Len(t, info.Notes, 1)
	require.Contains(t, info.Notes[0], "model_quantized.onnx is quantized: the texts beside a text may change its answer, by ")
	t.Logf("float16: difference %.2g, company %.2g; int8: difference %.2g, company %.2g", halfDifference, half.Info().Company, difference, info.Company)
	named := mustOpenForeign(t, models.Spec{Path: dir, Variant: "model_quantized.onnx"})
	require.Equal(t, "model_quantized.onnx", named.Info().Variant)

	// A quantized file under fp32's name is not taken for it.
	require.NoError(t, os.Rename(filepath.Join(dir, "onnx", "model_quantized.onnx"), filepath.Join(dir, "onnx", "model.onnx")))
	_, err := openForeign(t, models.Spec{Path: dir})
	require.ErrorContains(t, err, "variant fp32 for provider cpu is not there, only fp16 (onnx/model_fp16.onnx), int8 (onnx/model.onnx); name one of these, or a file, in models[].variant")
}

func TestForeignGraphWithItsOwnPooling(t *testing.T) {
	dir := foreign(t, "distil", nil)
	model := mustOpenForeign(t, models.Spec{Path: dir})
	require.LessOrEqual(t, differenceTo(t, model.(models.Embedder), under(t, "foreign-distil", "sentence")), vectorTolerance)
	require.Equal(t, 12, model.Info().Dimensions)
	require.Equal(t, 48, model.Info().MaxLength)
	modelstest.RunEmbedder(t, model.(*inference.TokenEmbedding), modelstest.Options{})
	_, err := openForeign(t, models.Spec{Path: dir, Pooling: "mean"})
	require.ErrorContains(t, err, "models[].pooling is set, but the graph makes its vectors itself (output sentence_embedding); leave the setting empty")
}

func TestForeignReranker(t *testing.T) {
	model := mustOpenForeign(t, models.Spec{Path: foreign(t, "xlmr", nil)}).(*inference.CrossEncoder)
	require.Equal(t, 64, model.Info().MaxLength, "66 positions, of which two are before the first")
	items := golden.Read(t, "foreign-xlmr").Items
	require.Len(t, items, 12)
	for _, item := range items {
		got := logits(t, model, item.Text, []string{"", item.Pair, strings.Repeat("long ", 40)})[1]
		require.LessOrEqual(t, math.Abs(item.Logits[0]-float64(got)), logitTolerance, item.Name)
	}
	modelstest.RunReranker(t, model, modelstest.Options{})
}

// The classifier of testmodels without its manifest is a folder of others.
func TestForeignClassifier(t *testing.T) {
	for name, c := range map[string]struct {
		problem string
		several bool
	}{"one of the labels": {"single_label_classification", false}, "several of them": {"multi_label_classification", true}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(golden.Model(t, "testmodels/bert-classify"))))
			require.NoError(t, os.Remove(filepath.Join(dir, inference.ManifestFile)))
			changeJSON(t, filepath.Join(dir, "config.json"), map[string]any{"problem_type": c.problem})
			model := mustOpenForeign(t, models.Spec{Path: dir}).(*inference.Classifier)
			require.Equal(t, []string{"negative", "neutral", "positive"}, model.Info().Labels)
			require.Equal(t, c.several, model.Info().MultiLabel)
			require.Equal(t, models.CheckedCompany, model.Info().Checked)
			require.LessOrEqual(t, compareLogits(t, model, golden.Read(t, "bert-classify").Items), logitTolerance)
			modelstest.RunClassifier(t, model, modelstest.Options{})
		})
	}
}

// changeJSON sets fields of a JSON file.
func changeJSON(t testing.TB, path string, fields map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var content map[string]any
	require.NoError(t, json.Unmarshal(data, &content))
	maps.Copy(content, fields)
	data, err = json.Marshal(content)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

func TestForeignTokenStates(t *testing.T) {
	for name, c := range map[string]struct {
		dir, golden string
		variant     string
		tolerance   float64
	}{
		"of the graph that serves": {foreign(t, "bert", pooledBy("mean")), "foreign-bert", "", vectorTolerance},
		"of float16":               {foreign(t, "bert", pooledBy("mean")), "foreign-bert", "fp16", 5e-3},
		"of a second output":       {foreign(t, "distil", nil), "foreign-distil", "", vectorTolerance},
	} {
		t.Run(name, func(t *testing.T) {
			model := mustOpenForeign(t, models.Spec{Path: c.dir, Variant: c.variant}).(*inference.TokenEmbedding)
			items := under(t, c.golden, "states")
			req := models.TokensRequest{}
			for _, item := range items {
				req.Inputs = append(req.Inputs, models.Input{Text: item.Text})
			}
			result, err := model.EmbedTokens(t.Context(), req)
			require.NoError(t, err)
			for i, item := range items {
				require.Len(t, result.States[i], len(item.IDs))
				difference := golden.Difference(slices.Concat(result.States[i]...), item.Vector)
				require.LessOrEqual(t, difference, c.tolerance*scale(item.Vector)/math.Sqrt(float64(len(item.IDs))), item.Name)
			}
			tolerance := 1e-5
			if c.variant == "fp16" {
				tolerance = 5e-3
			}
			modelstest.RunTokenEmbedder(t, model, modelstest.Options{Tolerance: tolerance})
		})
	}
}
