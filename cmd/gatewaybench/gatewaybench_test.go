package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain has the test's binary play what the program starts itself as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == roleUpstream || os.Args[1] == roleProxy) {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestWrongFlagsAreRefused(t *testing.T) {
	o, err := parse([]string{"-rounds", "2", "-rate", "1000000", "-out", "f"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, options{server: "bin/quadrate", rounds: 2, duration: 4 * time.Second, rate: 1e6, concurrency: 16, out: "f"}, o)
	for _, args := range []string{"-rate NaN", "-rate 0", "-rate -1", "-rate +Inf", "-rate 1e10", "-rounds 0", "-duration 0s", "-concurrency 0", "-concurrency x", "file"} {
		var told strings.Builder
		_, err := parse(strings.Fields(args), &told)
		require.ErrorIs(t, err, errUsage, args)
		require.Contains(t, told.String(), "Usage of quadrate-gatewaybench", args)
	}
	_, err = parse([]string{"-h"}, io.Discard)
	require.ErrorIs(t, err, flag.ErrHelp)
}

// TestBothChildrenGiveTheSameAnswers: what the ways are compared by is the same work.
func TestBothChildrenGiveTheSameAnswers(t *testing.T) {
	up, err := startSelf(t.Context(), os.Stderr, roleUpstream)
	require.NoError(t, err)
	t.Cleanup(up.stop)
	plain, err := startSelf(t.Context(), os.Stderr, roleProxy, up.url)
	require.NoError(t, err)
	t.Cleanup(plain.stop)
	for _, w := range []work{smallWork, largeWork} {
		direct := ask(t, up.url, w)
		require.Equal(t, string(direct), string(ask(t, plain.url, w)))
		requireVectors(t, direct, w)
	}
	_, err = startSelf(t.Context(), io.Discard, roleProxy)
	require.ErrorContains(t, err, "serve-proxy ended without an address")
}

func ask(t *testing.T, url string, w work) []byte {
	t.Helper()
	resp, err := http.Post(url+"/v1/embeddings", "application/json", strings.NewReader(string(w.request())))
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return body
}

// requireVectors checks what OpenAI's clients would read: as many vectors as texts, of norm 1.
func requireVectors(t *testing.T, body []byte, w work) {
	t.Helper()
	var answer struct {
		Data []struct {
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Len(t, answer.Data, w.texts)
	for _, item := range answer.Data {
		v := decode(t, item.Embedding, w.format)
		require.Len(t, v, w.dimensions)
		sum := 0.0
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		require.InDelta(t, 1, sum, 1e-5)
	}
}

func decode(t *testing.T, value json.RawMessage, format string) (v []float32) {
	t.Helper()
	if format == "float" {
		require.NoError(t, json.Unmarshal(value, &v))
		return v
	}
	var text string
	require.NoError(t, json.Unmarshal(value, &text))
	raw, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	for ; len(raw) > 0; raw = raw[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
	}
	return v
}

func TestAnOpenLoopSendsAtEvenTimesWhateverIsAnswered(t *testing.T) {
	var came atomic.Int64
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if came.Add(1) == 20 {
			close(hold) // nobody is answered before the last has come
		}
		<-hold
	}))
	t.Cleanup(server.Close)
	r := newClient(server.URL, smallWork.request(), 20).open(t.Context(), 100, 200*time.Millisecond)
	require.NoError(t, r.failure)
	require.Len(t, r.latencies, 20)
	require.GreaterOrEqual(t, r.latencies[0], time.Duration(0))
	require.GreaterOrEqual(t, r.elapsed, 190*time.Millisecond)
}

func TestAClosedLoopKeepsSoManyInFlightAndCountsFailures(t *testing.T) {
	var now, most atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		time.Sleep(time.Millisecond)
		if n == 3 {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(server.Close)
	r := newClient(server.URL, smallWork.request(), 3).closed(t.Context(), 3, 200*time.Millisecond)
	require.EqualValues(t, 3, most.Load())
	require.NotEmpty(t, r.latencies)
	require.Positive(t, r.failed)
	require.ErrorContains(t, r.failure, "status 418")
	require.InDelta(t, float64(len(r.latencies))/r.elapsed.Seconds(), r.throughput(), 1e-9)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Empty(t, newClient(server.URL, nil, 1).closed(gone, 1, time.Hour).latencies)
}

// made is a round in which every request of a way took so many milliseconds.
func made(direct, plain, gateway int) round {
	loop := func(perSecond int) *result {
		return &result{latencies: make([]time.Duration, perSecond), elapsed: time.Second}
	}
	open := func(ms int) *result {
		return &result{latencies: []time.Duration{time.Duration(ms) * time.Millisecond}, elapsed: time.Second}
	}
	return round{
		open:  map[string]*result{"direct": open(direct), "plain": open(plain), "gateway": open(gateway)},
		small: map[string]*result{"direct": loop(400), "plain": loop(200), "gateway": loop(190)},
		large: map[string]*result{"direct": loop(40), "plain": loop(20), "gateway": loop(10)},
	}
}

func TestTheReportComparesRoundByRound(t *testing.T) {
	text := report(options{rounds: 3, duration: time.Second, rate: 10, concurrency: 4}, []round{made(1, 2, 2), made(10, 12, 13), made(1, 3, 6)})
	for _, line := range []string{
		"| gateway less direct, p50, ms | ≤ 0.3 | 3.000 | 1.000 | 5.000 | no |",
		"| plain proxy less direct, p99, ms |  | 2.000 | 1.000 | 2.000 |  |",
		"| throughput, base64, gateway / plain proxy | ≥ 0.9 | 0.950 | 0.950 | 0.950 | yes |",
		"| throughput, numbers, gateway / plain proxy | ≥ 0.6 | 0.500 | 0.500 | 0.500 | no |",
		"| gateway | 6.000 | 6.000 | 190 | 10 |",
	} {
		require.Contains(t, text, line+"\n")
	}
}

func TestARoundWithAFailureIsNone(t *testing.T) {
	require.NoError(t, made(1, 1, 1).check())
	failed := made(1, 1, 1)
	failed.large["plain"].failed, failed.large["plain"].failure = 2, errors.New("it broke")
	require.EqualError(t, failed.check(), "plain: 2 requests failed, the last with: it broke")
	empty := made(1, 1, 1)
	empty.open["gateway"].latencies = nil
	require.EqualError(t, empty.check(), "gateway: nothing was answered")
}
