package api

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// fieldReader takes the value of a field by its name. For one that it does not know it returns
// false and takes nothing.
type fieldReader func(r *jsonReader, name string) (known bool, err error)

// decodeObject walks over the body's object. A field that is unknown is skipped.
func decodeObject(data []byte, field fieldReader) error { return decodeRequest(data, nil, field) }

// decodeRequest is decodeObject that keeps unknown fields in extra, unless that is nil.
func decodeRequest(data []byte, extra *models.Extra, field fieldReader) error {
	r := newJSONReader(data)
	if r.space(); r.pos == len(r.data) {
		return syntaxError("the body is empty; it must be a JSON object")
	}
	k, err := r.peek()
	if err != nil {
		return err
	}
	if k != kindObject {
		return syntaxError(fmt.Sprintf("the body must be a JSON object, not %s", k))
	}
	err = r.object(func(name string) error {
		known, err := field(r, name)
		if err == nil && !known {
			err = r.extraField(name, extra)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.end()
}

func wrongType(field, want string, got kind) error {
	return invalid(field, "%s must be %s, not %s", field, want, got)
}

// optional takes a null, or asserts that the next value is of the kind wanted.
func (r *jsonReader) optional(field string, want kind) (present bool, err error) {
	k, err := r.peek()
	switch {
	case err != nil:
		return false, err
	case k == kindNull:
		return false, r.literal("null")
	case k != want:
		return false, wrongType(field, string(want), k)
	}
	return true, nil
}

func (r *jsonReader) stringField(field string, into *string) error {
	present, err := r.optional(field, kindString)
	if present {
		*into, err = r.str()
	}
	return err
}

func (r *jsonReader) boolField(field string, into *bool) error {
	present, err := r.optional(field, kindBool)
	if present {
		*into, err = r.boolean()
	}
	return err
}

// boolOrWordField also takes "true" and "false", as some clients send them.
func (r *jsonReader) boolOrWordField(field string, into *bool) error {
	k, err := r.peek()
	if err != nil || k != kindString {
		if err == nil && k != kindBool && k != kindNull {
			return wrongType(field, "true or false", k)
		}
		return r.boolField(field, into)
	}
	word, err := r.str()
	if err != nil {
		return err
	}
	value, err := strconv.ParseBool(strings.ToLower(word))
	if err != nil || len(word) < len("true") {
		return invalid(field, "%s must be true or false, not %q", field, shorten(word))
	}
	*into = value
	return nil
}

// wholeField takes a whole number that is at least least.
func (r *jsonReader) wholeField(field string, least int, into *int) error {
	present, err := r.optional(field, kindNumber)
	if !present {
		return err
	}
	text, err := r.number()
	if err != nil {
		return err
	}
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil || value != math.Trunc(value) {
		return invalid(field, "%s must be a whole number, not %s", field, shorten(string(text)))
	}
	if value < float64(least) {
		return invalid(field, "%s must be at least %d, not %s", field, least, shorten(string(text)))
	}
	// More than a float64 tells apart is more than there is of anything: some clients send the
	// largest integer for "all".
	*into = int(min(value, 1<<53))
	return nil
}

// wordsField takes a list of strings.
func (r *jsonReader) wordsField(field string, into *[]string) error {
	present, err := r.optional(field, kindList)
	if !present {
		return err
	}
	*into = nil
	return r.list(func(i int) error {
		var word string
		present, err := r.optional(at(field, i), kindString)
		if present {
			word, err = r.str()
		}
		if err == nil && len(*into) == maxRankFields {
			err = invalid(field, "%s has more than %d names", field, maxRankFields)
		}
		*into = append(*into, word)
		return err
	})
}

// maxRankFields bounds the work that one object among a rerank's documents can ask for.
const maxRankFields = 64

// truncation gathers what a request says about texts that are too long, in any dialect.
type truncation struct {
	refuse    bool
	fromStart bool
}

func (t truncation) mode() models.Truncate {
	switch {
	case t.refuse:
		return models.TruncateNone
	case t.fromStart:
		return models.TruncateStart
	}
	return models.TruncateEnd
}

// truncateField takes true, false, or Cohere's words.
func (r *jsonReader) truncateField(field string, into *truncation) error {
	const want = `true, false, "NONE", "START" or "END"`
	k, err := r.peek()
	if err != nil {
		return err
	}
	switch k {
	case kindNull:
		return r.literal("null")
	case kindBool:
		cut, err := r.boolean()
		into.refuse = !cut
		return err
	case kindString:
		word, err := r.str()
		if err != nil {
			return err
		}
		switch strings.ToUpper(word) {
		case "NONE":
			into.refuse = true
		case "START":
			into.refuse, into.fromStart = false, true
		case "END":
			into.refuse, into.fromStart = false, false
		default:
			return invalid(field, "%s must be %s, not %q", field, want, shorten(word))
		}
		return nil
	}
	return wrongType(field, want, k)
}

// directionField takes TEI's truncation_direction: the side that is cut off.
func (r *jsonReader) directionField(field string, into *truncation) error {
	var side string
	if err := r.stringField(field, &side); err != nil || side == "" {
		return err
	}
	switch strings.ToLower(side) {
	case "left":
		into.fromStart = true
	case "right":
		into.fromStart = false
	default:
		return invalid(field, `%s must be "Left" or "Right", not %q`, field, shorten(side))
	}
	return nil
}

// at names an item of a list.
func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// shorten keeps what a message repeats of a request readable.
func shorten(s string) string {
	const limit = 40
	runes := 0
	for i := range s {
		if runes++; runes > limit {
			return s[:i] + "…"
		}
	}
	return s
}
