package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// site is the four files of a gateway, in a folder of their own.
type site struct {
	t   testing.TB
	dir string
	// server is put into server: of server.yaml, after what every test needs, and rest below it.
	server, rest string
	// The other files, whole.
	routing, auth, limits string
}

func newSite(t testing.TB, routing string) *site {
	t.Helper()
	return &site{t: t, dir: t.TempDir(), routing: routing, auth: "keys: []", limits: "classes: []"}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name+".yaml") }

// put writes a file as an editor does: a new one in the old one's place.
func (s *site) put(name, text string) {
	s.t.Helper()
	fresh := filepath.Join(s.dir, "."+name)
	require.NoError(s.t, os.WriteFile(fresh, []byte(text), 0o600))
	require.NoError(s.t, os.Rename(fresh, s.path(name)))
}

// write writes all files and returns the first's path.
func (s *site) write() string {
	s.t.Helper()
	s.put("routing", s.routing)
	s.put("auth", s.auth)
	s.put("rate_limits", s.limits)
	s.put("server", s.main())
	return s.path("server")
}

func (s *site) main() string {
	server := s.server
	if !strings.Contains(server, "drain_delay") {
		server += ", drain_delay: 0s"
	}
	return fmt.Sprintf(`
log: {format: json, level: debug}
server: {host: 127.0.0.1, port: 0%s}
files: {routing: %s, auth: %s, rate_limits: %s}
%s
`, server, s.path("routing"), s.path("auth"), s.path("rate_limits"), s.rest)
}

// open starts the gateway.
func (s *site) open(environ ...string) running {
	s.t.Helper()
	return launch(s.t, s.t.Context(), s.write(), environ...)
}

// upstreamLine is an entry of upstreams in routing.yaml.
func upstreamLine(name, kind, more string, urls ...string) string {
	return fmt.Sprintf("  - {name: %s, type: %s, urls: [%s]%s}\n", name, kind, strings.Join(urls, ", "), more)
}

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   string
}

// failure is the error in an answer's body.
type failureBody struct {
	Error struct {
		Message  string
		Type     string
		Param    *string
		Code     string
		Upstream string
	}
	Message string
}

func (a answer) failure(t testing.TB) failureBody {
	t.Helper()
	var f failureBody
	require.NoError(t, json.Unmarshal([]byte(a.body), &f), a.body)
	return f
}

// into reads an answer that must have succeeded.
func into[T any](t testing.TB, a answer) T {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	var v T
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	return v
}

// send sends a body, which is JSON's text or a value of it, with headers in pairs.
func send(ctx context.Context, client *http.Client, method, url string, body any, headers ...string) (answer, error) {
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			return answer{}, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(data))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

// ask sends a body to a route.
func (r running) ask(t testing.TB, route string, body any, headers ...string) answer {
	t.Helper()
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	a, err := send(t.Context(), http.DefaultClient, method, r.url+route, body, headers...)
	require.NoError(t, err)
	return a
}

// embed asks for the vectors of texts.
func (r running) embed(t testing.TB, model string, texts []string, headers ...string) answer {
	t.Helper()
	return r.ask(t, "/v1/embeddings", map[string]any{"model": model, "input": texts}, headers...)
}

// vectors asks for the vectors of texts, which must succeed.
func (r running) vectors(t testing.TB, model string, texts ...string) [][]float32 {
	t.Helper()
	got := into[embeddings](t, r.embed(t, model, texts))
	require.Len(t, got.Data, len(texts))
	list := make([][]float32, len(texts))
	for i, d := range got.Data {
		require.Equal(t, i, d.Index)
		list[i] = d.Embedding
	}
	return list
}

// ranking is an answer of /v2/rerank.
type ranking struct {
	Results []struct {
		Index int     `json:"index"`
		Score float64 `json:"relevance_score"`
	} `json:"results"`
}

// scores asks for the scores of documents, in the documents' order, and checks that the answer
// has them by score.
func (r running) scores(t testing.TB, model, query string, documents ...string) []float64 {
	t.Helper()
	got := into[ranking](t, r.ask(t, "/v2/rerank", map[string]any{"model": model, "query": query, "documents": documents}))
	require.Len(t, got.Results, len(documents))
	scores := make([]float64, len(documents))
	for i, result := range got.Results {
		if i > 0 {
			require.LessOrEqual(t, result.Score, got.Results[i-1].Score)
		}
		scores[result.Index] = result.Score
	}
	return scores
}

// metric is the sum of a metric's lines that hold all of the labels, such as `op="embed"`.
func (r running) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
	for line := range strings.Lines(r.ask(t, "/metrics", nil).body) {
		found := metricLine.FindStringSubmatch(line)
		if found == nil || found[1] != name {
			continue
		}
		holds := true
		for _, label := range labels {
			holds = holds && strings.Contains(found[2], label)
		}
		if value, err := strconv.ParseFloat(found[3], 64); holds {
			require.NoError(t, err, line)
			sum += value
		}
	}
	return sum
}

var metricLine = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? (\S+)\n`)

// lines are the log's lines with a message.
func (r running) lines(t testing.TB, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(r.log.String()) {
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		if event["msg"] == message {
			found = append(found, event)
		}
	}
	return found
}
