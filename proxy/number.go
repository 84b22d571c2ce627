package proxy

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// measure is what is known of a vector without keeping it.
type measure struct {
	count   int
	squares float64 // the sum of the numbers' squares
}

func (m *measure) add(f float64) {
	m.count++
	m.squares += f * f
}

// unit reports whether the norm is 1, as far as half precision can tell.
func (m measure) unit() bool { return math.Abs(math.Sqrt(m.squares)-1) <= 1e-3 }

// vector takes a list of numbers, each of which a float32 can hold, and measures it. The numbers
// are appended to v when keep is true, each rounded once.
func (s *scanner) vector(v []float32, keep bool) ([]float32, measure, error) {
	var m measure
	if s.peek() != '[' {
		return v, m, s.unexpected("a list of numbers")
	}
	at, data := s.pos+1, s.data
	for {
		if at < len(data) && data[at] <= ' ' {
			at = skipSpace(data, at)
		}
		f, next := scanNumber(data, at)
		if next < 0 {
			s.pos = at
			if m.count == 0 && at < len(data) && data[at] == ']' {
				s.pos++
				return v, m, nil
			}
			return v, m, s.unexpected("a number")
		}
		if overflows(f) {
			s.pos = at
			return v, m, s.fail("a number larger than a float32 can hold")
		}
		m.add(f)
		if keep {
			v = append(v, round(f, data[at:next]))
		}
		if at = next; at < len(data) && data[at] <= ' ' {
			at = skipSpace(data, at)
		}
		if at >= len(data) || data[at] != ',' {
			break
		}
		at++
	}
	s.pos = at
	if s.peek() != ']' {
		return v, m, s.unexpected("',' or ']'")
	}
	s.pos++
	return v, m, nil
}

func skipSpace(data []byte, at int) int {
	for at < len(data) && (data[at] == ' ' || data[at] == '\n' || data[at] == '\t' || data[at] == '\r') {
		at++
	}
	return at
}

// overflows reports whether a float32 made of f is infinite. Numbers from halfway to the next
// power of two on are.
func overflows(f float64) bool {
	const halfway = (math.MaxFloat32 + 0x1p128) / 2
	return f >= halfway || f <= -halfway
}

// tens are the powers that one multiplication or division may be by. Those above 1e22 are
// rounded, which adds half a unit in a float64's last place to a result's error.
var tens = func() (powers [64]float64) {
	for i := range powers {
		powers[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64)
	}
	return powers
}()

// scanNumber reads the JSON number at data[at:] and returns it, and where it ends, or -1 when
// there is none. The result is within 4 units of a float64's last place of the text's number: more
// than is needed to check it, and see round.
//
// It gathers up to 19 digits in an integer, eight at a time, and scales that once. Longer numbers
// and larger exponents, which hardly come up in vectors, are left to strconv.
func scanNumber(data []byte, at int) (f float64, next int) {
	start := at
	negative := at < len(data) && data[at] == '-'
	if negative {
		at++
	}
	if at >= len(data) {
		return 0, -1
	}
	var digits uint64
	first := at
	if data[at] == '0' {
		at++
	} else if digits, at = gather(data, at, 0); at == first {
		return 0, -1
	}
	count := at - first
	exponent := 0
	if at < len(data) && data[at] == '.' {
		at++
		point := at
		if digits, at = gather(data, at, digits); at == point {
			return 0, -1
		}
		exponent = point - at
		count += at - point
	}
	if at < len(data) && data[at]|' ' == 'e' {
		var e int
		if e, at = scanExponent(data, at+1); at < 0 {
			return 0, -1
		}
		exponent += e
	}
	// One digit more than 19 is the 0 before the point of most numbers.
	if count > 20 || count == 20 && data[first] != '0' || exponent <= -len(tens) || exponent >= len(tens) {
		return slowNumber(data[start:at]), at
	}
	f = float64(digits)
	if exponent < 0 {
		f /= tens[-exponent]
	} else if exponent > 0 {
		f *= tens[exponent]
	}
	if negative {
		f = -f
	}
	return f, at
}

// gather appends the decimal digits at data[at:] to n and returns where they end.
func gather(data []byte, at int, n uint64) (uint64, int) {
	for at+8 <= len(data) {
		x := binary.LittleEndian.Uint64(data[at:]) ^ zeros
		stop := noDigits(x)
		if stop == 0 {
			n = n*100_000_000 + eightDigits(x)
			at += 8
			continue
		}
		count := bits.TrailingZeros64(stop) / 8
		// What follows the digits goes, and zeros come before them. A shift by 64 leaves nothing.
		return n*smallTens[count&7] + eightDigits(x<<(64-8*count)), at + count
	}
	for at < len(data) {
		d := data[at] - '0'
		if d > 9 {
			break
		}
		n = n*10 + uint64(d)
		at++
	}
	return n, at
}

// zeros are eight digits 0.
const zeros = 0x3030303030303030

var smallTens = [8]uint64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000}

// noDigits sets the highest bit of the first byte of x that is above 9, and of no byte before it.
// Adding 0x76 carries into that bit from 10 on; what it carries beyond concerns later bytes only.
func noDigits(x uint64) uint64 {
	return (x + 0x7676767676767676 | x) & 0x8080808080808080
}

// eightDigits is the number of eight digits, whose values are the bytes of x, the first the
// lowest: it makes pairs, then fours of pairs, then the whole, each by one multiplication for all.
func eightDigits(x uint64) uint64 {
	const pairs, fours = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
	x = (x*10 + x>>8) & pairs
	x = (x*100 + x>>16) & fours
	return (x*10_000 + x>>32) & 0xffffffff
}

// scanExponent reads the sign and digits that follow an e; at is -1 when there are none. What is
// beyond every float is cut off.
func scanExponent(data []byte, at int) (exponent, next int) {
	negative := at < len(data) && data[at] == '-'
	if at < len(data) && (data[at] == '-' || data[at] == '+') {
		at++
	}
	first := at
	for ; at < len(data) && data[at]-'0' <= 9; at++ {
		exponent = min(10*exponent+int(data[at]-'0'), 100_000)
	}
	if at == first {
		return 0, -1
	}
	if negative {
		exponent = -exponent
	}
	return exponent, at
}

// slowNumber is infinite where the text's number is too large.
func slowNumber(text []byte) float64 {
	f, _ := strconv.ParseFloat(string(text), 64) // its syntax is right, and ErrRange says so by f
	return f
}

// round returns the float32 that is nearest to the number of text, of which f is scanNumber's
// result. Rounding f is rounding text, unless f lies so close to halfway between two float32s
// that its own error decides, or the result is too small to have all its digits.
func round(f float64, text []byte) float32 {
	const dropped, half, near = 1<<29 - 1, 1 << 28, 8
	low := int64(math.Float64bits(f) & dropped)
	if (low < half-near || low > half+near) && math.Abs(f) >= 0x1p-126 || f == 0 {
		return float32(f)
	}
	exact, _ := strconv.ParseFloat(string(text), 32)
	return float32(exact)
}

var (
	errBase64    = errors.New("a vector is not base64 of float32s")
	errNotFinite = errors.New("a number of a vector is not finite")
)

// unbase64 appends the float32s, little endian, that text encodes, to v when keep is true, and
// measures them. scratch is reused.
func unbase64(text []byte, v []float32, keep bool, scratch *[]byte) ([]float32, measure, error) {
	var m measure
	raw, err := base64.StdEncoding.Strict().AppendDecode((*scratch)[:0], text)
	*scratch = raw
	if err != nil || len(raw)%4 != 0 || len(text) != base64.StdEncoding.EncodedLen(len(raw)) { // line ends are passed over
		return v, m, errBase64
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		u := binary.LittleEndian.Uint32(raw[i:])
		if u&0x7f800000 == 0x7f800000 {
			return v, m, errNotFinite
		}
		f := math.Float32frombits(u)
		m.add(float64(f))
		if keep {
			v = append(v, f)
		}
	}
	return v, m, nil
}
