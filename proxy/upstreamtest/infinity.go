package upstreamtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// infinity plays Infinity: several models, each for one task.
type infinity struct{ f *Fake }

// infinityCharacters is how long one text may be.
const infinityCharacters = 122_880

func (n *infinity) routes() map[string]route {
	return map[string]route{
		"GET /health":      {do: n.health, has: hasHealth},
		"GET /metrics":     {do: n.metrics},
		"GET /models":      {do: n.models},
		"POST /embeddings": {do: n.embed, has: hasRows | hasIndex | hasVector},
		"POST /rerank":     {do: n.rerank, has: hasRows | hasIndex},
		"POST /classify":   {do: n.classify, has: hasRows},
	}
}

func (n *infinity) open(path string) bool { return path == "/health" || path == "/metrics" }

func (n *infinity) decorate(h http.Header) { h.Set("Server", "uvicorn") }

func (n *infinity) missing(methods []string) answer { return fastAPIMissing(methods) }

func (n *infinity) oversized() answer {
	return jsonf(http.StatusRequestEntityTooLarge, `{"detail":"Request body too large"}`)
}

func (n *infinity) fault(x *exchange, name FaultName) (answer, bool) {
	model := n.f.options.Models[0].Name
	switch name {
	case EngineDead:
		if x.r != nil && x.r.Method == http.MethodGet {
			return n.health(x), true // it never looks at engines
		}
		return refuseInfinity(http.StatusInternalServerError, "InternalServerError: engine is not running"), true
	case Overloaded:
		return refuseInfinity(http.StatusTooManyRequests, "model "+model+" is currently overloaded"), true
	case UnknownModel:
		return n.unknown("missing"), true
	case NoRoute:
		return n.incapable(model, "rerank", Embed), true
	case BadKey:
		return jsonf(http.StatusUnauthorized, `{"detail":"Unauthorized"}`).with("WWW-Authenticate", "Bearer"), true
	case BatchTooLarge:
		limit := n.f.options.MaxItems
		p := &pydantic{loc: []string{`"body"`}}
		p.count(2*limit, limit, nil, "documents")
		return answered(http.StatusUnprocessableEntity, jsonType, p.detail()), true
	default:
		return answer{}, false
	}
}

func refuseInfinity(status int, message string) answer {
	return jsonf(status, `{"error":{"message":%s,"type":null,"param":null,"code":%d}}`, quote(message), status)
}

func (n *infinity) unknown(name string) answer {
	var names []string
	for _, m := range n.f.options.Models {
		names = append(names, "'"+m.Name+"'")
	}
	return refuseInfinity(http.StatusBadRequest, fmt.Sprintf("Invalid model: Engine for model name `%s` not found. Available model names are dict_keys([%s])", name, strings.Join(names, ", ")))
}

func (n *infinity) incapable(name, what string, has Task) answer {
	base, _, _ := strings.Cut(what, "`")
	return refuseInfinity(http.StatusBadRequest, fmt.Sprintf("ModelNotDeployedError: model=`%s` does not support `%s`. Reason: the loaded moded cannot fullyfill `%s`. Options are {'%s'}.", name, strings.TrimSuffix(what, "`"), base, has))
}

func (n *infinity) health(*exchange) answer {
	return jsonf(http.StatusOK, `{"unix":1795299386.5259924}`)
}

func (n *infinity) metrics(*exchange) answer {
	return textf(http.StatusOK, "# HELP http_requests_total Total number of requests.\n# TYPE http_requests_total counter\nhttp_requests_total %d\n", n.f.Stats().Requests)
}

func (n *infinity) models(*exchange) answer {
	body := []byte(`{"data":[`)
	for i, m := range n.f.options.Models {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"id":%s,"stats":{"queue_fraction":0.0,"queue_absolute":0,"results_pending":0,"batch_size":32},"object":"model","owned_by":"infinity","created":1795299386,"backend":"torch","capabilities":[%q]}`, quote(m.Name), m.Task)
	}
	return answered(http.StatusOK, jsonType, append(body, `],"object":"list"}`...))
}

// resolve finds the model of a request; a server with one model takes any name.
func (n *infinity) resolve(p *pydantic, task Task, what string) (Model, *answer) {
	if bad := findBadText(p.x.body); bad != nil {
		a := jsonf(http.StatusBadRequest, `{"detail":"There was an error parsing the body"}`)
		if bad.surrogate {
			a = textf(http.StatusInternalServerError, "Internal Server Error")
		}
		return Model{}, &a
	}
	name := p.text("model", false)
	if name == "" {
		name = "default/not-specified"
	}
	if len(p.problems) > 0 {
		a := answered(http.StatusUnprocessableEntity, jsonType, p.detail())
		return Model{}, &a
	}
	models := n.f.options.Models
	at := slices.IndexFunc(models, func(m Model) bool { return m.Name == name })
	if at < 0 && len(models) > 1 {
		a := n.unknown(name)
		return Model{}, &a
	}
	m := models[max(at, 0)]
	if m.Task != task {
		a := n.incapable(name, what, m.Task)
		return Model{}, &a
	}
	return m, nil
}

// usage counts characters, or tokens without the special ones.
func (n *infinity) usage(texts ...string) int {
	total := 0
	for _, text := range texts {
		if n.f.options.LengthsViaTokenize {
			total += len(n.f.words.split(text))
		} else {
			total += len([]rune(text))
		}
	}
	return total
}

// tail ends an envelope.
func (n *infinity) tail(b []byte, m Model, usage int) []byte {
	return fmt.Appendf(b, `,"model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d},"id":"infinity-%s","created":1795299386}`, quote(m.Name), usage, usage, "3d617a6a-ebf8-4770-ab2b-9499e6164f14")
}

// input reads a text or a list of them, without the white space around.
func (n *infinity) input(p *pydantic) []string {
	raw, is := p.need("input")
	if !is {
		return nil
	}
	const asList, asText = "list[constrained-str]", "constrained-str"
	if text, is := as[string](raw); is {
		if len([]rune(text)) > infinityCharacters {
			p.add("list_type", p.at("input", asList), "Input should be a valid list", compact(raw), "")
			p.tooLong(compact(raw), "input", asText)
		}
		return []string{strings.TrimSpace(text)}
	}
	found := len(p.problems)
	var texts []string
	if list, is := items(raw); is {
		texts = n.trimmed(p, list, raw, "input", asList)
	} else {
		p.add("list_type", p.at("input", asList), "Input should be a valid list", compact(raw), "")
	}
	if len(p.problems) > found {
		p.add("string_type", p.at("input", asText), "Input should be a valid string", compact(raw), "")
	}
	return texts
}

func (n *infinity) trimmed(p *pydantic, list []json.RawMessage, raw []byte, at ...any) []string {
	texts := p.listOfTexts(list, raw, at...)
	if len(list) > 0 {
		p.count(len(list), n.f.options.MaxItems, raw, at...)
	}
	for i := range texts {
		if len([]rune(texts[i])) > infinityCharacters {
			p.tooLong(compact(list[i]), append(slices.Clone(at), i)...)
		}
		texts[i] = strings.TrimSpace(texts[i])
	}
	return texts
}

func (p *pydantic) tooLong(input string, at ...any) {
	p.add("string_too_long", p.at(at...), fmt.Sprintf("String should have at most %d characters", infinityCharacters), input, fmt.Sprintf(`{"max_length":%d}`, infinityCharacters))
}

// list reads a list of texts.
func (n *infinity) list(p *pydantic, name string) []string {
	raw, is := p.need(name)
	if !is {
		return nil
	}
	list, is := items(raw)
	if !is {
		p.add("list_type", p.at(name), "Input should be a valid list", compact(raw), "")
		return nil
	}
	return n.trimmed(p, list, raw, name)
}

func (n *infinity) embed(x *exchange) answer {
	p := readPydantic(x, "body", "text")
	texts := n.input(p)
	base64 := p.choice("encoding_format", "float", "base64") == "base64"
	dimensions := p.integer("dimensions", 0)
	m, bad := n.resolve(p, Embed, "embed` for modality `text")
	switch {
	case bad != nil:
		return *bad
	case dimensions > m.Dimensions:
		return refuseInfinity(http.StatusBadRequest, fmt.Sprintf("<class 'infinity_emb.primitives.MatryoshkaDimError'> -> matryoshka_dim=%d is not in a valid range. Select between 1 and %d.", dimensions, m.Dimensions))
	}
	if not := x.work(len(texts)); not != nil {
		return *not
	}
	rows := make([]row, len(texts))
	for i, text := range texts {
		list := cut(ids(n.f.words.encode(text)), m.MaxLength, false)
		rows[i] = row{index: i, vector: n.f.embed(m, list, dimensions, true)}
	}
	one := wide.appendVector
	if base64 {
		one = appendBase64
	}
	body := list([]byte(`{"object":"list","data":`), x.rows(rows), func(b []byte, r row) []byte {
		b = append(b, `{"object":"embedding","embedding":`...)
		return fmt.Appendf(one(b, r), `,"index":%d}`, r.index)
	})
	return answered(http.StatusOK, jsonType, n.tail(body, m, n.usage(texts...)))
}

func (n *infinity) rerank(x *exchange) answer {
	p := readPydantic(x, "body")
	query := p.text("query", true)
	documents := n.list(p, "documents")
	with, raw := p.boolean("return_documents", false), p.boolean("raw_scores", false)
	topN := p.positive("top_n")
	m, bad := n.resolve(p, Rerank, "rerank")
	if bad != nil {
		return *bad
	}
	if not := x.work(len(documents)); not != nil {
		return *not
	}
	rows := make([]row, len(documents))
	for i, document := range documents {
		pair := n.f.pairOf(query, document)
		pair.raw = raw
		rows[i] = row{index: i, score: pair.fit(m).score(), text: document}
	}
	body := list([]byte(`{"object":"rerank","results":`), x.rows(top(ranked(rows), topN)), func(b []byte, r row) []byte {
		b = wide.appendScore(append(b, `{"relevance_score":`...), r)
		document := "null"
		if with {
			document = quote(r.text)
		}
		return fmt.Appendf(b, `,"index":%d,"document":%s}`, r.index, document)
	})
	usage := len(documents)*n.usage(query) + n.usage(documents...)
	return answered(http.StatusOK, jsonType, n.tail(body, m, usage))
}

// positive reads an optional integer above 0; 0: none.
func (p *pydantic) positive(name string) int {
	n := p.integer(name, -1<<31)
	if f, is := p.given(name); is && n < 1 {
		p.add("greater_than", p.at(name), "Input should be greater than 0", compact(f.raw), `{"gt":0}`)
	}
	return n
}

func (n *infinity) classify(x *exchange) answer {
	p := readPydantic(x, "body")
	texts := n.list(p, "input")
	m, bad := n.resolve(p, Classify, "classify")
	if bad != nil {
		return *bad
	}
	if not := x.work(len(texts)); not != nil {
		return *not
	}
	rows := make([]row, len(texts))
	for i, text := range texts {
		scores := labelLogits(m.Labels, cut(ids(n.f.words.encode(text)), m.MaxLength, false))
		for j := range scores {
			scores[j] = sigmoid(scores[j])
		}
		rows[i] = row{index: i, labels: sorted(m.Labels, scores)}
	}
	body := list([]byte(`{"object":"classify","data":`), x.rows(rows), wide.appendLabels)
	return answered(http.StatusOK, jsonType, n.tail(body, m, n.usage(texts...)))
}
