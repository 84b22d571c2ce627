package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"
)

// The roles in which this program starts itself.
const (
	roleUpstream = "serve-upstream"
	roleProxy    = "serve-proxy"
)

// upstream answers OpenAI's embedding requests with bodies made beforehand, by the model's name.
type upstream struct {
	small, large []byte
}

func newUpstream() http.Handler {
	u := &upstream{small: answer(smallWork), large: answer(largeWork)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/embeddings", u.embed)
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"bench-small","object":"model","created":0,"owned_by":"bench"},{"id":"bench-large","object":"model","created":0,"owned_by":"bench"}]}`)
	})
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func (u *upstream) embed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	out := u.small
	if bytes.Contains(body, []byte(largeWork.model)) {
		out = u.large
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = w.Write(out)
}

// answer makes the whole body for a workload: vectors of norm 1, the shortest decimals that read
// back to the same float32.
func answer(w work) []byte {
	r := rand.New(rand.NewPCG(1, uint64(w.dimensions))) //nolint:gosec // reproducible on purpose
	type item struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	items := make([]item, w.texts)
	for i := range items {
		items[i] = item{"embedding", i, vector(r, w)}
	}
	body, err := json.Marshal(map[string]any{"object": "list", "model": w.model, "data": items,
		"usage": map[string]int{"prompt_tokens": 16 * w.texts, "total_tokens": 16 * w.texts}})
	if err != nil {
		panic(err)
	}
	return body
}

func vector(r *rand.Rand, w work) any {
	v, sum := make([]float32, w.dimensions), 0.0
	for i := range v {
		v[i] = float32(r.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	if w.format == "float" {
		return v
	}
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// serve answers on any free loopback port, which it prints, until ctx ends.
func serve(ctx context.Context, stdout io.Writer, h http.Handler) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, ln.Addr())
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveProxy is a reverse proxy as net/http brings it, with connections kept for every client. It
// reads a request before it passes it on: left to stream, the transport's look for the body's end
// races with the server's, once the answer has begun, and cuts some large answers short.
func serveProxy(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return errUsage
	}
	target, err := url.Parse(args[0])
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1024, DisableCompression: true},
	}
	return serve(ctx, stdout, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
}
