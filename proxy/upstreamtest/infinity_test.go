package upstreamtest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bodies are those that were captured of a real server, whose prefix was /v1.
func TestInfinityShapes(t *testing.T) {
	f := New(Infinity, Options{Models: []Model{{Name: "minilm", Dimensions: 384}}, Prefix: "/v1"})
	for _, c := range []struct{ body, want string }{
		{`{"model": "minilm"}`, `{"detail":[{"type":"missing","loc":["body","text","input"],"msg":"Field required","input":{"model":"minilm"}}]}`},
		{`{"input": `, `{"detail":[{"type":"json_invalid","loc":["body",10],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting value"}}]}`},
		{``, `{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}`},
		{`[]`, `{"detail":[{"type":"model_attributes_type","loc":["body","text"],"msg":"Input should be a valid dictionary or object to extract fields from","input":[]}]}`},
		{`{"model": "minilm", "input": []}`, `{"detail":[{"type":"too_short","loc":["body","text","input","list[constrained-str]"],"msg":"List should have at least 1 item after validation, not 0","input":[],"ctx":{"field_type":"List","min_length":1,"actual_length":0}},{"type":"string_type","loc":["body","text","input","constrained-str"],"msg":"Input should be a valid string","input":[]}]}`},
		{`{"model": "minilm", "input": 5}`, `{"detail":[{"type":"list_type","loc":["body","text","input","list[constrained-str]"],"msg":"Input should be a valid list","input":5},{"type":"string_type","loc":["body","text","input","constrained-str"],"msg":"Input should be a valid string","input":5}]}`},
		{`{"model": "minilm", "input": ["a", 5]}`, `{"detail":[{"type":"string_type","loc":["body","text","input","list[constrained-str]",1],"msg":"Input should be a valid string","input":5},{"type":"string_type","loc":["body","text","input","constrained-str"],"msg":"Input should be a valid string","input":["a",5]}]}`},
		{`{"model": "minilm", "input": [[101,7592,102],[101,102]]}`, `{"detail":[{"type":"string_type","loc":["body","text","input","list[constrained-str]",0],"msg":"Input should be a valid string","input":[101,7592,102]},{"type":"string_type","loc":["body","text","input","list[constrained-str]",1],"msg":"Input should be a valid string","input":[101,102]},{"type":"string_type","loc":["body","text","input","constrained-str"],"msg":"Input should be a valid string","input":[[101,7592,102],[101,102]]}]}`},
		{`{"model": "minilm", "input": "hello", "encoding_format": "hex"}`, `{"detail":[{"type":"enum","loc":["body","text","encoding_format"],"msg":"Input should be 'float' or 'base64'","input":"hex","ctx":{"expected":"'float' or 'base64'"}}]}`},
	} {
		refused(t, post(t, f, "/v1/embeddings", c.body, "Content-Type", "application/json"), 422, c.want)
	}
	refused(t, post(t, f, "/v1/embeddings", `{"model": "minilm", "input": "hello"}`, "Content-Type", "text/plain"), 422, `{"detail":[{"type":"model_attributes_type","loc":["body","text"],"msg":"Input should be a valid dictionary or object to extract fields from","input":"{\"model\": \"minilm\", \"input\": \"hello\"}"}]}`)
	refused(t, post(t, f, "/v1/embeddings", `{"model": "minilm", "input": "hello", "dimensions": 100000}`), 400, `{"error":{"message":"<class 'infinity_emb.primitives.MatryoshkaDimError'> -> matryoshka_dim=100000 is not in a valid range. Select between 1 and 384.","type":null,"param":null,"code":400}}`)
	refused(t, post(t, f, "/v1/rerank", `{"model": "xlmr-large-rand", "query": "fruit", "documents": ["red apple"]}`), 400, "{\"error\":{\"message\":\"ModelNotDeployedError: model=`xlmr-large-rand` does not support `rerank`. Reason: the loaded moded cannot fullyfill `rerank`. Options are {'embed'}.\",\"type\":null,\"param\":null,\"code\":400}}")
	refused(t, post(t, f, "/v1/embeddings", "{\"model\":\"minilm\",\"input\":\"a\xff\xfeb\"}"), 400, `{"detail":"There was an error parsing the body"}`)
	refused(t, post(t, f, "/v1/embeddings", `{"model":"minilm","input":"a\ud800b"}`), 500, `Internal Server Error`)
	refused(t, tell(t, f, http.MethodGet, "/v1/embeddings", ""), 405, `{"detail":"Method Not Allowed"}`)
	refused(t, post(t, f, "/rerank", `{}`), 404, `{"detail":"Not Found"}`)
	refused(t, tell(t, f, http.MethodGet, "/health", ""), 200, `{"unix":1795299386.5259924}`)
	refused(t, tell(t, f, http.MethodGet, "/v1/models", ""), 200, `{"data":[{"id":"minilm","stats":{"queue_fraction":0.0,"queue_absolute":0,"results_pending":0,"batch_size":32},"object":"model","owned_by":"infinity","created":1795299386,"backend":"torch","capabilities":["embed"]}],"object":"list"}`)
}

func TestInfinityEmbeds(t *testing.T) {
	type list struct {
		Data  []struct{ Embedding []float64 }
		Usage map[string]int
	}
	f := New(Infinity, Options{})
	answer := post(t, f, "/embeddings", `{"model":"any","input":"hello world"}`)
	require.Regexp(t, `^\{"object":"list","data":\[\{"object":"embedding","embedding":\[[-0-9.,]+\],"index":0\}\],"model":"fake","usage":\{"prompt_tokens":11,"total_tokens":11\},"id":"infinity-[-0-9a-f]{36}","created":\d+\}$`, answer.body)
	require.Len(t, into[list](t, post(t, f, "/embeddings", `{"input":"x","dimensions":64}`)).Data[0].Embedding, 64) // I6
	require.Len(t, into[list](t, post(t, f, "/embeddings", `{"input":"x","dimensions":0}`)).Data[0].Embedding, 384)
	require.Equal(t, 422, post(t, f, "/embeddings", `{"input":"`+strings.Repeat("a", 8194*15)+`"}`).status) // I5
	require.Equal(t, 200, post(t, f, "/embeddings", `{"input":"`+strings.Repeat("a", 8192*15)+`"}`).status)
	require.Equal(t, 422, post(t, f, "/embeddings", `{"input":["a"`+strings.Repeat(`,"a"`, 2048)+`]}`).status)
	same := into[list](t, post(t, f, "/embeddings", `{"input":["a b","  a b ","a b"]}`)) // I10
	require.Equal(t, same.Data[0], same.Data[1])
	require.Equal(t, 9, same.Usage["total_tokens"])

	counting := New(Infinity, Options{LengthsViaTokenize: true})
	require.Equal(t, 5, into[list](t, post(t, counting, "/embeddings", `{"input":["Hi","how","school","Pizza Hi"]}`)).Usage["prompt_tokens"]) // I8
}

func TestInfinityReranks(t *testing.T) {
	f := New(Infinity, Options{Models: []Model{{Name: "e"}, {Name: "r", Task: Rerank}}})
	const documents = `"documents":["The sky is blue","Where is Paris","Paris is in France"]`
	require.Regexp(t, `^\{"object":"rerank","results":\[\{"relevance_score":0\.98\d+,"index":1,"document":null\},\{"relevance_score":0\.\d+,"index":2,"document":null\},\{"relevance_score":0\.\d+,"index":0,"document":null\}\],"model":"r","usage":\{"prompt_tokens":89,"total_tokens":89\},"id":"infinity-[-0-9a-f]{36}","created":\d+\}$`, post(t, f, "/rerank", `{"model":"r","query":"Where is Paris",`+documents+`}`).body)
	type ranking struct{ Results []scored }
	for n, want := range map[string]int{"1": 1, "2": 2, "8000": 3, "null": 3} { // I2
		for _, with := range []string{"true", "false"} {
			got := into[ranking](t, post(t, f, "/rerank", `{"model":"r","query":"Where is Paris","top_n":`+n+`,"return_documents":`+with+`,`+documents+`}`))
			require.Len(t, got.Results, want)
			require.Equal(t, with == "true", got.Results[0].Document == "Where is Paris")
		}
	}
	refused(t, post(t, f, "/rerank", `{"model":"r","query":"fruit","top_n":0,"documents":["a"]}`), 422, `{"detail":[{"type":"greater_than","loc":["body","top_n"],"msg":"Input should be greater than 0","input":0,"ctx":{"gt":0}}]}`) // I3
	refused(t, post(t, f, "/rerank", `{"model":"r","query":"fruit","documents":[{"text":"red apple"}]}`), 422, `{"detail":[{"type":"string_type","loc":["body","documents",0],"msg":"Input should be a valid string","input":{"text":"red apple"}}]}`)
	refused(t, post(t, f, "/embeddings", `{"model":"r","input":"a"}`), 400, "{\"error\":{\"message\":\"ModelNotDeployedError: model=`r` does not support `embed` for modality `text`. Reason: the loaded moded cannot fullyfill `embed`. Options are {'rerank'}.\",\"type\":null,\"param\":null,\"code\":400}}") // I4
	require.Equal(t, 400, post(t, f, "/classify", `{"model":"r","input":["a"]}`).status)
	unknown := post(t, f, "/rerank", `{"model":"x","query":"a","documents":["b"]}`)
	require.Equal(t, 400, unknown.status)
	require.Contains(t, unknown.body, "Invalid model: ")
}

func TestInfinityClassifiesAndKeepsItsKey(t *testing.T) {
	f := New(Infinity, Options{Models: []Model{{Task: Classify, Labels: []string{"sad", "glad"}}}, Key: "secret"})
	refused(t, post(t, f, "/classify", `{"input":["a"]}`), 401, `{"detail":"Unauthorized"}`)
	require.Equal(t, 401, tell(t, f, http.MethodGet, "/models", "").status)
	require.Equal(t, 200, tell(t, f, http.MethodGet, "/health", "").status)
	require.Regexp(t, `^\{"object":"classify","data":\[\[\{"score":0\.98\d+,"label":"glad"\},\{"score":0\.\d+,"label":"sad"\}\]\],"model":"fake","usage"`, post(t, f, "/classify", `{"input":["glad"]}`, "Authorization", "Bearer secret").body)
}
