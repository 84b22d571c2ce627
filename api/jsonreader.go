package api

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// jsonReader walks over a JSON text once, value by value. It is used in place of
// encoding/json because requests need what that cannot give in one pass: fields of several
// types, limits on the number of items before they are stored, and errors that name the
// item. Strings it returns are copies. What it takes and what it refuses is what
// encoding/json takes and refuses, apart from maxDepth.
type jsonReader struct {
	data  []byte
	pos   int
	depth int
	// scratch is where strings with escapes are put together.
	scratch []byte
}

// maxDepth is how deep lists and objects may be nested.
const maxDepth = 512

// kind is the type of a JSON value.
type kind string

const (
	kindString kind = "a string"
	kindNumber kind = "a number"
	kindBool   kind = "a boolean"
	kindNull   kind = "null"
	kindList   kind = "a list"
	kindObject kind = "an object"
)

func newJSONReader(data []byte) *jsonReader {
	return &jsonReader{data: bytes.TrimPrefix(data, []byte("\ufeff"))}
}

// peek returns the kind of the next value without taking it.
func (r *jsonReader) peek() (kind, error) {
	r.space()
	if r.pos >= len(r.data) {
		return "", r.unexpected()
	}
	switch b := r.data[r.pos]; {
	case b == '"':
		return kindString, nil
	case b == '-' || '0' <= b && b <= '9':
		return kindNumber, nil
	case b == 't' || b == 'f':
		return kindBool, nil
	case b == 'n':
		return kindNull, nil
	case b == '[':
		return kindList, nil
	case b == '{':
		return kindObject, nil
	}
	return "", r.unexpected()
}

// object calls each for every member; each must take the member's value.
func (r *jsonReader) object(each func(key string) error) error {
	return r.members('}', func(int) error {
		r.space()
		if r.pos >= len(r.data) || r.data[r.pos] != '"' {
			return r.unexpected()
		}
		key, err := r.str()
		if err != nil {
			return err
		}
		r.space()
		if err := r.take(':'); err != nil {
			return err
		}
		return each(key)
	})
}

// list calls each for every item; each must take the item.
func (r *jsonReader) list(each func(i int) error) error { return r.members(']', each) }

func (r *jsonReader) members(end byte, each func(i int) error) error {
	r.pos++
	if r.depth++; r.depth > maxDepth {
		return r.fail(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	r.space()
	for i := 0; ; i++ {
		if i == 0 && r.pos < len(r.data) && r.data[r.pos] == end {
			break
		}
		if err := each(i); err != nil {
			return err
		}
		r.space()
		if r.pos < len(r.data) && r.data[r.pos] == end {
			break
		}
		if err := r.take(','); err != nil {
			return err
		}
	}
	r.pos++
	r.depth--
	return nil
}

// number takes a number and returns its text, which lies in the reader's data.
func (r *jsonReader) number() ([]byte, error) {
	start := r.pos
	r.skipByte('-')
	if !r.skipByte('0') && !r.digits() {
		return nil, r.unexpected()
	}
	if r.skipByte('.') && !r.digits() {
		return nil, r.unexpected()
	}
	if r.skipByte('e') || r.skipByte('E') {
		if !r.skipByte('+') {
			r.skipByte('-')
		}
		if !r.digits() {
			return nil, r.unexpected()
		}
	}
	return r.data[start:r.pos], nil
}

// boolean takes true or false.
func (r *jsonReader) boolean() (bool, error) {
	if r.data[r.pos] == 't' {
		return true, r.literal("true")
	}
	return false, r.literal("false")
}

// skip takes any value and returns its text, which lies in the reader's data.
func (r *jsonReader) skip() ([]byte, error) {
	k, err := r.peek()
	if err != nil {
		return nil, err
	}
	start := r.pos
	switch k {
	case kindString:
		_, err = r.str()
	case kindNumber:
		_, err = r.number()
	case kindBool:
		_, err = r.boolean()
	case kindNull:
		err = r.literal("null")
	case kindList:
		err = r.list(func(int) error { _, err := r.skip(); return err })
	case kindObject:
		err = r.object(func(string) error { _, err := r.skip(); return err })
	}
	return r.data[start:r.pos], err
}

// end checks that nothing follows.
func (r *jsonReader) end() error {
	r.space()
	if r.pos < len(r.data) {
		return r.fail("more text after the end of the object")
	}
	return nil
}

func (r *jsonReader) literal(word string) error {
	for i := range len(word) {
		if r.pos >= len(r.data) || r.data[r.pos] != word[i] {
			return r.unexpected()
		}
		r.pos++
	}
	return nil
}

func (r *jsonReader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *jsonReader) take(b byte) error {
	if !r.skipByte(b) {
		return r.unexpected()
	}
	return nil
}

func (r *jsonReader) skipByte(b byte) bool {
	if r.pos < len(r.data) && r.data[r.pos] == b {
		r.pos++
		return true
	}
	return false
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for r.pos < len(r.data) && '0' <= r.data[r.pos] && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > start
}

func (r *jsonReader) unexpected() error {
	if r.pos >= len(r.data) {
		return r.fail("the text ends too early")
	}
	c, size := utf8.DecodeRune(r.data[r.pos:])
	if c == utf8.RuneError && size <= 1 {
		return r.fail(fmt.Sprintf("unexpected byte 0x%02x", r.data[r.pos]))
	}
	return r.fail(fmt.Sprintf("unexpected %q", c))
}

// fail describes a fault of syntax at the present position.
func (r *jsonReader) fail(what string) error {
	before := r.data[:min(r.pos, len(r.data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return syntaxError(fmt.Sprintf("the body is not valid JSON: line %d, column %d (byte %d): %s", line, column, len(before), what))
}
