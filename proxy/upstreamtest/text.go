package upstreamtest

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// badText is text in a JSON body that Go's parser takes, in its way, and other servers do not.
type badText struct {
	at int
	// end is the offset behind the string (bytes that are not UTF-8) or behind the escape.
	end int
	// surrogate: it is half of a pair of escapes; else bytes that are not UTF-8.
	surrogate bool
}

// findBadText gives the first that is in a body, nil if there is none.
func findBadText(body []byte) *badText {
	if at := invalidUTF8(body); at >= 0 {
		return &badText{at: at, end: at + bytes.IndexByte(append(bytes.Clone(body[at:]), '"'), '"') + 1}
	}
	for at := 0; at < len(body); at++ {
		if body[at] != '\\' {
			continue
		}
		unit, is := escapedUnit(body[at:])
		if !is {
			at++ // what the backslash escapes
			continue
		}
		next, _ := escapedUnit(body[at+6:])
		switch {
		case unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000:
			at += 11
		case unit >= 0xd800 && unit < 0xe000:
			return &badText{at: at, end: at + 7, surrogate: true}
		default:
			at += 5
		}
	}
	return nil
}

func invalidUTF8(body []byte) int {
	for at := 0; at < len(body); {
		r, size := utf8.DecodeRune(body[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// escapedUnit reads \uXXXX.
func escapedUnit(b []byte) (uint64, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return unit, err == nil
}

// holds names the field that an offset is in.
func (o object) holds(at int) string {
	for _, name := range o.names {
		if at < o.fields[name].end {
			return name
		}
	}
	return ""
}
