package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	sco = "/v1/score"
	em1 = "/v1/embed"
	em2 = "/v2/embed"
	pre = "/predict"
	sim = "/similarity"
	tok = "/tokenize"
	dec = "/decode"
	azu = "/openai/deployments/org/both/embeddings"
)

var long = "1 2 3 4 5 6 7 8 9 10 11 12"

var badDialects = []bad{
	// vLLM.
	{sco, ``, 400, inv, "", "the body is empty; it must be a JSON object"},
	{sco, `{}`, 400, inv, "text_1", "text_1 is missing or empty: give at least one text"},
	{sco, `{"text_1":[],"text_2":"x"}`, 400, inv, "text_1", "text_1 is missing or empty: give at least one text"},
	{sco, `{"text_1":null,"text_2":"x"}`, 400, inv, "text_1", "text_1 is missing or empty: give at least one text"},
	{sco, `{"text_1":"x"}`, 400, inv, "text_2", "text_2 is missing or empty: give at least one text"},
	{sco, `{"queries":"x","documents":[]}`, 400, inv, "text_2", "text_2 is missing or empty: give at least one text"},
	{sco, `{"text_1":1,"text_2":"x"}`, 400, inv, "text_1", "text_1 must be a string or a list of strings, not a number"},
	{sco, `{"text_1":"x","text_2":["y",2]}`, 400, inv, "text_2[1]", "text_2[1] must be a string, not a number"},
	{sco, `{"queries":"x","items":[{"content":[]}]}`, 400, inv, "items[0]", "items[0] must be a string, not an object"},
	{sco, `{"text_1":"x","queries":"y","text_2":"z"}`, 400, inv, "queries", "text_1 and queries are two names for one thing: give one of them"},
	{sco, `{"text_1":"x","documents":["y"],"data_2":["z"]}`, 400, inv, "data_2", "documents and data_2 are two names for one thing: give one of them"},
	{sco, `{"text_1":["a","b"],"text_2":["x","y","z"]}`, 400, inv, "text_1", "text_1 has 2 texts and text_2 has 3: it must have one, for all of them, or one for each (1:1, 1:N or N:N)"},
	{sco, `{"data_1":["a","b"],"data_2":"x"}`, 400, inv, "data_1", "data_1 has 2 texts and data_2 has 1: it must have one, for all of them, or one for each (1:1, 1:N or N:N)"},
	{sco, `{"text_1":"x","text_2":["1","2","3","4","5"]}`, 400, inv, "text_2", "text_2 has 5 items; one request may have 4 (server.max_documents)"},
	{sco, `{"queries":["1","2","3","4","5"],"text_2":["1","2","3","4","5"]}`, 400, inv, "queries", "queries has 5 items; one request may have 4 (server.max_documents)"},
	{sco, `{"text_1":"x","text_2":"y","use_activation":"no"}`, 400, inv, "use_activation", "use_activation must be a boolean, not a string"},
	{sco, `{"text_1":"x","text_2":"y","truncate_prompt_tokens":0}`, 400, inv, "truncate_prompt_tokens", "truncate_prompt_tokens must be -1 or at least 1, not 0"},
	{sco, `{"text_1":"x","text_2":"y","truncate_prompt_tokens":-2}`, 400, inv, "truncate_prompt_tokens", "truncate_prompt_tokens must be at least -1, not -2"},
	{sco, `{"text_1":"x","text_2":"y","max_tokens_per_doc":-1}`, 400, inv, "max_tokens_per_doc", "max_tokens_per_doc must be at least 0, not -1"},
	{sco, `{"text_1":"x","text_2":"y","truncation_side":"up"}`, 400, inv, "truncation_side", `truncation_side must be "Left" or "Right", not "up"`},
	{sco, `{"text_1":"x","text_2":"y","model":"embedder"}`, 400, "unsupported_task", "model", `model "embedder" does not do rerank; it does embed`},
	{sco, `{"text_1":"x","text_2":"y","model":"nope"}`, 404, "model_not_found", "model", `no model is called "nope"; GET /v1/models lists those there are`},
	{sco, `{"text_1":"x","text_2":["y","` + long + `"],"truncate":false}`, 400, "context_length_exceeded", "text_2[1]", "text_2[1] has 12 words; the model takes 9"},
	{sco, `{"queries":["x","y"],"documents":["z","` + long + `"],"truncate":"NONE"}`, 400, "context_length_exceeded", "documents[1]", "documents[1] has 12 words; the model takes 9"},
	{sco, `{"text_1":["x","` + long + `","x"],"text_2":["a","b","c"],"truncate":"NONE"}`, 400, "context_length_exceeded", "text_1[1]", "the text_1[1] has 12 words"},
	{sco, `{"text_1":"` + long + `","text_2":["a","b"],"truncate":"NONE"}`, 400, "context_length_exceeded", "text_1", "the text_1 has 12 words"},
	{sco, `{"text_1":"x","text_2":"` + long + `","truncate":"NONE"}`, 400, "context_length_exceeded", "text_2", "text_2 has 12 words; the model takes 9"},
	// Cohere.
	{em1, `{}`, 400, inv, "texts", "texts is missing or empty: give at least one text"},
	{em2, `{"texts":[]}`, 400, inv, "texts", "texts is missing or empty: give at least one text"},
	{em2, `{"inputs":[]}`, 400, inv, "inputs", "inputs is missing or empty: give at least one text"},
	{em1, `{"texts":["x",null]}`, 400, inv, "texts[1]", "texts[1] must be a string, not null"},
	{em1, `{"texts":{"text":"x"}}`, 400, inv, "texts", "texts must be a string or a list of strings, not an object"},
	{em2, `{"texts":["1","2","3","4","5"]}`, 400, inv, "texts", "texts has 5 items; one request may have 4 (server.max_inputs)"},
	{em2, `{"texts":["x"],"inputs":[{"content":[{"type":"text","text":"y"}]}]}`, 400, inv, "inputs", "texts and inputs are two names for one thing: give one of them"},
	{em2, `{"inputs":"x"}`, 400, inv, "inputs", "inputs must be a list of objects, not a string"},
	{em2, `{"inputs":["x"]}`, 400, inv, "inputs[0]", "inputs[0] must be an object, not a string"},
	{em2, `{"inputs":[{"content":"x"}]}`, 400, inv, "inputs[0].content", "inputs[0].content must be a list, not a string"},
	{em2, `{"inputs":[{"content":["x"]}]}`, 400, inv, "inputs[0].content[0]", "inputs[0].content[0] must be an object, not a string"},
	{em2, `{"inputs":[{"text":"x"}]}`, 400, inv, "inputs[0].content", "inputs[0].content is missing or empty: give at least one part"},
	{em2, `{"inputs":[{"content":[]}]}`, 400, inv, "inputs[0].content", "inputs[0].content is missing or empty: give at least one part"},
	{em2, `{"inputs":[{"content":[{"type":"text"}]}]}`, 400, inv, "inputs[0].content[0].text", "inputs[0].content[0].text is missing"},
	{em2, `{"inputs":[{"content":[{"type":"text","text":3}]}]}`, 400, inv, "inputs[0].content[0].text", "inputs[0].content[0].text must be a string, not a number"},
	{em2, `{"inputs":[{"content":[{"type":"text","text":"x"}]},{"content":[{"type":"image_url","image_url":{"url":"data:"}}]}]}`, 400, inv, "inputs[1].content[0].type", `inputs[1].content[0].type must be "text", not "image_url": only text can be embedded here`},
	{em2, `{"images":["data:"]}`, 400, inv, "images", "images cannot be embedded here: only text can (texts)"},
	{em1, `{"images":"data:"}`, 400, inv, "images", "images must be a list, not a string"},
	{em2, `{"texts":["x"],"embedding_types":"float"}`, 400, inv, "embedding_types", "embedding_types must be a list, not a string"},
	{em2, `{"texts":["x"],"embedding_types":["float","int4"]}`, 400, inv, "embedding_types[1]", `embedding_types[1] must be one of "float", "int8", "uint8", "binary", "ubinary" or "base64", not "int4"`},
	{em2, `{"texts":["x"],"embedding_types":[1]}`, 400, inv, "embedding_types[0]", "embedding_types[0] must be a string, not a number"},
	{em2, `{"texts":["x"],"output_dimension":5}`, 400, inv, "output_dimension", "output_dimension is 5; this model's vectors have 4"},
	{em2, `{"texts":["x"],"output_dimension":0}`, 400, inv, "output_dimension", "output_dimension must be at least 1, not 0"},
	{em1, `{"texts":["x"],"truncate":"MIDDLE"}`, 400, inv, "truncate", `truncate must be true, false, "NONE", "START" or "END", not "MIDDLE"`},
	{em1, `{"texts":["x"],"input_type":1}`, 400, inv, "input_type", "input_type must be a string, not a number"},
	{em1, `{"texts":["x"],"model":"reranker"}`, 400, "unsupported_task", "model", `model "reranker" does not do embed; it does rerank`},
	{em1, `{"texts":["x","` + long + `"],"truncate":"NONE"}`, 400, "context_length_exceeded", "texts[1]", "texts[1] has 12 words; the model takes 10"},
	{em2, `{"inputs":[{"content":[{"type":"text","text":"` + long + `"}]}],"truncate":"NONE"}`, 400, "context_length_exceeded", "inputs[0]", "inputs[0] has 12 words; the model takes 10"},
	// Azure.
	{azu, `{"input":[]}`, 400, inv, "input", "input is missing or empty: give at least one text"},
	{"/openai/deployments/nope/embeddings", `{"input":"x","model":"both"}`, 404, "model_not_found", "model", `no model is called "nope"; GET /v1/models lists those there are`},
	{"/openai/deployments/reranker/embeddings", `{"input":"x"}`, 400, "unsupported_task", "model", `model "reranker" does not do embed; it does rerank`},
	// TEI's /predict.
	{pre, ``, 400, val, "", "the body is empty; it must be a JSON object"},
	{pre, `{}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{pre, `{"inputs":[]}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{pre, `{"inputs":null}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{pre, `{"inputs":[["a"],[]]}`, 400, "Empty", "", "inputs[1] is empty: give one text, or two for a pair"},
	{pre, `{"inputs":3}`, 422, val, "", "inputs must be a string or a list, not a number"},
	{pre, `{"inputs":[3]}`, 422, val, "", "inputs[0] must be a string or a list, not a number"},
	{pre, `{"inputs":["a",["b"]]}`, 422, val, "", "inputs[1] is a list, but inputs[0] is a string: a list must be of one kind"},
	{pre, `{"inputs":[["a"],"b"]}`, 422, val, "", "inputs[1] is a string, but inputs[0] is a list: a list must be of one kind"},
	{pre, `{"inputs":["a","b","c"]}`, 422, val, "", "inputs has more than 2 strings, which are a text or a pair: a batch is a list of lists"},
	{pre, `{"inputs":[["a"],["a","b","c"]]}`, 422, val, "", "inputs[1] has more than 2 texts"},
	{pre, `{"inputs":[["a",1]]}`, 422, val, "", "inputs[0][1] must be a string, not a number"},
	{pre, `{"inputs":[["1"],["2"],["3"],["4"],["5"]]}`, 422, val, "", "inputs has 5 items; one request may have 4 (server.max_inputs)"},
	{pre, `{"inputs":"x","raw_scores":1}`, 422, val, "", "raw_scores must be a boolean, not a number"},
	{pre, `{"inputs":[["x"],["` + long + `"]],"truncate":false}`, 422, val, "", "inputs[1] has 12 words; the model takes 10"},
	{pre, `{"inputs":"` + long + `","truncate":false}`, 422, val, "", "inputs has 12 words; the model takes 10"},
	{pre, `{"inputs":"x","model":"embedder"}`, 424, "Backend", "", `model "embedder" does not do classify; it does embed`},
	{pre, `{"inputs":"x","model":"nope"}`, 404, val, "", `no model is called "nope"; GET /v1/models lists those there are`},
	// TEI's /similarity.
	{sim, `{}`, 400, "Empty", "", "inputs.source_sentence is missing"},
	{sim, `{"inputs":{"sentences":["x"]}}`, 400, "Empty", "", "inputs.source_sentence is missing"},
	{sim, `{"inputs":{"source_sentence":"x","sentences":[]}}`, 400, "Empty", "", "inputs.sentences is missing or empty: give at least one text"},
	{sim, `{"inputs":["x"]}`, 422, val, "", "inputs must be an object, not a list"},
	{sim, `{"inputs":{"source_sentence":3}}`, 422, val, "", "inputs.source_sentence must be a string, not a number"},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["a",1]}}`, 422, val, "", "inputs.sentences[1] must be a string, not a number"},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["1","2","3","4"]}}`, 422, val, "", "inputs.sentences has 4 items; one request may have 3 (server.max_inputs, less the source sentence)"},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["a"]},"parameters":{"truncation_direction":"up"}}`, 422, val, "", `parameters.truncation_direction must be "Left" or "Right", not "up"`},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["a"]},"parameters":{"prompt_name":"nope"}}`, 422, val, "", `parameters.prompt_name: no prompt is called "nope"`},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["a"]},"parameters":[]}`, 422, val, "", "parameters must be an object, not a list"},
	{sim, `{"inputs":{"source_sentence":"` + long + `","sentences":["a"]},"parameters":{"truncate":false}}`, 422, val, "", "inputs.source_sentence has 12 words; the model takes 10"},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["a","` + long + `"]},"parameters":{"truncate":false}}`, 422, val, "", "inputs.sentences[1] has 12 words; the model takes 10"},
	{sim, `{"inputs":{"source_sentence":"x","sentences":["a"]},"model":"reranker"}`, 424, "Backend", "", `model "reranker" does not do embed; it does rerank`},
	// TEI's /tokenize and /decode.
	{tok, `{}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{tok, `{"inputs":[]}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{tok, `{"inputs":[1]}`, 422, val, "", "inputs[0] must be a string, not a number"},
	{tok, `{"inputs":["1","2","3","4","5"]}`, 422, val, "", "inputs has 5 items; one request may have 4 (server.max_inputs)"},
	{tok, `{"inputs":"x","add_special_tokens":"no"}`, 422, val, "", "add_special_tokens must be a boolean, not a string"},
	{tok, `{"inputs":"x","model":"letters","prompt_name":"nope"}`, 422, val, "", `prompt_name: no prompt is called "nope"`},
	{tok, `{"inputs":"x","model":"embedder"}`, 424, "Backend", "", `model "embedder" does not show its tokens`},
	{tok, `{"inputs":"x","model":"loading"}`, 503, "Unhealthy", "", `model "loading" is being loaded`},
	{tok, `{"inputs":["x","` + strings.Repeat("x", 100) + `"],"model":"letters"}`, 413, val, "", "inputs has 101 bytes of text; one request may have 100 (a 16th of server.max_state_bytes)"},
	{dec, `{}`, 400, "Empty", "", "ids is missing or empty: give at least one"},
	{dec, `{"ids":[]}`, 400, "Empty", "", "ids is missing or empty: give at least one"},
	{dec, `{"ids":3}`, 422, val, "", "ids must be a list, not a number"},
	{dec, `{"ids":["x"]}`, 422, val, "", "ids[0] must be a token id or a list of them, not a string"},
	{dec, `{"ids":[[1],2]}`, 422, val, "", "ids[1] is a number, but ids[0] is a list: a list must be of one kind"},
	{dec, `{"ids":[[1],["x"]]}`, 422, val, "", "ids[1][0] must be a token id, a whole number from 0 to 4294967295, not a string"},
	{dec, `{"ids":[1,-1]}`, 422, val, "", "ids[1] must be a token id, a whole number from 0 to 4294967295, not -1"},
	{dec, `{"ids":[[1],[2],[3],[4],[5]]}`, 422, val, "", "ids has 5 items; one request may have 4 (server.max_inputs)"},
	{dec, `{"ids":[99,4294967295],"model":"letters"}`, 422, val, "", "ids[1]: token id 4294967295 is no character's"},
	{dec, `{"ids":[[99],[98,4294967295]],"model":"letters"}`, 422, val, "", "ids[1][1]: token id 4294967295 is no character's"},
	{dec, `{"ids":[99],"model":"embedder"}`, 424, "Backend", "", `model "embedder" does not show its tokens`},
	{dec, `{"ids":[` + strings.Repeat("1,", 100) + `1],"model":"letters"}`, 413, val, "", "ids has 101 ids; one request may have 100 (a 16th of server.max_state_bytes)"},
	// TEI's root.
	{"/", ``, 400, val, "", "the body is empty; it must be a JSON object"},
	{"/", `{}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{"/", `{"inputs":3}`, 422, val, "", "inputs must be a string or a list, not a number"},
	{"/", `{"inputs":"x","model":3}`, 422, val, "", "model must be a string, not a number"},
	{"/", `{"query":3,"texts":["x"]}`, 422, val, "", "query must be a string, not a number"},
	{"/", `{"inputs":{"sentences":["x"]}}`, 400, "Empty", "", "inputs.source_sentence is missing"},
	{"/", `{"inputs":[["a"],3],"model":"moods"}`, 422, val, "", "inputs[1] must be a string or a list, not a number"},
	{"/", `{"inputs":"x","model":"reranker"}`, 424, "Backend", "", `model "reranker" does not do embed; it does rerank`},
}

func TestBadDialects(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxStateBytes = 1600 }, further()...)
	for i, b := range badDialects {
		t.Run(fmt.Sprint(i, " ", b.path, " ", shorten(b.body)), func(t *testing.T) {
			got := w.do(t, http.MethodPost, b.path, strings.NewReader(b.body))
			require.Equal(t, b.wantBody(), got.body)
			require.Equal(t, b.status, got.status)
			require.False(t, got.closes, "an error must not close the connection")
			require.Equal(t, b.status == 503, got.header.Get("Retry-After") != "")
			require.Error(t, w.lastEvent(t).Error)
		})
	}
}

// TestCutBodiesOfDialects: wherever a body ends too early, that is what is said.
func TestCutBodiesOfDialects(t *testing.T) {
	w := start(t, nil, further()...)
	for path, body := range map[string]string{
		sco:       `{"queries":["q"],"documents":["a","b"],"truncate_prompt_tokens":3}`,
		em2:       `{"inputs":[{"id":1,"content":[{"type":"text","text":"a","x":[1]}]}],"images":[],"embedding_types":["int8"]}`,
		pre:       `{"inputs":[["a"],["a","b"]],"model":"moods"}`,
		sim:       `{"inputs":{"more":1,"source_sentence":"a","sentences":["b"]},"parameters":{"truncate":true}}`,
		tok:       `{"inputs":["a"],"model":"letters"}`,
		dec:       `{"ids":[[99],[98]],"model":"letters"}`,
		dec + "?": `{"ids":[99,98],"model":"letters"}`,
		"/":       `{"query":"q","texts":["a"],"model":"both"}`,
		"/?":      `{"inputs":"a","model":"both","truncate":true}`,
		azu:       `{"input":["a"],"encoding_format":"float"}`,
	} {
		require.Equal(t, 200, w.post(t, path, body).status, path)
		for end := range len(body) {
			got := w.post(t, path, body[:end])
			require.Equal(t, 400, got.status, body[:end])
			require.Contains(t, got.body, "the body is ", body[:end])
			require.NotContains(t, got.body, `"Empty"`, body[:end])
		}
	}
}
