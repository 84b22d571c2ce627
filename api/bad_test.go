package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// bad is a request that must be refused, and how: want is the whole message.
type bad struct {
	path, body string
	status     int
	code       string // OpenAI's code, or TEI's error_type
	param      string // OpenAI's param
	want       string
}

const (
	emb   = "/v1/embeddings"
	rer   = "/v1/rerank"
	embed = "/embed"
	inv   = "invalid_request_error"
	val   = "Validation"
)

var badBodies = []bad{
	// The body as JSON.
	{emb, "", 400, inv, "", "the body is empty; it must be a JSON object"},
	{emb, "   \n", 400, inv, "", "the body is empty; it must be a JSON object"},
	{rer, "", 400, inv, "", "the body is empty; it must be a JSON object"},
	{embed, "", 400, val, "", "the body is empty; it must be a JSON object"},
	{"/rerank", "", 400, inv, "", "the body is empty; it must be a JSON object"},
	{emb, `{`, 400, inv, "", "the body is not valid JSON: line 1, column 2 (byte 1): the text ends too early"},
	{emb, `{"input":"x"`, 400, inv, "", "the body is not valid JSON: line 1, column 13 (byte 12): the text ends too early"},
	{emb, `{"input":"x"} trailing`, 400, inv, "", "the body is not valid JSON: line 1, column 15 (byte 14): more text after the end of the object"},
	{emb, `{"input":"x"}{}`, 400, inv, "", "the body is not valid JSON: line 1, column 14 (byte 13): more text after the end of the object"},
	{emb, `[1]`, 400, inv, "", "the body must be a JSON object, not a list"},
	{emb, `"x"`, 400, inv, "", "the body must be a JSON object, not a string"},
	{emb, `3`, 400, inv, "", "the body must be a JSON object, not a number"},
	{emb, `null`, 400, inv, "", "the body must be a JSON object, not null"},
	{emb, `true`, 400, inv, "", "the body must be a JSON object, not a boolean"},
	{emb, "{\n  \"input\": x\n}", 400, inv, "", "the body is not valid JSON: line 2, column 12 (byte 13): unexpected 'x'"},
	{emb, `{'input':'x'}`, 400, inv, "", "the body is not valid JSON: line 1, column 2 (byte 1): unexpected '\\''"},
	{emb, `{"input":"x",}`, 400, inv, "", "the body is not valid JSON: line 1, column 14 (byte 13): unexpected '}'"},
	{emb, `{"input":["x",]}`, 400, inv, "", "the body is not valid JSON: line 1, column 15 (byte 14): unexpected ']'"},
	{emb, `{input:"x"}`, 400, inv, "", "the body is not valid JSON: line 1, column 2 (byte 1): unexpected 'i'"},
	{emb, `{"input":"\x"}`, 400, inv, "", "the body is not valid JSON: line 1, column 10 (byte 9): the string that begins there has an invalid escape"},
	{emb, `{"input":"\u12"}`, 400, inv, "", "the body is not valid JSON: line 1, column 10 (byte 9): the string that begins there has an invalid escape"},
	{emb, "{\"input\":\"a\nb\"}", 400, inv, "", "the body is not valid JSON: line 1, column 12 (byte 11): character U+000A must be escaped in a string"},
	{emb, `{"input":"x`, 400, inv, "", "the body is not valid JSON: line 1, column 12 (byte 11): the text ends too early"},
	{emb, `{"input":nul}`, 400, inv, "", "the body is not valid JSON: line 1, column 13 (byte 12): unexpected '}'"},
	{emb, `{"input":"x","n":01}`, 400, inv, "", "the body is not valid JSON: line 1, column 19 (byte 18): unexpected '1'"},
	{emb, `{"input":"x","n":1.}`, 400, inv, "", "the body is not valid JSON: line 1, column 20 (byte 19): unexpected '}'"},
	{emb, `{"input":"x","n":+1}`, 400, inv, "", "the body is not valid JSON: line 1, column 18 (byte 17): unexpected '+'"},
	{emb, `{"input":"x","n":-}`, 400, inv, "", "the body is not valid JSON: line 1, column 19 (byte 18): unexpected '}'"},
	{emb, `{"input":"x","n":NaN}`, 400, inv, "", "the body is not valid JSON: line 1, column 18 (byte 17): unexpected 'N'"},
	{emb, `input=x&model=y`, 400, inv, "", "the body is not valid JSON: line 1, column 1 (byte 0): unexpected 'i'"},
	{emb, "\u0000", 400, inv, "", "the body is not valid JSON: line 1, column 1 (byte 0): unexpected '\\x00'"},
	{emb, `{"input":"x","deep":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "}", 400, inv, "", "the body is not valid JSON: line 1, column 533 (byte 532): nested deeper than 512"},
	{embed, `{"inputs":`, 400, val, "", "the body is not valid JSON: line 1, column 11 (byte 10): the text ends too early"},
	{"/rerank", `{"query":"x","texts":["a"`, 400, val, "", "the body is not valid JSON: line 1, column 26 (byte 25): the text ends too early"},
	// Embeddings.
	{emb, `{}`, 400, inv, "input", "input is missing or empty: give at least one text"},
	{emb, `{"input":null}`, 400, inv, "input", "input is missing or empty: give at least one text"},
	{emb, `{"input":[]}`, 400, inv, "input", "input is missing or empty: give at least one text"},
	{emb, `{"model":"both"}`, 400, inv, "input", "input is missing or empty: give at least one text"},
	{emb, `{"input":1}`, 400, inv, "input", "input must be a string or a list, not a number"},
	{emb, `{"input":true}`, 400, inv, "input", "input must be a string or a list, not a boolean"},
	{emb, `{"input":{"text":"x"}}`, 400, inv, "input", "input must be a string or a list, not an object"},
	{emb, `{"input":["x",1]}`, 400, inv, "input[1]", "input[1] is a number, but input[0] is a string: a list must be of one kind"},
	{emb, `{"input":[1,"x"]}`, 400, inv, "input[1]", "input[1] is a string, but input[0] is a number: a list must be of one kind"},
	{emb, `{"input":[[1],"x"]}`, 400, inv, "input[1]", "input[1] is a string, but input[0] is a list: a list must be of one kind"},
	{emb, `{"input":["x",null]}`, 400, inv, "input[1]", "input[1] must be a string or a list of token ids, not null"},
	{emb, `{"input":["x",["y"]]}`, 400, inv, "input[1]", "input[1] is a list, but input[0] is a string: a list must be of one kind"},
	{emb, `{"input":[["y"]]}`, 400, inv, "input[0][0]", "input[0][0] must be a token id, a whole number from 0 to 4294967295, not a string"},
	{emb, `{"input":[true]}`, 400, inv, "input[0]", "input[0] must be a string or a list of token ids, not a boolean"},
	{emb, `{"input":[{"text":"x"},{"txt":"y"}]}`, 400, inv, "input[1]", `input[1] must be a string or an object with a "text"`},
	{emb, `{"input":[{"text":3}]}`, 400, inv, "input[0].text", "input[0].text must be a string, not a number"},
	{emb, `{"input":[{"text":"x"},"y"]}`, 400, inv, "input[1]", "input[1] is a string, but input[0] is an object: a list must be of one kind"},
	{emb, `{"input":[{"text":null}]}`, 400, inv, "input[0]", `input[0] must be a string or an object with a "text"`},
	{emb, `{"input":[1,-1]}`, 400, inv, "input[1]", "input[1] must be a token id, a whole number from 0 to 4294967295, not -1"},
	{emb, `{"input":[1.5]}`, 400, inv, "input[0]", "input[0] must be a token id, a whole number from 0 to 4294967295, not 1.5"},
	{emb, `{"input":[4294967296]}`, 400, inv, "input[0]", "input[0] must be a token id, a whole number from 0 to 4294967295, not 4294967296"},
	{emb, `{"input":[[1],[2,99999999999999999999]]}`, 400, inv, "input[1][1]", "input[1][1] must be a token id, a whole number from 0 to 4294967295, not 99999999999999999999"},
	{emb, `{"input":[[1],[100]]}`, 400, inv, "input[1]", "input[1]: id 100; server.token_ids says what ids are read as"},
	{emb, `{"input":[100]}`, 400, inv, "input", "input: id 100; server.token_ids says what ids are read as"},
	{emb, `{"input":["1","2","3","4","5"]}`, 400, inv, "input", "input has 5 items; one request may have 4 (server.max_inputs)"},
	{emb, `{"input":[[1],[2],[3],[4],[5],[6]]}`, 400, inv, "input", "input has 6 items; one request may have 4 (server.max_inputs)"},
	{emb, `{"input":"x","encoding_format":"int8"}`, 400, inv, "encoding_format", `encoding_format must be "float" or "base64", not "int8"`},
	{emb, `{"input":"x","encoding_format":""}`, 400, inv, "encoding_format", `encoding_format must be "float" or "base64", not ""`},
	{emb, `{"input":"x","encoding_format":1}`, 400, inv, "encoding_format", "encoding_format must be a string, not a number"},
	{emb, `{"input":"x","dimensions":0}`, 400, inv, "dimensions", "dimensions must be at least 1, not 0"},
	{emb, `{"input":"x","dimensions":-1}`, 400, inv, "dimensions", "dimensions must be at least 1, not -1"},
	{emb, `{"input":"x","dimensions":5}`, 400, inv, "dimensions", "dimensions is 5; this model's vectors have 4"},
	{emb, `{"input":"x","dimensions":1.5}`, 400, inv, "dimensions", "dimensions must be a whole number, not 1.5"},
	{emb, `{"input":"x","dimensions":"2"}`, 400, inv, "dimensions", "dimensions must be a number, not a string"},
	{emb, `{"input":"x","dimensions":1e400}`, 400, inv, "dimensions", "dimensions must be a whole number, not 1e400"},
	{emb, `{"input":"x","truncate":"MIDDLE"}`, 400, inv, "truncate", `truncate must be true, false, "NONE", "START" or "END", not "MIDDLE"`},
	{emb, `{"input":"x","truncate":3}`, 400, inv, "truncate", `truncate must be true, false, "NONE", "START" or "END", not a number`},
	{emb, `{"input":"x","normalize":"yes"}`, 400, inv, "normalize", "normalize must be a boolean, not a string"},
	{emb, `{"input":"x","prompt_name":7}`, 400, inv, "prompt_name", "prompt_name must be a string, not a number"},
	{emb, `{"input":"x","prompt_name":"nope"}`, 400, inv, "prompt_name", `prompt_name: no prompt is called "nope"`},
	{emb, `{"input":"x","input_type":[]}`, 400, inv, "input_type", "input_type must be a string, not a list"},
	{emb, `{"input":"x","model":5}`, 400, inv, "model", "model must be a string, not a number"},
	{emb, `{"input":"x","model":"nope"}`, 404, "model_not_found", "model", `no model is called "nope"; GET /v1/models lists those there are`},
	{emb, `{"input":"x","model":"reranker"}`, 400, "unsupported_task", "model", `model "reranker" does not do embed; it does rerank`},
	{emb, `{"input":"x","model":"loading"}`, 503, "model_loading", "", `model "loading" is being loaded`},
	{emb, `{"input":["a","1 2 3 4 5 6 7 8 9 10 11 12"],"truncate":false}`, 400, "context_length_exceeded", "input[1]", "input[1] has 12 words; the model takes 10"},
	{emb, `{"input":"1 2 3 4 5 6 7 8 9 10 11 12","truncate":"none"}`, 400, "context_length_exceeded", "input[0]", "input[0] has 12 words; the model takes 10"},
	// Rerank.
	{rer, `{}`, 400, inv, "query", "query is missing or empty"},
	{rer, `{"documents":["x"]}`, 400, inv, "query", "query is missing or empty"},
	{rer, `{"query":"","documents":["x"]}`, 400, inv, "query", "query is missing or empty"},
	{rer, `{"query":null,"documents":["x"]}`, 400, inv, "query", "query is missing or empty"},
	{rer, `{"query":3,"documents":["x"]}`, 400, inv, "query", "query must be a string, not a number"},
	{rer, `{"query":["q"],"documents":["x"]}`, 400, inv, "query", "query must be a string, not a list"},
	{rer, `{"query":"q"}`, 400, inv, "documents", "documents is missing or empty: give at least one"},
	{rer, `{"query":"q","documents":[]}`, 400, inv, "documents", "documents is missing or empty: give at least one"},
	{rer, `{"query":"q","documents":null}`, 400, inv, "documents", "documents is missing or empty: give at least one"},
	{rer, `{"query":"q","documents":"x"}`, 400, inv, "documents", "documents must be a list, not a string"},
	{rer, `{"query":"q","documents":{"text":"x"}}`, 400, inv, "documents", "documents must be a list, not an object"},
	{rer, `{"query":"q","documents":["x",1]}`, 400, inv, "documents[1]", "documents[1] must be a string or an object, not a number"},
	{rer, `{"query":"q","documents":["x",null]}`, 400, inv, "documents[1]", "documents[1] must be a string or an object, not null"},
	{rer, `{"query":"q","documents":["x",["y"]]}`, 400, inv, "documents[1]", "documents[1] must be a string or an object, not a list"},
	{rer, `{"query":"q","documents":["x",{"title":"t"}]}`, 400, inv, "documents[1]", `documents[1] has none of the fields that are ranked: "text" (rank_fields)`},
	{rer, `{"query":"q","documents":[{"text":["t"]}]}`, 400, inv, "documents[0].text", "documents[0].text must be a string, a number or a boolean, not a list"},
	{rer, `{"query":"q","documents":[{"text":null}]}`, 400, inv, "documents[0]", `documents[0] has none of the fields that are ranked: "text" (rank_fields)`},
	{rer, `{"query":"q","documents":[{"text":"t"}],"rank_fields":["title"]}`, 400, inv, "documents[0]", `documents[0] has none of the fields that are ranked: "title" (rank_fields)`},
	{rer, `{"query":"q","documents":["x"],"rank_fields":"title"}`, 400, inv, "rank_fields", "rank_fields must be a list, not a string"},
	{rer, `{"query":"q","documents":["x"],"rank_fields":[1]}`, 400, inv, "rank_fields[0]", "rank_fields[0] must be a string, not a number"},
	{rer, `{"query":"q","documents":["1","2","3","4","5"]}`, 400, inv, "documents", "documents has 5 items; one request may have 4 (server.max_documents)"},
	{rer, `{"query":"q","documents":["x"],"top_n":-1}`, 400, inv, "top_n", "top_n must be at least 0, not -1"},
	{rer, `{"query":"q","documents":["x"],"top_n":1.5}`, 400, inv, "top_n", "top_n must be a whole number, not 1.5"},
	{rer, `{"query":"q","documents":["x"],"top_n":"3"}`, 400, inv, "top_n", "top_n must be a number, not a string"},
	{rer, `{"query":"q","documents":["x"],"top_k":-2}`, 400, inv, "top_k", "top_k must be at least 0, not -2"},
	{rer, `{"query":"q","documents":["x"],"return_documents":"yes"}`, 400, inv, "return_documents", `return_documents must be true or false, not "yes"`},
	{rer, `{"query":"q","documents":["x"],"return_documents":1}`, 400, inv, "return_documents", "return_documents must be true or false, not a number"},
	{rer, `{"query":"q","documents":["x"],"raw_scores":"true"}`, 400, inv, "raw_scores", "raw_scores must be a boolean, not a string"},
	{rer, `{"query":"q","documents":["x"],"max_tokens_per_doc":-1}`, 400, inv, "max_tokens_per_doc", "max_tokens_per_doc must be at least 0, not -1"},
	{rer, `{"query":"q","documents":["x"],"truncate":"no"}`, 400, inv, "truncate", `truncate must be true, false, "NONE", "START" or "END", not "no"`},
	{rer, `{"query":"q","documents":["x"],"model":"embedder"}`, 400, "unsupported_task", "model", `model "embedder" does not do rerank; it does embed`},
	{rer, `{"query":"q","documents":["x"],"model":"absent"}`, 404, "model_not_found", "model", `model "absent" is not here: its files are absent`},
	{rer, `{"query":"q","documents":["x"],"model":"no such\nmodel"}`, 404, "model_not_found", "model", `no model is called "no such\nmodel"; GET /v1/models lists those there are`},
	{rer, `{"query":"q","documents":["x","1 2 3 4 5 6 7 8 9 10 11 12"],"truncate":false}`, 400, "context_length_exceeded", "documents[1]", "documents[1] has 12 words; the model takes 9"},
	{rer, `{"query":"1 2 3 4 5 6 7 8 9 10 11 12","documents":["x"],"truncate":"NONE"}`, 400, "context_length_exceeded", "query", "the query has 12 words"},
	{rer, `{"query":"q","texts":["x"]}`, 400, inv, "documents", "documents is missing or empty: give at least one"},
	// TEI.
	{embed, `{}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{embed, `{"inputs":[]}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{embed, `{"inputs":null}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
	{embed, `{"inputs":3}`, 422, val, "", "inputs must be a string or a list, not a number"},
	{embed, `{"inputs":[true]}`, 422, val, "", "inputs[0] must be a string or a list of token ids, not a boolean"},
	{embed, `{"inputs":["x",3]}`, 422, val, "", "inputs[1] is a number, but inputs[0] is a string: a list must be of one kind"},
	{embed, `{"inputs":[3,"x"]}`, 422, val, "", "inputs[1] is a string, but inputs[0] is a number: a list must be of one kind"},
	{embed, `{"inputs":["1","2","3","4","5"]}`, 422, val, "", "inputs has 5 items; one request may have 4 (server.max_inputs)"},
	{embed, `{"inputs":[["x"]]}`, 422, val, "", "inputs[0][0] must be a token id, a whole number from 0 to 4294967295, not a string"},
	{embed, `{"inputs":[[1],[1000]]}`, 422, val, "", "inputs[1]: token id 1000 is not below 1000"},
	{embed, `{"inputs":"x","dimensions":0}`, 422, val, "", "dimensions must be at least 1, not 0"},
	{embed, `{"inputs":"x","dimensions":9}`, 422, val, "", "dimensions is 9; this model's vectors have 4"},
	{embed, `{"inputs":"x","prompt_name":"nope"}`, 422, val, "", `prompt_name: no prompt is called "nope"`},
	{embed, `{"inputs":"x","truncation_direction":"middle"}`, 422, val, "", `truncation_direction must be "Left" or "Right", not "middle"`},
	{embed, `{"inputs":"x","truncate":"maybe"}`, 422, val, "", `truncate must be true, false, "NONE", "START" or "END", not "maybe"`},
	{embed, `{"inputs":"x","normalize":1}`, 422, val, "", "normalize must be a boolean, not a number"},
	{embed, `{"inputs":["a","1 2 3 4 5 6 7 8 9 10 11 12"],"truncate":false}`, 422, val, "", "inputs[1] has 12 words; the model takes 10"},
	{embed, `{"inputs":"x","model":"reranker"}`, 424, "Backend", "", `model "reranker" does not do embed; it does rerank`},
	{embed, `{"inputs":"x","model":"nope"}`, 404, val, "", `no model is called "nope"; GET /v1/models lists those there are`},
	{embed, `{"inputs":"x","model":"loading"}`, 503, "Unhealthy", "", `model "loading" is being loaded`},
	{"/rerank", `{"texts":["x"]}`, 400, "Empty", "", "query is missing or empty"},
	{"/rerank", `{"query":"q","texts":[]}`, 400, "Empty", "", "texts is missing or empty: give at least one"},
	{"/rerank", `{"query":"q","texts":null}`, 400, "Empty", "", "texts is missing or empty: give at least one"},
	{"/rerank", `{"query":1,"texts":["x"]}`, 422, val, "", "query must be a string, not a number"},
	{"/rerank", `{"query":"q","texts":[{"text":"x"}]}`, 422, val, "", "texts[0] must be a string, not an object"},
	{"/rerank", `{"query":"q","texts":["1","2","3","4","5"]}`, 422, val, "", "texts has 5 items; one request may have 4 (server.max_documents)"},
	{"/rerank", `{"query":"q","texts":["x","1 2 3 4 5 6 7 8 9 10 11 12"],"truncate":false}`, 422, val, "", "texts[1] has 12 words; the model takes 9"},
	{"/rerank", `{"query":"q","texts":["x"],"model":"embedder"}`, 424, "Backend", "", `model "embedder" does not do rerank; it does embed`},
	{"/rerank", `{"query":1,"documents":null,"texts":["x"]}`, 422, val, "", "query must be a string, not a number"},
	{"/rerank", `{"query":["q"],"documents":["x"],"texts":["x"]}`, 400, inv, "query", "query must be a string, not a list"},
	{"/rerank", `{"query":"q","documents":[["x"]],"texts":["x"]}`, 400, inv, "documents[0]", "documents[0] must be a string or an object, not a list"},
	{"/rerank", `{"query":1,"texts":["x"`, 422, val, "", "query must be a string, not a number"},
	{"/rerank", `{"query":"q","texts":["x"],"return_text":"x"}`, 422, val, "", "return_text must be a boolean, not a string"},
	{"/rerank", `{"query":"q"}`, 400, inv, "documents", "documents is missing or empty: give at least one"},
}

// body writes a refusal the way its dialect does.
func (b bad) wantBody() string {
	quote := func(s string) string {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		_ = e.Encode(s)
		return strings.TrimSuffix(out.String(), "\n")
	}
	if strings.ToUpper(b.code[:1]) == b.code[:1] {
		return fmt.Sprintf(`{"error":%s,"error_type":%s}`, quote(b.want), quote(b.code))
	}
	param := "null"
	if b.param != "" {
		param = quote(b.param)
	}
	typ := "invalid_request_error"
	if b.status == 503 {
		typ = "overloaded_error"
	}
	return fmt.Sprintf(`{"error":{"message":%s,"type":%s,"param":%s,"code":%s},"message":%s}`, quote(b.want), quote(typ), param, quote(b.code), quote(b.want))
}

func TestBadBodies(t *testing.T) {
	require.GreaterOrEqual(t, len(badBodies), 80)
	w := start(t, nil)
	for i, b := range badBodies {
		t.Run(fmt.Sprint(i, " ", b.path, " ", shorten(b.body)), func(t *testing.T) {
			got := w.do(t, http.MethodPost, b.path, strings.NewReader(b.body))
			require.Equal(t, b.wantBody(), got.body)
			require.Equal(t, b.status, got.status)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			require.False(t, got.closes, "an error must not close the connection")
			require.NotEmpty(t, got.header.Get("X-Request-Id"))
			require.Equal(t, b.status == 503, got.header.Get("Retry-After") != "")
			require.Equal(t, b.status, w.lastEvent(t).Status)
			require.Error(t, w.lastEvent(t).Error)
		})
	}
}

func zipped(t *testing.T, data string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(data))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}
