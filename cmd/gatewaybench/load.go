package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// result is one measurement.
type result struct {
	latencies []time.Duration
	elapsed   time.Duration
	failed    int
	failure   error
}

func (r *result) throughput() float64 { return float64(len(r.latencies)) / r.elapsed.Seconds() }

// client sends one workload's requests to one address. Its connections end with a measurement, so
// that they are not open beside those of the next.
type client struct {
	http *http.Client
	url  string
	body []byte
}

func newClient(url string, body []byte, connections int) *client {
	return &client{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}}, url: url + "/v1/embeddings", body: body}
}

// send returns the time from before the request to the answer's last byte.
func (c *client) send(ctx context.Context) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	sent := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", resp.StatusCode)
	}
	return time.Since(sent), nil
}

// collector gathers what several goroutines measure.
type collector struct {
	mu sync.Mutex
	result
}

func (c *collector) add(d time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed++
		c.failure = err
		return
	}
	c.latencies = append(c.latencies, d)
}

// open sends at even times, whether or not earlier requests are answered; latency counts from the
// time at which a request was meant to leave.
func (c *client) open(ctx context.Context, rate float64, duration time.Duration) *result {
	var all collector
	var calls sync.WaitGroup
	start, gap := time.Now(), time.Duration(float64(time.Second)/rate)
	for meant := start; meant.Sub(start) < duration && ctx.Err() == nil; meant = meant.Add(gap) {
		time.Sleep(time.Until(meant))
		calls.Go(func() {
			late := time.Since(meant)
			d, err := c.send(ctx)
			all.add(late+d, err)
		})
	}
	calls.Wait()
	all.elapsed = time.Since(start)
	c.http.CloseIdleConnections()
	return &all.result
}

// closed keeps so many requests in flight.
func (c *client) closed(ctx context.Context, concurrency int, duration time.Duration) *result {
	var all collector
	var workers sync.WaitGroup
	start := time.Now()
	for range concurrency {
		workers.Go(func() {
			for time.Since(start) < duration && ctx.Err() == nil {
				all.add(c.send(ctx))
			}
		})
	}
	workers.Wait()
	all.elapsed = time.Since(start)
	c.http.CloseIdleConnections()
	return &all.result
}
