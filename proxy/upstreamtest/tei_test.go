package upstreamtest

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The cases' numbers are those of the list of replayable cases of the real server.

func TestTEIEmbeds(t *testing.T) {
	f := New(TEI, Options{})
	one := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"test"}`)) // T1
	require.Len(t, one, 1)
	require.Len(t, one[0], 384)
	require.InDelta(t, 1, math.Sqrt(dot(one[0], one[0])), 1e-6)

	ids := into[[][]float32](t, post(t, f, "/embed", `{"inputs":[[101,3231,102]]}`)) // T2
	require.Equal(t, one, ids)
	five := into[[][]float32](t, post(t, f, "/embed", `{"inputs":["test","test","test","test","test"]}`)) // T3
	require.Len(t, five, 5)
	require.Equal(t, one[0], five[4])

	short := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"test","dimensions":128}`)) // T4
	require.Len(t, short[0], 128)
	require.InDelta(t, 1, math.Sqrt(dot(short[0], short[0])), 1e-6)

	raw := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"What is Deep Learning?","normalize":false}`)) // T7
	require.Greater(t, math.Sqrt(dot(raw[0], raw[0])), 2.0)
	states := into[[][][]float32](t, post(t, f, "/embed_all", `{"inputs":["test","What is Deep Learning?","Deep Learning is..."]}`)) // T6, T7
	require.Len(t, states, 3)
	require.Len(t, states[0], 3)
	require.Len(t, states[0][0], 384)
	require.Len(t, states[1], 7)
	require.Len(t, states[2], 8)
	near := into[[][]float32](t, post(t, f, "/embed", `{"inputs":["What is Deep Learning?","What is Deep Thought?","Onions need little water in spring"]}`)) // T8
	require.Greater(t, cosine(near[0], near[1]), cosine(near[0], near[2])+0.3)
}

func TestTEIRefuses(t *testing.T) {
	f := New(TEI, Options{})
	const noInputs = `{"error":"Input validation error: ` + "`inputs`" + ` cannot be empty","error_type":"Empty"}`
	for _, inputs := range []string{`""`, `[]`, `["a",""]`} { // T9
		refused(t, post(t, f, "/embed", `{"inputs":`+inputs+`}`), 400, noInputs)
	}
	many := `["x"` + strings.Repeat(`,"x"`, 32) + `]`
	tooMany := `{"error":"batch size 33 > maximum allowed batch size 32","error_type":"Validation"}`
	refused(t, post(t, f, "/embed", `{"inputs":`+many+`}`), 422, tooMany) // T10
	refused(t, post(t, f, "/embed", `{"inputs":"x","dimensions":0}`), 422, `{"error":"Input validation error: `+"`dimensions`"+` should be positive","error_type":"Validation"}`)
	refused(t, post(t, f, "/embed", `{"inputs":"x","dimensions":10000}`), 422, `{"error":"Input validation error: `+"`dimensions`"+` should be smaller than the maximum embedding dimension.","error_type":"Validation"}`)
	refused(t, post(t, f, "/rerank", `{"query":"q","texts":["a"]}`), 424, `{"error":"Backend error: model is not a re-ranker model","error_type":"Backend"}`) // T12
	refused(t, post(t, f, "/embed_sparse", `{"inputs":"a"}`), 424, `{"error":"Backend error: Model is not an embedding model with SPLADE pooling","error_type":"Backend"}`)
	require.Equal(t, 424, post(t, f, "/predict", `{"inputs":"a"}`).status)

	old := New(TEI18, Options{})
	refused(t, post(t, old, "/embed", `{"inputs":`+many+`}`), 413, tooMany)
}

func TestTEITruncates(t *testing.T) {
	f, old := New(TEI, Options{}), New(TEI18, Options{})
	long, fitting := wordsOf(300), wordsOf(254)
	tooLong := `{"error":"Input validation error: ` + "`inputs`" + ` must have less than 256 tokens. Given: 302","error_type":"Validation"}`
	refused(t, post(t, f, "/embed", `{"inputs":"`+long+`","truncate":false}`), 422, tooLong) // T11
	refused(t, post(t, old, "/embed", `{"inputs":"`+long+`"}`), 413, tooLong)

	cut := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"`+fitting+`","truncate":false}`))
	for _, truncate := range []string{`true`, `null`} {
		require.Equal(t, cut, into[[][]float32](t, post(t, f, "/embed", `{"inputs":"`+long+`","truncate":`+truncate+`}`)))
	}
	right := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"first `+long+` last"}`))
	left := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"first `+long+` last","truncation_direction":"left"}`))
	require.NotEqual(t, right, left)
	middle := post(t, f, "/embed", `{"inputs":"a","truncation_direction":"middle"}`)
	require.Equal(t, 422, middle.status)
	require.Equal(t, "text/plain; charset=utf-8", middle.header.Get("Content-Type"))
	require.Equal(t, tooLong[:9], post(t, New(TEI, Options{NoTruncate: true}), "/embed", `{"inputs":"`+long+`"}`).body[:9])
}

func TestTEIAsOpenAI(t *testing.T) {
	type list struct {
		Object string
		Data   []struct {
			Object    string
			Index     int
			Embedding any
		}
		Model string
		Usage map[string]int
	}
	f := New(TEI, Options{Models: []Model{{Name: "minilm", Dimensions: 4}}})
	answer := post(t, f, "/v1/embeddings", `{"model":"other","input":["hello world","x"]}`) // T13
	require.Regexp(t, `^\{"object":"list","data":\[\{"object":"embedding","embedding":\[[-0-9.,]+\],"index":0\},\{"object":"embedding","embedding":\[[-0-9.,]+\],"index":1\}\],"model":"minilm","usage":\{"prompt_tokens":7,"total_tokens":7\}\}$`, answer.body)
	require.Equal(t, "7", answer.header.Get("x-compute-tokens")) // T15
	require.Equal(t, "12", answer.header.Get("x-compute-characters"))
	require.Equal(t, "gpu+optimized", answer.header.Get("x-compute-type"))

	plain := into[list](t, post(t, f, "/v1/embeddings", `{"input":"test"}`))
	require.Equal(t, 3, plain.Usage["prompt_tokens"])
	packed := into[list](t, post(t, f, "/v1/embeddings", `{"input":"test","encoding_format":"base64"}`))
	raw, err := base64.StdEncoding.DecodeString(packed.Data[0].Embedding.(string))
	require.NoError(t, err)
	for i, x := range plain.Data[0].Embedding.([]any) {
		require.Equal(t, float32(x.(float64)), math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
	}
	refused(t, post(t, f, "/v1/embeddings", `{"input":["","a"]}`), 400, `{"message":"Input validation error: `+"`inputs`"+` cannot be empty","code":400,"type":"Empty"}`)
}

// The bodies are those that were captured of a real server.
func TestTEIShapes(t *testing.T) {
	const deserialize = "Failed to deserialize the JSON body into the target type: "
	f := New(TEI, Options{})
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/v1/embeddings", `{"model": "minilm"}`, 422, deserialize + "missing field `input` at line 1 column 19"},
		{"/v1/embeddings", `{"input": `, 400, "Failed to parse the request body as JSON: input: EOF while parsing a value at line 1 column 10"},
		{"/v1/embeddings", `[]`, 422, deserialize + "invalid length 0, expected struct OpenAICompatRequest with 5 elements at line 1 column 2"},
		{"/v1/embeddings", `{"model": "minilm", "input": 5}`, 422, deserialize + "input: data did not match any variant of untagged enum Input at line 1 column 31"},
		{"/v1/embeddings", `{"model": "minilm", "input": ["a", 5]}`, 422, deserialize + "input: data did not match any variant of untagged enum Input at line 1 column 38"},
		{"/v1/embeddings", `{"model": "minilm", "input": "hello", "encoding_format": "hex"}`, 422, deserialize + "encoding_format: unknown variant `hex`, expected `float` or `base64` at line 1 column 62"},
		{"/v1/embeddings", `{"model":"minilm","input":"a","input":"b"}`, 422, deserialize + "duplicate field `input` at line 1 column 37"},
		{"/rerank", `{"texts": ["red apple", "blue sky", "green grass"]}`, 422, deserialize + "missing field `query` at line 1 column 51"},
		{"/rerank", `{"query": "x"}`, 422, deserialize + "missing field `texts` at line 1 column 14"},
		{"/rerank", `{"query": "fruit", "texts": []}`, 400, "{\"error\":\"`texts` cannot be empty\",\"error_type\":\"Empty\"}"},
		{"/embed", `{"inputs":[-1]}`, 422, deserialize + "inputs: data did not match any variant of untagged enum Input at line 1 column 15"},
		{"/v1/rerank", `{}`, 404, ""},
		{"/v1/embeddings", "{\"model\":\"minilm\",\"input\":\"a\xff\xfeb\"}", 400, "Failed to parse the request body as JSON: input: invalid unicode code point at line 1 column 32"},
		{"/v1/embeddings", `{"model":"minilm","input":"a\ud800b"}`, 400, "Failed to parse the request body as JSON: input: unexpected end of hex escape at line 1 column 35"},
	} {
		refused(t, post(t, f, c.path, c.body), c.status, c.want)
	}
	require.Equal(t, 200, post(t, f, "/embed", `{"inputs":"a\\ud800 \ud83d\ude00"}`).status, "an escaped backslash, and a whole pair")
	refused(t, post(t, f, "/v1/embeddings", ``, "Content-Type", "application/json"), 400, "Failed to parse the request body as JSON: EOF while parsing a value at line 1 column 0")
	refused(t, post(t, f, "/embed", `{}`, "Content-Type", ""), 415, "Expected request with `Content-Type: application/json`") // T14
	refused(t, post(t, f, "/embed", `{"inputs":"`+strings.Repeat("a", 2_000_000)+`"}`), 413, "Failed to buffer the request body: length limit exceeded")
	wrong := tell(t, f, http.MethodGet, "/embed", "")
	require.Equal(t, 405, wrong.status)
	require.Equal(t, "POST", wrong.header.Get("Allow"))
	require.Equal(t, 404, tell(t, f, http.MethodGet, "/v1/models", "").status)
	refused(t, tell(t, f, http.MethodGet, "/health", ""), 200, "")
	refused(t, tell(t, New(TEI, Options{Models: []Model{{Name: "minilm"}}}), http.MethodGet, "/info", ""), 200, `{"model_id":"/models/minilm","model_sha":null,"model_dtype":"float32","served_model_name":"minilm","model_type":{"embedding":{"pooling":"mean"}},"max_concurrent_requests":512,"max_input_length":256,"max_batch_tokens":16384,"max_batch_requests":8,"max_client_batch_size":32,"auto_truncate":true,"tokenization_workers":1,"version":"1.9.3","sha":null,"docker_label":null}`)
}

func TestTEIKey(t *testing.T) { // T16
	f := New(TEI, Options{Key: "secret"})
	refused(t, post(t, f, "/embed", `{"inputs":"a"}`), 401, "")
	refused(t, post(t, f, "/embed", `{"inputs":"a"}`, "Authorization", "Bearer wrong"), 401, "")
	require.Equal(t, 401, tell(t, f, http.MethodGet, "/info", "").status)
	require.Equal(t, 200, post(t, f, "/embed", `{"inputs":"a"}`, "Authorization", "Bearer secret").status)
	require.Equal(t, 200, tell(t, f, http.MethodGet, "/health", "").status)
	require.Equal(t, 200, tell(t, f, http.MethodGet, "/metrics", "").status)
}

func TestTEITokens(t *testing.T) { // T17
	f := New(TEI, Options{Models: []Model{{Prompts: map[string]string{"query": "query: "}}}})
	refused(t, post(t, f, "/tokenize", `{"inputs":"test"}`), 200, `[[{"id":101,"text":"[CLS]","special":true,"start":null,"stop":null},{"id":3231,"text":"test","special":false,"start":0,"stop":4},{"id":102,"text":"[SEP]","special":true,"start":null,"stop":null}]]`)
	refused(t, post(t, f, "/tokenize", `{"inputs":["naïve test"],"add_special_tokens":false}`), 200, `[[{"id":`+itoa(idOf("naïve"))+`,"text":"naïve","special":false,"start":0,"stop":6},{"id":3231,"text":"test","special":false,"start":7,"stop":11}]]`)
	refused(t, post(t, f, "/decode", `{"ids":[101,3231,102]}`), 200, `["test"]`)
	refused(t, post(t, f, "/decode", `{"ids":[[101,3231,102],[7592]],"skip_special_tokens":false}`), 200, `["[CLS] test [SEP]","hello"]`)

	plain := into[[][]float32](t, post(t, f, "/embed", `{"inputs":"query: test"}`))
	require.Equal(t, plain, into[[][]float32](t, post(t, f, "/embed", `{"inputs":"test","prompt_name":"query"}`)))
	unknown := post(t, f, "/embed", `{"inputs":"test","prompt_name":"passage"}`)
	require.Equal(t, 422, unknown.status)
	require.Contains(t, unknown.body, "query")
}

func TestTEIReranks(t *testing.T) { // T19, T20
	type ranked struct {
		Index int
		Text  *string
		Score float64
	}
	f := New(TEI, Options{Models: []Model{{Task: Rerank}}})
	answer := post(t, f, "/rerank", `{"query":"test","texts":["test","other","test"],"return_text":true}`)
	require.Regexp(t, `^\[\{"index":2,"text":"test","score":0\.98\d+\},\{"index":0,"text":"test","score":0\.98\d+\},\{"index":1,"text":"other","score":0\.01\d+\}\]$`, answer.body)
	require.Equal(t, "15", answer.header.Get("x-compute-tokens"))
	raw := into[[]ranked](t, post(t, f, "/rerank", `{"query":"test","texts":["test","other","test"],"raw_scores":true}`))
	require.Nil(t, raw[0].Text)
	require.InDelta(t, into[[]ranked](t, answer)[0].Score, sigmoid(raw[0].Score), 1e-6)

	require.Equal(t, 424, post(t, f, "/embed", `{"inputs":"a"}`).status)
	refused(t, post(t, f, "/v1/embeddings", `{"input":"hello"}`), 424, `{"message":"Backend error: Model is not an embedding model","code":424,"type":"Backend"}`)
	require.Equal(t, 200, post(t, f, "/rerank", `{"query":"q","texts":["","b"]}`).status)
	require.Equal(t, 400, post(t, f, "/rerank", `{"query":"","texts":["","b"]}`).status)
	long := wordsOf(300)
	require.Equal(t, 422, post(t, f, "/rerank", `{"query":"q","texts":["`+long+`"],"truncate":false}`).status)
	cut := post(t, f, "/rerank", `{"query":"q","texts":["`+long+`"],"truncate":true}`)
	require.Equal(t, "256", cut.header.Get("x-compute-tokens"))
}

func TestTEIPredictsAndCompares(t *testing.T) { // T21, T23
	type label struct {
		Score float64
		Label string
	}
	f := New(TEI, Options{Models: []Model{{Task: Classify, Labels: []string{"joy", "neutral", "test"}}}})
	one := into[[]label](t, post(t, f, "/predict", `{"inputs":"test"}`))
	require.Equal(t, "test", one[0].Label)
	require.InDelta(t, 1, one[0].Score+one[1].Score+one[2].Score, 1e-6)
	batch := into[[][]label](t, post(t, f, "/predict", `{"inputs":[["test"],["test"],["a","b"]]}`))
	require.Len(t, batch, 3)
	require.Equal(t, one, batch[0])
	require.Equal(t, batch[2], into[[]label](t, post(t, f, "/predict", `{"inputs":["a","b"]}`)))

	e := New(TEI, Options{})
	same := into[[]float64](t, post(t, e, "/similarity", `{"inputs":{"source_sentence":"a b c","sentences":["a b c","d e f"]}}`))
	require.InDelta(t, 1, same[0], 1e-6)
	require.Less(t, same[1], 0.7)
	refused(t, post(t, e, "/similarity", `{"inputs":{"source_sentence":"a","sentences":[]}}`), 400, "{\"error\":\"`inputs.sentences` cannot be empty\",\"error_type\":\"Empty\"}")
}
