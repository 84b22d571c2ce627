package upstreamtest

import (
	"fmt"
	"net/http"
	"slices"
)

func (t *tei) health(*exchange) answer { return answered(http.StatusOK, "", nil) }

func (t *tei) metrics(*exchange) answer {
	n := t.f.Stats().Requests
	return textf(http.StatusOK, "# TYPE te_request_count counter\nte_request_count{method=\"single\"} %d\n\n# TYPE te_queue_size gauge\nte_queue_size 0\n\n", n)
}

func (t *tei) info(*exchange) answer {
	m, version, o := t.model(), "1.9.3", t.f.options
	if t.old {
		version = "1.8.3"
	}
	return jsonf(http.StatusOK, `{"model_id":%s,"model_sha":null,"model_dtype":"float32","served_model_name":%s,"model_type":%s,"max_concurrent_requests":%d,"max_input_length":%d,"max_batch_tokens":16384,"max_batch_requests":8,"max_client_batch_size":%d,"auto_truncate":%t,"tokenization_workers":1,"version":%q,"sha":null,"docker_label":null}`,
		quote("/models/"+m.Name), quote(m.Name), t.modelType(), o.MaxConcurrent, m.MaxLength, o.MaxItems, !t.old && !o.NoTruncate, version)
}

func (t *tei) modelType() string {
	m := t.model()
	if m.Task == Embed {
		return `{"embedding":{"pooling":"mean"}}`
	}
	kind := map[Task]string{Rerank: "reranker", Classify: "classifier"}[m.Task]
	var names, numbers []byte
	for i, label := range t.labels() {
		if i > 0 {
			names, numbers = append(names, ','), append(numbers, ',')
		}
		names = fmt.Appendf(names, `"%d":%s`, i, quote(label))
		numbers = fmt.Appendf(numbers, `%s:%d`, quote(label), i)
	}
	return fmt.Sprintf(`{%q:{"id2label":{%s},"label2id":{%s}}}`, kind, names, numbers)
}

func (t *tei) labels() []string {
	if m := t.model(); m.Task == Classify {
		return m.Labels
	}
	return []string{"LABEL_0"}
}

func (t *tei) rerank(x *exchange) answer {
	b := t.body(x, "RerankRequest", 6)
	query := b.asText("query", b.need("query"))
	texts := b.texts("texts", b.need("texts"))
	truncate, left := t.truncate(b), b.left()
	raw, withText := b.boolean("raw_scores", false, false), b.boolean("return_text", false, false)
	limit := t.f.options.MaxItems
	switch {
	case b.bad != nil:
		return *b.bad
	case len(texts) == 0:
		return t.refuse(x, empty, "`texts` cannot be empty")
	case t.model().Task != Rerank:
		return t.refuse(x, backend, "Backend error: model is not a re-ranker model")
	case len(texts) > limit:
		return t.refuse(x, validation, tooManyItems(len(texts), limit))
	}
	var w teiWork
	rows := make([]row, len(texts))
	for i, text := range texts {
		p := t.f.pairOf(query, text)
		p.left, p.raw = left, raw
		if bad := t.fit(x, &p, query == "" && text == "", truncate); bad != nil {
			return *bad
		}
		w.characters += len([]rune(query)) + len([]rune(text))
		w.tokens += p.length()
		rows[i] = row{index: i, score: p.score(), text: text}
	}
	if not := x.work(len(texts)); not != nil {
		return *not
	}
	// TEI sorts from below and turns the list around, so equal scores stand in reverse order.
	slices.Reverse(rows)
	body := list(nil, x.rows(ranked(rows)), func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"index":%d,`, r.index)
		if withText {
			b = append(appendString(append(b, `"text":`...), r.text), ',')
		}
		return append(narrow.appendScore(append(b, `"score":`...), r), '}')
	})
	return w.on(answered(http.StatusOK, jsonType, body))
}

// fit cuts a pair, or says why it cannot be taken.
func (t *tei) fit(x *exchange, p *pair, nothing, truncate bool) *answer {
	m := t.model()
	var a answer
	switch {
	case nothing:
		a = t.refuse(x, empty, "Input validation error: `inputs` cannot be empty")
	case truncate:
		*p = p.fit(m)
		return nil
	case p.length() > m.MaxLength:
		a = t.refuse(x, validation, tooManyTokens(m.MaxLength, p.length()))
	default:
		return nil
	}
	return &a
}

// predictInputs reads a text, a pair of texts, or a list of lists of one or two.
func (b *teiBody) predictInputs() (inputs [][]string, single bool) {
	f := b.need("inputs")
	if text, is := as[string](f.raw); is {
		return [][]string{{text}}, true
	}
	one := func(raw []byte) ([]string, bool) {
		texts, is := as[[]string](raw)
		return texts, is && (len(texts) == 1 || len(texts) == 2)
	}
	if pair, is := one(f.raw); is {
		return [][]string{pair}, true
	}
	list, is := items(f.raw)
	for _, raw := range list {
		texts, good := one(raw)
		is = is && good
		inputs = append(inputs, texts)
	}
	if f.raw != nil && !is {
		b.mismatch("inputs: data did not match any variant of untagged enum PredictInput", f.end+1)
	}
	return inputs, false
}

func (t *tei) predict(x *exchange) answer {
	b := t.body(x, "PredictRequest", 4)
	inputs, single := b.predictInputs()
	truncate, left := t.truncate(b), b.left()
	raw := b.boolean("raw_scores", false, false)
	m, limit := t.model(), t.f.options.MaxItems
	switch {
	case b.bad != nil:
		return *b.bad
	case len(inputs) == 0:
		return t.refuse(x, empty, "`inputs` cannot be empty")
	case len(inputs) > limit:
		return t.refuse(x, validation, tooManyItems(len(inputs), limit))
	case m.Task == Embed:
		return t.refuse(x, backend, "Backend error: Model is not a classifier model")
	}
	var w teiWork
	rows := make([]row, len(inputs))
	for i, texts := range inputs {
		list, characters, bad := t.predictIDs(x, texts, truncate, left)
		if bad != nil {
			return *bad
		}
		w.characters += characters
		w.tokens += len(list)
		rows[i] = row{index: i, labels: t.labelled(list, raw)}
	}
	if not := x.work(len(inputs)); not != nil {
		return *not
	}
	body := list(nil, x.rows(rows), narrow.appendLabels)
	if single && len(body) > 2 {
		body = body[1 : len(body)-1]
	}
	return w.on(answered(http.StatusOK, jsonType, body))
}

// predictIDs gives the ids of one text or of two that belong together.
func (t *tei) predictIDs(x *exchange, texts []string, truncate, left bool) ([]int, int, *answer) {
	second := ""
	if len(texts) == 2 {
		second = texts[1]
	}
	p := t.f.pairOf(texts[0], second)
	p.left = left
	if bad := t.fit(x, &p, texts[0] == "" && second == "", truncate); bad != nil {
		return nil, 0, bad
	}
	all := slices.Concat([]int{idBegin}, p.query, []int{idSeparator}, p.document)
	if len(texts) == 2 {
		all = append(all, idSeparator)
	}
	return all, len([]rune(texts[0])) + len([]rune(second)), nil
}

// labelled scores the labels, the highest first: together 1, or each apart when there is one.
func (t *tei) labelled(ids []int, raw bool) []labelled {
	labels := t.labels()
	scores := labelLogits(labels, ids)
	switch {
	case raw:
	case len(labels) == 1:
		scores[0] = sigmoid(scores[0])
	default:
		scores = softmax(scores)
	}
	return sorted(labels, scores)
}

func (t *tei) tokenize(x *exchange) answer {
	b := t.body(x, "TokenizeRequest", 3)
	texts, single := b.textOrTexts("inputs")
	specials := b.boolean("add_special_tokens", true, false)
	limit := t.f.options.MaxItems
	if b.bad != nil {
		return *b.bad
	}
	prompt, bad := t.prompt(b)
	switch {
	case bad != nil:
		return *bad
	case len(texts) == 0:
		return t.refuse(x, empty, "`inputs` cannot be empty")
	case !single && len(texts) > limit:
		return t.refuse(x, validation, tooManyItems(len(texts), limit))
	}
	body := []byte{'['}
	for i, text := range texts {
		if text == "" {
			return t.refuse(x, empty, "Input validation error: `inputs` cannot be empty")
		}
		if i > 0 {
			body = append(body, ',')
		}
		tokens := t.f.words.split(prompt + text)
		if specials {
			tokens = surround(tokens)
		}
		body = appendTokens(body, tokens)
	}
	return answered(http.StatusOK, jsonType, append(body, ']'))
}

func appendTokens(b []byte, tokens []token) []byte {
	b = append(b, '[')
	for i, token := range tokens {
		if i > 0 {
			b = append(b, ',')
		}
		start, stop := "null", "null"
		if !token.special() {
			start, stop = fmt.Sprint(token.start), fmt.Sprint(token.stop)
		}
		b = fmt.Appendf(b, `{"id":%d,"text":%s,"special":%t,"start":%s,"stop":%s}`, token.id, quote(token.text), token.special(), start, stop)
	}
	return append(b, ']')
}

// textOrTexts reads a string or a list of strings.
func (b *teiBody) textOrTexts(name string) (texts []string, single bool) {
	f := b.need(name)
	if text, is := as[string](f.raw); is {
		return []string{text}, true
	}
	texts, is := as[[]string](f.raw)
	if !is && f.raw != nil {
		b.mismatch(name+": data did not match any variant of untagged enum TokenizeInput", f.end+1)
	}
	return texts, false
}

func (t *tei) decode(x *exchange) answer {
	b := t.body(x, "DecodeRequest", 2)
	lists, single := b.inputs("ids")
	skip := b.boolean("skip_special_tokens", true, false)
	limit := t.f.options.MaxItems
	switch {
	case b.bad != nil:
		return *b.bad
	case len(lists) == 0:
		return t.refuse(x, empty, "`ids` cannot be empty")
	case !single && len(lists) > limit:
		return t.refuse(x, validation, tooManyItems(len(lists), limit))
	}
	body := []byte{'['}
	for i, in := range lists {
		if !in.isIDs {
			b.mismatch("ids: data did not match any variant of untagged enum InputIds", b.fields["ids"].end+1)
			return *b.bad
		}
		if in.empty() {
			return t.refuse(x, empty, "Input validation error: `input_ids` cannot be empty")
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = appendString(body, t.f.words.decode(in.ids, skip))
	}
	return answered(http.StatusOK, jsonType, append(body, ']'))
}
