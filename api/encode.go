package api

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

// digitsPerNumber is about what a number of a unit vector takes, with its comma.
const digitsPerNumber = 13

// base64PerNumber is what a number takes, rounded up.
const base64PerNumber = 6

func finite(f float32) bool {
	return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0)
}

func appendVector(b []byte, v []float32) []byte {
	b = append(b, '[')
	for i, f := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFloat(b, f)
	}
	return append(b, ']')
}

// appendBase64 writes the numbers as float32, little endian.
func appendBase64(b []byte, v []float32) []byte {
	const step = 192 // numbers at once: 768 bytes, which base64 divides by three
	var raw [4 * step]byte
	b = append(b, '"')
	for len(v) > 0 {
		part := v[:min(step, len(v))]
		for i, f := range part {
			binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(f))
		}
		b = base64.StdEncoding.AppendEncode(b, raw[:4*len(part)])
		v = v[len(part):]
	}
	return append(b, '"')
}

// appendString writes a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
		i++
	}
	return append(b, '"')
}

func appendUsage(b []byte, u models.Usage) []byte {
	b = append(b, `{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(u.PromptTokens), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(u.PromptTokens), 10)
	if u.Truncated > 0 {
		b = append(b, `,"truncated_inputs":`...)
		b = strconv.AppendInt(b, int64(u.Truncated), 10)
	}
	return append(b, '}')
}

// count is the number of vectors in a result.
func count(result models.EmbedResult) int { return max(len(result.Vectors), len(result.Literals)) }

// sizeOf is about what the vectors of a result take as JSON.
func sizeOf(result models.EmbedResult, base64 bool) int {
	bytes, perNumber := 0, digitsPerNumber
	if base64 {
		perNumber = base64PerNumber
	}
	for _, v := range result.Vectors {
		bytes += perNumber * len(v)
	}
	for _, literal := range result.Literals {
		bytes += len(literal)
	}
	return bytes
}

// appendEmbedding writes one vector of a result, as its model wrote it where it did.
func appendEmbedding(b []byte, result models.EmbedResult, i int, base64 bool) []byte {
	switch {
	case result.Literals != nil:
		return append(b, result.Literals[i]...)
	case base64:
		return appendBase64(b, result.Vectors[i])
	}
	return appendVector(b, result.Vectors[i])
}

// checkEmbeddings is checkVectors, for a result that may be literals of the form asked for.
func checkEmbeddings(result models.EmbedResult, form models.VectorForm, inputs int) error {
	if result.Literals == nil {
		return checkVectors(result.Vectors, inputs)
	}
	if len(result.Literals) != inputs || result.Vectors != nil || form == models.FormVectors {
		return models.Errorf(models.KindInternal, "the model answered %d literals and %d vectors of %d inputs", len(result.Literals), len(result.Vectors), inputs)
	}
	return nil
}

// checkVectors refuses what no client could read: a vector too few, or a number that JSON
// cannot hold.
func checkVectors(vectors [][]float32, inputs int) error {
	if len(vectors) != inputs {
		return models.Errorf(models.KindInternal, "the model answered %d of %d inputs", len(vectors), inputs)
	}
	for i, v := range vectors {
		for _, f := range v {
			if !finite(f) {
				return models.Errorf(models.KindInternal, "the model's vector for %s is not finite", at("input", i)).At(at("input", i))
			}
		}
	}
	return nil
}

func checkScores(scores []float32, documents int) error {
	if len(scores) != documents {
		return models.Errorf(models.KindInternal, "the model answered %d of %d documents", len(scores), documents)
	}
	for i, f := range scores {
		if !finite(f) {
			return models.Errorf(models.KindInternal, "the model's score for %s is not finite", at("documents", i)).At(at("documents", i))
		}
	}
	return nil
}
