//go:build cgo

package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/golden"
)

// A local model's entry changes under load: the new one is loaded beside the old, no request
// fails, and the old is closed.
func TestLocalModelsAreExchangedUnderLoad(t *testing.T) {
	golden.Model(t, "models/all-MiniLM-L6-v2")
	changes := 6
	if testing.Short() {
		changes = 2
	}
	s := newSite(t, "upstreams: []")
	s.auth = "keys:\n" + adminKey
	entry := func(n int) string {
		return fmt.Sprintf(`
models_dir: %s
runtime: {library: %s, provider: cpu}
models:
  - {name: %s, aliases: [default, edition-%d], path: all-MiniLM-L6-v2, tasks: [embed, rerank], max_length: %d, batcher: {queue_timeout: 60s}}
`, filepath.Join(golden.Root(), "var", "models"), golden.Library(), minilm, n, 200+n)
	}
	s.rest = entry(0)
	g := launch(t, t.Context(), s.write(), "QUADRATE_LOG_LEVEL=info")
	want := g.vectors(t, "default", "the text")[0]
	ctx, end := context.WithCancel(t.Context())
	client, done := loadClient(t), make(chan *load, 1)
	go func() {
		done <- generate(ctx, 50, func(i int) (answer, error) {
			return send(t.Context(), client, http.MethodPost, g.url+"/v1/embeddings", fmt.Sprintf(`{"model":"default","input":"text number %d"}`, i))
		})
	}()
	began := time.Now()
	for n := 1; n <= changes; n++ {
		s.rest = entry(n)
		s.put("server", s.main())
		report := into[reloadReport](t, g.ask(t, "/admin/reload", "", bearer(adminSecret)...))
		require.True(t, report.OK)
		require.InDeltaSlice(t, want, g.vectors(t, fmt.Sprintf("edition-%d", n), "the text")[0], companyTolerance)
		require.Equal(t, http.StatusNotFound, g.embed(t, fmt.Sprintf("edition-%d", n-1), []string{"x"}).status)
		require.Eventually(t, func() bool { return len(g.lines(t, "model closed")) == n }, 20*time.Second, 5*time.Millisecond, "the old one")
		listed := into[struct {
			Data []struct {
				MaxLength int `json:"max_length"`
			}
		}](t, g.ask(t, "/v1/models", nil))
		require.Equal(t, 200+n, listed.Data[0].MaxLength)
	}
	end()
	l := <-done
	t.Logf("%d exchanges in %v; %v", changes, time.Since(began).Round(time.Millisecond), l)
	require.Empty(t, l.failed, l.sample)

	a := g.ask(t, "/admin/models/"+minilm+"/unload", "", bearer(adminSecret)...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	refused := g.embed(t, "default", []string{"x"})
	require.Equal(t, http.StatusServiceUnavailable, refused.status, refused.body)
	a = g.ask(t, "/admin/models/"+minilm+"/load", "", bearer(adminSecret)...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.InDeltaSlice(t, want, g.vectors(t, "default", "the text")[0], companyTolerance)
	require.NoError(t, g.stop())
	require.Len(t, g.lines(t, "model closed"), changes+2)
	require.Len(t, g.lines(t, "model loaded"), changes+2)
}
