package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/ratelimit"
	"github.com/quadrate-maas/quadrate/telemetry"
)

// sentences to fill benchmark bodies with; in "escapes" the way in which Python's json.dumps
// writes them by default.
var sentences = []struct {
	name, text string
	ascii      bool
}{
	{"English", "Rain falls on the harbour while the boats wait for the tide. ", false},
	{"Russian", "Дождь идёт над гаванью, и лодки ждут прилива. ", false},
	{"Korean", "항구에 비가 내리고 배들은 밀물을 기다린다. ", false},
	{"escapes", "항구에 \"비가\" 내리고\n배들은 밀물을 기다린다. ", true},
}

// benchBody is a request with count texts of about size bytes of UTF-8 in a list.
func benchBody(b *testing.B, field string, count, size int, sentence string, ascii bool) []byte {
	list := make([]string, count)
	for i := range list {
		list[i] = fmt.Sprintf("%d %s", i, strings.ToValidUTF8(strings.Repeat(sentence, size/len(sentence)+1)[:size], ""))
	}
	body := new(bytes.Buffer)
	encoder := json.NewEncoder(body)
	encoder.SetEscapeHTML(false)
	require.NoError(b, encoder.Encode(map[string]any{"model": "m", "query": "q", field: list}))
	if !ascii {
		return body.Bytes()
	}
	var escaped []byte
	for _, c := range body.String() {
		if c < 128 {
			escaped = append(escaped, byte(c))
		} else {
			escaped = fmt.Appendf(escaped, "\\u%04x", c)
		}
	}
	return escaped
}

// BenchmarkDecode reads requests, and beside it encoding/json does with a struct.
func BenchmarkDecode(b *testing.B) {
	s := &Server{options: Options{MaxInputs: 2048, MaxDocuments: 1000}}
	for _, shape := range []struct {
		name, field string
		count, size int
	}{{"embed 32 of 128 tokens", "input", 32, 600}, {"embed 2048 short", "input", 2048, 40}, {"rerank 100 of 1 kB", "documents", 100, 1024}} {
		for _, sentence := range sentences {
			body := benchBody(b, shape.field, shape.count, shape.size, sentence.text, sentence.ascii)
			b.Run(shape.name+"/"+sentence.name+"/ours", func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					var e embedding
					var r reranking
					field := s.openAIEmbeddingField(&e)
					if shape.field == "documents" {
						field = s.rerankField(&r)
					}
					if err := decodeObject(body, field); err != nil || len(e.inputs.items)+len(r.documents.texts) != shape.count {
						b.Fatal(err)
					}
				}
			})
			b.Run(shape.name+"/"+sentence.name+"/encoding-json", func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					var r struct {
						Model, Query     string
						Input, Documents []string
					}
					if err := json.Unmarshal(body, &r); err != nil || len(r.Input)+len(r.Documents) != shape.count {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func benchVectors(count, width int) models.EmbedResult {
	r := rand.New(rand.NewPCG(1, 2))
	result := models.EmbedResult{}
	for range count {
		v := make([]float32, width)
		for j := range v {
			v[j] = float32(r.NormFloat64()) / 20
		}
		result.Vectors = append(result.Vectors, v)
	}
	return result
}

func BenchmarkEncodeEmbeddings(b *testing.B) {
	for _, width := range []int{384, 1024} {
		result := benchVectors(32, width)
		for _, base64 := range []bool{false, true} {
			b.Run(fmt.Sprintf("32x%d base64 %v", width, base64), func(b *testing.B) {
				b.ReportAllocs()
				var room []byte
				for b.Loop() {
					room = appendEmbeddings(room[:0], "m", result, base64)
					b.SetBytes(int64(len(room)))
				}
			})
		}
	}
}

// BenchmarkServe sends one short text after the other over one connection to a model that
// answers at once, so it shows all that the server adds to a run but tokeniser and batcher.
// The client's own part is a write and two reads.
func BenchmarkServe(b *testing.B) {
	for _, shape := range []struct {
		name         string
		texts, width int
		extra        string
	}{{"1 text", 1, 384, ""}, {"1 text base64", 1, 384, `,"encoding_format":"base64"`}, {"32 texts", 32, 384, ""}} {
		b.Run(shape.name, func(b *testing.B) {
			result := benchVectors(shape.texts, shape.width)
			instant := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) { return result, nil }}
			body := `{"model":"m","input":["` + strings.Repeat(`a short text to embed","`, shape.texts-1) + `a short text to embed"]` + shape.extra + `}`
			serveBench(b, models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: instant}, body, func(*Options) {}, "")
		})
	}
}

// BenchmarkServeGuarded is BenchmarkServe's second with what stands around a request: a key, its
// limits, a trusted proxy, and a span that is not kept.
func BenchmarkServeGuarded(b *testing.B) {
	result := benchVectors(1, 384)
	instant := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) { return result, nil }}
	keys, err := auth.New([]auth.Key{{Name: "k", Hash: auth.Hash("secret"), Models: []string{"*"}, Limits: "c"}}, auth.Anonymous{})
	require.NoError(b, err)
	limiter, err := ratelimit.New(ratelimit.Options{Classes: []ratelimit.Class{{Name: "c", Limits: ratelimit.Limits{RequestsPerMinute: 1e9, Burst: 1e9, TokensPerMinute: 1e9}}}})
	require.NoError(b, err)
	tracer, err := telemetry.Start(telemetry.Options{Endpoint: "http://127.0.0.1:1"})
	require.NoError(b, err)
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	guarded := func(o *Options) {
		o.Keys, o.Limits = func() *auth.Keyring { return keys }, limiter
		o.TrustedProxies = func() []netip.Prefix { return proxies }
	}
	for _, shape := range []struct {
		name   string
		change func(*Options)
	}{{"open", func(*Options) {}}, {"key and limits", guarded}, {"key, limits and trace", func(o *Options) { guarded(o); o.Tracer = tracer }}} {
		b.Run(shape.name, func(b *testing.B) {
			serveBench(b, models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: instant}, `{"model":"m","input":"a short text to embed","encoding_format":"base64"}`,
				shape.change, "Authorization: Bearer secret\r\nX-Forwarded-For: 203.0.113.1\r\n")
		})
	}
	require.NoError(b, limiter.Close())
	require.NoError(b, tracer.Shutdown(context.Background()))
}

func serveBench(b *testing.B, entry models.Entry, body string, change func(*Options), headers string) {
	catalog, err := models.NewCatalog(entry)
	require.NoError(b, err)
	o := Options{Catalog: catalog, TokenIDs: TokenIDsModel}
	change(&o)
	s, err := New(o)
	require.NoError(b, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(b, err)
	request := fmt.Appendf(nil, "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", headers, len(body), body)
	answers := bufio.NewReader(client)
	_, err = client.Write(request)
	require.NoError(b, err)
	first, err := http.ReadResponse(answers, nil)
	require.NoError(b, err)
	content, err := io.ReadAll(first.Body)
	require.NoError(b, err)
	require.Equal(b, 200, first.StatusCode, string(content))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(request); err != nil {
			b.Fatal(err)
		}
		for line := []byte(nil); len(line) != 2; {
			if line, err = answers.ReadSlice('\n'); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := answers.Discard(len(content)); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	require.NoError(b, client.Close())
	require.NoError(b, s.Shutdown(context.Background()))
	require.NoError(b, <-served)
}
