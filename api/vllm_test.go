package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

func reranks(f func(ctx context.Context, req models.RerankRequest) (models.RerankResult, error)) models.Entry {
	return models.Entry{Name: "m", Tasks: []models.Task{models.TaskRerank}, Model: &modelstest.Reranker{RerankFunc: f}}
}

// TestScoreGroupsPairsByQuery: each query is asked once, with the documents that it comes with.
func TestScoreGroupsPairsByQuery(t *testing.T) {
	var mu sync.Mutex
	var asked []models.RerankRequest
	tags := map[string]int{}
	w := start(t, func(o *Options) { o.MaxDocuments = 10 }, reranks(func(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
		mu.Lock()
		defer mu.Unlock()
		tags[req.Caller.Tag]++
		req.Caller = models.Caller{}
		asked = append(asked, req)
		result := models.RerankResult{Usage: models.Usage{PromptTokens: 2, Truncated: 1}, Timing: models.Timing{
			Tokenize: time.Duration(len(asked)) * time.Millisecond, Queue: 3 * time.Millisecond, Run: time.Second, Kept: 1, Shared: 2, Backend: "other"}}
		for _, document := range req.Documents {
			result.Scores = append(result.Scores, float32(len(req.Query))+float32(len(document))/10)
		}
		return result, nil
	}))
	got := w.post(t, "/score", `{"model":"m","text_1":["q","qq","q","qqq"],"text_2":["a","bb","ccc","d"],
		"use_activation":false,"max_tokens_per_doc":9,"truncate_prompt_tokens":7,"truncation_side":"left","max_tokens_per_query":3,"priority":null}`)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, map[string]int{"127.0.0.1": 3}, tags)
	slices.SortFunc(asked, func(a, b models.RerankRequest) int { return len(a.Query) - len(b.Query) })
	want := models.RerankRequest{Raw: true, Truncate: models.TruncateStart, MaxTokensPerDoc: 7, Extra: extras("max_tokens_per_query", "3")}
	want.Extra.Dialect = models.DialectVLLM
	for i, group := range []struct {
		query     string
		documents []string
	}{{"q", []string{"a", "ccc"}}, {"qq", []string{"bb"}}, {"qqq", []string{"d"}}} {
		want.Query, want.Documents = group.query, group.documents
		require.Equal(t, want, asked[i])
	}
	var answer struct {
		Data []struct {
			Index int
			Score float64
		}
		Usage struct {
			Tokens    int `json:"prompt_tokens"`
			Truncated int `json:"truncated_inputs"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &answer))
	require.Equal(t, 6, answer.Usage.Tokens)
	require.Equal(t, 3, answer.Usage.Truncated)
	for i, score := range []float64{1.1, 2.2, 1.3, 3.1} {
		require.Equal(t, i, answer.Data[i].Index)
		require.InDelta(t, score, answer.Data[i].Score, 1e-6)
	}
	e := w.lastEvent(t)
	require.Equal(t, 4, e.Items)
	require.Equal(t, "other", e.Backend)
	require.Equal(t, "other", got.header.Get("X-Quadrate-Backend"))
	require.Equal(t, "tokenize;dur=3, queue;dur=3, run;dur=1000", got.header.Get("Server-Timing"))
	require.Equal(t, "kept=3, shared=6", got.header.Get("X-Quadrate-Cache"))

	asked = nil
	require.Equal(t, 200, w.post(t, "/score", `{"model":"m","text_1":["q"],"text_2":["a","a","b"],"truncate_prompt_tokens":-1}`).status)
	require.Len(t, asked, 1)
	require.Equal(t, []string{"a", "a", "b"}, asked[0].Documents)
	require.Zero(t, asked[0].MaxTokensPerDoc)
}

func TestScorePerDocument(t *testing.T) {
	for _, c := range []struct{ perDoc, prompt, want int }{{0, 0, 0}, {0, -1, 0}, {5, -1, 5}, {0, 7, 7}, {5, 7, 5}, {9, 7, 7}} {
		require.Equal(t, c.want, (&scoring{maxTokens: c.perDoc, promptTokens: c.prompt}).perDocument())
	}
}

// TestScoreFailsAsAWhole: of several failures the answer is that of the first pair, whichever
// comes first in time.
func TestScoreFailsAsAWhole(t *testing.T) {
	late := make(chan struct{})
	w := start(t, func(o *Options) { o.MaxDocuments = 100 }, reranks(func(_ context.Context, req models.RerankRequest) (models.RerankResult, error) {
		switch req.Query {
		case "early":
			defer close(late)
			return models.RerankResult{}, models.Errorf(models.KindTooLong, "documents[0] is too long").At("documents[0]")
		case "late":
			<-late
			return models.RerankResult{Timing: models.Timing{Queue: 5}}, models.Errorf(models.KindUpstream, "documents[1] is broken").At("documents[1]")
		}
		return models.RerankResult{Scores: make([]float32, len(req.Documents)), Usage: models.Usage{PromptTokens: 4}}, nil
	}))
	got := w.post(t, "/score", `{"model":"m","text_1":["ok","late","late","early"],"text_2":["a","b","c","d"]}`)
	require.Equal(t, 502, got.status)
	require.Contains(t, got.body, `"message":"text_2[2] is broken"`)
	require.Contains(t, got.body, `"param":"text_2[2]"`)
	require.Equal(t, 4, w.lastEvent(t).Usage.PromptTokens)
	require.Equal(t, time.Duration(5), w.lastEvent(t).Timing.Queue)
}

func TestScoreChecksTheModel(t *testing.T) {
	nan := float32(0)
	nan /= nan
	var scores []float32
	w := start(t, nil, reranks(func(_ context.Context, req models.RerankRequest) (models.RerankResult, error) {
		if req.Query == "panic" {
			panic("secret")
		}
		return models.RerankResult{Scores: scores}, nil
	}))
	for _, scores = range [][]float32{nil, {1}, {1, 2, 3}, {1, nan}} {
		require.Equal(t, 500, w.post(t, "/score", `{"model":"m","text_1":"q","text_2":["a","b"]}`).status)
	}
	require.Contains(t, w.post(t, "/score", `{"model":"m","text_1":"q","text_2":["a","b"]}`).body, `"param":"text_2[1]"`)
	scores = []float32{1}
	got := w.post(t, "/score", `{"model":"m","text_1":["q","panic"],"text_2":["a","b"]}`)
	require.Equal(t, 500, got.status)
	require.NotContains(t, got.body, "secret")
	require.ErrorContains(t, w.lastEvent(t).Error, "panic: secret")
}

// TestScoreBoundsItsCalls: no more queries than maxScoreCalls are with the model at once.
func TestScoreBoundsItsCalls(t *testing.T) {
	const pairs = 3 * maxScoreCalls
	var mu sync.Mutex
	running, most := 0, 0
	full := make(chan struct{})
	w := start(t, func(o *Options) { o.MaxDocuments = pairs }, reranks(func(context.Context, models.RerankRequest) (models.RerankResult, error) {
		mu.Lock()
		running++
		if most = max(most, running); running == maxScoreCalls && most == running {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full
		mu.Lock()
		running--
		mu.Unlock()
		return models.RerankResult{Scores: []float32{1}}, nil
	}))
	queries := make([]string, pairs)
	for i := range queries {
		queries[i] = fmt.Sprintf(`"q%d"`, i)
	}
	list := "[" + strings.Join(queries, ",") + "]"
	got := w.post(t, "/score", `{"model":"m","text_1":`+list+`,"text_2":`+list+`}`)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, maxScoreCalls, most)
}

func TestRelabelKeepsWhatItDoesNotKnow(t *testing.T) {
	same := func(param string) string { return param }
	plain := errors.New("x")
	require.Equal(t, plain, relabel(plain, same))
	require.NoError(t, relabel(nil, same))
	cause := models.Errorf(models.KindInvalid, "input[1] is odd").At("input[1]").Because(errEmpty)
	got := relabel(fmt.Errorf("wrapped: %w", cause), func(string) string { return "texts[7]" })
	require.EqualError(t, got, "texts[7]: texts[7] is odd: nothing given")
	require.ErrorIs(t, got, errEmpty)
	require.Equal(t, "input[1]", cause.Param, "an error may be shared")
	for param, want := range map[string]int{"input[0]": 0, "input[12]": 12, "input": -1, "input[": -1, "input[]": -1, "input[1": -1, "input[x]": -1, "inputs[1]": -1, "input[1][2]": -1} {
		i, ok := itemOf(param, "input")
		require.Equal(t, want >= 0, ok, param)
		if ok {
			require.Equal(t, want, i)
		}
	}
}
