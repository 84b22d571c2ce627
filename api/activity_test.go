package api

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/ratelimit"
)

// anyName is a family that takes every name, and lists some.
type anyName struct{ known []models.Entry }

func (f anyName) Known() []models.Entry { return f.known }
func (f anyName) Find(name string) (models.Entry, bool) {
	return models.Entry{Name: name, Tasks: []models.Task{models.TaskEmbed}, Model: words}, true
}

func entry(name string, aliases ...string) models.Entry {
	return models.Entry{Name: name, Aliases: aliases, Tasks: []models.Task{models.TaskEmbed}, Model: words}
}

// activityOf is what an answer of /health or /admin/models says of each model.
func activityOf(t *testing.T, got answer) map[string]activityHealth {
	t.Helper()
	var health struct {
		Models []struct {
			Name     string
			Activity *activityHealth
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &health))
	list := map[string]activityHealth{}
	for _, m := range health.Models {
		require.NotNil(t, m.Activity, m.Name)
		list[m.Name] = *m.Activity
	}
	return list
}

func (w *world) embed(t *testing.T, model string) answer {
	t.Helper()
	return w.post(t, "/v1/embeddings", fmt.Sprintf(`{"model":%q,"input":"x"}`, model), "api-key", adminKey)
}

// TestActivity: by the entry's name, whatever it was called; with the time that the event tells.
func TestActivity(t *testing.T) {
	failing := able{shown{words, modelstest.Letters{MaxLength: 12}}, models.Errorf(models.KindUpstream, "it fails")}
	w := locked(t, auth.Anonymous{}, func(o *Options) { o.Admin = scriptedAdmin{} })
	routed, broken := entry("routed"), entry("broken")
	broken.Model = failing
	require.NoError(t, w.options.Catalog.ReplaceAll([]models.Entry{entry("local", "default", "short"), broken, entry("idle")}, []models.Family{anyName{[]models.Entry{routed}}}))
	total := time.Duration(0)
	for _, name := range []string{"local", "short", "", "default"} {
		require.Equal(t, 200, w.embed(t, name).status)
		total += w.lastEvent(t).Duration
	}
	require.Equal(t, 502, w.embed(t, "broken").status)
	require.Equal(t, 200, w.embed(t, "routed").status)
	require.Equal(t, 200, w.embed(t, "other/unlisted").status)
	require.Equal(t, 400, w.post(t, "/v1/embeddings", `{"model":"routed","input":"x","dimensions":-1}`, "api-key", adminKey).status)
	require.Equal(t, 400, w.post(t, "/v1/embeddings", `{"model":"routed","input":"x","dimensions":999}`, "api-key", adminKey).status)
	for _, path := range []string{"/v1/models/local", "/info"} {
		require.Equal(t, 200, w.get(t, path, "api-key", adminKey).status, "it asks nothing of a model")
	}
	require.Equal(t, 200, w.post(t, "/admin/models/local/unload", "", "api-key", adminKey).status)
	require.Equal(t, 403, w.post(t, "/v1/embeddings", `{"model":"local","input":"x"}`, "api-key", teamKey).status)

	for _, path := range []string{"/health", "/admin/models"} {
		got := activityOf(t, w.get(t, path, "api-key", adminKey))
		require.EqualValues(t, 4, got["local"].Requests, path)
		require.Zero(t, got["local"].Failed)
		require.InDelta(t, total.Seconds()*1000, got["local"].TotalMS, 0.002)
		require.EqualValues(t, 1, got["broken"].Requests)
		require.EqualValues(t, 1, got["broken"].Failed)
		require.Positive(t, got["broken"].TotalMS)
		require.Zero(t, got["idle"])
		require.NotContains(t, got, "other/unlisted")
	}
	got := activityOf(t, w.get(t, "/admin/models", "api-key", adminKey))
	require.EqualValues(t, 2, got["routed"].Requests, "a request that the model's name was not read of, or refused, is not asked of it")
	require.Zero(t, got["routed"].Failed, "what the client did wrong is no failure")
}

// TestActivityCountsWhatIsOverALimit: the model was found, and is not asked.
func TestActivityCountsWhatIsOverALimit(t *testing.T) {
	w := limited(t, ratelimit.Limits{RequestsPerMinute: 1}, ratelimit.Limits{RequestsPerMinute: 1}, nil, entry("org/m"))
	for _, status := range []int{200, 429} {
		require.Equal(t, status, w.post(t, "/v1/embeddings", `{"model":"org/m","input":"x"}`, "api-key", teamKey).status)
	}
	got := activityOf(t, w.get(t, "/health"))["org/m"]
	require.EqualValues(t, 2, got.Requests)
	require.Zero(t, got.Failed)
}

// TestActivityOfAPanic: it is answered, and counted.
func TestActivityOfAPanic(t *testing.T) {
	broken := &modelstest.Embedder{EmbedFunc: func(context.Context, models.EmbedRequest) (models.EmbedResult, error) { panic("secret") }}
	w := start(t, nil, models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: broken})
	require.Equal(t, 500, w.embed(t, "m").status)
	got := activityOf(t, w.get(t, "/health"))["m"]
	require.EqualValues(t, 1, got.Requests)
	require.EqualValues(t, 1, got.Failed)
}

// TestActivityOfAClientThatLeft: it was asked, and the model did not fail.
func TestActivityOfAClientThatLeft(t *testing.T) {
	left := models.Entry{Name: "m", Tasks: []models.Task{models.TaskEmbed}, Model: able{shown{words, modelstest.Letters{MaxLength: 12}}, models.Errorf(models.KindCanceled, "")}}
	w := start(t, nil, left)
	require.Equal(t, statusClientGone, w.embed(t, "m").status)
	got := activityOf(t, w.get(t, "/health"))["m"]
	require.EqualValues(t, 1, got.Requests)
	require.Zero(t, got.Failed)
}

// TestActivityAcrossReloads: a model that stays, or comes back, keeps its counts.
func TestActivityAcrossReloads(t *testing.T) {
	w := start(t, nil)
	replace := func(entries ...models.Entry) { require.NoError(t, w.options.Catalog.Replace(entries)) }
	replace(entry("stays"), entry("goes"))
	w.embed(t, "stays")
	w.embed(t, "goes")
	replace(entry("stays", "goes"))
	w.embed(t, "goes")
	got := activityOf(t, w.get(t, "/health"))
	require.Len(t, got, 1)
	require.EqualValues(t, 2, got["stays"].Requests, "an alias is now what was a name")
	replace(entry("goes"))
	require.EqualValues(t, 1, activityOf(t, w.get(t, "/health"))["goes"].Requests)
}

// TestActivityIsBounded: names that a family takes and nobody lists do not pile up, nor push out
// those that are listed.
func TestActivityIsBounded(t *testing.T) {
	catalog := &models.Catalog{}
	require.NoError(t, catalog.ReplaceAll([]models.Entry{entry("a")}, []models.Family{anyName{[]models.Entry{entry("known")}}}))
	a := activities{catalog: catalog}
	const names = 10_000
	for i := range names {
		a.add(fmt.Sprint("random ", i), time.Millisecond, false)
		a.add("known", time.Millisecond, i%2 == 0)
		a.add("a", 1500*time.Microsecond, false)
		require.LessOrEqual(t, len(a.counts), 2*2+activitySpare)
	}
	require.Equal(t, activityHealth{Requests: names, Failed: names / 2, TotalMS: names}, a.of("known"))
	require.Equal(t, activityHealth{Requests: names, TotalMS: names * 1.5}, a.of("a"))
	require.NoError(t, catalog.ReplaceAll(nil, nil))
	for i := range 2 * activitySpare {
		a.add(fmt.Sprint(i), time.Millisecond, false)
	}
	require.Zero(t, a.of("a"), "what the catalog has forgotten is forgotten in its turn")
	many := make([]models.Entry, 500)
	for i := range many {
		many[i] = entry(fmt.Sprint("m", i))
	}
	require.NoError(t, catalog.Replace(many))
	for range 2 {
		for _, e := range many {
			a.add(e.Name, time.Millisecond, false)
		}
	}
	for _, e := range many {
		require.EqualValues(t, 2, a.of(e.Name).Requests, e.Name)
	}
}

// TestActivityOfConcurrentRequests: a reader sees the numbers of one moment.
func TestActivityOfConcurrentRequests(t *testing.T) {
	catalog, err := models.NewCatalog(entry("m"))
	require.NoError(t, err)
	a := activities{catalog: catalog}
	const callers, each = 8, 2000
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range each {
				a.add("m", 2*time.Millisecond, true)
			}
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	var torn error
	for last := uint64(0); last < callers*each && torn == nil; {
		got := a.of("m")
		if got.Failed != got.Requests || got.TotalMS != 2*float64(got.Requests) || got.Requests < last {
			torn = fmt.Errorf("%+v after %d requests", got, last)
		}
		last = got.Requests
	}
	<-done
	require.NoError(t, torn)
	require.EqualValues(t, callers*each, a.of("m").Requests)
}

// BenchmarkActivity counts requests of many callers at once.
func BenchmarkActivity(b *testing.B) {
	catalog, err := models.NewCatalog(entry("m"))
	require.NoError(b, err)
	a := activities{catalog: catalog}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a.add("m", time.Millisecond, false)
		}
	})
}
