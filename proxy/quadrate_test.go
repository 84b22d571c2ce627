package proxy

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// another starts a second server of this kind, and returns its URL.
func another(t *testing.T, entries ...models.Entry) string {
	t.Helper()
	catalog, err := models.NewCatalog(entries...)
	require.NoError(t, err)
	server, err := api.New(api.Options{Catalog: catalog, TokenIDs: api.TokenIDsModel})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown(context.Background()))
		require.NoError(t, <-served)
	})
	return "http://" + ln.Addr().String()
}

// A server behind a server keeps the whole contract: nothing is lost on the way.
func TestQuadrateBehindQuadrateKeepsTheContract(t *testing.T) {
	words := modelstest.TokenWords{Words: modelstest.Words{Dimensions: 64, MaxLength: 32, Prompts: map[string]string{"query": "find this "}}}
	tasks := []models.Task{models.TaskEmbed, models.TaskRerank}
	url := another(t, models.Entry{Name: "fake", Tasks: tasks, Model: words},
		models.Entry{Name: "classes", Tasks: []models.Task{models.TaskClassify}, Model: modelstest.ClassWords{Labels: []string{"a", "b", "c"}, MaxLength: 32}},
		models.Entry{Name: "letters", Tasks: tasks, Model: modelstest.Letters{MaxLength: 32, Prompts: map[string]string{"query": "find this "}}})
	p, err := New(Options{Upstreams: []Upstream{{Name: "up", Type: TypeQuadrate, URLs: []string{url}, ProbeInterval: -1, Retries: -1}},
		Routes: []Route{{Name: "m", Upstream: "up", UpstreamModel: "fake", Tasks: tasks, Dimensions: 64, MaxLength: 32}, {Name: "c", Upstream: "up", UpstreamModel: "fake", Tasks: tasks, CosineRerank: true, MaxLength: 32},
			{Name: "classes", Upstream: "up", Tasks: []models.Task{models.TaskClassify}, MaxLength: 32}, {Name: "letters", Upstream: "up", Tasks: tasks, MaxLength: 32}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	m, cosine := p.Entries()[0].Model.(*model), p.Entries()[1].Model.(*model)

	t.Run("embed", func(t *testing.T) { modelstest.RunEmbedder(t, m, modelstest.Options{IDs: nil}) })
	t.Run("tokens", func(t *testing.T) { modelstest.RunTokenEmbedder(t, m, modelstest.Options{}) })
	t.Run("rerank", func(t *testing.T) { modelstest.RunReranker(t, m, modelstest.Options{}) })
	t.Run("cosine", func(t *testing.T) {
		modelstest.RunReranker(t, cosine, modelstest.Options{Lacks: []string{"max tokens per document"}})
	})
	t.Run("classify", func(t *testing.T) { modelstest.RunClassifier(t, p.Entries()[2].Model.(*model), modelstest.Options{}) })
	t.Run("tokenize", func(t *testing.T) { modelstest.RunTokenizer(t, p.Entries()[3].Model.(*model), modelstest.Options{}) })
	t.Run("ids", func(t *testing.T) {
		ids, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{IDs: []uint32{7, 8}}}})
		require.NoError(t, err)
		text, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("7 8")})
		require.NoError(t, err)
		require.Equal(t, text.Vectors, ids.Vectors)
		_, err = m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{IDs: []uint32{7}}, {IDs: []uint32{1 << 31}}}})
		var e *models.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, models.KindInvalid, e.Kind)
		require.Equal(t, "input[1]", e.Param)
	})
	t.Run("literals", func(t *testing.T) {
		for _, form := range []models.VectorForm{models.FormNumbers, models.FormBase64} {
			result, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a", "b"), Form: form})
			require.NoError(t, err)
			require.Len(t, result.Literals, 2)
		}
	})
}
