package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

func TestRequestsOfEveryDialect(t *testing.T) {
	embeds := workload.Texts{Items: []string{"a b", "c"}}
	pairs := workload.Texts{Query: "q", Items: []string{"a", "b"}}
	for _, c := range []struct {
		dialect, path, body string
		task                workload.Task
		texts               workload.Texts
	}{
		{"auto", "/v1/embeddings", `{"model":"m","input":["a b","c"],"encoding_format":"float"}`, workload.Embed, embeds},
		{"openai", "/v1/embeddings", `{"model":"m","input":["a b","c"],"encoding_format":"float"}`, workload.Embed, embeds},
		{"tei", "/embed", `{"model":"m","inputs":["a b","c"],"truncate":true}`, workload.Embed, embeds},
		{"auto", "/v1/rerank", `{"model":"m","query":"q","documents":["a","b"],"top_n":2}`, workload.Rerank, pairs},
		{"cohere", "/v1/rerank", `{"model":"m","query":"q","documents":["a","b"],"top_n":2}`, workload.Rerank, pairs},
		{"tei", "/rerank", `{"model":"m","query":"q","texts":["a","b"],"truncate":true}`, workload.Rerank, pairs},
	} {
		d, err := dialectFor(c.dialect, c.task)
		require.NoError(t, err)
		require.Equal(t, c.path, d.path)
		body, err := json.Marshal(d.encode("m", c.texts))
		require.NoError(t, err)
		require.Equal(t, c.body, string(body))
		body, err = json.Marshal(d.encode("", c.texts))
		require.NoError(t, err)
		require.NotContains(t, string(body), "model", "no name is the server's default")
	}
	_, err := dialectFor("openai", workload.Rerank)
	require.EqualError(t, err, "dialect openai has no rerank: use -dialect auto or tei")
	_, err = dialectFor("cohere", workload.Embed)
	require.Error(t, err)
}

func TestAnswersOfEveryDialect(t *testing.T) {
	for _, c := range []struct {
		dialect    string
		task       workload.Task
		body       string
		dimensions int
		problem    string
	}{
		{"openai", workload.Embed, `{"data":[{"index":1,"embedding":[1,2,3]},{"index":0,"embedding":[1,2,3]}]}`, 3, ""},
		{"openai", workload.Embed, `{"data":[{"index":0,"embedding":[1]}]}`, 0, "1 results for 2 texts"},
		{"openai", workload.Embed, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, 0, "index 0 is out of range or comes twice"},
		{"openai", workload.Embed, `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1,2]}]}`, 0, "different lengths"},
		{"openai", workload.Embed, `{"data":[{"index":0,"embedding":[]},{"index":1,"embedding":[]}]}`, 0, "empty"},
		{"openai", workload.Embed, `<html>`, 0, "invalid character"},
		{"tei", workload.Embed, `[[1,2],[3,4]]`, 2, ""},
		{"tei", workload.Embed, `[[1,2]]`, 0, "1 vectors for 2 texts"},
		{"tei", workload.Embed, `[["NaN"],[3]]`, 0, "cannot unmarshal"},
		{"cohere", workload.Rerank, `{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0}]}`, 0, ""},
		{"cohere", workload.Rerank, `{"results":[{"index":1,"relevance_score":null},{"index":0,"relevance_score":0}]}`, 0, "result 0 has no score"},
		{"cohere", workload.Rerank, `{"results":[{"index":2,"relevance_score":1},{"index":0,"relevance_score":0}]}`, 0, "index 2 is out of range"},
		{"tei", workload.Rerank, `[{"index":1,"score":0.9},{"index":0,"score":0.1}]`, 0, ""},
		{"tei", workload.Rerank, `[{"index":1,"score":0.9}]`, 0, "1 results for 2 texts"},
	} {
		d, err := dialectFor(c.dialect, c.task)
		require.NoError(t, err)
		dimensions, err := d.check([]byte(c.body), 2)
		if c.problem == "" {
			require.NoError(t, err, c.body)
			require.Equal(t, c.dimensions, dimensions)
		} else {
			require.ErrorContains(t, err, c.problem, c.body)
		}
	}
}

func TestUsedTokens(t *testing.T) {
	require.Equal(t, 9, usedTokens(http.Header{"X-Compute-Tokens": {"9"}}, []byte(`[[1]]`)))
	for body, want := range map[string]int{
		`{"data":[],"usage":{"prompt_tokens":5,"total_tokens":7}}`:                         7,
		`{"usage" : {"prompt_tokens":5},"data":[]}`:                                        5,
		`{"results":[],"meta":{"billed_units":{},"tokens":{"input_tokens":11}}}`:           11,
		`{"results":[{"document":{"text":"\"usage\": 4"}}]}`:                               0,
		`{"usage":{"prompt_tokens":0,"total_tokens":0},"meta":{"tokens":"many"},"data":1}`: 0,
		`[[1,2]]`: 0,
		``:        0,
	} {
		require.Equal(t, want, usedTokens(nil, []byte(body)), body)
	}
}
