package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/managed"
)

func is(err, target error) bool { return errors.Is(err, target) }

// pulled is what the engine sends of a pull of three layers.
const pulled = `{"status":"Pulling from library/tei","id":"1.9"}
{"status":"Pulling fs layer","progressDetail":{},"id":"a"}
{"status":"Pulling fs layer","progressDetail":{},"id":"b"}
{"status":"Already exists","progressDetail":{},"id":"c"}
{"status":"Downloading","progressDetail":{"current":1000000,"total":4000000},"progress":"[>  ]","id":"a"}
{"status":"Downloading","progressDetail":{"current":1000000,"total":12000000},"id":"b"}
{"status":"Verifying Checksum","progressDetail":{},"id":"a"}
{"status":"Download complete","progressDetail":{},"id":"a"}
{"status":"Extracting","progressDetail":{"current":1,"total":4000000},"id":"a"}
{"status":"Pull complete","progressDetail":{},"id":"a"}
{"status":"Download complete","progressDetail":{},"id":"b"}
{"status":"Pull complete","progressDetail":{},"id":"b"}
{"status":"Digest: sha256:0123"}
{"status":"Status: Downloaded newer image for tei:1.9"}
`

func TestPullIsToldInWords(t *testing.T) {
	p := newPulling()
	var told []string
	for line := range strings.Lines(pulled) {
		var m jsonstream.Message
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		if words := p.take(m); words != "" {
			told = append(told, words)
		}
	}
	require.Equal(t, []string{
		"pulling layer 1 of 1", "pulling layer 1 of 2", "pulling layer 2 of 3",
		"pulling layer 2 of 3, 25 % of 4 MB", "pulling layer 2 of 3, 12 % of 16 MB",
		"pulling layer 2 of 3, 31 % of 16 MB", "pulling layer 2 of 3, 31 % of 16 MB", "pulling layer 2 of 3, 31 % of 16 MB",
		"pulling layer 3 of 3, 31 % of 16 MB", "unpacking layer 3 of 3", "unpacking layer 3 of 3",
	}, told)
}

func TestPullIsToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		tell := throttled(func(words string) { told = append(told, words) })
		tell("")
		tell("a")
		tell("b") // too soon
		time.Sleep(progressInterval)
		tell("a") // as before
		tell("c")
		require.Equal(t, []string{"a", "c"}, told)
	})
	throttled(nil)("nobody listens")
}

func TestPullFetchesAnImage(t *testing.T) {
	e, f := newFake(t, map[string]http.HandlerFunc{
		"POST /images/create":       sends(pulled),
		"GET /images/tei:1.9/json":  sends(`{"Id": "sha256:1"}`),
		"GET /images/gone:1.9/json": says(404, "No such image: gone:1.9"),
	})
	var told []string
	require.NoError(t, e.Pull(context.Background(), "tei:1.9", func(words string) { told = append(told, words) }))
	require.Equal(t, "pulling layer 1 of 1", told[0])
	require.Equal(t, "docker.io/library/tei", f.made("POST /images/create")[0].query.Get("fromImage"))
	require.Equal(t, "1.9", f.made("POST /images/create")[0].query.Get("tag"))
	require.ErrorIs(t, e.Pull(context.Background(), "gone:1.9", nil), managed.ErrNoImage)
}

func TestPullFailureIsExplained(t *testing.T) {
	inStream := func(message string) http.HandlerFunc {
		return sends(`{"status":"Pulling from x","id":"1"}` + "\n" + `{"errorDetail":{"message":"` + message + `"},"error":"` + message + `"}` + "\n")
	}
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		says   string
		is     error
	}{
		"denied":        {says(404, "pull access denied for x, repository does not exist or may require 'docker login'"), "by hand", managed.ErrNoImage},
		"unauthorized":  {says(500, "unauthorized: authentication required"), "by hand", managed.ErrNoImage},
		"in the stream": {inStream("denied: requested access to the resource is denied"), "by hand", managed.ErrNoImage},
		"no such tag":   {says(404, "manifest for x:1 not found: manifest unknown"), "manifest unknown", managed.ErrNoImage},
		"wrong machine": {inStream("no matching manifest for linux/arm64 in the manifest list entries"), "linux/arm64", managed.ErrNoImage},
		"no room":       {inStream("write /var/lib/docker/tmp: no space left on device"), "pull x:1: write /var/lib/docker/tmp: no space left", nil},
		"no registry":   {says(500, "Get https://r/v2/: dial tcp: lookup r: no such host"), "no such host", nil},
		"engine left": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write([]byte(`{"status":`))
		}, "", managed.ErrAway},
		"no such thing":  {sends(`nonsense`), "pull x:1", nil},
		"shutting down":  {says(503, "shutting down"), "", managed.ErrAway},
		"ends too early": {sends(`{"status":"Pulling from x","id":"1"}`), "ended without it", managed.ErrNoImage},
	} {
		t.Run(what, func(t *testing.T) {
			e, _ := newFake(t, map[string]http.HandlerFunc{
				"POST /images/create": c.answer, "GET /images/x:1/json": says(404, "No such image: x:1"),
			})
			err := e.Pull(context.Background(), "x:1", nil)
			require.ErrorContains(t, err, c.says)
			for _, known := range []error{managed.ErrAway, managed.ErrGone, managed.ErrNoImage} {
				require.Equal(t, is(c.is, known), is(err, known), "%v: %v", known, err)
			}
		})
	}
}

func TestImageNamesAreChecked(t *testing.T) {
	e, f := newFake(t, nil)
	for _, image := range []string{"", "../x", "a?b=c", "A B", "x:"} {
		_, err := e.HasImage(context.Background(), image)
		require.Error(t, err, image)
		require.Error(t, e.Pull(context.Background(), image, nil), image)
	}
	require.Empty(t, f.made(""))
}
