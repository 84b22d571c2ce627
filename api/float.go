package api

import (
	"math"
	"strconv"
)

// appendFloat writes the shortest decimal that reads back to the same float32, and of these
// the nearest, as strconv.AppendFloat(b, f, 'g', -1, 32) does.
//
// Numbers that are written without an exponent, nearly all of a vector, have their digits from
// shortest, which is 64-bit integer arithmetic in this range and takes half of the time. Powers
// of two, whose neighbour below is half as far as the one above, are not worth a case.
func appendFloat(b []byte, f float32) []byte {
	const least, most = 1e-4, 1e6
	magnitude, bits := math.Abs(float64(f)), math.Float32bits(f)
	if !(magnitude >= least && magnitude < most) || bits&fraction == 0 {
		return strconv.AppendFloat(b, float64(f), 'g', -1, 32)
	}
	if f < 0 {
		b = append(b, '-')
	}
	digits, places := shortest(bits)
	return appendPoint(b, digits, places)
}

// fraction masks the bits of a float32 below its exponent.
const fraction = 1<<23 - 1

// The powers of five below, and of ten, that the range of shortest needs.
var (
	powersOf5  = powers[uint64](5, 13)
	powersOf10 = powers[uint32](10, 10)
)

func powers[T uint32 | uint64](base T, count int) []T {
	list := make([]T, count)
	list[0] = 1
	for i := 1; i < count; i++ {
		list[i] = base * list[i-1]
	}
	return list
}

// shortest returns the shortest decimal digits/10^places in the interval of the real numbers
// that round to a float32 of 1e-4 to 1e6 that is no power of two. It is the method of R. Giulietti, "The Schubfach way
// to render doubles" (2020): let 10^-p be the largest power of ten that is not above the
// distance between neighbouring floats. Then the interval holds a multiple of it, and at most
// one of 10^(1-p), which is the shortest if there is one. With p at most 12 all of it is exact
// in 64 bits.
func shortest(bits uint32) (digits uint64, places int) {
	exponent := int(bits>>23&0xff) - 150
	significand := uint64(bits&fraction | (fraction + 1))
	p := (-exponent*1233 + 4095) >> 12 // -floor(exponent*log10(2))
	five := powersOf5[p]

	// The float times 10^p, and the ends of its interval, in units of 2^-shift.
	shift := 2 - exponent - p
	value := 4 * significand * five
	low, high := value-2*five, value+2*five
	if significand&1 != 0 { // the ends round to the even neighbour
		low, high = low+1, high-1
	}
	floor := value >> shift
	tens := floor / 10
	switch {
	case (10*tens)<<shift >= low:
		return trim(tens, p-1)
	case (10*tens+10)<<shift <= high:
		return trim(tens+1, p-1)
	}
	rest, half := value-floor<<shift, uint64(1)<<(shift-1)
	up := rest > half || rest == half && floor&1 != 0
	if floor<<shift < low {
		up = true
	} else if (floor+1)<<shift > high {
		up = false
	}
	if up {
		floor++
	}
	return floor, p
}

// trim drops zeros behind the point.
func trim(digits uint64, places int) (uint64, int) {
	for places > 0 && digits%10 == 0 {
		digits, places = digits/10, places-1
	}
	return digits, places
}

const twoDigits = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899"

// appendPoint writes digits/10^places; digits has at most nine.
func appendPoint(b []byte, digits uint64, places int) []byte {
	whole, rest := uint32(0), uint32(digits)
	if places < len(powersOf10) {
		whole, rest = rest/powersOf10[places], rest%powersOf10[places]
	}
	if whole < 10 {
		b = append(b, '0'+byte(whole))
	} else {
		b = strconv.AppendUint(b, uint64(whole), 10)
	}
	if places == 0 {
		return b
	}
	b = append(b, ".000000000000"[:1+places]...)
	at := len(b)
	for ; rest >= 100; rest /= 100 {
		at -= 2
		copy(b[at:], twoDigits[2*(rest%100):][:2])
	}
	if at--; rest >= 10 {
		at--
		copy(b[at:], twoDigits[2*rest:][:2])
	} else if rest > 0 {
		b[at] = '0' + byte(rest)
	}
	return b
}
