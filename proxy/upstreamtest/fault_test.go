package upstreamtest

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// samples are requests that each kind answers with two results.
var samples = map[Kind]map[string]string{
	TEI:      {"/embed": `{"inputs":["a","b"]}`, "/v1/embeddings": `{"input":["a","b"]}`},
	TEI18:    {"/embed": `{"inputs":["a","b"]}`},
	VLLM:     {"/v1/embeddings": `{"input":["a","b"]}`, "/v1/rerank": `{"query":"a","documents":["a","b"]}`},
	Ollama:   {"/api/embed": `{"model":"fake","input":["a","b"]}`, "/v1/embeddings": `{"model":"fake","input":["a","b"]}`},
	Infinity: {"/embeddings": `{"input":["a","b"]}`},
	OpenAI:   {"/v1/embeddings": `{"model":"fake","input":["a","b"]}`},
	Cohere:   {"/v2/embed": `{"model":"fake","texts":["a","b"],"input_type":"search_query"}`, "/v2/rerank": `{"model":"fake-rerank","query":"a","documents":["a","b"]}`},
	Jina:     {"/v1/embeddings": `{"model":"fake","input":["a","b"]}`, "/v1/rerank": `{"model":"fake-rerank","query":"a","documents":["a","b"]}`},
}

// wait is how long slow faults take here.
const wait = 10 * time.Millisecond

// client is one whose connections the test closes, and which does not unpack what it did not ask for.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestEveryKindPlaysItsFaults(t *testing.T) {
	c := client(t)
	for _, kind := range Kinds() {
		s := NewServer(t, kind, Options{})
		for path, body := range samples[kind] {
			right, whole, err := call(t.Context(), t, c, s.URL+path, body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, right.StatusCode, "%s %s: %s", kind, path, whole)
			for _, name := range Faults() {
				if !name.PlayedBy(kind, path) {
					require.Error(t, s.check(Fault{Name: name, Path: path}))
					continue
				}
				t.Run(fmt.Sprint(kind, path, "/", name), func(t *testing.T) {
					s.Fail(Fault{Name: name, Path: path, Times: 1, Wait: wait, Bytes: 1 << 20, RetryAfter: "3"})
					began := time.Now()
					answered, faulty, err := call(t.Context(), t, c, s.URL+path, body)
					checkFault(t, name, whole, answered, faulty, err, time.Since(began))
					again, after, err := call(t.Context(), t, c, s.URL+path, body)
					require.NoError(t, err, "played once")
					require.Equal(t, http.StatusOK, again.StatusCode)
					if kind != Ollama {
						require.Equal(t, string(whole), string(after))
					}
				})
			}
		}
	}
}

// checkFault checks what came instead of whole.
func checkFault(t *testing.T, name FaultName, whole []byte, answered *http.Response, faulty []byte, err error, took time.Duration) {
	t.Helper()
	status := map[FaultName]int{BadGateway: 502, GatewayTimeout: 504, Redirected: 307, InternalError: 500, BadKey: 401, Forbidden: 403}
	switch name {
	case ResetFirst:
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF), err)
		return
	case ResetBody:
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF), err)
		return
	}
	require.NoError(t, err)
	want, is := status[name]
	switch {
	case is:
		require.Equal(t, want, answered.StatusCode)
	case slices.Contains(ownFaults, name) && name != Loading:
		require.GreaterOrEqual(t, answered.StatusCode, 400)
		require.Equal(t, "3", answered.Header.Get("Retry-After"))
	default:
		require.Equal(t, http.StatusOK, answered.StatusCode)
	}
	switch name {
	case Loading, SlowHeader, SlowBody:
		require.True(t, json.Valid(faulty))
		require.GreaterOrEqual(t, took, wait)
	case HugeBody:
		require.Len(t, faulty, 1<<20)
		require.True(t, json.Valid(faulty))
	case TruncatedJSON, NumberNaN, NumberInfinity:
		require.False(t, json.Valid(faulty))
	case EmptyBody:
		require.Empty(t, faulty)
	case WrongType:
		require.Equal(t, "text/html; charset=utf-8", answered.Header.Get("Content-Type"))
	case Gzipped:
		unpacked, err := gzip.NewReader(strings.NewReader(string(faulty)))
		require.NoError(t, err)
		plain, err := io.ReadAll(unpacked)
		require.NoError(t, err)
		require.True(t, json.Valid(plain))
	case NumberOverflow:
		require.Contains(t, string(faulty), "1e999")
	case NumberNull, WrongIndex, DuplicateIndex, MissingItem, ExtraItem, WrongDimensions:
		require.True(t, json.Valid(faulty))
		require.NotEqual(t, string(whole), string(faulty))
	case Redirected:
		require.Equal(t, "/redirected", answered.Header.Get("Location")[len(answered.Header.Get("Location"))-11:])
	}
}

// The matrix of what each kind says, as documented.
func TestFaultMatrix(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		path   string
		name   FaultName
		status int
		body   string
	}{
		{VLLM, "/v1/embeddings", EngineDead, 500, `"type":"InternalServerError"`},
		{VLLM, "/v1/embeddings", Overloaded, 503, `"type":"ServiceUnavailableError"`},
		{VLLM, "/v1/embeddings", UnknownModel, 404, `"type":"NotFoundError","param":"model"`},
		{VLLM, "/v1/embeddings", NoRoute, 404, `{"detail":"Not Found"}`},
		{VLLM, "/v1/embeddings", BadKey, 401, `{"error":"Unauthorized"}`},
		{VLLM, "/v1/embeddings", TooLong, 400, `"param":"input_tokens"`},
		{Ollama, "/api/embed", EngineDead, 500, `{"error":"`},
		{Ollama, "/api/embed", Overloaded, 503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`},
		{Ollama, "/api/embed", UnknownModel, 404, `not found, try pulling it first`},
		{Ollama, "/api/embed", NoRoute, 404, `404 page not found`},
		{Ollama, "/v1/embeddings", TooLong, 400, `{"error":{"message":"the input length exceeds the context length","type":"invalid_request_error"`},
		{TEI, "/embed", EngineDead, 424, `"error_type":"Backend"`},
		{TEI, "/embed", Overloaded, 429, `{"error":"Model is overloaded","error_type":"Overloaded"}`},
		{TEI, "/embed", NoRoute, 424, `Backend error: model is not a re-ranker model`},
		{TEI, "/embed", BadKey, 401, ``},
		{TEI, "/embed", TooLong, 422, "`inputs` must have less than 256 tokens. Given: 512"},
		{TEI18, "/embed", TooLong, 413, "`inputs` must have less than 256 tokens. Given: 512"},
		{TEI, "/embed", BatchTooLarge, 422, "batch size 64 > maximum allowed batch size 32"},
		{TEI18, "/embed", BatchTooLarge, 413, "batch size 64 > maximum allowed batch size 32"},
		{Infinity, "/embeddings", EngineDead, 500, `InternalServerError: `},
		{Infinity, "/embeddings", Overloaded, 429, `model fake is currently overloaded`},
		{Infinity, "/embeddings", UnknownModel, 400, `Invalid model: `},
		{Infinity, "/embeddings", NoRoute, 400, "ModelNotDeployedError: model=`fake` does not support `rerank`"},
		{Infinity, "/embeddings", BadKey, 401, `{"detail":"Unauthorized"}`},
		{Infinity, "/embeddings", BatchTooLarge, 422, `{"detail":[{"type":"too_long"`},
		{Cohere, "/v2/rerank", BadKey, 401, `"message":"invalid api token"`},
		{OpenAI, "/v1/embeddings", Overloaded, 429, `"code":"rate_limit_exceeded"`},
		{Jina, "/v1/rerank", BadKey, 401, `{"detail":"Authentication failed`},
	} {
		f := New(c.kind, Options{Faults: []Fault{{Name: c.name, Path: c.path, Times: 1}}})
		got := post(t, f, c.path, samples[c.kind][c.path])
		require.Equal(t, c.status, got.status, "%s %s", c.kind, c.name)
		require.Contains(t, got.body, c.body, "%s %s", c.kind, c.name)
	}
	for kind, absent := range map[Kind][]FaultName{
		VLLM: {BatchTooLarge, Loading, Forbidden}, Ollama: {BatchTooLarge}, TEI: {UnknownModel, Loading}, Infinity: {TooLong},
	} {
		for _, name := range absent {
			require.False(t, name.PlayedBy(kind, ""), "%s %s", kind, name)
			require.Panics(t, func() { New(kind, Options{}).Fail(Fault{Name: name}) })
		}
	}
	for _, name := range Faults() {
		plays := 0
		for _, kind := range Kinds() {
			if name.PlayedBy(kind, "") {
				plays++
			}
		}
		require.Positive(t, plays, name)
	}
}

func TestDeadEngineFailsHealthChecks(t *testing.T) {
	for kind, want := range map[Kind]int{VLLM: 503, TEI: 503, Infinity: 200} {
		f := New(kind, Options{})
		require.Equal(t, 200, tell(t, f, http.MethodGet, "/health", "").status)
		f.Fail(Fault{Name: EngineDead})
		require.Equal(t, want, tell(t, f, http.MethodGet, "/health", "").status, kind)
		f.Clear()
		require.Equal(t, 200, tell(t, f, http.MethodGet, "/health", "").status)
	}
	f := New(TEI, Options{Faults: []Fault{{Name: EngineDead}}})
	refused(t, tell(t, f, http.MethodGet, "/health", ""), 503, `{"error":"unhealthy","error_type":"Unhealthy"}`)
	require.Equal(t, 200, tell(t, f, http.MethodGet, "/info", "").status)
}

func TestScript(t *testing.T) {
	f := New(TEI, Options{})
	f.Fail(Fault{Name: Overloaded, Path: "/embed", Every: 3, Times: 2})
	var seen []int
	for range 10 {
		seen = append(seen, post(t, f, "/embed", `{"inputs":"a"}`).status)
		require.Equal(t, 200, post(t, f, "/v1/embeddings", `{"input":"a"}`).status, "another route")
	}
	require.Equal(t, []int{200, 200, 429, 200, 200, 429, 200, 200, 200, 200}, seen)
	require.Equal(t, Stats{Requests: 20, Peak: 1, Failed: 2}, f.Stats())
	f.Fail(Fault{Name: BadGateway, Path: "*"})
	require.Equal(t, 502, tell(t, f, http.MethodGet, "/health", "").status)
	f.Clear()
	require.Equal(t, 200, tell(t, f, http.MethodGet, "/health", "").status)
	f.Fail(Fault{Name: Overloaded, Times: 1})
	f.Fail(Fault{Name: BadKey, Times: 1})
	require.Equal(t, 429, post(t, f, "/embed", `{"inputs":"a"}`).status, "in their order")
	require.Equal(t, 401, post(t, f, "/embed", `{"inputs":"a"}`).status)
}

func TestStopsAndStartsOnTheSamePort(t *testing.T) {
	c := client(t)
	s := NewTEI(t, Options{})
	url := s.URL
	_, _, err := call(t.Context(), t, c, url+"/embed", `{"inputs":"a"}`)
	require.NoError(t, err)
	loaded := s.Load()
	c.CloseIdleConnections() // one that the server has closed may not be known as such yet
	_, _, err = call(t.Context(), t, c, url+"/embed", `{"inputs":"a"}`)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.NoError(t, loaded())
	require.Equal(t, url, s.URL)
	_, _, err = call(t.Context(), t, c, url+"/embed", `{"inputs":"a"}`)
	require.NoError(t, err)
	s.Stop()
	s.Stop()
}

func TestOllamaBlocksWhileItLoads(t *testing.T) {
	c := client(t)
	s := NewOllama(t, Options{})
	loaded := s.Load()
	done := make(chan int, 1)
	go func() {
		response, _, err := call(t.Context(), t, c, s.URL+"/api/embed", samples[Ollama]["/api/embed"])
		if err != nil {
			done <- 0
			return
		}
		done <- response.StatusCode
	}()
	require.Eventually(t, func() bool { return s.Stats().InFlight == 1 }, 5*time.Second, time.Millisecond)
	require.Empty(t, done)
	require.NoError(t, loaded())
	require.Equal(t, 200, <-done)
}

func TestSeesWhenAClientLeaves(t *testing.T) {
	c := client(t)
	s := NewTEI(t, Options{Delay: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := call(ctx, t, c, s.URL+"/embed", `{"inputs":"a"}`)
		done <- err
	}()
	require.Eventually(t, func() bool { return s.Stats().InFlight == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Eventually(t, func() bool { return s.Stats() == Stats{Requests: 1, Peak: 1, Cancelled: 1} }, 5*time.Second, time.Millisecond)

	go func() {
		_, _, err := call(t.Context(), t, c, s.URL+"/embed", `{"inputs":"a"}`)
		done <- err
	}()
	require.Eventually(t, func() bool { return s.Stats().InFlight == 1 }, 5*time.Second, time.Millisecond)
	s.Stop()
	require.Error(t, <-done)
	require.Equal(t, 1, s.Stats().Cancelled, "the server left, not the client")
}

func TestOverloads(t *testing.T) { // T24
	for kind, want := range map[Kind]int{TEI: 429, VLLM: 503, Ollama: 503, Infinity: 429} {
		c := client(t)
		s := NewServer(t, kind, Options{MaxConcurrent: 2, Delay: time.Minute})
		var path, body string
		for path, body = range samples[kind] {
			if strings.HasSuffix(path, "embed") || strings.HasSuffix(path, "embeddings") {
				break
			}
		}
		n := 2 // TEI counts inputs, and a sample has two
		if kind == TEI {
			n = 1
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, n)
		for range n {
			go func() {
				_, _, err := call(ctx, t, c, s.URL+path, body)
				done <- err
			}()
		}
		full := func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.Fake.mu.Lock()
			defer s.Fake.mu.Unlock()
			return s.permits == 2
		}
		require.Eventually(t, full, 5*time.Second, time.Millisecond)
		response, answer, err := call(t.Context(), t, c, s.URL+path, body)
		require.NoError(t, err)
		require.Equal(t, want, response.StatusCode, "%s %s", kind, answer)
		cancel()
		for range n {
			require.Error(t, <-done)
		}
		require.Eventually(t, func() bool { return s.Stats().InFlight == 0 }, 5*time.Second, time.Millisecond)
		require.Zero(t, s.permits)
	}
}

func TestRecordsRequests(t *testing.T) {
	f := New(TEI, Options{})
	post(t, f, "/embed?x=1", `{"inputs":"a"}`, "Authorization", "Bearer leaked", "Cookie", "c=1", "X-Api-Key", "k")
	all := f.Requests()
	require.Len(t, all, 1)
	require.Equal(t, "POST /embed x=1", all[0].Method+" "+all[0].Path+" "+all[0].Query)
	require.Equal(t, `{"inputs":"a"}`, string(all[0].Body))
	require.Equal(t, "Bearer leaked", all[0].Header.Get("Authorization"))
	require.Equal(t, "c=1", all[0].Header.Get("Cookie"))
	require.Equal(t, "k", all[0].Header.Get("X-API-Key"))
	for range keptRequests {
		tell(t, f, http.MethodGet, "/health", "")
	}
	require.LessOrEqual(t, len(f.Requests()), keptRequests)
	require.Equal(t, keptRequests+1, f.Stats().Requests)
	f.Reset()
	require.Empty(t, f.Requests())

	large := New(Infinity, Options{})
	large.bound = 100
	for range 3 {
		tell(t, large, http.MethodGet, "/health", strings.Repeat(" ", 49))
	}
	require.Len(t, large.Requests(), 2)
}
