package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// scanner walks over an answer's JSON once, value by value, without storing what nobody needs.
// It takes and refuses what encoding/json takes and refuses, apart from maxDepth and from bytes
// that are not UTF-8, which it refuses nowhere.
type scanner struct {
	data  []byte
	pos   int
	depth int
	// answer is what data is the body of; nil where it is none's.
	answer *response
}

// maxDepth is how deep lists and objects may be nested.
const maxDepth = 64

// peek returns the first byte of the next value, 0 at the end of the text.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// object calls each for every member of the next value, which must be an object; each must take
// the member's value. The key lies in the answer, and its escapes are not decoded: no name that
// is looked for has any.
func (s *scanner) object(each func(key []byte) error) error {
	return s.members('{', '}', func(int) error {
		key, _, err := s.text()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.unexpected("':'")
		}
		s.pos++
		return each(key)
	})
}

// list calls each for every item of the next value, which must be a list; each must take the item.
func (s *scanner) list(each func(i int) error) error { return s.members('[', ']', each) }

func (s *scanner) members(begin, end byte, each func(i int) error) error {
	if s.peek() != begin {
		return s.unexpected(kindOf(begin))
	}
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return s.fail(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	for i := 0; ; i++ {
		if i == 0 && s.peek() == end {
			break
		}
		if err := each(i); err != nil {
			return err
		}
		c := s.peek()
		if c == end {
			break
		}
		if c != ',' {
			return s.unexpected("',' or " + strconv.QuoteRune(rune(end)))
		}
		s.pos++
	}
	s.pos++
	s.depth--
	return nil
}

// text takes a string and returns its inside, which lies in the answer, and whether that has
// escapes.
func (s *scanner) text() (inside []byte, escaped bool, err error) {
	if s.peek() != '"' {
		return nil, false, s.unexpected("a string")
	}
	start := s.pos + 1
	for at := start; at < len(s.data); at++ {
		switch c := s.data[at]; {
		case c == '"':
			s.pos = at + 1
			return s.data[start:at], escaped, nil
		case c == '\\':
			n := escapeLen(s.data[at:])
			if n == 0 {
				s.pos = at
				return nil, false, s.fail("an invalid escape")
			}
			escaped = true
			at += n - 1
		case c < ' ':
			s.pos = at
			return nil, false, s.fail("a control character in a string")
		}
	}
	s.pos = len(s.data)
	return nil, false, s.unexpected("the string's end")
}

// plain takes a string that is long and has no escapes, such as base64: much faster than text. It
// returns false, and takes nothing, when it is not that.
func (s *scanner) plain() (inside []byte, ok bool) {
	if s.peek() != '"' {
		return nil, false
	}
	n := bytes.IndexByte(s.data[s.pos+1:], '"')
	if n < 0 {
		return nil, false
	}
	inside = s.data[s.pos+1 : s.pos+1+n]
	if bytes.IndexByte(inside, '\\') >= 0 {
		return nil, false
	}
	s.pos += n + 2
	return inside, true
}

// str takes a string.
func (s *scanner) str() (string, error) {
	start := s.pos
	inside, escaped, err := s.text()
	if err != nil || !escaped {
		return string(inside), err
	}
	var text string
	err = json.Unmarshal(s.data[start:s.pos], &text)
	return text, err
}

// escapeLen is the length of the escape that b begins with; 0: it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] == 'u' {
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if ('0' > c || c > '9') && ('a' > c|' ' || c|' ' > 'f') {
				return 0
			}
		}
		return 6
	}
	if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
		return 0
	}
	return 2
}

// whole takes a whole number, or a null, which is -1.
func (s *scanner) whole() (int, error) {
	if s.peek() == 'n' {
		return -1, s.skip()
	}
	f, err := s.number()
	if err == nil && (f != math.Trunc(f) || math.Abs(f) > 1<<53) {
		err = s.fail(fmt.Sprintf("%v is not a whole number", f))
	}
	return int(f), err
}

// number takes a number that a float32 can hold.
func (s *scanner) number() (float64, error) {
	s.peek()
	f, next := scanNumber(s.data, s.pos)
	if next < 0 {
		return 0, s.unexpected("a number")
	}
	s.pos = next
	return f, nil
}

// score takes a number as a float32; a null, or what a float32 cannot hold, is refused.
func (s *scanner) score() (float32, error) {
	at := s.pos
	f, err := s.number()
	if err == nil && overflows(f) {
		s.pos = at
		err = s.fail("a number larger than a float32 can hold")
	}
	return float32(f), err
}

// skip takes any value.
func (s *scanner) skip() error {
	switch c := s.peek(); c {
	case '"':
		_, _, err := s.text()
		return err
	case '[':
		return s.list(func(int) error { return s.skip() })
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	_, err := s.number()
	return err
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.unexpected(word)
	}
	s.pos += len(word)
	return nil
}

// end checks that nothing follows.
func (s *scanner) end() error {
	if s.peek(); s.pos < len(s.data) {
		return s.unexpected("the end")
	}
	return nil
}

func kindOf(begin byte) string {
	if begin == '{' {
		return "an object"
	}
	return "a list"
}

func (s *scanner) unexpected(want string) error {
	s.peek()
	if s.pos >= len(s.data) {
		return s.fail("it ends where " + want + " is due")
	}
	c, _ := utf8.DecodeRune(s.data[s.pos:])
	return s.fail(fmt.Sprintf("%q where %s is due", c, want))
}

// fail describes a fault at the present position.
func (s *scanner) fail(what string) error {
	return fmt.Errorf("the answer's JSON is wrong at byte %d: %s", s.pos, what)
}
