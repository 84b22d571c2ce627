package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/quadrate-maas/quadrate/models"
)

// documentsPerSearchUnit is how Cohere counts searches.
const documentsPerSearchUnit = 100

// reranking is a decoded request to rerank, in Cohere's, Jina's or TEI's words.
type reranking struct {
	model           string
	query           string
	documents       documentList
	texts           documentList
	topN, topK      int
	returnDocuments bool
	returnText      bool
	rawScores       bool
	maxTokens       int
	rankFields      []string
	truncation      truncation
	extra           models.Extra
}

// documentList is the documents of one request.
type documentList struct {
	// given counts all, also those past the limit, which are not kept.
	given int
	texts []string
	// objects holds, by index, the JSON of the documents that are objects.
	objects map[int][]byte
}

func (s *Server) cohereRerank(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	r := reranking{extra: models.Extra{Dialect: models.DialectCohere}}
	if err := decodeRequest(data, &r.extra, s.rerankField(&r)); err != nil {
		return err
	}
	return s.answerCohere(ctx, x, &r)
}

func (s *Server) answerCohere(ctx context.Context, x *call, r *reranking) error {
	name, result, err := s.rerank(ctx, x, r, "documents", &r.documents)
	if err != nil {
		return err
	}
	x.answer(appendReranking(x.buffer(), name, r, result))
	return nil
}

func (s *Server) rerankField(q *reranking) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &q.model)
		case "query":
			err = r.stringField(name, &q.query)
		case "documents":
			q.documents, err = r.documentsField(name, s.options.MaxDocuments, true)
		case "texts":
			q.texts, err = r.documentsField(name, s.options.MaxDocuments, false)
		case "top_n":
			err = r.wholeField(name, 0, &q.topN)
		case "top_k":
			err = r.wholeField(name, 0, &q.topK)
		case "return_documents":
			err = r.boolOrWordField(name, &q.returnDocuments)
		case "return_text":
			err = r.boolField(name, &q.returnText)
		case "raw_scores":
			err = r.boolField(name, &q.rawScores)
		case "max_tokens_per_doc":
			err = r.wholeField(name, 0, &q.maxTokens)
		case "rank_fields":
			err = r.wordsField(name, &q.rankFields)
		case "truncate", "truncation":
			err = r.truncateField(name, &q.truncation)
		case "truncation_direction":
			err = r.directionField(name, &q.truncation)
		default:
			return false, nil
		}
		return true, err
	}
}

// documentsField takes a list of strings and, where objects may be, of objects, which are
// kept as they are until rank_fields is known.
func (r *jsonReader) documentsField(field string, limit int, objects bool) (documentList, error) {
	var l documentList
	present, err := r.optional(field, kindList)
	if !present {
		return l, err
	}
	l.objects = map[int][]byte{}
	err = r.list(func(i int) error {
		k, err := r.peek()
		if err != nil {
			return err
		}
		l.given++
		switch {
		case l.given > limit:
			_, err = r.skip()
			return err
		case k == kindString:
			text, err := r.str()
			l.texts = append(l.texts, text)
			return err
		case k == kindObject && objects:
			l.texts = append(l.texts, "")
			l.objects[i], err = r.skip()
			return err
		case objects:
			return wrongType(at(field, i), "a string or an object", k)
		}
		return wrongType(at(field, i), "a string", k)
	})
	return l, err
}

// resolve makes texts of the documents that are objects.
func (l *documentList) resolve(field string, rankFields []string) error {
	if len(rankFields) == 0 {
		rankFields = []string{"text"}
	}
	for i := range l.texts {
		object, is := l.objects[i]
		if !is {
			continue
		}
		text, err := joinFields(at(field, i), object, rankFields)
		if err != nil {
			return err
		}
		l.texts[i] = text
	}
	return nil
}

// joinFields returns the values of the fields, in the order of that list, each once: a name that
// comes again and again would make far more text than the request has. Those that the object does
// not have are left out, but it must have one.
func joinFields(name string, object []byte, fields []string) (string, error) {
	values := make(map[string]string, len(fields))
	err := newJSONReader(object).fieldsOf(func(r *jsonReader, key string) error {
		if !slices.Contains(fields, key) {
			_, err := r.skip()
			return err
		}
		value, present, err := r.scalar(name + "." + key)
		if present {
			values[key] = value
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if len(values) == 0 {
		return "", invalid(name, "%s has none of the fields that are ranked: %q (rank_fields)", name, shorten(strings.Join(fields, ", ")))
	}
	var parts []string
	for _, field := range fields {
		if value, ok := values[field]; ok && (value != "" || len(parts) > 0) {
			parts = append(parts, value)
		}
		delete(values, field)
	}
	return strings.Join(parts, "\n"), nil
}

func (r *jsonReader) fieldsOf(each func(r *jsonReader, key string) error) error {
	return r.object(func(key string) error { return each(r, key) })
}

// scalar takes a string, number or boolean as text, or a null as absent.
func (r *jsonReader) scalar(field string) (text string, present bool, err error) {
	k, err := r.peek()
	if err != nil {
		return "", false, err
	}
	switch k {
	case kindString:
		text, err = r.str()
		return text, true, err
	case kindNumber, kindBool:
		raw, err := r.skip()
		return string(raw), true, err
	case kindNull:
		return "", false, r.literal("null")
	}
	return "", false, wrongType(field, "a string, a number or a boolean", k)
}

// rerank checks a decoded request, calls its model, and returns the name to answer with.
func (s *Server) rerank(ctx context.Context, x *call, r *reranking, field string, l *documentList) (string, models.RerankResult, error) {
	var none models.RerankResult
	if err := s.checkReranking(r, field, l); err != nil {
		return "", none, err
	}
	x.event.Items = l.given
	entry, err := x.admit(ctx, r.model, models.TaskRerank, estimateRerank(r.query, l.texts))
	if err != nil {
		return "", none, err
	}
	model, err := entry.Reranker()
	if err != nil {
		return "", none, err
	}
	result, err := model.Rerank(ctx, models.RerankRequest{
		Query:           r.query,
		Documents:       l.texts,
		Raw:             r.rawScores,
		Truncate:        r.truncation.mode(),
		MaxTokensPerDoc: r.maxTokens,
		Caller:          x.caller(),
		Extra:           r.extra,
	})
	x.note(result.Usage, result.Timing) // as far as a failure knows them
	if err != nil {
		return "", none, err
	}
	if err := checkScores(result.Scores, len(l.texts)); err != nil {
		return "", none, err
	}
	x.served(result.Usage, result.Timing)
	return nameOf(r.model, entry), result, nil
}

func (s *Server) checkReranking(r *reranking, field string, l *documentList) error {
	if r.query == "" {
		return empty("query", "query is missing or empty")
	}
	if l.given == 0 {
		return empty(field, "%s is missing or empty: give at least one", field)
	}
	if err := checkCount(field, l.given, s.options.MaxDocuments, "server.max_documents"); err != nil {
		return err
	}
	return l.resolve(field, r.rankFields)
}

// ranked is the documents' indices by score, ties by index, and no more than were asked for.
func (r *reranking) ranked(scores []float32) []int {
	order := ordered(scores)
	limit := r.topN
	if limit == 0 {
		limit = r.topK
	}
	if limit > 0 && limit < len(order) {
		order = order[:limit]
	}
	return order
}

func appendReranking(b []byte, model string, r *reranking, result models.RerankResult) []byte {
	order := r.ranked(result.Scores)
	b = slices.Grow(b, 512+128*len(order))
	b = append(b, `{"id":"`...)
	b = append(b, uuid.NewString()...)
	b = append(b, `","object":"rerank","model":`...)
	b = appendString(b, model)
	b = append(b, `,"results":`...)
	b = appendRanking(b, order, result.Scores, r.documents.texts, r.returnDocuments)
	b = append(b, `,"data":`...)
	b = appendRanking(b, order, result.Scores, nil, false)
	units := (len(result.Scores) + documentsPerSearchUnit - 1) / documentsPerSearchUnit
	b = fmt.Appendf(b, `,"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":%d},"score_kind":`, units)
	b = appendString(b, string(result.Kind))
	b = append(b, `},"usage":`...)
	b = appendUsage(b, result.Usage)
	return append(b, '}')
}

func appendRanking(b []byte, order []int, scores []float32, texts []string, withText bool) []byte {
	b = append(b, '[')
	for n, i := range order {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"relevance_score":`...)
		b = appendFloat(b, scores[i])
		if withText {
			b = append(b, `,"document":{"text":`...)
			b = appendString(b, texts[i])
			b = append(b, '}')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
