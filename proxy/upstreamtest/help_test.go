package upstreamtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// tell sends a request to a handler; a body is JSON unless header says otherwise.
func tell(t *testing.T, f http.Handler, method, path, body string, header ...string) reply {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return reply{status: w.Code, header: w.Header(), body: w.Body.String()}
}

func post(t *testing.T, f http.Handler, path, body string, header ...string) reply {
	t.Helper()
	return tell(t, f, http.MethodPost, path, body, header...)
}

// into decodes an answer that must have succeeded.
func into[T any](t *testing.T, r reply) T {
	t.Helper()
	require.Equal(t, http.StatusOK, r.status, r.body)
	var v T
	require.NoError(t, json.Unmarshal([]byte(r.body), &v), r.body)
	return v
}

// refused checks an error to the byte.
func refused(t *testing.T, r reply, status int, body string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, body, r.body)
}

// words repeats a word.
func wordsOf(n int) string { return strings.TrimSpace(strings.Repeat("word ", n)) }

// call sends a request over the wire.
func call(ctx context.Context, t *testing.T, client *http.Client, url, body string) (*http.Response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	all, err := io.ReadAll(response.Body)
	return response, all, err
}

func itoa(n int) string { return strconv.Itoa(n) }
