package proxy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// tei is Hugging Face's text-embeddings-inference, one model a server. What it does with texts
// that are too long is always said: its default changed from one version to the next.
type tei struct{ bearer }

// limits are TEI's defaults; GET /info says what the items' is. It takes 2 MB.
func (tei) limits(operation) limits { return limits{items: 32, bytes: 2_000_000} }

func (tei) probe() *request { return get("/health") }

func (tei) list(found func(listing)) *request {
	r := get("/info")
	r.read = func(answer *response) error {
		var info teiInfo
		if err := json.Unmarshal(answer.body, &info); err != nil {
			return wrongJSON(err)
		}
		found(info.listing())
		return nil
	}
	return r
}

type teiInfo struct {
	ModelID    string `json:"model_id"`
	ServedName string `json:"served_model_name"`
	MaxInput   int    `json:"max_input_length"`
	MaxBatch   int    `json:"max_client_batch_size"`
	ModelType  map[string]struct {
		ID2Label map[string]string `json:"id2label"`
	} `json:"model_type"`
}

func (i teiInfo) listing() listing {
	m := listed{name: i.ModelID, maxLength: lengthOf(i.MaxInput)}
	for kind, head := range i.ModelType {
		switch kind {
		case "embedding":
			m.tasks = []models.Task{models.TaskEmbed}
		case "reranker":
			m.tasks = []models.Task{models.TaskRerank}
		case "classifier":
			m.tasks = []models.Task{models.TaskClassify}
			m.labels = labelsOf(head.ID2Label)
		}
	}
	l := listing{models: []listed{m}, limits: limits{items: max(i.MaxBatch, 0)}}
	if i.ServedName != "" && i.ServedName != i.ModelID {
		m.name = i.ServedName
		l.models = append(l.models, m)
	}
	return l
}

// labelsOf puts {"0": "a", "1": "b"} in order; nil unless it is complete.
func labelsOf(byID map[string]string) []string {
	labels := make([]string, 0, len(byID))
	for i := range len(byID) {
		label, ok := byID[fmt.Sprint(i)]
		if !ok {
			return nil
		}
		labels = append(labels, label)
	}
	if len(labels) == 0 {
		return nil
	}
	return labels
}

func (tei) embed(_ call, req *models.EmbedRequest, result *embedded) (*request, error) {
	o := newObject(inputsSize(req.Inputs))
	o.inputs("inputs", spaced(req.Inputs))
	o.flag("normalize", !req.Raw)
	o.truncation(req.Truncate)
	o.given("prompt_name", req.PromptName)
	o.positive("dimensions", req.Dimensions)
	return post("/embed", o.done(req.Extra, models.DialectTEI), readRows(req, result, func(r *response) (models.Usage, models.Timing) { return teiUsage(r.header) })), nil
}

// truncation writes TEI's fields.
func (o *object) truncation(how models.Truncate) {
	o.flag("truncate", how != models.TruncateNone)
	side := "Right"
	if how == models.TruncateStart {
		side = "Left"
	}
	o.str("truncation_direction", side)
}

// teiUsage is what TEI tells in headers: its times are whole milliseconds.
func teiUsage(h http.Header) (models.Usage, models.Timing) {
	ms := func(name string) time.Duration { return milliseconds(float64(intHeader(h, name))) }
	return models.Usage{PromptTokens: intHeader(h, "X-Compute-Tokens")},
		models.Timing{Tokenize: ms("X-Tokenization-Time"), Queue: ms("X-Queue-Time"), Run: ms("X-Inference-Time")}
}

func (tei) embedTokens(_ call, req *models.TokensRequest, result *models.TokensResult) (*request, error) {
	o := newObject(inputsSize(req.Inputs))
	o.inputs("inputs", spaced(req.Inputs))
	o.truncation(req.Truncate)
	o.given("prompt_name", req.PromptName)
	return post("/embed_all", o.done(models.Extra{}), reading(func(s *scanner, r *response) error {
		result.Usage, result.Timing = teiUsage(r.header)
		return s.allStates(len(req.Inputs), result)
	})), nil
}

func (t tei) rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error) {
	if err := noDocumentLimit(TypeTEI, c, req.MaxTokensPerDoc); err != nil {
		return nil, err
	}
	o := newObject(textsSize(req.Documents) + len(req.Query))
	o.str("query", req.Query)
	o.texts("texts", req.Documents)
	o.flag("raw_scores", req.Raw)
	o.flag("return_text", false)
	o.truncation(req.Truncate)
	return post("/rerank", o.done(req.Extra, models.DialectTEI), reading(func(s *scanner, r *response) error {
		c := newScores(len(req.Documents))
		err := s.ranking(c)
		if err == nil {
			result.Scores, err = c.finish()
		}
		result.Kind = sigmoidUnless(req.Raw)
		result.Usage, result.Timing = teiUsage(r.header)
		return err
	})), nil
}

func sigmoidUnless(raw bool) models.ScoreKind {
	if raw {
		return models.ScoreLogit
	}
	return models.ScoreSigmoid
}

func (t tei) classify(c call, req *models.ClassifyRequest, result *models.ClassifyResult) (*request, error) {
	o := newObject(0)
	o.pairs("inputs", spacedPairs(req.Inputs))
	o.flag("raw_scores", req.Raw)
	o.truncation(req.Truncate)
	return post("/predict", o.done(req.Extra, models.DialectTEI), reading(func(s *scanner, r *response) error {
		result.Usage, result.Timing = teiUsage(r.header)
		return s.labelled(len(req.Inputs), c.labels, result)
	})), nil
}

// spacedPairs is spaced for what is classified.
func spacedPairs(inputs []models.ClassifyInput) []models.ClassifyInput {
	own := slices.Clone(inputs)
	for i, in := range own {
		if in.Pair == nil {
			own[i].Text = cmp.Or(in.Text, " ")
		}
	}
	return own
}

// pairs writes a list of lists of one or two texts, which is how TEI tells a list from a pair.
func (o *object) pairs(name string, inputs []models.ClassifyInput) {
	o.list(name, len(inputs), func(i int) {
		o.b = appendString(append(o.b, '['), inputs[i].Text)
		if pair := inputs[i].Pair; pair != nil {
			o.b = appendString(append(o.b, ','), *pair)
		}
		o.b = append(o.b, ']')
	})
}

// labelled takes a list of {"label", "score"} for each input, in any order, and puts the scores in
// the order of known, or, where those are not the answer's labels, of the alphabet.
func (s *scanner) labelled(inputs int, known []string, result *models.ClassifyResult) error {
	var places map[string]int
	err := s.list(func(i int) error {
		labels, row, err := s.labelScores()
		if err != nil {
			return err
		}
		if i == 0 {
			result.Labels = order(labels, known)
			places = make(map[string]int, len(labels))
			for at, label := range result.Labels {
				places[label] = at
			}
		}
		if len(labels) != len(result.Labels) {
			return oddLabels(i, len(labels), len(result.Labels))
		}
		scores, seen := make([]float32, len(row)), make([]bool, len(row))
		for j, label := range labels {
			at, ok := places[label]
			if !ok || seen[at] {
				return fmt.Errorf("the answer has the label %.50q twice, or not for all inputs", label)
			}
			scores[at], seen[at] = row[j], true
		}
		result.Scores = append(result.Scores, scores)
		return nil
	})
	if err == nil && len(result.Scores) != inputs {
		err = fmt.Errorf("the answer has the labels of %d inputs, of %d", len(result.Scores), inputs)
	}
	return err
}

func (s *scanner) labelScores() (labels []string, row []float32, err error) {
	err = s.list(func(int) error {
		var label string
		var score float32
		var hasLabel, hasScore bool
		err := s.object(func(key []byte) (err error) {
			switch string(key) {
			case "label":
				label, err = s.str()
				hasLabel = true
			case "score":
				score, err = s.score()
				hasScore = true
			default:
				err = s.skip()
			}
			return err
		})
		if err == nil && (!hasLabel || !hasScore) {
			err = s.fail("a label without a score, or a score without a label")
		}
		labels, row = append(labels, label), append(row, score)
		return err
	})
	if err == nil && len(labels) == 0 {
		err = s.fail("an input without labels")
	}
	return labels, row, err
}

func order(labels, known []string) []string {
	sorted, wanted := slices.Sorted(slices.Values(labels)), slices.Sorted(slices.Values(known))
	if slices.Equal(sorted, wanted) {
		return slices.Clone(known)
	}
	return sorted
}

// tokenize asks for the tokens of a space where a text is empty, which TEI refuses, and drops those
// of the space.
func (tei) tokenize(_ call, req *models.TokenizeRequest, result *models.TokenizeResult) (*request, error) {
	o := newObject(textsSize(req.Texts))
	texts := slices.Clone(req.Texts)
	for i, text := range texts {
		texts[i] = cmp.Or(text, " ")
	}
	o.texts("inputs", texts)
	o.flag("add_special_tokens", req.AddSpecial)
	o.given("prompt_name", req.PromptName)
	return post("/tokenize", o.done(req.Extra, models.DialectTEI), func(r *response) error {
		err := readTokens(r, len(req.Texts), result)
		for i, tokens := range result.Tokens {
			if req.Texts[i] == "" {
				result.Tokens[i] = slices.DeleteFunc(tokens, func(t models.Token) bool { return !t.Special })
			}
		}
		return err
	}), nil
}

// readTokens reads [[{"id", "text", "special", "start", "stop"}]].
func readTokens(r *response, texts int, result *models.TokenizeResult) error {
	var lists [][]struct {
		ID      *uint32
		Text    string
		Special bool
		Start   int
		Stop    int
	}
	if err := json.Unmarshal(r.body, &lists); err != nil {
		return wrongJSON(err)
	}
	if len(lists) != texts {
		return fmt.Errorf("the answer has the tokens of %d texts, of %d", len(lists), texts)
	}
	for i, list := range lists {
		tokens := make([]models.Token, len(list))
		for j, t := range list {
			if t.ID == nil || t.Start < 0 || t.Stop < t.Start {
				return fmt.Errorf("the answer has a token without an id, or with odd places, at inputs[%d]", i)
			}
			tokens[j] = models.Token{ID: *t.ID, Text: t.Text, Special: t.Special, Start: t.Start, Stop: t.Stop}
		}
		result.Tokens = append(result.Tokens, tokens)
	}
	return nil
}

func (tei) decode(_ call, req *models.DecodeRequest, result *[]string) (*request, error) {
	o := newObject(0)
	o.idLists("ids", req.IDs)
	o.flag("skip_special_tokens", req.SkipSpecial)
	return post("/decode", o.done(req.Extra, models.DialectTEI), func(r *response) error { return readTexts(r, len(req.IDs), result) }), nil
}

func readTexts(r *response, lists int, result *[]string) error {
	if err := json.Unmarshal(r.body, result); err != nil {
		return wrongJSON(err)
	}
	if len(*result) != lists {
		return fmt.Errorf("the answer has %d texts, of %d lists of ids", len(*result), lists)
	}
	return nil
}

func (tei) fault(op operation, r *response) fault {
	p := readProblem(r)
	switch {
	case p.has("must have less than", "must be less than", "truncation was refused") && p.has("token"):
		return p.tooLong(op)
	case p.has("batch size") && p.has("maximum allowed"):
		return p.tooMany()
	case p.has("prompt name", "prompt_name", "prompt-name"):
		return fault{err: p.quoted(models.KindInvalid).At("prompt_name")}
	case p.has("`dimensions`"):
		return fault{err: p.quoted(models.KindInvalid).At("dimensions")}
	case p.status == http.StatusFailedDependency && p.has("is not a", "is not an", "not available", "does not support", "does not do", "no token states"):
		return p.noTask()
	case p.status == http.StatusFailedDependency:
		return p.failed()
	case p.status == http.StatusRequestEntityTooLarge && p.typ != "":
		// Before version 1.9 every fault of a request was a 413.
		return fault{err: p.quoted(models.KindInvalid)}
	}
	return p.common()
}
