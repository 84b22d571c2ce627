package main

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/workload"
)

// pageOf runs the program and returns its HTML report.
func pageOf(t *testing.T, args ...string) string {
	t.Helper()
	folder := t.TempDir()
	_, _, err := bench(t, append(args, "-out", folder)...)
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(folder, reportFile))
	require.NoError(t, err)
	return string(data)
}

var drawing = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// requireSelfContained fails where the page would fetch something or a drawing is not XML.
func requireSelfContained(t *testing.T, page string) []string {
	t.Helper()
	for _, word := range []string{"<script", "<link", "src=", "@import", "url("} {
		require.NotContains(t, page, word)
	}
	svgs := drawing.FindAllString(page, -1)
	for _, svg := range svgs {
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			_, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
		require.NotRegexp(t, `#[0-9A-F]{6}`, svg, "every colour is the page's own")
		require.NotContains(t, svg, "NaN")
	}
	return svgs
}

func TestThePageHoldsEveryPlot(t *testing.T) {
	page := pageOf(t, "-url", counted(steady).start(t))
	require.Len(t, requireSelfContained(t, page), 2)
	for _, text := range []string{"Latency", "Batch sizes", "Inside the server", "padding efficiency", "0.800", "tokenize 0.50 ms", "<b>W3</b>org/embedder"} {
		require.Contains(t, page, text)
	}
	page = pageOf(t, "-url", counted(steady).start(t), "-vs", counted(steady).start(t), "-rounds", "1", "-workload", "W5,W4b", "-rate", "50", "-p99", "50ms", "-duration", "60ms")
	require.GreaterOrEqual(t, len(requireSelfContained(t, page)), 5)
	for _, text := range []string{"Throughput against latency", "second server", "W1 (behind)", "requests/s, p99 within"} {
		require.Contains(t, page, text)
	}
	page = pageOf(t, "-url", counted(steady).start(t), "-soak", "400")
	require.Len(t, requireSelfContained(t, page), 1)
	require.Contains(t, page, "Resident memory grew by 0.0 % over the second half")
}

func TestThePageShowsFailuresAndTakesNoMarkup(t *testing.T) {
	p := &peer{replace: map[string]http.HandlerFunc{"/v1/embeddings": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<img onerror=x>", http.StatusInternalServerError)
	}}}
	folder := t.TempDir()
	_, _, err := bench(t, "-url", p.start(t), "-out", folder)
	require.ErrorContains(t, err, "every request failed")
	data, err := os.ReadFile(filepath.Join(folder, reportFile))
	require.NoError(t, err)
	require.Empty(t, requireSelfContained(t, string(data)))
	require.Contains(t, string(data), "&lt;img onerror=x&gt;")
}

// Ranges that a scale could stumble over: one value, and four decades.
func TestChartsTakeAnyRange(t *testing.T) {
	for _, latencies := range [][]time.Duration{{time.Millisecond}, {time.Microsecond, 10 * time.Second}, {0, 0, 0}, upTo(100)} {
		s := statsOf(latencies...)
		res := result{Workload: "W5", Task: workload.Embed, Distribution: s.distribution(), Latency: s.latency(), Requests: s.requests}
		res.Ramp = &ramp{Limit: 5, Steps: []step{{Offered: 2, Latency: s.latency(), Throughput: throughput{Requests: 2}}, {Offered: 1, Held: true, Latency: s.latency(), Throughput: throughput{Requests: 1}}}}
		res.ServerSide = &serverSide{Batches: 3, BatchItems: []bucket{{1, 0}, {2, 2}, {4, 1}, {-1, 0}}}
		for _, draw := range []func([]result) (svg string, err error){
			func(r []result) (string, error) { h, err := latencyChart(r); return string(h), err },
			func(r []result) (string, error) { h, err := rampChart(r); return string(h), err },
			func(r []result) (string, error) { h, err := batchChart(r); return string(h), err },
		} {
			svg, err := draw([]result{res, res})
			require.NoError(t, err)
			requireSelfContained(t, svg)
		}
	}
	nothing, err := rampChart([]result{{Ramp: &ramp{Steps: []step{{Offered: 1}}}}})
	require.NoError(t, err)
	require.Empty(t, nothing)
	shares, names := shareOf(&serverSide{Batches: 4, BatchItems: []bucket{{1, 1}, {2, 0}, {4, 2}, {-1, 1}}})
	require.Equal(t, []string{"1", "2", "3–4", "5+"}, names)
	require.InDeltaSlice(t, []float64{25, 0, 50, 25}, []float64(shares), 1e-9)
}
