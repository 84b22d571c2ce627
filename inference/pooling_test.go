package inference

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPoolings(t *testing.T) {
	// Two rows of up to three tokens, of two numbers. What is padding must not be read.
	nan := float32(math.NaN())
	states := Output{Length: 3, Width: 2, Values: []float32{1, -2, 4, -6, 10, -1, 3, 5, nan, nan, nan, nan}}
	lengths := []int{3, 1}
	root := float32(math.Sqrt(3))
	for kind, want := range map[poolKind][]float32{
		poolCLS:      {1, -2, 3, 5},
		poolLast:     {10, -1, 3, 5},
		poolMax:      {10, -1, 3, 5},
		poolMean:     {5, -3, 3, 5},
		poolMeanSqrt: {15 / root, -9 / root, 3, 5},
		poolWeighted: {39. / 6, -17. / 6, 3, 5},
	} {
		got := pooled(states, lengths, []poolKind{kind})
		require.Equal(t, 2, got.Width, kind)
		require.Zero(t, got.Length)
		require.InDeltaSlice(t, want, got.Values, 1e-6, kind)
	}
	require.Equal(t, Output{Width: 4, Values: []float32{5, -3, 1, -2, 3, 5, 3, 5}}, pooled(states, lengths, []poolKind{poolMean, poolCLS}))
	for kind := range poolFuncs {
		require.Equal(t, []float32{0, 0}, pooled(states, []int{0}, []poolKind{kind}).Values, "%s of no token", kind)
	}
}

func TestPoolingNames(t *testing.T) {
	kinds, err := parsePooling("cls, mean_sqrt_len,last,weightedmean")
	require.NoError(t, err)
	require.Equal(t, []poolKind{poolCLS, poolMeanSqrt, poolLast, poolWeighted}, kinds)
	for _, text := range []string{"", "mean,", "attention"} {
		_, err = parsePooling(text)
		require.ErrorContains(t, err, "is not supported; there are cls, lasttoken, max, mean, mean_sqrt_len_tokens, weightedmean")
	}
}

// statesSession gives each token of a row its id and its position.
type statesSession struct{ given [][]float32 }

func (s *statesSession) Run(_ context.Context, b Batch) (Output, error) {
	out := Output{Length: b.Length, Width: 2, Values: b.Memory}
	if cap(out.Values) < 2*b.Rows*b.Length {
		out.Values = make([]float32, 2*b.Rows*b.Length)
	}
	out.Values = out.Values[:2*b.Rows*b.Length]
	for i := range b.IDs {
		out.Values[2*i], out.Values[2*i+1] = float32(b.IDs[i]), float32(i%b.Length)
	}
	s.given = append(s.given, out.Values)
	return out, nil
}

func (s *statesSession) Close() error { return nil }

func TestMemoryOfStatesIsUsedAgain(t *testing.T) {
	inner := &statesSession{}
	s := newPooling(inner, []poolKind{poolMean})
	batch := func(rows, length int) Batch {
		b := Batch{Rows: rows, Length: length, IDs: make([]int64, rows*length), Mask: make([]int64, rows*length)}
		for i := range b.IDs {
			b.IDs[i], b.Mask[i] = rand.Int64N(1000), 1
		}
		return b
	}
	first, err := s.Run(t.Context(), batch(4, 8))
	require.NoError(t, err)
	kept := append([]float32(nil), first.Values...)
	for range 3 {
		_, err = s.Run(t.Context(), batch(2, 4))
		require.NoError(t, err)
	}
	require.Equal(t, kept, first.Values, "what was returned is the caller's")
	for _, given := range inner.given[1:] {
		require.Same(t, &inner.given[0][0], &given[0])
	}
	b := batch(2, 4)
	b.States = true
	own, err := s.Run(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, 4, own.Length)
	require.NotSame(t, &inner.given[0][0], &own.Values[0], "states that are asked for are the caller's")
}

func BenchmarkPooling(b *testing.B) {
	states := Output{Length: 128, Width: 384, Values: make([]float32, 32*128*384)}
	lengths := make([]int, 32)
	for i := range lengths {
		lengths[i] = 128
	}
	for kind := range poolFuncs {
		b.Run(string(kind), func(b *testing.B) {
			for b.Loop() {
				pooled(states, lengths, []poolKind{kind})
			}
		})
	}
}
