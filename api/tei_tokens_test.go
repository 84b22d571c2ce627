package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

var tokenWords = modelstest.TokenWords{Words: words}

func tokensEntry(model models.Model) models.Entry {
	return models.Entry{Name: "tokens", Tasks: []models.Task{models.TaskEmbed}, Model: model}
}

func TestEmbedAll(t *testing.T) {
	w := start(t, nil, tokensEntry(tokenWords))
	for name, body := range map[string]string{
		"embed_all":     `{"model":"tokens","inputs":["a cat",""],"prompt_name":null,"normalize":true,"dimensions":2}`,
		"embed_all_one": `{"model":"tokens","inputs":"a cat","truncate":true,"truncation_direction":"left","prompt_name":"query"}`,
		"embed_all_ids": `{"model":"tokens","inputs":[[1,2],"x"]}`,
	} {
		got := w.post(t, "/embed_all", body)
		require.Equal(t, 200, got.status, got.body)
		golden(t, name, got.body)
	}
	got := w.post(t, "/embed_all", `{"model":"tokens","inputs":["a cat","über"]}`)
	require.Equal(t, "7", got.header.Get("X-Compute-Tokens"))
	require.Equal(t, "9", got.header.Get("X-Compute-Characters"))
	require.Equal(t, "tokens", got.header.Get("X-Quadrate-Model"))
	var states [][][]float32
	require.NoError(t, json.Unmarshal([]byte(got.body), &states))
	want, err := tokenWords.EmbedTokens(t.Context(), models.TokensRequest{Inputs: []models.Input{{Text: "a cat"}, {Text: "über"}}})
	require.NoError(t, err)
	require.Equal(t, want.States, states)
	require.Equal(t, 7, w.lastEvent(t).Usage.PromptTokens)
}

func TestEmbedAllRefusals(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxStateBytes = 10 * 8 * 4 }, tokensEntry(tokenWords))
	for _, test := range []bad{
		{"", `{"model":"tokens","inputs":[]}`, 400, "Empty", "", "inputs is missing or empty: give at least one text"},
		{"", `{"model":"tokens","inputs":3}`, 422, val, "", "inputs must be a string or a list, not a number"},
		{"", `{"model":"tokens","inputs":["1","2","3","4","5"]}`, 422, val, "", "inputs has 5 items; one request may have 4 (server.max_inputs)"},
		{"", `{"model":"tokens","inputs":"x","prompt_name":"nope"}`, 422, val, "", `prompt_name: no prompt is called "nope"`},
		{"", `{"model":"tokens","inputs":["a","1 2 3 4 5 6 7 8 9 10 11 12"],"truncate":false}`, 422, val, "", "inputs[1] has 12 words; the model takes 10"},
		{"", `{"model":"tokens","inputs":["a b c d","e f g"]}`, 413, val, "", "inputs: 352 bytes of states, and one request may have 320"},
		{"", `{"model":"both","inputs":"x"}`, 424, "Backend", "", `model "org/both" gives no token states; its files have no graph for them (scripts/export_onnx.sh with --outputs tokens writes one)`},
		{"", `{"model":"reranker","inputs":"x"}`, 424, "Backend", "", `model "reranker" does not do embed; it does rerank`},
		{"", `{"model":"loading","inputs":"x"}`, 503, "Unhealthy", "", `model "loading" is being loaded`},
		{"", `{"model":"nope","inputs":"x"}`, 404, val, "", `no model is called "nope"; GET /v1/models lists those there are`},
	} {
		got := w.post(t, "/embed_all", test.body)
		require.Equal(t, test.status, got.status, test.body)
		require.JSONEq(t, fmt.Sprintf(`{"error":%q,"error_type":%q}`, test.want, test.code), got.body)
	}
}

func TestEmbedAllBoundsAndChecksTheAnswer(t *testing.T) {
	var states [][][]float32
	model := &modelstest.TokenEmbedder{EmbedTokensFunc: func(context.Context, models.TokensRequest) (models.TokensResult, error) {
		return models.TokensResult{States: states}, nil
	}}
	w := start(t, nil, tokensEntry(model))
	ask := func() answer { return w.post(t, "/embed_all", `{"model":"tokens","inputs":"x"}`) }

	states = [][][]float32{{make([]float32, 1<<20/digitsPerNumber)}}
	got := ask()
	require.Equal(t, 503, got.status)
	golden(t, "error_answer_bytes", got.body)
	states[0][0] = states[0][0][:1<<20/digitsPerNumber-100]
	got = ask()
	require.Equal(t, 200, got.status)
	require.True(t, strings.HasPrefix(got.body, "[[[0,0,"))
	require.Zero(t, w.budget.used.Load())

	states = [][][]float32{{{1}, {float32(math.NaN())}}}
	require.Equal(t, 500, ask().status)
	require.Zero(t, w.budget.used.Load())
	states = nil
	require.Equal(t, 500, ask().status)
}
