package api

import (
	"context"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

// similarity is a decoded request to compare sentences with one.
type similarity struct {
	embedding
	source    string
	sourced   bool
	sentences textList
}

const (
	sourceField    = "inputs.source_sentence"
	sentencesField = "inputs.sentences"
)

// teiSimilarity answers the cosine of each sentence's vector with the source's, in the order of
// the sentences.
func (s *Server) teiSimilarity(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	return s.answerSimilarity(ctx, x, data)
}

func (s *Server) answerSimilarity(ctx context.Context, x *call, data []byte) error {
	q := similarity{embedding: embedding{normalize: true, extra: models.Extra{Dialect: models.DialectTEI}}}
	if err := decodeRequest(data, &q.extra, s.similarityField(&q)); err != nil {
		return err
	}
	if err := s.checkSimilarity(&q); err != nil {
		return err
	}
	all := textList{texts: append([]string{q.source}, q.sentences.texts...), given: 1 + q.sentences.given, listed: true}
	q.inputs = all.inputs()
	_, result, err := s.embed(ctx, x, &q.embedding)
	if err != nil {
		return relabel(err, q.own)
	}
	characters := 0
	for _, text := range all.texts {
		characters += utf8.RuneCountInString(text)
	}
	x.teiHeaders(characters, result.Usage, result.Timing)
	x.answer(appendSimilarities(x.buffer(), result.Vectors))
	return nil
}

func (s *Server) similarityField(q *similarity) fieldReader {
	return func(r *jsonReader, name string) (bool, error) {
		switch name {
		case "model":
			return true, r.stringField(name, &q.model)
		case "inputs":
			return true, r.membersField(name, s.sentenceField(q))
		case "parameters":
			return true, r.membersField(name, similarityParameter(q))
		}
		return false, nil
	}
}

// membersField takes an object, or null; members that field does not know are skipped. It gives
// field their full names.
func (r *jsonReader) membersField(field string, member fieldReader) error {
	if present, err := r.optional(field, kindObject); !present {
		return err
	}
	return r.object(func(key string) error {
		known, err := member(r, field+"."+key)
		if err == nil && !known {
			_, err = r.skip()
		}
		return err
	})
}

func (s *Server) sentenceField(q *similarity) fieldReader {
	return func(r *jsonReader, name string) (bool, error) {
		switch name {
		case sourceField:
			k, err := r.peek()
			if q.sourced = k == kindString; err != nil {
				return true, err
			}
			return true, r.stringField(name, &q.source)
		case sentencesField:
			return true, r.textsField(name, s.options.MaxInputs, &q.sentences)
		}
		return false, nil
	}
}

func similarityParameter(q *similarity) fieldReader {
	return func(r *jsonReader, name string) (bool, error) {
		switch name {
		case "parameters.truncate":
			return true, r.truncateField(name, &q.truncation)
		case "parameters.truncation_direction":
			return true, r.directionField(name, &q.truncation)
		case "parameters.prompt_name":
			return true, r.stringField(name, &q.prompt)
		}
		return false, nil
	}
}

// checkSimilarity counts the source as one of the inputs.
func (s *Server) checkSimilarity(q *similarity) error {
	switch {
	case !q.sourced:
		return empty(sourceField, "%s is missing", sourceField)
	case q.sentences.given == 0:
		return empty(sentencesField, "%s is missing or empty: give at least one text", sentencesField)
	}
	return checkCount(sentencesField, q.sentences.given, s.options.MaxInputs-1, "server.max_inputs, less the source sentence")
}

// own is what the request calls a field of models.EmbedRequest.
func (q *similarity) own(param string) string {
	i, ok := itemOf(param, "input")
	switch {
	case ok && i == 0:
		return sourceField
	case ok:
		return q.sentences.item(i - 1)
	case param == "prompt_name":
		return "parameters.prompt_name"
	}
	return param
}

// appendSimilarities compares each vector with the first.
func appendSimilarities(b []byte, vectors [][]float32) []byte {
	b = append(slices.Grow(b, 2+digitsPerNumber*len(vectors)), '[')
	for i, v := range vectors[1:] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFloat(b, float32(cosine(vectors[0], v)))
	}
	return append(b, ']')
}

// cosine is in [-1,1], and 0 where a vector has no direction.
func cosine(a, b []float32) float64 {
	var dot, normA, normB float64
	for i := range min(len(a), len(b)) {
		x, y := float64(a[i]), float64(b[i])
		dot += x * y
		normA += x * x
		normB += y * y
	}
	if normA == 0 || normB == 0 {
		return 0
	}
	return max(-1, min(1, dot/math.Sqrt(normA*normB)))
}
