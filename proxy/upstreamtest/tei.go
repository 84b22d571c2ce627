package upstreamtest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// tei plays text-embeddings-inference: one model, whose task decides which routes work.
type tei struct {
	f   *Fake
	old bool // before 1.9
}

func (t *tei) routes() map[string]route {
	health := route{do: t.health, has: hasHealth}
	routes := map[string]route{
		"GET /health":         health,
		"GET /":               health,
		"GET /ping":           health,
		"GET /metrics":        {do: t.metrics},
		"GET /info":           {do: t.info},
		"POST /embed":         {do: t.embed, has: hasRows | hasVector},
		"POST /embed_all":     {do: t.embedAll, has: hasRows | hasVector},
		"POST /embed_sparse":  {do: t.embedSparse},
		"POST /rerank":        {do: t.rerank, has: hasRows | hasIndex},
		"POST /predict":       {do: t.predict, has: hasRows},
		"POST /similarity":    {do: t.similarity, has: hasRows},
		"POST /tokenize":      {do: t.tokenize},
		"POST /decode":        {do: t.decode},
		"POST /v1/embeddings": {do: t.openAI, has: hasRows | hasIndex | hasVector},
		"POST /embeddings":    {do: t.openAI, has: hasRows | hasIndex | hasVector},
	}
	usual := map[Task]string{Embed: "POST /embed", Rerank: "POST /rerank", Classify: "POST /predict"}
	routes["POST /"] = routes[usual[t.model().Task]]
	routes["POST /invocations"] = routes["POST /"]
	return routes
}

func (t *tei) model() Model { return t.f.options.Models[0] }

func (t *tei) open(path string) bool {
	return slices.Contains([]string{"/", "/health", "/ping", "/metrics"}, path)
}

func (t *tei) decorate(h http.Header) {
	h.Set("Vary", "origin, access-control-request-method, access-control-request-headers")
	h.Set("Access-Control-Allow-Origin", "*")
}

func (t *tei) missing(methods []string) answer {
	if len(methods) == 0 {
		return answered(http.StatusNotFound, "", nil)
	}
	return answered(http.StatusMethodNotAllowed, "", nil).with("Allow", strings.Join(methods, ","))
}

func (t *tei) oversized() answer {
	return textf(http.StatusRequestEntityTooLarge, "Failed to buffer the request body: length limit exceeded")
}

func (t *tei) fault(x *exchange, name FaultName) (answer, bool) {
	m := t.model()
	switch name {
	case EngineDead:
		if x.r != nil && x.r.Method == http.MethodGet {
			return jsonf(http.StatusServiceUnavailable, `{"error":"unhealthy","error_type":"Unhealthy"}`), true
		}
		return t.refuse(x, backend, "Backend error: the engine has stopped"), true
	case Overloaded:
		return t.refuse(x, overloaded, "Model is overloaded"), true
	case NoRoute:
		return t.refuse(x, backend, "Backend error: model is not a re-ranker model"), true
	case BadKey:
		return answered(http.StatusUnauthorized, "", nil), true
	case TooLong:
		return t.refuse(x, validation, tooManyTokens(m.MaxLength, 2*m.MaxLength)), true
	case BatchTooLarge:
		limit := t.f.options.MaxItems
		return t.refuse(x, validation, tooManyItems(2*limit, limit)), true
	default:
		return answer{}, false
	}
}

// The types of TEI's errors.
const (
	backend    = "Backend"
	overloaded = "Overloaded"
	validation = "Validation"
	empty      = "Empty"
)

func (t *tei) status(kind string) int {
	switch {
	case kind == backend:
		return http.StatusFailedDependency
	case kind == overloaded:
		return http.StatusTooManyRequests
	case kind == validation && t.old:
		return http.StatusRequestEntityTooLarge
	case kind == empty:
		return http.StatusBadRequest
	default:
		return http.StatusUnprocessableEntity
	}
}

func tooManyTokens(limit, given int) string {
	return fmt.Sprintf("Input validation error: `inputs` must have less than %d tokens. Given: %d", limit, given)
}

func tooManyItems(given, limit int) string {
	return fmt.Sprintf("batch size %d > maximum allowed batch size %d", given, limit)
}

// refuse answers with an error; OpenAI's routes have a shape of their own.
func (t *tei) refuse(x *exchange, kind, message string) answer {
	status := t.status(kind)
	if strings.HasSuffix(x.path, "/embeddings") {
		return jsonf(status, `{"message":%s,"code":%d,"type":%q}`, quote(message), status, kind)
	}
	return jsonf(status, `{"error":%s,"error_type":%q}`, quote(message), kind)
}

// teiBody is a body that is known to be an object.
type teiBody struct {
	object
	x *exchange
	// bad is the first problem found.
	bad *answer
}

// body reads a request's, as the framework under TEI does.
func (t *tei) body(x *exchange, structName string, fields int) *teiBody {
	b := &teiBody{x: x}
	if !x.isJSON() {
		b.fail(textf(http.StatusUnsupportedMediaType, "Expected request with `Content-Type: application/json`"))
		return b
	}
	var err error
	b.object, err = parseObject(x.body, true)
	var wrong *bodyError
	if !errors.As(err, &wrong) {
		b.checkText()
		return b
	}
	in := ""
	if wrong.in != "" {
		in = wrong.in + ": "
	}
	switch {
	case wrong.notObject:
		b.mismatch(fmt.Sprintf("invalid length 0, expected struct %s with %d elements", structName, fields), wrong.at)
	case wrong.twice != "":
		b.mismatch(fmt.Sprintf("duplicate field `%s`", wrong.twice), wrong.at)
	case wrong.eof:
		b.fail(textf(http.StatusBadRequest, "Failed to parse the request body as JSON: %sEOF while parsing a value %s", in, b.place(wrong.at)))
	default:
		b.fail(textf(http.StatusBadRequest, "Failed to parse the request body as JSON: %sexpected value %s", in, b.place(wrong.at)))
	}
	return b
}

func (b *teiBody) checkText() {
	bad := findBadText(b.x.body)
	if bad == nil {
		return
	}
	problem := "invalid unicode code point"
	if bad.surrogate {
		problem = "unexpected end of hex escape"
	}
	b.fail(textf(http.StatusBadRequest, "Failed to parse the request body as JSON: %s: %s %s", b.holds(bad.at), problem, b.place(bad.end)))
}

func (b *teiBody) fail(a answer) {
	if b.bad == nil {
		b.bad = &a
	}
}

// mismatch says that a value has not the type that it must have.
func (b *teiBody) mismatch(problem string, at int) {
	b.fail(textf(http.StatusUnprocessableEntity, "Failed to deserialize the JSON body into the target type: %s %s", problem, b.place(at)))
}

// place is an offset as a line and a column.
func (b *teiBody) place(at int) string {
	before := string(b.x.body[:min(at, len(b.x.body))])
	line := strings.Count(before, "\n")
	return fmt.Sprintf("at line %d column %d", line+1, len(before)-strings.LastIndexByte(before, '\n')-1)
}

// need gives a field that must be there.
func (b *teiBody) need(name string) field {
	f, is := b.fields[name]
	if !is {
		b.mismatch(fmt.Sprintf("missing field `%s`", name), b.end)
	}
	return f
}

// boolean reads an optional field; null is as good as none where orNull.
func (b *teiBody) boolean(name string, otherwise, orNull bool) bool {
	f, is := b.fields[name]
	if !is || orNull && isNull(f.raw) {
		return otherwise
	}
	v, is := as[bool](f.raw)
	if !is {
		b.mismatch(fmt.Sprintf("%s: invalid type: %s, expected a boolean", name, rustType(f.raw)), f.end)
	}
	return v
}

// text reads an optional string.
func (b *teiBody) text(name string) string {
	f, is := b.given(name)
	if !is {
		return ""
	}
	return b.asText(name, f)
}

func (b *teiBody) asText(name string, f field) string {
	v, is := as[string](f.raw)
	if !is && f.raw != nil {
		b.mismatch(fmt.Sprintf("%s: invalid type: %s, expected a string", name, rustType(f.raw)), f.end)
	}
	return v
}

// texts reads a list of strings.
func (b *teiBody) texts(name string, f field) []string {
	list, is := items(f.raw)
	if !is && f.raw != nil {
		b.mismatch(fmt.Sprintf("%s: invalid type: %s, expected a sequence", name, rustType(f.raw)), f.end)
	}
	var texts []string
	for i, item := range list {
		text, is := as[string](item)
		if !is {
			b.mismatch(fmt.Sprintf("%s[%d]: invalid type: %s, expected a string", name, i, rustType(item)), f.end)
		}
		texts = append(texts, text)
	}
	return texts
}

// rustType is how TEI's parser calls a value.
func rustType(raw []byte) string {
	switch first(raw) {
	case '{':
		return "map"
	case '[':
		return "sequence"
	case '"':
		return "string " + string(raw)
	case 't', 'f':
		return "boolean `" + string(raw) + "`"
	case 'n':
		return "null"
	default:
		return "integer `" + string(raw) + "`"
	}
}

// left reads truncation_direction.
func (b *teiBody) left() bool {
	f, is := b.fields["truncation_direction"]
	if !is {
		return false
	}
	switch v := b.asText("truncation_direction", f); v {
	case "Left", "left":
		return true
	case "Right", "right":
	default:
		b.mismatch(fmt.Sprintf("truncation_direction: unknown variant `%s`, expected one of `Left`, `left`, `Right`, `right`", v), f.end)
	}
	return false
}

// dimensions reads the field of that name; -1: not given.
func (b *teiBody) dimensions() int {
	f, is := b.given("dimensions")
	if !is {
		return -1
	}
	n, is := as[uint](f.raw)
	if !is {
		b.mismatch(fmt.Sprintf("dimensions: invalid type: %s, expected usize", rustType(f.raw)), f.end)
	}
	return int(n)
}

// inputs reads a text, ids, or a list of either; single tells which.
func (b *teiBody) inputs(name string) (list []input, single bool) {
	f := b.need(name)
	if b.bad != nil {
		return nil, false
	}
	if one, is := parseInput(f.raw, 1<<32); is {
		return []input{one}, true
	}
	raws, is := items(f.raw)
	for _, raw := range raws {
		one, good := parseInput(raw, 1<<32)
		is = is && good
		list = append(list, one)
	}
	if !is {
		b.mismatch(name+": data did not match any variant of untagged enum Input", f.end+1)
	}
	return list, false
}

// prompt gives the text of prompt_name.
func (t *tei) prompt(b *teiBody) (string, *answer) {
	name := b.text("prompt_name")
	if name == "" {
		return "", nil
	}
	prompts := t.model().Prompts
	if prompt, is := prompts[name]; is {
		return prompt, nil
	}
	// TEI calls the request's field by the name of its own setting.
	problem := "no prompts were found in the Sentence Transformers configuration"
	if len(prompts) > 0 {
		problem = fmt.Sprintf("it was not found in the Sentence Transformers prompts. Available prompts: %q", slices.Sorted(maps.Keys(prompts)))
	}
	a := t.refuse(b.x, validation, fmt.Sprintf("Input validation error: `default-prompt-name` is set to `%s` but %s", name, problem))
	return "", &a
}
