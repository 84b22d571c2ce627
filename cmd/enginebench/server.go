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
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

// child is a server of the same model, started for the figures over HTTP.
type child struct {
	url    string
	model  string
	folder string // its configuration's
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the process has, and output and failure can be read
	output bytes.Buffer
	// failure is how the process ended.
	failure error
	http    *http.Client
	ready   time.Duration // from its start until it answered that it is ready
}

const (
	startLimit = time.Minute
	readyPoll  = 2 * time.Millisecond
)

func startServer(ctx context.Context, o options, provider, variant string) (_ *child, err error) {
	c := &child{model: filepath.Base(filepath.Clean(o.model)), http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}}}
	if c.folder, err = os.MkdirTemp("", "quadrate-figures"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.folder, "server.yaml")
	if err := os.WriteFile(file, c.config(address, o, provider, variant), 0o600); err != nil {
		return nil, err
	}
	c.url = "http://" + address
	program, err := filepath.Abs(o.server)
	if err != nil {
		return nil, err
	}
	c.cmd = exec.CommandContext(ctx, program, "-config", file) //nolint:gosec // the user names the program
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	start := time.Now()
	if err := c.cmd.Start(); err != nil {
		c.cmd = nil
		return nil, fmt.Errorf("-server: %w", err)
	}
	c.ended = make(chan struct{})
	go func() {
		c.failure = c.cmd.Wait()
		close(c.ended)
	}()
	if err := c.awaitReady(ctx); err != nil {
		return nil, err
	}
	c.ready = time.Since(start)
	return c, nil
}

// freeAddress is one that was free a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// config is JSON, which is YAML too.
func (c *child) config(address string, o options, provider, variant string) []byte {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	dir, _ := filepath.Abs(o.model)
	data, _ := json.Marshal(map[string]any{ //nolint:errchkjson // strings and numbers
		"models_dir": filepath.Dir(dir),
		"log":        map[string]any{"level": "warn"},
		"server":     map[string]any{"host": host, "port": number, "drain_delay": "0s"},
		"runtime":    map[string]any{"provider": provider, "threads": o.threads, "library": o.library},
		"models": []map[string]any{{
			"name": c.model, "path": filepath.Base(dir), "variant": variant,
			"batcher": map[string]any{"queue_timeout": "10m"},
		}},
	})
	return data
}

func (c *child) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		status, _, err := c.call(ctx, http.MethodGet, "/health/ready", nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("the server ended before it was ready: %s", strings.TrimSpace(c.output.String()))
		case <-ctx.Done():
			_ = c.cmd.Process.Kill() // it may have ended just now
			<-c.ended
			return fmt.Errorf("the server was not ready after %s: %s", startLimit, strings.TrimSpace(c.output.String()))
		case <-time.After(readyPoll):
		}
	}
}

// stop ends the process and waits for it.
func (c *child) stop() error {
	var err error
	if c.cmd != nil {
		c.http.CloseIdleConnections()
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		<-c.ended
		err = c.failure
	}
	return errors.Join(err, os.RemoveAll(c.folder))
}

func (c *child) call(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, content)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cache-Control", "no-cache") // workloads share texts
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

// do answers one request over HTTP.
func (c *child) do(ctx context.Context, t workload.Texts) error {
	path, body := "/v1/embeddings", any(map[string]any{"model": c.model, "input": t.Items})
	if t.Query != "" {
		path, body = "/v1/rerank", map[string]any{"model": c.model, "query": t.Query, "documents": t.Items}
	}
	status, answer, err := c.call(ctx, http.MethodPost, path, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("POST %s: %d: %.300s", path, status, answer)
	}
	return err
}

// with is the server as one of the systems.
func (c *child) with(ctx context.Context, p plan) func(a *alone) system {
	return func(*alone) system {
		return system{systemHTTP, func(in set) (round, error) {
			before := c.padded(ctx)
			r, err := closedLoop(ctx, in.requests, p.concurrency, c.do)
			r.padded = c.padded(ctx) - before
			return r, err
		}}
	}
}

// padded reads how many tokens the server has computed, padding included; 0 where it does not
// say.
func (c *child) padded(ctx context.Context) int {
	_, page, err := c.call(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "quadrate_batch_padded_tokens_total{") {
			value, _ := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:]), 64)
			return int(value)
		}
	}
	return 0
}
