package upstreamtest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
)

// answer is what a fake says to a request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

const (
	jsonType = "application/json"
	textType = "text/plain; charset=utf-8"
)

func answered(status int, contentType string, body []byte) answer {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return answer{status: status, header: h, body: body}
}

// jsonf answers with JSON made of a format; %q there must stand for plain text. Use quote for
// what a client sent.
func jsonf(status int, format string, args ...any) answer {
	return answered(status, jsonType, fmt.Appendf(nil, format, args...))
}

func textf(status int, format string, args ...any) answer {
	return answered(status, textType, fmt.Appendf(nil, format, args...))
}

func (a answer) with(name, value string) answer {
	a.header.Set(name, value)
	return a
}

// quote is a string as JSON, without Go's escapes for HTML.
func quote(s string) string { return string(appendString(nil, s)) }

func appendString(b []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\'
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	var buf jsonBuffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s)
	return append(b, buf[:len(buf)-1]...)
}

type jsonBuffer []byte

func (b *jsonBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// row is one result before it is written: of an input or a document.
type row struct {
	index  int
	vector []float32
	states [][]float32
	score  float64
	labels []labelled
	text   string
	// literal is written in place of the row's first number; empty: none.
	literal string
}

type labelled struct {
	label string
	score float64
}

// numbers is how a server writes numbers: the digits that a float32 needs, or those of the
// float64 that it was made into.
type numbers int

const (
	narrow numbers = 32
	wide   numbers = 64
)

func (n numbers) append(b []byte, x float64) []byte {
	if n == narrow {
		x = float64(float32(x))
	}
	bits := int(n)
	format := byte('f')
	if abs := math.Abs(x); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, x, format, -1, bits)
}

// appendScore writes a row's score.
func (n numbers) appendScore(b []byte, r row) []byte {
	if r.literal != "" {
		return append(b, r.literal...)
	}
	return n.append(b, float64(float32(r.score)))
}

// appendVector writes a row's vector as a list of numbers.
func (n numbers) appendVector(b []byte, r row) []byte {
	b = append(b, '[')
	for i, x := range r.vector {
		if i > 0 {
			b = append(b, ',')
		}
		if i == 0 && r.literal != "" {
			b = append(b, r.literal...)
			continue
		}
		b = n.append(b, float64(x))
	}
	return append(b, ']')
}

// appendLabels writes a row's labels with their scores.
func (n numbers) appendLabels(b []byte, r row) []byte {
	b = append(b, '[')
	for i, l := range r.labels {
		if i > 0 {
			b = append(b, ',')
		}
		one := row{score: l.score}
		if i == 0 {
			one.literal = r.literal
		}
		b = append(n.appendScore(append(b, `{"score":`...), one), `,"label":`...)
		b = append(appendString(b, l.label), '}')
	}
	return append(b, ']')
}

// appendBase64 writes a row's vector as little-endian float32 in base64.
func appendBase64(b []byte, r row) []byte {
	raw := make([]byte, 0, 4*len(r.vector))
	for i, x := range r.vector {
		if i == 0 && r.literal != "" {
			x = badFloat(r.literal)
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}

func badFloat(literal string) float32 {
	if literal == "NaN" || literal == "null" {
		return float32(math.NaN())
	}
	return float32(math.Inf(1))
}

// list writes rows, each by one, between brackets.
func list(b []byte, rows []row, one func([]byte, row) []byte) []byte {
	b = append(b, '[')
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, r)
	}
	return append(b, ']')
}
