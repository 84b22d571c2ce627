package api

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
)

// Secrets of keyring.
const (
	teamKey  = "team-secret"
	adminKey = "admin-secret"
	smallKey = "small-secret"
)

// keyring has a key for each of these tests' purposes.
func keyring(t *testing.T, anonymous auth.Anonymous) *auth.Keyring {
	t.Helper()
	all := []string{"*"}
	k, err := auth.New([]auth.Key{
		{Name: "team", Hash: auth.Hash(teamKey), Models: []string{"org/*", "rerank*"}, Limits: "team"},
		{Name: "admin", Hash: auth.Hash(adminKey), Models: all, Admin: true},
		{Name: "small", Hash: auth.Hash(smallKey), Models: all, BodyLimit: 1 << 10},
		{Name: "off", Hash: auth.Hash("off-secret"), Models: all, Disabled: true},
		{Name: "old", Hash: auth.Hash("old-secret"), Models: all, Expires: time.Now().Add(-time.Hour)},
	}, anonymous)
	require.NoError(t, err)
	return k
}

// locked is a server that asks for keys.
func locked(t *testing.T, anonymous auth.Anonymous, change func(*Options), more ...models.Entry) *world {
	t.Helper()
	keys := keyring(t, anonymous)
	return start(t, func(o *Options) {
		o.Keys = func() *auth.Keyring { return keys }
		if change != nil {
			change(o)
		}
	}, more...)
}

func TestCredentials(t *testing.T) {
	w := locked(t, auth.Anonymous{}, nil)
	for _, headers := range [][]string{
		{"Authorization", "Bearer team-secret"},
		{"Authorization", "bearer team-secret"},
		{"Authorization", "BEARER   team-secret "},
		{"Authorization", "Bearer Bearer team-secret"}, // a token that was given with its scheme
		{"Authorization", "team-secret"},
		{"X-API-Key", "team-secret"},
		{"x-api-key", " team-secret "},
		{"api-key", "team-secret"},
		{"Authorization", "", "api-key", "team-secret"},
		{"Authorization", "Bearer", "X-API-Key", "team-secret"},
		{"Authorization", "Bearer dummy", "X-API-Key", "team-secret"}, // clients demand a key for the header that they know
		{"Authorization", "Basic dXNlcjp4", "api-key", "team-secret"},
	} {
		got := w.post(t, "/v1/embeddings", ask, headers...)
		require.Equal(t, 200, got.status, "%q: %s", headers, got.body)
		require.Equal(t, "team", w.lastEvent(t).Key)
		require.Empty(t, w.lastEvent(t).Refused)
	}
	for _, test := range []struct {
		headers         []string
		reason, message string
	}{
		{nil, "missing_key", "no API key was given; send it as Authorization: Bearer, X-API-Key or api-key"},
		{[]string{"Authorization", ""}, "missing_key", "no API key was given"},
		{[]string{"Authorization", "Bearer "}, "missing_key", "no API key was given"},
		{[]string{"Authorization", "Bearer team-secre"}, "unknown_key", "the API key is not known"},
		{[]string{"Authorization", "Bearer TEAM-SECRET"}, "unknown_key", "the API key is not known"},
		{[]string{"Authorization", "Basic dXNlcjp4"}, "unknown_key", "the API key is not known"},
		{[]string{"X-API-Key", "Bearer team-secret"}, "unknown_key", "the API key is not known"},
		{[]string{"api-key", "off-secret"}, "disabled_key", "the API key is disabled"},
		{[]string{"api-key", "old-secret"}, "expired_key", "the API key has expired"},
		{[]string{"api-key", strings.Repeat("x", 20000)}, "unknown_key", "the API key is not known"},
		{[]string{"api-key", "team"}, "unknown_key", "a name is no key"},
		{[]string{"api-key", auth.Hash(teamKey)}, "unknown_key", "nor is a hash"},
	} {
		got := w.post(t, "/v1/embeddings", ask, test.headers...)
		require.Equal(t, 401, got.status, test.headers)
		require.Equal(t, `Bearer realm="quadrate"`, got.header.Get("WWW-Authenticate"))
		require.False(t, got.closes, "the connection serves on")
		event := w.lastEvent(t)
		require.Equal(t, test.reason, event.Refused, test.message)
		require.Equal(t, "invalid_api_key", event.Code)
		require.Empty(t, event.Key)
		require.NotContains(t, got.body+event.Error.Error(), "secret", "a key is never repeated")
	}
	golden(t, "error_missing_key", w.post(t, "/v1/rerank", `{}`).body)
	golden(t, "error_unknown_key", w.post(t, "/v1/rerank", `{}`, "api-key", "x").body)
	golden(t, "error_expired_key", w.post(t, "/v1/rerank", `{}`, "api-key", "old-secret").body)
	golden(t, "error_tei_missing_key", w.post(t, "/embed", `{}`).body)
	require.Equal(t, 401, w.get(t, "/v1/models").status)
	require.Equal(t, 401, w.get(t, "/v1/models/org/both").status)
}

func TestAnonymousBesideKeys(t *testing.T) {
	w := locked(t, auth.Anonymous{Enabled: true, Models: []string{"embedder"}}, nil)
	require.Equal(t, 200, w.post(t, "/v1/embeddings", `{"model":"embedder","input":"x"}`).status)
	require.Equal(t, "anonymous", w.lastEvent(t).Key)
	require.Equal(t, 200, w.post(t, "/v1/embeddings", `{"model":"embedder","input":"x"}`, "Authorization", "").status)
	require.Equal(t, 401, w.post(t, "/v1/embeddings", `{"model":"embedder","input":"x"}`, "api-key", "x").status, "a wrong key is no key")
	got := w.post(t, "/v1/embeddings", `{"model":"org/both","input":"x"}`)
	require.Equal(t, 403, got.status)
	golden(t, "error_anonymous_model", got.body)
	require.Equal(t, "model", w.lastEvent(t).Refused)
}

// TestKeysOff: clients send what they have been given, or an empty header.
func TestKeysOff(t *testing.T) {
	open, err := auth.New(nil, auth.Anonymous{Enabled: true, Models: []string{"*"}})
	require.NoError(t, err)
	for name, keys := range map[string]func() *auth.Keyring{"nil": nil, "a nil keyring": func() *auth.Keyring { return nil }, "no keys": func() *auth.Keyring { return open }} {
		w := start(t, func(o *Options) { o.Keys = keys })
		for _, value := range []string{"", "Bearer anything", "Basic x"} {
			require.Equal(t, 200, w.post(t, "/v1/embeddings", ask, "Authorization", value).status, name+value)
			require.Equal(t, "anonymous", w.lastEvent(t).Key)
		}
	}
}

func TestOpenRoutes(t *testing.T) {
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Metrics = http.NotFoundHandler() })
	require.NoError(t, w.options.Catalog.Replace(loaded()))
	for path, status := range map[string]int{"/health": 200, "/health/": 200, "/health/live": 200, "/health/ready": 200, "/info": 200, "/docs": 200, "/docs/docs.js": 200, "/playground": 200, "/playground/app.js": 200, "/openapi.json": 200, "/metrics": 404, "/nowhere": 404, "/v1/models": 401} {
		require.Equal(t, status, w.get(t, path).status, path)
		require.Equal(t, status, w.get(t, path, "api-key", "wrong").status, path)
	}
	require.Equal(t, 401, w.do(t, http.MethodHead, "/v1/models", nil).status)
}

func TestModelsOfAKey(t *testing.T) {
	w := locked(t, auth.Anonymous{}, nil)
	asked := func(path, model, key string) answer {
		return w.post(t, path, `{"model":"`+model+`","input":"x","query":"q","documents":["d"]}`, "api-key", key)
	}
	for _, model := range []string{"org/both", "both", "default"} { // an alias of a model that it may use
		require.Equal(t, 200, asked("/v1/embeddings", model, teamKey).status, model)
	}
	require.Equal(t, 200, asked("/v1/rerank", "reranker", teamKey).status)
	got := asked("/v1/embeddings", "embedder", teamKey)
	require.Equal(t, 403, got.status)
	golden(t, "error_key_model", got.body)
	require.Empty(t, got.header.Get("X-Quadrate-Backend"))
	require.Equal(t, "embedder", w.lastEvent(t).Model)
	require.Equal(t, "team", w.lastEvent(t).Key)
	got = w.post(t, "/embed", `{"model":"embedder","inputs":"x"}`, "api-key", teamKey)
	require.Equal(t, 403, got.status)
	golden(t, "error_tei_key_model", got.body)
	require.Equal(t, 404, asked("/v1/embeddings", "none", teamKey).status)
	require.Equal(t, 200, asked("/v1/embeddings", "embedder", adminKey).status)

	require.Equal(t, 403, w.get(t, "/v1/models/embedder", "api-key", teamKey).status)
	list := w.get(t, "/v1/models", "api-key", teamKey).body
	require.Contains(t, list, `"id":"org/both"`)
	require.NotContains(t, list, `"id":"embedder"`)
}

// TestDefaultModelIsOneThatMayBeUsed: a client that cannot name a model is not refused for it.
func TestDefaultModelIsOneThatMayBeUsed(t *testing.T) {
	keys, err := auth.New([]auth.Key{
		{Name: "one", Hash: auth.Hash("one"), Models: []string{"embedder", "loading"}},
		{Name: "none", Hash: auth.Hash("none")},
	}, auth.Anonymous{})
	require.NoError(t, err)
	w := start(t, func(o *Options) { o.Keys = func() *auth.Keyring { return keys } })
	require.Equal(t, 200, w.post(t, "/embed", `{"inputs":"x"}`, "api-key", "one").status)
	require.Equal(t, "embedder", w.lastEvent(t).Model)
	require.Equal(t, 403, w.post(t, "/embed", `{"inputs":"x"}`, "api-key", "none").status)
	require.Equal(t, 403, w.post(t, "/v1/rerank", `{"query":"q","documents":["d"]}`, "api-key", "one").status)
}

// TestKeysAreReadOnceARequest: a reload counts from the next request on.
func TestKeysAreReadOnceARequest(t *testing.T) {
	var now atomic.Pointer[auth.Keyring]
	var reads atomic.Int64
	now.Store(keyring(t, auth.Anonymous{}))
	w := start(t, func(o *Options) {
		o.Keys = func() *auth.Keyring { reads.Add(1); return now.Load() }
	})
	require.Equal(t, 401, w.post(t, "/v1/embeddings", ask).status)
	require.EqualValues(t, 1, reads.Load())
	now.Store(keyring(t, auth.Anonymous{Enabled: true, Models: []string{"*"}}))
	require.Equal(t, 200, w.post(t, "/v1/embeddings", ask).status)
	require.EqualValues(t, 2, reads.Load())
}

// TestRefusedBeforeTheBody: who may not send a body is told so while none of it has come.
func TestRefusedBeforeTheBody(t *testing.T) {
	w := locked(t, auth.Anonymous{Enabled: true, Models: []string{"*"}}, func(o *Options) { o.AnonymousBodyLimit = 2 << 10 })
	for _, test := range []struct {
		header, length string
		status         int
		says           string
	}{
		{"api-key: wrong", "10", 401, "not known"},
		{"api-key: wrong", "100000000", 401, "not known"},
		{"X: y", "2049", 413, "larger than 2KiB, decoded (server.anonymous_body_limit, without an API key)"},
		{"api-key: small-secret", "1025", 413, "larger than 1KiB, decoded (body_limit of the API key small)"},
		{"api-key: team-secret", "65537", 413, "larger than 64KiB, decoded (server.body_limit)"},
	} {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			c := w.dial(t)
			c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\n%s\r\n%sContent-Length: %s\r\n\r\n", test.header, expect, test.length)
			got := c.receive(t)
			require.Equal(t, test.status, got.status, test.says+expect)
			require.Contains(t, got.body, test.says)
			require.Zero(t, w.lastEvent(t).BytesIn)
			require.Zero(t, w.budget.used.Load())
			if expect != "" {
				require.True(t, got.closes, "nobody knows whether a body follows")
				c.closed(t)
			}
		}
	}
	c := w.dial(t)
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\napi-key: wrong\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
	require.Equal(t, 401, c.receive(t).status, "and not 100 first")
	c.closed(t)
}

func TestBodyLimitByKey(t *testing.T) {
	w := locked(t, auth.Anonymous{Enabled: true, Models: []string{"*"}}, func(o *Options) { o.AnonymousBodyLimit = 2 << 10 })
	for key, limit := range map[string]int{"": 2 << 10, smallKey: 1 << 10, adminKey: 64 << 10} {
		require.Equal(t, 200, w.post(t, "/v1/embeddings", padded(limit), "api-key", key).status, key)
		for name, body := range map[string]io.Reader{
			"declared": strings.NewReader(padded(limit + 1)), "chunked": io.MultiReader(strings.NewReader(padded(limit + 1))),
		} {
			require.Equal(t, 413, w.do(t, "POST", "/v1/embeddings", body, "api-key", key).status, key+name)
		}
		require.Equal(t, 413, w.post(t, "/v1/embeddings", zipped(t, padded(limit+1)), "api-key", key, "Content-Encoding", "gzip").status, key)
	}
	none := build(t, func(o *Options) { o.BodyLimit, o.BytesInFlight = 16<<20, 32<<20 })
	open := keyring(t, auth.Anonymous{Enabled: true})
	caller, err := open.Identify("", time.Now())
	require.NoError(t, err)
	limit, _ := none.bodyLimit(caller)
	require.EqualValues(t, 4<<20, limit)
}

func TestPreflightNeedsNoKey(t *testing.T) {
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.CORSOrigins = []string{"https://a.example"} })
	got := w.do(t, http.MethodOptions, "/v1/embeddings", nil, "Origin", "https://a.example", "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,x-api-key,traceparent")
	require.Equal(t, 204, got.status)
	require.Equal(t, "authorization,x-api-key,traceparent", got.header.Get("Access-Control-Allow-Headers"))
	got = w.post(t, "/v1/embeddings", ask, "Origin", "https://a.example")
	require.Equal(t, 401, got.status)
	require.Equal(t, "https://a.example", got.header.Get("Access-Control-Allow-Origin"), "a page reads why")
	for _, name := range []string{"Retry-After", "Traceparent", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Requests", "X-Request-Id"} {
		require.Contains(t, got.header.Get("Access-Control-Expose-Headers"), name)
	}
	got = w.post(t, "/v1/embeddings", ask, "Origin", "https://b.example", "api-key", teamKey)
	require.Equal(t, 200, got.status)
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
}

// TestKeysOverTLS: keys, body limits and addresses are the same over TLS.
func TestKeysOverTLS(t *testing.T) {
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	defer own.Close()
	keys := keyring(t, auth.Anonymous{})
	ln := listen(t)
	w := build(t, func(o *Options) {
		o.Keys = func() *auth.Keyring { return keys }
		o.TLS = &tls.Config{Certificates: own.TLS.Certificates, MinVersion: tls.VersionTLS12}
	})
	w.serve(t, ln)
	w.url = "https://" + w.addr
	w.client = own.Client()
	require.Equal(t, 401, w.post(t, "/v1/embeddings", ask).status)
	require.Equal(t, 200, w.post(t, "/v1/embeddings", ask, "Authorization", "Bearer "+teamKey).status)
	require.Equal(t, "team", w.lastEvent(t).Key)
	require.Equal(t, "127.0.0.1", w.lastEvent(t).Client.String())
	c, err := tls.Dial("tcp", w.addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = io.WriteString(c, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\napi-key: wrong\r\nContent-Length: 1000\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	status := make([]byte, len("HTTP/1.1 401"))
	_, err = io.ReadFull(c, status)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 401", string(status))
}
