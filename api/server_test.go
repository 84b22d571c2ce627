package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// words is what the fakes of these tests compute with.
var words = modelstest.Words{Dimensions: 4, MaxLength: 12, Prompts: map[string]string{"query": "query: "}}

// world is a running server and what it told of its requests.
type world struct {
	*Server
	url    string
	addr   string
	client *http.Client

	mu     sync.Mutex
	events []RequestEvent
}

// entries are a model that does both tasks, one for each, and ones that cannot serve.
func entries() []models.Entry {
	at := func(s models.Status) func() models.Status { return func() models.Status { return s } }
	loading := &modelstest.Embedder{Model: modelstest.Model{StatusFunc: at(models.Status{State: models.StateLoading})}}
	absent := &modelstest.Reranker{Model: modelstest.Model{StatusFunc: at(models.Status{State: models.StateUnavailable, Reason: "its files are absent"})}}
	return []models.Entry{
		{Name: "org/both", Aliases: []string{"default", "both"}, Tasks: []models.Task{models.TaskEmbed, models.TaskRerank}, Model: words},
		{Name: "embedder", Tasks: []models.Task{models.TaskEmbed}, Model: words},
		{Name: "reranker", Tasks: []models.Task{models.TaskRerank}, Model: words},
		{Name: "loading", Tasks: []models.Task{models.TaskEmbed}, Model: loading},
		{Name: "absent", Tasks: []models.Task{models.TaskRerank}, Model: absent},
	}
}

func decodeIDs(ids []uint32) (string, error) {
	var b strings.Builder
	for _, id := range ids {
		if id >= 100 {
			return "", fmt.Errorf("id %d", id)
		}
		fmt.Fprintf(&b, "w%d ", id)
	}
	return b.String(), nil
}

// listen opens a port as Serve likes it.
func listen(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return ln
}

// start serves until the test ends.
func start(t *testing.T, change func(*Options), more ...models.Entry) *world {
	t.Helper()
	ln := listen(t)
	w := build(t, change, more...)
	w.serve(t, ln)
	return w
}

func build(t *testing.T, change func(*Options), more ...models.Entry) *world {
	t.Helper()
	catalog, err := models.NewCatalog(append(entries(), more...)...)
	require.NoError(t, err)
	w := &world{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	o := Options{Catalog: catalog, Version: "test", Runtime: "ONNX Runtime 1.2.3", Machine: &machine.Info{OS: "linux", Arch: "amd64", Cores: 2, InstructionSet: []string{"avx2"}}, DecodeTokenIDs: decodeIDs, BodyLimit: 64 << 10, BytesInFlight: 1 << 20, MaxInputs: 4, MaxDocuments: 4, OnRequest: w.observe}
	if change != nil {
		change(&o)
	}
	w.Server, err = New(o)
	require.NoError(t, err)
	return w
}

func (w *world) serve(t *testing.T, ln net.Listener) {
	t.Helper()
	w.addr = ln.Addr().String()
	w.url = "http://" + w.addr
	served := make(chan error, 1)
	go func() { served <- w.Serve(ln) }()
	t.Cleanup(func() {
		w.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, w.Shutdown(ctx))
		require.NoError(t, <-served)
		require.Zero(t, w.budget.used.Load(), "bytes in flight after the last request")
	})
}

func (w *world) observe(e RequestEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) lastEvent(t *testing.T) RequestEvent {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.events)
	return w.events[len(w.events)-1]
}

// answer is a response whose body was read.
type answer struct {
	status int
	header http.Header
	body   string
	// closes says that the answer carried Connection: close.
	closes bool
}

// do sends a request, and holds the answer against the OpenAPI document.
func (w *world) do(t *testing.T, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, body)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	got := answer{res.StatusCode, res.Header, string(data), res.Close}
	if path != "/metrics" { // whose answer is not this package's
		conforms(t, method, path, got)
	}
	return got
}

func (w *world) post(t *testing.T, path, body string, headers ...string) answer {
	t.Helper()
	return w.do(t, http.MethodPost, path, strings.NewReader(body), headers...)
}

func (w *world) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return w.do(t, http.MethodGet, path, nil, headers...)
}

// wire is a bare connection, for what net/http would not send.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func (w *world) dial(t *testing.T) *wire {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &wire{c, bufio.NewReader(c)}
}

func (c *wire) send(t *testing.T, format string, args ...any) {
	t.Helper()
	_, err := fmt.Fprintf(c, format, args...)
	require.NoError(t, err)
}

func (c *wire) receive(t *testing.T) answer {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	res, err := http.ReadResponse(c.in, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, string(body), res.Close}
}

// closed checks that the server has closed the connection, in order.
func (c *wire) closed(t *testing.T) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	_, err := c.in.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

// golden compares a JSON body, made readable, with testdata/NAME.golden.json.
func golden(t *testing.T, name, body string) {
	t.Helper()
	var pretty bytes.Buffer
	require.NoError(t, json.Indent(&pretty, []byte(body), "", "  "), body)
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, pretty.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), pretty.String())
}

func TestNewReportsEveryProblem(t *testing.T) {
	_, err := New(Options{BodyLimit: -1, MaxInputs: -1, MaxDocuments: -1, RequestTimeout: -1, TokenIDs: "other"})
	for _, part := range []string{
		"Catalog is missing", "server.body_limit) is -1", "server.max_inputs) is -1", "server.max_documents) is -1",
		"server.request_timeout) is -1ns", `server.token_ids) is "other"`,
	} {
		require.ErrorContains(t, err, part)
	}
	_, err = New(Options{Catalog: &models.Catalog{}})
	require.EqualError(t, err, `api: TokenIDs is "cl100k_base", which needs DecodeTokenIDs`)
	_, err = New(Options{Catalog: &models.Catalog{}, TokenIDs: TokenIDsModel, BodyLimit: 1 << 20, BytesInFlight: 1 << 10})
	require.ErrorContains(t, err, "server.bytes_in_flight) is 1024, less than one body may have")
}

func TestServeOnce(t *testing.T) {
	w := start(t, nil)
	require.Equal(t, 200, w.get(t, "/health/live").status)
	require.EqualError(t, w.Serve(nil), "api: Serve was called twice")
}

func TestServeAfterShutdown(t *testing.T) {
	w := build(t, nil)
	require.NoError(t, w.Shutdown(t.Context()))
	ln := listen(t)
	require.NoError(t, w.Serve(ln))
	_, err := net.Dial("tcp", ln.Addr().String())
	require.Error(t, err)
}
