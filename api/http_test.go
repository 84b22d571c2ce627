package api

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSmallBodiesHaveTheLimitsOfLarge: the limits of time hold from a body's first byte.
func TestSmallBodiesHaveTheLimitsOfLarge(t *testing.T) {
	w := build(t, nil)
	w.stall = 100 * time.Millisecond
	w.serve(t, listen(t))
	for _, sent := range []int{0, 300} {
		c := w.dial(t)
		c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: 0.05\r\nContent-Length: 1000\r\n\r\n%s", padded(1000)[:sent])
		got := c.receive(t)
		require.Equal(t, 504, got.status)
		golden(t, "error_openai_deadline_exceeded", got.body)
		require.Equal(t, int64(sent), w.lastEvent(t).BytesIn)
		c.closed(t)

		c = w.dial(t)
		c.send(t, "POST /embed HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 1000\r\n\r\n%s", padded(1000)[:sent])
		got = c.receive(t)
		require.Equal(t, 400, got.status)
		require.Contains(t, got.body, `,"error_type":"Validation"}`, "in the dialect of its route")
		require.Contains(t, got.body, "the body stopped arriving")
		require.Equal(t, "mine", got.header.Get("X-Request-Id"))
		c.closed(t)
	}
}

// TestUnreadBodyDoesNotHoldUpTheAnswer: a body that nobody wants may come as slowly as it will.
func TestUnreadBodyDoesNotHoldUpTheAnswer(t *testing.T) {
	w := start(t, nil)
	for _, head := range []string{
		"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
		"GET /v1/models/none HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
	} {
		c := w.dial(t)
		c.send(t, "%s", head)
		dripping, stop := context.WithCancel(t.Context())
		go func() {
			for dripping.Err() == nil {
				_, _ = c.Write([]byte("x"))
				time.Sleep(20 * time.Millisecond)
			}
		}()
		began := time.Now()
		got := c.receive(t)
		stop()
		require.Equal(t, 404, got.status)
		require.True(t, got.closes)
		require.Less(t, time.Since(began), 3*drainTime)
		require.NoError(t, c.Close())
	}
}

// TestNothingIsDrainedFromALastRequest: there is no next request to keep the connection for.
func TestNothingIsDrainedFromALastRequest(t *testing.T) {
	w := start(t, nil)
	c := w.dial(t)
	began := time.Now()
	c.send(t, "POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{")
	require.Equal(t, 404, c.receive(t).status)
	require.Less(t, time.Since(began), drainTime)
	c.closed(t)
}

func TestExpectContinueWithTooMuch(t *testing.T) {
	w := start(t, nil)
	for _, length := range []string{"99999999999", "65537"} {
		c := w.dial(t)
		began := time.Now()
		c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %s\r\n\r\n", length)
		got := c.receive(t)
		require.Equal(t, 413, got.status, "and not 100 first")
		golden(t, "error_body_limit", got.body)
		require.True(t, got.closes)
		require.Less(t, time.Since(began), drainTime, "a client that may send nothing is not waited for")
		c.closed(t)
	}
}

// TestCutUploads: a body that ends before its length is no request.
func TestCutUploads(t *testing.T) {
	w := start(t, nil)
	for _, length := range []int{1000, 20000} {
		c := w.dial(t)
		c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", length, padded(length)[:length-10])
		require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
		require.Equal(t, 499, c.receive(t).status)
		c.closed(t)
		require.Equal(t, int64(length-10), w.lastEvent(t).BytesIn)
	}
}

// TestPipelinedBodies: each request has its own bytes, in whatever pieces they come.
func TestPipelinedBodies(t *testing.T) {
	w := start(t, nil)
	c := w.dial(t)
	const head = "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: "
	first, second := padded(100), padded(9000)
	c.send(t, "%s100\r\n\r\n%s%s9000\r\n\r\n%sGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", head, first, head, second)
	require.Equal(t, 200, c.receive(t).status)
	require.Equal(t, 200, c.receive(t).status)
	require.Equal(t, `{"status":"live"}`, c.receive(t).body)
}

// TestAmbiguousFraming: where two readers of one header may see different ends, nothing that
// follows is taken for a request.
func TestAmbiguousFraming(t *testing.T) {
	w := start(t, nil)
	for _, headers := range []string{
		"Content-Length: 5\r\nContent-Length: 13",
		"Content-Length: 13\r\ncontent-length: 5\r\nContent-Length: 13",
		"Content-Length: 13\r\nContent-Length: 0",
		"Transfer-Encoding: chunked\r\nContent-Length: 13",
		"Content-Length: 13\r\nTransfer-Encoding: chunked",
		"Content-Length: 13\r\nTransfer-Encoding: identity",
		"Transfer-Encoding: identity",
		"Transfer-Encoding: gzip, chunked",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"Content-Length: 5, 13",
		"Content-Length: +13",
		"Content-Length: ",
	} {
		c := w.dial(t)
		c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%sGET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", headers, ask)
		got := c.receive(t)
		require.Equal(t, 400, got.status, headers)
		require.True(t, got.closes, headers)
		c.closed(t)
		require.Empty(t, w.lastEvent(t).Model)
	}
	c := w.dial(t)
	for _, headers := range []string{"Content-Length: 13\r\nContent-Length: 13", "content-length:13", "Transfer-Encoding: Chunked"} {
		body := ask
		if headers[0] == 'T' {
			body = "d\r\n" + ask + "\r\n0\r\n\r\n"
		}
		c.send(t, "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", headers, body)
		got := c.receive(t)
		require.Equal(t, 200, got.status, headers)
		require.False(t, got.closes)
	}
}
