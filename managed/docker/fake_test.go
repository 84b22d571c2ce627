package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fake speaks as much of the Docker API as a test says; what it does not know is not found.
type fake struct {
	server  *httptest.Server
	answers map[string]http.HandlerFunc // by method and path, without the version

	mu    sync.Mutex
	calls []call
}

type call struct {
	what  string
	query url.Values
	body  []byte
}

var versionPrefix = regexp.MustCompile(`^/v1\.41/`)

func newFake(t *testing.T, answers map[string]http.HandlerFunc) (*Engine, *fake) {
	t.Helper()
	f := &fake{answers: answers}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	e, err := New(Options{Host: "tcp://" + f.server.Listener.Addr().String(), Instance: "here", Version: "1.2.3"})
	require.NoError(t, err)
	e.own = func() string { return "" }
	t.Cleanup(func() { require.NoError(t, e.api.Close()) })
	return e, f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/_ping" {
		w.Header().Set("Api-Version", "1.41")
		return
	}
	if !versionPrefix.MatchString(r.URL.Path) {
		says(http.StatusTeapot, "the version was not negotiated")(w, r)
		return
	}
	what := r.Method + " " + versionPrefix.ReplaceAllString(r.URL.Path, "/")
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.calls = append(f.calls, call{what: what, query: r.URL.Query(), body: body})
	f.mu.Unlock()
	answer, ok := f.answers[what]
	if !ok {
		answer = says(http.StatusNotFound, "No such container: "+what)
	}
	answer(w, r)
}

// made are the calls so far, all of them or those that begin so.
func (f *fake) made(beginning string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []call
	for _, c := range f.calls {
		if strings.HasPrefix(c.what, beginning) {
			found = append(found, c)
		}
	}
	return found
}

func says(status int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

func sends(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// hangs answers when the client has gone.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// inTurn gives one answer after the other, and the last one from then on.
func inTurn(answers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		answer := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		mu.Unlock()
		answer(w, r)
	}
}

// running is what inspection tells of a container that runs; instance is whose it is.
func running(id, name, instance string) http.HandlerFunc {
	return sends(fmt.Sprintf(`{"Id": %q, "Name": "/%s", "State": {"Running": true},
		"Config": {"Labels": {"io.quadrate.instance": %q, "io.quadrate.upstream": "up", "io.quadrate.config": "h", "io.quadrate.port": "80"}},
		"HostConfig": {"NetworkMode": "default"},
		"NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}]}}}`, id, name, instance))
}
