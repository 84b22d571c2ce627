package api

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/quadrate-maas/quadrate/models"
)

// maxScoreCalls bounds the queries of one request that are with the model at once.
const maxScoreCalls = 32

// scoring is a decoded request to score pairs, in vLLM's words.
type scoring struct {
	model string
	// first are the queries: one, or one for each text of second.
	first, second textList
	activation    bool
	maxTokens     int
	promptTokens  int
	truncation    truncation
	extra         models.Extra
}

// scoreGroup is the pairs of one query.
type scoreGroup struct {
	// query is an index into scoring.first, and at[i] the pair that documents[i] is in.
	query     int
	documents []string
	at        []int
}

// vllmScore answers one score for each pair, in the order of the pairs.
func (s *Server) vllmScore(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	q := scoring{activation: true, extra: models.Extra{Dialect: models.DialectVLLM}}
	if err := decodeRequest(data, &q.extra, s.scoreField(&q)); err != nil {
		return err
	}
	name, result, err := s.score(ctx, x, &q)
	if err != nil {
		return err
	}
	x.answer(appendScores(x.buffer(), name, result))
	return nil
}

func (s *Server) scoreField(q *scoring) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &q.model)
		case "text_1", "queries", "data_1":
			err = r.textsField(name, s.options.MaxDocuments, &q.first)
		case "text_2", "documents", "items", "data_2":
			err = r.textsField(name, s.options.MaxDocuments, &q.second)
		case "use_activation", "activation":
			err = r.boolField(name, &q.activation)
		case "max_tokens_per_doc":
			err = r.wholeField(name, 0, &q.maxTokens)
		case "truncate_prompt_tokens":
			err = r.promptTokensField(name, &q.promptTokens)
		case "truncation_side":
			err = r.directionField(name, &q.truncation)
		case "truncate":
			err = r.truncateField(name, &q.truncation)
		default:
			return false, nil
		}
		return true, err
	}
}

// promptTokensField takes a number of tokens, or -1 for as many as the model takes.
func (r *jsonReader) promptTokensField(field string, into *int) error {
	tokens := -1
	err := r.wholeField(field, -1, &tokens)
	if err == nil && tokens == 0 {
		err = invalid(field, "%s must be -1 or at least 1, not 0", field)
	}
	*into = tokens
	return err
}

// perDocument is how many tokens of a document are kept; 0: all. What vLLM cuts the pair to is
// here what its document is cut to, besides what the model takes.
func (q *scoring) perDocument() int {
	switch {
	case q.promptTokens <= 0:
		return q.maxTokens
	case q.maxTokens == 0:
		return q.promptTokens
	}
	return min(q.maxTokens, q.promptTokens)
}

func (s *Server) checkScoring(q *scoring) error {
	for _, side := range []struct {
		list  *textList
		names string
	}{{&q.first, "text_1"}, {&q.second, "text_2"}} {
		if side.list.given == 0 {
			return empty(side.names, "%s is missing or empty: give at least one text", side.names)
		}
		if err := checkCount(side.list.field, side.list.given, s.options.MaxDocuments, "server.max_documents"); err != nil {
			return err
		}
	}
	if n, m := q.first.given, q.second.given; n != 1 && n != m {
		return invalid(q.first.field, "%s has %d texts and %s has %d: it must have one, for all of them, or one for each (1:1, 1:N or N:N)", q.first.field, n, q.second.field, m)
	}
	return nil
}

// groups puts the pairs of equal queries together, in the order in which these come.
func (q *scoring) groups() []scoreGroup {
	groups := make([]scoreGroup, 0, len(q.first.texts))
	byQuery := make(map[string]int, len(q.first.texts))
	for i, document := range q.second.texts {
		query := i
		if q.first.given == 1 {
			query = 0
		}
		g, known := byQuery[q.first.texts[query]]
		if !known {
			g = len(groups)
			byQuery[q.first.texts[query]] = g
			groups = append(groups, scoreGroup{query: query})
		}
		groups[g].documents = append(groups[g].documents, document)
		groups[g].at = append(groups[g].at, i)
	}
	return groups
}

// score checks a decoded request, calls its model, and returns the name to answer with. Either
// every pair is scored or none.
func (s *Server) score(ctx context.Context, x *call, q *scoring) (string, models.RerankResult, error) {
	var none models.RerankResult
	if err := s.checkScoring(q); err != nil {
		return "", none, err
	}
	x.event.Items = q.second.given
	groups, tokens := q.groups(), 0
	for _, g := range groups {
		tokens += estimateRerank(q.first.texts[g.query], g.documents)
	}
	entry, err := x.admit(ctx, q.model, models.TaskRerank, tokens)
	if err != nil {
		return "", none, err
	}
	model, err := entry.Reranker()
	if err != nil {
		return "", none, err
	}
	results := make([]models.RerankResult, len(groups))
	caller := x.caller()
	err = x.each(len(groups), func(i int) error {
		var err error
		results[i], err = model.Rerank(ctx, q.request(groups[i], caller))
		if err == nil {
			err = checkScores(results[i].Scores, len(groups[i].documents))
		}
		return relabel(err, func(param string) string { return q.own(groups[i], param) })
	})
	result := merged(groups, results, len(q.second.texts))
	x.note(result.Usage, result.Timing) // as far as a failure knows them
	if err != nil {
		return "", none, err
	}
	x.served(result.Usage, result.Timing)
	return nameOf(q.model, entry), result, nil
}

func (q *scoring) request(g scoreGroup, caller models.Caller) models.RerankRequest {
	return models.RerankRequest{
		Query:           q.first.texts[g.query],
		Documents:       g.documents,
		Raw:             !q.activation,
		Truncate:        q.truncation.mode(),
		MaxTokensPerDoc: q.perDocument(),
		Caller:          caller,
		Extra:           q.extra,
	}
}

// own is what the request calls a field of a group's rerank.
func (q *scoring) own(g scoreGroup, param string) string {
	if param == "query" {
		return q.first.item(g.query)
	}
	if i, ok := itemOf(param, "documents"); ok && i >= 0 && i < len(g.at) {
		return q.second.item(g.at[i])
	}
	return param
}

// merged puts the scores of all groups in the order of the pairs. Where a group failed its
// scores are missing.
func merged(groups []scoreGroup, results []models.RerankResult, pairs int) models.RerankResult {
	all := models.RerankResult{Scores: make([]float32, pairs)}
	for g, result := range results {
		for i, score := range result.Scores[:min(len(result.Scores), len(groups[g].at))] {
			all.Scores[groups[g].at[i]] = score
		}
		all.Kind = result.Kind
		all.Usage.PromptTokens += result.Usage.PromptTokens
		all.Usage.Truncated += result.Usage.Truncated
		t := result.Timing
		all.Timing.Tokenize = max(all.Timing.Tokenize, t.Tokenize)
		all.Timing.Queue = max(all.Timing.Queue, t.Queue)
		all.Timing.Run = max(all.Timing.Run, t.Run)
		all.Timing.Kept += t.Kept
		all.Timing.Shared += t.Shared
		if t.Backend != "" {
			all.Timing.Backend = t.Backend
		}
	}
	return all
}

// each calls with every number below n, several at once. After a failure it begins no more, and
// returns that of the lowest number: calls begin in order, so none below it is left out.
func (x *call) each(n int, call func(i int) error) error {
	if n == 1 {
		return call(0)
	}
	problems := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range min(n, maxScoreCalls) {
		workers.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if problems[i] = x.guard(func() error { return call(i) }); problems[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	workers.Wait()
	if i := slices.IndexFunc(problems, func(err error) bool { return err != nil }); i >= 0 {
		return problems[i]
	}
	return nil
}

func appendScores(b []byte, model string, result models.RerankResult) []byte {
	b = slices.Grow(b, 256+64*len(result.Scores))
	b = append(b, `{"id":"score-`...)
	b = append(b, uuid.NewString()...)
	b = append(b, `","object":"list","created":`...)
	b = strconv.AppendInt(b, time.Now().Unix(), 10)
	b = append(b, `,"model":`...)
	b = appendString(b, model)
	b = append(b, `,"data":[`...)
	for i, score := range result.Scores {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"object":"score","score":`...)
		b = appendFloat(b, score)
		b = append(b, '}')
	}
	b = append(b, `],"usage":`...)
	b = appendUsage(b, result.Usage)
	return append(b, '}')
}
