package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// embeddingBody is an OpenAI answer of unit vectors, made beforehand.
func embeddingBody(b *testing.B, texts, dimensions int, asBase64 bool) []byte {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	data := make([]any, texts)
	for i := range data {
		v, sum := make([]float32, dimensions), 0.0
		for j := range v {
			v[j] = float32(r.NormFloat64())
			sum += float64(v[j]) * float64(v[j])
		}
		var raw []byte
		for j := range v {
			v[j] = float32(float64(v[j]) / math.Sqrt(sum))
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v[j]))
		}
		var embedding any = v
		if asBase64 {
			embedding = base64.StdEncoding.EncodeToString(raw)
		}
		data[i] = map[string]any{"object": "embedding", "index": i, "embedding": embedding}
	}
	body, err := json.Marshal(map[string]any{"object": "list", "model": "m", "data": data, "usage": map[string]int{"prompt_tokens": 16, "total_tokens": 16}})
	require.NoError(b, err)
	return body
}

// BenchmarkGateway is the whole way over loopback: client, gateway, upstream and back, in one
// process, so its profile shows what the gateway's own share is made of. cmd/gatewaybench
// compares it with going there directly.
func BenchmarkGateway(b *testing.B) {
	for _, c := range []struct {
		name              string
		texts, dimensions int
		format            string
	}{{"one/base64", 1, 384, "base64"}, {"32/numbers", 32, 1024, "float"}} {
		b.Run(c.name, func(b *testing.B) {
			answer := embeddingBody(b, c.texts, c.dimensions, c.format == "base64")
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
				_, _ = w.Write(answer)
			}))
			defer upstream.Close()
			dir := b.TempDir()
			require.NoError(b, os.WriteFile(filepath.Join(dir, "routing.yaml"), fmt.Appendf(nil,
				"upstreams: [{name: up, type: openai, urls: [\"%s/v1\"]}]\nmodels: [{name: m, upstream: up}]\n", upstream.URL), 0o600))
			file := filepath.Join(dir, "server.yaml")
			require.NoError(b, os.WriteFile(file, fmt.Appendf(nil,
				"log: {format: json, level: error}\nserver: {host: 127.0.0.1, port: 0, drain_delay: 0s}\nmodels: []\nfiles: {routing: %s/routing.yaml}\n", dir), 0o600))
			ctx, cancel := context.WithCancel(b.Context())
			ready, done := make(chan string, 1), make(chan error, 1)
			go func() { done <- run(ctx, []string{"-config", file}, nil, io.Discard, func(a string) { ready <- a }) }()
			defer func() { cancel(); require.NoError(b, <-done) }()
			input := make([]string, c.texts)
			for i := range input {
				input[i] = "word word word word word word word word word word word word word word"
			}
			body, err := json.Marshal(map[string]any{"model": "m", "input": input, "encoding_format": c.format})
			require.NoError(b, err)
			url := "http://" + <-ready + "/v1/embeddings"
			client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
				require.NoError(b, err)
				resp, err := client.Do(req)
				require.NoError(b, err)
				n, err := io.Copy(io.Discard, resp.Body)
				require.NoError(b, err)
				require.NoError(b, resp.Body.Close())
				require.Equal(b, http.StatusOK, resp.StatusCode)
				b.SetBytes(n)
			}
		})
	}
}
