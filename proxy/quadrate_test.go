package proxy

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

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

// The server behind knows how long it has, and can refuse at once what cannot be in time.
func TestADeadlineReachesTheServerBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var told []string
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				told = append(told, r.Header.Get("X-Request-Timeout"))
			}
			return answer(503, `{"error":{"message":"m","code":"queue_timeout"}}`)
		})
		s := w.seams()
		s.dialect = newDialect
		u := quiet("one", "http://s0")
		u.Type, u.Retries = TypeQuadrate, 1
		p := openPool(t, u, Hooks{}, s)
		requireKind(t, models.KindQueueTimeout, "one", ask(t.Context(), p, 1))
		require.Equal(t, []string{"30.250", "30.250"}, told, "upstreams[].timeout")
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		requireKind(t, models.KindQueueTimeout, "one", ask(ctx, p, 1))
		require.Equal(t, "2.250", told[2])
		require.LessOrEqual(t, told[3], told[2])
		require.NotContains(t, p.header, "X-Request-Timeout")
	})
}
