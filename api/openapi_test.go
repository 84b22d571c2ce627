package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/playground"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// scriptedAdmin does what it is asked, or fails.
type scriptedAdmin struct{ err error }

func (a scriptedAdmin) Reload(context.Context) (any, error) {
	return map[string]any{"at": time.Unix(1.8e9, 0).UTC(), "ok": true, "seconds": 0.1}, a.err
}
func (a scriptedAdmin) Load(context.Context, string) error   { return a.err }
func (a scriptedAdmin) Unload(context.Context, string) error { return a.err }
func (a scriptedAdmin) Logs(context.Context, string, int) (string, error) {
	return "a line\n", a.err
}
func (a scriptedAdmin) LastReload() *Reload {
	return &Reload{At: time.Unix(1.8e9, 0).UTC(), Problems: []string{"routing.yaml:3: models[0].name is missing"}}
}

func (a scriptedAdmin) Upstreams() []Upstream {
	return []Upstream{{Name: "tei", Type: "tei", Endpoints: []Endpoint{{URL: "http://tei:80", State: "ejected", Reason: "why", LastProbe: time.Unix(1.8e9, 0)}}}}
}

// able is a model that does everything, and fails where err is set.
type able struct {
	shown
	err error
}

func (a able) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	if a.err != nil {
		return models.EmbedResult{}, a.err
	}
	return a.Words.Embed(ctx, req)
}

func (a able) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	if a.err != nil {
		return models.TokensResult{}, a.err
	}
	return modelstest.TokenWords{Words: a.Words}.EmbedTokens(ctx, req)
}

func (a able) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	if a.err != nil {
		return models.RerankResult{}, a.err
	}
	return a.Words.Rerank(ctx, req)
}

func (a able) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	if a.err != nil {
		return models.ClassifyResult{}, a.err
	}
	return modelstest.ClassWords{Labels: []string{"positive", "negative"}, MaxLength: a.MaxLength}.Classify(ctx, req)
}

func (a able) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	if a.err != nil {
		return models.TokenizeResult{}, a.err
	}
	return a.shown.Tokenize(ctx, req)
}

func (a able) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	if a.err != nil {
		return nil, a.err
	}
	return a.shown.Decode(ctx, req)
}

// The models of documentedWorld besides those that the document's examples name.
const (
	failingModel = "fails"
	idleModel    = "does-nothing"
)

// documentedWorld has the models that the document's examples name, and one that fails, as
// admins' requests do, in the way of err.
func documentedWorld(t *testing.T, err error, change func(*Options)) *world {
	t.Helper()
	every := []models.Task{models.TaskEmbed, models.TaskRerank, models.TaskClassify}
	model := able{shown: shown{words, modelstest.Letters{MaxLength: 12, Prompts: words.Prompts}}}
	failing := model
	failing.err = err
	w := locked(t, auth.Anonymous{}, func(o *Options) {
		o.Admin = scriptedAdmin{err}
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = io.WriteString(w, "up 1\n")
		})
		if change != nil {
			change(o)
		}
	})
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{
		{Name: "sentence-transformers/all-MiniLM-L6-v2", Aliases: []string{"default"}, Tasks: every[:2], Model: model},
		{Name: "BAAI/bge-reranker-v2-m3", Tasks: every[1:2], Model: model},
		{Name: "sentiment", Tasks: every[2:], Model: model},
		{Name: "tokens", Tasks: every[:1], Model: model},
		{Name: failingModel, Tasks: every, Model: failing},
		{Name: idleModel, Model: &modelstest.Model{}},
	}))
	return w
}

// TestEveryRouteIsDocumented also finds what is documented and no route.
func TestEveryRouteIsDocumented(t *testing.T) {
	w := documentedWorld(t, nil, nil)
	var want, got []string
	for _, o := range theContract(t).operations {
		want = append(want, o.method+" "+braces.ReplaceAllString(o.path, "*"))
	}
	for _, route := range w.app.GetRoutes(true) {
		if route.Method != http.MethodHead {
			got = append(got, route.Method+" "+route.Path)
		}
	}
	require.ElementsMatch(t, want, got)
}

// TestEveryErrorIsDocumented: every code, type and status that the error table has.
func TestEveryErrorIsDocumented(t *testing.T) {
	schemas := theContract(t).doc.Components.Schemas
	object := schemas["Error"].Value.Properties["error"].Value.Properties
	codes := map[any]bool{"too_many_connections": true}
	for _, r := range append(slices.Collect(maps.Values(rows)), rowRoute, rowMethod, rowEncoding, rowHeader, rowProtocol, rowAdmin, rowReload, rowBytes) {
		if r.status == statusClientGone {
			continue
		}
		codes[r.code] = true
		require.Contains(t, object["code"].Value.Enum, r.code)
		require.Contains(t, object["type"].Value.Enum, r.typ)
		require.Contains(t, schemas["TEIError"].Value.Properties["error_type"].Value.Enum, r.teiType)
	}
	require.Len(t, object["code"].Value.Enum, len(codes), "codes that nothing answers with")
}

// TestErrorExamplesFit: the code or type of each example of an error is one of its status.
func TestErrorExamplesFit(t *testing.T) {
	all := append(slices.Collect(maps.Values(rows)), rowRoute, rowEncoding, rowAdmin, rowReload, rowBytes, row{teiStatus: 400, teiType: teiEmpty})
	for _, o := range theContract(t).operations {
		for status, response := range o.Responses.Map() {
			media := response.Value.Content.Get("application/json")
			if status[0] < '4' || media == nil || media.Example == nil {
				continue
			}
			var example struct {
				Error any    `json:"error"`
				Type  string `json:"error_type"`
			}
			data, err := json.Marshal(media.Example)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(data, &example))
			require.True(t, slices.ContainsFunc(all, func(r row) bool {
				object, is := example.Error.(map[string]any)
				if !is {
					return status == strconv.Itoa(r.teiStatus) && example.Type == r.teiType
				}
				return status == strconv.Itoa(r.status) && object["code"] == r.code && object["type"] == r.typ
			}), "%s %s %s: %s", o.method, o.path, status, data)
		}
	}
}

// asking is a request to an operation.
type asking struct {
	operation
	// model takes the place of the example's, in the path or the body.
	model   string
	query   string
	body    string
	headers []string
}

func (w *world) send(t *testing.T, a asking) answer {
	t.Helper()
	path, body, query := a.path, a.body, url.Values{}
	for _, p := range a.Parameters {
		value := fmt.Sprint(p.Value.Example)
		switch {
		case p.Value.In == openapi3.ParameterInPath && a.model != "":
			value = a.model
			fallthrough
		case p.Value.In == openapi3.ParameterInPath:
			path = strings.Replace(path, "{"+p.Value.Name+"}", url.PathEscape(value), 1)
		case p.Value.In == openapi3.ParameterInQuery && p.Value.Name == "model" && a.model != "":
			query.Set("model", a.model)
		case p.Value.In == openapi3.ParameterInQuery && p.Value.Example != nil:
			query.Set(p.Value.Name, value)
		}
	}
	if a.model != "" && strings.HasPrefix(body, "{") && !strings.Contains(a.path, "{") {
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &object))
		object["model"] = a.model
		data, err := json.Marshal(object)
		require.NoError(t, err)
		body = string(data)
	}
	if target := query.Encode() + a.query; target != "" {
		path += "?" + target
	}
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	got := w.do(t, a.method, path, content, a.headers...)
	require.NoError(t, theContract(t).validate(a.operation, got), "%s %s, answered %d", a.method, path, got.status)
	if found, _ := theContract(t).find(a.method, strings.SplitN(path, "?", 2)[0]); found.path != a.path {
		t.Fatalf("%s %s was taken for %s", a.method, path, found.path)
	}
	return got
}

// examples are an operation's request bodies, by name; one without a body has an empty one.
func (o operation) examples(t *testing.T) map[string]string {
	t.Helper()
	if o.RequestBody == nil {
		return map[string]string{"": ""}
	}
	media := o.RequestBody.Value.Content.Get("application/json")
	values := map[string]any{}
	if media.Example != nil {
		values[""] = media.Example
	}
	for name, example := range media.Examples {
		values[name] = example.Value.Value
	}
	require.NotEmpty(t, values, "%s %s has no example", o.method, o.path)
	bodies := map[string]string{}
	for name, value := range values {
		data, err := json.Marshal(value)
		require.NoError(t, err)
		bodies[name] = string(data)
	}
	return bodies
}

// TestExamplesAreServed: what the document shows as a request is answered, and as it says.
func TestExamplesAreServed(t *testing.T) {
	w := documentedWorld(t, nil, nil)
	for _, o := range theContract(t).operations {
		for name, body := range o.examples(t) {
			got := w.send(t, asking{operation: o, body: body, headers: []string{"Authorization", "Bearer " + adminKey}})
			require.Equal(t, 200, got.status, "%s %s, example %q: %s", o.method, o.path, name, got.body)
		}
	}
}

// kindOf are the failures of a model by their status, on OpenAI's routes or TEI's.
var kindOf = map[int]models.Kind{
	400: models.KindInvalid, 422: models.KindInvalid, 424: models.KindUnsupportedTask, 429: models.KindQueueFull,
	500: models.KindInternal, 502: models.KindUpstream, 503: models.KindLoading, 504: models.KindDeadline,
}

// TestEveryDocumentedAnswerIsGiven provokes each status of each operation.
func TestEveryDocumentedAnswerIsGiven(t *testing.T) {
	worlds := map[int]*world{}
	for _, o := range theContract(t).operations {
		for code := range o.Responses.Map() {
			status, err := strconv.Atoi(code)
			require.NoError(t, err)
			if worlds[status] == nil {
				worlds[status] = worldOf(t, status)
			}
			a := provoke(t, worlds[status], o, status)
			got := worlds[status].send(t, a)
			require.Equal(t, status, got.status, "%s %s %s: %s", o.method, o.path, a.body, got.body)
		}
	}
}

// worldOf is a server whose model fails with a status.
func worldOf(t *testing.T, status int) *world {
	t.Helper()
	var err error
	if kind, fails := kindOf[status]; fails {
		err = models.Errorf(kind, "it fails")
	}
	w := documentedWorld(t, err, func(o *Options) {
		switch status {
		case 401:
			o.MetricsNeedKey = true
		case 404:
			o.Metrics = nil
		}
	})
	if status == 503 {
		w.Drain() // for what tells of the server; models are asked all the same
	}
	return w
}

// provoke is a request that an operation answers with a status.
func provoke(t *testing.T, w *world, o operation, status int) asking {
	t.Helper()
	bodies := o.examples(t)
	body := bodies[slices.Min(slices.Collect(maps.Keys(bodies)))]
	if tei, both := bodies["tei"]; both && (status == 422 || status == 424) {
		body = tei
	}
	a := asking{operation: o, body: body, headers: []string{"Authorization", "Bearer " + adminKey}}
	get, admin := o.method == http.MethodGet, strings.HasPrefix(o.path, "/admin")
	switch status {
	case 304:
		a.headers = append(a.headers, "If-None-Match", w.send(t, a).header.Get("Etag"))
	case 400:
		a.model = failingModel
		if o.RequestBody != nil {
			a.model, a.body = "", "{"
		}
	case 401:
		a.headers = []string{"Authorization", "Bearer wrong"}
	case 403:
		a.headers, a.model = []string{"Authorization", "Bearer " + teamKey}, idleModel
	case 404:
		a.model = "nope"
	case 413:
		a.body = strings.Replace(body, "{", `{"x":"`+strings.Repeat("x", 64<<10)+`",`, 1)
	case 415:
		a.headers = append(a.headers, "Content-Encoding", "br")
	case 424:
		a.model = idleModel
	case 422, 429, 500, 502, 503, 504:
		if !get || admin {
			a.model = failingModel
		}
	}
	return a
}

// TestPages: open, kept by clients, and with a policy that lets nothing in from elsewhere.
func TestPages(t *testing.T) {
	w := limited(t, ratelimit.Limits{RequestsPerMinute: 1}, ratelimit.Limits{RequestsPerMinute: 1}, func(o *Options) { o.Version = "1.2.3" })
	for path, kind := range map[string]string{
		"/docs": "text/html; charset=utf-8", "/docs/": "text/html; charset=utf-8", "/openapi.json": "application/json",
		"/docs/docs.js": "text/javascript; charset=utf-8", "/docs/docs.css": "text/css; charset=utf-8",
		"/playground": "text/html; charset=utf-8", "/playground/": "text/html; charset=utf-8", "/playground/app.js": "text/javascript; charset=utf-8",
		"/playground/worker.js": "text/javascript; charset=utf-8", "/playground/index.css": "text/css; charset=utf-8", "/playground/LICENSES.txt": "text/plain; charset=utf-8",
		"/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8", "/docs/swagger-ui-LICENSE.txt": "text/plain; charset=utf-8",
	} {
		got := w.get(t, path)
		require.Equal(t, 200, got.status, path)
		require.Equal(t, kind, got.header.Get("Content-Type"), path)
		require.Equal(t, "no-cache", got.header.Get("Cache-Control"))
		require.Equal(t, "nosniff", got.header.Get("X-Content-Type-Options"))
		policy, referrer := "", ""
		if path != "/openapi.json" {
			policy, referrer = playground.SecurityPolicy, "no-referrer"
		}
		require.Equal(t, policy, got.header.Get("Content-Security-Policy"), path)
		require.Equal(t, referrer, got.header.Get("Referrer-Policy"), path)
		tag := got.header.Get("Etag")
		zipped := w.get(t, path, "Accept-Encoding", "gzip")
		require.Equal(t, "gzip", zipped.header.Get("Content-Encoding"), path)
		require.Less(t, len(zipped.body), len(got.body)+64)
		require.Equal(t, got.body, unzipped(t, zipped.body), path)
		require.Equal(t, tag, zipped.header.Get("Etag"))
		for _, known := range []string{tag, `"x", ` + tag, "*", strings.TrimPrefix(tag, "W/")} {
			same := w.get(t, path, "If-None-Match", known)
			require.Equal(t, 304, same.status, path)
			require.Empty(t, same.body)
			for _, name := range []string{"Etag", "Content-Type", "Content-Security-Policy", "Cache-Control", "Vary"} {
				require.Equal(t, got.header.Get(name), same.header.Get(name), "%s of %s: caches take over what a 304 says", name, path)
			}
		}
		require.Equal(t, got.body, w.get(t, path, "Range", "bytes=0-1").body, "whole, as no Accept-Ranges is sent")
		require.Empty(t, got.header.Get("Accept-Ranges"))
		require.Equal(t, 200, w.get(t, path, "If-None-Match", `"other"`).status)
		head := w.do(t, http.MethodHead, path, nil)
		require.Equal(t, 200, head.status)
		require.Empty(t, head.body)
		require.Equal(t, kind, head.header.Get("Content-Type"))
		require.Empty(t, w.lastEvent(t).Key, "nobody asked who calls")
	}
	for _, path := range []string{
		"/docs/index.html", "/docs/checksums", "/docs/../openapi.yaml", "/docs/%2e%2e/site.go", "/docs/a/b", "/docs/%ff", "/docs/app.js",
		"/playground/index.html", "/playground/checksums", "/playground/%2e%2e/site.go", "/playground/docs.js", "/playground/assets/app.js", "/playground/%ff",
	} {
		got := w.get(t, path)
		require.Equal(t, 404, got.status, path)
		require.Contains(t, got.body, `"code":"unknown_route"`, path)
		require.Empty(t, got.header.Get("Etag"), path)
		require.Empty(t, w.do(t, http.MethodHead, path, nil).body, path)
	}
	require.Contains(t, w.get(t, "/playground/x.js").body, "there is no file /playground/x.js here")
	require.Equal(t, 405, w.post(t, "/playground", "{}").status)
	require.Contains(t, w.get(t, "/openapi.json").body, `"version":"1.2.3"`)
}
