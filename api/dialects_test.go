package api

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

var createdPattern = regexp.MustCompile(`"created":\d+`)

// shown is words with its tokens shown, as a model of ours is.
type shown struct {
	modelstest.Words
	letters modelstest.Letters
}

func (s shown) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	return s.letters.Tokenize(ctx, req)
}

func (s shown) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	return s.letters.Decode(ctx, req)
}

// further are entries for the tasks that entries has no model for.
func further() []models.Entry {
	moods := modelstest.ClassWords{Labels: []string{"calm", "glad", "sad"}, MaxLength: 12}
	return []models.Entry{
		{Name: "org/moods", Aliases: []string{"moods"}, Tasks: []models.Task{models.TaskClassify}, Model: moods},
		{Name: "letters", Tasks: []models.Task{models.TaskEmbed}, Model: shown{words, modelstest.Letters{MaxLength: 12, Prompts: words.Prompts}}},
	}
}

// TestDialects pins the body of every answer of the dialects' smaller routes.
func TestDialects(t *testing.T) {
	w := start(t, nil, further()...)
	for _, test := range []struct{ name, path, body string }{
		{"score", "/v1/score", `{"model":"both","text_1":"a cat","text_2":["rain","a cat","the cat"],"encoding_format":"float"}`},
		{"score", "/score", `{"model":"both","queries":["a cat"],"documents":["rain","a cat","the cat"],"truncation_side":"right","truncate_prompt_tokens":null}`},
		{"score_one", "/score", `{"data_1":"a cat","data_2":"the cat","user":"me"}`},
		{"score_pairs", "/score", `{"model":"reranker","queries":["a cat","a dog","a cat"],"items":["rain","rain","1 2 3 4 5 6 7 8 9 10 11 12"],"use_activation":false}`},
		{"embed_cohere_v1", "/v1/embed", `{"model":"both","texts":["a cat","a dog"],"truncate":null,"input_type":"search_document","images":[]}`},
		{"embed_cohere_v1_types", "/v1/embed", `{"model":"both","texts":["a cat"],"embedding_types":["float"]}`},
		{"embed_cohere_v2", "/v2/embed", `{"model":"both","texts":["a cat","1 2 3 4 5 6 7 8 9 10 11 12"],"input_type":"search_query","embedding_types":null,"truncate":"END","max_tokens":7}`},
		{"embed_cohere_v2_types", "/v2/embed", `{"texts":["a cat"],"embedding_types":["float","int8","uint8","binary","ubinary","base64","int8"]}`},
		{"embed_cohere_v2_base64", "/v2/embed", `{"texts":["a cat"],"embedding_types":["base64"],"output_dimension":2}`},
		{"embed_cohere_v2_inputs", "/v2/embed", `{"inputs":[{"content":[{"type":"text","text":"a"},{"type":"text","text":"cat"}]},{"content":[{"type":"text","text":"a dog"}],"id":1}]}`},
		{"predict", "/predict", `{"inputs":"a cat"}`},
		{"predict", "/predict", `{"inputs":["a cat"],"model":"moods","truncate":true,"truncation_direction":"Right","raw_scores":false}`},
		{"predict_pair", "/predict", `{"inputs":["a cat","a dog"]}`},
		{"predict_batch", "/predict", `{"inputs":[["a cat"],["a cat","a dog"],["",""]],"raw_scores":true}`},
		{"similarity", "/similarity", `{"inputs":{"source_sentence":"a cat","sentences":["a cat","the cat","rain"]},"parameters":{"truncate":true,"truncation_direction":"Left","prompt_name":"query"}}`},
		{"tokenize", "/tokenize", `{"inputs":["aé",""],"model":"letters"}`},
		{"tokenize_one", "/tokenize", `{"inputs":"a\n","model":"letters","add_special_tokens":false,"prompt_name":"query"}`},
		{"decode", "/decode", `{"ids":[0,99,235,1],"model":"letters"}`},
		{"decode", "/decode", `{"ids":[[0,99,235,1]],"model":"letters","skip_special_tokens":true}`},
		{"decode_batch", "/decode", `{"ids":[[0,99],[],[235]],"model":"letters","skip_special_tokens":false}`},
		{"embeddings_azure", "/openai/deployments/org/both/embeddings?api-version=2024-10-21", `{"input":["a cat"],"dimensions":2}`},
		{"embeddings_azure", "/openai/deployments/org%2Fboth/embeddings", `{"input":"a cat","dimensions":2,"model":"reranker"}`},
		{"embed_tei", "/", `{"inputs":["a cat","a dog"]}`},
		{"rerank_tei", "/", `{"query":"a cat","texts":["rain","a cat"]}`},
		{"similarity", "/", `{"inputs":{"source_sentence":"a cat","sentences":["a cat","the cat","rain"]},"parameters":{"truncation_direction":"Left","prompt_name":"query"}}`},
		{"predict", "/", `{"inputs":"a cat","model":"moods"}`},
		{"info", "/info", ""},
		{"info_rerank", "/info?model=reranker", ""},
		{"info_classify", "/info?model=org/moods", ""},
		{"model_classify", "/v1/models/moods", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			method := http.MethodPost
			if test.body == "" {
				method = http.MethodGet
			}
			got := w.do(t, method, test.path, strings.NewReader(test.body))
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			body := createdPattern.ReplaceAllString(uuidPattern.ReplaceAllString(got.body, "UUID"), `"created":0`)
			body = regexp.MustCompile(`"tokenization_workers":\d+`).ReplaceAllString(body, `"tokenization_workers":0`)
			golden(t, test.name, body)
		})
	}
}

func TestHeadersOfDialects(t *testing.T) {
	w := start(t, nil, further()...)
	for path, body := range map[string]string{
		"/predict":    `{"inputs":[["über"],["a","b c"]]}`,
		"/similarity": `{"inputs":{"source_sentence":"über","sentences":["a b c"]},"model":"both"}`,
	} {
		got := w.post(t, path, body)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, map[string]string{"/predict": "8", "/similarity": "9"}[path], got.header.Get("x-compute-characters"))
		require.Equal(t, map[string]string{"/predict": "9", "/similarity": "8"}[path], got.header.Get("x-compute-tokens"))
		require.NotEmpty(t, got.header.Get("Server-Timing"))
		require.Equal(t, path, w.lastEvent(t).Route)
		require.Equal(t, 2, w.lastEvent(t).Items)
	}
	got := w.post(t, "/tokenize", `{"inputs":["a","b"],"model":"letters"}`)
	require.Equal(t, "letters", got.header.Get("X-Quadrate-Model"))
	require.Equal(t, "letters", w.lastEvent(t).Model)
	require.Equal(t, 2, w.lastEvent(t).Items)
	require.Empty(t, got.header.Get("x-compute-tokens"))
	w.post(t, "/openai/deployments/embedder/embeddings", `{"input":"x"}`)
	require.Equal(t, "/openai/deployments/*/embeddings", w.lastEvent(t).Route)
	require.Equal(t, "embedder", w.lastEvent(t).Model)
	require.Equal(t, 404, w.post(t, "/openai/deployments/embedder/chat/completions", `{}`).status)
}

// TestRootGoesByTheDefaultModel: what the default model is for decides where the shape does not.
func TestRootGoesByTheDefaultModel(t *testing.T) {
	moods := further()[0]
	for name, test := range map[string]struct {
		entries []models.Entry
		want    string
	}{
		"an embedder":               {entries(), "[["},
		"a classifier":              {[]models.Entry{moods}, `[{"score":`},
		"both":                      {append(further()[:1], entries()[1]), "[["},
		"a classifier, by its name": {[]models.Entry{entries()[1], {Name: "m", Aliases: []string{"default"}, Tasks: moods.Tasks, Model: moods.Model}}, `[{"score":`},
		"a reranker":                {entries()[2:3], `{"error":"no model is named in the request, and none here does embed"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, nil)
			require.NoError(t, w.options.Catalog.Replace(test.entries))
			got := w.post(t, "/", `{"inputs":"a cat"}`)
			require.True(t, strings.HasPrefix(got.body, test.want), got.body)
		})
	}
}

func TestInfoNamesThePooling(t *testing.T) {
	for pooling, want := range map[string]string{"": "unknown", "mean": "mean", "cls": "cls", "last": "last_token"} {
		got := teiModelType(entries()[1], models.Info{Pooling: pooling})
		require.Equal(t, map[string]any{"embedding": map[string]string{"pooling": want}}, got)
	}
}

func TestInfoWithoutModels(t *testing.T) {
	w := start(t, nil)
	require.NoError(t, w.options.Catalog.Replace(nil))
	got := w.get(t, "/info")
	require.Equal(t, 404, got.status)
	require.Equal(t, `{"error":"no model is named in the request, and there is none","error_type":"Validation"}`, got.body)
	require.Equal(t, 404, w.get(t, "/info?model=nope").status)
	require.NoError(t, w.options.Catalog.Replace(entries()[3:4]))
	require.Equal(t, 200, w.get(t, "/info").status, "a model that is being loaded is told of")
}

// known is a family of one model that is known, of the many that it finds.
type known struct{ models.Entry }

func (k known) Find(name string) (models.Entry, bool) {
	k.Name = name
	return k.Entry, strings.HasPrefix(name, "far/")
}

func (k known) Known() []models.Entry { return []models.Entry{k.Entry} }

func TestModelsOfFamilies(t *testing.T) {
	w := start(t, nil)
	far := models.Entry{Name: "far/a", Tasks: []models.Task{models.TaskEmbed}, Model: words}
	require.NoError(t, w.options.Catalog.ReplaceAll(entries(), []models.Family{known{far}}))
	var list struct{ Data []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(w.get(t, "/v1/models").body), &list))
	require.Len(t, list.Data, len(entries())+1)
	require.Equal(t, "far/a", list.Data[len(entries())].ID)
	require.Equal(t, 200, w.get(t, "/v1/models/far/b").status)
	require.Equal(t, 404, w.get(t, "/v1/models/near/b").status)
	require.Equal(t, 200, w.post(t, "/openai/deployments/far%2Fb/embeddings", `{"input":"x"}`).status)
}

// TestKeysOnDialects: every route asks who calls, and whether it may use the model.
func TestKeysOnDialects(t *testing.T) {
	w := locked(t, auth.Anonymous{}, nil, append(further(), models.Entry{Name: "closed", Tasks: models.Tasks(), Model: &everything{extra: new(models.Extra)}})...)
	for path, known := range map[string]string{
		"/v1/embed": `"texts":["x"]`, "/v2/embed": `"texts":["x"]`, "/score": `"text_1":"q","text_2":"x"`, "/predict": `"inputs":"x"`, "/tokenize": `"inputs":"x"`, "/decode": `"ids":[1]`,
		"/similarity": `"inputs":{"source_sentence":"x","sentences":["y"]}`, "/": `"inputs":"x"`, "/openai/deployments/closed/embeddings": `"input":"x"`,
	} {
		body := `{"model":"closed",` + known + `}`
		require.Equal(t, 401, w.post(t, path, body).status, path)
		require.Equal(t, 403, w.post(t, path, body, "api-key", teamKey).status, path)
		require.Equal(t, "closed", w.lastEvent(t).Model)
		require.Equal(t, 200, w.post(t, path, body, "api-key", adminKey).status, path)
	}
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{further()[1], further()[0], entries()[0]}))
	require.Equal(t, 200, w.post(t, "/predict", `{"inputs":"x"}`, "api-key", teamKey).status)
	for _, key := range []string{"", "wrong", teamKey, adminKey} {
		require.Contains(t, w.get(t, "/info", "api-key", key).body, `"model_id":"org/both"`, "the default model")
		require.Empty(t, w.lastEvent(t).Refused)
	}
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{further()[1], entries()[2]}))
	require.Contains(t, w.get(t, "/info").body, `"model_id":"letters"`)
	require.Contains(t, w.get(t, "/info", "api-key", teamKey).body, `"model_id":"reranker"`, "letters is not for this key")
	require.Equal(t, 200, w.get(t, "/info?model=letters", "api-key", adminKey).status)
	require.Equal(t, 403, w.get(t, "/info?model=letters", "api-key", teamKey).status)
	require.Equal(t, 401, w.get(t, "/info?model=letters").status)
	require.NoError(t, w.options.Catalog.Replace(further()[1:]))
	require.Equal(t, 403, w.get(t, "/info", "api-key", teamKey).status)
	require.Equal(t, 403, w.post(t, "/tokenize", `{"inputs":"x"}`, "api-key", teamKey).status)
}

// TestAWrongKeyIsToldNoMoreThanNone: of a default that callers without a key may use.
func TestAWrongKeyIsToldNoMoreThanNone(t *testing.T) {
	w := locked(t, auth.Anonymous{Enabled: true, Models: []string{"reranker"}}, nil)
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{entries()[0], entries()[2]}))
	for _, key := range []string{"", "wrong", "old-secret"} {
		require.Contains(t, w.get(t, "/info", "api-key", key).body, `"model_id":"reranker"`, key)
	}
	require.NotContains(t, w.get(t, "/info", "api-key", adminKey).body, `"model_id":"reranker"`)
}

func TestBrokenModelsOfDialectsAre500(t *testing.T) {
	nan := float32(0)
	nan /= nan
	var classes models.ClassifyResult
	var tokens models.TokenizeResult
	var texts []string
	w := start(t, nil, models.Entry{Name: "c", Tasks: []models.Task{models.TaskClassify}, Model: &modelstest.Classifier{
		ClassifyFunc: func(context.Context, models.ClassifyRequest) (models.ClassifyResult, error) { return classes, nil },
	}}, models.Entry{Name: "t", Model: &modelstest.Tokenizer{
		TokenizeFunc: func(context.Context, models.TokenizeRequest) (models.TokenizeResult, error) { return tokens, nil },
		DecodeFunc:   func(context.Context, models.DecodeRequest) ([]string, error) { return texts, nil },
	}})
	for want, result := range map[string]models.ClassifyResult{
		"the model answered 0 of 1 inputs":                                           {},
		"the model's scores for inputs are not 2 finite numbers, one for each label": {Labels: []string{"a", "b"}, Scores: [][]float32{{1}}},
		"the model's scores for inputs are not 1 finite numbers, one for each label": {Labels: []string{"a"}, Scores: [][]float32{{nan}}},
	} {
		classes = result
		got := w.post(t, "/predict", `{"model":"c","inputs":"x"}`)
		require.Equal(t, 500, got.status)
		require.Contains(t, got.body, want)
	}
	for path, known := range map[string]string{"/tokenize": `"inputs":["x","y"]`, "/decode": `"ids":[[1],[2]]`} {
		got := w.post(t, path, `{"model":"t",`+known+`}`)
		require.Equal(t, 500, got.status)
		require.Contains(t, got.body, "the model answered 0 of 2")
	}
	tokens = models.TokenizeResult{Tokens: [][]models.Token{make([]models.Token, 1+1<<20/bytesPerShown)}}
	got := w.post(t, "/tokenize", `{"model":"t","inputs":"x"}`)
	require.Equal(t, 503, got.status, "the answer has no room (server.bytes_in_flight)")
	golden(t, "error_answer_bytes", got.body)
	require.Zero(t, w.budget.used.Load())
}
