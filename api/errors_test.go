package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

// failing is a model whose every call ends in err.
func failing(err error) models.Entry {
	return models.Entry{Name: "failing", Tasks: []models.Task{models.TaskEmbed, models.TaskRerank}, Model: &modelstest.EmbedReranker{
		Model: modelstest.Model{InfoFunc: words.Info},
		EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
			return models.EmbedResult{}, err
		},
		RerankFunc: func(context.Context, models.RerankRequest) (models.RerankResult, error) {
			return models.RerankResult{}, err
		},
	}}
}

const (
	askOpenAI = `{"model":"failing","input":"x"}`
	askTEI    = `{"model":"failing","query":"x","texts":["y"]}`
)

func TestEveryKindHasARow(t *testing.T) {
	require.Len(t, rows, len(models.Kinds()))
	for _, k := range models.Kinds() {
		r, ok := rows[k]
		require.True(t, ok, "kind %d", k)
		require.NotEmpty(t, r.code)
		require.NotEmpty(t, r.typ)
		require.NotEmpty(t, r.teiType)
		require.NotEmpty(t, r.text)
		for _, status := range []int{r.status, r.teiStatus} {
			require.NotContains(t, []int{408, 409}, status, "clients repeat these")
			require.Equal(t, status == 429 || status == 503, r.retry > 0, "kind %d: Retry-After belongs to 429 and 503", k)
		}
		require.NotEqual(t, 422, r.status, "422 is TEI's alone")
	}
}

// TestKinds pins how each kind of a model's failure is answered, in both dialects.
func TestKinds(t *testing.T) {
	for _, k := range models.Kinds() {
		if k == models.KindCanceled {
			continue // nobody reads that answer: see TestClientGone
		}
		t.Run(rows[k].code, func(t *testing.T) {
			cause := errors.New("secret cause")
			err := &models.Error{Kind: k, Model: "failing", Op: "embed", RetryAfter: 2500 * time.Millisecond, Err: cause}
			w := start(t, nil, failing(fmt.Errorf("wrapped: %w", err)))
			for _, dialect := range []struct {
				name, path, ask string
				status          int
			}{{"openai", "/v1/embeddings", askOpenAI, rows[k].status}, {"tei", "/rerank", askTEI, rows[k].teiStatus}} {
				got := w.post(t, dialect.path, dialect.ask)
				require.Equal(t, dialect.status, got.status)
				golden(t, "error_"+dialect.name+"_"+rows[k].code, got.body)
				require.NotContains(t, got.body, "secret")
				require.ErrorIs(t, w.lastEvent(t).Error, cause)
				want := ""
				if rows[k].retry > 0 {
					want = "3"
				}
				require.Equal(t, want, got.header.Get("Retry-After"))
			}
		})
	}
}

func TestErrorsOfModelsAreShownButNotTheirCauses(t *testing.T) {
	given := models.Errorf(models.KindUpstream, "upstream tei-1 answered 500").Because(errors.New("secret")).In("failing", "embed").At("documents[2]")
	w := start(t, nil, failing(given))
	got := w.post(t, "/v1/rerank", `{"model":"failing","query":"x","documents":["y"]}`)
	require.Equal(t, 502, got.status)
	require.Equal(t, `{"error":{"message":"documents[2]: upstream tei-1 answered 500","type":"server_error","param":"documents[2]","code":"upstream_error"},"message":"documents[2]: upstream tei-1 answered 500"}`, got.body)
	require.Equal(t, `{"error":"texts[2]: upstream tei-1 answered 500","error_type":"Backend"}`, w.post(t, "/rerank", askTEI).body)
}

func TestErrorsThatAreNotModelErrors(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
	}{
		{errors.New("secret"), 500},
		{fmt.Errorf("secret: %w", context.DeadlineExceeded), 504},
	} {
		w := start(t, nil, failing(test.err))
		got := w.post(t, "/v1/embeddings", askOpenAI)
		require.Equal(t, test.status, got.status)
		require.NotContains(t, got.body, "secret")
		require.ErrorIs(t, w.lastEvent(t).Error, test.err)
	}
}

func TestRetryAfterIsAtLeastASecond(t *testing.T) {
	for given, want := range map[time.Duration]string{0: "1", -5: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60"} {
		w := start(t, nil, failing(models.Errorf(models.KindQueueFull, "full").After(given)))
		require.Equal(t, want, w.post(t, "/v1/embeddings", askOpenAI).header.Get("Retry-After"), given)
	}
}

func TestPanicIsAnswered(t *testing.T) {
	broken := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) { panic("secret") }}
	w := start(t, nil, models.Entry{Name: "broken", Tasks: []models.Task{models.TaskEmbed}, Model: broken})
	for range 3 {
		got := w.post(t, "/v1/embeddings", `{"model":"broken","input":"x"}`)
		require.Equal(t, 500, got.status)
		golden(t, "error_panic", got.body)
		require.ErrorContains(t, w.lastEvent(t).Error, "panic: secret")
		require.ErrorContains(t, w.lastEvent(t).Error, "errors_test.go", "with its stack")
	}
	require.Equal(t, 200, w.post(t, "/v1/embeddings", `{"input":"x"}`).status)
}

func TestBrokenModelsAre500(t *testing.T) {
	nan := float32(0)
	nan /= nan
	results := map[string]models.EmbedResult{
		"input[1]: the model's vector for input[1] is not finite": {Vectors: [][]float32{{1}, {nan}}},
		"the model answered 1 of 2 inputs":                        {Vectors: [][]float32{{1}}},
	}
	for message, result := range results {
		e := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) { return result, nil }}
		w := start(t, nil, models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: e})
		for _, format := range []string{"float", "base64"} {
			got := w.post(t, "/v1/embeddings", `{"model":"m","input":["x","y"],"encoding_format":"`+format+`"}`)
			require.Equal(t, 500, got.status)
			require.Contains(t, got.body, strings.TrimPrefix(message, "input[1]: "))
		}
	}
	for _, scores := range [][]float32{{1}, {1, nan}, {1, 2, 3}} {
		r := &modelstest.Reranker{RerankFunc: func(context.Context, models.RerankRequest) (models.RerankResult, error) {
			return models.RerankResult{Scores: scores}, nil
		}}
		w := start(t, nil, models.Entry{Name: "m", Tasks: []models.Task{models.TaskRerank}, Model: r})
		got := w.post(t, "/v1/rerank", `{"model":"m","query":"q","documents":["x","y"]}`)
		require.Equal(t, 500, got.status)
		require.Contains(t, got.body, "the model")
	}
}

// TestFailuresKeepTheirTiming: what a model tells of a failed call is in the event.
func TestFailuresKeepTheirTiming(t *testing.T) {
	timing, usage := models.Timing{Tokenize: 1, Queue: 2}, models.Usage{PromptTokens: 3}
	for name, err := range map[string]error{"a failure": errors.New("broken"), "one vector too few": nil} {
		w := start(t, nil, models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed, models.TaskRerank}, Model: &modelstest.EmbedReranker{
			EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
				return models.EmbedResult{Timing: timing, Usage: usage}, err
			},
			RerankFunc: func(context.Context, models.RerankRequest) (models.RerankResult, error) {
				return models.RerankResult{Timing: timing, Usage: usage}, err
			},
		}})
		for path, ask := range map[string]string{"/v1/embeddings": `{"model":"m","input":"x"}`, "/v1/rerank": `{"model":"m","query":"q","documents":["x"]}`} {
			got := w.post(t, path, ask)
			require.Equal(t, 500, got.status, name)
			require.Empty(t, got.header.Get("Server-Timing"))
			require.Equal(t, timing, w.lastEvent(t).Timing, name+path)
			require.Equal(t, usage, w.lastEvent(t).Usage, name+path)
		}
	}
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	w := start(t, nil)
	got := w.post(t, "/v1/chat/completions", `{}`)
	require.Equal(t, 404, got.status)
	golden(t, "error_unknown_route", got.body)
	require.Empty(t, w.lastEvent(t).Route)
	for _, path := range []string{"/v1", "/v1/Embeddings", "/v1/embeddings/x", "/%ff"} {
		require.Equal(t, 404, w.get(t, path).status, path)
	}
	require.Equal(t, 200, w.post(t, "/v1/embeddings/", `{"input":"x"}`).status, "a slash at the end does no harm")
	require.Equal(t, 405, w.get(t, "/").status, "TEI's POST / is there, and its health is /health")
	got = w.get(t, "/", "Accept", "application/json, */*")
	require.Equal(t, 405, got.status, "it is for browsers alone that there is a page")
	require.Equal(t, "POST", got.header.Get("Allow"))
	got = w.get(t, "/v1/embeddings")
	require.Equal(t, 405, got.status)
	require.Equal(t, "POST", got.header.Get("Allow"))
	golden(t, "error_method", got.body)
	got = w.do(t, http.MethodDelete, "/v1/models/x", nil)
	require.Equal(t, 405, got.status)
	require.Equal(t, "GET, HEAD", got.header.Get("Allow"))
	got = w.do(t, "BREW", "/v1/models", nil)
	require.Equal(t, 405, got.status)
	require.Equal(t, "GET, HEAD, POST", got.header.Get("Allow"))
	golden(t, "error_unknown_method", got.body)
}

// Who opens the server's address in a browser finds a page, with keys or without; HEAD is as GET.
func TestABrowserIsLedToThePlayground(t *testing.T) {
	const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" // Firefox's, and nearly all others'
	w := locked(t, auth.Anonymous{}, nil)
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got := w.do(t, method, "/", nil, "Accept", accept)
		require.Equal(t, 302, got.status, method)
		require.Equal(t, "/playground", got.header.Get("Location"))
		require.Equal(t, "Accept", got.header.Get("Vary"))
		require.NotContains(t, got.header, "Allow")
		require.NotContains(t, got.header, "Content-Type")
		require.Empty(t, got.body)
		ev := w.lastEvent(t)
		require.Equal(t, "/", ev.Route)
		require.Equal(t, 302, ev.Status)
		require.NoError(t, ev.Error)
	}
	require.Equal(t, 405, w.do(t, http.MethodDelete, "/", nil, "Accept", accept).status)
	require.Equal(t, 405, w.get(t, "/embed", "Accept", accept).status)
	require.Equal(t, 404, w.get(t, "/nothing", "Accept", accept).status)
	require.Equal(t, 401, w.post(t, "/", `{"inputs":"x"}`, "Accept", accept).status, "POST is TEI's")
	w.client.CheckRedirect = nil
	got := w.get(t, "/", "Accept", accept)
	require.Equal(t, 200, got.status)
	require.Contains(t, got.header.Get("Content-Type"), "text/html")
}

func TestTokenIDsRefused(t *testing.T) {
	w := start(t, func(o *Options) { o.TokenIDs = TokenIDsRefuse })
	got := w.post(t, "/v1/embeddings", `{"input":[[1,2]]}`)
	require.Equal(t, 400, got.status)
	golden(t, "error_token_ids", got.body)
	require.Equal(t, 200, w.post(t, "/embed", `{"inputs":[[1,2]]}`).status, "TEI's ids are the model's own")
}

func TestTokenIDsOfTheModel(t *testing.T) {
	w := start(t, func(o *Options) { o.TokenIDs, o.DecodeTokenIDs = TokenIDsModel, nil })
	got := w.post(t, "/v1/embeddings", `{"input":[1,2]}`)
	require.Equal(t, 200, got.status)
	require.Equal(t, "model", got.header.Get("X-Token-Ids"))
	require.Equal(t, 400, w.post(t, "/v1/embeddings", `{"input":[1,5000]}`).status)
}

func TestTimeouts(t *testing.T) {
	waiting := &modelstest.Embedder{EmbedFunc: func(ctx context.Context, _ models.EmbedRequest) (models.EmbedResult, error) {
		<-ctx.Done()
		return models.EmbedResult{}, ctx.Err()
	}}
	entry := models.Entry{Name: "waiting", Tasks: []models.Task{models.TaskEmbed}, Model: waiting}
	ask := `{"model":"waiting","input":"x"}`
	w := start(t, func(o *Options) { o.RequestTimeout = 30 * time.Millisecond }, entry)
	for _, header := range []string{"", "100", "1e308", "0.001"} {
		got := w.post(t, "/v1/embeddings", ask, "X-Request-Timeout", header)
		require.Equal(t, 504, got.status, header)
		golden(t, "error_openai_deadline_exceeded", got.body)
	}
	for _, header := range []string{"soon", "-1", "0", "NaN", "1s"} {
		got := w.post(t, "/v1/embeddings", ask, "X-Request-Timeout", header)
		require.Equal(t, 400, got.status, header)
		require.Contains(t, got.body, "X-Request-Timeout must be a number of seconds above 0, not")
	}
	w = start(t, nil, entry)
	require.Equal(t, 504, w.post(t, "/v1/embeddings", ask, "X-Request-Timeout", "0.02").status)
}

func TestEndOfTheBaseContextEndsRequests(t *testing.T) {
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	waiting := &modelstest.Embedder{EmbedFunc: func(ctx context.Context, _ models.EmbedRequest) (models.EmbedResult, error) {
		cancel()
		<-ctx.Done()
		return models.EmbedResult{}, ctx.Err()
	}}
	w := start(t, func(o *Options) { o.BaseContext = base }, models.Entry{Name: "waiting", Tasks: []models.Task{models.TaskEmbed}, Model: waiting})
	got := w.post(t, "/v1/embeddings", `{"model":"waiting","input":"x"}`)
	require.Equal(t, 503, got.status)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	golden(t, "error_openai_shutting_down", got.body)
}
