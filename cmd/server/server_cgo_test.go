//go:build cgo

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/golden"
)

const minilm = "sentence-transformers/all-MiniLM-L6-v2"

// configFile writes a configuration with MiniLM, any free port, and extra lines: for
// server: and for the model.
func configFile(t testing.TB, server, model string) string {
	t.Helper()
	root := golden.Root()
	if !strings.Contains(model, "tasks") {
		model += ", tasks: [embed, rerank]"
	}
	if !strings.Contains(server, "drain_delay") {
		server += ", drain_delay: 0s"
	}
	text := fmt.Sprintf(`
models_dir: %s
log: {format: json, level: debug}
server: {host: 127.0.0.1, port: 0%s}
runtime: {library: %s, provider: cpu}
models:
  - {name: %s, aliases: [default], path: all-MiniLM-L6-v2%s}
  - {name: test/xlmr-rerank, path: ../testmodels/xlmr-rerank, tasks: [rerank], optional: true}
  - {name: absent/model, path: no-such-folder, optional: true}
`, filepath.Join(root, "var", "models"), server, golden.Library(), minilm, model)
	file := filepath.Join(t.TempDir(), "server.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// start runs the whole program, which needs MiniLM, under ctx until stop, or until the test ends.
func start(t testing.TB, ctx context.Context, file string) running { //nolint:revive // the testing.TB comes first in helpers
	t.Helper()
	golden.Model(t, "models/all-MiniLM-L6-v2")
	return launch(t, ctx, file)
}

func TestServesTheGoldensOverHTTP(t *testing.T) {
	s := start(t, t.Context(), configFile(t, "", ""))
	g := golden.Read(t, "minilm")
	var texts []string
	for _, item := range g.Items {
		texts = append(texts, item.Text)
	}
	status, body := post(t, s.url+"/v1/embeddings", map[string]any{"model": minilm, "input": texts})
	require.Equal(t, http.StatusOK, status, body)
	var answer embeddings
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Len(t, answer.Data, len(texts))
	worst := 0.0
	for i, item := range g.Items {
		difference := golden.Difference(answer.Data[i].Embedding, item.Vector)
		require.LessOrEqual(t, difference, 1e-5, item.Name)
		worst = max(worst, difference)
	}
	t.Logf("%d texts over HTTP, largest difference to sentence-transformers %.2g", len(texts), worst)
}

func TestRanksTwentyDocumentsInTheReferenceOrder(t *testing.T) {
	s := start(t, t.Context(), configFile(t, "", ""))
	for _, set := range golden.Read(t, "minilm_rerank").Sets {
		status, body := post(t, s.url+"/v2/rerank", map[string]any{"model": "default", "query": set.Query, "documents": set.Documents})
		require.Equal(t, http.StatusOK, status, body)
		var answer struct {
			Results []struct {
				Index int     `json:"index"`
				Score float64 `json:"relevance_score"`
			} `json:"results"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		var order []int
		for _, r := range answer.Results {
			order = append(order, r.Index)
			require.InDelta(t, set.Scores[r.Index], r.Score, 1e-5)
		}
		require.Equal(t, set.Order, order, set.Name)
		t.Logf("%s: %d documents in the reference's order", set.Name, len(order))
	}
}

func TestRoutesOverTheRealModel(t *testing.T) {
	s := start(t, t.Context(), configFile(t, "", ""))
	status, body := post(t, s.url+"/embed", map[string]any{"inputs": []string{"a", "b"}})
	require.Equal(t, http.StatusOK, status, body)
	var vectors [][]float32
	require.NoError(t, json.Unmarshal([]byte(body), &vectors))
	require.Len(t, vectors, 2)
	status, body = post(t, s.url+"/rerank", map[string]any{"query": "cat", "texts": []string{"dog", "a cat"}, "return_text": true})
	require.Equal(t, http.StatusOK, status, body)
	require.True(t, strings.HasPrefix(body, `[{"index":1,`), body)
	for _, path := range []string{"/v1/rerank", "/rerank", "/reranking", "/v1/v2/rerank"} {
		status, body = post(t, s.url+path, map[string]any{"model": "test/xlmr-rerank", "query": "cat", "documents": []string{"dog", "a cat"}})
		require.Equal(t, http.StatusOK, status, body)
	}
	status, body = get(t, s.url+"/v1/models")
	require.Equal(t, http.StatusOK, status)
	for _, part := range []string{`"` + minilm + `"`, `"absent/model"`, `"unavailable"`, `"cosine"`, `"sigmoid"`, `"fp32"`} {
		require.Contains(t, body, part)
	}
	for _, path := range []string{"/health", "/health/live", "/health/ready", "/v1/models/" + minilm} {
		status, body = get(t, s.url+path)
		require.Equal(t, http.StatusOK, status, body)
	}
	status, body = post(t, s.url+"/v1/embeddings", map[string]any{"model": "absent/model", "input": "x"})
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "its files are absent; make them with scripts/export_onnx.sh absent/model")
	require.NotContains(t, body, golden.Root())
}

func TestMetricsAndLogOfARequest(t *testing.T) {
	s := start(t, t.Context(), configFile(t, "", ""))
	status, _ := post(t, s.url+"/v1/embeddings", map[string]any{"model": "default", "input": []string{"one", "two words"}})
	require.Equal(t, http.StatusOK, status)
	status, _ = post(t, s.url+"/v1/embeddings", map[string]any{"model": "../../etc/passwd", "input": "x"})
	require.Equal(t, http.StatusNotFound, status)
	var body string
	require.Eventually(t, func() bool {
		_, body = get(t, s.url+"/metrics")
		// Requests and runs are counted after their answers are on their way.
		return strings.Contains(body, `quadrate_requests_total{model="`+minilm+`",route="/v1/embeddings",status="200"} 1`) &&
			strings.Contains(body, `quadrate_batch_tokens_sum{model="`+minilm+`"} 7`)
	}, 10*time.Second, 10*time.Millisecond)
	for _, line := range []string{
		`quadrate_items_total{model="` + minilm + `"} 2`,
		`quadrate_tokens_total{model="` + minilm + `"} 7`,
		`quadrate_execution_provider{model="` + minilm + `",provider="cpu",variant="fp32"} 1`,
		`quadrate_execution_provider_share{model="` + minilm + `"} 1`,
		`quadrate_queue_items{model="` + minilm + `"} 0`,
		`quadrate_model_ready{model="` + minilm + `"} 1`,
		`quadrate_requests_total{model="",route="/v1/embeddings",status="404"} 1`,
	} {
		require.Contains(t, body, line)
	}
	require.NotContains(t, body, "passwd")
	require.NotContains(t, body, `quadrate_model_ready{model="absent/model"}`, "it is optional")
	require.NoError(t, s.stop())
	var found map[string]any
	ids := map[any]int{}
	for line := range strings.Lines(s.log.String()) {
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		if event["msg"] == "request" {
			ids[event["id"]]++
		}
		if event["msg"] == "request" && event["status"] == 200.0 && event["route"] == "/v1/embeddings" {
			found = event
		}
	}
	require.NotNil(t, found)
	require.Equal(t, minilm, found["model"])
	require.Equal(t, 2.0, found["items"])
	require.Equal(t, 7.0, found["tokens"])
	require.NotEmpty(t, found["id"])
	require.GreaterOrEqual(t, len(ids), 3)
	for id, lines := range ids {
		require.Equal(t, 1, lines, "lines of request %v", id)
	}
}

func TestAStartThatFailsSaysWhy(t *testing.T) {
	golden.Model(t, "models/all-MiniLM-L6-v2")
	absent := configFile(t, "", "")
	text, err := os.ReadFile(absent)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(absent, bytes.ReplaceAll(text, []byte("no-such-folder, optional: true"), []byte("no-such-folder")), 0o600))
	s := start(t, t.Context(), configFile(t, "", ""))
	_, port, _ := strings.Cut(s.addr, ":")
	for name, c := range map[string]struct {
		file, want string
		environ    []string
	}{
		"a model that must be there": {file: absent, want: "absent/model: load: model files are absent: there is no "},
		"how to get it":              {file: absent, want: "get it with: scripts/export_onnx.sh absent/model --out "},
		"a port that is taken":       {file: configFile(t, "", ""), environ: []string{"QUADRATE_SERVER_PORT=" + port}, want: "address already in use (server.host, server.port): another program listens there; stop it, or take another port, as with QUADRATE_SERVER_PORT="},
		"a library that is not there": {file: configFile(t, "", ""), environ: []string{"QUADRATE_RUNTIME_LIBRARY=/no/such.so"},
			want: "ONNX Runtime library (runtime.library, QUADRATE_ORT_LIBRARY): stat /no/such.so"},
		"a bad setting": {file: configFile(t, ", prot: 1", ""), want: "prot"},
		"no such file":  {file: "/no/such/server.yaml", want: "/no/such/server.yaml"},
		"a provider without a library": {file: configFile(t, "", ", provider: openvino"), environ: []string{"QUADRATE_OPENVINO_LIBRARY=/no/such/plugin.so"},
			want: "execution provider not available: openvino: OpenVINO library (runtime.openvino_library, QUADRATE_OPENVINO_LIBRARY): stat /no/such/plugin.so"},
		"a provider without its variant": {file: configFile(t, "", ", provider: tensorrt"), want: "variant trt for provider tensorrt is not there, only "},
		"no such variant":                {file: configFile(t, "", ", variant: packed"), want: "variant packed for provider cpu is not there, only "},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t.Context(), []string{"-config", c.file}, c.environ, io.Discard, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestHealthcheckCommand(t *testing.T) {
	file := configFile(t, "", "")
	s := start(t, t.Context(), file)
	_, port, _ := strings.Cut(s.addr, ":")
	var out output
	require.NoError(t, run(t.Context(), []string{"healthcheck", "-config", file}, []string{"QUADRATE_SERVER_PORT=" + port}, &out, nil))
	require.Equal(t, "ready\n", out.String())
	require.NoError(t, s.stop())
	require.Error(t, run(t.Context(), []string{"healthcheck", "-config", file}, []string{"QUADRATE_SERVER_PORT=" + port}, &out, nil))
}

func TestTLS(t *testing.T) {
	cert, key, trusted := selfSigned(t)
	s := start(t, t.Context(), configFile(t, fmt.Sprintf(", tls: {cert: %s, key: %s}", cert, key), ""))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	vectors, err := embedOver(t.Context(), client, "https://"+s.addr, []string{"over TLS"})
	require.NoError(t, err)
	require.Len(t, vectors[0], 384)
	client.CloseIdleConnections()
	require.NoError(t, s.stop())
}

func TestCheckNamesWhatWouldFailTheStart(t *testing.T) {
	golden.Model(t, "models/all-MiniLM-L6-v2")
	check := func(file string, environ ...string) (string, error) {
		var out output
		err := run(t.Context(), []string{"-check", "-config", file}, environ, &out, nil)
		return out.String(), err
	}
	out, err := check(configFile(t, "", ""))
	require.NoError(t, err)
	require.Contains(t, out, ": listens on 127.0.0.1:0, 3 local models, 0 upstreams, 0 keys\n")
	require.Contains(t, out, minilm+" from "+filepath.Join(golden.Root(), "var", "models", "all-MiniLM-L6-v2")+": ok\n")
	require.Contains(t, out, "; get it with: scripts/export_onnx.sh absent/model --out ")
	_, err = check(configFile(t, ", tls: {cert: /no/such.pem, key: /no/such.key}", ", variant: fp16, provider: cpu"), "QUADRATE_RUNTIME_LIBRARY=/no/such.so")
	for _, want := range []string{"server.tls: open /no/such.pem", "stat /no/such.so", minilm + ": variant fp16 for provider cpu is not there, only "} {
		require.ErrorContains(t, err, want)
	}
	_, err = check(configFile(t, "", ", tasks: [rerank, classify]"))
	require.Error(t, err)
	_, err = check(configFile(t, "", ", provider: cuda"))
	require.ErrorContains(t, err, minilm+": not installed: CUDA execution provider is not enabled in this build")
}
