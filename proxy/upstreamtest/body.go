package upstreamtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

// object is a JSON object whose fields have not been read yet.
type object struct {
	fields map[string]field
	// names are the fields' in their order.
	names []string
	// end is the offset behind the object.
	end int
}

// field is a field's value, with the offset behind it.
type field struct {
	raw json.RawMessage
	end int
}

// bodyError says why a body is no JSON object.
type bodyError struct {
	// notObject: it is JSON of another type; twice is the field that is there twice, at is where
	// the parser stopped, in is the field that it was in, and eof whether the body ended there.
	notObject bool
	twice     string
	at        int
	in        string
	eof       bool
}

func (e *bodyError) Error() string { return "not a JSON object at byte " + strconv.Itoa(e.at) }

// parseObject reads a body. Where strict, a field may not be there twice; else the last one holds.
func parseObject(body []byte, strict bool) (object, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	o := object{fields: map[string]field{}}
	opening, err := decoder.Token()
	if err != nil {
		return o, syntaxError(decoder, body, "", err)
	}
	if opening != json.Delim('{') {
		return o, otherType(body)
	}
	for decoder.More() {
		if err := o.readField(decoder, body, strict); err != nil {
			return o, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return o, syntaxError(decoder, body, "", err)
	}
	o.end = int(decoder.InputOffset())
	if !blank(body[o.end:]) {
		return o, &bodyError{at: o.end + 1}
	}
	return o, nil
}

func (o *object) readField(decoder *json.Decoder, body []byte, strict bool) error {
	key, err := decoder.Token()
	name, is := key.(string)
	if err != nil || !is {
		return syntaxError(decoder, body, "", err)
	}
	_, known := o.fields[name]
	if known && strict {
		return &bodyError{twice: name, at: int(decoder.InputOffset())}
	}
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return syntaxError(decoder, body, name, err)
	}
	if !known {
		o.names = append(o.names, name)
	}
	o.fields[name] = field{raw: raw, end: int(decoder.InputOffset())}
	return nil
}

func syntaxError(decoder *json.Decoder, body []byte, in string, err error) error {
	e := &bodyError{in: in, at: int(decoder.InputOffset())}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.eof, e.at = true, len(body)
	case errors.As(err, &syntax):
		e.at = int(syntax.Offset)
	}
	return e
}

// otherType tells JSON of another type from what is no JSON at all.
func otherType(body []byte) error {
	if json.Valid(body) {
		return &bodyError{notObject: true, at: len(body)}
	}
	return &bodyError{at: 1, eof: len(body) == 1}
}

// given is a field that is there and not null.
func (o object) given(name string) (field, bool) {
	f, is := o.fields[name]
	return f, is && !isNull(f.raw)
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// first is a value's first character, which tells its type.
func first(raw json.RawMessage) byte {
	if len(raw) == 0 {
		return 0
	}
	return raw[0]
}

// as reads a value, and reports whether it has the type. null has none.
func as[T any](raw json.RawMessage) (T, bool) {
	var v T
	if isNull(raw) {
		return v, false
	}
	return v, json.Unmarshal(raw, &v) == nil
}

// items splits a JSON list.
func items(raw json.RawMessage) ([]json.RawMessage, bool) {
	if first(raw) != '[' {
		return nil, false
	}
	return as[[]json.RawMessage](raw)
}

// input is a text or the ids of its tokens.
type input struct {
	text string
	ids  []int
	// isIDs: there are ids, perhaps none.
	isIDs bool
}

func (i input) empty() bool { return i.text == "" && len(i.ids) == 0 }

// characters is how many an input has; ids count as one each.
func (i input) characters() int {
	if i.isIDs {
		return len(i.ids)
	}
	return len([]rune(i.text))
}

// parseInput reads a string or a list of ids below limit.
func parseInput(raw json.RawMessage, limit uint64) (input, bool) {
	if text, is := as[string](raw); is {
		return input{text: text}, true
	}
	list, is := items(raw)
	if !is {
		return input{}, false
	}
	in := input{isIDs: true, ids: []int{}}
	for _, item := range list {
		id, is := as[uint64](item)
		if !is || id >= limit {
			return input{}, false
		}
		in.ids = append(in.ids, int(id))
	}
	return in, true
}
