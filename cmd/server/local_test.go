package main

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
)

// loading is a locals with models on their way.
func loading(t *testing.T, names ...string) (*locals, *bytes.Buffer) {
	t.Helper()
	catalog, err := models.NewCatalog()
	require.NoError(t, err)
	log := &bytes.Buffer{}
	l := &locals{content: &content{catalog: catalog}, metrics: metrics.New("test"), end: func(error) {},
		log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	require.NoError(t, l.announce(specs(names...)))
	return l, log
}

func specs(names ...string) []models.Spec {
	list := make([]models.Spec, len(names))
	for i, name := range names {
		list[i] = models.Spec{Name: name}
	}
	return list
}

func TestProgressOfEnginesIsShown(t *testing.T) {
	l, log := loading(t, "m")
	l.event(inference.Event{Kind: inference.EventBuilding, Model: "m", Step: 2, Steps: 6})
	entry, err := l.content.catalog.Lookup("m")
	require.NoError(t, err)
	require.Equal(t, models.Status{State: models.StateLoading, Reason: "building TensorRT engine 2 of 6"}, entry.Model.Status())
	require.Contains(t, log.String(), "building TensorRT engine 2 of 6")
}

func TestWhatAProviderDoesIsLogged(t *testing.T) {
	l, log := loading(t, "m")
	l.event(inference.Event{Kind: inference.EventProviderRefused, Model: "m", Provider: "cuda", Expected: true, Err: errors.New("not installed")})
	require.Empty(t, log.String(), "what nobody set up surprises nobody")
	l.event(inference.Event{Kind: inference.EventProviderRefused, Model: "m", Provider: "openvino", Variant: "bf16", Err: errors.New("reference 3 has cosine 0.24")})
	require.Contains(t, log.String(), `level=WARN msg="execution provider refused, trying the next" model=m provider=openvino variant=bf16 reason="reference 3 has cosine 0.24"`)
	l.event(inference.Event{Kind: inference.EventLoaded, Model: "m", Provider: "cuda", Variant: "fp16", Placed: 0.5})
	require.Contains(t, log.String(), `level=WARN msg="a part of the model's matrix products and attentions runs on the CPU, not on its execution provider" model=m provider=cuda provider_share=0.5`)
}

// A model that is reopened builds its engines again while the next one is being loaded.
func TestProgressWhileAnotherModelIsLoaded(t *testing.T) {
	l, _ := loading(t, "m", "n")
	var building sync.WaitGroup
	l.runtime = &fakeLocals{hooks: map[string]localHooks{}, opened: func() {
		building.Go(func() { l.event(inference.Event{Kind: inference.EventBuilding, Model: "m", Step: 1, Steps: 6}) })
	}}
	require.NoError(t, l.load(t.Context()))
	building.Wait()
	for _, entry := range l.content.catalog.Entries() {
		require.IsType(t, &fakeModel{}, entry.Model)
	}
}
