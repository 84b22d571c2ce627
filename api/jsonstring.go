package api

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// str takes a string. Its bytes that are not UTF-8, and surrogates without their other half,
// become U+FFFD each.
func (r *jsonReader) str() (string, error) {
	start, escaped, ascii := r.pos+1, false, true
	for at := start; ; {
		n, plain := special(r.data[min(at, len(r.data)):])
		at, ascii = at+n, ascii && plain
		switch {
		case at >= len(r.data):
			r.pos = len(r.data)
			return "", r.unexpected()
		case r.data[at] == '"':
			r.pos = at + 1
			text := r.data[start:at]
			if escaped || !ascii && !utf8.Valid(text) {
				return r.unescape(start, text)
			}
			return string(text), nil
		case r.data[at] == '\\':
			escaped = true
			at += 2
		default:
			r.pos = at
			return "", r.fail(fmt.Sprintf("character %U must be escaped in a string", r.data[at]))
		}
	}
}

// special returns the index of the first byte that cannot stand for itself in a string (a
// quote, a backslash, a control character), or len(b), and false for ascii when a byte above
// 127 may come before it.
//
// It looks at eight bytes at once: x - ones carries into the highest bit of each byte of x
// that is 0 (and perhaps of bytes above such a one, which does not matter: the lowest counts),
// and x - ones*32 into that of each byte below 32.
func special(b []byte) (index int, ascii bool) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	var all uint64
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		all |= x
		quote, backslash := x^ones*'"', x^ones*'\\'
		if hit := ((quote-ones)&^quote | (backslash-ones)&^backslash | (x-ones*' ')&^x) & high; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8, all&high == 0
		}
	}
	for ; i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' '; i++ {
		all |= uint64(b[i])
	}
	return i, all&high == 0
}

// unescape returns what the inside of a string at start stands for.
func (r *jsonReader) unescape(start int, text []byte) (string, error) {
	out := r.scratch[:0]
	for len(text) > 0 {
		if text[0] != '\\' {
			n := bytes.IndexByte(text, '\\')
			if n < 0 {
				n = len(text)
			}
			out, text = appendValid(out, text[:n]), text[n:]
			continue
		}
		rest, c := escape(text)
		if rest == nil {
			r.pos = start - 1
			return "", r.fail("the string that begins there has an invalid escape")
		}
		out, text = utf8.AppendRune(out, c), rest
	}
	if cap(out) <= maxScratch {
		r.scratch = out
	}
	return string(out), nil
}

// maxScratch bounds the room that stays with a reader for its next strings.
const maxScratch = 64 << 10

// appendValid replaces each byte that is not part of a character.
func appendValid(out, text []byte) []byte {
	if utf8.Valid(text) {
		return append(out, text...)
	}
	for len(text) > 0 {
		c, size := utf8.DecodeRune(text)
		out, text = utf8.AppendRune(out, c), text[size:]
	}
	return out
}

// escape decodes the escape that text begins with and returns what follows; nil when it is
// none. Half a surrogate pair is U+FFFD.
func escape(text []byte) (rest []byte, c rune) {
	if text[1] == 'u' {
		first := hex4(text)
		if first < 0 {
			return nil, 0
		}
		if rest = text[6:]; !utf16.IsSurrogate(first) {
			return rest, first
		}
		if c = utf16.DecodeRune(first, hex4(rest)); c != utf8.RuneError {
			rest = rest[6:]
		}
		return rest, c
	}
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := strings.IndexByte(letters, text[1])
	if i < 0 {
		return nil, 0
	}
	return text[2:], rune(meanings[i])
}

// hex4 is the number of an escape such as \u00e9 at the front of text, or -1.
func hex4(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n := rune(0)
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|' ' && c|' ' <= 'f':
			c = c | ' ' - 'a' + 10
		default:
			return -1
		}
		n = n<<4 | rune(c)
	}
	return n
}
