package upstreamtest

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

type scored struct {
	Index          int
	Score          float64
	RelevanceScore float64 `json:"relevance_score"`
	Document       any
}

func TestVLLMEmbeds(t *testing.T) {
	f := New(VLLM, Options{Models: []Model{{Name: "m", Dimensions: 4}}})
	answer := post(t, f, "/v1/embeddings", `{"input":["test",[101,3231,102]]}`)
	require.Equal(t, 400, answer.status, "texts and ids do not mix")
	answer = post(t, f, "/v1/embeddings", `{"model":"m","input":[[101,3231,102],[7592]]}`)
	require.Regexp(t, `^\{"id":"embd-[0-9a-f]{16}","object":"list","created":\d+,"model":"m","data":\[\{"index":0,"object":"embedding","embedding":\[[-0-9.,]+\]\},\{"index":1,"object":"embedding","embedding":\[[-0-9.,]+\]\}\],"usage":\{"prompt_tokens":4,"total_tokens":4,"completion_tokens":0,"prompt_tokens_details":null\}\}$`, answer.body)
	require.Equal(t, 200, post(t, f, "/v1/embeddings", `{"input":"test","dimensions":2,"encoding_format":"base64","unknown":1}`).status)
	require.Equal(t, 400, post(t, f, "/v1/embeddings", `{"input":"test","dimensions":5}`).status)
	fixed := New(VLLM, Options{Models: []Model{{Name: "m", Fixed: true}}, FlatErrors: true})
	refused(t, post(t, fixed, "/v1/embeddings", `{"input":"x","dimensions":2}`), 400, `{"object":"error","message":"Model \"m\" does not support matryoshka representation, changing output dimensions will lead to poor results.","type":"BadRequestError","param":null,"code":400}`)
	require.Regexp(t, `^\{"id":"embd-[0-9a-f]{16}","embeddings":\{"float":\[\[[-0-9.,]+\]\]\},"texts":\["test"\],"meta":\{"api_version":\{"version":"2"\},"billed_units":\{"input_tokens":3\}\}\}$`, post(t, f, "/v2/embed", `{"texts":["test"],"embedding_types":["float"],"model":"m"}`).body)
}

func TestVLLMRefuses(t *testing.T) {
	f := New(VLLM, Options{Models: []Model{{Name: "m"}}})
	refused(t, post(t, f, "/v1/embeddings", `{"model":"x","input":"a"}`), 404, "{\"error\":{\"message\":\"The model `x` does not exist.\",\"type\":\"NotFoundError\",\"param\":\"model\",\"code\":404}}")
	refused(t, post(t, f, "/classify", `{"input":"a"}`), 404, `{"detail":"Not Found"}`)
	refused(t, tell(t, f, http.MethodGet, "/v1/embeddings", ""), 405, `{"detail":"Method Not Allowed"}`)
	refused(t, post(t, f, "/v1/embeddings", `{"input":"a"}`, "Content-Type", "text/plain"), 400, `{"error":{"message":"Unsupported Media Type: Only 'application/json' is allowed","type":"Bad Request","param":null,"code":400}}`)
	refused(t, post(t, f, "/v1/embeddings", `{"input":"a","normalize":true}`), 400, "{\"error\":{\"message\":\"Parameter `normalize` was removed; use `use_activation` instead.\",\"type\":\"BadRequestError\",\"param\":\"normalize\",\"code\":400}}")
	for _, body := range []string{`{`, `[]`, `{}`, `{"input":5}`, `{"input":[]}`, `{"input":"a","truncate_prompt_tokens":-2}`, `{"input":"a","truncate_prompt_tokens":257}`} {
		require.Equal(t, 400, post(t, f, "/v1/embeddings", body).status, body)
	}
	long := wordsOf(300)
	tooLong := post(t, f, "/v1/embeddings", `{"input":"`+long+`"}`)
	refused(t, tooLong, 400, `{"error":{"message":"This model's maximum context length is 256 tokens. However, you requested 0 output tokens and your prompt contains at least 257 input tokens, for a total of at least 257 tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=257)","type":"BadRequestError","param":"input_tokens","code":400}}`)
	type list struct {
		Data []struct{ Embedding []float32 }
	}
	cut := into[list](t, post(t, f, "/v1/embeddings", `{"input":"`+long+`","truncate_prompt_tokens":-1}`))
	require.Equal(t, into[list](t, post(t, f, "/v1/embeddings", `{"input":"`+wordsOf(254)+`"}`)), cut)
}

func TestVLLMReranks(t *testing.T) {
	type ranking struct {
		ID      string
		Results []scored
		Usage   map[string]int
	}
	f := New(VLLM, Options{Models: []Model{{Name: "m", Task: Rerank}}})
	for _, path := range []string{"/rerank", "/v1/rerank", "/v2/rerank"} {
		got := into[ranking](t, post(t, f, path, `{"model":"m","query":"red apple","documents":["sky","red apple",{"content":[{"type":"text","text":"apple"}]}],"top_n":2}`))
		require.Len(t, got.Results, 2)
		require.Equal(t, 1, got.Results[0].Index)
		require.Equal(t, 2, got.Results[1].Index)
		require.Equal(t, map[string]any{"text": "red apple", "multi_modal": nil}, got.Results[0].Document)
		require.Equal(t, 19, got.Usage["total_tokens"])
	}
	require.Equal(t, 400, post(t, f, "/rerank", `{"query":"q","documents":[{"text":"a"}]}`).status)
	// These were seen of a real server.
	refused(t, post(t, f, "/v1/rerank", `{"query":"q","documents":[]}`), 400, `{"error":{"message":"At least one text_pair element must be given","type":"BadRequestError","param":null,"code":400}}`)
	refused(t, post(t, f, "/v1/rerank", `{"model":"reranker","documents":["a","b"]}`), 400, `{"error":{"message":"1 validation error:\n  {'type': 'missing', 'loc': ('body', 'query'), 'msg': 'Field required', 'input': {'model': 'reranker', 'documents': ['a', 'b']}}","type":"Bad Request","param":"body.query","code":400}}`)
	raw := into[ranking](t, post(t, f, "/rerank", `{"query":"a","documents":["a"],"use_activation":false}`))
	require.Greater(t, raw.Results[0].RelevanceScore, 1.0)
	require.Equal(t, 404, post(t, f, "/v1/embeddings", `{"input":"a"}`).status)
}

func TestVLLMScores(t *testing.T) {
	type scores struct {
		Data  []scored
		Usage map[string]int
	}
	cross := New(VLLM, Options{Models: []Model{{Task: Rerank}}})
	got := into[scores](t, post(t, cross, "/score", `{"text_1":"red","text_2":["blue","red"]}`))
	require.Less(t, got.Data[0].Score, got.Data[1].Score, "not sorted")
	for _, body := range []string{`{"queries":["a","b"],"documents":["a","b"]}`, `{"data_1":"a","data_2":"b"}`, `{"queries":"a","items":["b"]}`} {
		require.Equal(t, 200, post(t, cross, "/v1/score", body).status, body)
	}
	shapes := post(t, cross, "/score", `{"text_1":["a","b"],"text_2":["a","b","c"]}`)
	require.Contains(t, shapes.body, "Input lengths must be either 1:1, 1:N or N:N")
	require.Equal(t, 400, shapes.status)

	both := New(VLLM, Options{})
	cosines := into[scores](t, post(t, both, "/score", `{"text_1":"red","text_2":["blue","red"]}`))
	require.InDelta(t, 1, cosines.Data[1].Score, 1e-6)
	require.Equal(t, 12, cosines.Usage["prompt_tokens"], "the query counts for each pair")
}

func TestVLLMClassifiesAndPools(t *testing.T) {
	f := New(VLLM, Options{Models: []Model{{Name: "m", Task: Classify, Labels: []string{"bad", "good"}}}})
	require.Regexp(t, `^\{"id":"classify-[0-9a-f]+","object":"list","created":\d+,"model":"m","data":\[\{"index":0,"label":"good","probs":\[0\.00\d+,0\.99\d+\],"num_classes":2\}\],"usage":.*\}$`, post(t, f, "/classify", `{"input":"good"}`).body)
	require.Equal(t, 404, post(t, f, "/score", `{"text_1":"a","text_2":"b"}`).status)
	e := New(VLLM, Options{Models: []Model{{Dimensions: 2}}})
	require.Regexp(t, `"data":\[\{"index":0,"object":"pooling","data":\[[-0-9.]+,[-0-9.]+\]\}\]`, post(t, e, "/pooling", `{"input":"a"}`).body)
	require.Regexp(t, `"data":\[\[[-0-9.]+,[-0-9.]+\],\[[-0-9.]+,[-0-9.]+\],\[[-0-9.]+,[-0-9.]+\]\]\}\]`, post(t, e, "/pooling", `{"input":"a","task":"token_embed"}`).body)
	refused(t, post(t, e, "/tokenize", `{"prompt":"test"}`), 200, `{"count":3,"max_model_len":256,"tokens":[101,3231,102],"token_strs":null}`)
	refused(t, post(t, e, "/detokenize", `{"tokens":[101,3231,102]}`), 200, `{"prompt":"[CLS] test [SEP]"}`)
}

func TestVLLMKeyGuardsVersionedRoutesOnly(t *testing.T) {
	f := New(VLLM, Options{Key: "secret"})
	refused(t, post(t, f, "/v1/embeddings", `{"input":"a"}`), 401, `{"error":"Unauthorized"}`)
	require.Equal(t, 401, tell(t, f, http.MethodGet, "/v1/models", "").status)
	require.Equal(t, 200, post(t, f, "/v1/embeddings", `{"input":"a"}`, "Authorization", "Bearer secret").status)
	require.Equal(t, 200, post(t, f, "/rerank", `{"query":"a","documents":["b"]}`).status)
	refused(t, tell(t, f, http.MethodGet, "/health", ""), 200, "")
}
