package proxy

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// plainDialect is a dialect without ambitions: texts go to /embed as a JSON list, and a vector of
// one number comes back for each.
type plainDialect struct{ lists bool }

var (
	_ dialect   = plainDialect{}
	_ embedding = plainDialect{}
)

func (plainDialect) limits(operation) limits             { return limits{items: 1000} }
func (plainDialect) authorize(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }
func (plainDialect) probe() *request {
	return &request{op: opProbe, method: http.MethodGet, path: "/health"}
}
func (d plainDialect) list(found func(listing)) *request {
	if !d.lists {
		return nil
	}
	return &request{op: opList, method: http.MethodGet, path: "/models", read: func(r *response) error {
		var names []string
		if err := json.Unmarshal(r.body, &names); err != nil {
			return err
		}
		l := listing{limits: limits{items: 7}}
		for _, name := range names {
			name, task, _ := strings.Cut(name, "=")
			m := listed{name: name, maxLength: 512}
			if task != "" {
				m.tasks = []models.Task{models.Task(task)}
			}
			l.models = append(l.models, m)
		}
		found(l)
		return nil
	}}
}

func (plainDialect) fault(_ operation, r *response) fault {
	switch {
	case r.status == http.StatusUnauthorized:
		return fault{err: models.Errorf(models.KindUpstreamCredentials, "the key was refused"), sick: true}
	case r.status == http.StatusTooManyRequests:
		return fault{err: models.Errorf(models.KindRateLimited, "too many"), again: true}
	case r.status == http.StatusNotFound:
		return fault{err: models.Errorf(models.KindNotFound, "no such model")}
	case r.status >= 500:
		return fault{err: models.Errorf(models.KindUpstream, "failed with status %d", r.status), again: true, sick: true}
	}
	return fault{err: models.Errorf(models.KindInvalid, "refused: %s", r.body).At("input")}
}

func (plainDialect) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	var texts []string
	for _, in := range req.Inputs {
		texts = append(texts, in.Text)
	}
	body, err := json.Marshal(texts)
	return &request{op: opEmbed, model: c.model, path: "/embed", body: body, read: func(r *response) error {
		result.length = 1
		return json.Unmarshal(r.body, &result.Vectors)
	}}, err
}

// world is a network without wires: who answers at each URL.
type world struct {
	mu      sync.Mutex
	servers map[string]func(*http.Request) (*http.Response, error)
	calls   map[string]int
}

func newWorld() *world {
	return &world{servers: map[string]func(*http.Request) (*http.Response, error){}, calls: map[string]int{}}
}

func (w *world) at(url string, server func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[url] = server
}

// called counts the requests of one path at a URL since it was asked last.
func (w *world) called(url, path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.calls[url+path]
	w.calls[url+path] = 0
	return n
}

// seams has a proxy live in the world.
func (w *world) seams() seams {
	return seams{
		dialect: func(t Type) (dialect, error) { return plainDialect{lists: t == TypeOllama || t == TypeVLLM}, nil },
		transport: func(_ Upstream, _ *tls.Config, url, _ string) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				w.mu.Lock()
				w.calls[url+r.URL.Path]++
				server := w.servers[url]
				w.mu.Unlock()
				if server == nil {
					return nil, &connectError{errors.New("nobody there")}
				}
				return server(r)
			})
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer makes a complete answer; header is name, value, and so on.
func answer(status int, body string, header ...string) (*http.Response, error) {
	r := &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r, nil
}

// always answers everything alike.
func always(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return answer(status, body, header...) }
}

// after answers later, unless the request ends before.
func after(d time.Duration, then func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if err := sleep(r.Context(), d); err != nil {
			return nil, err
		}
		return then(r)
	}
}

// byPath answers each path in its way.
func byPath(paths map[string]func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		if f := paths[r.URL.Path]; f != nil {
			return f(r)
		}
		return answer(http.StatusNotFound, "")
	}
}

// quiet is an upstream at the URLs, without probes and with a budget for every retry.
func quiet(name string, urls ...string) Upstream {
	return Upstream{Name: name, Type: TypeTEI, URLs: urls, ProbeInterval: -1, RetryBudget: 10000}
}

// urls are n made-up base URLs.
func urls(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("http://s%d", i)
	}
	return list
}

// openProxy makes a proxy that the test's end closes.
func openProxy(t testing.TB, o Options, s seams) *Proxy {
	t.Helper()
	p, err := newProxy(o, nil, s)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

// openPool is openProxy for one upstream.
func openPool(t testing.TB, u Upstream, h Hooks, s seams) *pool {
	return openProxy(t, Options{Upstreams: []Upstream{u}, Hooks: h}, s).pools[0]
}

// inside copies the endpoints as they are at the moment.
func inside(p *pool) (list []endpoint) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints {
		list = append(list, *e)
	}
	return list
}

// ask sends a request of so many tokens.
func ask(ctx context.Context, p *pool, tokens int) error {
	return p.send(ctx, &request{op: opEmbed, path: "/embed", body: []byte("[]"), tokens: tokens, read: wellFormed})
}

func wellFormed(r *response) error {
	if !json.Valid(r.body) {
		return errors.New("not JSON")
	}
	return nil
}

// requireKind also holds every error of an upstream to its form.
func requireKind(t testing.TB, kind models.Kind, upstream string, err error) models.Error {
	t.Helper()
	var e *models.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, kind, e.Kind, "%v", err)
	require.Equal(t, upstream, e.Backend)
	require.Truef(t, strings.HasPrefix(e.Message, `upstream "`+upstream+`": `), "%s", e.Message)
	require.NotContains(t, e.Message, "http://")
	return *e
}

// log keeps what hooks are told.
type log struct {
	mu       sync.Mutex
	attempts []Attempt
	changes  []string
}

func (l *log) hooks() Hooks {
	return Hooks{
		Attempt: func(a Attempt) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.attempts = append(l.attempts, a)
		},
		Changed: func(c Change) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changes = append(l.changes, c.URL+" "+c.Event)
		},
	}
}

func (l *log) changed() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.changes
	l.changes = nil
	return list
}

func embedOne(text string) models.EmbedRequest {
	return models.EmbedRequest{Inputs: []models.Input{{Text: text}}}
}
