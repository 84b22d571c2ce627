package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// get reads an answer's status and body.
func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	all, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(all)
}

func TestServesAndIsControlled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-type", "infinity", "-models", "a,b=rerank", "-dimensions", "4", "-prefix", "/v1", "-fault", "overloaded", "-fault-times", "1"}, write, io.Discard)
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	url := strings.TrimSpace(line)

	status, _ := do(t, http.MethodPost, url+"/v1/embeddings", `{"model":"a","input":"x"}`)
	require.Equal(t, 429, status)
	status, body := do(t, http.MethodPost, url+"/v1/embeddings", `{"model":"a","input":"x"}`)
	require.Equal(t, 200, status)
	require.Equal(t, 2+3, strings.Count(body[:strings.Index(body, "]")], ","), "two fields and four numbers: %s", body)
	status, _ = do(t, http.MethodPost, url+"/v1/rerank", `{"model":"b","query":"x","documents":["x"]}`)
	require.Equal(t, 200, status)

	status, _ = do(t, http.MethodPost, url+"/_fake/fail", `{"name":"bad_gateway","times":1,"wait":"1s"}`)
	require.Equal(t, 200, status)
	status, body = do(t, http.MethodPost, url+"/v1/embeddings", `{"model":"a","input":"x"}`)
	require.Equal(t, 502, status)
	require.Contains(t, body, "<html>")
	for _, bad := range []string{`{"name":"none"}`, `{"name":"nan","path":"/v1/none"}`, `{"name":"nan","wait":"soon"}`, `{"kind":"nan"}`} {
		status, _ = do(t, http.MethodPost, url+"/_fake/fail", bad)
		require.Equal(t, 400, status, bad)
	}
	_, body = do(t, http.MethodGet, url+"/_fake/requests", "")
	require.Contains(t, body, `"body":"{\"model\":\"b\",\"query\":\"x\",\"documents\":[\"x\"]}"`)
	_, body = do(t, http.MethodGet, url+"/_fake/stats", "")
	require.Contains(t, body, `"requests":4`)
	do(t, http.MethodPost, url+"/_fake/reset", "")
	_, body = do(t, http.MethodGet, url+"/_fake/requests", "")
	require.Equal(t, "[]\n", body)

	cancel()
	require.NoError(t, <-ended)
	http.DefaultClient.CloseIdleConnections()
}

func TestRefusesWhatNoServerIs(t *testing.T) {
	for _, args := range [][]string{
		{"-type", "none"}, {"-models", "a,b"}, {"-task", "none"}, {"-fault", "none"}, {"-fault", "unknown_model"}, {"-listen", "nowhere:-1"}, {"-none"},
	} {
		require.Error(t, run(t.Context(), args, io.Discard, io.Discard), args)
	}
}
