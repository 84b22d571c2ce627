package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
)

func TestLogs(t *testing.T) {
	a := newAdmin()
	a.logs = "\x1b[1;31mERROR\x1b[0m größe\r\n\tat x\x00y\x9b\x7f\u0085\n<b>\xff</b>\n"
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = a })
	for path, asks := range map[string]string{
		"/admin/models/org/both/logs":             "logs org/both 200",
		"/admin/models/org%2Fboth/logs?lines=":    "logs org/both 200",
		"/admin/models/both/logs/?lines=1":        "logs org/both 1",
		"/admin/models/both/logs?x=0&lines=10000": "logs org/both 10000",
	} {
		got := w.get(t, path, "api-key", adminKey)
		require.Equal(t, 200, got.status, path)
		require.Equal(t, asks, <-a.asked)
		require.Equal(t, "text/plain; charset=utf-8", got.header.Get("Content-Type"))
		require.Equal(t, "ERROR größe\n\tat xy\uFFFD\n<b>\uFFFD</b>\n", got.body)
		require.Equal(t, "org/both", w.lastEvent(t).Model)
		require.Equal(t, "/admin/models/*/logs", w.lastEvent(t).Route)
	}
	a.logs = ""
	require.Empty(t, w.get(t, "/admin/models/both/logs", "api-key", adminKey).body)
}

func TestLogsAreOfSoManyLines(t *testing.T) {
	a := newAdmin()
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = a })
	for _, lines := range []string{"0", "-1", "10001", "99999999999999999999", "many", "1.5", "%0A1", strings.Repeat("9", 1000)} {
		got := w.get(t, "/admin/models/both/logs?lines="+lines, "api-key", adminKey)
		require.Equal(t, 400, got.status, lines)
		require.Contains(t, got.body, `"lines must be a whole number from 1 to 10000, not `)
		require.Contains(t, got.body, `"param":"lines"`)
		require.Less(t, len(got.body), 600, "what was sent is shown shortened")
	}
	golden(t, "error_log_lines", w.get(t, "/admin/models/both/logs?lines=10001", "api-key", adminKey).body)
	require.Empty(t, a.asked)
}

func TestLogsThatThereAreNot(t *testing.T) {
	a := newAdmin()
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = a })
	for _, test := range []struct {
		path   string
		err    error
		status int
		body   string
	}{
		{"/admin/models/none/logs", nil, 404, "model_not_found"},
		{"/admin/models//logs", nil, 404, `no model is called`},
		{"/admin/models/both/logs", models.Errorf(models.KindInvalid, `model "org/both" has no log: this server does not run it in a container`).At("model"), 400, "does not run it in a container"},
		{"/admin/models/both/logs", models.Errorf(models.KindUnavailable, "the container engine does not answer").Because(errors.New("secret")), 503, "the container engine does not answer"},
		{"/admin/models/both/logs", context.DeadlineExceeded, 504, "deadline_exceeded"},
	} {
		a.err = test.err
		got := w.get(t, test.path, "api-key", adminKey)
		require.Equal(t, test.status, got.status, test.path)
		require.Contains(t, got.body, test.body)
		require.NotContains(t, got.body, "secret")
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		if test.err != nil {
			require.Equal(t, "logs org/both 200", <-a.asked)
		}
		require.Empty(t, a.asked)
	}
	require.Equal(t, 405, w.post(t, "/admin/models/both/logs", "", "api-key", adminKey).status)
}

// TestLogsAreBoundedInTime: an engine that hangs holds no request for ever.
func TestLogsAreBoundedInTime(t *testing.T) {
	a := &waitingAdmin{fakeAdmin{asked: make(chan string, 1)}}
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin, o.RequestTimeout = a, 20*time.Millisecond })
	got := w.get(t, "/admin/models/both/logs", "api-key", adminKey)
	require.Equal(t, "logs org/both", <-a.asked)
	require.Equal(t, 504, got.status)
}

// TestALoadGoesOnWithoutItsClient: who asked may have given up after a minute, and still wants the
// model loaded; only the server's end ends it.
func TestALoadGoesOnWithoutItsClient(t *testing.T) {
	for name, test := range map[string]struct {
		end    func(w *world, done chan error)
		status int
	}{
		"the load ends": {func(_ *world, done chan error) { done <- nil }, 200},
		"the load fails": {func(_ *world, done chan error) {
			done <- models.Errorf(models.KindUnavailable, "the container of tei ended with 1")
		}, 503},
		"the server ends": {func(w *world, _ chan error) { w.Drain() }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			a := &longAdmin{fakeAdmin{asked: make(chan string, 1)}, make(chan error)}
			events := make(chan RequestEvent, 1)
			w := locked(t, auth.Anonymous{}, func(o *Options) {
				o.Admin, o.RequestTimeout = a, time.Millisecond
				o.OnRequest = func(ev RequestEvent) { events <- ev }
			})
			ctx, leave := context.WithCancel(t.Context())
			gone := make(chan error, 1)
			go func() {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/admin/models/org/both/load", http.NoBody)
				if err == nil {
					req.Header.Set("Api-Key", adminKey)
					_, err = w.client.Do(req) //nolint:bodyclose // there is no answer
				}
				gone <- err
			}()
			require.Equal(t, "load org/both", <-a.asked)
			leave()
			require.ErrorIs(t, <-gone, context.Canceled)
			require.Empty(t, events, "it goes on")
			test.end(w, a.done)
			require.Equal(t, test.status, (<-events).Status)
		})
	}
}

// longAdmin loads until it is told how that ends.
type longAdmin struct {
	fakeAdmin
	done chan error
}

func (a *longAdmin) Load(ctx context.Context, model string) error {
	a.asked <- "load " + model
	select {
	case err := <-a.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
