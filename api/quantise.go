package api

import (
	"math"
	"strconv"
)

// appendInt8 writes each number x of a vector of n numbers and norm 1 as
//
//	round(x·s), not below -127 and not above 127, plus offset;  s = 127·max(1, √n/8)
//
// with offset 0 for int8 and 128 for uint8. The numbers of a unit vector are about 1/√n, so one
// eighth of the range is the usual number and eight times that is cut; a plain 127·x would leave
// a vector of 1,024 numbers no more than some ten different values. The scale depends on n alone:
// a text's numbers do not depend on its neighbours, and dot products of any two vectors compare.
// Cohere publishes what its types hold, one signed or unsigned byte a number, and not its scale.
func appendInt8(b []byte, v []float32, offset int) []byte {
	scale := 127 * max(1, math.Sqrt(float64(len(v)))/8)
	b = append(b, '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		level := math.RoundToEven(float64(x) * scale)
		b = strconv.AppendInt(b, int64(max(-127, min(127, level)))+int64(offset), 10)
	}
	return append(b, ']')
}

// appendBits writes one byte for each eight numbers: a bit is 1 where the number is above 0, the
// first is the highest, and the last byte is filled with zeros. With offset 0 the bytes are
// unsigned (ubinary); with -128 they are less by that (binary), so that they fit a signed byte,
// as Cohere's clients and sentence-transformers have it.
func appendBits(b []byte, v []float32, offset int) []byte {
	b = append(b, '[')
	for i := 0; i < len(v); i += 8 {
		if i > 0 {
			b = append(b, ',')
		}
		bits := 0
		for j, x := range v[i:min(i+8, len(v))] {
			if x > 0 {
				bits |= 0x80 >> j
			}
		}
		b = strconv.AppendInt(b, int64(bits+offset), 10)
	}
	return append(b, ']')
}
