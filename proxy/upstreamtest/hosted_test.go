package upstreamtest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenAI(t *testing.T) {
	f := New(OpenAI, Options{Models: []Model{{Name: "text-embedding-3-small", Dimensions: 8}}})
	const model = `"model":"text-embedding-3-small"`
	require.Regexp(t, `^\{"object":"list","data":\[\{"object":"embedding","index":0,"embedding":\[[-0-9.,]+\]\},\{"object":"embedding","index":1,"embedding":\[[-0-9.,]+\]\}\],"model":"text-embedding-3-small","usage":\{"prompt_tokens":3,"total_tokens":3\}\}$`, post(t, f, "/v1/embeddings", `{`+model+`,"input":["hello world","x"],"encoding_format":"float"}`).body)
	require.Equal(t, 200, post(t, f, "/v1/embeddings", `{`+model+`,"input":[[1,2],[3]],"dimensions":4,"encoding_format":"base64","user":"u"}`).status)
	refused(t, post(t, f, "/v1/embeddings", `{"model":"x","input":"a"}`), 404, "{\"error\":{\"message\":\"The model `x` does not exist or you do not have access to it.\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}")
	refused(t, post(t, f, "/v1/embeddings", `{`+model+`,"input":"`+wordsOf(300)+`"}`), 400, `{"error":{"message":"Invalid 'input[0]': maximum input length is 256 tokens.","type":"invalid_request_error","param":null,"code":null}}`)
	require.Equal(t, 400, post(t, f, "/v1/embeddings", `{`+model+`,"input":"a","truncate":true}`).status)
	for _, input := range []string{`""`, `[]`, `["a",""]`, `5`, `["a"` + strings.Repeat(`,"a"`, 2048) + `]`} {
		require.Equal(t, 400, post(t, f, "/v1/embeddings", `{`+model+`,"input":`+input+`}`).status)
	}
	require.Equal(t, 400, post(t, f, "/v1/embeddings", `{`+model+`,"input":"a","dimensions":9}`).status)
	require.Equal(t, 404, post(t, f, "/v1/rerank", `{}`).status)
	require.Contains(t, tell(t, f, http.MethodGet, "/v1/models", "").body, `{"id":"text-embedding-3-small","object":"model","created":1705948997,"owned_by":"system"}`)

	lenient := New(OpenAI, Options{AnyField: true, Key: "sk-right"})
	require.Equal(t, 200, post(t, lenient, "/v1/embeddings", `{"model":"fake","input":"a","truncate":true}`, "Authorization", "Bearer sk-right").status)
	refused(t, post(t, lenient, "/v1/embeddings", `{}`, "Authorization", "Bearer sk-wrong"), 401, `{"error":{"message":"Incorrect API key provided: sk-wrong.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`)
	require.Equal(t, 401, tell(t, lenient, http.MethodGet, "/v1/models", "").status)
}

func TestCohereEmbeds(t *testing.T) {
	f := New(Cohere, Options{Models: []Model{{Name: "embed-v4.0", Dimensions: 16}}})
	const request = `{"model":"embed-v4.0","texts":["hello world","x"],"input_type":"search_document"`
	require.Regexp(t, `^\{"id":"[-0-9a-f]{36}","embeddings":\{"float":\[\[[-0-9.,]+\],\[[-0-9.,]+\]\]\},"texts":\["hello world","x"\],"meta":\{"api_version":\{"version":"2"\},"billed_units":\{"input_tokens":7\}\},"response_type":"embeddings_by_type"\}$`, post(t, f, "/v2/embed", request+`}`).body)
	require.Regexp(t, `"embeddings":\[\[[-0-9.,]+\],\[[-0-9.,]+\]\],.*"version":"1".*"embeddings_floats"\}$`, post(t, f, "/v1/embed", request+`,"truncate":null}`).body)
	types := into[struct{ Embeddings map[string][][]float64 }](t, post(t, f, "/v2/embed", request+`,"embedding_types":["int8","uint8","binary","ubinary"],"output_dimension":8}`))
	for name, bounds := range map[string][3]float64{"int8": {8, -127, 127}, "uint8": {8, 0, 255}, "binary": {1, -128, 127}, "ubinary": {1, 0, 255}} {
		vector := types.Embeddings[name][0]
		require.Len(t, vector, int(bounds[0]), name)
		for _, x := range vector {
			require.True(t, x >= bounds[1] && x <= bounds[2], "%s %v", name, x)
		}
	}
	require.Equal(t, types.Embeddings["ubinary"][0][0], types.Embeddings["binary"][0][0]+128)

	long := `{"model":"embed-v4.0","input_type":"search_query","texts":["` + wordsOf(300) + `"]`
	require.Equal(t, 200, post(t, f, "/v2/embed", long+`}`).status)
	require.Equal(t, 200, post(t, f, "/v2/embed", long+`,"truncate":"START"}`).status)
	require.Contains(t, post(t, f, "/v2/embed", long+`,"truncate":"NONE"}`).body, "too many tokens")
	many := `["a"` + strings.Repeat(`,"a"`, 130) + `]`
	require.Contains(t, post(t, f, "/v2/embed", `{"model":"embed-v4.0","input_type":"search_query","texts":`+many+`}`).body, `"message":"invalid request: total number of texts must be at most 96 - received 131"`)
	for _, bad := range []string{`{}`, `[]`, `{"model":"embed-v4.0","texts":["a"]}`, `{"model":"embed-v4.0","texts":[1],"input_type":"search_query"}`, request + `,"output_dimension":17}`, request + `,"embedding_types":["int4"]}`} {
		require.Equal(t, 400, post(t, f, "/v2/embed", bad).status, bad)
	}
	unknown := post(t, f, "/v2/embed", request+`,"top_k":1}`)
	require.Equal(t, 422, unknown.status)
	require.Contains(t, unknown.body, "unknown field: parameter 'top_k' is not a valid field.")
}

func TestCohereReranks(t *testing.T) {
	f := New(Cohere, Options{Key: "k"})
	key := []string{"Authorization", "Bearer k"}
	const request = `{"model":"fake-rerank","query":"red apple","documents":["sky","red apple","apple"]`
	require.Regexp(t, `^\{"id":"[-0-9a-f]{36}","results":\[\{"index":1,"relevance_score":0\.98\d+\},\{"index":2,"relevance_score":0\.\d+\}\],"meta":\{"api_version":\{"version":"2","is_experimental":false\},"billed_units":\{"search_units":1\}\}\}$`, post(t, f, "/v2/rerank", request+`,"top_n":2}`, key...).body)
	require.Regexp(t, `"results":\[\{"document":\{"text":"red apple"\},"index":0,"relevance_score":`, post(t, f, "/v1/rerank", `{"model":"fake-rerank","query":"red apple","documents":[{"text":"red apple"}],"return_documents":true}`, key...).body)
	require.Contains(t, post(t, f, "/v2/rerank", `{"model":"fake-rerank","query":"a","documents":[]}`, key...).body, "invalid request: list of documents must not be empty")
	require.Equal(t, 400, post(t, f, "/v2/rerank", request+`,"top_n":0}`, key...).status)
	require.Equal(t, 422, post(t, f, "/v2/rerank", request+`,"return_documents":true}`, key...).status)
	require.Equal(t, 404, post(t, f, "/v2/rerank", `{"model":"x","query":"a","documents":["b"]}`, key...).status)
	require.Contains(t, post(t, f, "/v2/rerank", `{}`).body, `"message":"invalid api token"`)
	require.Contains(t, tell(t, f, http.MethodGet, "/v1/models", "", key...).body, `"name":"fake-rerank","endpoints":["rerank"]`)
}

func TestJina(t *testing.T) {
	f := New(Jina, Options{})
	require.Regexp(t, `^\{"model":"fake","object":"list","usage":\{"total_tokens":7,"prompt_tokens":7\},"data":\[\{"object":"embedding","index":0,"embedding":\[[-0-9.,]+\]\},\{"object":"embedding","index":1,"embedding":\[[-0-9.,]+\]\}\]\}$`, post(t, f, "/v1/embeddings", `{"model":"fake","input":["hello world",{"text":"x"}],"task":"retrieval.query"}`).body)
	require.Regexp(t, `"embedding":"[A-Za-z0-9+/=]+"`, post(t, f, "/v1/embeddings", `{"model":"fake","input":"a","embedding_type":"base64","dimensions":8,"normalized":false}`).body)
	long := `{"model":"fake","input":["` + wordsOf(300) + `"]`
	refused(t, post(t, f, "/v1/embeddings", long+`}`), 400, `{"detail":"[RID: ec422fa8b74c3c20b493406ac1388555] Single text cannot exceed 256 tokens. 302 tokens given."}`)
	require.Equal(t, 200, post(t, f, "/v1/embeddings", long+`,"truncate":true}`).status)
	for _, bad := range []string{`{`, `{}`, `{"model":"x","input":"a"}`, `{"model":"fake-rerank","input":"a"}`, `{"model":"fake","input":[]}`, `{"model":"fake","input":"a","dimensions":0}`, `{"model":"fake","input":"a","embedding_type":"int4"}`} {
		require.Equal(t, 422, post(t, f, "/v1/embeddings", bad).status, bad)
	}
	require.Regexp(t, `^\{"model":"fake-rerank","object":"list","usage":\{"total_tokens":\d+\},"results":\[\{"index":1,"relevance_score":0\.98\d+,"document":\{"text":"red apple"\}\}\]\}$`, post(t, f, "/v1/rerank", `{"model":"fake-rerank","query":"red apple","documents":["sky","red apple"],"top_n":1}`).body)
	require.NotContains(t, post(t, f, "/v1/rerank", `{"model":"fake-rerank","query":"red apple","documents":["sky"],"return_documents":false}`).body, "document")
}
