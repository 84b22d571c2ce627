//go:build cgo

package ort

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFloat16(t *testing.T) {
	for bits, want := range map[uint16]float64{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x3555: 0.333251953125, 0x0001: 0x1p-24, 0x83ff: -1023 * 0x1p-24, 0x0400: 0x1p-14,
		0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		require.Equal(t, want, float64(float16(bits)), "%#04x", bits)
	}
	require.True(t, math.Signbit(float64(float16(0x8000))))
	require.True(t, math.IsNaN(float64(float16(0x7e01))))
}
