package upstreamtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
)

// cohere plays Cohere's API: both versions of embed and of rerank.
type cohere struct{ f *Fake }

// cohereID is the id of every answer.
const cohereID = "44558cc5-318a-42ac-bf42-9b9f3c6afabd"

func (c *cohere) routes() map[string]route {
	return map[string]route{
		"GET /v1/models":  {do: c.models, has: hasHealth},
		"POST /v1/embed":  {do: c.embed, has: hasRows | hasVector},
		"POST /v2/embed":  {do: c.embed, has: hasRows | hasVector},
		"POST /v1/rerank": {do: c.rerank, has: hasRows | hasIndex},
		"POST /v2/rerank": {do: c.rerank, has: hasRows | hasIndex},
	}
}

func (c *cohere) open(string) bool { return false }

func (c *cohere) decorate(h http.Header) { h.Set("X-Debug-Trace-Id", "0123456789abcdef") }

func (c *cohere) missing(methods []string) answer {
	if len(methods) == 0 {
		return refuseCohere(http.StatusNotFound, "page not found")
	}
	return refuseCohere(http.StatusMethodNotAllowed, "method not allowed")
}

func (c *cohere) oversized() answer {
	return refuseCohere(http.StatusRequestEntityTooLarge, "request body too large")
}

func (c *cohere) fault(_ *exchange, name FaultName) (answer, bool) {
	limit := c.f.options.MaxItems
	switch name {
	case EngineDead:
		return refuseCohere(http.StatusInternalServerError, "internal server error, this has been reported to our developers. id "+cohereID), true
	case Overloaded:
		return refuseCohere(http.StatusTooManyRequests, "You are using a Trial key, which is limited to 40 API calls / minute."), true
	case UnknownModel:
		return unknownCohere("missing"), true
	case NoRoute:
		return c.missing(nil), true
	case BadKey:
		return refuseCohere(http.StatusUnauthorized, "invalid api token"), true
	case Forbidden:
		return refuseCohere(http.StatusForbidden, "your API token does not have access to this endpoint"), true
	case TooLong:
		return tooLongCohere(0, 2*defaultMaxLength, defaultMaxLength), true
	case BatchTooLarge:
		return tooManyCohere(2*limit, limit), true
	default:
		return answer{}, false
	}
}

func refuseCohere(status int, message string) answer {
	return jsonf(status, `{"id":%q,"message":%s}`, cohereID, quote(message))
}

func badCohere(format string, args ...any) *answer {
	a := refuseCohere(http.StatusBadRequest, fmt.Sprintf("invalid request: "+format, args...))
	return &a
}

func unknownCohere(name string) answer {
	return refuseCohere(http.StatusNotFound, fmt.Sprintf("model '%s' not found, make sure the correct model ID was used and that you have access to the model.", name))
}

func tooLongCohere(item, given, limit int) answer {
	return refuseCohere(http.StatusBadRequest, fmt.Sprintf("too many tokens: text %d has %d tokens, and the model takes %d. Try using a shorter text, or enable truncating.", item, given, limit))
}

func tooManyCohere(given, limit int) answer {
	return *badCohere("total number of texts must be at most %d - received %d", limit, given)
}

func (c *cohere) models(*exchange) answer {
	body := []byte(`{"models":[`)
	for i, m := range c.f.options.Models {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"name":%s,"endpoints":[%q],"finetuned":false,"context_length":%d,"tokenizer_url":"","default_endpoints":[]}`, quote(m.Name), m.Task, m.MaxLength)
	}
	return answered(http.StatusOK, jsonType, append(body, "]}"...))
}

// read checks a body's form; fields that are not known are refused.
func (c *cohere) read(x *exchange, known ...string) (object, *answer) {
	o, err := parseObject(x.body, false)
	var wrong *bodyError
	if errors.As(err, &wrong) {
		return o, badCohere("invalid request body")
	}
	for _, name := range o.names {
		if !c.f.options.AnyField && !slices.Contains(known, name) {
			a := refuseCohere(http.StatusUnprocessableEntity, fmt.Sprintf("unknown field: parameter '%s' is not a valid field.", name))
			return o, &a
		}
	}
	return o, nil
}

// model finds the model that a body names, which must be for a task.
func (c *cohere) model(o object, task Task) (Model, *answer) {
	name, is := as[string](o.fields["model"].raw)
	if !is || name == "" {
		return Model{}, badCohere("model is required")
	}
	m, is := c.f.model(name, task)
	if !is {
		a := unknownCohere(name)
		return m, &a
	}
	if m.Task != task {
		return m, badCohere("model '%s' is not compatible with %s", name, task)
	}
	return m, nil
}

func isV1(x *exchange) bool { return strings.HasPrefix(x.path, "/v1/") }

var cohereTypes = []string{"float", "int8", "uint8", "binary", "ubinary", "base64"}

// cohereEmbed is a request that has been checked.
type cohereEmbed struct {
	model      Model
	texts      []string
	all        [][]int
	tokens     int
	dimensions int
	types      []string // none: the first version's plain list
}

func (c *cohere) embed(x *exchange) answer {
	o, bad := c.read(x, "model", "texts", "input_type", "embedding_types", "truncate", "output_dimension", "max_tokens", "priority")
	if bad != nil {
		return *bad
	}
	e, bad := c.check(x, o)
	if bad != nil {
		return *bad
	}
	if not := x.work(len(e.all)); not != nil {
		return *not
	}
	rows := make([]row, len(e.all))
	for i, ids := range e.all {
		rows[i] = row{index: i, vector: c.f.embed(e.model, ids, e.dimensions, true)}
	}
	return e.write(x.rows(rows), isV1(x))
}

func (c *cohere) check(x *exchange, o object) (e cohereEmbed, bad *answer) {
	if e.model, bad = c.model(o, Embed); bad != nil {
		return e, bad
	}
	texts, is := as[[]string](o.fields["texts"].raw)
	limit := c.f.options.MaxItems
	switch {
	case !is || len(texts) == 0:
		return e, badCohere("at least one text is required")
	case len(texts) > limit:
		a := tooManyCohere(len(texts), limit)
		return e, &a
	}
	e.texts = texts
	purposes := []string{"search_document", "search_query", "classification", "clustering", "image"}
	if purpose, _ := as[string](o.fields["input_type"].raw); !slices.Contains(purposes, purpose) {
		return e, badCohere("valid input_type must be provided with the provided model")
	}
	if e.types, bad = e.readTypes(o, isV1(x)); bad != nil {
		return e, bad
	}
	if f, is := o.given("output_dimension"); is {
		n, is := as[int](f.raw)
		if !is || n < 1 || n > e.model.Dimensions || e.model.Fixed {
			return e, badCohere("output_dimension must be between 1 and %d", e.model.Dimensions)
		}
		e.dimensions = n
	}
	return e, c.encode(o, &e)
}

func (e cohereEmbed) readTypes(o object, v1 bool) ([]string, *answer) {
	f, is := o.given("embedding_types")
	if !is {
		if v1 {
			return nil, nil
		}
		return []string{"float"}, nil
	}
	types, is := as[[]string](f.raw)
	for _, name := range types {
		is = is && slices.Contains(cohereTypes, name)
	}
	if !is || len(types) == 0 {
		return nil, badCohere("embedding_types must be of %q", cohereTypes)
	}
	return types, nil
}

// encode gives the texts' ids, cut as the body says.
func (c *cohere) encode(o object, e *cohereEmbed) *answer {
	how := "END"
	if f, is := o.given("truncate"); is {
		how, _ = as[string](f.raw)
		if !slices.Contains([]string{"NONE", "START", "END"}, how) {
			return badCohere("truncate must be one of NONE, START, END")
		}
	}
	for i, text := range e.texts {
		list := ids(c.f.words.encode(text))
		if how == "NONE" && len(list) > e.model.MaxLength {
			a := tooLongCohere(i, len(list), e.model.MaxLength)
			return &a
		}
		list = cut(list, e.model.MaxLength, how == "START")
		e.tokens += len(list)
		e.all = append(e.all, list)
	}
	return nil
}

func (e cohereEmbed) write(rows []row, v1 bool) answer {
	body := fmt.Appendf(nil, `{"id":%q,"embeddings":`, cohereID)
	kind, version := "embeddings_by_type", "2"
	if e.types == nil {
		kind = "embeddings_floats"
		body = list(body, rows, narrow.appendVector)
	} else {
		for i, name := range e.types {
			body = append(body, "{,"[min(i, 1)])
			body = list(append(appendString(body, name), ':'), rows, cohereForm(name))
		}
		body = append(body, '}')
	}
	if v1 {
		version = "1"
	}
	body = append(body, `,"texts":`...)
	body = list(body, rowsOf(e.texts), func(b []byte, r row) []byte { return appendString(b, r.text) })
	body = fmt.Appendf(body, `,"meta":{"api_version":{"version":%q},"billed_units":{"input_tokens":%d}},"response_type":%q}`, version, e.tokens, kind)
	return answered(http.StatusOK, jsonType, body)
}

// cohereForm is how a vector of a type is written.
func cohereForm(name string) func([]byte, row) []byte {
	switch name {
	case "float":
		return narrow.appendVector
	case "base64":
		return appendBase64
	default:
		return func(b []byte, r row) []byte {
			whole, _ := json.Marshal(quantized(r.vector, name))
			return append(b, whole...)
		}
	}
}

// quantized makes a vector small: a byte for each number, or a bit.
func quantized(vector []float32, name string) []int {
	shift := map[string]int{"uint8": 128, "binary": -128}[name]
	var whole []int
	if name == "int8" || name == "uint8" {
		for _, x := range vector {
			whole = append(whole, int(math.Round(float64(x)*127))+shift)
		}
		return whole
	}
	for bits := range slices.Chunk(vector, 8) {
		packed := 0
		for i, x := range bits {
			if x > 0 {
				packed |= 0x80 >> i
			}
		}
		whole = append(whole, packed+shift)
	}
	return whole
}

func (c *cohere) rerank(x *exchange) answer {
	v1 := isV1(x)
	known := []string{"model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"}
	if v1 {
		known = []string{"model", "query", "documents", "top_n", "return_documents", "rank_fields", "max_chunks_per_doc", "max_tokens_per_doc"}
	}
	o, bad := c.read(x, known...)
	if bad != nil {
		return *bad
	}
	m, bad := c.model(o, Rerank)
	if bad != nil {
		return *bad
	}
	query, is := as[string](o.fields["query"].raw)
	documents, good := cohereDocuments(o.fields["documents"].raw, v1)
	topN, counted := as[int](o.fields["top_n"].raw)
	switch f, given := o.given("top_n"); {
	case !is || query == "":
		return *badCohere("query must not be empty")
	case !good:
		return *badCohere("documents must be a list of strings")
	case len(documents) == 0:
		return *badCohere("list of documents must not be empty")
	case given && (!counted || topN < 1):
		return *badCohere("top_n must be at least 1, not %s", f.raw)
	}
	if not := x.work(len(documents)); not != nil {
		return *not
	}
	perDoc, _ := as[int](o.fields["max_tokens_per_doc"].raw)
	with, _ := as[bool](o.fields["return_documents"].raw)
	rows := c.scores(m, query, documents, perDoc)
	return writeCohereRanks(x.rows(top(ranked(rows), topN)), v1, with)
}

// scores never fails for length: Cohere cuts.
func (c *cohere) scores(m Model, query string, documents []string, perDoc int) []row {
	rows := make([]row, len(documents))
	for i, document := range documents {
		p := c.f.pairOf(query, document)
		if perDoc > 0 {
			p.document = cut(p.document, perDoc, false)
		}
		rows[i] = row{index: i, score: p.fit(m).score(), text: document}
	}
	return rows
}

// cohereDocuments reads strings; the first version takes {"text": …} too.
func cohereDocuments(raw json.RawMessage, objects bool) ([]string, bool) {
	list, is := items(raw)
	var documents []string
	for _, item := range list {
		text, good := as[string](item)
		if o, isObject := as[map[string]string](item); !good && objects && isObject {
			text, good = o["text"], true
		}
		is = is && good
		documents = append(documents, text)
	}
	return documents, is
}

func writeCohereRanks(rows []row, v1, with bool) answer {
	body := list(fmt.Appendf(nil, `{"id":%q,"results":`, cohereID), rows, func(b []byte, r row) []byte {
		b = append(b, '{')
		if with {
			b = fmt.Appendf(b, `"document":{"text":%s},`, quote(r.text))
		}
		b = fmt.Appendf(b, `"index":%d,"relevance_score":`, r.index)
		return append(narrow.appendScore(b, r), '}')
	})
	version := `"2","is_experimental":false`
	if v1 {
		version = `"1"`
	}
	body = fmt.Appendf(body, `,"meta":{"api_version":{"version":%s},"billed_units":{"search_units":1}}}`, version)
	return answered(http.StatusOK, jsonType, body)
}
