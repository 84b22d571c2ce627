package api

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

func (s *Server) teiEmbed(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	return s.answerEmbed(ctx, x, data)
}

func (s *Server) answerEmbed(ctx context.Context, x *call, data []byte) error {
	e := embedding{field: "inputs", normalize: true, form: models.FormNumbers, extra: models.Extra{Dialect: models.DialectTEI}}
	if err := decodeRequest(data, &e.extra, s.teiEmbedField(&e)); err != nil {
		return err
	}
	_, result, err := s.embed(ctx, x, &e)
	if err != nil {
		return err
	}
	characters := 0
	for _, input := range e.inputs.items {
		characters += utf8.RuneCountInString(input.Text)
	}
	x.teiHeaders(characters, result.Usage, result.Timing)
	x.answer(appendVectors(x.buffer(), result))
	result.Done()
	return nil
}

func appendVectors(b []byte, result models.EmbedResult) []byte {
	b = append(slices.Grow(b, 2+count(result)+sizeOf(result, false)), '[')
	for i := range count(result) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEmbedding(b, result, i, false)
	}
	return append(b, ']')
}

// teiEmbedField also takes "model", which TEI's own clients never send: this server has several.
func (s *Server) teiEmbedField(e *embedding) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &e.model)
		case "inputs":
			e.inputs, err = r.inputsField(name, s.options.MaxInputs, true)
		case "normalize":
			err = r.boolField(name, &e.normalize)
		case "truncate":
			err = r.truncateField(name, &e.truncation)
		case "truncation_direction":
			err = r.directionField(name, &e.truncation)
		case "prompt_name":
			err = r.stringField(name, &e.prompt)
		case "dimensions":
			err = r.wholeField(name, 1, &e.dimensions)
		default:
			return false, nil
		}
		return true, err
	}
}

// eitherRerank serves /rerank, the path that Cohere-style clients and TEI's share.
func (s *Server) eitherRerank(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	var r reranking
	tei, err := s.decodeEither(data, &r)
	if tei {
		x.dialect = teiRerank
	}
	switch {
	case err != nil:
		return err
	case !tei:
		r.extra.Dialect = models.DialectCohere
		return s.answerCohere(ctx, x, &r)
	}
	return s.answerTEIRanking(ctx, x, &r)
}

func (s *Server) answerTEIRanking(ctx context.Context, x *call, r *reranking) error {
	r.extra.Dialect = models.DialectTEI
	_, result, err := s.rerank(ctx, x, r, "texts", &r.texts)
	if err != nil {
		return err
	}
	characters := utf8.RuneCountInString(r.query)
	for _, text := range r.texts.texts {
		characters += utf8.RuneCountInString(text)
	}
	x.teiHeaders(characters, result.Usage, result.Timing)
	x.answer(appendTEIRanking(x.buffer(), r, result.Scores))
	return nil
}

// decodeEither also reports whether the request is TEI's: it names "texts", and "documents" is
// absent or null. That must be known to write an error too, so it looks at all names, also past
// a value that is wrong.
func (s *Server) decodeEither(data []byte, q *reranking) (tei bool, err error) {
	var texts, documents bool
	var wrong error
	field := s.rerankField(q)
	err = decodeRequest(data, &q.extra, func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "texts":
			texts = true
		case "documents":
			k, _ := r.peek() // a fault of syntax shows again below
			documents = k != kindNull
		}
		if wrong == nil {
			before := *r
			known, err = field(r, name)
			if err != nil && !errors.Is(err, errSyntax) {
				known, wrong, err, *r = false, err, nil, before
			}
		}
		return known, err
	})
	if wrong != nil {
		err = wrong
	}
	return texts && !documents, err
}

func appendTEIRanking(b []byte, r *reranking, scores []float32) []byte {
	b = append(slices.Grow(b, 64*len(scores)), '[')
	for n, i := range r.ranked(scores) {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		if r.returnText {
			b = append(b, `,"text":`...)
			b = appendString(b, r.texts.texts[i])
		}
		b = append(b, `,"score":`...)
		b = appendFloat(b, scores[i])
		b = append(b, '}')
	}
	return append(b, ']')
}

// teiHeaders sets what routers in front of TEI read: times in whole milliseconds, tokens and
// characters computed.
func (x *call) teiHeaders(characters int, u models.Usage, t models.Timing) {
	set := func(name string, d time.Duration) { x.http.Set(name, strconv.FormatInt(d.Milliseconds(), 10)) }
	total := time.Since(x.start)
	set("x-compute-time", total)
	set("x-total-time", total)
	set("x-tokenization-time", t.Tokenize)
	set("x-queue-time", t.Queue)
	set("x-inference-time", t.Run)
	x.http.Set("x-compute-characters", strconv.Itoa(characters))
	x.http.Set("x-compute-tokens", strconv.Itoa(u.PromptTokens))
}
