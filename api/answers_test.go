package api

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

var uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// TestAnswers pins the body of every answer that is no error.
func TestAnswers(t *testing.T) {
	w := start(t, nil)
	tests := []struct{ name, path, body string }{
		{"embeddings", "/v1/embeddings", `{"model":"both","input":["a cat","a dog"]}`},
		{"embeddings_one", "/embeddings", `{"model":"embedder","input":"a cat","encoding_format":null,"user":"me","dimensions":null}`},
		{"embeddings_default_model", "/v1/embeddings", `{"input":"a cat"}`},
		{"embeddings_base64", "/v1/embeddings", `{"model":"both","input":["a cat"],"encoding_format":"base64"}`},
		{"embeddings_dimensions", "/v1/embeddings", `{"model":"both","input":["a cat"],"dimensions":2}`},
		{"embeddings_raw", "/v1/embeddings", `{"model":"both","input":["a cat"],"normalize":false}`},
		{"embeddings_truncated", "/v1/embeddings", `{"model":"both","input":["1 2 3 4 5 6 7 8 9 10 11 12 13","x"]}`},
		{"embeddings_ids", "/v1/embeddings", `{"model":"both","input":[[1,2],[3]]}`},
		{"embeddings_objects", "/v1/embeddings", `{"model":"both","input":[{"text":"a cat"}]}`},
		{"embeddings_blank", "/v1/embeddings", `{"model":"both","input":""}`},
		{"rerank", "/v1/rerank", `{"model":"both","query":"a cat","documents":["rain","a cat","the cat"]}`},
		{"rerank_documents", "/v2/rerank", `{"query":"a cat","documents":["rain","a \"cat\"\n"],"return_documents":true,"top_n":1}`},
		{"rerank_raw", "/v1/v2/rerank", `{"model":"reranker","query":"a cat","documents":["rain","a cat"],"raw_scores":true}`},
		{"rerank_fields", "/reranking", `{"query":"a cat","documents":[{"title":"cats","n":3,"text":"a cat","more":[1]},"rain"],"rank_fields":["text","title","n","absent"],"return_documents":"true"}`},
		{"rerank_truncated", "/rerank", `{"query":"a cat","documents":["1 2 3 4 5 6 7 8 9 10 11 12 13","x"]}`},
		{"rerank_tei", "/rerank", `{"query":"a cat","texts":["rain","a cat"]}`},
		{"rerank_tei", "/rerank", `{"query":"a cat","documents":null,"texts":["rain","a cat"]}`},
		{"rerank", "/rerank", `{"model":"both","query":"a cat","documents":["rain","a cat","the cat"],"texts":null}`},
		{"rerank_tei_text", "/rerank", `{"query":"a cat","texts":["rain","a cat"],"return_text":true,"raw_scores":true,"truncate":false,"truncation_direction":"Right"}`},
		{"embed_tei", "/embed", `{"inputs":["a cat","a dog"]}`},
		{"embed_tei_one", "/embed", `{"inputs":"a cat","truncate":true,"normalize":true,"truncation_direction":"left","prompt_name":"query","dimensions":3}`},
		{"embed_tei_mixed", "/embed", `{"inputs":["a cat",[1,2]],"normalize":null}`},
		{"models", "/v1/models", ""},
		{"models", "/models", ""},
		{"model", "/v1/models/org/both", ""},
		{"model", "/models/org/both", ""},
		{"ready", "/health/ready", ""},
		{"live", "/health/live", ""},
		{"health", "/health", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			method := http.MethodPost
			if test.body == "" {
				method = http.MethodGet
			}
			if strings.HasPrefix(test.path, "/health") {
				require.NoError(t, w.options.Catalog.Replace(loaded()))
			}
			got := w.do(t, method, test.path, strings.NewReader(test.body))
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "application/json", got.header.Get("Content-Type"))
			body := uuidPattern.ReplaceAllString(got.body, "UUID")
			body = regexp.MustCompile(`"(uptime_seconds|total_ms)":[0-9.e-]+`).ReplaceAllString(body, `"$1":0`)
			golden(t, test.name, body)
		})
	}
}

func TestModelIDWithSlash(t *testing.T) {
	w := start(t, nil)
	want := w.get(t, "/v1/models/org/both")
	require.Equal(t, 200, want.status)
	require.Equal(t, want.body, w.get(t, "/v1/models/org%2Fboth").body)
	require.Equal(t, want.body, w.get(t, "/v1/models/both").body)
}

func TestHEAD(t *testing.T) {
	w := start(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x 1\n")) })
	})
	for _, path := range []string{"/v1/models", "/v1/models/both", "/health", "/health/live", "/health/ready", "/metrics"} {
		get, head := w.get(t, path), w.do(t, http.MethodHead, path, nil)
		require.Equal(t, get.status, head.status, path)
		require.Equal(t, get.header.Get("Content-Type"), head.header.Get("Content-Type"), path)
		require.Empty(t, head.body, path)
		require.NotEmpty(t, get.body, path)
	}
	require.Equal(t, 404, w.do(t, http.MethodHead, "/nowhere", nil).status)
}

func TestMetricsRoute(t *testing.T) {
	require.Equal(t, 404, start(t, nil).get(t, "/metrics").status)
	w := start(t, func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			w.WriteHeader(http.StatusTeapot)
			fmt.Fprintf(w, "accept %s of %s %s\n", r.Header.Get("Accept"), r.Method, r.URL.Path)
		})
	})
	got := w.do(t, http.MethodGet, "/metrics", strings.NewReader(strings.Repeat("x", 100000)), "Accept", "text/plain")
	require.Equal(t, 418, got.status)
	require.Equal(t, "text/plain; version=0.0.4", got.header.Get("Content-Type"))
	require.Equal(t, "accept text/plain of GET /metrics\n", got.body)
	require.Equal(t, "/metrics", w.lastEvent(t).Route)
}

// TestMetricsWithAKey: a key that may use no model will do, which is what a scraper should have.
func TestMetricsWithAKey(t *testing.T) {
	w := locked(t, auth.Anonymous{Enabled: true, Models: []string{"*"}}, func(o *Options) {
		o.MetricsNeedKey = true
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprintln(w, "up 1")
		})
	})
	got := w.get(t, "/metrics", "api-key", teamKey)
	require.Equal(t, 200, got.status)
	require.Equal(t, "up 1\n", got.body)
	for _, key := range []string{"", "wrong", "off-secret"} {
		got := w.get(t, "/metrics", "api-key", key)
		require.Equal(t, 401, got.status, key)
		require.NotContains(t, got.body, "up 1")
	}
	require.Equal(t, "disabled_key", w.lastEvent(t).Refused)
	require.Equal(t, 401, start(t, func(o *Options) { o.MetricsNeedKey, o.Metrics = true, http.NotFoundHandler() }).get(t, "/metrics").status, "without keys nobody has one")
}

func TestHeadersAndEvent(t *testing.T) {
	timing := models.Timing{Tokenize: 1500 * time.Microsecond, Queue: 20 * time.Millisecond, Run: 3 * time.Second, Kept: 1, Shared: 2}
	slow := &modelstest.Embedder{Model: modelstest.Model{InfoFunc: words.Info}, EmbedFunc: func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
		res, err := words.Embed(ctx, req)
		res.Timing = timing
		return res, err
	}}
	w := start(t, nil, models.Entry{Name: "timed", Aliases: []string{"t"}, Tasks: []models.Task{models.TaskEmbed}, Model: slow})
	body := `{"model":"t","input":[[1,2,3,4,5,6,7,8,9,10,11],[1]]}`
	got := w.post(t, "/v1/embeddings", body, "X-Request-Id", "my-id~!")
	require.Equal(t, 200, got.status, got.body)
	for name, want := range map[string]string{
		"X-Request-Id": "my-id~!", "Server-Timing": "tokenize;dur=1.5, queue;dur=20, run;dur=3000", "X-Quadrate-Model": "timed",
		"X-Quadrate-Backend": "words", "X-Truncated": "1", "X-Quadrate-Cache": "kept=1, shared=2", "X-Token-Ids": "cl100k_base", "Server": "", "Retry-After": "",
	} {
		require.Equal(t, want, got.header.Get(name), name)
	}
	e := w.lastEvent(t)
	require.Positive(t, e.Duration)
	require.Contains(t, e.RemoteAddr, "127.0.0.1:")
	require.Equal(t, "127.0.0.1", e.Client.String())
	e.Duration, e.RemoteAddr, e.Client = 0, "", netip.Addr{}
	require.Equal(t, RequestEvent{
		ID: "my-id~!", Method: "POST", Route: "/v1/embeddings", Model: "timed", Backend: "words", Key: "anonymous", Status: 200,
		Usage: models.Usage{PromptTokens: 15, Truncated: 1}, Timing: timing, Items: 2,
		BytesIn: int64(len(body)), BytesOut: int64(len(got.body)),
	}, e)

	got = w.post(t, "/embed", `{"model":"timed","inputs":[[1],"über"]}`)
	for name, want := range map[string]string{
		"X-Token-Ids": "model", "X-Truncated": "", "x-tokenization-time": "1", "x-queue-time": "20", "x-inference-time": "3000",
		"x-compute-tokens": "6", "x-compute-characters": "4",
	} {
		require.Equal(t, want, got.header.Get(name), name)
	}
	require.NotEmpty(t, got.header.Get("x-compute-time"))
}

func TestRequestIDs(t *testing.T) {
	w := start(t, nil)
	for _, id := range []string{"", "with space", "é", strings.Repeat("x", 129)} {
		got := w.get(t, "/health/live", "X-Request-Id", id)
		require.Regexp(t, "^"+uuidPattern.String()+"$", got.header.Get("X-Request-Id"), id)
	}
	long := strings.Repeat("x", 128)
	require.Equal(t, long, w.get(t, "/nowhere", "X-Request-Id", long).header.Get("X-Request-Id"))
	require.Equal(t, long, w.lastEvent(t).ID)
}

// TestWhatModelsAreAsked checks that each field of a request reaches the model.
func TestWhatModelsAreAsked(t *testing.T) {
	var embed models.EmbedRequest
	var rerank models.RerankRequest
	spy := &modelstest.EmbedReranker{Model: modelstest.Model{InfoFunc: words.Info},
		EmbedFunc: func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
			embed = req
			return words.Embed(ctx, models.EmbedRequest{Inputs: req.Inputs})
		},
		RerankFunc: func(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
			rerank = req
			return words.Rerank(ctx, req)
		}}
	w := start(t, func(o *Options) { o.TokenIDs = TokenIDsModel }, models.Entry{Name: "spy", Tasks: []models.Task{models.TaskEmbed, models.TaskRerank}, Model: spy})
	text := []models.Input{{Text: "x"}}
	embeds := map[string]models.EmbedRequest{
		`"input":"x"`: {Inputs: text},
		`"input":"x","truncate":false,"prompt_name":"query","input_type":"search_query","dimensions":3.0,"normalized":false`: {
			Inputs: text, Truncate: models.TruncateNone, PromptName: "query", InputType: "search_query", Dimensions: 3, Raw: true},
		`"input":["x"],"truncate":"None","normalize":true`: {Inputs: text, Truncate: models.TruncateNone},
		`"input":["x"],"truncate":"start"`:                 {Inputs: text, Truncate: models.TruncateStart},
		`"input":["x"],"truncate":"END"`:                   {Inputs: text},
		`"input":["x"],"truncate":true`:                    {Inputs: text},
		`"input":["x"],"truncate":null,"normalize":null,"prompt_name":null,"input_type":null,"unknown":{"a":[1,{}]}`: {Inputs: text, Extra: extras(`unknown`, `{"a":[1,{}]}`)},
		`"input":[1,2]`:                         {Inputs: []models.Input{{IDs: []uint32{1, 2}}}},
		`"input":[[1],[]]`:                      {Inputs: []models.Input{{IDs: []uint32{1}}, {IDs: []uint32{}}}},
		`"input":["\u0000\ufeff\u200b\ud800é"]`: {Inputs: []models.Input{{Text: "\x00\ufeff\u200b\ufffdé"}}},
	}
	for body, want := range embeds {
		got := w.post(t, "/v1/embeddings", `{"model":"spy",`+body+`}`)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, "127.0.0.1", embed.Caller.Tag)
		require.NotNil(t, embed.Caller.Gone)
		embed.Caller = models.Caller{}
		want.Form, want.Extra.Dialect = models.FormNumbers, models.DialectOpenAI
		require.Equal(t, want, embed, body)
	}
	docs := []string{"x", "y"}
	reranks := map[string]models.RerankRequest{
		`"documents":["x","y"]`: {Query: "q", Documents: docs},
		`"documents":[{"text":"x","id":7},"y"],"truncation":false,"max_tokens_per_doc":5,"raw_scores":true,"max_chunks_per_doc":10`: {
			Query: "q", Documents: docs, Truncate: models.TruncateNone, MaxTokensPerDoc: 5, Raw: true, Extra: extras("max_chunks_per_doc", "10")},
		`"documents":["x","y"],"max_tokens_per_doc":null,"top_n":null,"top_k":0,"rank_fields":null,"return_documents":null`: {Query: "q", Documents: docs},
		`"documents":[{"a":"x"},"y"],"rank_fields":["a","b","a","a"]`:                                                       {Query: "q", Documents: docs},
		`"texts":["x","y"],"truncate":true,"truncation_direction":"Left"`:                                                   {Query: "q", Documents: docs, Truncate: models.TruncateStart},
		`"texts":["x","y"],"truncate":false,"truncation_direction":"left"`:                                                  {Query: "q", Documents: docs, Truncate: models.TruncateNone},
	}
	for body, want := range reranks {
		got := w.post(t, "/rerank", `{"model":"spy","query":"q",`+body+`}`)
		require.Equal(t, 200, got.status, got.body)
		require.NotNil(t, rerank.Caller.Gone)
		rerank.Caller = models.Caller{}
		want.Extra.Dialect = models.DialectCohere
		if strings.Contains(body, "texts") {
			want.Extra.Dialect = models.DialectTEI
		}
		require.Equal(t, want, rerank, body)
	}
}

// extras are unknown fields: a name, its JSON, and so on.
func extras(words ...string) models.Extra {
	var e models.Extra
	for i := 0; i < len(words); i += 2 {
		e.Fields = append(e.Fields, models.ExtraField{Name: words[i], JSON: []byte(words[i+1])})
	}
	return e
}

func TestCacheControl(t *testing.T) {
	for header, want := range map[string]models.CacheControl{
		"": {}, "max-age=0": {}, "no-cache": {NoCache: true}, "no-store": {NoStore: true}, "max-age=0, No-Cache ,no-store": {NoCache: true, NoStore: true}, "x-no-cache": {},
	} {
		var got models.Caller
		spy := &modelstest.Embedder{Model: modelstest.Model{InfoFunc: words.Info}, EmbedFunc: func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
			got = req.Caller
			return words.Embed(ctx, req)
		}}
		w := start(t, nil, models.Entry{Name: "spy", Tasks: []models.Task{models.TaskEmbed}, Model: spy})
		answer := w.post(t, "/embed", `{"model":"spy","inputs":"x"}`, "Cache-Control", header)
		require.Equal(t, 200, answer.status)
		require.Equal(t, want, got.Cache, header)
		require.Empty(t, answer.header.Get("X-Quadrate-Cache"))
	}
}

func TestTopN(t *testing.T) {
	w := start(t, nil)
	for field, want := range map[string]int{
		``: 3, `,"top_n":null`: 3, `,"top_n":0`: 3, `,"top_n":2`: 2, `,"top_n":8000`: 3, `,"top_n":9223372036854775807`: 3, `,"top_n":1e30`: 3, `,"top_k":1`: 1, `,"top_n":2,"top_k":1`: 2, `,"top_n":1.0`: 1,
	} {
		var got struct {
			Results, Data []struct {
				Index int
				Score float64 `json:"relevance_score"`
			}
		}
		body := w.post(t, "/v1/rerank", `{"query":"cat","documents":["x","cat","x"]`+field+`}`).body
		require.NoError(t, json.Unmarshal([]byte(body), &got), body)
		require.Len(t, got.Results, want, field)
		require.Equal(t, got.Results, got.Data)
		require.Equal(t, 1, got.Results[0].Index)
		if want == 3 {
			require.Equal(t, []int{1, 0, 2}, []int{got.Results[0].Index, got.Results[1].Index, got.Results[2].Index}, "ties go by index")
		}
	}
}

func TestSearchUnits(t *testing.T) {
	r := &reranking{}
	scores := make([]float32, 101)
	require.Contains(t, string(appendReranking(nil, "m", r, models.RerankResult{Scores: scores})), `"search_units":2}`)
	require.Contains(t, string(appendReranking(nil, "m", r, models.RerankResult{Scores: scores[:100]})), `"search_units":1}`)
}

func TestNumbersReadBack(t *testing.T) {
	for _, f := range []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0.1, 1.0 / 3, 1e-7, 123456.79, 1e21, 3.4028235e38, 1e-45, -2.5e-10, 16777216} {
		b := appendFloat(nil, f)
		require.True(t, json.Valid(b), "%s", b)
		var back float32
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, math.Float32bits(f), math.Float32bits(back), "%s", b)
	}
	v := []float32{1, -0.25, 1e-7}
	var encoded string
	require.NoError(t, json.Unmarshal(appendBase64(nil, v), &encoded))
	raw, err := base64.StdEncoding.DecodeString(encoded)
	require.NoError(t, err)
	require.Len(t, raw, 12)
	for i, f := range v {
		require.Equal(t, math.Float32bits(f), binary.LittleEndian.Uint32(raw[4*i:]))
	}
}

func TestStringsReadBack(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é한\u2028😀", "<a href=\"&\">"} {
		var back string
		require.NoError(t, json.Unmarshal(appendString(nil, s), &back))
		require.Equal(t, s, back)
	}
	require.Equal(t, `"a`+"\ufffd"+`b"`, string(appendString(nil, "a\xffb")))
}

// loaded are the entries of a server that has loaded all of its models.
func loaded() []models.Entry {
	return slices.DeleteFunc(entries(), func(e models.Entry) bool { return e.Name == "loading" })
}

func TestHealth(t *testing.T) {
	state := models.Status{State: models.StateLoading, Queue: models.Queue{Items: 3, Tokens: 40, Oldest: 1500 * time.Microsecond}}
	w := start(t, nil)
	model := &modelstest.Model{InfoFunc: words.Info, StatusFunc: func() models.Status { return state }}
	require.NoError(t, w.options.Catalog.Replace([]models.Entry{{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: model}}))
	got := w.get(t, "/health/ready")
	require.Equal(t, 503, got.status)
	require.Equal(t, `{"status":"not ready","reasons":["m: loading"]}`, got.body)
	require.Equal(t, 200, w.get(t, "/health/live").status)
	health := w.get(t, "/health")
	require.Equal(t, 503, health.status)
	require.Contains(t, health.body, `"status":"not ready"`)
	require.Contains(t, health.body, `"queue":{"items":3,"tokens":40,"oldest_ms":1.5}`)
	require.NoError(t, w.options.Catalog.Replace(nil))
	require.Equal(t, `{"status":"not ready","reasons":["there are no models"]}`, w.get(t, "/health/ready").body)
	require.Contains(t, w.get(t, "/v1/models").body, `"data":[]`)
	require.NoError(t, w.options.Catalog.Replace(entries()))
	require.Equal(t, 503, w.get(t, "/health/ready").status, "one is still being loaded")
	require.NoError(t, w.options.Catalog.Replace(loaded()))
	require.Equal(t, 200, w.get(t, "/health/ready").status)
	require.NoError(t, w.options.Catalog.Replace(entries()))
	require.Equal(t, 200, w.get(t, "/health/ready").status, "a model that is loaded later takes nothing away from the others")
	w.Drain()
	got = w.get(t, "/health/ready")
	require.Equal(t, 503, got.status)
	require.Equal(t, `{"status":"draining","reasons":["the server is draining"]}`, got.body)
	require.Equal(t, 200, w.get(t, "/health/live").status)
}

func TestCORS(t *testing.T) {
	off := start(t, nil)
	got := off.do(t, http.MethodOptions, "/v1/embeddings", nil, "Origin", "https://a.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, 405, got.status)
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))

	w := start(t, func(o *Options) { o.CORSOrigins = []string{"https://a.example"} })
	got = w.do(t, http.MethodOptions, "/v1/embeddings", nil, "Origin", "https://a.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, x-stainless-os")
	require.Equal(t, 204, got.status)
	require.Equal(t, "https://a.example", got.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "authorization, x-stainless-os", got.header.Get("Access-Control-Allow-Headers"))
	got = w.post(t, "/v1/embeddings", "{", "Origin", "https://a.example")
	require.Equal(t, 400, got.status)
	require.Equal(t, "https://a.example", got.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, got.header.Get("Access-Control-Expose-Headers"), "X-Truncated")
	require.Equal(t, "Origin", got.header.Get("Vary"))
	got = w.post(t, "/v1/embeddings", "{", "Origin", "https://b.example")
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
}

func TestLargeAnswersAreCompressedForThoseWhoAsk(t *testing.T) {
	many := `{"input":["` + strings.Repeat(`a","`, 300) + `a"]}`
	w := start(t, func(o *Options) { o.GzipFrom, o.MaxInputs = 2000, 400 })
	plain := w.post(t, "/v1/embeddings", many)
	require.Equal(t, 200, plain.status, plain.body)
	require.Equal(t, "Accept-Encoding", plain.header.Get("Vary"))
	for encoding, compressed := range map[string]bool{"gzip": true, "deflate, gzip;q=0.5, br": true, "*": true, "gzip;q=0": false, "br": false, "identity": false} {
		got := w.post(t, "/v1/embeddings", many, "Accept-Encoding", encoding)
		require.Equal(t, "Accept-Encoding", got.header.Get("Vary"))
		require.Equal(t, len(got.body), int(w.lastEvent(t).BytesOut))
		if !compressed {
			require.Empty(t, got.header.Get("Content-Encoding"), encoding)
			require.Equal(t, plain.body, got.body)
			continue
		}
		require.Equal(t, "gzip", got.header.Get("Content-Encoding"), encoding)
		require.Less(t, len(got.body), len(plain.body))
		require.Equal(t, plain.body, unzipped(t, got.body))
	}
	small := w.post(t, "/v1/embeddings", `{"input":"a"}`, "Accept-Encoding", "gzip")
	require.Empty(t, small.header.Get("Content-Encoding")+small.header.Get("Vary"))
	never := start(t, func(o *Options) { o.MaxInputs = 400 }).post(t, "/v1/embeddings", many, "Accept-Encoding", "gzip")
	require.Empty(t, never.header.Get("Content-Encoding")+never.header.Get("Vary"))
}

func unzipped(t *testing.T, body string) string {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	plain, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(plain)
}

// TestAnswersDoNotMix has answers of all sizes put together in the pooled buffers at once.
func TestAnswersDoNotMix(t *testing.T) {
	w := start(t, func(o *Options) { o.MaxInputs, o.GzipFrom = 400, 4000 })
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := range 25 {
				n := 1 + (c*31+i*17)%300
				body := fmt.Sprintf(`{"model":"embedder","input":["%s"]}`, strings.Join(slices.Repeat([]string{fmt.Sprintf("w%d cat", c*100+i)}, n), `","`))
				var headers []string
				if i%2 == 0 {
					headers = []string{"Accept-Encoding", "gzip"}
				}
				got := w.post(t, "/v1/embeddings", body, headers...)
				text := got.body
				if got.header.Get("Content-Encoding") == "gzip" {
					r, err := gzip.NewReader(strings.NewReader(text))
					assertNoError(t, err)
					plain, err := io.ReadAll(r)
					assertNoError(t, err)
					text = string(plain)
				}
				want, err := words.Embed(t.Context(), models.EmbedRequest{Inputs: slices.Repeat([]models.Input{{Text: fmt.Sprintf("w%d cat", c*100+i)}}, n)})
				assertNoError(t, err)
				if expected := string(appendEmbeddings(nil, "embedder", want, false)); text != expected {
					t.Errorf("client %d, request %d: another's answer: %.200s", c, i, text)
				}
			}
		})
	}
	clients.Wait()
}

// assertNoError is for goroutines, which must not end the test.
func assertNoError(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}
