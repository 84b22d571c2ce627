package main

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
)

// TestNobodyIsWokenForAnAbsentOptionalModel: quadrate_model_ready is there for models that ought to serve.
func TestNobodyIsWokenForAnAbsentOptionalModel(t *testing.T) {
	entry := func(name string, p models.Placeholder) models.Entry {
		return models.Entry{Name: name, Tasks: []models.Task{models.TaskEmbed}, Model: p}
	}
	catalog, err := models.NewCatalog(
		entry("absent", models.Placeholder{State: models.StateUnavailable}),
		entry("loading", models.Placeholder{State: models.StateLoading}),
		entry("failed", models.Placeholder{State: models.StateFailed}),
	)
	require.NoError(t, err)
	var names []string
	for _, q := range queuesOf(catalog)() {
		require.False(t, q.Ready)
		names = append(names, q.Model)
	}
	require.ElementsMatch(t, []string{"loading", "failed"}, names)
}

// BenchmarkObserve is what counting and logging add to each request.
func BenchmarkObserve(b *testing.B) {
	log, m := newLogger(config.Log{Level: "info", Format: "json"}, io.Discard), metrics.New("v1")
	ev := api.RequestEvent{
		ID: "0b7d8a54-6a3e-4f0e-9a0c-0d6f6f4d8a11", Method: "POST", Route: "/v1/embeddings", Model: "sentence-transformers/all-MiniLM-L6-v2", Backend: "onnxruntime",
		Status: 200, Duration: 3 * time.Millisecond, Usage: models.Usage{PromptTokens: 16}, Timing: models.Timing{Tokenize: 60 * time.Microsecond, Run: 2 * time.Millisecond},
		Items: 1, BytesIn: 80, BytesOut: 4500, RemoteAddr: "127.0.0.1:51234",
	}
	for name, err := range map[string]error{"answered": nil, "failed": errors.New("the queue is full")} {
		b.Run(name, func(b *testing.B) {
			ev.Error = err
			b.ReportAllocs()
			for b.Loop() {
				observe(ev, log, m)
			}
		})
	}
}
