package api

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// limited is a server whose key "team" and whose anonymous callers are of a class each.
func limited(t *testing.T, team, anonymous ratelimit.Limits, change func(*Options), more ...models.Entry) *world {
	t.Helper()
	limiter, err := ratelimit.New(ratelimit.Options{Classes: []ratelimit.Class{{Name: "team", Limits: team}, {Name: "free", Limits: anonymous}}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, limiter.Close()) })
	keys, err := auth.New([]auth.Key{
		{Name: "team", Hash: auth.Hash(teamKey), Models: []string{"*"}, Limits: "team"},
		{Name: "admin", Hash: auth.Hash(adminKey), Models: []string{"*"}},
	}, auth.Anonymous{Enabled: true, Models: []string{"*"}, Limits: "free"})
	require.NoError(t, err)
	return start(t, func(o *Options) {
		o.Keys = func() *auth.Keyring { return keys }
		o.Limits = limiter
		if change != nil {
			change(o)
		}
	}, more...)
}

func TestRequestsAreLimited(t *testing.T) {
	w := limited(t, ratelimit.Limits{RequestsPerMinute: 2, Burst: 2}, ratelimit.Limits{}, nil)
	for left := 1; left >= 0; left-- {
		got := w.post(t, "/v1/embeddings", ask, "api-key", teamKey)
		require.Equal(t, 200, got.status)
		require.Equal(t, "2", got.header.Get("x-ratelimit-limit-requests"))
		require.Equal(t, strconv.Itoa(left), got.header.Get("x-ratelimit-remaining-requests"))
		reset, err := time.ParseDuration(got.header.Get("x-ratelimit-reset-requests"))
		require.NoError(t, err)
		require.InDelta(t, time.Duration(2-left)*30*time.Second, reset, float64(20*time.Second))
		require.Empty(t, got.header.Get("x-ratelimit-limit-tokens"), "there is no such limit")
		require.Empty(t, got.header.Get("x-ratelimit-reset"), "Cohere's client takes it for a time")
	}
	got := w.post(t, "/v1/embeddings", ask, "api-key", teamKey)
	require.Equal(t, 429, got.status)
	golden(t, "error_requests_per_minute", got.body)
	require.Equal(t, "0", got.header.Get("x-ratelimit-remaining-requests"))
	seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
	require.NoError(t, err)
	require.InDelta(t, 30, seconds, 20)
	event := w.lastEvent(t)
	require.Equal(t, []string{"team", "requests_per_minute", "rate_limit_exceeded"}, []string{event.LimitClass, event.LimitSetting, event.Code})
	got = w.post(t, "/embed", `{"inputs":"x"}`, "api-key", teamKey)
	require.Equal(t, 429, got.status)
	golden(t, "error_tei_requests_per_minute", got.body)
	for range 5 {
		free := w.post(t, "/v1/embeddings", ask, "api-key", adminKey)
		require.Equal(t, 200, free.status, "no class, no limits")
		require.Empty(t, free.header.Get("x-ratelimit-limit-requests"))
	}
}

// TestTokensAreSettled: a request is charged what it had, not what it was taken to have.
func TestTokensAreSettled(t *testing.T) {
	long := `{"model":"embedder","input":"` + strings.Repeat("abcd", 10) + `"}` // one word, taken for 10 tokens
	w := limited(t, ratelimit.Limits{TokensPerMinute: 40}, ratelimit.Limits{}, nil)
	got := w.post(t, "/v1/embeddings", long, "api-key", teamKey)
	require.Equal(t, 200, got.status)
	require.Equal(t, "40", got.header.Get("x-ratelimit-limit-tokens"))
	require.Equal(t, "30", got.header.Get("x-ratelimit-remaining-tokens"), "as far as is known before it is tokenised")
	used := w.lastEvent(t).Usage.PromptTokens
	require.Less(t, used, 10)
	got = w.post(t, "/v1/embeddings", long, "api-key", teamKey)
	remaining, err := strconv.Atoi(got.header.Get("x-ratelimit-remaining-tokens"))
	require.NoError(t, err)
	require.InDelta(t, 40-used-10, remaining, 2)

	failed := w.post(t, "/v1/embeddings", `{"model":"reranker","input":"`+strings.Repeat("abcd", 30)+`"}`, "api-key", teamKey)
	require.Equal(t, 400, failed.status)
	got = w.post(t, "/v1/embeddings", long, "api-key", teamKey)
	remaining, err = strconv.Atoi(got.header.Get("x-ratelimit-remaining-tokens"))
	require.NoError(t, err)
	require.InDelta(t, 40-2*used-10, remaining, 3, "what was not computed is given back")
}

func TestMoreTokensThanEver(t *testing.T) {
	w := limited(t, ratelimit.Limits{TokensPerMinute: 10}, ratelimit.Limits{}, nil)
	body := `{"input":["` + strings.Repeat("abcd", 8) + `","` + strings.Repeat("abcd", 8) + `"]}`
	got := w.post(t, "/v1/embeddings", body, "api-key", teamKey)
	require.Equal(t, 413, got.status)
	golden(t, "error_tokens_per_minute", got.body)
	require.Empty(t, got.header.Get("Retry-After"), "it will never be let in")
	require.Equal(t, "tokens_per_minute", w.lastEvent(t).LimitSetting)
}

// TestEstimates: what is counted before anything is tokenised.
func TestEstimates(t *testing.T) {
	require.Equal(t, 1, estimateText(""))
	require.Equal(t, 3, estimateText("abcdabcdabcd"))
	require.Equal(t, 2+5+1, estimateInputs([]models.Input{{Text: "abcdabcd"}, {IDs: []uint32{1, 2, 3, 4, 5}}, {IDs: []uint32{}}}))
	require.Equal(t, 2*2+3+1, estimateRerank("abcdabcd", []string{"abcdabcdabcd", "x"}))
	entry := models.Entry{Model: words}
	x := &call{}
	require.Equal(t, 1000, x.atMost(1000, entry))
	x.event.Items = 2
	require.Equal(t, 2*words.MaxLength, x.atMost(1000, entry), "a text is cut to what the model takes")
	require.Equal(t, 5, x.atMost(5, entry))
	endless := models.Entry{Model: modelstest.Words{Dimensions: 4, MaxLength: math.MaxInt}}
	require.Equal(t, 1000, x.atMost(1000, endless), "some servers tell the largest integer")
}

// TestUsageThatIsNotTold: an upstream that does not count is charged by estimate.
func TestUsageThatIsNotTold(t *testing.T) {
	silent := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
		return models.EmbedResult{Vectors: [][]float32{{1}}}, nil
	}}
	w := limited(t, ratelimit.Limits{TokensPerMinute: 100}, ratelimit.Limits{}, nil, models.Entry{Name: "silent", Tasks: []models.Task{models.TaskEmbed}, Model: silent})
	body := `{"model":"silent","input":"` + strings.Repeat("abcd", 40) + `"}`
	require.Equal(t, "60", w.post(t, "/v1/embeddings", body, "api-key", teamKey).header.Get("x-ratelimit-remaining-tokens"))
	remaining, err := strconv.Atoi(w.post(t, "/v1/embeddings", body, "api-key", teamKey).header.Get("x-ratelimit-remaining-tokens"))
	require.NoError(t, err)
	require.InDelta(t, 20, remaining, 10)
}

// TestAbandonedRequestsAreCharged: one whose time ran out, or whose client has left, may have been
// computed all the same; one that was refused at once was not.
func TestAbandonedRequestsAreCharged(t *testing.T) {
	var fail func(ctx context.Context) error
	failing := &modelstest.Embedder{EmbedFunc: func(ctx context.Context, _ models.EmbedRequest) (models.EmbedResult, error) {
		return models.EmbedResult{}, fail(ctx)
	}}
	w := limited(t, ratelimit.Limits{TokensPerMinute: 100}, ratelimit.Limits{}, nil, models.Entry{Name: "failing", Tasks: []models.Task{models.TaskEmbed}, Model: failing})
	body := `{"model":"failing","input":"` + strings.Repeat("abcd", 40) + `"}`
	for _, test := range []struct {
		name string
		fail func(ctx context.Context) error
		left int
	}{
		{"refused at once", func(context.Context) error { return models.Errorf(models.KindDeadline, "it would take too long") }, 60},
		{"an upstream's fault", func(context.Context) error { return models.Errorf(models.KindUpstream, "broken") }, 60},
		{"out of time", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 60},
		{"after it", func(context.Context) error { return models.Errorf(models.KindCanceled, "it has left") }, 20},
	} {
		fail = test.fail
		got := w.post(t, "/v1/embeddings", body, "api-key", teamKey, "X-Request-Timeout", "0.01")
		remaining, err := strconv.Atoi(got.header.Get("x-ratelimit-remaining-tokens"))
		require.NoError(t, err, "%s: %d %s", test.name, got.status, got.body)
		require.InDelta(t, test.left, remaining, 10, test.name)
	}
	require.Equal(t, 429, w.post(t, "/v1/embeddings", body, "api-key", teamKey).status)
}

// TestConcurrencyIsGivenBack: whatever becomes of a request, its place is free afterwards.
func TestConcurrencyIsGivenBack(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan error)
	waiting := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) {
		entered <- struct{}{}
		err := <-leave
		if err != nil && err.Error() == "panic" {
			panic("secret")
		}
		return models.EmbedResult{Vectors: [][]float32{{1}}}, err
	}}
	w := limited(t, ratelimit.Limits{Concurrency: 1}, ratelimit.Limits{}, nil, models.Entry{Name: "waiting", Tasks: []models.Task{models.TaskEmbed}, Model: waiting})
	body := `{"model":"waiting","input":"x"}`
	for _, end := range []error{nil, errors.New("broken"), errors.New("panic"), nil} {
		first := make(chan int)
		go func() { first <- w.post(t, "/v1/embeddings", body, "api-key", teamKey).status }()
		<-entered
		got := w.post(t, "/v1/embeddings", body, "api-key", teamKey)
		require.Equal(t, 429, got.status)
		golden(t, "error_concurrency", got.body)
		require.Equal(t, "1", got.header.Get("Retry-After"))
		leave <- end
		want := 200
		if end != nil {
			want = 500
		}
		require.Equal(t, want, <-first)
	}
}

// TestAnonymousIsCountedByAddress: behind a trusted proxy by the address that it names.
func TestAnonymousIsCountedByAddress(t *testing.T) {
	w := limited(t, ratelimit.Limits{}, ratelimit.Limits{RequestsPerMinute: 1, Burst: 1}, func(o *Options) { o.TrustedProxies = networks("127.0.0.0/8") })
	from := func(forwarded string) int {
		return w.post(t, "/v1/embeddings", ask, "X-Forwarded-For", forwarded).status
	}
	require.Equal(t, 200, from("203.0.113.1"))
	require.Equal(t, "203.0.113.1", w.lastEvent(t).Client.String())
	require.Equal(t, 429, from("203.0.113.1"))
	require.Equal(t, 429, from("198.51.100.7, 203.0.113.1"), "what the client itself wrote does not count")
	require.Equal(t, 200, from("203.0.113.2"))
	require.Equal(t, 200, from("2001:db8::1"))
	require.Equal(t, 429, from("2001:db8::2"), "one network, one client")
	require.Equal(t, 200, from("2001:db8:0:1::1"))
	require.Equal(t, 200, w.post(t, "/v1/embeddings", ask).status, "the proxy itself")

	direct := limited(t, ratelimit.Limits{}, ratelimit.Limits{RequestsPerMinute: 1, Burst: 1}, nil)
	require.Equal(t, 200, direct.post(t, "/v1/embeddings", ask, "X-Forwarded-For", "203.0.113.1").status)
	require.Equal(t, 429, direct.post(t, "/v1/embeddings", ask, "X-Forwarded-For", "203.0.113.2").status, "nobody is trusted")
}

// TestTags: a model shares its runs among keys, and among addresses without one.
func TestTags(t *testing.T) {
	tags := make(chan string, 1)
	spy := &modelstest.Embedder{EmbedFunc: func(_ context.Context, r models.EmbedRequest) (models.EmbedResult, error) {
		tags <- r.Caller.Tag
		return models.EmbedResult{Vectors: [][]float32{{1}}}, nil
	}}
	w := limited(t, ratelimit.Limits{}, ratelimit.Limits{}, func(o *Options) { o.TrustedProxies = networks("127.0.0.1/32") }, models.Entry{Name: "spy", Tasks: []models.Task{models.TaskEmbed}, Model: spy})
	for _, test := range [][]string{{"team", "api-key", teamKey}, {"127.0.0.1"}, {"2001:db8::/64", "X-Forwarded-For", "2001:db8::7"}} {
		require.Equal(t, 200, w.post(t, "/v1/embeddings", `{"model":"spy","input":"x"}`, test[1:]...).status)
		require.Equal(t, test[0], <-tags)
	}
}
