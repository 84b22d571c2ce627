package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

var (
	embedTask = []models.Task{models.TaskEmbed}
	bothTasks = []models.Task{models.TaskEmbed, models.TaskRerank}
)

// lists is a server with a list of models, given as JSON.
func lists(names string) func(*http.Request) (*http.Response, error) {
	return byPath(map[string]func(*http.Request) (*http.Response, error){"/models": always(200, names), "/embed": always(200, "[[1]]"), "/health": ok})
}

func listingUpstream(name, url string) Upstream {
	u := quiet(name, url)
	u.Type = TypeOllama
	return u
}

func TestAFamilyKnowsWhatItsUpstreamLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		hold := make(chan struct{})
		w.at("http://s0", func(r *http.Request) (*http.Response, error) {
			if r.URL.Path == "/models" {
				<-hold
			}
			return lists(`["bge-m3:latest","qwen:4b","chat=classify","other"]`)(r)
		})
		p := openProxy(t, Options{Upstreams: []Upstream{listingUpstream("one", "http://s0")}, Routes: []Route{
			{Name: "*b*", Aliases: []string{"chat"}, Upstream: "one", Tasks: bothTasks},
		}}, w.seams())
		f := p.Families()[0]
		catalog, err := models.NewCatalog()
		require.NoError(t, err)
		require.NoError(t, catalog.ReplaceAll(p.Entries(), p.Families()))

		// Before the first list, all that matches may be right.
		e, found := f.Find("bge-m3")
		require.True(t, found)
		require.Empty(t, e.Aliases)
		e, found = f.Find("chat")
		require.True(t, found)
		require.Equal(t, []string{"chat"}, e.Aliases, "the configuration names it, so it may be the default")
		_, found = f.Find("blurb")
		require.True(t, found)
		require.Empty(t, f.Known())
		close(hold)
		synctest.Wait()

		e, found = f.Find("bge-m3")
		require.True(t, found)
		require.Equal(t, "bge-m3", e.Name)
		require.Equal(t, bothTasks, e.Tasks)
		require.Equal(t, 512, e.Model.Info().MaxLength)
		require.Equal(t, "one", e.Model.Info().Backend)
		again, _ := f.Find("bge-m3")
		require.Same(t, e.Model, again.Model)
		for _, name := range []string{"qwen:4b", "bge-m3:latest"} {
			_, found = f.Find(name)
			require.True(t, found, name)
		}
		for _, name := range []string{"blurb", "qwen:7b", "qwen", "bge-m3:1", "other", "chat"} {
			_, found = f.Find(name)
			require.False(t, found, name)
		}
		var known []string
		for _, e := range f.Known() {
			known = append(known, e.Name)
		}
		require.Equal(t, []string{"bge-m3:latest", "qwen:4b"}, known)
		require.Zero(t, w.called("http://s0", "/embed"))
		_, err = catalog.Lookup("blurb")
		require.Equal(t, models.KindNotFound, models.KindOf(err))
		require.Equal(t, 7, p.pools[0].limits(opEmbed).items)
	})
}

func TestAListIsAskedForAgainAndGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", lists(`["a"]`))
		p := openProxy(t, Options{Upstreams: []Upstream{listingUpstream("one", "http://s0")}, Routes: []Route{{Name: "*", Upstream: "one", Tasks: embedTask}}}, w.seams())
		f := p.Families()[0]
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		require.InDelta(t, 11, w.called("http://s0", "/models"), 1)

		// A new model is found before its turn: whoever asks for it in vain has the list asked for.
		w.at("http://s0", lists(`["a","b"]`))
		time.Sleep(relistEvery + 1)
		for range 100 {
			f.Find("b")
		}
		synctest.Wait()
		_, found := f.Find("b")
		require.True(t, found)
		require.LessOrEqual(t, w.called("http://s0", "/models"), 2)

		// Away: the list is kept to be shown, and soon not believed.
		w.at("http://s0", nil)
		time.Sleep(listFresh + listEvery)
		require.Len(t, f.Known(), 2)
		_, found = f.Find("c")
		require.True(t, found)
		w.at("http://s0", lists(`["c"]`))
		time.Sleep(listEvery + time.Second)
		require.Len(t, f.Known(), 1)
		_, found = f.Find("a")
		require.False(t, found)
	})
}

func TestAListThatNobodyHasIsSoonAskedForLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", always(404, ""))
		openProxy(t, Options{Upstreams: []Upstream{listingUpstream("one", "http://s0")}}, w.seams())
		time.Sleep(time.Hour)
		require.InDelta(t, 63, w.called("http://s0", "/models"), 1)
	})
}

func TestAListThatIsTooLongIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, l := newWorld(), log{}
		w.at("http://s0", lists(`["a"`+strings.Repeat(" ", maxList)+`]`))
		p := openProxy(t, Options{Upstreams: []Upstream{listingUpstream("one", "http://s0")}, Hooks: l.hooks()}, w.seams())
		synctest.Wait()
		require.Len(t, l.attempts, 1)
		require.ErrorContains(t, l.attempts[0].Err, "its list of models is larger than 8388608 bytes")
		require.False(t, p.pools[0].listing.Load().fresh())
	})
}

// A list that is shown takes nothing from the models that are used.
func TestAListLongerThanAFamilyDropsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		names := make([]string, 2*maxFamily)
		for i := range names {
			names[i] = strconv.Quote(strconv.Itoa(i))
		}
		w.at("http://s0", lists("["+strings.Join(names, ",")+"]"))
		p := openProxy(t, Options{Upstreams: []Upstream{listingUpstream("one", "http://s0")}, Routes: []Route{{Name: "*", Upstream: "one", Tasks: embedTask}}}, w.seams())
		synctest.Wait()
		f := p.families[0]
		used := map[string]models.Model{}
		for i := range maxFamily / 2 {
			e, found := f.Find(strconv.Itoa(i))
			require.True(t, found)
			used[e.Name] = e.Model
		}
		require.Len(t, f.Known(), 2*maxFamily)
		require.Len(t, f.made, maxFamily)
		for name, m := range used {
			e, _ := f.Find(name)
			require.Same(t, m, e.Model)
		}
	})
}

func TestWithoutAListEveryNameMayBeRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", always(404, ""))
		p := openProxy(t, Options{Upstreams: []Upstream{quiet("one", "http://s0")}, Routes: []Route{{Name: "*", Upstream: "one", Tasks: embedTask}}}, w.seams())
		synctest.Wait()
		f := p.families[0]
		e, found := f.Find("whatever")
		require.True(t, found)
		m, err := e.Embedder()
		require.NoError(t, err)
		_, err = m.Embed(t.Context(), embedOne("a"))
		requireKind(t, models.KindNotFound, "one", err)
		require.Equal(t, 1000, f.pool.limits(opEmbed).items)
		for i := range 3 * maxFamily {
			f.Find(fmt.Sprint(i))
		}
		require.Len(t, f.made, maxFamily)
	})
}

func TestTheMostSpecificPatternWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		p := openProxy(t, Options{
			Upstreams: []Upstream{quiet("a", "http://a"), quiet("b", "http://b"), quiet("c", "http://c")},
			Routes: []Route{
				{Name: "*", Upstream: "a", Tasks: embedTask},
				{Name: "Qwen/*", Upstream: "b", Tasks: embedTask},
				{Name: "Qwen/*-8B", Upstream: "c", Tasks: embedTask},
				{Name: "Qwen/exact-8B", Aliases: []string{"exact"}, Upstream: "a", UpstreamModel: "x", Tasks: embedTask},
			},
		}, w.seams())
		catalog, err := models.NewCatalog()
		require.NoError(t, err)
		require.NoError(t, catalog.ReplaceAll(p.Entries(), p.Families()))
		for name, backend := range map[string]string{"x": "a", "Qwen/x": "b", "Qwen/x-8B": "c", "Qwen/exact-8B": "a", "exact": "a"} {
			e, err := catalog.Lookup(name)
			require.NoError(t, err)
			require.Equal(t, backend, e.Model.Info().Backend, name)
		}
	})
}

func TestAWildcardMayRename(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://s0", lists(`["bge","e5","hidden/x"]`))
		p := openProxy(t, Options{Upstreams: []Upstream{listingUpstream("one", "http://s0")}, Routes: []Route{
			{Name: "openai/*", Upstream: "one", UpstreamModel: "*", Tasks: embedTask},
			{Name: "any-*", Upstream: "one", UpstreamModel: "e5", Tasks: embedTask},
		}}, w.seams())
		synctest.Wait()
		f, fixed := p.families[0], p.families[1]
		require.Equal(t, "bge", f.upstreamModel("openai/bge"))
		_, found := f.Find("openai/bge")
		require.True(t, found)
		_, found = f.Find("openai/none")
		require.False(t, found)
		require.Equal(t, "openai/bge", f.Known()[0].Name)
		_, found = fixed.Find("any-thing")
		require.True(t, found)
		require.Empty(t, fixed.Known())
	})
}

func TestOptionsAreCheckedTogether(t *testing.T) {
	_, err := New(Options{
		Upstreams: []Upstream{
			{Name: "a", Type: "telepathy", URLs: []string{"ftp://x", "http://", "http://u:p@h", "http://h?q", "h", "http://h", "http://h/", "http//u:p%@h"}},
			{Name: "a", Type: TypeTEI, ClientCert: "c", Header: http.Header{"X": {"a\nb"}}, APIKey: "k\n"},
		},
		Routes: []Route{
			{Name: "", Upstream: "b"},
			{Name: "x", Upstream: "a", Tasks: embedTask, Aliases: []string{"y*"}, UpstreamModel: "*", Fallback: []string{"z", "x", "a", "z"}},
		},
	})
	for _, want := range []string{
		`upstreams[0] ("a"): type "telepathy" is none of`,
		`upstreams[0] ("a"): urls[0]: "ftp://x" does not begin with`,
		`urls[1]: "http://" has no host`,
		`urls[2]: a URL may hold no credentials`,
		`urls[3]: the URL of "h" may hold nothing beyond`,
		`urls[4]: "h" does not begin with`,
		`urls[6]: "http://h/" is there already`,
		`urls[7]: a URL may hold no credentials`,
		`upstreams[1] ("a"): name is empty or used twice`,
		`upstreams[1] ("a"): urls is empty`,
		`headers: "X" holds a control character`,
		`api_key holds a control character`,
		`client_cert and client_key go together`,
		`models[0] (""): name is empty`,
		`models[0] (""): upstream "b" is not among upstreams`,
		`models[0] (""): tasks is empty`,
		`models[1] ("x"): aliases[0]: "y*" holds *, and the name does not`,
		`fallback[1]: "x" is empty, the model or upstream itself, or there already`,
		`fallback[2]: "a" is`,
		`fallback[3]: "z" is`,
		`models[1] ("x"): upstream_model "*" holds *`,
		`models[1] ("x"): aliases: what the * of upstream_model "*" stands for`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "u:p")
	err = Check(Options{Upstreams: []Upstream{{Name: "a", Type: TypeTEI, URLs: []string{"https://h"}, CAFile: "/nowhere/ca.pem"}}})
	require.ErrorContains(t, err, `upstream "a": ca_file: open /nowhere/ca.pem`)
}

func TestNextSharesWhatIsUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, url := range urls(3) {
			w.at(url, after(time.Second, ok))
		}
		a, b := quiet("a", "http://s0"), quiet("b", "http://s1")
		p, err := newProxy(Options{Upstreams: []Upstream{a, b}}, nil, w.seams())
		require.NoError(t, err)
		b.Timeout = time.Second
		next, err := p.Next(Options{Upstreams: []Upstream{a, b, quiet("c", "http://s2")}})
		require.NoError(t, err)
		require.Same(t, p.pools[0], next.pools[0])
		require.NotSame(t, p.pools[1], next.pools[1])
		_, err = next.Next(Options{Upstreams: []Upstream{{}}})
		require.Error(t, err)
		require.NoError(t, p.Close(context.Background()))
		require.NoError(t, ask(t.Context(), next.pools[0], 1))
		require.NoError(t, next.Close(context.Background()))
	})
}

// The list of this server is written without the tag, as the dialect does.
func TestATagThatSaysNothingIsNoOtherModel(t *testing.T) {
	d := dated{listing: listing{models: []listed{{name: "bge-m3"}}}, byName: map[string]int{"bge-m3": 0}}
	for _, name := range []string{"bge-m3", "bge-m3:latest"} {
		_, known := d.find(name, TypeOllama)
		require.True(t, known, name)
	}
	_, known := d.find("bge-m3:latest", TypeVLLM)
	require.False(t, known)
}
