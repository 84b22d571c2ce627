package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

const listOfTwo = `{"data":[
	{"id":"org/embedder","aliases":["default","e"],"task":"embed","tasks":["embed","rerank"],"dimensions":3,"max_length":64,"state":"ready"},
	{"id":"org/reranker","task":"rerank","tasks":["rerank"],"state":"ready"},
	{"id":"org/absent","task":"rerank","tasks":["rerank"],"state":"unavailable"}]}`

const healthOfTwo = `{"version":"1.2.3","models":[{"name":"org/embedder","provider":"cpu","variant":"fp32"}]}`

// peer is a server of two models; its handlers can be replaced.
type peer struct {
	calls   atomic.Int64
	names   chan string // models asked for; at most its room
	replace map[string]http.HandlerFunc
}

func (p *peer) start(t *testing.T) string {
	t.Helper()
	p.names = make(chan string, 10_000)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return server.URL
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, ok := p.replace[r.URL.Path]; ok {
		// The server sees that a client has gone only once the body is read.
		_, _ = io.Copy(io.Discard, r.Body)
		h(w, r)
		return
	}
	var body struct {
		Model                    string
		Input, Inputs, Documents []string
	}
	if r.Method == http.MethodPost {
		p.calls.Add(1)
		_ = json.NewDecoder(r.Body).Decode(&body)
		select {
		case p.names <- body.Model:
		default:
		}
	}
	switch r.URL.Path {
	case "/health":
		fmt.Fprint(w, healthOfTwo)
	case "/v1/models":
		fmt.Fprint(w, listOfTwo)
	case "/v1/embeddings":
		fmt.Fprint(w, `{"data":[{"index":0,"embedding":[1,0,0]}],"usage":{"total_tokens":20}}`)
	case "/embed":
		w.Header().Set("X-Compute-Tokens", "30")
		fmt.Fprint(w, `[[1,0,0]]`)
	case "/v1/rerank":
		results := make([]string, len(body.Documents))
		for i := range results {
			results[i] = fmt.Sprintf(`{"index":%d,"relevance_score":0.5}`, i)
		}
		fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
	default:
		http.NotFound(w, r)
	}
}

// bench runs the program briefly and returns what it printed and wrote.
func bench(t *testing.T, args ...string) (string, report, error) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "out")
	var out bytes.Buffer
	args = append([]string{"-duration", "50ms", "-warmup", "5ms", "-documents", "4", "-out", folder}, args...)
	err := run(t.Context(), args, &out, io.Discard)
	var r report
	if data, readErr := os.ReadFile(filepath.Join(folder, resultFile)); readErr == nil {
		require.NoError(t, json.Unmarshal(data, &r))
	}
	return out.String(), r, err
}

func TestDefaultModelIsMeasured(t *testing.T) {
	p := &peer{}
	url := p.start(t)
	out, r, err := bench(t, "-url", url+"/", "-concurrency", "2")
	require.NoError(t, err)
	require.Contains(t, out, "server: "+url+"; version 1.2.3")
	require.Len(t, r.Results, 1)
	got := r.Results[0]
	require.Positive(t, got.Requests)
	require.Equal(t, got.Requests, got.Items)
	require.Equal(t, 20*got.Requests, *got.TokensReported)
	require.LessOrEqual(t, got.TokensIntended, 64*got.Requests, "the model's limit")
	require.Positive(t, got.Latency.P50)
	require.GreaterOrEqual(t, got.Latency.P99, got.Latency.P50)
	require.InEpsilon(t, float64(got.Requests)/got.Seconds, got.Throughput.Requests, 1e-9)
	require.InEpsilon(t, 20*got.Throughput.Requests, got.Throughput.Tokens, 1e-9)
	require.Equal(t, "org/embedder", <-p.names)
	got.Requests, got.Items, got.TokensIntended, got.TokensReported = 0, 0, 0, nil
	got.Latency, got.Throughput, got.Seconds, got.Distribution = latency{}, throughput{}, 0, nil
	require.Equal(t, result{
		Server: url, Model: "org/embedder", Task: workload.Embed, Workload: "W3", Dialect: "openai", Provider: "cpu",
		Variant: "fp32", Dimensions: 3, Loop: "closed", Concurrency: 2, Seed: 1, Rounds: 1, Errors: map[string]int{},
	}, got)
}

func TestAllModelsAreMeasuredByTheirTask(t *testing.T) {
	p := &peer{}
	out, r, err := bench(t, "-url", p.start(t), "-all")
	require.NoError(t, err)
	require.Contains(t, out, "skipped: org/absent: it is unavailable")
	require.Len(t, r.Results, 2)
	require.Equal(t, "W3", r.Results[0].Workload)
	require.Equal(t, "org/reranker", r.Results[1].Model)
	require.Equal(t, "W1", r.Results[1].Workload)
	require.Equal(t, 4*r.Results[1].Requests, r.Results[1].Items)
	require.Nil(t, r.Results[1].TokensReported)
	require.Contains(t, out, "not reported")

	out, r, err = bench(t, "-url", p.start(t), "-all", "-workload", "W4")
	require.NoError(t, err)
	require.Len(t, r.Results, 1)
	require.Contains(t, out, "org/reranker on "+r.Servers[0].URL+" does not embed, which W4 needs")
}

func TestVersusPrintsRatios(t *testing.T) {
	fast, slow := &peer{}, &peer{}
	slow.replace = map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond)
		fmt.Fprint(w, `{"data":[{"index":0,"embedding":[1,0,0]}]}`)
	}}
	out, r, err := bench(t, "-url", slow.start(t), "-vs", fast.start(t), "-rounds", "2", "-gobench", "-workload", "W4")
	require.NoError(t, err)
	require.Len(t, r.Results, 2)
	require.Equal(t, 2, r.Results[0].Rounds)
	require.Len(t, r.Comparisons, 1)
	c := r.Comparisons[0]
	require.Equal(t, 2, c.Rounds)
	for _, q := range c.Ratios {
		require.LessOrEqual(t, q.Ratio.Min, q.Ratio.Max)
		switch q.Figure {
		case "p50 ms":
			require.Greater(t, q.Ratio.Median, 1.0)
		case "tokens/s":
			require.Less(t, q.Ratio.Median, 1.0)
		}
	}
	require.Contains(t, out, "org/embedder W4 over 2 rounds")
	lines := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Benchmark") {
			lines++
			require.Regexp(t, `^BenchmarkServer/model=org_embedder/workload=W4/concurrency=1/server=(first|second)-\d+\t\d+\t\d+ ns/op(\t[0-9.e+]+ [a-z0-9/-]+)+\n$`, line)
		}
	}
	require.Equal(t, 4, lines)
}

func TestVersusNeedsTheSameModel(t *testing.T) {
	other := &peer{replace: map[string]http.HandlerFunc{"/v1/models": func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":"x"},{"id":"y"}]}`)
	}}}
	first, second := (&peer{}).start(t), other.start(t)
	_, _, err := bench(t, "-url", first, "-vs", second)
	require.ErrorContains(t, err, `has no model "org/embedder": it lists x, y`)
	require.ErrorContains(t, err, "-vs-model gives the second server's name")
	_, r, err := bench(t, "-url", first, "-vs", second, "-vs-model", "y", "-rounds", "1")
	require.NoError(t, err)
	require.Equal(t, "y", r.Results[1].Model)
}

func TestErrorsAreCountedByKind(t *testing.T) {
	var n atomic.Int64
	p := &peer{replace: map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 2:
			http.Error(w, `{"error":"full"}`, http.StatusTooManyRequests)
		case 3:
			panic(http.ErrAbortHandler)
		case 4:
			<-r.Context().Done()
		default:
			fmt.Fprint(w, `{"data":[{"index":0,"embedding":[1]}]}`)
		}
	}}}
	out, r, err := bench(t, "-url", p.start(t), "-warmup", "0", "-timeout", "200ms", "-duration", "400ms")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"429": 1, "connection": 1, "timeout": 1}, r.Results[0].Errors)
	require.Contains(t, out, `first error: POST /v1/embeddings: 429 Too Many Requests: {"error":"full"}`)
}

func TestEveryRequestFailingIsAnError(t *testing.T) {
	p := &peer{replace: map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "out of order", http.StatusInternalServerError)
	}}}
	_, r, err := bench(t, "-url", p.start(t))
	require.ErrorContains(t, err, "every request failed")
	require.ErrorContains(t, err, "500 Internal Server Error: out of order")
	require.Positive(t, r.Results[0].Errors["500"])
	require.Zero(t, r.Results[0].Requests)
}

func TestInvalidAnswersAreErrors(t *testing.T) {
	p := &peer{replace: map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[]}`)
	}}}
	_, r, err := bench(t, "-url", p.start(t), "-warmup", "0", "-duration", "400ms")
	require.NoError(t, err)
	require.Positive(t, r.Results[0].Errors["invalid answer"])
	require.Contains(t, r.Results[0].FirstError, "0 results for 1 texts")
}

func TestTEIIsFoundByItsInfo(t *testing.T) {
	p := &peer{replace: map[string]http.HandlerFunc{
		"/health":    func(http.ResponseWriter, *http.Request) {},
		"/v1/models": http.NotFound,
		"/info": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"model_id":"m","model_dtype":"float16","max_input_length":40,"version":"1.9","model_type":{"embedding":{"pooling":"cls"}}}`)
		},
	}}
	out, r, err := bench(t, "-url", p.start(t), "-dialect", "tei", "-rate", "200", "-duration", "200ms")
	require.NoError(t, err)
	require.Contains(t, out, "version 1.9")
	got := r.Results[0]
	require.Equal(t, []any{"m", "float16", "tei", "open", 3, 200.0}, []any{got.Model, got.Variant, got.Dialect, got.Loop, got.Dimensions, got.Rate})
	require.Equal(t, 30*got.Requests, *got.TokensReported)
	require.LessOrEqual(t, got.TokensIntended, 40*got.Requests)
	require.Contains(t, out, "sent at most")
}

func TestBackgroundIsReported(t *testing.T) {
	out, r, err := bench(t, "-url", (&peer{}).start(t), "-workload", "W4b")
	require.NoError(t, err)
	require.Equal(t, "W1", r.Results[0].Background.Workload)
	require.Positive(t, r.Results[0].Background.Requests)
	require.Contains(t, out, "W1 (behind)")
}

func TestInterruptPrintsWhatThereIs(t *testing.T) {
	p := &peer{}
	url := p.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.replace = map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, r *http.Request) {
		if p.calls.Add(1) > 5 {
			cancel()
			<-r.Context().Done()
		}
		fmt.Fprint(w, `{"data":[{"index":0,"embedding":[1]}]}`)
	}}
	var out bytes.Buffer
	require.NoError(t, run(ctx, []string{"-url", url, "-duration", "1h", "-warmup", "0", "-out", t.TempDir()}, &out, io.Discard))
	require.Contains(t, out.String(), "interrupted: this is what there is so far")
	require.Regexp(t, `closed 1 +5 +0 +0`, out.String())
}

func TestKeyIsSent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))
	p := &peer{}
	p.replace = map[string]http.HandlerFunc{"/v1/models": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, listOfTwo)
	}}
	url := p.start(t)
	_, _, err := bench(t, "-url", url)
	require.ErrorContains(t, err, "401 Unauthorized: who are you: -key-file gives the key")
	_, _, err = bench(t, "-url", url, "-key-file", file)
	require.NoError(t, err)
}

func TestBadFlagsAreReportedTogether(t *testing.T) {
	for _, rate := range []string{"NaN", "+Inf", "1e-12", "1e10"} {
		_, _, err := bench(t, "-rate", rate)
		require.ErrorContains(t, err, "from 0.001 to 1e+06 a second", rate)
	}
	_, _, err := bench(t, "-url", "localhost:8000", "-workload", "W1,W7", "-dialect", "grpc", "-tokens", "3", "-concurrency", "0", "-rate", "-1")
	for _, want := range []string{"-url", `there is no "W7"`, `-dialect "grpc"`, "-tokens 3", "-concurrency 0", "-rate -1"} {
		require.ErrorContains(t, err, want)
	}
	_, _, err = bench(t, "-nonsense")
	require.ErrorIs(t, err, errUsage)
	_, _, err = bench(t, "-help")
	require.ErrorIs(t, err, flag.ErrHelp)
	_, _, err = bench(t, "W1")
	require.ErrorContains(t, err, `unknown argument "W1"`)
	_, _, err = bench(t, "-url", "http://127.0.0.1:1")
	require.ErrorContains(t, err, "http://127.0.0.1:1: ")
	_, _, err = bench(t, "-url", (&peer{}).start(t), "-model", "org/reranker", "-workload", "W4")
	require.ErrorContains(t, err, "does not embed")
}

func TestAFolderThatCannotBeWrittenIsSaidBeforeTheLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	p := &peer{replace: map[string]http.HandlerFunc{"/health": func(http.ResponseWriter, *http.Request) { t.Error("a request") }}}
	err := run(t.Context(), []string{"-url", p.start(t), "-out", file}, io.Discard, io.Discard)
	require.ErrorContains(t, err, "-out: ")
}

// The texts of a seed repeat from run to run: a server that keeps results must not answer a
// second measurement from them.
func TestKeptResultsAreRefusedUnlessAskedFor(t *testing.T) {
	headers := make(chan string, 10_000)
	p := &peer{replace: map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header.Get("Cache-Control")
		fmt.Fprint(w, `{"data":[{"index":0,"embedding":[1]}]}`)
	}}}
	url := p.start(t)
	_, _, err := bench(t, "-url", url)
	require.NoError(t, err)
	require.Equal(t, "no-store", <-headers)
	for len(headers) > 0 {
		<-headers
	}
	_, _, err = bench(t, "-url", url, "-cache")
	require.NoError(t, err)
	require.Empty(t, <-headers)
}
