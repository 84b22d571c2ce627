package api

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// sameAsStrconv also checks that the text is JSON's and reads back.
func sameAsStrconv(t *testing.T, bits uint32) {
	f := math.Float32frombits(bits)
	if f != f || math.IsInf(float64(f), 0) {
		return
	}
	var room, other [32]byte
	got, want := appendFloat(room[:0], f), strconv.AppendFloat(other[:0], float64(f), 'g', -1, 32)
	if string(got) != string(want) {
		t.Fatalf("%#08x is written %s, and not %s", bits, got, want)
	}
}

func TestFloatsAreTheShortest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		bits := r.Uint32()
		sameAsStrconv(t, bits)
		// The range that is not strconv's: exponents of 1e-4 to 1e6.
		sameAsStrconv(t, bits&(1<<31|1<<23-1)|(113+r.Uint32N(35))<<23)
	}
	for exponent := range uint32(255) { // powers of two and their neighbours, subnormals, zeros
		for off := range uint32(2000) {
			sameAsStrconv(t, exponent<<23+off)
			sameAsStrconv(t, exponent<<23-off)
			sameAsStrconv(t, 1<<31|exponent<<23+off)
		}
	}
	for i := range 1_000_000 { // decimals of few digits, and whole numbers
		sameAsStrconv(t, math.Float32bits(float32(i)))
		sameAsStrconv(t, math.Float32bits(float32(i)/1000))
		sameAsStrconv(t, math.Float32bits(float32(float64(i)/1e6)))
	}
}

// FuzzFloats reads numbers back as a client does.
func FuzzFloats(f *testing.F) {
	for _, bits := range []uint32{0, 1 << 31, 1, 0x007fffff, 0x00800000, 0x7f7fffff, 0x3dcccccd, 0x3f800000, 0x38d1b717, 0x49742400, 0x497423ff} {
		f.Add(bits)
	}
	f.Fuzz(func(t *testing.T, bits uint32) {
		sameAsStrconv(t, bits)
		number := math.Float32frombits(bits)
		if !finite(number) {
			return
		}
		var back float32
		require.NoError(t, json.Unmarshal(appendFloat(nil, number), &back))
		require.Equal(t, bits, math.Float32bits(back))
	})
}

func BenchmarkFloat(b *testing.B) {
	v := benchVectors(1, 1024).Vectors[0]
	for name, write := range map[string]func([]byte, float32) []byte{
		"ours":    appendFloat,
		"strconv": func(b []byte, f float32) []byte { return strconv.AppendFloat(b, float64(f), 'g', -1, 32) },
	} {
		b.Run(name, func(b *testing.B) {
			room := make([]byte, 0, 64)
			for i := 0; b.Loop(); i++ {
				room = write(room[:0], v[i&1023])
			}
		})
	}
}
