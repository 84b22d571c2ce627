package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// stub is a backend that answers by function: the status and the body.
type stub struct {
	dialect dialect
	answer  func(ctx context.Context, r *request) (int, string)
	bounds  limits
	known   listed
	mu      sync.Mutex
	sent    []string
}

var _ backend = (*stub)(nil)

func (s *stub) status() models.Status       { return models.Status{State: models.StateReady} }
func (s *stub) limits(operation) limits     { return s.bounds }
func (s *stub) model(string) (listed, bool) { return s.known, s.known.name != "" }
func (s *stub) send(ctx context.Context, r *request) error {
	s.mu.Lock()
	s.sent = append(s.sent, string(r.body))
	s.mu.Unlock()
	status, body := s.answer(ctx, r)
	if err := ctx.Err(); err != nil {
		return err
	}
	answer := &response{status: status, header: http.Header{}, body: []byte(body)}
	if status != 200 {
		return s.dialect.fault(r.op, answer).err.By("up")
	}
	if err := r.read(answer); err != nil {
		return models.Errorf(models.KindUpstream, "the upstream answered wrongly").Because(err)
	}
	return nil
}

func modelOver(t *testing.T, kind Type, s *stub, r Route) *model {
	s.dialect = speak(t, kind)
	return newModel(modelSpec{name: "m", upstreamModel: "theirs", route: r, upstream: Upstream{Name: "up", Type: kind}, dialect: s.dialect, backend: s})
}

func TestSplit(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		sizes := make([]int, 1+random.IntN(80))
		for i := range sizes {
			sizes[i] = random.IntN(100)
		}
		l := limits{items: random.IntN(10), bytes: random.IntN(400)}
		const overhead = 50
		parts, err := split(len(sizes), l, overhead, "input", func(i int) int { return sizes[i] })
		fits := l.bytes == 0 || overhead+slices.Max(sizes) <= l.bytes
		require.Equal(t, fits, err == nil)
		if !fits {
			first := slices.IndexFunc(sizes, func(n int) bool { return overhead+n > l.bytes })
			var e *models.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, models.KindTooLarge, e.Kind)
			require.Equal(t, item("input", first), e.Param)
			require.Contains(t, e.Message, fmt.Sprintf("takes %d bytes with what goes beside it; one request to the upstream may have %d (upstreams[].max_bytes)", overhead+sizes[first], l.bytes))
			continue
		}
		at := 0
		for _, p := range parts {
			require.Equal(t, at, p.from)
			require.Greater(t, p.to, p.from)
			bytes := overhead
			for _, n := range sizes[p.from:p.to] {
				bytes += n
			}
			require.True(t, l.bytes == 0 || bytes <= l.bytes)
			require.True(t, l.items == 0 || p.to-p.from <= l.items)
			at = p.to
		}
		require.Equal(t, len(sizes), at)
	}
	even, err := split(33, limits{items: 32}, 0, "input", nil)
	require.NoError(t, err)
	require.Equal(t, []part{{0, 17}, {17, 33}}, even)
}

// numbered answers with the vector [n, 1] for a text that is the number n, raw.
func numbered(r *request) (int, string) {
	var body struct{ Inputs []string }
	if err := json.Unmarshal(r.body, &body); err != nil {
		return 400, err.Error()
	}
	rows := make([]string, len(body.Inputs))
	for i, text := range body.Inputs {
		rows[i] = "[" + text + ",1]"
	}
	return 200, "[" + strings.Join(rows, ",") + "]"
}

func numbers(n int) []models.Input {
	inputs := make([]models.Input, n)
	for i := range inputs {
		inputs[i].Text = strconv.Itoa(i)
	}
	return inputs
}

func TestPartsComeBackInOrder(t *testing.T) {
	for _, form := range []models.VectorForm{models.FormVectors, models.FormNumbers, models.FormBase64} {
		s := &stub{bounds: limits{items: 7}, answer: func(_ context.Context, r *request) (int, string) { return numbered(r) }}
		result, err := modelOver(t, TypeTEI, s, Route{}).Embed(t.Context(), models.EmbedRequest{Inputs: numbers(100), Raw: true, Form: form})
		require.NoError(t, err)
		require.Len(t, s.sent, 15)
		for i := range 100 {
			if form == models.FormNumbers {
				require.Equal(t, fmt.Sprintf("[%d,1]", i), string(result.Literals[i]))
			} else {
				require.Equal(t, []float32{float32(i), 1}, result.Vectors[i])
			}
		}
	}
}

func TestPartsOfTwoFormsAreAllDecoded(t *testing.T) {
	s := &stub{bounds: limits{items: 1}, answer: func(_ context.Context, r *request) (int, string) {
		if strings.Contains(string(r.body), `["0"]`) {
			return 200, `[[0,1]]`
		}
		return 200, `[[0,2]]`
	}}
	result, err := modelOver(t, TypeTEI, s, Route{}).Embed(t.Context(), models.EmbedRequest{Inputs: numbers(2), Form: models.FormNumbers})
	require.NoError(t, err)
	require.Nil(t, result.Literals)
	require.Equal(t, [][]float32{{0, 1}, {0, 1}}, result.Vectors)
}

func TestAPartThatFailsEndsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inFlight, most, cancelled := 0, 0, 0
		s := &stub{bounds: limits{items: 1}}
		s.answer = func(ctx context.Context, r *request) (int, string) {
			s.mu.Lock()
			inFlight++
			most = max(most, inFlight)
			s.mu.Unlock()
			wait := time.Second
			if strings.Contains(string(r.body), `["2"]`) {
				wait = time.Millisecond
			}
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			inFlight--
			if ctx.Err() != nil {
				cancelled++
			}
			return 422, "{\"error\":\"Input validation error: `inputs` must have less than 512 tokens. Given: 900\",\"error_type\":\"Validation\"}"
		}
		start := time.Now()
		_, err := modelOver(t, TypeTEI, s, Route{}).Embed(t.Context(), models.EmbedRequest{Inputs: numbers(9), Truncate: models.TruncateNone})
		require.Equal(t, time.Millisecond, time.Since(start))
		require.Equal(t, []int{4, 3, 0}, []int{most, cancelled, inFlight})
		require.Len(t, s.sent, 4)
		var e *models.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, models.Error{Kind: models.KindTooLong, Model: "m", Op: "embed", Backend: "up", Param: "input[2]", Message: e.Message, Err: e.Err}, *e)
	})
}

func TestWhoLeavesIsToldSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &stub{bounds: limits{items: 1}, answer: func(context.Context, *request) (int, string) { cancel(); return 200, "" }}
	_, err := modelOver(t, TypeTEI, s, Route{}).Embed(ctx, models.EmbedRequest{Inputs: numbers(9)})
	require.ErrorIs(t, err, context.Canceled)
	require.LessOrEqual(t, len(s.sent), maxParallel)
}

// long refuses requests with a text, or a query, that is "long".
func refuseLong(_ context.Context, r *request) (int, string) {
	var body struct {
		Inputs, Texts []string
		Query         string
	}
	_ = json.Unmarshal(r.body, &body)
	if slices.Contains(body.Inputs, "long") || slices.Contains(body.Texts, "long") || body.Query == "long" {
		return 413, "{\"error\":\"Input validation error: `inputs` must have less than 512 tokens. Given: 900\",\"error_type\":\"Validation\"}"
	}
	if body.Query != "" {
		rows := make([]string, len(body.Texts))
		for i := range rows {
			rows[i] = fmt.Sprintf(`{"index":%d,"score":0.5}`, i)
		}
		return 200, "[" + strings.Join(rows, ",") + "]"
	}
	return 200, "[" + strings.TrimSuffix(strings.Repeat("[0,1],", len(body.Inputs)), ",") + "]"
}

func TestTheItemThatIsTooLongIsFound(t *testing.T) {
	for n := range 20 {
		for first := range n {
			s := &stub{bounds: limits{items: 8}, answer: refuseLong}
			m := modelOver(t, TypeTEI, s, Route{})
			req := models.EmbedRequest{Inputs: numbers(n), Truncate: models.TruncateNone}
			req.Inputs[first].Text, req.Inputs[n-1].Text = "long", "long"
			_, err := m.Embed(t.Context(), req)
			var e *models.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, models.KindTooLong, e.Kind)
			if n <= 8 {
				require.Equal(t, item("input", first), e.Param)
			}
			rerank := models.RerankRequest{Query: "q", Truncate: models.TruncateNone}
			for _, in := range req.Inputs {
				rerank.Documents = append(rerank.Documents, in.Text)
			}
			_, err = m.Rerank(t.Context(), rerank)
			require.ErrorAs(t, err, &e)
			if n <= 8 {
				require.Equal(t, item("documents", first), e.Param)
			}
			rerank.Query, s.bounds = "long", limits{}
			_, err = m.Rerank(t.Context(), rerank)
			require.ErrorAs(t, err, &e)
			require.Equal(t, "query", e.Param)
		}
	}
}

func TestVectorsKeepTheirLength(t *testing.T) {
	answer := "[[1,0]]"
	s := &stub{answer: func(context.Context, *request) (int, string) { return 200, answer }}
	m := modelOver(t, TypeTEI, s, Route{})
	embed := func(dimensions int) error {
		_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: numbers(1), Dimensions: dimensions})
		return err
	}
	require.Zero(t, m.Info().Dimensions)
	require.NoError(t, embed(1)) // says nothing of the full length
	require.Zero(t, m.Info().Dimensions)
	err := embed(3)
	require.ErrorContains(t, err, "dimensions is 3; this model's vectors have 2")
	require.Equal(t, models.KindInvalid, models.KindOf(err))
	require.NoError(t, embed(0))
	require.Equal(t, 2, m.Info().Dimensions)
	answer = "[[1,0,0]]"
	err = embed(0)
	require.Equal(t, models.KindUpstream, models.KindOf(err))
	require.ErrorContains(t, err, "vectors have 3 numbers; this model's have 2")
	require.Equal(t, models.KindUpstream, models.KindOf(embed(1)))
	answer = "[[1]]"
	require.Equal(t, models.KindUpstream, models.KindOf(embed(2)), "it has as many as was asked for")
	sent := len(s.sent)
	require.Equal(t, models.KindInvalid, models.KindOf(embed(4)))
	require.Len(t, s.sent, sent)

	answer = "[[1,0,0]]"
	// A field that nobody here knows may ask for another length, of which nothing is learnt.
	m = modelOver(t, TypeTEI, s, Route{})
	for _, known := range []int{0, 2} {
		m.dimensions.Store(int64(known))
		_, err = m.Embed(t.Context(), models.EmbedRequest{Inputs: numbers(1), Extra: extra(models.DialectTEI, "output_dimension", "3")})
		require.NoError(t, err)
		require.Equal(t, known, m.Info().Dimensions)
	}

	_, err = m.Embed(t.Context(), models.EmbedRequest{Inputs: numbers(1), Extra: extra(models.DialectTEI, "user", `"me"`)})
	require.Equal(t, models.KindUpstream, models.KindOf(err))

	m = modelOver(t, TypeTEI, s, Route{Dimensions: 2})
	require.Equal(t, 2, m.Info().Dimensions)
	require.Equal(t, models.KindUpstream, models.KindOf(embed(0)))
}

func TestWhatAServerCannotDoIsUnsupported(t *testing.T) {
	s := &stub{answer: func(context.Context, *request) (int, string) { t.Fatal("asked"); return 0, "" }}
	m := modelOver(t, TypeOllama, s, Route{})
	ctx := t.Context()
	_, rerank := m.Rerank(ctx, models.RerankRequest{Query: "q", Documents: []string{"a"}})
	_, classify := m.Classify(ctx, models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: "a"}}})
	_, tokens := m.EmbedTokens(ctx, models.TokensRequest{Inputs: numbers(1)})
	_, tokenize := m.Tokenize(ctx, models.TokenizeRequest{Texts: []string{"a"}})
	_, decode := m.Decode(ctx, models.DecodeRequest{IDs: [][]uint32{{1}}})
	for op, err := range map[string]error{"rerank": rerank, "classify": classify, "embed_tokens": tokens, "tokenize": tokenize, "decode": decode} {
		var e *models.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, models.KindUnsupportedTask, e.Kind)
		require.Equal(t, op, e.Op)
		require.Equal(t, "model", e.Param)
		require.Contains(t, e.Message, `served by upstream "up" of type ollama`)
	}
	require.ErrorContains(t, rerank, "models[].rerank: cosine")
	_, err := m.Embed(ctx, models.EmbedRequest{})
	require.ErrorContains(t, err, "input is empty")
}

func TestCosineNamesDocuments(t *testing.T) {
	s := &stub{bounds: limits{items: 2}, answer: refuseLong}
	m := modelOver(t, TypeTEI, s, Route{CosineRerank: true})
	for _, c := range []struct {
		query     string
		documents []string
		param     string
	}{
		{"long", []string{"a"}, "query"},
		{"q", []string{"long"}, "documents[0]"},
		{"q", []string{"a", "b", "c", "long"}, "documents[3]"},
	} {
		_, err := m.Rerank(t.Context(), models.RerankRequest{Query: c.query, Documents: c.documents})
		var e *models.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, models.KindTooLong, e.Kind)
		require.Equal(t, c.param, e.Param)
	}
	_, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a"}, MaxTokensPerDoc: 3})
	require.ErrorContains(t, err, "max_tokens_per_doc")
	result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a", "b"}, Raw: true})
	require.NoError(t, err)
	require.Equal(t, models.RerankResult{Scores: []float32{1, 1}, Kind: models.ScoreCosine}, result)
	require.Equal(t, models.ScoreCosine, m.Info().ScoreKind)
}

// A server that is told what texts are for is asked for the query by itself.
func TestCosineTellsQueriesFromDocuments(t *testing.T) {
	s := &stub{answer: func(_ context.Context, r *request) (int, string) {
		return 200, `{"embeddings":{"float":[[0,1]]},"meta":{"billed_units":{"input_tokens":4}}}`
	}}
	result, err := modelOver(t, TypeCohere, s, Route{CosineRerank: true}).Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"d"}, Extra: extra(models.DialectCohere, "x", "1")})
	require.NoError(t, err)
	require.Equal(t, []string{
		`{"model":"theirs","texts":["q"],"input_type":"search_query","embedding_types":["float"],"truncate":"END"}`,
		`{"model":"theirs","texts":["d"],"input_type":"search_document","embedding_types":["float"],"truncate":"END"}`,
	}, s.sent)
	require.Equal(t, 8, result.Usage.PromptTokens)
}

func TestTheKindOfVLLMsScoresIsSeen(t *testing.T) {
	score := ""
	s := &stub{answer: func(context.Context, *request) (int, string) {
		return 200, `{"results":[{"index":0,"relevance_score":` + score + `}]}`
	}}
	m := modelOver(t, TypeVLLM, s, Route{})
	for _, c := range []struct {
		score string
		raw   bool
		want  models.ScoreKind
	}{
		{"0.5", false, models.ScoreSigmoid}, {"0.5", true, models.ScoreLogit}, {"-0.5", false, models.ScoreCosine}, {"0.5", false, models.ScoreCosine},
		{"0.5", true, models.ScoreCosine}, {"17", false, models.ScoreLogit}, {"0.5", false, models.ScoreLogit},
	} {
		score = c.score
		result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a"}, Raw: c.raw})
		require.NoError(t, err)
		require.Equal(t, c.want, result.Kind, c)
	}
	require.Equal(t, models.ScoreLogit, m.Info().ScoreKind)

	m = modelOver(t, TypeVLLM, s, Route{})
	score = "17"
	result, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a"}, Extra: extra(models.DialectVLLM, "use_activation", "false")})
	require.NoError(t, err)
	require.Equal(t, models.ScoreLogit, result.Kind)
	require.Equal(t, models.ScoreSigmoid, m.Info().ScoreKind, "one client's wish says nothing of the model")
}

func TestInfoHasWhatTheServerLists(t *testing.T) {
	s := &stub{known: listed{name: "theirs", maxLength: 512, labels: []string{"a"}, created: 7}}
	info := modelOver(t, TypeTEI, s, Route{}).Info()
	require.Equal(t, models.Info{Backend: "up", MaxLength: 512, Labels: []string{"a"}, ScoreKind: models.ScoreSigmoid, Created: time.Unix(7, 0)}, info)
	require.Equal(t, 64, modelOver(t, TypeOpenAI, s, Route{MaxLength: 64}).Info().MaxLength)
	require.Empty(t, modelOver(t, TypeOpenAI, s, Route{}).Info().ScoreKind)
}

func TestStatesAreBounded(t *testing.T) {
	s := &stub{answer: func(context.Context, *request) (int, string) { return 200, `[[[1,2],[3,4]]]` }}
	m := modelOver(t, TypeTEI, s, Route{})
	_, err := m.EmbedTokens(t.Context(), models.TokensRequest{Inputs: numbers(1), MaxBytes: 16})
	require.NoError(t, err)
	_, err = m.EmbedTokens(t.Context(), models.TokensRequest{Inputs: numbers(1), MaxBytes: 15})
	require.ErrorContains(t, err, "take 16 bytes; one request may have 15")
	require.Equal(t, models.KindTooLarge, models.KindOf(err))
}

func TestEmptyListsOfIDsAreNotAsked(t *testing.T) {
	s := &stub{answer: func(_ context.Context, r *request) (int, string) {
		if strings.Contains(string(r.body), "99") {
			return 422, `{"error":"ids[1][0]: 99 is not in the vocabulary","error_type":"Validation"}`
		}
		return 200, `["a","b"]`
	}}
	m := modelOver(t, TypeQuadrate, s, Route{})
	texts, err := m.Decode(t.Context(), models.DecodeRequest{IDs: [][]uint32{{}, {1}, {}, {2}}})
	require.NoError(t, err)
	require.Equal(t, []string{"", "a", "", "b"}, texts)
	texts, err = m.Decode(t.Context(), models.DecodeRequest{IDs: [][]uint32{{}}})
	require.NoError(t, err)
	require.Equal(t, []string{""}, texts)
	require.Len(t, s.sent, 1)
	_, err = m.Decode(t.Context(), models.DecodeRequest{IDs: [][]uint32{{}, {1}, {}, {99}}})
	var e *models.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "ids[3][0]", e.Param)
}

// What is wrong inside an answer that looks right is seen in every dialect.
func TestWrongAnswersAreUpstreamErrors(t *testing.T) {
	types := map[upstreamtest.Kind]Type{upstreamtest.TEI: TypeTEI, upstreamtest.TEI18: TypeTEI, upstreamtest.VLLM: TypeVLLM, upstreamtest.Ollama: TypeOllama,
		upstreamtest.Infinity: TypeInfinity, upstreamtest.OpenAI: TypeOpenAI, upstreamtest.Cohere: TypeCohere, upstreamtest.Jina: TypeJina}
	wrong := []upstreamtest.FaultName{upstreamtest.NumberNaN, upstreamtest.NumberInfinity, upstreamtest.NumberNull, upstreamtest.NumberOverflow, upstreamtest.WrongIndex,
		upstreamtest.DuplicateIndex, upstreamtest.MissingItem, upstreamtest.ExtraItem, upstreamtest.WrongDimensions, upstreamtest.TruncatedJSON, upstreamtest.EmptyBody}
	for _, fake := range upstreamtest.Kinds() {
		kind := types[fake]
		for _, task := range []upstreamtest.Task{upstreamtest.Embed, upstreamtest.Rerank} {
			if _, reranks := speak(t, kind).(reranking); task == upstreamtest.Rerank && !reranks {
				continue
			}
			s := upstreamtest.NewServer(t, fake, upstreamtest.Options{Models: []upstreamtest.Model{{Task: task}}})
			m := behind(t, kind, s, Route{Tasks: []models.Task{models.Task(task)}, Dimensions: 384})
			ask := func() error {
				if task == upstreamtest.Rerank {
					_, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a", "b", "c"}})
					return err
				}
				_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a", "b", "c"), Form: models.FormNumbers})
				return err
			}
			require.NoError(t, ask())
			path := s.Requests()[len(s.Requests())-1].Path
			for _, name := range wrong {
				if !name.PlayedBy(fake, path) {
					continue
				}
				s.Fail(upstreamtest.Fault{Name: name, Path: path})
				err := ask()
				s.Clear()
				var e *models.Error
				require.True(t, errors.As(err, &e), "%s %s %s: %v", fake, task, name, err)
				require.Equal(t, models.KindUpstream, e.Kind, "%s %s %s: %v", fake, task, name, err)
				require.Equal(t, "up", e.Backend)
			}
			require.NoError(t, ask())
		}
	}
}

// What servers answer in their own words is understood, over the wire and through the pool.
func TestFaultsOfTheFakes(t *testing.T) {
	types := map[upstreamtest.Kind]Type{upstreamtest.TEI: TypeTEI, upstreamtest.TEI18: TypeTEI, upstreamtest.VLLM: TypeVLLM, upstreamtest.Ollama: TypeOllama,
		upstreamtest.Infinity: TypeInfinity, upstreamtest.OpenAI: TypeOpenAI, upstreamtest.Cohere: TypeCohere, upstreamtest.Jina: TypeJina}
	want := map[upstreamtest.FaultName]models.Kind{
		upstreamtest.EngineDead:     models.KindUpstream,
		upstreamtest.InternalError:  models.KindUpstream,
		upstreamtest.Overloaded:     models.KindQueueFull,
		upstreamtest.UnknownModel:   models.KindNotFound,
		upstreamtest.NoRoute:        models.KindUnsupportedTask,
		upstreamtest.BadKey:         models.KindUpstreamCredentials,
		upstreamtest.Forbidden:      models.KindUpstreamCredentials,
		upstreamtest.TooLong:        models.KindTooLong,
		upstreamtest.BatchTooLarge:  models.KindTooLarge,
		upstreamtest.BadGateway:     models.KindUpstream,
		upstreamtest.GatewayTimeout: models.KindUpstream,
		upstreamtest.Redirected:     models.KindUpstream,
		upstreamtest.ResetFirst:     models.KindUpstream,
		upstreamtest.ResetBody:      models.KindUpstream,
	}
	played := 0
	for _, fake := range upstreamtest.Kinds() {
		s := upstreamtest.NewServer(t, fake, upstreamtest.Options{})
		m := behind(t, types[fake], s, Route{Tasks: []models.Task{models.TaskEmbed}})
		for name, kind := range want {
			path := embedPath(t, types[fake])
			if !name.PlayedBy(fake, path) {
				continue
			}
			played++
			s.Fail(upstreamtest.Fault{Name: name, Path: path, RetryAfter: "3"})
			_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a")})
			s.Clear()
			var e *models.Error
			require.ErrorAs(t, err, &e, "%s %s", fake, name)
			require.Equal(t, kind, e.Kind, "%s %s: %v", fake, name, err)
			require.Equal(t, "up", e.Backend)
			require.NotContains(t, e.Message, "<")
			if kind == models.KindQueueFull {
				require.Equal(t, 3*time.Second, e.RetryAfter, fake)
			}
			if kind == models.KindTooLong {
				require.Equal(t, "input[0]", e.Param, fake)
			}
		}
	}
	require.Greater(t, played, 80)
}

func embedPath(t *testing.T, kind Type) string {
	t.Helper()
	r, err := speak(t, kind).(embedding).embed(call{model: "m"}, &models.EmbedRequest{Inputs: texts("a")}, new(embedded))
	require.NoError(t, err)
	return r.path
}

// A panic in a goroutine of ours would end the program.
func TestAPanicOfAPartIsAnError(t *testing.T) {
	err := scatter(t.Context(), []part{{0, 1}, {1, 2}}, func(_ context.Context, k int, _ part) error {
		if k == 1 {
			panic("ours")
		}
		return nil
	})
	require.Equal(t, models.KindInternal, models.KindOf(err))
	require.ErrorContains(t, err, "panic: ours")
}

// A model has vectors of one length, whichever of its upstreams answers.
func TestAFallbackUpstreamKeepsTheLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := w.seams()
		s.dialect = newDialect
		w.at("http://a", always(200, "[[1,0]]"))
		w.at("http://b", always(200, "[[1,0,0]]"))
		p := openProxy(t, Options{Upstreams: []Upstream{quiet("a", "http://a"), quiet("b", "http://b")},
			Routes: []Route{{Name: "m", Upstream: "a", Tasks: embedTask, Fallback: []string{"b"}}}}, s)
		m, err := p.Entries()[0].Embedder()
		require.NoError(t, err)
		_, err = m.Embed(t.Context(), embedOne("a"))
		require.NoError(t, err)
		w.at("http://a", failing)
		_, err = m.Embed(t.Context(), embedOne("a"))
		requireKind(t, models.KindUpstream, "a", err)
		require.ErrorContains(t, err, "vectors have 3 numbers; this model's have 2")
	})
}

func TestPartsThatDisagreeAreTheUpstreams(t *testing.T) {
	s := &stub{bounds: limits{items: 1}, answer: func(_ context.Context, r *request) (int, string) {
		if strings.Contains(string(r.body), `"a"`) {
			return 200, `[[{"label":"x","score":1}]]`
		}
		return 200, `[[{"label":"x","score":0.5},{"label":"y","score":0.5}]]`
	}}
	m := modelOver(t, TypeTEI, s, Route{})
	_, err := m.Classify(t.Context(), models.ClassifyRequest{Inputs: []models.ClassifyInput{{Text: "a"}, {Text: "b"}}})
	var e *models.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, models.KindUpstream, e.Kind)
	require.Equal(t, "up", e.Backend)
	require.Equal(t, "m", e.Model)
}

// What a model is not used for is not told of it.
func TestAModelThatOnlyEmbedsHasNoKindOfScore(t *testing.T) {
	for task, want := range map[models.Task]models.ScoreKind{models.TaskEmbed: "", models.TaskRerank: models.ScoreSigmoid} {
		p, err := New(Options{Upstreams: []Upstream{{Name: "u", Type: TypeTEI, URLs: []string{"http://127.0.0.1:1"}, ProbeInterval: -1}},
			Routes: []Route{{Name: "m", Upstream: "u", Tasks: []models.Task{task}}}})
		require.NoError(t, err)
		require.Equal(t, want, p.Entries()[0].Model.Info().ScoreKind)
		require.NoError(t, p.Close(t.Context()))
	}
}
