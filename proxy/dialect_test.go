package proxy

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func texts(list ...string) []models.Input {
	var inputs []models.Input
	for _, text := range list {
		inputs = append(inputs, models.Input{Text: text})
	}
	return inputs
}

func extra(d models.Dialect, pairs ...string) models.Extra {
	e := models.Extra{Dialect: d}
	for i := 0; i < len(pairs); i += 2 {
		e.Fields = append(e.Fields, models.ExtraField{Name: pairs[i], JSON: []byte(pairs[i+1])})
	}
	return e
}

func speak(t *testing.T, kind Type) dialect {
	t.Helper()
	d, err := newDialect(kind)
	require.NoError(t, err)
	return d
}

func TestEveryTypeHasADialect(t *testing.T) {
	for _, kind := range Types() {
		d := speak(t, kind)
		h := http.Header{}
		d.authorize(h, "k")
		require.Equal(t, "Bearer k", h.Get("Authorization"))
	}
	_, err := newDialect("other")
	require.ErrorContains(t, err, `no kind of server is called "other"`)
}

func TestEmbedRequests(t *testing.T) {
	ids := []models.Input{{IDs: []uint32{7, 8}}, {IDs: []uint32{}}}
	full := models.EmbedRequest{Inputs: texts("a\"\n", "é\x00"), Dimensions: 8, Truncate: models.TruncateNone, Form: models.FormNumbers}
	for _, c := range []struct {
		kind Type
		req  models.EmbedRequest
		path string
		body string
	}{
		{TypeTEI, models.EmbedRequest{Inputs: texts("a")}, "/embed", `{"inputs":["a"],"normalize":true,"truncate":true,"truncation_direction":"Right"}`},
		{TypeTEI, full, "/embed", `{"inputs":["a\"\n","é\u0000"],"normalize":true,"truncate":false,"truncation_direction":"Right","dimensions":8}`},
		{TypeTEI, models.EmbedRequest{Inputs: ids, Raw: true, PromptName: "query", Truncate: models.TruncateStart, Extra: extra(models.DialectTEI, "x", "[1]", "truncate", "null")}, "/embed",
			`{"inputs":[[7,8],[]],"normalize":false,"truncate":true,"truncation_direction":"Left","prompt_name":"query","x":[1]}`},
		{TypeTEI, models.EmbedRequest{Inputs: texts("a"), Extra: extra(models.DialectOpenAI, "user", `"u"`)}, "/embed", `{"inputs":["a"],"normalize":true,"truncate":true,"truncation_direction":"Right"}`},
		{TypeOllama, full, "/api/embed", `{"model":"m","input":["a\"\n","é\u0000"],"truncate":false,"dimensions":8,"keep_alive":"10m"}`},
		{TypeVLLM, full, "/v1/embeddings", `{"model":"m","input":["a\"\n","é\u0000"],"encoding_format":"float","dimensions":8}`},
		{TypeVLLM, models.EmbedRequest{Inputs: ids, Raw: true, Truncate: models.TruncateStart, Form: models.FormBase64, Extra: extra(models.DialectOpenAI, "user", `"u"`)}, "/v1/embeddings",
			`{"model":"m","input":[[7,8],[]],"encoding_format":"base64","truncate_prompt_tokens":-1,"truncation_side":"left","use_activation":false,"user":"u"}`},
		{TypeVLLM, models.EmbedRequest{Inputs: texts("a"), Extra: extra(models.DialectOpenAI, "truncate_prompt_tokens", "12")}, "/v1/embeddings",
			`{"model":"m","input":["a"],"encoding_format":"base64","truncate_prompt_tokens":12}`},
		{TypeInfinity, models.EmbedRequest{Inputs: texts("a"), Dimensions: 8, InputType: "query"}, "/embeddings", `{"model":"m","input":["a"],"encoding_format":"base64","dimensions":8}`},
		{TypeOpenAI, models.EmbedRequest{Inputs: ids, Extra: extra(models.DialectOpenAI, "user", `"u"`, "Model", `"z"`)}, "/v1/embeddings", `{"model":"m","input":[[7,8],[]],"encoding_format":"base64","user":"u"}`},
		{TypeOpenAI, models.EmbedRequest{Inputs: texts("a"), Form: models.FormNumbers, Extra: extra(models.DialectCohere, "x", "1")}, "/v1/embeddings", `{"model":"m","input":["a"],"encoding_format":"float"}`},
		{TypeCohere, full, "/v2/embed", `{"model":"m","texts":["a\"\n","é\u0000"],"input_type":"search_document","embedding_types":["float"],"truncate":"NONE","output_dimension":8}`},
		{TypeCohere, models.EmbedRequest{Inputs: texts("a"), InputType: "query", Truncate: models.TruncateStart, Extra: extra(models.DialectCohere, "priority", "3")}, "/v2/embed",
			`{"model":"m","texts":["a"],"input_type":"search_query","embedding_types":["float"],"truncate":"START","priority":3}`},
		{TypeJina, models.EmbedRequest{Inputs: texts("a"), InputType: "passage", Raw: true, Extra: extra(models.DialectOpenAI, "late_chunking", "true")}, "/v1/embeddings",
			`{"model":"m","input":["a"],"task":"retrieval.passage","embedding_type":"base64","normalized":false,"truncate":true,"late_chunking":true}`},
		{TypeJina, models.EmbedRequest{Inputs: texts("a"), PromptName: "text-matching", Form: models.FormNumbers}, "/v1/embeddings",
			`{"model":"m","input":["a"],"task":"text-matching","embedding_type":"float","normalized":true,"truncate":true}`},
		{TypeQuadrate, models.EmbedRequest{Inputs: ids, PromptName: "p", Raw: true, Dimensions: 3}, "/embed",
			`{"model":"m","inputs":[[7,8],[]],"normalize":false,"truncate":true,"truncation_direction":"Right","prompt_name":"p","dimensions":3}`},
		{TypeQuadrate, models.EmbedRequest{Inputs: texts("a"), PromptName: "p", InputType: "query", Dimensions: 3, Raw: true, Truncate: models.TruncateStart, Extra: extra(models.DialectOpenAI, "user", `"u"`)}, "/v1/embeddings",
			`{"model":"m","input":["a"],"encoding_format":"base64","dimensions":3,"prompt_name":"p","input_type":"query","normalize":false,"truncate":"START","user":"u"}`},
	} {
		r, err := speak(t, c.kind).(embedding).embed(call{model: "m", keepAlive: "10m"}, &c.req, new(embedded))
		require.NoError(t, err, c.kind)
		require.Equal(t, c.path, r.path)
		require.Equal(t, c.body, string(r.body), c.kind)
		require.True(t, json.Valid(r.body))
	}
	r, err := ollama{}.embed(call{model: "m", keepAlive: "-1"}, &models.EmbedRequest{Inputs: texts("a")}, new(embedded))
	require.NoError(t, err)
	require.Equal(t, `{"model":"m","input":["a"],"truncate":true,"keep_alive":-1}`, string(r.body))
}

func TestRerankRequests(t *testing.T) {
	req := models.RerankRequest{Query: "q", Documents: []string{"a", "b"}, Extra: extra(models.DialectCohere, "top_N", "1", "return_documents", "true", "rank", `{"a":1}`)}
	raw := models.RerankRequest{Query: "q", Documents: []string{"a"}, Raw: true, MaxTokensPerDoc: 600, Truncate: models.TruncateNone}
	for _, c := range []struct {
		kind Type
		req  models.RerankRequest
		path string
		body string
	}{
		{TypeTEI, req, "/rerank", `{"query":"q","texts":["a","b"],"raw_scores":false,"return_text":false,"truncate":true,"truncation_direction":"Right"}`},
		{TypeTEI, raw, "/rerank", `{"query":"q","texts":["a"],"raw_scores":true,"return_text":false,"truncate":false,"truncation_direction":"Right"}`},
		{TypeVLLM, req, "/v1/rerank", `{"model":"m","query":"q","documents":["a","b"],"truncate_prompt_tokens":-1,"rank":{"a":1}}`},
		{TypeVLLM, raw, "/v1/rerank", `{"model":"m","query":"q","documents":["a"],"max_tokens_per_doc":600,"use_activation":false}`},
		{TypeInfinity, req, "/rerank", `{"model":"m","query":"q","documents":["a","b"],"return_documents":false,"raw_scores":false,"rank":{"a":1}}`},
		{TypeCohere, req, "/v2/rerank", `{"model":"m","query":"q","documents":["a","b"],"rank":{"a":1}}`},
		{TypeCohere, models.RerankRequest{Query: "q", Documents: []string{"a"}, MaxTokensPerDoc: 5}, "/v2/rerank", `{"model":"m","query":"q","documents":["a"],"max_tokens_per_doc":5}`},
		{TypeJina, req, "/v1/rerank", `{"model":"m","query":"q","documents":["a","b"],"return_documents":false,"rank":{"a":1}}`},
		{TypeQuadrate, req, "/v1/rerank", `{"model":"m","query":"q","documents":["a","b"],"return_documents":false,"raw_scores":false,"truncate":"END","rank":{"a":1}}`},
		{TypeQuadrate, raw, "/v1/rerank", `{"model":"m","query":"q","documents":["a"],"return_documents":false,"raw_scores":true,"max_tokens_per_doc":600,"truncate":"NONE"}`},
	} {
		r, err := speak(t, c.kind).(reranking).rerank(call{model: "m", maxLength: 512}, &c.req, new(models.RerankResult))
		require.NoError(t, err, c.kind)
		require.Equal(t, c.path, r.path)
		require.Equal(t, c.body, string(r.body), c.kind)
	}
	for _, kind := range []Type{TypeOllama, TypeOpenAI} {
		_, can := speak(t, kind).(reranking)
		require.False(t, can)
	}
}

func TestOtherRequests(t *testing.T) {
	pair := "b"
	single := []models.ClassifyInput{{Text: "a"}}
	for _, c := range []struct {
		kind       Type
		ask        func(d dialect) (*request, error)
		path, body string
	}{
		{TypeTEI, func(d dialect) (*request, error) {
			return d.(tokenStates).embedTokens(call{}, &models.TokensRequest{Inputs: texts("a"), PromptName: "p"}, nil)
		}, "/embed_all", `{"inputs":["a"],"truncate":true,"truncation_direction":"Right","prompt_name":"p"}`},
		{TypeVLLM, func(d dialect) (*request, error) {
			return d.(tokenStates).embedTokens(call{model: "m"}, &models.TokensRequest{Inputs: texts("a")}, nil)
		}, "/pooling", `{"model":"m","task":"token_embed","input":["a"],"encoding_format":"float","truncate_prompt_tokens":-1,"use_activation":false}`},
		{TypeQuadrate, func(d dialect) (*request, error) {
			return d.(tokenStates).embedTokens(call{model: "m"}, &models.TokensRequest{Inputs: texts("a"), Truncate: models.TruncateNone}, nil)
		}, "/embed_all", `{"model":"m","inputs":["a"],"truncate":false,"truncation_direction":"Right"}`},
		{TypeTEI, func(d dialect) (*request, error) {
			return d.(classifying).classify(call{}, &models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: "a"}, {Text: "a", Pair: &pair}}, Raw: true}, nil)
		}, "/predict", `{"inputs":[["a"],["a","b"]],"raw_scores":true,"truncate":true,"truncation_direction":"Right"}`},
		{TypeVLLM, func(d dialect) (*request, error) {
			return d.(classifying).classify(call{model: "m"}, &models.ClassifyRequest{Inputs: single, Raw: true}, nil)
		}, "/classify", `{"model":"m","input":["a"],"truncate_prompt_tokens":-1,"use_activation":false}`},
		{TypeInfinity, func(d dialect) (*request, error) {
			return d.(classifying).classify(call{model: "m"}, &models.ClassifyRequest{Inputs: single}, nil)
		}, "/classify", `{"model":"m","input":["a"]}`},
		{TypeQuadrate, func(d dialect) (*request, error) {
			return d.(classifying).classify(call{model: "m"}, &models.ClassifyRequest{Inputs: single}, nil)
		}, "/predict", `{"model":"m","inputs":[["a"]],"raw_scores":false,"truncate":true,"truncation_direction":"Right"}`},
		{TypeTEI, func(d dialect) (*request, error) {
			return d.(tokenizing).tokenize(call{}, &models.TokenizeRequest{Texts: []string{"a"}, AddSpecial: true}, nil)
		}, "/tokenize", `{"inputs":["a"],"add_special_tokens":true}`},
		{TypeQuadrate, func(d dialect) (*request, error) {
			return d.(tokenizing).tokenize(call{model: "m"}, &models.TokenizeRequest{Texts: []string{"a"}, PromptName: "p"}, nil)
		}, "/tokenize", `{"model":"m","inputs":["a"],"add_special_tokens":false,"prompt_name":"p"}`},
		{TypeTEI, func(d dialect) (*request, error) {
			return d.(tokenizing).decode(call{}, &models.DecodeRequest{IDs: [][]uint32{{1, 2}, {}}, SkipSpecial: true}, nil)
		}, "/decode", `{"ids":[[1,2],[]],"skip_special_tokens":true}`},
		{TypeQuadrate, func(d dialect) (*request, error) {
			return d.(tokenizing).decode(call{model: "m"}, &models.DecodeRequest{IDs: [][]uint32{{1}}}, nil)
		}, "/decode", `{"model":"m","ids":[[1]],"skip_special_tokens":false}`},
	} {
		r, err := c.ask(speak(t, c.kind))
		require.NoError(t, err)
		require.Equal(t, c.path, r.path)
		require.Equal(t, c.body, string(r.body))
	}
}

func TestWhatAServerCannotBeToldIsRefused(t *testing.T) {
	embed := func(req models.EmbedRequest) func(d dialect) error {
		return func(d dialect) error {
			if req.Inputs == nil {
				req.Inputs = texts("a")
			}
			_, err := d.(embedding).embed(call{model: "m"}, &req, new(embedded))
			return err
		}
	}
	rerank := func(c call, req models.RerankRequest) func(d dialect) error {
		return func(d dialect) error {
			_, err := d.(reranking).rerank(c, &req, new(models.RerankResult))
			return err
		}
	}
	pair := "b"
	classify := func(req models.ClassifyRequest) func(d dialect) error {
		return func(d dialect) error {
			_, err := d.(classifying).classify(call{}, &req, new(models.ClassifyResult))
			return err
		}
	}
	mixed := models.EmbedRequest{Inputs: []models.Input{{Text: "a"}, {IDs: []uint32{1}}}}
	for _, c := range []struct {
		kinds       []Type
		ask         func(d dialect) error
		param, want string
	}{
		{[]Type{TypeOllama, TypeVLLM, TypeInfinity, TypeOpenAI, TypeCohere}, embed(models.EmbedRequest{PromptName: "p"}), "prompt_name", `no prompt is called "p"`},
		{[]Type{TypeOllama, TypeInfinity, TypeOpenAI, TypeCohere}, embed(models.EmbedRequest{Raw: true}), "normalize", "gives vectors of norm 1 only"},
		{[]Type{TypeOllama, TypeInfinity, TypeCohere, TypeJina}, embed(mixed), "input[1]", "does not take: send text"},
		{[]Type{TypeVLLM, TypeOpenAI}, embed(mixed), "input[1]", "not both texts or both token ids"},
		{[]Type{TypeQuadrate}, embed(models.EmbedRequest{Inputs: mixed.Inputs, InputType: "query"}), "input_type", "beside token ids"},
		{[]Type{TypeVLLM, TypeInfinity, TypeOpenAI, TypeJina}, embed(models.EmbedRequest{Extra: extra(models.DialectOpenAI, "embed_dtype", `"float16"`)}), "embed_dtype", "or say float32"},
		{[]Type{TypeVLLM}, embed(models.EmbedRequest{Extra: extra(models.DialectOpenAI, "embed_dtype", `"float32"`, "Endianness", `"big"`)}), "Endianness", "or say float32"},
		{[]Type{TypeOllama, TypeInfinity, TypeJina}, embed(models.EmbedRequest{Truncate: models.TruncateStart}), "truncate", "cannot cut the start"},
		{[]Type{TypeInfinity}, embed(models.EmbedRequest{Truncate: models.TruncateNone}), "truncate", "cannot be told to refuse"},
		{[]Type{TypeInfinity, TypeCohere, TypeJina}, rerank(call{}, models.RerankRequest{Truncate: models.TruncateNone}), "truncate", "cannot be told to refuse"},
		{[]Type{TypeCohere, TypeJina}, rerank(call{}, models.RerankRequest{Raw: true}), "raw_scores", "gives no raw scores"},
		{[]Type{TypeTEI, TypeInfinity, TypeJina}, rerank(call{maxLength: 512}, models.RerankRequest{MaxTokensPerDoc: 511}), "max_tokens_per_doc", "to 511 tokens; it takes 512"},
		{[]Type{TypeTEI, TypeInfinity, TypeJina}, rerank(call{}, models.RerankRequest{MaxTokensPerDoc: 511}), "max_tokens_per_doc", "models[].max_length"},
		{[]Type{TypeVLLM, TypeInfinity}, classify(models.ClassifyRequest{Inputs: []models.ClassifyInput{{}, {Pair: &pair}}}), "inputs[1]", "does not classify"},
		{[]Type{TypeInfinity}, classify(models.ClassifyRequest{Raw: true}), "raw_scores", "gives no raw scores"},
	} {
		for _, kind := range c.kinds {
			err := c.ask(speak(t, kind))
			require.ErrorContains(t, err, c.want, kind)
			var e *models.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, models.KindInvalid, e.Kind)
			require.Equal(t, c.param, e.Param)
			require.Contains(t, e.Message, kind)
		}
	}
}

func TestListsOfModels(t *testing.T) {
	for _, c := range []struct {
		kind         Type
		path, answer string
		want         listing
	}{
		{TypeTEI, "/info", `{"model_id":"BAAI/bge","model_type":{"embedding":{"pooling":"cls"}},"max_input_length":512,"max_client_batch_size":64}`,
			listing{models: []listed{{name: "BAAI/bge", tasks: []models.Task{models.TaskEmbed}, maxLength: 512}}, limits: limits{items: 64}}},
		{TypeTEI, "/info", `{"model_id":"go","served_model_name":"emotions","model_type":{"classifier":{"id2label":{"0":"joy","1":"grief"}}}}`,
			listing{models: []listed{{name: "go", tasks: []models.Task{models.TaskClassify}, labels: []string{"joy", "grief"}}, {name: "emotions", tasks: []models.Task{models.TaskClassify}, labels: []string{"joy", "grief"}}}}},
		{TypeTEI, "/info", `{"model_id":"r","model_type":{"reranker":{"id2label":{"0":"LABEL_0"},"label2id":{}}}}`,
			listing{models: []listed{{name: "r", tasks: []models.Task{models.TaskRerank}}}}},
		{TypeTEI, "/info", `{"model_id":"r","model_type":{"reranker":{}},"max_input_length":-1}`,
			listing{models: []listed{{name: "r", tasks: []models.Task{models.TaskRerank}}}}},
		{TypeVLLM, "/v1/models", `{"data":[{"id":"m","max_model_len":9223372036854775807}]}`, listing{models: []listed{{name: "m", maxLength: 1 << 30}}}},
		{TypeOllama, "/api/tags", `{"models":[{"name":"bge-m3:latest","modified_at":"2026-01-02T03:04:05Z","size":1},{"name":"e5:small"}]}`,
			listing{models: []listed{{name: "bge-m3", created: 1767323045}, {name: "e5:small"}}}},
		{TypeVLLM, "/v1/models", `{"object":"list","data":[{"id":"Qwen/Q","created":5,"max_model_len":8192,"permission":[{}]}]}`,
			listing{models: []listed{{name: "Qwen/Q", maxLength: 8192, created: 5}}}},
		{TypeInfinity, "/models", `{"data":[{"id":"m","created":1700000000.5,"capabilities":["embed","image_embed"],"stats":{"queue_fraction":0.1}}]}`,
			listing{models: []listed{{name: "m", tasks: []models.Task{models.TaskEmbed}, created: 1700000000}}}},
		{TypeOpenAI, "/v1/models", `{"data":[{"id":"text-embedding-3-small","created":1,"owned_by":"x"},{}]}`, listing{models: []listed{{name: "text-embedding-3-small", created: 1}}}},
		{TypeOpenAI, "/v1/models", `{"data":[{"id":"mistral-embed","created":"2024-01-01","capabilities":{"completion_chat":false},"max_length":"8k","labels":{}},{"id":"b","created":7}]}`, listing{models: []listed{{name: "mistral-embed"}, {name: "b", created: 7}}}},
		{TypeCohere, "/v1/models?page_size=1000", `{"models":[{"name":"embed-v4.0","endpoints":["embed"],"context_length":128000.0},{"name":"command","endpoints":["chat"]},{"name":"rerank-v3.5","endpoints":["rerank"]}]}`,
			listing{models: []listed{{name: "embed-v4.0", tasks: []models.Task{models.TaskEmbed}, maxLength: 128000}, {name: "rerank-v3.5", tasks: []models.Task{models.TaskRerank}}}}},
		{TypeQuadrate, "/v1/models", `{"data":[{"id":"a/b","created":3,"tasks":["rerank","classify"],"max_length":512,"dimensions":3,"score_kind":"cosine","prompts":["p"],"labels":["x","y"],"multi_label":true}]}`,
			listing{models: []listed{{name: "a/b", tasks: []models.Task{models.TaskRerank, models.TaskClassify}, maxLength: 512, created: 3, dimensions: 3, scoreKind: models.ScoreCosine, prompts: []string{"p"}, labels: []string{"x", "y"}, multiLabel: true}}}},
	} {
		var got listing
		calls := 0
		r := speak(t, c.kind).list(func(l listing) { got = l; calls++ })
		require.Equal(t, c.path, r.path)
		require.Equal(t, http.MethodGet, r.method)
		require.NoError(t, r.read(&response{body: []byte(c.answer)}))
		require.Equal(t, c.want, got)
		for _, wrong := range []string{"<html>", "[]", `{"data":"x","models":3,"model_id":{}}`} {
			require.Error(t, r.read(&response{body: []byte(wrong)}))
		}
		require.Equal(t, 1, calls)
	}
	require.Nil(t, jina{}.list(nil))
}
