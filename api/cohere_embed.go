package api

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/quadrate-maas/quadrate/models"
)

// vectorType is how Cohere's clients ask for vectors to be written.
type vectorType string

const (
	vectorFloat   vectorType = "float"
	vectorInt8    vectorType = "int8"
	vectorUint8   vectorType = "uint8"
	vectorBinary  vectorType = "binary"
	vectorUbinary vectorType = "ubinary"
	vectorBase64  vectorType = "base64"
)

var vectorTypes = []vectorType{vectorFloat, vectorInt8, vectorUint8, vectorBinary, vectorUbinary, vectorBase64}

// cohereEmbedding is a decoded request to /v1/embed or /v2/embed.
type cohereEmbedding struct {
	embedding
	texts textList
	// types are those asked for, each once; none: the version's default.
	types []vectorType
}

// cohereEmbed serves one version of Cohere's API. Version 1 answers a bare list of vectors where
// no types are asked for, and version 2 floats by their type.
func (s *Server) cohereEmbed(version int) handler {
	return func(ctx context.Context, x *call) error {
		data, err := x.read(ctx)
		if err != nil {
			return err
		}
		e := cohereEmbedding{embedding: embedding{normalize: true, extra: models.Extra{Dialect: models.DialectCohere}}, texts: textList{field: "texts"}}
		if err := decodeRequest(data, &e.extra, s.cohereEmbedField(&e)); err != nil {
			return err
		}
		if len(e.types) == 0 && version > 1 {
			e.types = []vectorType{vectorFloat}
		}
		e.inputs, e.field, e.form = e.texts.inputs(), e.texts.field, e.vectorForm()
		_, result, err := s.embed(ctx, x, &e.embedding)
		if err != nil {
			return relabel(err, e.own)
		}
		x.answer(appendCohereEmbeddings(x.buffer(), version, &e, result))
		result.Done()
		return nil
	}
}

func (s *Server) cohereEmbedField(e *cohereEmbedding) fieldReader {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &e.model)
		case "texts":
			err = r.textsField(name, s.options.MaxInputs, &e.texts)
		case "inputs":
			err = r.contentsField(name, s.options.MaxInputs, &e.texts)
		case "images":
			err = r.noImagesField(name)
		case "input_type":
			err = r.stringField(name, &e.inputType)
		case "embedding_types":
			err = r.vectorTypesField(name, &e.types)
		case "output_dimension":
			err = r.wholeField(name, 1, &e.dimensions)
		case "truncate":
			err = r.truncateField(name, &e.truncation)
		default:
			return false, nil
		}
		return true, err
	}
}

// vectorForm is one that the answer can take over from a model as it is.
func (e *cohereEmbedding) vectorForm() models.VectorForm {
	switch {
	case len(e.types) == 0, len(e.types) == 1 && e.types[0] == vectorFloat:
		return models.FormNumbers
	case len(e.types) == 1 && e.types[0] == vectorBase64:
		return models.FormBase64
	}
	return models.FormVectors
}

// own is what Cohere calls a field of models.EmbedRequest.
func (e *cohereEmbedding) own(param string) string {
	if i, ok := itemOf(param, "input"); ok {
		return e.texts.item(i)
	}
	if param == "dimensions" {
		return "output_dimension"
	}
	return param
}

// contentsField takes a list of objects, the text of each of which is in the parts of its
// "content", one below the other.
func (r *jsonReader) contentsField(field string, limit int, into *textList) error {
	if k, err := r.peek(); err != nil || k != kindList && k != kindNull {
		if err == nil {
			err = wrongType(field, "a list of objects", k)
		}
		return err
	}
	return r.anyTextsField(field, "a list of objects", limit, into, func(name string, k kind) (string, error) {
		if k != kindObject {
			return "", wrongType(name, "an object", k)
		}
		var text string
		given := false
		err := r.object(func(key string) error {
			if key != "content" {
				_, err := r.skip()
				return err
			}
			var err error
			text, err = r.content(name + ".content")
			given = err == nil
			return err
		})
		if err == nil && !given {
			err = empty(name+".content", "%s.content is missing or empty: give at least one part", name)
		}
		return text, err
	})
}

func (r *jsonReader) content(field string) (string, error) {
	var parts []string
	present, err := r.optional(field, kindList)
	if err != nil {
		return "", err
	}
	if present {
		err = r.list(func(i int) error {
			name := at(field, i)
			if present, err := r.optional(name, kindObject); !present {
				return err
			}
			part, err := r.contentPart(name)
			parts = append(parts, part)
			return err
		})
	}
	if err == nil && len(parts) == 0 {
		err = empty(field, "%s is missing or empty: give at least one part", field)
	}
	return strings.Join(parts, "\n"), err
}

// contentPart takes {"type":"text","text":…}.
func (r *jsonReader) contentPart(field string) (string, error) {
	var typ, text string
	given := false
	err := r.object(func(key string) error {
		switch key {
		case "type":
			return r.stringField(field+".type", &typ)
		case "text":
			k, err := r.peek()
			if given = k == kindString; err != nil {
				return err
			}
			return r.stringField(field+".text", &text)
		}
		_, err := r.skip()
		return err
	})
	switch {
	case err != nil:
		return "", err
	case typ != "text":
		return "", invalid(field+".type", `%s.type must be "text", not %q: only text can be embedded here`, field, shorten(typ))
	case !given:
		return "", invalid(field+".text", "%s.text is missing", field)
	}
	return text, nil
}

// noImagesField takes null or an empty list, as clients send it with texts.
func (r *jsonReader) noImagesField(field string) error {
	if present, err := r.optional(field, kindList); !present {
		return err
	}
	return r.list(func(int) error {
		if _, err := r.skip(); err != nil {
			return err
		}
		return invalid(field, "%s cannot be embedded here: only text can (texts)", field)
	})
}

func (r *jsonReader) vectorTypesField(field string, into *[]vectorType) error {
	var words []string
	if err := r.wordsField(field, &words); err != nil {
		return err
	}
	*into = nil
	for i, word := range words {
		typ := vectorType(word)
		if !slices.Contains(vectorTypes, typ) {
			return invalid(at(field, i), `%s must be one of "float", "int8", "uint8", "binary", "ubinary" or "base64", not %q`, at(field, i), shorten(word))
		}
		if !slices.Contains(*into, typ) {
			*into = append(*into, typ)
		}
	}
	return nil
}

func appendCohereEmbeddings(b []byte, version int, e *cohereEmbedding, result models.EmbedResult) []byte {
	kind := "embeddings_by_type"
	b = slices.Grow(b, 512+max(1, len(e.types))*(sizeOf(result, false)+count(result)))
	b = append(b, `{"id":"`...)
	b = append(b, uuid.NewString()...)
	b = append(b, `","embeddings":`...)
	if len(e.types) == 0 {
		kind = "embeddings_floats"
		b = appendVectorsAs(b, vectorFloat, result)
	} else {
		for i, typ := range e.types {
			b = append(b, "{,"[min(i, 1)])
			b = appendString(b, string(typ))
			b = append(b, ':')
			b = appendVectorsAs(b, typ, result)
		}
		b = append(b, '}')
	}
	b = append(b, `,"texts":[`...)
	for i, text := range e.texts.texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text)
	}
	b = append(b, `],"meta":{"api_version":{"version":"`...)
	b = strconv.AppendInt(b, int64(version), 10)
	b = append(b, `"},"billed_units":{"input_tokens":`...)
	b = strconv.AppendInt(b, int64(result.Usage.PromptTokens), 10)
	b = append(b, `}},"response_type":"`...)
	b = append(b, kind...)
	b = append(b, `","usage":`...)
	b = appendUsage(b, result.Usage)
	return append(b, '}')
}

func appendVectorsAs(b []byte, typ vectorType, result models.EmbedResult) []byte {
	b = append(b, '[')
	for i := range count(result) {
		if i > 0 {
			b = append(b, ',')
		}
		switch typ {
		case vectorInt8:
			b = appendInt8(b, result.Vectors[i], 0)
		case vectorUint8:
			b = appendInt8(b, result.Vectors[i], 128)
		case vectorBinary:
			b = appendBits(b, result.Vectors[i], -128)
		case vectorUbinary:
			b = appendBits(b, result.Vectors[i], 0)
		default:
			b = appendEmbedding(b, result, i, typ == vectorBase64)
		}
	}
	return append(b, ']')
}
