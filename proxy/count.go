package proxy

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// count takes a list of numbers, each of which a float32 can hold, as vector does, but is not
// interested in what they are. A number without an exponent and with at most 38 digits before its
// point is less than 1e38, whatever its digits, so it is enough to find its end, eight bytes at a
// time; every other one is left to scanNumber.
func (s *scanner) count() (int, error) {
	if s.peek() != '[' {
		return 0, s.unexpected("a list of numbers")
	}
	data := s.data
	at, n := quarters(data, s.pos+1)
	for {
		next := plainNumber(data, at)
		if next < 0 {
			var err error
			if at, err = s.countSlowly(at, n); err != nil || at < 0 {
				return n, err
			}
		} else {
			at = next
		}
		n++
		if at < len(data) && data[at] == ',' {
			var more int
			at, more = fractions(data, at+1, len(data))
			n += more
			continue
		}
		if at = skipSpace(data, at); at < len(data) && data[at] == ',' {
			at++
			continue
		}
		break
	}
	s.pos = at
	if s.peek() != ']' {
		return n, s.unexpected("',' or ']'")
	}
	s.pos++
	return n, nil
}

// fraction takes a number as vectors have them, between -1 and 1, that is followed by a comma and
// more text: "-0.0123,". It returns where the next one begins, or at when there is none. Signs
// come at random, so they are stepped over by arithmetic, for which there is nothing to foresee.
func fraction(data []byte, at int) int {
	const longest = 32 // sign, "0.", sixteen digits, and what eight bytes at once may reach
	if len(data)-at < longest {
		return at
	}
	other := int(data[at] ^ '-')
	p := at + 1 - int(uint64(-other)>>63)
	if data[p] != '0' || data[p+1] != '.' {
		return at
	}
	p += 2
	stop := noDigits(binary.LittleEndian.Uint64(data[p:]) ^ zeros)
	if stop == 0 {
		p += 8
		stop = noDigits(binary.LittleEndian.Uint64(data[p:]) ^ zeros)
	}
	p += bits.TrailingZeros64(stop) >> 3
	if data[p] != ',' || data[p-1] == '.' {
		return at
	}
	return p + 1
}

// fractions takes such numbers up to end, or as long as there are any.
func fractions(data []byte, at, end int) (next, n int) {
	for at < end {
		next := fraction(data, at)
		if next == at {
			break
		}
		at = next
		n++
	}
	return at, n
}

// quarters is fractions for a whole list: where a number begins is known only when the one before
// has been read, so four places are read at a time, each from a comma on up to where the next
// began. What it has taken is the list up to next.
func quarters(data []byte, at int) (next, n int) {
	const parts, worthwhile = 4, 512
	length := bytes.IndexByte(data[at:], ']')
	if length < worthwhile {
		return at, 0
	}
	var from, to [parts]int
	from[0] = at
	for i := 1; i < parts; i++ {
		middle := at + i*length/parts
		comma := bytes.IndexByte(data[middle:at+length], ',')
		if comma < 0 {
			return at, 0
		}
		from[i] = middle + comma + 1
		to[i-1] = from[i]
	}
	to[parts-1] = at + length
	a, b, c, d := from[0], from[1], from[2], from[3]
	for a < to[0] && b < to[1] && c < to[2] && d < to[3] {
		a2, b2, c2, d2 := fraction(data, a), fraction(data, b), fraction(data, c), fraction(data, d)
		if a2 == a || b2 == b || c2 == c || d2 == d {
			break
		}
		a, b, c, d = a2, b2, c2, d2
		n++
	}
	return finish(data, [parts]int{a, b, c, d}, to, n)
}

// finish takes what is left of each part, from where each has taken n numbers, and joins the
// parts up to the first that could not be taken whole.
func finish(data []byte, at, to [4]int, each int) (next, n int) {
	for i := range at {
		end, more := fractions(data, at[i], to[i])
		next, n = end, n+each+more
		if end != to[i] {
			break
		}
	}
	return next, n
}

// countSlowly takes one number that is not plain, with the space before it. It returns -1 at the
// end of an empty list, which it takes.
func (s *scanner) countSlowly(at, before int) (int, error) {
	at = skipSpace(s.data, at)
	s.pos = at
	f, next := scanNumber(s.data, at)
	switch {
	case next < 0 && before == 0 && at < len(s.data) && s.data[at] == ']':
		s.pos++
		return -1, nil
	case next < 0:
		return at, s.unexpected("a number")
	case overflows(f):
		return at, s.fail("a number larger than a float32 can hold")
	}
	return next, nil
}

// plainNumber returns where the number at data[at:] ends, or -1 when it has an exponent, many
// digits, or the text's end near by, or is none.
func plainNumber(data []byte, at int) int {
	const window = 48 // sign, 38 digits, point, and eight more bytes
	if len(data)-at < window {
		return -1
	}
	d := data[at : at+window]
	p := 0
	if d[0] == '-' {
		p = 1
	}
	if d[p] == '0' {
		p++
	} else {
		n := digitsIn(d, p, 38)
		if n == 0 {
			return -1
		}
		p += n
	}
	at += p
	if d[p] == '.' {
		n := digitsAfter(data, at+1)
		if n <= 0 {
			return -1
		}
		at += 1 + n
	}
	if at >= len(data) || data[at]|' ' == 'e' {
		return -1
	}
	return at
}

// digitsIn counts the digits from d[p] on; 0 if there are more than limit, too.
func digitsIn(d []byte, p, limit int) int {
	n := 0
	for d[p+n]-'0' <= 9 {
		if n++; n > limit {
			return 0
		}
	}
	return n
}

// digitsAfter counts the digits from data[at] on; -1 when the text's end comes too near.
func digitsAfter(data []byte, at int) int {
	for start := at; at+8 <= len(data); at += 8 {
		if stop := noDigits(binary.LittleEndian.Uint64(data[at:]) ^ zeros); stop != 0 {
			return at - start + bits.TrailingZeros64(stop)/8
		}
	}
	return -1
}
