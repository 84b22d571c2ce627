package api

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

const ask = `{"input":"x"}`

func padded(n int) string {
	return `{"input":"x","pad":"` + strings.Repeat("p", n-len(`{"input":"x","pad":""}`)) + `"}`
}

func TestAnyContentType(t *testing.T) {
	w := start(t, nil)
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"} {
		require.Equal(t, 200, w.post(t, "/v1/embeddings", ask, "Content-Type", contentType).status, contentType)
		require.Equal(t, 200, w.post(t, "/embed", `{"inputs":"x"}`, "Content-Type", contentType).status, contentType)
	}
	require.Equal(t, 200, w.post(t, "/v1/embeddings", "\ufeff"+ask).status, "a byte order mark does no harm")
}

func TestBodyLimit(t *testing.T) {
	w := start(t, nil)
	require.Equal(t, 200, w.post(t, "/v1/embeddings", padded(64<<10)).status)
	require.Equal(t, 200, w.do(t, "POST", "/v1/embeddings", io.MultiReader(strings.NewReader(padded(64<<10)))).status, "chunked")
	for name, body := range map[string]io.Reader{
		"declared": strings.NewReader(padded(64<<10 + 1)), "chunked": io.MultiReader(strings.NewReader(padded(64<<10 + 1))),
		"much more": strings.NewReader(padded(8 << 20)), "much more, chunked": io.MultiReader(strings.NewReader(padded(8 << 20))),
	} {
		got := w.do(t, "POST", "/v1/embeddings", body)
		require.Equal(t, 413, got.status, name)
		golden(t, "error_body_limit", got.body)
	}
	got := w.post(t, "/embed", padded(64<<10+1))
	require.Equal(t, 413, got.status)
	golden(t, "error_tei_body_limit", got.body)
}

// TestOversizedBodyKeepsConnection: a little too much is read to its end, and the connection
// serves on; much too much closes it, and the client still gets its answer.
func TestOversizedBodyKeepsConnection(t *testing.T) {
	w := start(t, nil)
	c := w.dial(t)
	for range 3 {
		c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 100<<10, padded(100<<10))
		got := c.receive(t)
		require.Equal(t, 413, got.status)
		require.False(t, got.closes)
	}
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(ask), ask)
	require.Equal(t, 200, c.receive(t).status)
	c.send(t, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(ask), ask)
	require.Equal(t, 404, c.receive(t).status)

	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 8<<20, padded(8<<20))
	got := c.receive(t)
	require.Equal(t, 413, got.status)
	require.True(t, got.closes)
	c.closed(t)
}

// TestUnreadBodyIsNotTheNextRequest: what a handler leaves unread must never be parsed.
func TestUnreadBodyIsNotTheNextRequest(t *testing.T) {
	w := start(t, nil)
	smuggled := "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, head := range []string{"GET /health/live", "POST /nowhere", "DELETE /v1/models", "GET /v1/models/none"} {
		c := w.dial(t)
		c.send(t, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", head, len(smuggled), smuggled)
		c.receive(t)
		c.send(t, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
		require.Equal(t, `{"status":"live"}`, c.receive(t).body, head)
	}
}

func TestGzipBodies(t *testing.T) {
	w := start(t, nil)
	zip := func(body, encoding string) answer {
		return w.post(t, "/v1/embeddings", body, "Content-Encoding", encoding)
	}
	require.Equal(t, 200, zip(zipped(t, ask), "gzip").status)
	require.Equal(t, 200, zip(zipped(t, ask), "GZIP").status)
	require.Equal(t, 200, zip(zipped(t, ask[:5])+zipped(t, ask[5:]), "gzip").status, "two members are one text")
	require.Equal(t, 200, zip(ask, "identity").status)
	require.Equal(t, 200, zip(zipped(t, padded(64<<10)), "gzip").status)
	for name, test := range map[string]struct {
		body, encoding string
		status         int
	}{
		"error_gzip_bomb":        {zipped(t, padded(60<<20)), "gzip", 413},
		"error_gzip_corrupt":     {"not gzip at all", "gzip", 400},
		"error_gzip_cut":         {zipped(t, ask)[:20], "gzip", 400},
		"error_gzip_trailing":    {zipped(t, ask) + "more", "gzip", 400},
		"error_gzip_empty":       {"", "gzip", 400},
		"error_content_encoding": {ask, "br", 415},
	} {
		got := zip(test.body, test.encoding)
		require.Equal(t, test.status, got.status, name)
		golden(t, name, got.body)
	}
	flipped := []byte(zipped(t, ask))
	flipped[len(flipped)-6] ^= 1 // the checksum
	require.Equal(t, 400, zip(string(flipped), "gzip").status)
}

// TestGzipOfNothing: members without content cannot keep the server busy past the limit.
func TestGzipOfNothing(t *testing.T) {
	w := start(t, nil)
	got := w.post(t, "/v1/embeddings", strings.Repeat(zipped(t, ""), 4000), "Content-Encoding", "gzip")
	require.Equal(t, 413, got.status)
}

func TestHeaderTooLarge(t *testing.T) {
	w := start(t, nil)
	require.Equal(t, 200, w.post(t, "/v1/embeddings", ask, "Cookie", strings.Repeat("c", 30<<10)).status)
	got := w.post(t, "/v1/embeddings", ask, "Cookie", strings.Repeat("c", 200<<10))
	require.Equal(t, 431, got.status)
	golden(t, "error_header_too_large", got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, 431, w.lastEvent(t).Status)
}

func TestMalformedHTTP(t *testing.T) {
	w := start(t, nil)
	for _, head := range []string{"nonsense\r\n\r\n", "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "GET / HTTP/1.1\r\nbad header : x\r\n\r\n"} {
		c := w.dial(t)
		c.send(t, "%s", head)
		got := c.receive(t)
		require.Equal(t, 400, got.status)
		golden(t, "error_malformed_http", got.body)
		c.closed(t)
	}
}

func TestChunkedUpload(t *testing.T) {
	w := start(t, nil)
	c := w.dial(t)
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	for i := range len(ask) {
		c.send(t, "1\r\n%s\r\n", ask[i:i+1])
	}
	c.send(t, "0\r\n\r\n")
	require.Equal(t, 200, c.receive(t).status)
	c.send(t, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
	require.Equal(t, 200, c.receive(t).status, "the connection serves on")

	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	got := c.receive(t)
	require.Equal(t, 400, got.status)
	golden(t, "error_chunked", got.body)
	c.closed(t)
}

func TestExpectContinue(t *testing.T) {
	w := start(t, nil)
	c := w.dial(t)
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(ask))
	line, err := c.in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = c.in.ReadString('\n')
	require.NoError(t, err)
	c.send(t, "%s", ask)
	require.Equal(t, 200, c.receive(t).status)
}

func TestStalledBody(t *testing.T) {
	w := build(t, nil)
	w.stall = 50 * time.Millisecond
	ln := listen(t)
	w.serve(t, ln)
	start := padded(20 << 10)[:10<<10]
	c := w.dial(t)
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 20480\r\n\r\n%s", start)
	got := c.receive(t)
	require.Equal(t, 400, got.status)
	golden(t, "error_stalled_body", got.body)
	c.closed(t)

	c = w.dial(t)
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: 0.02\r\nContent-Length: 20480\r\n\r\n%s", start)
	require.Equal(t, 504, c.receive(t).status)
}

// eventually waits for what other goroutines do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, time.Millisecond, what)
}

// TestAbortedUploads: bytes in flight are counted while they are held, and given back on
// every way that an upload can end.
func TestAbortedUploads(t *testing.T) {
	w := start(t, nil)
	var group sync.WaitGroup
	var dialed []*wire
	for i := range 60 {
		c := w.dial(t)
		dialed = append(dialed, c)
		group.Go(func() {
			chunked := i%2 == 0
			if chunked {
				c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n%s\r\n", strings.Repeat("x", 0x5000))
			} else {
				c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n%s", strings.Repeat("x", 0x5000))
			}
		})
	}
	group.Wait()
	eventually(t, "the bodies are held", func() bool { return w.budget.used.Load() > 1<<20-64<<10 })
	got := w.post(t, "/v1/embeddings", padded(60<<10))
	require.Equal(t, 503, got.status)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	golden(t, "error_bytes_in_flight", got.body)
	require.Equal(t, 200, w.get(t, "/health/live").status)
	require.LessOrEqual(t, w.budget.used.Load(), int64(1<<20))
	for _, c := range dialed {
		require.NoError(t, c.Close())
	}
	eventually(t, "the bodies are given back", func() bool { return w.budget.used.Load() == 0 })
	require.Equal(t, 200, w.post(t, "/v1/embeddings", padded(60<<10)).status)
}

func TestUploadCutBetweenChunksIsNoRequest(t *testing.T) {
	w := start(t, nil)
	c := w.dial(t)
	c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(ask), ask)
	require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
	require.Equal(t, 499, c.receive(t).status)
	c.closed(t)
	eventually(t, "the event", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.events) == 1 })
	require.Equal(t, 499, w.lastEvent(t).Status)
	require.Empty(t, w.lastEvent(t).Model, "no model was asked")
}

func TestTooManyConnections(t *testing.T) {
	w := build(t, nil)
	w.connections = 2
	ln := listen(t)
	w.serve(t, ln)
	first, second := w.dial(t), w.dial(t)
	for _, c := range []*wire{first, second} {
		c.send(t, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
		require.Equal(t, 200, c.receive(t).status)
	}
	third := w.dial(t)
	got := third.receive(t)
	require.Equal(t, 503, got.status)
	golden(t, "error_connections", got.body)
	told := w.lastEvent(t)
	require.Equal(t, []any{503, "too_many_connections", third.LocalAddr().String()}, []any{told.Status, told.Code, told.RemoteAddr})
	require.EqualError(t, told.Error, "the server has 2 connections open, and takes no more")
	require.NoError(t, first.Close())
	eventually(t, "room for another", func() bool {
		c := w.dial(t)
		defer func() { _ = c.Close() }()
		c.send(t, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
		return c.receive(t).status == 200
	})
}

// TestClientGone closes a connection while a model waits, over TCP and TLS.
func TestClientGone(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	plain := func(ln net.Listener, _ *Server) net.Listener { return ln }
	for name, secure := range map[string]func(net.Listener, *Server) net.Listener{
		"tcp":          plain,
		"tls":          func(ln net.Listener, s *Server) net.Listener { s.options.TLS = certified.TLS; return ln },
		"tls listener": func(ln net.Listener, _ *Server) net.Listener { return tls.NewListener(ln, certified.TLS) },
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan func() bool)
			w := build(t, nil, untilGone(asked))
			w.serve(t, secure(listen(t), w.Server))
			c, err := net.Dial("tcp", w.addr)
			require.NoError(t, err)
			if name != "tcp" {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test's own server
			}
			body := `{"model":"waiting","input":"x"}`
			_, err = fmt.Fprintf(c, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			require.NoError(t, err)
			gone := <-asked
			require.False(t, gone())
			require.NoError(t, c.Close())
			eventually(t, "the event", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.events) == 1 })
			e := w.lastEvent(t)
			require.Equal(t, 499, e.Status)
			require.Zero(t, e.BytesOut)
			eventually(t, "still gone when the connection is closed", gone)
		})
	}
}

// untilGone is a model that waits until its caller is gone.
func untilGone(asked chan<- func() bool) models.Entry {
	embed := func(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
		asked <- req.Caller.Gone
		for !req.Caller.Gone() {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return models.EmbedResult{}, ctx.Err()
			}
		}
		return models.EmbedResult{}, models.Errorf(models.KindCanceled, "the client has left")
	}
	return models.Entry{Name: "waiting", Tasks: []models.Task{models.TaskEmbed}, Model: &modelstest.Embedder{EmbedFunc: embed}}
}

func TestGoneOnReset(t *testing.T) {
	ln := listen(t)
	defer func() { _ = ln.Close() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	server, err := ln.Accept()
	require.NoError(t, err)
	gone := goneFunc(&conn{Conn: server})
	require.False(t, gone())
	_, err = client.Write([]byte("unread"))
	require.NoError(t, err)
	require.False(t, gone(), "bytes not yet read are no hang-up")
	require.NoError(t, client.(*net.TCPConn).SetLinger(0))
	require.NoError(t, client.Close())
	eventually(t, "a reset is a hang-up", gone)
	require.NoError(t, server.Close())
	require.True(t, gone())
	pipe, _ := net.Pipe()
	require.Nil(t, goneFunc(pipe), "what has no socket cannot tell")
}

// TestAnswersNeverMix: the HTTP library uses its buffers again, and no answer may be another's.
func TestAnswersNeverMix(t *testing.T) {
	w := start(t, nil)
	var wrong atomic.Int32
	var group sync.WaitGroup
	for caller := range 24 {
		group.Go(func() {
			for round := range 40 {
				name := fmt.Sprintf("caller%d-%d-%s", caller, round, strings.Repeat("y", (caller*7+round*13)%300))
				text := name + " " + strings.Repeat("z", caller)
				got := w.post(t, "/v1/rerank", fmt.Sprintf(`{"model":"both","query":%q,"documents":[%q,"other"],"return_documents":true}`, name, text), "X-Request-Id", name[:10])
				want, _ := words.Rerank(context.Background(), models.RerankRequest{Query: name, Documents: []string{text}})
				if got.status != 200 || !strings.Contains(got.body, fmt.Sprintf(`{"index":0,"relevance_score":%s,"document":{"text":%q}}`, appendFloat(nil, want.Scores[0]), text)) || got.header.Get("X-Request-Id") != name[:10] {
					wrong.Add(1)
				}
				model := strings.Repeat("m", 1+caller) + "é"
				got = w.post(t, "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":"x"}`, model))
				if !strings.Contains(got.body, fmt.Sprintf(`no model is called \"%s\";`, model)) {
					wrong.Add(1)
				}
			}
		})
	}
	group.Wait()
	require.Zero(t, wrong.Load())
	for _, e := range w.events {
		require.Contains(t, []string{"/v1/rerank", "/v1/embeddings"}, e.Route)
		require.Equal(t, "POST", e.Method)
	}
}

// TestModelsMayKeepStrings: what a model was given stays what it was after the answer.
func TestModelsMayKeepStrings(t *testing.T) {
	var mu sync.Mutex
	kept := map[string]string{}
	keeper := &modelstest.Embedder{EmbedFunc: func(_ context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
		mu.Lock()
		defer mu.Unlock()
		kept[strings.Clone(req.Inputs[0].Text)] = req.Inputs[0].Text
		return models.EmbedResult{Vectors: [][]float32{{1}}}, nil
	}}
	w := start(t, nil, models.Entry{Name: "keeper", Tasks: []models.Task{models.TaskEmbed}, Model: keeper})
	for i := range 50 {
		require.Equal(t, 200, w.post(t, "/v1/embeddings", fmt.Sprintf(`{"model":"keeper","input":"text %d %s"}`, i, strings.Repeat("x", i))).status)
	}
	require.Len(t, kept, 50)
	for copied, given := range kept {
		require.Equal(t, copied, given)
	}
}

func TestAnswersAreNotCompressed(t *testing.T) {
	w := start(t, nil)
	req, err := http.NewRequest(http.MethodPost, w.url+"/v1/embeddings", strings.NewReader(ask))
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	res, err := w.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Empty(t, res.Header.Get("Content-Encoding"))
	_, err = gzip.NewReader(res.Body)
	require.Error(t, err)
}
