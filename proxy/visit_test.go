package proxy

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// visited opens a proxy whose one upstream, up, does not run, with what its hook is told.
func visited(t *testing.T, kind Type, routes ...Route) (*Proxy, *log) {
	l := &log{}
	for i := range routes {
		if routes[i].Name == "" {
			routes[i].Name = "m"
		}
		if routes[i].Upstream == "" {
			routes[i].Upstream = "up"
		}
		if routes[i].UpstreamModel == "" {
			routes[i].UpstreamModel = "fake"
		}
	}
	p := openProxy(t, Options{Upstreams: []Upstream{{Name: "up", Type: kind, Managed: true, APIKey: "secretkey"}, {Name: "other", Type: TypeJina, URLs: []string{"http://127.0.0.1:1"}}},
		Routes: routes, Hooks: l.hooks()}, seams{})
	<-p.pools[0].resolved
	return p, l
}

// untouched says that the upstream knows nothing of visits, and whoever listens no other attempts.
func untouched(t *testing.T, p *Proxy, l *log) {
	t.Helper()
	require.Nil(t, p.pools[0].listing.Load())
	require.Equal(t, "stopped", p.Statuses()[0].Endpoints[0].State)
	require.Empty(t, p.Statuses()[0].Endpoints[0].Reason)
	require.Zero(t, inside(p.pools[0])[0].outcomes)
	require.NotEmpty(t, l.attempts)
	for _, a := range l.attempts {
		require.Equal(t, string(opProbe), a.Op)
		require.Equal(t, "http://up", a.URL)
		require.Equal(t, 1, a.Number)
	}
}

// paths are those that a fake was asked for.
func paths(s *upstreamtest.Server) []string {
	var list []string
	for _, r := range s.Requests() {
		list = append(list, r.Method+" "+r.Path)
	}
	return list
}

func TestHealthOfEveryType(t *testing.T) {
	for kind, c := range map[upstreamtest.Kind]struct {
		kind Type
		path string
	}{
		upstreamtest.TEI:      {TypeTEI, "/health"},
		upstreamtest.VLLM:     {TypeVLLM, "/health"},
		upstreamtest.Ollama:   {TypeOllama, "/api/version"},
		upstreamtest.Infinity: {TypeInfinity, "/health"},
		upstreamtest.OpenAI:   {TypeOpenAI, "/v1/models"},
		upstreamtest.Cohere:   {TypeCohere, "/v1/models"},
		upstreamtest.Jina:     {TypeJina, "/v1/models"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			s := upstreamtest.NewServer(t, kind, upstreamtest.Options{Key: "secretkey"})
			p, l := visited(t, c.kind)
			address := strings.TrimPrefix(s.URL, "http://")
			require.NoError(t, p.Health(t.Context(), "up", address))
			require.NoError(t, p.Try(t.Context(), "up", address)) // as no route leads there
			require.Equal(t, []string{"GET " + c.path, "GET " + c.path}, paths(s))

			s.Fail(upstreamtest.Fault{Name: upstreamtest.BadGateway, Path: "*"})
			requireKind(t, models.KindUpstream, "up", p.Health(t.Context(), "up", address))
			s.Stop()
			e := requireKind(t, models.KindLoading, "up", p.Health(t.Context(), "up", address))
			require.Contains(t, e.Message, "nothing listens at its address")
			untouched(t, p, l)
		})
	}
}

func TestHealthWaitsForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.at("http://up", after(time.Hour, ok))
		p := openProxy(t, managedOptions(&whereabouts{}, TypeTEI, Hooks{}), w.seams())
		start := time.Now()
		e := requireKind(t, models.KindUpstream, "up", p.Health(t.Context(), "up", "10.0.0.1:80"))
		require.Equal(t, `upstream "up": no answer to GET /health within 10s`, e.Message)
		require.Equal(t, probeTime, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		requireKind(t, models.KindDeadline, "up", p.Health(ctx, "up", "10.0.0.1:80"))
		requireKind(t, models.KindDeadline, "up", p.Try(ctx, "up", "10.0.0.1:80"))
		start = time.Now()
		requireKind(t, models.KindUpstream, "up", p.Try(t.Context(), "up", "10.0.0.1:80"))
		require.Equal(t, p.pools[0].opts.Timeout, time.Since(start))

		w.at("http://up", func(r *http.Request) (*http.Response, error) {
			require.Equal(t, "10.0.0.1:80", r.URL.Host)
			require.Equal(t, "up", r.Host)
			return answer(200, "[[1]]")
		})
		require.NoError(t, p.Health(t.Context(), "up", "10.0.0.1:80"))
		require.NoError(t, p.Try(t.Context(), "up", "10.0.0.1:80"))
		w.at("http://up", always(404, ""))
		require.NoError(t, p.Health(t.Context(), "up", "10.0.0.1:80"))
		requireKind(t, models.KindNotFound, "up", p.Try(t.Context(), "up", "10.0.0.1:80"))
	})
}

func TestNobodyIsVisitedByAnUnknownName(t *testing.T) {
	p, _ := visited(t, TypeTEI)
	for _, err := range []error{p.Health(t.Context(), "nobody", "127.0.0.1:1"), p.Try(t.Context(), "nobody", "127.0.0.1:1")} {
		require.Equal(t, models.KindUnavailable, models.KindOf(err))
		require.ErrorContains(t, err, `no upstream is called "nobody"`)
	}
}

func TestTryAsksForWhatTheModelDoes(t *testing.T) {
	const embed, rerank, classify = models.TaskEmbed, models.TaskRerank, models.TaskClassify
	all := models.Tasks()
	for name, c := range map[string]struct {
		fake  upstreamtest.Kind
		kind  Type
		task  upstreamtest.Task
		route Route
		want  []string
	}{
		"tei embeds":               {upstreamtest.TEI, TypeTEI, upstreamtest.Embed, Route{Tasks: all}, []string{"GET /info", "POST /embed"}},
		"tei reranks":              {upstreamtest.TEI, TypeTEI, upstreamtest.Rerank, Route{Tasks: all}, []string{"GET /info", "POST /rerank"}},
		"tei classifies":           {upstreamtest.TEI, TypeTEI, upstreamtest.Classify, Route{Tasks: all}, []string{"GET /info", "POST /predict"}},
		"tei of old":               {upstreamtest.TEI18, TypeTEI, upstreamtest.Rerank, Route{Tasks: all}, []string{"GET /info", "POST /rerank"}},
		"tei for a cosine":         {upstreamtest.TEI, TypeTEI, upstreamtest.Embed, Route{Tasks: []models.Task{rerank}, CosineRerank: true}, []string{"GET /info", "POST /embed"}},
		"vllm embeds":              {upstreamtest.VLLM, TypeVLLM, upstreamtest.Embed, Route{Tasks: []models.Task{embed, rerank}}, []string{"GET /v1/models", "POST /v1/embeddings"}},
		"vllm reranks":             {upstreamtest.VLLM, TypeVLLM, upstreamtest.Rerank, Route{Tasks: []models.Task{rerank}}, []string{"GET /v1/models", "POST /v1/rerank"}},
		"vllm reranks, as is seen": {upstreamtest.VLLM, TypeVLLM, upstreamtest.Rerank, Route{Tasks: []models.Task{embed, rerank}}, []string{"GET /v1/models", "POST /v1/embeddings", "POST /v1/rerank"}},
		"vllm classifies":          {upstreamtest.VLLM, TypeVLLM, upstreamtest.Classify, Route{Tasks: []models.Task{classify}}, []string{"GET /v1/models", "POST /classify"}},
		"ollama":                   {upstreamtest.Ollama, TypeOllama, upstreamtest.Embed, Route{Tasks: []models.Task{rerank, embed}}, []string{"GET /api/tags", "POST /api/embed"}},
		"infinity embeds":          {upstreamtest.Infinity, TypeInfinity, upstreamtest.Embed, Route{Tasks: all}, []string{"GET /models", "POST /embeddings"}},
		"infinity reranks":         {upstreamtest.Infinity, TypeInfinity, upstreamtest.Rerank, Route{Tasks: all}, []string{"GET /models", "POST /rerank"}},
		"infinity classifies":      {upstreamtest.Infinity, TypeInfinity, upstreamtest.Classify, Route{Tasks: all}, []string{"GET /models", "POST /classify"}},
		"openai":                   {upstreamtest.OpenAI, TypeOpenAI, upstreamtest.Embed, Route{Tasks: []models.Task{embed}}, []string{"GET /v1/models", "POST /v1/embeddings"}},
		"cohere embeds":            {upstreamtest.Cohere, TypeCohere, upstreamtest.Embed, Route{Tasks: []models.Task{embed}}, []string{"GET /v1/models", "POST /v2/embed"}},
		"cohere reranks":           {upstreamtest.Cohere, TypeCohere, upstreamtest.Rerank, Route{Tasks: []models.Task{embed, rerank}}, []string{"GET /v1/models", "POST /v2/rerank"}},
		"jina embeds":              {upstreamtest.Jina, TypeJina, upstreamtest.Embed, Route{Tasks: []models.Task{embed}}, []string{"POST /v1/embeddings"}},
		"jina reranks":             {upstreamtest.Jina, TypeJina, upstreamtest.Rerank, Route{Tasks: []models.Task{embed, rerank}}, []string{"POST /v1/embeddings", "POST /v1/rerank"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := upstreamtest.NewServer(t, c.fake, upstreamtest.Options{Key: "secretkey", Models: []upstreamtest.Model{{Name: "fake", Task: c.task}}})
			p, l := visited(t, c.kind, c.route)
			address := strings.TrimPrefix(s.URL, "http://")
			require.NoError(t, p.Try(t.Context(), "up", address))
			require.Equal(t, c.want, paths(s))
			untouched(t, p, l)

			last := strings.Fields(c.want[len(c.want)-1])[1]
			for _, fault := range []upstreamtest.FaultName{upstreamtest.ResetBody, upstreamtest.EmptyBody, upstreamtest.NumberNaN} {
				s.Fail(upstreamtest.Fault{Name: fault, Path: last})
				requireKind(t, models.KindUpstream, "up", p.Try(t.Context(), "up", address))
				s.Clear()
			}
			s.Stop()
			requireKind(t, models.KindLoading, "up", p.Try(t.Context(), "up", address))
			untouched(t, p, l)
		})
	}
}

func TestTryOfAnotherQuadrate(t *testing.T) {
	address := strings.TrimPrefix(another(t, models.Entry{Name: "fake", Tasks: []models.Task{models.TaskClassify},
		Model: modelstest.ClassWords{Labels: []string{"a", "b"}, MaxLength: 32}}), "http://")
	p, l := visited(t, TypeQuadrate, Route{Tasks: models.Tasks()})
	require.NoError(t, p.Health(t.Context(), "up", address))
	require.NoError(t, p.Try(t.Context(), "up", address))
	require.Len(t, l.attempts, 3) // health, list, classify
	untouched(t, p, l)
}

func TestTryKnowsTheModelByTheRoutes(t *testing.T) {
	s := upstreamtest.NewVLLM(t, upstreamtest.Options{Models: []upstreamtest.Model{{Name: "theirs", Dimensions: 8}}})
	address := strings.TrimPrefix(s.URL, "http://")
	for name, c := range map[string]struct {
		routes []Route
		kind   models.Kind // of the error; KindCanceled: none
	}{
		"by its name":         {[]Route{{Name: "theirs", UpstreamModel: "theirs", Tasks: embedTask}}, models.KindCanceled},
		"by another":          {[]Route{{UpstreamModel: "theirs", Tasks: embedTask, Dimensions: 8}}, models.KindCanceled},
		"as a fallback":       {[]Route{{UpstreamModel: "theirs", Upstream: "other", Tasks: embedTask, Fallback: []string{"up"}}}, models.KindCanceled},
		"one of two":          {[]Route{{Name: "a", Tasks: embedTask}, {Name: "b", UpstreamModel: "theirs", Tasks: embedTask}}, models.KindCanceled},
		"not at all":          {[]Route{{UpstreamModel: "ours", Tasks: embedTask}}, models.KindNotFound},
		"of other dimensions": {[]Route{{UpstreamModel: "theirs", Tasks: embedTask, Dimensions: 9}}, models.KindUpstream},
	} {
		t.Run(name, func(t *testing.T) {
			p, l := visited(t, TypeVLLM, c.routes...)
			err := p.Try(t.Context(), "up", address)
			if c.kind == models.KindCanceled {
				require.NoError(t, err)
			} else {
				requireModelError(t, c.kind, err)
			}
			untouched(t, p, l)
		})
	}
}

// Where the server's list and the routes are at odds, the server says so itself, once for each task.
func TestTryAsksForWhatTheRoutesSayIfNothingElseIsLeft(t *testing.T) {
	s := upstreamtest.NewTEI(t, upstreamtest.Options{})
	p, l := visited(t, TypeTEI, Route{Name: "a", Tasks: []models.Task{models.TaskRerank}}, Route{Name: "b", Tasks: []models.Task{models.TaskRerank, models.TaskClassify}})
	err := p.Try(t.Context(), "up", strings.TrimPrefix(s.URL, "http://"))
	requireModelError(t, models.KindUnsupportedTask, err)
	require.ErrorContains(t, err, "b: classify: ")
	require.Equal(t, []string{"GET /info", "POST /rerank", "POST /predict"}, paths(s))
	untouched(t, p, l)
}

func requireModelError(t *testing.T, kind models.Kind, err error) {
	t.Helper()
	var e *models.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, kind, e.Kind, "%v", err)
	require.Equal(t, "up", e.Backend)
}

// What a server is visited by is closed when it was.
func TestAVisitLeavesNoConnection(t *testing.T) {
	left := make(chan struct{}, 2)
	url := raw(t, func(_ int, c net.Conn) {
		for r := bufio.NewReader(c); readRequest(r) != nil; {
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[[1]]"))
		}
		left <- struct{}{}
	})
	p := openProxy(t, managedOptions(&whereabouts{}, TypeTEI, Hooks{}), onNetwork())
	address := strings.TrimPrefix(url, "http://")
	require.NoError(t, p.Health(t.Context(), "up", address))
	<-left
	require.NoError(t, p.Try(t.Context(), "up", address))
	<-left
}
