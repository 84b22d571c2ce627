package api

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// TestLiteralsGoOutAsTheyAre: a model that has vectors as JSON is spared reading them, and so
// is the server.
func TestLiteralsGoOutAsTheyAre(t *testing.T) {
	var form models.VectorForm
	literals := [][]byte{[]byte("[1.50, -2e-3]"), []byte("[ 0 ]")}
	w := start(t, nil, models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: &modelstest.Embedder{
		EmbedFunc: func(_ context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
			form = req.Form
			if form == models.FormVectors {
				return models.EmbedResult{Vectors: make([][]float32, len(req.Inputs))}, nil
			}
			if form == models.FormBase64 {
				return models.EmbedResult{Literals: [][]byte{[]byte(`"AADAPw=="`), []byte(` ""`)}, Usage: models.Usage{PromptTokens: 3}}, nil
			}
			return models.EmbedResult{Literals: literals, Usage: models.Usage{PromptTokens: 3}}, nil
		}}})
	for _, test := range []struct {
		path, body string
		form       models.VectorForm
		want       string
	}{
		{"/v1/embeddings", `{"model":"m","input":["x","y"]}`, models.FormNumbers, `"data":[{"object":"embedding","index":0,"embedding":[1.50, -2e-3]},{"object":"embedding","index":1,"embedding":[ 0 ]}],"usage":{"prompt_tokens":3,`},
		{"/v1/embeddings", `{"model":"m","input":["x","y"],"encoding_format":"base64"}`, models.FormBase64, `"embedding":"AADAPw=="}`},
		{"/embed", `{"model":"m","inputs":["x","y"]}`, models.FormNumbers, `[[1.50, -2e-3],[ 0 ]]`},
		{"/v1/embed", `{"model":"m","texts":["x","y"]}`, models.FormNumbers, `"embeddings":[[1.50, -2e-3],[ 0 ]],`},
		{"/v2/embed", `{"model":"m","texts":["x","y"]}`, models.FormNumbers, `"embeddings":{"float":[[1.50, -2e-3],[ 0 ]]},`},
		{"/v2/embed", `{"model":"m","texts":["x","y"],"embedding_types":["base64"]}`, models.FormBase64, `"embeddings":{"base64":["AADAPw==", ""]},`},
		{"/v2/embed", `{"model":"m","texts":["x","y"],"embedding_types":["base64","float"]}`, models.FormVectors, `"embeddings":{"base64":["",""],"float":[[],[]]},`},
		{"/v2/embed", `{"model":"m","texts":["x","y"],"embedding_types":["int8"]}`, models.FormVectors, `"embeddings":{"int8":[[],[]]},`},
		{"/similarity", `{"model":"m","inputs":{"source_sentence":"x","sentences":["y"]}}`, models.FormVectors, `[0]`},
	} {
		got := w.post(t, test.path, test.body)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, test.form, form, test.body)
		require.Contains(t, got.body, test.want)
	}
	literals = literals[:1]
	for _, test := range []struct{ path, body string }{
		{"/v1/embeddings", `{"model":"m","input":["x","y"]}`}, {"/embed", `{"model":"m","inputs":["x","y"]}`}, {"/v1/embed", `{"model":"m","texts":["x","y"]}`},
	} {
		got := w.post(t, test.path, test.body)
		require.Equal(t, 500, got.status)
		require.Contains(t, got.body, "the model answered 1 literals and 0 vectors of 2 inputs")
	}
	require.Error(t, checkEmbeddings(models.EmbedResult{Literals: literals}, models.FormVectors, 1), "nobody asked for these")
	require.Error(t, checkEmbeddings(models.EmbedResult{Literals: literals, Vectors: [][]float32{{1}}}, models.FormNumbers, 1))
}

// TestUnknownFieldsReachTheModel in the words of the client's dialect, and no others do.
func TestUnknownFieldsReachTheModel(t *testing.T) {
	var got models.Extra
	all := &everything{extra: &got}
	w := start(t, nil, models.Entry{Name: "m", Tasks: models.Tasks(), Model: all})
	unknown := `"model":"m","b":{"x":[1, "\u00e9"]},"a":"s","null":null,"b":2,"gone":1,"gone":null`
	fields := []models.ExtraField{{Name: "b", JSON: []byte("2")}, {Name: "a", JSON: []byte(`"s"`)}}
	for _, test := range []struct {
		path, known string
		dialect     models.Dialect
	}{
		{"/v1/embeddings", `"input":"x","encoding_format":"float","dimensions":2,"truncate":true`, models.DialectOpenAI},
		{"/openai/deployments/m/embeddings", `"input":"x"`, models.DialectOpenAI},
		{"/v1/rerank", `"query":"q","documents":["x"],"top_n":1,"return_documents":true`, models.DialectCohere},
		{"/rerank", `"query":"q","documents":["x"]`, models.DialectCohere},
		{"/rerank", `"query":"q","texts":["x"],"return_text":true`, models.DialectTEI},
		{"/v1/embed", `"texts":["x"],"input_type":"search_query"`, models.DialectCohere},
		{"/v2/embed", `"texts":["x"],"embedding_types":["int8"],"output_dimension":2`, models.DialectCohere},
		{"/score", `"text_1":"q","text_2":"x","use_activation":true`, models.DialectVLLM},
		{"/embed", `"inputs":"x","normalize":true`, models.DialectTEI},
		{"/predict", `"inputs":"x","raw_scores":true`, models.DialectTEI},
		{"/similarity", `"inputs":{"source_sentence":"x","sentences":["y"],"more":1},"parameters":{"truncate":true,"more":1}`, models.DialectTEI},
		{"/tokenize", `"inputs":"x","add_special_tokens":true`, models.DialectTEI},
		{"/decode", `"ids":[1],"skip_special_tokens":true`, models.DialectTEI},
		{"/", `"inputs":"x","truncate":true`, models.DialectTEI},
		{"/", `"query":"q","texts":["x"]`, models.DialectTEI},
	} {
		got = models.Extra{}
		answer := w.post(t, test.path, `{`+unknown+`,`+test.known+`}`)
		require.Equal(t, 200, answer.status, answer.body)
		require.Equal(t, models.Extra{Dialect: test.dialect, Fields: fields}, got, test.path)
	}
	var many strings.Builder
	for i := range maxExtra + 10 {
		fmt.Fprintf(&many, `"f%d":%d,`, i, i)
	}
	require.Equal(t, 200, w.post(t, "/v1/embeddings", `{`+many.String()+`"model":"m","input":"x"}`).status)
	require.Len(t, got.Fields, maxExtra)
}

// everything is a model of all tasks that keeps what it is asked beyond them.
type everything struct {
	modelstest.Model
	extra *models.Extra
}

// keep copies, for what it is given is good for as long as the call.
func (m *everything) keep(e models.Extra) {
	*m.extra = models.Extra{Dialect: e.Dialect}
	for _, f := range e.Fields {
		m.extra.Fields = append(m.extra.Fields, models.ExtraField{Name: f.Name, JSON: []byte(string(f.JSON))})
	}
}

func (m *everything) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	m.keep(req.Extra)
	return words.Embed(ctx, req)
}

func (m *everything) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	m.keep(req.Extra)
	return words.Rerank(ctx, req)
}

func (m *everything) Classify(_ context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	m.keep(req.Extra)
	return models.ClassifyResult{Labels: []string{"a"}, Scores: [][]float32{{1}}}, nil
}

func (m *everything) Tokenize(_ context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	m.keep(req.Extra)
	return models.TokenizeResult{Tokens: make([][]models.Token, len(req.Texts))}, nil
}

func (m *everything) Decode(_ context.Context, req models.DecodeRequest) ([]string, error) {
	m.keep(req.Extra)
	return make([]string, len(req.IDs)), nil
}
