package api

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func numbers(t *testing.T, text []byte) []int {
	t.Helper()
	var list []int
	require.NoError(t, json.Unmarshal(text, &list), "%s", text)
	return list
}

func TestBits(t *testing.T) {
	v := []float32{1, -1, 0, 0.5, -0.1, 1e-9, float32(math.Copysign(0, -1)), 2, 3, -4, 5}
	require.Equal(t, []int{0b10010101, 0b10100000}, numbers(t, appendBits(nil, v, 0)))
	require.Equal(t, []int{0b10010101 - 128, 0b10100000 - 128}, numbers(t, appendBits(nil, v, -128)))
	require.Equal(t, "[]", string(appendBits(nil, nil, 0)))
}

func TestInt8(t *testing.T) {
	require.Equal(t, []int{127, -127, 0, 64, -64}, numbers(t, appendInt8(nil, []float32{1, -1, 0, 0.5, -0.5}, 0)))
	require.Equal(t, []int{255, 1, 128}, numbers(t, appendInt8(nil, []float32{1, -1, 0}, 128)))
	wide := make([]float32, 1024) // scaled by 127·√1024/8 = 508
	wide[0], wide[1], wide[2], wide[3] = 0.25, -0.9, 0.1, -1.0/508
	require.Equal(t, []int{127, -127, 51, -1, 0}, numbers(t, appendInt8(nil, wide, 0))[:5])
}

// TestInt8KeepsCosines: rounding moves the cosine of two vectors by 0.4/scale as a rule, 0.0008
// for 1,024 numbers, and hardly ever by five times that.
func TestInt8KeepsCosines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{64, 384, 768, 1024} {
		for range 50 {
			a, b := make([]float32, width), make([]float32, width)
			for i := range a {
				shared := r.NormFloat64()
				a[i], b[i] = float32(shared+r.NormFloat64()/2), float32(shared+r.NormFloat64()/2)
			}
			want := cosine(a, b)
			scale := 127 * max(1, math.Sqrt(float64(width))/8)
			require.InDelta(t, want, cosine(levels(t, unit(a)), levels(t, unit(b))), 2/scale)
		}
	}
}

func unit(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) / math.Sqrt(sum))
	}
	return out
}

func levels(t *testing.T, v []float32) []float32 {
	t.Helper()
	out := make([]float32, len(v))
	for i, level := range numbers(t, appendInt8(nil, v, 0)) {
		out[i] = float32(level)
	}
	return out
}

func TestCosine(t *testing.T) {
	require.InDelta(t, 1, cosine([]float32{1, 2}, []float32{2, 4}), 1e-15)
	require.InDelta(t, -1, cosine([]float32{1, 2}, []float32{-1, -2}), 1e-15)
	require.Zero(t, cosine([]float32{1, 0}, []float32{0, 1}))
	require.Zero(t, cosine([]float32{0, 0}, []float32{0, 1}))
	v := []float32{0.1, 0.2, 0.3}
	require.LessOrEqual(t, cosine(v, v), 1.0)
}
