package upstreamtest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func vllmUsage(b []byte, tokens int) []byte {
	return fmt.Appendf(b, `"usage":{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":0,"prompt_tokens_details":null}`, tokens, tokens)
}

// listed answers with a list of rows in vLLM's envelope.
func (v *vllm) listed(prefix string, rows []row, tokens int, one func([]byte, row) []byte) answer {
	body := fmt.Appendf(nil, `{"id":"%s-%016x","object":"list","created":1785578400,"model":%s,"data":`, prefix, tokens, quote(v.model().Name))
	body = list(body, rows, one)
	body = vllmUsage(append(body, ','), tokens)
	return answered(http.StatusOK, jsonType, append(body, '}'))
}

// dimensions checks how long vectors are to be; 0: as they are.
func (v *vllm) dimensions(b vllmBody, field string) (int, *answer) {
	n := b.integer(field, -1<<31)
	m := v.model()
	switch _, is := b.given(field); {
	case !is:
		return 0, nil
	case m.Fixed:
		return 0, v.bad("", "Model \"%s\" does not support matryoshka representation, changing output dimensions will lead to poor results.", m.Name)
	case n < 1 || n > m.Dimensions:
		return 0, v.bad("", "Model \"%s\" only supports dimensions from 1 to %d, got %d.", m.Name, m.Dimensions, n)
	}
	return n, nil
}

func (v *vllm) vectors(all [][]int, dimensions int, unit bool) []row {
	rows := make([]row, len(all))
	for i, ids := range all {
		rows[i] = row{index: i, vector: v.f.embed(v.model(), ids, dimensions, unit)}
	}
	return rows
}

func (v *vllm) embed(x *exchange) answer {
	b := v.body(x)
	inputs := v.inputs(b, "input")
	base64 := b.choice("encoding_format", "float", "base64") == "base64"
	dimensions, bad := v.dimensions(b, "dimensions")
	if first := v.checked(b); first != nil {
		return *first
	}
	if bad != nil {
		return *bad
	}
	all, tokens, bad := v.encodeAll(b, inputs)
	if bad != nil {
		return *bad
	}
	write := wide.appendVector
	if base64 {
		write = appendBase64
	}
	return v.listed("embd", x.rows(v.vectors(all, dimensions, !b.raw)), tokens, func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,"object":"embedding","embedding":`, r.index)
		return append(write(b, r), '}')
	})
}

func (v *vllm) cohereEmbed(x *exchange) answer {
	b := v.body(x)
	texts := b.texts("texts")
	left := b.choice("truncate", "END", "START", "NONE")
	dimensions, bad := v.dimensions(b, "output_dimension")
	if first := v.checked(b); first != nil {
		return *first
	}
	if bad != nil {
		return *bad
	}
	if left != "NONE" {
		all := -1
		b.truncate, b.left = &all, left == "START"
	}
	inputs := make([]input, len(texts))
	for i, text := range texts {
		inputs[i].text = text
	}
	all, tokens, bad := v.encodeAll(b, inputs)
	if bad != nil {
		return *bad
	}
	body := fmt.Appendf(nil, `{"id":"embd-%016x","embeddings":{"float":`, tokens)
	body = list(body, x.rows(v.vectors(all, dimensions, true)), wide.appendVector)
	body = append(body, `},"texts":`...)
	body = list(body, rowsOf(texts), func(b []byte, r row) []byte { return appendString(b, r.text) })
	body = fmt.Appendf(body, `,"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":%d}}}`, tokens)
	return answered(http.StatusOK, jsonType, body)
}

func rowsOf(texts []string) []row {
	rows := make([]row, len(texts))
	for i, text := range texts {
		rows[i] = row{index: i, text: text}
	}
	return rows
}

// side reads one side of pairs: a text, a list of them, or {"content": [{"type": "text"}]}.
func (b vllmBody) side(names ...string) []string {
	for _, name := range names {
		f, is := b.given(name)
		if !is {
			continue
		}
		texts, is := sideTexts(f.raw)
		if !is {
			b.add("string_type", b.at(name, "str"), "Input should be a valid string", compact(f.raw), "")
		}
		return texts
	}
	b.add("missing", b.at(names[0]), "Field required", compact(b.x.body), "")
	return nil
}

func sideTexts(raw json.RawMessage) ([]string, bool) {
	if text, is := sideText(raw); is {
		return []string{text}, true
	}
	list, is := items(raw)
	var texts []string
	for _, item := range list {
		text, good := sideText(item)
		is = is && good
		texts = append(texts, text)
	}
	return texts, is
}

func sideText(raw json.RawMessage) (string, bool) {
	if text, is := as[string](raw); is {
		return text, true
	}
	var parts struct {
		Content []struct{ Type, Text string } `json:"content"`
	}
	if first(raw) != '{' || json.Unmarshal(raw, &parts) != nil || len(parts.Content) == 0 {
		return "", false
	}
	text := ""
	for _, part := range parts.Content {
		text += part.Text
	}
	return text, true
}

// scores computes pairs: the head of a cross-encoder, or the cosine of two embeddings.
func (v *vllm) scores(b vllmBody, queries, documents []string) (rows []row, tokens int, bad *answer) {
	perQuery, perDoc := b.integer("max_tokens_per_query", 0), b.integer("max_tokens_per_doc", 0)
	if bad = v.checked(b); bad != nil {
		return nil, 0, bad
	}
	switch {
	case len(queries) == 0:
		return nil, 0, v.bad("", "At least one text element must be given")
	case len(documents) == 0:
		return nil, 0, v.bad("", "At least one text_pair element must be given")
	case len(queries) != 1 && len(queries) != len(documents):
		return nil, 0, v.bad("", "Input lengths must be either 1:1, 1:N or N:N")
	}
	for i, document := range documents {
		query := queries[min(i, len(queries)-1)]
		r, n, bad := v.scorePair(b, query, document, perQuery, perDoc)
		if bad != nil {
			return nil, 0, bad
		}
		r.index, r.text = i, document
		tokens += n
		rows = append(rows, r)
	}
	return rows, tokens, b.x.work(len(rows))
}

func (v *vllm) scorePair(b vllmBody, query, document string, perQuery, perDoc int) (row, int, *answer) {
	if v.model().Task == Rerank {
		p, bad := v.fit(b, v.f.pairOf(query, document), perQuery, perDoc)
		if bad != nil {
			return row{}, 0, bad
		}
		return row{score: p.score()}, p.length(), nil
	}
	q, bad := v.encode(b, input{text: query})
	if bad != nil {
		return row{}, 0, bad
	}
	d, bad := v.encode(b, input{text: document})
	if bad != nil {
		return row{}, 0, bad
	}
	return row{score: cosine(v.f.embed(v.model(), q, 0, true), v.f.embed(v.model(), d, 0, true))}, len(q) + len(d), nil
}

func (v *vllm) score(x *exchange) answer {
	b := v.body(x)
	queries := b.side("queries", "data_1", "text_1")
	documents := b.side("documents", "items", "data_2", "text_2")
	rows, tokens, bad := v.scores(b, queries, documents)
	if bad != nil {
		return *bad
	}
	return v.listed("score", x.rows(rows), tokens, func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,"object":"score","score":`, r.index)
		return append(wide.appendScore(b, r), '}')
	})
}

func (v *vllm) rerank(x *exchange) answer {
	b := v.body(x)
	query := b.text("query", true)
	var documents []string
	if raw, is := b.need("documents"); is {
		if first(raw) == '[' && hasTextObjects(raw) {
			return *v.bad("", "MultiModalParam is not supported for BertForSequenceClassification")
		}
		documents = b.side("documents")
	}
	n := b.integer("top_n", -1<<31)
	rows, tokens, bad := v.scores(b, []string{query}, documents)
	if bad != nil {
		return *bad
	}
	body := fmt.Appendf(nil, `{"id":"score-%016x","model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d},"results":`, tokens, quote(v.model().Name), tokens, tokens)
	body = list(body, x.rows(top(ranked(rows), n)), func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,"document":{"text":%s,"multi_modal":null},"relevance_score":`, r.index, quote(r.text))
		return append(wide.appendScore(b, r), '}')
	})
	return answered(http.StatusOK, jsonType, append(body, '}'))
}

// hasTextObjects tells of {"text": …}, which vLLM does not take.
func hasTextObjects(raw json.RawMessage) bool {
	list, _ := items(raw)
	for _, item := range list {
		if fields, is := as[map[string]json.RawMessage](item); is && fields["text"] != nil {
			return true
		}
	}
	return false
}

func (v *vllm) classify(x *exchange) answer {
	b := v.body(x)
	inputs := v.inputs(b, "input")
	all, tokens, bad := v.encodeAll(b, inputs)
	if bad != nil {
		return *bad
	}
	labels := v.model().Labels
	rows := make([]row, len(all))
	for i, ids := range all {
		scores := labelLogits(labels, ids)
		if !b.raw {
			scores = softmax(scores)
		}
		rows[i] = row{index: i, text: sorted(labels, scores)[0].label}
		for _, s := range scores {
			rows[i].vector = append(rows[i].vector, float32(s))
		}
	}
	return v.listed("classify", x.rows(rows), tokens, func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,"label":%s,"probs":`, r.index, quote(r.text))
		return fmt.Appendf(wide.appendVector(b, r), `,"num_classes":%d}`, len(labels))
	})
}

// pooling gives what a model pools: a vector, or one for each token.
func (v *vllm) pooling(x *exchange) answer {
	b := v.body(x)
	inputs := v.inputs(b, "input")
	task := b.text("task", false)
	all, tokens, bad := v.encodeAll(b, inputs)
	if bad != nil {
		return *bad
	}
	rows := v.vectors(all, 0, !b.raw)
	write := wide.appendVector
	if task == "token_embed" {
		write = appendStates
		for i, ids := range all {
			for at := range ids {
				rows[i].states = append(rows[i].states, v.f.embed(v.model(), ids[at:], 0, false))
			}
		}
	}
	return v.listed("pool", x.rows(rows), tokens, func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,"object":"pooling","data":`, r.index)
		return append(write(b, r), '}')
	})
}

func (v *vllm) tokenize(x *exchange) answer {
	b := v.body(x)
	text := b.text("prompt", true)
	if bad := v.checked(b); bad != nil {
		return *bad
	}
	tokens := v.f.words.split(text)
	if b.specials {
		tokens = surround(tokens)
	}
	numbers, _ := json.Marshal(ids(tokens))
	return jsonf(http.StatusOK, `{"count":%d,"max_model_len":%d,"tokens":%s,"token_strs":null}`, len(tokens), v.model().MaxLength, numbers)
}

func (v *vllm) detokenize(x *exchange) answer {
	b := v.body(x)
	raw, _ := b.need("tokens")
	in, is := parseInput(raw, 1<<31)
	if raw != nil && (!is || !in.isIDs) {
		b.add("list_type", b.at("tokens"), "Input should be a valid list", compact(raw), "")
	}
	if bad := v.checked(b); bad != nil {
		return *bad
	}
	return jsonf(http.StatusOK, `{"prompt":%s}`, quote(v.f.words.decode(in.ids, false)))
}
