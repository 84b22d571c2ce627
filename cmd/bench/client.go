package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

const (
	// checkEvery is how often an answer is read in full; the first of every phase is.
	checkEvery = 32
	maxAnswer  = 256 << 20
	maxExcerpt = 300 // bytes of an error's body in its message
)

// client sends to one server. It keeps its connections open between calls.
type client struct {
	url     string
	key     string
	cache   bool // whether results that the server keeps will do
	timeout time.Duration
	http    *http.Client
}

// newClient is for up to connections calls at a time. It uses no proxy, which would be
// measured along with the server.
func newClient(url, key string, timeout time.Duration, connections int) *client {
	return &client{url: url, key: key, timeout: timeout, http: &http.Client{
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			MaxIdleConns:        connections,
			MaxIdleConnsPerHost: connections,
			DisableCompression:  true,
		},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// load binds the client to a model's requests of one workload.
func (c *client) load(w workload.Workload, d dialect, model string, seed uint64) *load {
	return &load{
		prepare: func(i uint64) (call, error) {
			t := w.Texts(seed, i)
			body, err := json.Marshal(d.encode(model, t))
			return call{number: i, body: body, items: len(t.Items), tokens: t.Tokens}, err
		},
		send: func(ctx context.Context, r call) reply { return c.send(ctx, d, r) },
	}
}

func (c *client) send(ctx context.Context, d dialect, r call) reply {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	status, header, body, err := c.do(ctx, http.MethodPost, d.path, r.body)
	out := reply{done: time.Now()}
	switch {
	case err != nil:
		out.kind, out.err = "connection", err
		if ctx.Err() != nil || isTimeout(err) {
			out.kind = "timeout"
		}
	case status != http.StatusOK:
		out.kind, out.err = strconv.Itoa(status), statusError(http.MethodPost, d.path, status, body)
	default:
		out.tokens = usedTokens(header, body)
		out.stages, out.staged = stagesOf(header)
		if r.number%checkEvery == 0 {
			if out.dimensions, err = d.check(body, r.items); err != nil {
				out.kind, out.err = "invalid answer", fmt.Errorf("POST %s: invalid answer: %w", d.path, err)
			}
		}
	}
	return out
}

// do returns the whole answer, whatever its status.
func (c *client) do(ctx context.Context, method, path string, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.cache {
		req.Header.Set("Cache-Control", "no-store")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		b.Grow(int(min(resp.ContentLength, 1<<20)) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && n > maxAnswer {
		err = fmt.Errorf("%s %s: the answer is over %d bytes", method, path, maxAnswer)
	}
	return resp.StatusCode, resp.Header, b.Bytes(), err
}

func statusError(method, path string, status int, body []byte) error {
	excerpt := bytes.TrimSpace(body[:min(len(body), maxExcerpt)])
	return fmt.Errorf("%s %s: %d %s: %s", method, path, status, http.StatusText(status), excerpt)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
