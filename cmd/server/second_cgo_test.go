//go:build cgo

package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/golden"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/proxy"
)

// The real model behind a second server, in every dialect, gives what it gives alone.
func TestTheRealModelBehindASecondServer(t *testing.T) {
	inner := start(t, t.Context(), configFile(t, "", ""))
	front := inFront(t, inner, minilm, minilm, "")
	items := golden.Read(t, "minilm").Items
	var texts []string
	for _, item := range items {
		if item.Text != "" {
			texts = append(texts, item.Text)
		}
	}
	set := golden.Read(t, "minilm_rerank").Sets[0]
	want, order := inner.vectors(t, minilm, texts...), inner.scores(t, minilm, set.Query, set.Documents...)
	for _, d := range ourDialects {
		t.Run(d.kind, func(t *testing.T) {
			worst := 0.0
			for i, got := range front.vectors(t, d.kind+"/embed", texts...) {
				worst = max(worst, golden.Difference(got, want[i]))
			}
			require.LessOrEqual(t, worst, 1e-6)
			scores := front.scores(t, d.kind+"/rerank", set.Query, set.Documents...)
			require.InDeltaSlice(t, order, scores, 1e-6)
			t.Logf("%d texts, largest difference to the direct answer %.2g", len(texts), worst)
		})
	}
}

// over opens a model of a running server through a proxy.
func over(t *testing.T, s running, kind proxy.Type, task models.Task) models.Model {
	t.Helper()
	p, err := proxy.New(proxy.Options{
		Upstreams: []proxy.Upstream{{Name: "inner", Type: kind, URLs: []string{s.url}, Retries: -1}},
		Routes:    []proxy.Route{{Name: "m", Upstream: "inner", UpstreamModel: minilm, Tasks: []models.Task{task}, MaxLength: 256}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p.Entries()[0].Model
}

// The contracts of models hold over a proxy and a real server.
func TestContractsHoldOverASecondServer(t *testing.T) {
	s := start(t, t.Context(), configFile(t, "", ""))
	options := modelstest.Options{Tolerance: companyTolerance}
	t.Run("embedder", func(t *testing.T) {
		modelstest.RunEmbedder(t, over(t, s, proxy.TypeQuadrate, models.TaskEmbed).(modelstest.EmbedModel), options)
	})
	t.Run("reranker", func(t *testing.T) {
		modelstest.RunReranker(t, over(t, s, proxy.TypeQuadrate, models.TaskRerank).(modelstest.RerankModel), options)
	})
	t.Run("tokenizer", func(t *testing.T) {
		modelstest.RunTokenizer(t, over(t, s, proxy.TypeQuadrate, models.TaskEmbed).(modelstest.TokenizeModel), options)
	})
	t.Run("embedder as tei", func(t *testing.T) {
		options.Lacks = []string{"long texts are cut and counted"} // TEI has no words for how many
		modelstest.RunEmbedder(t, over(t, s, proxy.TypeTEI, models.TaskEmbed).(modelstest.EmbedModel), options)
	})
}
