package api

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

// prediction is a decoded request to classify.
type prediction struct {
	model  string
	inputs []models.ClassifyInput
	// given counts all inputs, also those past the limit, which are not kept.
	given int
	// batch is false for one text, or one pair, given alone.
	batch      bool
	rawScores  bool
	truncation truncation
	extra      models.Extra
}

// teiPredict answers [{score, label}], the best first, or a list of such for a batch.
func (s *Server) teiPredict(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	return s.answerPrediction(ctx, x, data)
}

func (s *Server) answerPrediction(ctx context.Context, x *call, data []byte) error {
	p := prediction{extra: models.Extra{Dialect: models.DialectTEI}}
	if err := decodeRequest(data, &p.extra, s.predictField(&p)); err != nil {
		return err
	}
	result, err := s.classify(ctx, x, &p)
	if err != nil {
		return relabel(err, p.own)
	}
	characters := 0
	for _, in := range p.inputs {
		characters += utf8.RuneCountInString(in.Text)
		if in.Pair != nil {
			characters += utf8.RuneCountInString(*in.Pair)
		}
	}
	x.teiHeaders(characters, result.Usage, result.Timing)
	x.answer(appendPredictions(x.buffer(), p.batch, result))
	return nil
}

func (s *Server) predictField(p *prediction) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &p.model)
		case "inputs":
			err = r.classifyInputsField(name, s.options.MaxInputs, p)
		case "raw_scores":
			err = r.boolField(name, &p.rawScores)
		case "truncate":
			err = r.truncateField(name, &p.truncation)
		case "truncation_direction":
			err = r.directionField(name, &p.truncation)
		default:
			return false, nil
		}
		return true, err
	}
}

// classifyInputsField decodes the union that TEI's inputs are: "a" is one text, ["a"] too,
// ["a","b"] is one pair, and [["a"],["a","b"]] a batch of both.
func (r *jsonReader) classifyInputsField(field string, limit int, p *prediction) error {
	p.inputs, p.given, p.batch = nil, 0, false
	k, err := r.peek()
	if err != nil {
		return err
	}
	switch k {
	case kindNull:
		return r.literal("null")
	case kindString:
		text, err := r.str()
		p.inputs, p.given = []models.ClassifyInput{{Text: text}}, 1
		return err
	case kindList:
	default:
		return wrongType(field, "a string or a list", k)
	}
	var first kind
	var alone []string
	err = r.list(func(i int) error {
		name := at(field, i)
		k, err := r.peek()
		if err != nil {
			return err
		}
		if i == 0 {
			first = k
		}
		switch {
		case k != kindString && k != kindList:
			return wrongType(name, "a string or a list", k)
		case k != first:
			return invalid(name, "%s is %s, but %s is %s: a list must be of one kind", name, k, at(field, 0), first)
		case k == kindString && i == maxPair:
			return invalid(field, "%s has more than %d strings, which are a text or a pair: a batch is a list of lists", field, maxPair)
		case k == kindString:
			text, err := r.str()
			alone = append(alone, text)
			return err
		}
		p.batch = true
		return r.batchInput(name, limit, p)
	})
	if err == nil && alone != nil {
		p.inputs, p.given = []models.ClassifyInput{classifyInput(alone)}, 1
	}
	return err
}

// maxPair is how many texts are classified as one.
const maxPair = 2

func classifyInput(texts []string) models.ClassifyInput {
	in := models.ClassifyInput{Text: texts[0]}
	if len(texts) == maxPair {
		in.Pair = &texts[1]
	}
	return in
}

// batchInput takes a list of one text or two.
func (r *jsonReader) batchInput(field string, limit int, p *prediction) error {
	if p.given++; p.given > limit {
		_, err := r.skip()
		return err
	}
	var texts []string
	err := r.list(func(i int) error {
		var text string
		k, err := r.peek()
		switch {
		case err != nil:
			return err
		case k != kindString:
			return wrongType(at(field, i), "a string", k)
		case i < maxPair:
			text, err = r.str()
			texts = append(texts, text)
			return err
		}
		return invalid(field, "%s has more than %d texts", field, maxPair)
	})
	switch {
	case err != nil:
		return err
	case len(texts) == 0:
		return empty(field, "%s is empty: give one text, or two for a pair", field)
	}
	p.inputs = append(p.inputs, classifyInput(texts))
	return nil
}

// classify checks a decoded request and calls its model.
func (s *Server) classify(ctx context.Context, x *call, p *prediction) (models.ClassifyResult, error) {
	var none models.ClassifyResult
	if err := (inputList{given: p.given}).check("inputs", s.options.MaxInputs); err != nil {
		return none, err
	}
	x.event.Items = p.given
	tokens := 0
	for _, in := range p.inputs {
		tokens += estimateText(in.Text)
		if in.Pair != nil {
			tokens += estimateText(*in.Pair)
		}
	}
	entry, err := x.admit(ctx, p.model, models.TaskClassify, tokens)
	if err != nil {
		return none, err
	}
	model, err := entry.Classifier()
	if err != nil {
		return none, err
	}
	result, err := model.Classify(ctx, models.ClassifyRequest{
		Inputs:   p.inputs,
		Raw:      p.rawScores,
		Truncate: p.truncation.mode(),
		Caller:   x.caller(),
		Extra:    p.extra,
	})
	x.note(result.Usage, result.Timing) // as far as a failure knows them
	if err != nil {
		return none, err
	}
	if err := checkClasses(result, len(p.inputs)); err != nil {
		return none, err
	}
	x.served(result.Usage, result.Timing)
	return result, nil
}

// own is what the request calls an input: the one that was given alone has no number.
func (p *prediction) own(param string) string {
	if _, ok := itemOf(param, "inputs"); ok && !p.batch {
		return "inputs"
	}
	return param
}

// checkClasses refuses what no client could read.
func checkClasses(result models.ClassifyResult, inputs int) error {
	if len(result.Scores) != inputs {
		return models.Errorf(models.KindInternal, "the model answered %d of %d inputs", len(result.Scores), inputs)
	}
	for i, row := range result.Scores {
		if len(row) != len(result.Labels) || slices.ContainsFunc(row, func(f float32) bool { return !finite(f) }) {
			return models.Errorf(models.KindInternal, "the model's scores for %s are not %d finite numbers, one for each label", at("inputs", i), len(result.Labels)).At(at("inputs", i))
		}
	}
	return nil
}

func appendPredictions(b []byte, batch bool, result models.ClassifyResult) []byte {
	b = slices.Grow(b, 2+len(result.Scores)*(2+64*len(result.Labels)))
	if !batch {
		return appendPrediction(b, result.Labels, result.Scores[0])
	}
	b = append(b, '[')
	for i, row := range result.Scores {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPrediction(b, result.Labels, row)
	}
	return append(b, ']')
}

func appendPrediction(b []byte, labels []string, scores []float32) []byte {
	b = append(b, '[')
	for n, i := range ordered(scores) {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"score":`...)
		b = appendFloat(b, scores[i])
		b = append(b, `,"label":`...)
		b = appendString(b, labels[i])
		b = append(b, '}')
	}
	return append(b, ']')
}
