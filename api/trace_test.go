package api

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/telemetry"
	"github.com/quadrate-maas/quadrate/telemetry/telemetrytest"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	parentID    = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + parentID + "-01"
)

// traced is an embedder that asks another server with its caller's context, as a proxy does.
func traced(tracer *telemetry.Tracer, sent http.Header) models.Entry {
	timing := models.Timing{Tokenize: 2 * time.Millisecond, Queue: 3 * time.Millisecond, Run: 5 * time.Millisecond, Kept: 1}
	return models.Entry{Name: "org/traced", Tasks: []models.Task{models.TaskEmbed}, Model: &modelstest.Embedder{
		Model: modelstest.Model{InfoFunc: words.Info},
		EmbedFunc: func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
			_, span := tracer.Client(ctx, "attempt", sent)
			span.End()
			if req.Inputs[0].Text == "fail" {
				return models.EmbedResult{}, models.Errorf(models.KindUpstream, "it answered 500").By("tei")
			}
			return models.EmbedResult{Vectors: [][]float32{{1}}, Usage: models.Usage{PromptTokens: 7}, Timing: timing}, nil
		},
	}}
}

// TestTraces: a request within its client's trace, all that it holds, and what leaves towards an
// upstream.
func TestTraces(t *testing.T) {
	c := telemetrytest.Start(t)
	tracer, err := telemetry.Start(telemetry.Options{Endpoint: c.URL, Service: "quadrate", Version: "test"})
	require.NoError(t, err)
	sent := http.Header{}
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Tracer = tracer }, traced(tracer, sent))
	ask := func(text, key string) answer {
		return w.post(t, "/v1/embeddings", `{"model":"org/traced","input":"`+text+`"}`, "api-key", key, "traceparent", traceparent, "X-Request-Id", text)
	}
	got := ask("fine", teamKey)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, traceID, w.lastEvent(t).TraceID)
	require.Contains(t, sent.Get("traceparent"), traceID)
	require.Equal(t, 502, ask("fail", teamKey).status)
	require.Equal(t, 401, ask("refused", "wrong").status)
	require.Equal(t, 200, w.get(t, "/v1/models/org/both", "api-key", teamKey, "traceparent", traceparent).status)
	require.NotEqual(t, 401, w.get(t, "/health", "traceparent", traceparent).status)
	require.NoError(t, tracer.Shutdown(t.Context()))

	byRequest := map[string]telemetrytest.Span{}
	for _, s := range c.Spans() {
		require.Equal(t, traceID, s.TraceID)
		if s.Kind == "server" {
			require.Equal(t, parentID, s.Parent)
			byRequest[s.Attributes["quadrate.request_id"]] = s
		}
	}
	require.Len(t, byRequest, 4, "probes are not traced")
	fine := byRequest["fine"]
	require.Equal(t, "POST /v1/embeddings", fine.Name)
	require.Equal(t, "00-"+traceID+"-"+fine.ID+"-01", got.header.Get("traceparent"))
	require.Equal(t, map[string]string{
		"http.request.method": "POST", "http.route": "/v1/embeddings", "http.response.status_code": "200", "client.address": "127.0.0.1",
		"quadrate.request_id": "fine", "quadrate.key": "team", "gen_ai.request.model": "org/traced", "quadrate.backend": "words",
		"gen_ai.usage.input_tokens": "7", "quadrate.items": "1",
	}, fine.Attributes)
	require.False(t, fine.Failed)
	for name, length := range map[string]time.Duration{"tokenize": 2 * time.Millisecond, "queue": 3 * time.Millisecond, "run": 5 * time.Millisecond} {
		part := c.Span(name)
		require.Equal(t, fine.ID, part.Parent, name)
		require.Equal(t, length, part.End.Sub(part.Start), name)
	}
	require.Equal(t, c.Span("tokenize").End, c.Span("queue").Start)
	require.Equal(t, "1", c.Span("run").Attributes["quadrate.kept"])
	require.Equal(t, fine.ID, c.Span("attempt").Parent, "an upstream's span is the request's child")

	failed := byRequest["fail"]
	require.True(t, failed.Failed)
	require.Equal(t, []string{"upstream_error", "tei"}, []string{failed.Attributes["error.type"], failed.Attributes["quadrate.failed_by"]})
	refused := byRequest["refused"]
	require.False(t, refused.Failed, "a client's fault is not the server's")
	require.Equal(t, []string{"401", "invalid_api_key", ""}, []string{refused.Attributes["http.response.status_code"], refused.Attributes["error.type"], refused.Attributes["quadrate.key"]})
}

// TestTracesPassThrough: without a tracer a client's trace still reaches the upstream.
func TestTracesPassThrough(t *testing.T) {
	sent := http.Header{}
	w := start(t, nil, traced(nil, sent))
	got := w.post(t, "/v1/embeddings", `{"model":"org/traced","input":"x"}`, "traceparent", traceparent, "tracestate", "a=b")
	require.Equal(t, 200, got.status)
	require.Equal(t, traceparent, sent.Get("traceparent"))
	require.Equal(t, "a=b", sent.Get("tracestate"))
	require.Empty(t, got.header.Get("traceparent"))
	require.Empty(t, w.lastEvent(t).TraceID)
}

// TestUpstreamFailuresAreNamed: who failed is in the error, in every shape, and in the event.
func TestUpstreamFailuresAreNamed(t *testing.T) {
	w := start(t, nil, failing(models.Errorf(models.KindUpstreamCredentials, "").By("tei-1")))
	got := w.post(t, "/v1/embeddings", askOpenAI)
	require.Equal(t, 502, got.status)
	golden(t, "error_upstream_named", got.body)
	golden(t, "error_tei_upstream_named", w.post(t, "/rerank", askTEI).body)
	require.Equal(t, "tei-1", w.lastEvent(t).FailedBy)
	require.Equal(t, "upstream_credentials", w.lastEvent(t).Code)
}

// TestNobodyFailsAClientThatLeaves: not even the upstream that it was waiting for.
func TestNobodyFailsAClientThatLeaves(t *testing.T) {
	w := start(t, nil, failing(models.Errorf(models.KindCanceled, "the client has left").By("tei-1")))
	w.post(t, "/v1/rerank", `{"model":"failing","query":"q","documents":["x"]}`)
	require.Equal(t, statusClientGone, w.lastEvent(t).Status)
	require.Empty(t, w.lastEvent(t).FailedBy)
}
