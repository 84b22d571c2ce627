package proxy

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// embedAnswer has a dialect read an answer to two texts, unless req has others.
func embedAnswer(t *testing.T, kind Type, req models.EmbedRequest, answer string, header ...string) (embedded, error) {
	t.Helper()
	if req.Inputs == nil {
		req.Inputs = texts("a", "b")
	}
	var result embedded
	r, err := speak(t, kind).(embedding).embed(call{model: "m"}, &req, &result)
	require.NoError(t, err)
	return result, r.read(&response{status: 200, header: headers(header), body: []byte(answer)})
}

func headers(pairs []string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestVectorsAreReadInEveryDialect(t *testing.T) {
	const list = `{"object":"list","data":[{"index":1,"object":"embedding","embedding":[0,1]},{"embedding":[0.6,-0.8],"index":0}],"model":"x","usage":{"prompt_tokens":5,"total_tokens":6}}`
	for _, c := range []struct {
		kind   Type
		answer string
		header []string
		usage  models.Usage
		timing models.Timing
	}{
		{TypeTEI, `[[0.6,-0.8],[0,1]]`, []string{"x-compute-tokens", "5", "x-queue-time", "2", "x-inference-time", "3", "x-tokenization-time", "1"},
			models.Usage{PromptTokens: 5}, models.Timing{Tokenize: time.Millisecond, Queue: 2 * time.Millisecond, Run: 3 * time.Millisecond}},
		{TypeOllama, `{"model":"m","embeddings":[[0.6,-0.8],[0,1]],"total_duration":30,"load_duration":10,"prompt_eval_count":5}`, nil, models.Usage{PromptTokens: 5}, models.Timing{Run: 20}},
		{TypeVLLM, list, nil, models.Usage{PromptTokens: 5}, models.Timing{}},
		{TypeInfinity, list, nil, models.Usage{PromptTokens: 5}, models.Timing{}},
		{TypeOpenAI, list, nil, models.Usage{PromptTokens: 5}, models.Timing{}},
		{TypeOpenAI, `{"usage":null,"data":[{"index":0,"embedding":"` + base64Of(0.6, -0.8) + `"},{"index":1,"embedding":"` + base64Of(0, 1) + `"}]}`, nil, models.Usage{}, models.Timing{}},
		{TypeCohere, `{"id":"i","embeddings":{"int8":[[1]],"float":[[0.6,-0.8],[0,1]]},"texts":["a","b"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":5}}}`, nil, models.Usage{PromptTokens: 5}, models.Timing{}},
		{TypeJina, list, nil, models.Usage{PromptTokens: 5}, models.Timing{}},
		{TypeQuadrate, list, []string{"Server-Timing", "tokenize;dur=1.5, queue;dur=20, run;dur=3000", "X-Truncated", "1"},
			models.Usage{PromptTokens: 5, Truncated: 1}, models.Timing{Tokenize: 1500 * time.Microsecond, Queue: 20 * time.Millisecond, Run: 3 * time.Second}},
	} {
		got, err := embedAnswer(t, c.kind, models.EmbedRequest{}, c.answer, c.header...)
		require.NoError(t, err, c.kind)
		require.Equal(t, [][]float32{{0.6, -0.8}, {0, 1}}, got.Vectors, c.kind)
		require.Nil(t, got.Literals)
		require.Equal(t, 2, got.length)
		require.Equal(t, c.usage, got.Usage, c.kind)
		require.Equal(t, c.timing, got.Timing, c.kind)
	}
}

// TestTokensThatCannotBeAreNone: the sum over a request's parts would be negative, which Prometheus'
// counters end the process for.
func TestTokensThatCannotBeAreNone(t *testing.T) {
	const vectors = `"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}]`
	for _, text := range []string{"9007199254740992", "1099511627777", "-5"} {
		for _, c := range []struct {
			kind   Type
			answer string
		}{
			{TypeTEI, `[[1],[1]]`},
			{TypeOpenAI, `{"usage":{"prompt_tokens":` + text + `,"total_tokens":` + text + `,"truncated_inputs":` + text + `},` + vectors + `}`},
			{TypeOllama, `{"embeddings":[[1],[1]],"prompt_eval_count":` + text + `}`},
			{TypeCohere, `{"embeddings":{"float":[[1],[1]]},"meta":{"billed_units":{"input_tokens":` + text + `}}}`},
			{TypeQuadrate, `{` + vectors + `}`},
		} {
			got, err := embedAnswer(t, c.kind, models.EmbedRequest{}, c.answer, "x-compute-tokens", text, "X-Truncated", text)
			require.NoError(t, err, c.kind)
			require.Zero(t, got.Usage, "%s: %s", c.kind, text)
		}
	}
	got, err := embedAnswer(t, TypeTEI, models.EmbedRequest{}, `[[1],[1]]`, "x-compute-tokens", "1073741824")
	require.NoError(t, err)
	require.Equal(t, 1<<30, got.Usage.PromptTokens)
}

func TestTimesThatCannotBeAreNone(t *testing.T) {
	for _, text := range []string{"NaN", "-1", "Inf", "1e300", "9223372036854775807", "x", ""} {
		got, err := embedAnswer(t, TypeQuadrate, models.EmbedRequest{}, `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}]}`,
			"Server-Timing", "tokenize;dur="+text+", queue;dur="+text+", run;dur=2")
		require.NoError(t, err)
		require.Equal(t, models.Timing{Run: 2 * time.Millisecond}, got.Timing, text)
		got, err = embedAnswer(t, TypeTEI, models.EmbedRequest{}, `[[1],[1]]`, "x-queue-time", text, "x-inference-time", "2")
		require.NoError(t, err)
		require.Equal(t, models.Timing{Run: 2 * time.Millisecond}, got.Timing, text)
	}
}

func TestVectorsPassAsTextWhereTheFormIsTheSame(t *testing.T) {
	numbers := `{"data":[{"index":1,"embedding":[0, 1.0]},{"index":0,"embedding":[0.6,-8e-1]}]}`
	escaped := strings.ReplaceAll(`{"data":[{"index":0,"embedding":"`+base64Of(0.6, -0.8)+`"},{"index":1,"embedding":"`+base64Of(0, 1)+`"}]}`, "A", `\u0041`)
	encoded := `{"data":[{"index":0,"embedding":"` + base64Of(0.6, -0.8) + `"},{"index":1,"embedding":"` + base64Of(0, 1) + `"}]}`
	for _, c := range []struct {
		name    string
		req     models.EmbedRequest
		answer  string
		literal []string
		vectors [][]float32
	}{
		{"numbers", models.EmbedRequest{Form: models.FormNumbers}, numbers, []string{"[0.6,-8e-1]", "[0, 1.0]"}, nil},
		{"base64", models.EmbedRequest{Form: models.FormBase64}, encoded, []string{`"` + base64Of(0.6, -0.8) + `"`, `"` + base64Of(0, 1) + `"`}, nil},
		{"base64 with escapes", models.EmbedRequest{Form: models.FormBase64}, escaped, []string{`"` + base64Of(0.6, -0.8) + `"`, `"` + base64Of(0, 1) + `"`}, nil},
		{"decoded with escapes", models.EmbedRequest{}, escaped, nil, [][]float32{{0.6, -0.8}, {0, 1}}},
		{"numbers for base64", models.EmbedRequest{Form: models.FormBase64}, numbers, nil, [][]float32{{0.6, -0.8}, {0, 1}}},
		{"base64 for numbers", models.EmbedRequest{Form: models.FormNumbers}, encoded, nil, [][]float32{{0.6, -0.8}, {0, 1}}},
		{"longer than asked for", models.EmbedRequest{Form: models.FormNumbers, Dimensions: 1}, `{"data":[{"index":0,"embedding":[0.6,-0.8]},{"index":1,"embedding":[-0.6,0.8]}]}`, nil, [][]float32{{1}, {-1}}},
		{"just as long", models.EmbedRequest{Form: models.FormNumbers, Dimensions: 2}, numbers, []string{"[0.6,-8e-1]", "[0, 1.0]"}, nil},
		{"one of another norm", models.EmbedRequest{Form: models.FormNumbers}, `{"data":[{"index":0,"embedding":[3,4]},{"index":1,"embedding":[0,1]}]}`, nil, [][]float32{{0.6, 0.8}, {0, 1}}},
		{"another norm, decoded", models.EmbedRequest{}, `{"data":[{"index":0,"embedding":[3,4]},{"index":1,"embedding":[0,1]}]}`, nil, [][]float32{{0.6, 0.8}, {0, 1}}},
		{"zeros", models.EmbedRequest{Form: models.FormNumbers}, `{"data":[{"index":0,"embedding":[0,0]},{"index":1,"embedding":[0,1]}]}`, []string{"[0,0]", "[0,1]"}, nil},
		{"one of each form", models.EmbedRequest{Form: models.FormNumbers}, `{"data":[{"index":0,"embedding":"` + base64Of(0.6, -0.8) + `"},{"index":1,"embedding":[0,1]}]}`, nil, [][]float32{{0.6, -0.8}, {0, 1}}},
	} {
		got, err := embedAnswer(t, TypeOpenAI, c.req, c.answer)
		require.NoError(t, err, c.name)
		require.Equal(t, c.vectors, got.Vectors, c.name)
		var literal []string
		for _, text := range got.Literals {
			literal = append(literal, string(text))
		}
		require.Equal(t, c.literal, literal, c.name)
	}
	raw, err := embedAnswer(t, TypeTEI, models.EmbedRequest{Raw: true, Form: models.FormNumbers}, `[[3,4],[5,6]]`)
	require.NoError(t, err)
	require.Equal(t, "[5,6]", string(raw.Literals[1]))
	cut, err := embedAnswer(t, TypeTEI, models.EmbedRequest{Raw: true, Dimensions: 1}, `[[3,4],[5,6]]`)
	require.NoError(t, err)
	require.Equal(t, [][]float32{{3}, {5}}, cut.Vectors)
}

// Literals lie in the answer, which is not given back before the result is done with.
func TestLiteralsKeepTheAnswersMemory(t *testing.T) {
	memory := newBuffer(1)
	memory.bytes = append(memory.bytes, `[[0.6,0.8],[0,1]]`...)
	req := models.EmbedRequest{Inputs: texts("a", "b"), Form: models.FormNumbers}
	answer := &response{body: memory.bytes, header: http.Header{}, memory: memory}
	var result embedded
	r, err := tei{}.embed(call{}, &req, &result)
	require.NoError(t, err)
	require.NoError(t, r.read(answer))
	require.True(t, answer.held)
	require.Equal(t, "[0.6,0.8]", string(result.Literals[0]))
	require.NotEmpty(t, memory.bytes)
	result.Done()
	require.Empty(t, memory.bytes, "it is given back")
	result.Done() // and not twice, for two others to take it

	req.Form = models.FormVectors
	decoded := &response{body: []byte(`[[0.6,0.8],[0,1]]`), header: http.Header{}, memory: newBuffer(1)}
	r, err = tei{}.embed(call{}, &req, &result)
	require.NoError(t, err)
	require.NoError(t, r.read(decoded))
	require.False(t, decoded.held)
}

func TestWrongVectorsAreRefused(t *testing.T) {
	const list = `{"data":[{"index":0,"embedding":[0,1]},{"index":1,"embedding":[0,1]}]}`
	for _, c := range []struct {
		kind         Type
		answer, want string
	}{
		{TypeTEI, ``, "it ends where a list is due"},
		{TypeTEI, `<html>`, `'<' where a list is due`},
		{TypeTEI, `[[0,1]]`, "lacks the vector of input[1], of 2 inputs"},
		{TypeTEI, `[[0,1],[0,1],[0,1]]`, "has index 2, of 2 inputs"},
		{TypeTEI, `[[0,1],[1]]`, "2 numbers at input[0] and 1 at input[1]"},
		{TypeTEI, `[[],[]]`, "a vector without numbers"},
		{TypeTEI, `[[0,null],[0,1]]`, "byte 4: 'n' where a number is due"},
		{TypeTEI, `[[0,NaN],[0,1]]`, "a number is due"},
		{TypeTEI, `[[0,1e39],[0,1]]`, "byte 4: a number larger than a float32 can hold"},
		{TypeTEI, `[[0,1],[0,1]`, "it ends where ',' or ']' is due"},
		{TypeTEI, `[[0,1],[0,1]] []`, "'[' where the end is due"},
		{TypeTEI, `[[0,1],null]`, "a vector is due"},
		{TypeTEI, `{"error":"x"}`, "a list is due"},
		{TypeOllama, `{"model":"m"}`, "lacks the vector of input[0]"},
		{TypeOllama, `{"error":"x"}`, "lacks the vector of input[0]"},
		{TypeOllama, `{"embeddings":null}`, "a list is due"},
		{TypeOpenAI, strings.Replace(list, `"index":1`, `"index":0`, 1), "two vectors with index 0"},
		{TypeOpenAI, strings.Replace(list, `"index":1`, `"index":2`, 1), "has index 2, of 2 inputs"},
		{TypeOpenAI, strings.Replace(list, `"index":1`, `"index":-1`, 1), "has index -1, of 2 inputs"},
		{TypeOpenAI, strings.Replace(list, `"index":1`, `"index":0.5`, 1), "0.5 is not a whole number"},
		{TypeOpenAI, strings.Replace(list, `"index":1,`, ``, 1), "has index -1"},
		{TypeOpenAI, `{"data":[{"index":0},{"index":1,"embedding":[1]}]}`, "no vector at index 0"},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":[0,1]},{"index":1,"embedding":"` + base64Of(1) + `"}]}`, "2 numbers at input[0] and 1 at input[1]"},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":"` + base64Of(float32(math.NaN())) + `"}]}`, errNotFinite.Error()},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":"AAAA!"}]}`, errBase64.Error()},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":"` + base64Of(1) + "\n" + `"}]}`, errBase64.Error()},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":"\u0041"}]}`, errBase64.Error()},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":"\x"}]}`, "an invalid escape"},
		{TypeOpenAI, `{"data":[{"index":0,"embedding":""}]}`, "a vector without numbers"},
		{TypeCohere, `{"embeddings":{"int8":[[1],[1]]}}`, "lacks the vector of input[0]"},
		{TypeQuadrate, `{"data":[]}`, "lacks the vector of input[0]"},
	} {
		for _, form := range []models.VectorForm{models.FormVectors, models.FormNumbers, models.FormBase64} {
			_, err := embedAnswer(t, c.kind, models.EmbedRequest{Form: form}, c.answer)
			require.ErrorContains(t, err, c.want, "%s %s", c.kind, c.answer)
		}
	}
}

func rerankAnswer(t *testing.T, kind Type, raw bool, answer string, header ...string) (models.RerankResult, error) {
	t.Helper()
	var result models.RerankResult
	r, err := speak(t, kind).(reranking).rerank(call{model: "m"}, &models.RerankRequest{Query: "q", Documents: []string{"a", "b", "c"}, Raw: raw}, &result)
	require.NoError(t, err)
	err = r.read(&response{status: 200, header: headers(header), body: []byte(answer)})
	return result, err
}

func TestScoresAreReadInEveryDialect(t *testing.T) {
	const results = `{"id":"i","results":[{"index":2,"relevance_score":0.9,"document":{"text":"a \"b\""}},{"relevance_score":0.5,"index":0},{"index":1,"relevance_score":1e-3}],"usage":{"total_tokens":7}`
	for _, c := range []struct {
		kind   Type
		answer string
		raw    bool
		header []string
		want   models.RerankResult
	}{
		{TypeTEI, `[{"index":2,"score":0.9},{"index":0,"text":"t","score":0.5},{"score":0.001,"index":1}]`, false, []string{"x-compute-tokens", "7"}, models.RerankResult{Kind: models.ScoreSigmoid}},
		{TypeTEI, `[{"index":2,"score":0.9},{"index":0,"score":0.5},{"score":0.001,"index":1}]`, true, []string{"x-compute-tokens", "7"}, models.RerankResult{Kind: models.ScoreLogit}},
		{TypeVLLM, results + `}`, false, nil, models.RerankResult{}},
		{TypeInfinity, results + `}`, false, nil, models.RerankResult{Kind: models.ScoreSigmoid}},
		{TypeInfinity, results + `}`, true, nil, models.RerankResult{Kind: models.ScoreLogit}},
		{TypeCohere, strings.Replace(results, "7", "0", 1) + `,"meta":{"tokens":{"input_tokens":7.0},"billed_units":{"search_units":1}}}`, false, nil, models.RerankResult{Kind: models.ScoreSigmoid}},
		{TypeJina, results + `}`, false, nil, models.RerankResult{Kind: models.ScoreSigmoid}},
		{TypeQuadrate, results + `,"data":[],"meta":{"score_kind":"cosine","x":[]}}`, false, nil, models.RerankResult{Kind: models.ScoreCosine}},
		{TypeQuadrate, results + `,"meta":null}`, true, []string{"X-Truncated", "2", "Server-Timing", "run;dur=1"},
			models.RerankResult{Kind: models.ScoreLogit, Usage: models.Usage{Truncated: 2}, Timing: models.Timing{Run: time.Millisecond}}},
	} {
		got, err := rerankAnswer(t, c.kind, c.raw, c.answer, c.header...)
		require.NoError(t, err, c.kind)
		c.want.Scores, c.want.Usage.PromptTokens = []float32{0.5, 0.001, 0.9}, 7
		require.Equal(t, c.want, got, c.kind)
	}
}

func TestWrongScoresAreRefused(t *testing.T) {
	const results = `{"results":[{"index":2,"relevance_score":0.9},{"index":0,"relevance_score":0.5},{"index":1,"relevance_score":0.1}]}`
	for _, c := range []struct{ answer, want string }{
		{`{}`, "lacks the score of documents[0], of 3 documents"},
		{`{"results":[{"index":2,"relevance_score":0.9}]}`, "lacks the score of documents[0]"},
		{strings.Replace(results, `"index":1`, `"index":2`, 1), "two scores with index 2"},
		{strings.Replace(results, `"index":1`, `"index":3`, 1), "index 3, of 3 documents"},
		{strings.Replace(results, `0.1`, `null`, 1), "'n' where a number is due"},
		{strings.Replace(results, `0.1`, `NaN`, 1), "'N' where a number is due"},
		{strings.Replace(results, `0.1`, `"0.1"`, 1), "a number is due"},
		{strings.Replace(results, `0.1`, `1e50`, 1), "larger than a float32 can hold"},
		{strings.Replace(results, `,"relevance_score":0.1`, ``, 1), "no score at index 1"},
		{`{"results":{}}`, "a list is due"},
	} {
		_, err := rerankAnswer(t, TypeVLLM, false, c.answer)
		require.ErrorContains(t, err, c.want, c.answer)
	}
}

func TestLabelsAreReadInEveryDialect(t *testing.T) {
	inputs := []models.ClassifyInput{{Text: "a"}, {Text: "b"}}
	want := [][]float32{{0.25, 0.75}, {1, 0}}
	const rows = `[[{"score":0.75,"label":"b"},{"label":"a","score":0.25}],[{"score":1.0,"label":"a"},{"score":0,"label":"b"}]]`
	const probs = `{"data":[{"index":1,"label":"a","probs":[1,0],"num_classes":2},{"index":0,"label":%,"probs":[0.25,0.75]}],"usage":{"prompt_tokens":3}}`
	for _, c := range []struct {
		kind         Type
		known        []string
		answer       string
		labels       []string
		scores       [][]float32
		tokens       int
		joinedLabels []string
	}{
		{TypeTEI, nil, rows, []string{"a", "b"}, want, 0, []string{"a", "b"}},
		{TypeTEI, []string{"b", "a"}, rows, []string{"b", "a"}, [][]float32{{0.75, 0.25}, {0, 1}}, 0, []string{"b", "a"}},
		{TypeTEI, []string{"x", "y"}, rows, []string{"a", "b"}, want, 0, []string{"a", "b"}},
		{TypeQuadrate, nil, rows, []string{"a", "b"}, want, 0, []string{"a", "b"}},
		{TypeInfinity, nil, `{"object":"classify","data":` + rows + `,"usage":{"prompt_tokens":3}}`, []string{"a", "b"}, want, 3, []string{"a", "b"}},
		{TypeVLLM, nil, strings.Replace(probs, "%", `"b"`, 1), []string{"a", "b"}, want, 3, []string{"a", "b"}},
		{TypeVLLM, nil, strings.Replace(probs, "%", `null`, 1), []string{"a", ""}, want, 3, []string{"a", "LABEL_1"}},
		{TypeVLLM, []string{"c", "d"}, strings.Replace(probs, "%", `"b"`, 1), []string{"c", "d"}, want, 3, []string{"c", "d"}},
	} {
		var got models.ClassifyResult
		r, err := speak(t, c.kind).(classifying).classify(call{labels: c.known}, &models.ClassifyRequest{Inputs: inputs}, &got)
		require.NoError(t, err)
		require.NoError(t, r.read(&response{body: []byte(c.answer)}), c.kind)
		require.Equal(t, c.labels, got.Labels)
		require.Equal(t, c.scores, got.Scores)
		require.Equal(t, c.tokens, got.Usage.PromptTokens)
		joined, err := joinLabels([]models.ClassifyResult{got})
		require.NoError(t, err)
		require.Equal(t, c.joinedLabels, joined.Labels)
	}
	for _, c := range []struct {
		kind         Type
		answer, want string
	}{
		{TypeTEI, `[[{"score":1,"label":"a"}]]`, "the labels of 1 inputs, of 2"},
		{TypeTEI, `[[{"score":1,"label":"a"}],[{"score":1,"label":"b"}]]`, `the label "b" twice, or not for all`},
		{TypeTEI, `[[{"score":1,"label":"a"}],[{"score":1,"label":"a"},{"score":1,"label":"b"}]]`, `2 labels for inputs[1] and 1`},
		{TypeTEI, `[[{"score":1,"label":"a"},{"score":1,"label":"a"}],[]]`, `the label "a" twice`},
		{TypeTEI, `[[{"score":1}],[]]`, "a score without a label"},
		{TypeTEI, `[[],[]]`, "without labels"},
		{TypeInfinity, `{}`, "no data"},
		{TypeVLLM, `{"data":[]}`, "lacks the scores of inputs[0]"},
		{TypeVLLM, `{"data":[{"index":0,"probs":[1]},{"index":0,"probs":[1]}]}`, "twice, at index 0"},
		{TypeVLLM, `{"data":[{"index":0,"probs":[1]},{"index":1,"probs":[1,0]}]}`, "2 labels for inputs[1]"},
	} {
		r, err := speak(t, c.kind).(classifying).classify(call{}, &models.ClassifyRequest{Inputs: inputs}, new(models.ClassifyResult))
		require.NoError(t, err)
		require.ErrorContains(t, r.read(&response{body: []byte(c.answer)}), c.want)
	}
}

func TestStatesAndTokensAreRead(t *testing.T) {
	req := &models.TokensRequest{Inputs: texts("a", "b")}
	want := [][][]float32{{{1, 2}}, {{3, 4}, {5, 6}}}
	for kind, answer := range map[Type]string{
		TypeTEI:      `[[[1,2]],[[3,4],[5,6]]]`,
		TypeQuadrate: `[[[1,2]],[[3,4],[5,6]]]`,
		TypeVLLM:     `{"data":[{"index":1,"object":"pooling","data":[[3,4],[5,6]]},{"index":0,"data":[[1,2]]}]}`,
	} {
		read := func(answer string) (got models.TokensResult, err error) {
			r, err := speak(t, kind).(tokenStates).embedTokens(call{}, req, &got)
			require.NoError(t, err)
			return got, r.read(&response{body: []byte(answer)})
		}
		got, err := read(answer)
		require.NoError(t, err, kind)
		require.Equal(t, want, got.States)
		_, err = read(strings.Replace(answer, "[5,6]", "[5]", 1))
		require.ErrorContains(t, err, "states have 2 numbers, and 1")
		_, err = read(strings.Replace(answer, "[[1,2]]", "[]", 1))
		require.ErrorContains(t, err, "an input without states")
		_, err = read(strings.Replace(strings.Replace(answer, `,{"index":0,"data":[[1,2]]}`, "", 1), "[[1,2]],", "", 1))
		require.Error(t, err)
	}

	var tokens models.TokenizeResult
	r, err := tei{}.tokenize(call{}, &models.TokenizeRequest{Texts: []string{"test"}}, &tokens)
	require.NoError(t, err)
	require.NoError(t, r.read(&response{body: []byte(`[[{"id":101,"text":"[CLS]","special":true,"start":null,"stop":null},{"id":3231,"text":"test","special":false,"start":0,"stop":4}]]`)}))
	require.Equal(t, [][]models.Token{{{ID: 101, Text: "[CLS]", Special: true}, {ID: 3231, Text: "test", Stop: 4}}}, tokens.Tokens)
	for answer, want := range map[string]string{`[]`: "the tokens of 0 texts, of 1", `[[{"text":"a"}]]`: "without an id", `[[{"id":-1}]]`: "not the JSON that is due", `[[{"id":1,"start":2,"stop":1}]]`: "odd places"} {
		require.ErrorContains(t, r.read(&response{body: []byte(answer)}), want)
	}
	var decoded []string
	r, err = quadrate{}.decode(call{}, &models.DecodeRequest{IDs: [][]uint32{{1}, {2}}}, &decoded)
	require.NoError(t, err)
	require.NoError(t, r.read(&response{body: []byte(`["a","b"]`)}))
	require.Equal(t, []string{"a", "b"}, decoded)
	require.ErrorContains(t, r.read(&response{body: []byte(`["a"]`)}), "1 texts, of 2 lists")
}
