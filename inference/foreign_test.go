package inference

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// fakeStates gives each token sin(id × (k+1)) for the number k, and its row's mean besides, so
// that a state depends on its whole row and on no other row.
type fakeStates struct {
	fakeSession
	change func(b Batch, states []float32) // changes an answer
}

func (s *fakeStates) Run(ctx context.Context, b Batch) (Output, error) {
	means, err := s.fakeSession.Run(ctx, b)
	if err != nil {
		return Output{}, err
	}
	out := Output{Length: b.Length, Width: s.width, Values: make([]float32, b.Rows*b.Length*s.width)}
	for i := range out.Values {
		token, k := i/s.width, i%s.width
		out.Values[i] = float32(math.Sin(float64(b.IDs[token])*float64(k+1))) + means.Row(token / b.Length)[k]
	}
	if s.change != nil {
		s.change(b, out.Values)
	}
	return out, nil
}

// foreignDir copies a folder of testdata/foreign, with a tokenizer.json that the fake encoder
// goes with.
func foreignDir(t testing.TB, name string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "foreign", name))))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(tokenizerJSON), 0o600))
	return dir
}

func foreignDeps(s *fakeStates, configs *[]SessionConfig) Deps {
	deps := fakeDeps(nil)
	deps.NewSession = func(cfg SessionConfig) (Session, error) {
		if cfg.Provider != ProviderCPU {
			return nil, ErrProvider
		}
		if configs != nil {
			*configs = append(*configs, cfg)
		}
		s.width = cfg.Width
		if !cfg.States {
			return &s.fakeSession, nil
		}
		return s, nil
	}
	return deps
}

func TestForeignKeepsTheContract(t *testing.T) {
	var configs []SessionConfig
	opened, err := Open(t.Context(), models.Spec{Name: "m", Path: foreignDir(t, "bert")}, foreignDeps(&fakeStates{}, &configs))
	require.NoError(t, err)
	m := opened.(*TokenEmbedding)
	modelstest.RunEmbedder(t, m, modelstest.Options{})
	modelstest.RunReranker(t, m, modelstest.Options{})
	modelstest.RunTokenEmbedder(t, m, modelstest.Options{})
	require.Len(t, configs, 1, "states come from the session that serves")
	require.NoError(t, m.Close())
	_, err = m.EmbedTokens(t.Context(), models.TokensRequest{Inputs: []models.Input{{Text: "x"}}})
	wantKind(t, err, models.KindShuttingDown, "")
}

func TestStatesOfASecondOutputComeLate(t *testing.T) {
	var configs []SessionConfig
	opened, err := Open(t.Context(), models.Spec{Name: "m", Path: foreignDir(t, "distil")}, foreignDeps(&fakeStates{}, &configs))
	require.NoError(t, err)
	m := opened.(*TokenEmbedding)
	require.Len(t, configs, 1)
	require.Equal(t, []string{inputIDs, inputMask}, configs[0].Int32)
	require.Equal(t, "sentence_embedding", configs[0].Output)
	for range 2 {
		_, err = m.EmbedTokens(t.Context(), models.TokensRequest{Inputs: []models.Input{{Text: "x"}}})
		require.NoError(t, err)
	}
	require.Len(t, configs, 2)
	require.Equal(t, "token_embeddings", configs[1].Output)
	require.True(t, configs[1].States)
	require.NoError(t, m.Close())
}

func TestForeignChecks(t *testing.T) {
	byCompany := func(amount float32) func(b Batch, states []float32) {
		return func(b Batch, states []float32) {
			for i := range states {
				states[i] += amount * float32(b.Rows-1) * float32(i%2)
			}
		}
	}
	alike := func(_ Batch, states []float32) {
		for i := range states {
			states[i] = 1
		}
	}
	for name, c := range map[string]struct {
		change func(b Batch, states []float32)
		want   string
	}{
		"company":    {byCompany(0.1), "refused, because its answers cannot be right: the texts beside a text change its answer by 0."},
		"alike":      {alike, "refused, because its answers cannot be right: it answers every text alike"},
		"not finite": {func(_ Batch, states []float32) { states[0] = float32(math.NaN()) }, `it gives a number that is not finite for "rain"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), models.Spec{Name: "m", Path: foreignDir(t, "bert")}, foreignDeps(&fakeStates{change: c.change}, nil))
			require.ErrorContains(t, err, c.want)
		})
	}
	// What is quantized is said, not refused.
	m, err := Open(t.Context(), models.Spec{Name: "m", Path: foreignDir(t, "bert"), Variant: "int8"}, foreignDeps(&fakeStates{change: byCompany(0.1)}, nil))
	require.NoError(t, err)
	require.Greater(t, m.Info().Company, maxCompany)
	require.Contains(t, m.Info().Notes[1], "model_quantized.onnx is quantized")
	require.NoError(t, m.Close())
}

func TestForeignFolders(t *testing.T) {
	remove := func(names ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				require.NoError(t, os.RemoveAll(filepath.Join(dir, name)))
			}
		}
	}
	for name, c := range map[string]struct {
		spec   models.Spec
		change func(t *testing.T, dir string)
		want   string
		absent bool
	}{
		"nothing":      {change: remove("onnx"), want: "model files are absent: there is no ", absent: true},
		"no config":    {change: remove("config.json"), want: "cannot be served as a model of others: there is no config.json"},
		"no tokenizer": {change: remove("tokenizer.json"), want: "tokenizer.json: no such file"},
		"another name": {change: func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "onnx"), filepath.Join(dir, "x")))
			require.NoError(t, os.Rename(filepath.Join(dir, "x", "model.onnx"), filepath.Join(dir, "encoder.onnx")))
		}, want: "it holds encoder.onnx: name one in models[].variant", absent: true},
		"no such file": {spec: models.Spec{Variant: "model_O4.onnx"}, want: "variant model_O4.onnx for provider cpu is not there, only fp16 (onnx/model_fp16.onnx), fp32 (onnx/model.onnx), int8 (onnx/model_quantized.onnx); name one of these, or a file, in models[].variant"},
		"outside":      {spec: models.Spec{Variant: "../x/model.onnx"}, want: "variant ../x/model.onnx for provider cpu is not there"},
		"a broken file": {change: func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "onnx", "model.onnx"), []byte("version https://git-lfs"), 0o600))
		}, want: "variant fp32 cannot serve: "},
		"only quantized":  {change: remove("onnx/model.onnx", "onnx/model_fp16.onnx"), want: "variant fp32 for provider cpu is not there, only int8 (onnx/model_quantized.onnx)"},
		"unknown pooling": {spec: models.Spec{Pooling: "best"}, want: `pooling "best" is not supported`},
		"a dense layer": {change: func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.json"), []byte(`[{"type":"x.Transformer"},{"type":"x.Pooling","path":"1"},{"type":"x.Dense","path":"2"}]`), 0o600))
		}, want: "onnx/model.onnx: modules.json lists Transformer, Pooling, Dense"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := c.spec
			spec.Name, spec.Path, spec.Runtime.Provider = "m", foreignDir(t, "bert"), "cpu"
			if c.change != nil {
				c.change(t, spec.Path)
			}
			_, err := Open(t.Context(), spec, foreignDeps(&fakeStates{}, nil))
			require.ErrorContains(t, err, c.want)
			if name != "no tokenizer" {
				require.ErrorContains(t, Check(spec), c.want)
			}
			require.Equal(t, c.absent, errors.Is(err, ErrAbsent))
		})
	}
	spec := models.Spec{Name: "m", Path: modelDir(t, fakeManifest(models.TaskEmbed)), Pooling: "mean"}
	require.ErrorContains(t, Check(spec), "models[].pooling is set, but the folder's quadrate.json names the pooling")
}

func TestForeignNamedFile(t *testing.T) {
	dir := foreignDir(t, "bert")
	require.NoError(t, os.Rename(filepath.Join(dir, "onnx", "model.onnx"), filepath.Join(dir, "onnx", "model_O2.onnx")))
	var configs []SessionConfig
	m, err := Open(t.Context(), models.Spec{Name: "m", Path: dir, Variant: "model_O2.onnx"}, foreignDeps(&fakeStates{}, &configs))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "onnx", "model_O2.onnx"), configs[0].File)
	require.Equal(t, "model_O2.onnx", m.Info().Variant)
	require.NoError(t, m.Close())

	// What is asked for by name says what the model does, whatever lies beside it.
	other, err := os.ReadFile(filepath.Join("..", "testdata", "foreign", "distil", "onnx", "model.onnx"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "onnx", "other.onnx"), other, 0o600))
	m, err = Open(t.Context(), models.Spec{Name: "m", Path: dir, Variant: "onnx/other.onnx"}, foreignDeps(&fakeStates{}, nil))
	require.NoError(t, err)
	require.Equal(t, 12, m.Info().Dimensions)
	require.NoError(t, m.Close())
	require.ErrorContains(t, Check(models.Spec{Path: dir, Variant: "onnx/other.onnx", Runtime: models.RuntimeSpec{Provider: "cuda"}, GPUVariant: "fp16"}),
		"variant fp16 cannot serve: onnx/model_fp16.onnx: it does embed in 16 numbers, and the folder's other files embed in 12")
}

func TestForeignReranker(t *testing.T) {
	var configs []SessionConfig
	m, err := Open(t.Context(), models.Spec{Name: "m", Path: foreignDir(t, "xlmr")}, foreignDeps(&fakeStates{}, &configs))
	require.NoError(t, err)
	modelstest.RunReranker(t, m.(*CrossEncoder), modelstest.Options{})
	require.Equal(t, []string{inputIDs, inputMask, inputPositions}, configs[0].Inputs)
	require.NoError(t, m.Close())
}

// withTokens gives a fake manifest a graph of token states.
func withTokens(m *Manifest) {
	v := m.Variants["fp32"]
	v.Tokens = &TokenGraph{File: "model_tokens.onnx", Output: "token_embeddings", Width: fakeWidth, Tolerance: Tolerance{MaxAbs: 1e-5}}
	m.Variants["fp32"] = v
	for i, r := range m.Reference {
		b := newPadder(m).pad(m.referenceItems()[i : i+1])
		out, _ := (&fakeStates{fakeSession: fakeSession{width: fakeWidth}}).Run(context.Background(), b)
		for _, index := range []int{0, len(r.IDs) - 1} {
			m.Reference[i].Tokens = append(m.Reference[i].Tokens, TokenState{Index: index, State: out.Values[index*fakeWidth : (index+1)*fakeWidth]})
		}
	}
}

func TestTokenGraphOfTheManifest(t *testing.T) {
	m := fakeManifest(models.TaskEmbed)
	withTokens(m)
	var configs []SessionConfig
	dir := modelDir(t, m)
	opened, err := Open(t.Context(), models.Spec{Name: "m", Path: dir}, foreignDeps(&fakeStates{}, &configs))
	require.NoError(t, err)
	model := opened.(*TokenEmbedding)
	require.Len(t, configs, 1, "weights that nobody asked for are not loaded")
	modelstest.RunTokenEmbedder(t, model, modelstest.Options{})
	require.Equal(t, filepath.Join(dir, "model_tokens.onnx"), configs[1].File)
	require.Len(t, configs, 2)
	require.NoError(t, model.Close())
}

// A folder without the file of token states, which vectors do not need, serves vectors and says so.
func TestTokenGraphThatIsNotThere(t *testing.T) {
	m := fakeManifest(models.TaskEmbed)
	withTokens(m)
	dir := modelDir(t, m)
	require.NoError(t, os.Remove(filepath.Join(dir, "model_tokens.onnx")))
	model, err := Open(t.Context(), models.Spec{Name: "m", Path: dir}, foreignDeps(&fakeStates{}, nil))
	require.NoError(t, err)
	require.IsType(t, &Embedding{}, model)
	require.Equal(t, []string{"model_tokens.onnx is not there: no token states"}, model.Info().Notes)
	require.NoError(t, model.Close())
}

func TestTokenGraphIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *Manifest)
		want   string
	}{
		"another state":      {func(m *Manifest) { m.Reference[1].Tokens[1].State[3] += 0.5 }, `token 6 of reference 1 ("a reference of five words"): its state differs by 0.`},
		"another length":     {func(m *Manifest) { m.Reference[0].Tokens[0].State = m.Reference[0].Tokens[0].State[:3] }, "where 3 are due"},
		"nothing to compare": {func(m *Manifest) { m.Reference[0].Tokens, m.Reference[1].Tokens = nil, nil }, "there are no token states to check it against"},
	} {
		t.Run(name, func(t *testing.T) {
			m := fakeManifest(models.TaskEmbed)
			withTokens(m)
			c.change(m)
			opened, err := Open(t.Context(), models.Spec{Name: "m", Path: modelDir(t, m)}, foreignDeps(&fakeStates{}, nil))
			require.NoError(t, err)
			_, err = opened.(*TokenEmbedding).EmbedTokens(t.Context(), models.TokensRequest{Inputs: []models.Input{{Text: "x"}}})
			wantKind(t, err, models.KindInternal, "")
			require.ErrorContains(t, err, c.want)
			require.NoError(t, opened.Close())
		})
	}
	for want, change := range map[string]func(*TokenGraph){
		"variant fp32: tokens has no tolerance":                                       func(g *TokenGraph) { g.Tolerance = Tolerance{} },
		"variant fp32: tokens has no tolerance to check it with":                      func(g *TokenGraph) { g.Tolerance = Tolerance{MaxAbs: -1} },
		`variant fp32: tokens has file "../x", output "token_embeddings" and width 8`: func(g *TokenGraph) { g.File = "../x" },
		`variant fp32: tokens has file "model_tokens.onnx", output "" and width 8`:    func(g *TokenGraph) { g.Output = "" },
		`output "token_embeddings" and width 1099511627776`:                           func(g *TokenGraph) { g.Width = 1 << 40 },
	} {
		m := fakeManifest(models.TaskEmbed)
		withTokens(m)
		change(m.Variants["fp32"].Tokens)
		require.ErrorContains(t, Check(models.Spec{Path: modelDir(t, m)}), want)
	}
}
