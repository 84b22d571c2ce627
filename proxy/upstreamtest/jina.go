package upstreamtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// jina plays Jina's API.
type jina struct{ f *Fake }

func (j *jina) routes() map[string]route {
	return map[string]route{
		"POST /v1/embeddings": {do: j.embed, has: hasRows | hasIndex | hasVector},
		"POST /v1/rerank":     {do: j.rerank, has: hasRows | hasIndex},
	}
}

func (j *jina) open(string) bool { return false }

func (j *jina) decorate(h http.Header) { h.Set("Server", "uvicorn") }

func (j *jina) missing(methods []string) answer { return fastAPIMissing(methods) }

func (j *jina) oversized() answer {
	return refuseJina(http.StatusRequestEntityTooLarge, "Request Entity Too Large")
}

func (j *jina) fault(_ *exchange, name FaultName) (answer, bool) {
	limit := j.f.options.MaxItems
	switch name {
	case EngineDead:
		return refuseJina(http.StatusInternalServerError, "Internal Server Error"), true
	case Overloaded:
		return refuseJina(http.StatusTooManyRequests, "Rate limit exceeded: 500 requests per minute"), true
	case UnknownModel:
		return j.unknown("missing"), true
	case NoRoute:
		return j.missing(nil), true
	case BadKey:
		return refuseJina(http.StatusUnauthorized, "Authentication failed: the API key is invalid or has expired"), true
	case Forbidden:
		return refuseJina(http.StatusForbidden, "Access denied for this API key"), true
	case TooLong:
		return tooLongJina(2*defaultMaxLength, defaultMaxLength), true
	case BatchTooLarge:
		return tooManyJina(limit), true
	default:
		return answer{}, false
	}
}

func refuseJina(status int, detail string) answer {
	return jsonf(status, `{"detail":%s}`, quote(detail))
}

// badJina is a failed validation, with the id that all have.
func badJina(status int, format string, args ...any) *answer {
	a := refuseJina(status, "[RID: ec422fa8b74c3c20b493406ac1388555] "+fmt.Sprintf(format, args...))
	return &a
}

func (j *jina) unknown(name string) answer {
	var names []string
	for _, m := range j.f.options.Models {
		names = append(names, "'"+m.Name+"'")
	}
	return *badJina(http.StatusUnprocessableEntity, "Validation error: 'body' Input tag '%s' found using 'model' does not match any of the expected tags: %s", name, strings.Join(names, ", "))
}

func tooLongJina(given, limit int) answer {
	return *badJina(http.StatusBadRequest, "Single text cannot exceed %d tokens. %d tokens given.", limit, given)
}

func tooManyJina(limit int) answer {
	return *badJina(http.StatusBadRequest, "Validation error: 'body' Each input list can contain at most %d items.. Field errors: : Invalid value", limit)
}

// read checks a body's form and its model.
func (j *jina) read(x *exchange, task Task) (object, Model, *answer) {
	o, err := parseObject(x.body, false)
	var wrong *bodyError
	if errors.As(err, &wrong) || !x.isJSON() {
		return o, Model{}, badJina(http.StatusUnprocessableEntity, "Validation error: 'body' JSON decode error")
	}
	name, is := as[string](o.fields["model"].raw)
	if !is || name == "" {
		return o, Model{}, badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> model' Field required")
	}
	m, is := j.f.model(name, task)
	if !is || m.Task != task {
		a := j.unknown(name)
		return o, m, &a
	}
	return o, m, nil
}

// jinaTexts reads a text or a list of texts or {"text": …}.
func jinaTexts(raw json.RawMessage) ([]string, bool) {
	if text, is := as[string](raw); is {
		return []string{text}, true
	}
	return cohereDocuments(raw, true)
}

// jinaTasks are what texts may be for.
var jinaTasks = []string{"retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"}

func (j *jina) embed(x *exchange) answer {
	o, m, bad := j.read(x, Embed)
	if bad != nil {
		return *bad
	}
	texts, is := jinaTexts(o.fields["input"].raw)
	limit := j.f.options.MaxItems
	switch {
	case !is || len(texts) == 0:
		return *badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> input' Input should be a valid string or list")
	case len(texts) > limit:
		return tooManyJina(limit)
	}
	form, bad := j.form(o)
	if bad != nil {
		return *bad
	}
	dimensions, is := as[int](o.fields["dimensions"].raw)
	if _, given := o.given("dimensions"); given && (!is || dimensions < 1 || dimensions > m.Dimensions) {
		return *badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> dimensions' Input should be between 1 and %d", m.Dimensions)
	}
	if task, _ := as[string](o.fields["task"].raw); task != "" && !slices.Contains(jinaTasks, task) {
		return *badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> task' Input should be '%s'", strings.Join(jinaTasks, "', '"))
	}
	all, tokens, bad := j.encode(o, m, texts)
	if bad != nil {
		return *bad
	}
	if not := x.work(len(all)); not != nil {
		return *not
	}
	unit, given := as[bool](o.fields["normalized"].raw)
	rows := make([]row, len(all))
	for i, ids := range all {
		rows[i] = row{index: i, vector: j.f.embed(m, ids, dimensions, unit || !given)}
	}
	body := fmt.Appendf(nil, `{"model":%s,"object":"list","usage":{"total_tokens":%d,"prompt_tokens":%d},"data":`, quote(m.Name), tokens, tokens)
	body = list(body, x.rows(rows), func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"object":"embedding","index":%d,"embedding":`, r.index)
		return append(form(b, r), '}')
	})
	return answered(http.StatusOK, jsonType, append(body, '}'))
}

// form reads embedding_type, or encoding_format, which is taken too.
func (j *jina) form(o object) (func([]byte, row) []byte, *answer) {
	for _, field := range []string{"embedding_type", "encoding_format"} {
		f, is := o.given(field)
		if !is {
			continue
		}
		switch name, _ := as[string](f.raw); name {
		case "float", "base64", "binary", "ubinary":
			return cohereForm(name), nil
		default:
			return nil, badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> %s' Input should be 'float', 'base64', 'binary' or 'ubinary'", field)
		}
	}
	return narrow.appendVector, nil
}

// encode gives the texts' ids; Jina cuts only when it is told to.
func (j *jina) encode(o object, m Model, texts []string) (all [][]int, tokens int, bad *answer) {
	truncate, _ := as[bool](o.fields["truncate"].raw)
	for _, text := range texts {
		list := ids(j.f.words.encode(text))
		if len(list) > m.MaxLength && !truncate {
			a := tooLongJina(len(list), m.MaxLength)
			return nil, 0, &a
		}
		list = cut(list, m.MaxLength, false)
		tokens += len(list)
		all = append(all, list)
	}
	return all, tokens, nil
}

func (j *jina) rerank(x *exchange) answer {
	o, m, bad := j.read(x, Rerank)
	if bad != nil {
		return *bad
	}
	query, is := as[string](o.fields["query"].raw)
	documents, good := cohereDocuments(o.fields["documents"].raw, true)
	limit := j.f.options.MaxItems
	switch {
	case !is:
		return *badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> query' Field required")
	case !good || len(documents) == 0:
		return *badJina(http.StatusUnprocessableEntity, "Validation error: 'body -> documents' Input should be a valid list of at least 1 item")
	case len(documents) > limit:
		return tooManyJina(limit)
	}
	if not := x.work(len(documents)); not != nil {
		return *not
	}
	topN, _ := as[int](o.fields["top_n"].raw)
	with, given := as[bool](o.fields["return_documents"].raw)
	with = with || !given
	rows, tokens := make([]row, len(documents)), 0
	for i, document := range documents {
		p := j.f.pairOf(query, document).fit(m)
		tokens += p.length()
		rows[i] = row{index: i, score: p.score(), text: document}
	}
	body := fmt.Appendf(nil, `{"model":%s,"object":"list","usage":{"total_tokens":%d},"results":`, quote(m.Name), tokens)
	body = list(body, x.rows(top(ranked(rows), topN)), func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,"relevance_score":`, r.index)
		b = wide.appendScore(b, r)
		if with {
			b = fmt.Appendf(b, `,"document":{"text":%s}`, quote(r.text))
		}
		return append(b, '}')
	})
	return answered(http.StatusOK, jsonType, append(body, '}'))
}
