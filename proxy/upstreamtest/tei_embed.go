package upstreamtest

import (
	"fmt"
	"net/http"
	"strconv"
)

// work is what TEI's headers tell of a request.
type teiWork struct {
	characters, tokens int
}

func (w teiWork) on(a answer) answer {
	for name, value := range map[string]string{
		"X-Compute-Type":       "gpu+optimized",
		"X-Compute-Time":       "2",
		"X-Compute-Characters": strconv.Itoa(w.characters),
		"X-Compute-Tokens":     strconv.Itoa(w.tokens),
		"X-Total-Time":         "2",
		"X-Tokenization-Time":  "0",
		"X-Queue-Time":         "0",
		"X-Inference-Time":     "2",
	} {
		a.header.Set(name, value)
	}
	return a
}

// teiEmbed is a request for vectors, read and not yet checked.
type teiEmbed struct {
	inputs     []input
	single     bool
	truncate   bool
	left       bool
	prompt     string
	unit       bool
	dimensions int // -1: all
}

// common reads what the routes for vectors share.
func (t *tei) common(b *teiBody, field string) (teiEmbed, *answer) {
	e := teiEmbed{unit: true, dimensions: -1}
	e.inputs, e.single = b.inputs(field)
	e.truncate = t.truncate(b)
	e.left = b.left()
	if b.bad != nil {
		return e, b.bad
	}
	var bad *answer
	e.prompt, bad = t.prompt(b)
	return e, bad
}

// truncate is the request's or, if it has none, the server's.
func (t *tei) truncate(b *teiBody) bool {
	return b.boolean("truncate", !t.old && !t.f.options.NoTruncate, true)
}

// encode checks the inputs and gives their ids.
func (t *tei) encode(x *exchange, e teiEmbed) (all [][]int, w teiWork, bad *answer) {
	m := t.model()
	refuse := func(kind, message string) ([][]int, teiWork, *answer) {
		a := t.refuse(x, kind, message)
		return nil, w, &a
	}
	if limit := t.f.options.MaxItems; len(e.inputs) > limit {
		return refuse(validation, tooManyItems(len(e.inputs), limit))
	}
	switch {
	case m.Task != Embed:
		return refuse(backend, "Backend error: Model is not an embedding model")
	case e.dimensions == 0:
		return refuse(validation, "Input validation error: `dimensions` should be positive")
	case e.dimensions > m.Dimensions:
		return refuse(validation, "Input validation error: `dimensions` should be smaller than the maximum embedding dimension.")
	}
	for _, in := range e.inputs {
		if in.empty() {
			return refuse(empty, "Input validation error: `inputs` cannot be empty")
		}
		list := t.f.idsOf(in, e.prompt)
		switch {
		case len(list) == 0:
			return refuse(backend, "Backend error: the input has no tokens")
		case e.truncate:
			list = cut(list, m.MaxLength, e.left)
		case len(list) > m.MaxLength:
			return refuse(validation, tooManyTokens(m.MaxLength, len(list)))
		}
		w.characters += in.characters()
		w.tokens += len(list)
		all = append(all, list)
	}
	return all, w, x.work(len(all))
}

func (t *tei) embed(x *exchange) answer {
	b := t.body(x, "EmbedRequest", 6)
	unit := b.boolean("normalize", true, false)
	dimensions := b.dimensions()
	e, bad := t.common(b, "inputs")
	if bad != nil {
		return *bad
	}
	e.unit, e.dimensions = unit, dimensions
	all, w, bad := t.encode(x, e)
	if bad != nil {
		return *bad
	}
	body := list(nil, x.rows(t.vectors(all, e)), narrow.appendVector)
	return w.on(answered(http.StatusOK, jsonType, body))
}

func (t *tei) vectors(all [][]int, e teiEmbed) []row {
	rows := make([]row, len(all))
	for i, ids := range all {
		rows[i] = row{index: i, vector: t.f.embed(t.model(), ids, e.dimensions, e.unit)}
	}
	return rows
}

// embedAll gives a state for each token: the vector of that token and those behind it.
func (t *tei) embedAll(x *exchange) answer {
	b := t.body(x, "EmbedAllRequest", 4)
	e, bad := t.common(b, "inputs")
	if bad != nil {
		return *bad
	}
	all, w, bad := t.encode(x, e)
	if bad != nil {
		return *bad
	}
	rows := make([]row, len(all))
	for i, ids := range all {
		rows[i].index = i
		for at := range ids {
			rows[i].states = append(rows[i].states, t.f.embed(t.model(), ids[at:], 0, false))
		}
	}
	return w.on(answered(http.StatusOK, jsonType, list(nil, x.rows(rows), appendStates)))
}

func appendStates(b []byte, r row) []byte {
	b = append(b, '[')
	for i, state := range r.states {
		if i > 0 {
			b = append(b, ',')
		}
		one := row{vector: state}
		if i == 0 {
			one.literal = r.literal
		}
		b = narrow.appendVector(b, one)
	}
	return append(b, ']')
}

func (t *tei) embedSparse(x *exchange) answer {
	b := t.body(x, "EmbedSparseRequest", 4)
	if _, bad := t.common(b, "inputs"); bad != nil {
		return *bad
	}
	return t.refuse(x, backend, "Backend error: Model is not an embedding model with SPLADE pooling")
}

func (t *tei) openAI(x *exchange) answer {
	b := t.body(x, "OpenAICompatRequest", 5)
	e := teiEmbed{unit: true}
	e.inputs, e.single = b.inputs("input")
	e.truncate = !t.old && !t.f.options.NoTruncate
	e.dimensions = b.dimensions()
	one := narrow.appendVector
	if f, is := b.fields["encoding_format"]; is {
		switch v := b.asText("encoding_format", f); v {
		case "float":
		case "base64":
			one = appendBase64
		default:
			b.mismatch(fmt.Sprintf("encoding_format: unknown variant `%s`, expected `float` or `base64`", v), f.end)
		}
	}
	if b.bad != nil {
		return *b.bad
	}
	all, w, bad := t.encode(x, e)
	if bad != nil {
		return *bad
	}
	body := append([]byte(nil), `{"object":"list","data":`...)
	body = list(body, x.rows(t.vectors(all, e)), func(b []byte, r row) []byte {
		b = append(b, `{"object":"embedding","embedding":`...)
		return fmt.Appendf(one(b, r), `,"index":%d}`, r.index)
	})
	body = fmt.Appendf(body, `,"model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d}}`, quote(t.model().Name), w.tokens, w.tokens)
	return w.on(answered(http.StatusOK, jsonType, body))
}

// similarity compares a sentence with others.
func (t *tei) similarity(x *exchange) answer {
	b := t.body(x, "SimilarityRequest", 2)
	inputs, parameters := b.nested("inputs", true), b.nested("parameters", false)
	source := inputs.asText("source_sentence", inputs.need("source_sentence"))
	sentences := inputs.texts("sentences", inputs.need("sentences"))
	e := teiEmbed{truncate: t.truncate(parameters), left: parameters.left(), dimensions: -1}
	for _, part := range []*teiBody{b, inputs, parameters} {
		if part.bad != nil {
			return *part.bad
		}
	}
	prompt, bad := t.prompt(parameters)
	if bad != nil {
		return *bad
	}
	if len(sentences) == 0 {
		return t.refuse(x, empty, "`inputs.sentences` cannot be empty")
	}
	e.prompt = prompt
	for _, text := range append([]string{source}, sentences...) {
		e.inputs = append(e.inputs, input{text: text})
	}
	all, w, bad := t.encode(x, e)
	if bad != nil {
		return *bad
	}
	rows := t.vectors(all, e)
	for i := range rows {
		rows[i].score = cosine(rows[0].vector, rows[i].vector)
	}
	return w.on(answered(http.StatusOK, jsonType, list(nil, x.rows(rows[1:]), narrow.appendScore)))
}

// nested reads an object inside a body.
func (b *teiBody) nested(name string, needed bool) *teiBody {
	inner := &teiBody{x: b.x, object: object{fields: map[string]field{}}}
	f, is := b.given(name)
	if needed && !is {
		b.need(name)
	}
	if !is || b.bad != nil {
		return &teiBody{x: b.x, bad: b.bad}
	}
	o, err := parseObject(f.raw, true)
	if err != nil {
		b.mismatch(fmt.Sprintf("%s: invalid type: %s, expected a struct", name, rustType(f.raw)), f.end)
		return inner
	}
	inner.object = o
	return inner
}
