//go:build cgo

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/golden"
)

const companyTolerance = 1e-5

// pool makes texts of 1 to 254 words, each of which is one token of MiniLM, so with its two
// special tokens a text has up to the 256 that the model takes.
func pool(n int) []string {
	words := strings.Fields("search model vector query document index token batch server answer memory cat dog house river mountain")
	r := rand.New(rand.NewPCG(1, 2))
	texts := make([]string, n)
	for i := range texts {
		length := 1 + r.IntN(254)
		picked := make([]string, length)
		for j := range picked {
			picked[j] = words[r.IntN(len(words))]
		}
		picked[0] = words[i%len(words)]
		texts[i] = strings.Join(picked, " ")
	}
	return texts
}

// embedOver sends one embedding request and returns its vectors.
func embedOver(ctx context.Context, client *http.Client, url string, texts []string) ([][]float32, error) {
	data, err := json.Marshal(map[string]any{"model": "default", "input": texts})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/embeddings", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	var answer embeddings
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	vectors := make([][]float32, len(answer.Data))
	for i, d := range answer.Data {
		vectors[i] = d.Embedding
	}
	return vectors, nil
}

// 64 clients send texts of 1 to 256 tokens: each answer must be the text's own, as it was
// when the text was sent alone, and none may be lost.
func TestManyClientsGetTheirOwnAnswers(t *testing.T) {
	const clients = 64
	duration := 30 * time.Second
	if testing.Short() {
		duration = 3 * time.Second
	}
	s := start(t, t.Context(), configFile(t, "", ", batcher: {queue_timeout: 60s}"))
	texts := pool(128)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	alone := make([][]float32, len(texts))
	for i, text := range texts {
		vectors, err := embedOver(t.Context(), client, s.url, []string{text})
		require.NoError(t, err)
		alone[i] = vectors[0]
	}
	var answered, requests atomic.Int64
	var worst atomic.Uint64 // difference × 1e12
	end := time.Now().Add(duration)
	var group sync.WaitGroup
	failures := make(chan error, clients)
	for id := range clients {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(id), 7))
			for time.Now().Before(end) {
				picked := make([]int, 1+r.IntN(3))
				send := make([]string, len(picked))
				for i := range picked {
					picked[i] = r.IntN(len(texts))
					send[i] = texts[picked[i]]
				}
				vectors, err := embedOver(t.Context(), client, s.url, send)
				if err != nil || len(vectors) != len(send) {
					failures <- fmt.Errorf("client %d: %d vectors for %d texts: %w", id, len(vectors), len(send), err)
					return
				}
				requests.Add(1)
				for i, v := range vectors {
					difference := golden.Difference(v, alone[picked[i]])
					if difference > companyTolerance {
						failures <- fmt.Errorf("client %d: text %d differs from its own answer by %g", id, picked[i], difference)
						return
					}
					for old := worst.Load(); uint64(difference*1e12) > old && !worst.CompareAndSwap(old, uint64(difference*1e12)); old = worst.Load() {
					}
					answered.Add(1)
				}
			}
		})
	}
	group.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	require.Positive(t, answered.Load())
	t.Logf("%d clients, %s: %d requests, %d texts, all answered; largest difference to the answer alone %.2g", clients, duration, requests.Load(), answered.Load(), float64(worst.Load())/1e12)
}

// SIGTERM under load: every request whose bytes had arrived is answered, and a kept connection
// ends only after an answer that says so. Clients speak over raw connections, where nothing is
// retried in secret.
func TestShutdownUnderLoadLosesNothing(t *testing.T) {
	const clients = 64
	texts := pool(64)
	rounds := 5
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		ctx, stopSignals := signal.NotifyContext(t.Context(), syscall.SIGTERM)
		s := start(t, ctx, configFile(t, ", drain_delay: 500ms", ""))
		var c conversation
		failures := make(chan error, clients)
		var group sync.WaitGroup
		for id := range clients {
			group.Go(func() {
				if err := c.converse(s.addr, id, texts); err != nil {
					failures <- err
				}
			})
		}
		require.Eventually(t, func() bool { return c.idle.Load() == clients/8 }, time.Minute, time.Millisecond)
		time.Sleep(time.Second) // the others go on
		c.signalled.Store(true)
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		group.Wait()
		require.NoError(t, s.stop())
		stopSignals()
		close(failures)
		for err := range failures {
			require.NoError(t, err)
		}
		require.Equal(t, int64(clients), c.told.Load())
		require.GreaterOrEqual(t, c.after.Load(), int64(clients/8))
		t.Logf("round %d: %d requests answered before the signal, %d after it, %d connections told to close, none lost", round, c.before.Load(), c.after.Load(), c.told.Load())
	}
}

// conversation is what the clients of one server share and count.
type conversation struct {
	signalled           atomic.Bool
	idle                atomic.Int64 // clients that wait for the signal
	before, after, told atomic.Int64 // answers to requests sent before and after it; Connection: close
}

// converse sends one request after the other over one connection until it is told to close.
// Any end of the connection without that is an error. Every eighth client keeps its
// connection idle after the first answer until the signal.
func (c *conversation) converse(addr string, id int, texts []string) error {
	conn, err := net.Dial("tcp", addr) //nolint:noctx // bounded by the read deadline
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	reader := bufio.NewReader(conn)
	r := rand.New(rand.NewPCG(uint64(id), 3))
	for i := 0; ; i++ {
		body := fmt.Sprintf(`{"model":"default","input":["%d %d %s"]}`, id, i, texts[r.IntN(len(texts))])
		if id%8 == 0 && i == 1 {
			for c.idle.Add(1); !c.signalled.Load(); {
				time.Sleep(time.Millisecond)
			}
		}
		late := c.signalled.Load()
		if _, err := fmt.Fprintf(conn, "POST /v1/embeddings HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			return fmt.Errorf("client %d, request %d: %w", id, i, err)
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return fmt.Errorf("client %d, request %d (sent after the signal: %t): %w", id, i, late, err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("client %d, request %d: status %d: %s", id, i, resp.StatusCode, answer)
		}
		if late {
			c.after.Add(1)
		} else {
			c.before.Add(1)
		}
		if resp.Close {
			if !c.signalled.Load() {
				return errors.New("told to close before the signal")
			}
			c.told.Add(1)
			return nil
		}
	}
}
