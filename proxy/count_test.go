package proxy

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// counted holds count to what vector says of the same text.
func counted(t require.TestingT, text string) {
	exact, counting := &scanner{data: []byte(text)}, &scanner{data: []byte(text)}
	_, m, want := exact.vector(nil, false)
	n, err := counting.count()
	if want != nil {
		require.EqualError(t, err, want.Error(), text)
		return
	}
	require.NoError(t, err, text)
	require.Equal(t, m.count, n, text)
	require.Equal(t, exact.pos, counting.pos, text)
}

func TestCountingSeesWhatReadingSees(t *testing.T) {
	rest := strings.Repeat(",0.125", 12) + "]"
	for _, number := range []string{
		"0", "-0", "1", "-1.5", "0.1", "00", "01", "-", "", ".5", "1.", "1.e5", "1e", "1e5", "1E+5", "-1.5e-7", "1e38", "1e39", "-1e39", "1e999", "0e999",
		"340282346638528859811704183484516925440", "340282356779733661637539395458142568448", "99999999999999999999999999999999999999",
		"999999999999999999999999999999999999999", strings.Repeat("9", 60), "0." + strings.Repeat("1", 70), "1.5x", "NaN", "null", "Infinity", "+1",
		" 1", "1 ", "\t1\n", "1,", ",1", "0x10", "1.2.3", "--1", "1-", "\"1\"", "[1]", "1\v",
	} {
		for _, text := range []string{"[" + number + "]", "[" + number + rest, "[0.5," + number + rest, "[" + number, rest} {
			counted(t, text)
		}
	}
	// Long lists, which are taken at several places at once, with something else anywhere.
	r := rand.New(rand.NewPCG(5, 6))
	for range 400 {
		text := []byte(unitText(r, 60+r.IntN(80), 1))
		for range r.IntN(3) {
			text[r.IntN(len(text))] = "0123456789.,-eE+] [x"[r.IntN(20)]
		}
		counted(t, string(text))
	}
	for _, text := range []string{"[]", "[ ]", "[", "", "x", "[1,]", "[,]", "[" + strings.Repeat(" ", 60) + "]", "[]" + strings.Repeat(" ", 60)} {
		counted(t, text)
	}
}

func FuzzCount(f *testing.F) {
	f.Add("[0.1,-2.5e3,0]")
	f.Add("[" + strings.Repeat("0.0123456789,", 9) + "-1e40]")
	f.Fuzz(func(t *testing.T, text string) { counted(t, text) })
}

// unitText is a vector of unit norm times scale, as JSON.
func unitText(r *rand.Rand, n int, scale float64) string {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	normalise(v)
	parts := make([]string, n)
	for i, x := range v {
		parts[i] = strconv.FormatFloat(float64(x)*scale, 'f', -1, 32)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// Vectors that are not measured go through as they are, unless a measured one is not of norm 1.
func TestAFewVectorsAreMeasured(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	take := func(scale func(i int) float64) embedded {
		v := newVectors(40, models.FormNumbers)
		for i := range 40 {
			c, err := v.take(&scanner{data: []byte(unitText(r, 64, scale(i)))}, v.length())
			require.NoError(t, err)
			require.NoError(t, v.put(i, c))
		}
		var result embedded
		require.NoError(t, v.finish(&scanner{}, &models.EmbedRequest{Form: models.FormNumbers}, &result))
		return result
	}
	require.Len(t, take(func(int) float64 { return 1 }).Literals, 40)
	off := take(func(int) float64 { return 3 })
	require.Nil(t, off.Literals)
	for _, vector := range off.Vectors {
		squares := 0.0
		for _, x := range vector {
			squares += float64(x) * float64(x)
		}
		require.InDelta(t, 1, squares, 1e-5)
	}
	require.Nil(t, take(func(i int) float64 { return map[bool]float64{true: 3, false: 1}[i == sampled] }).Literals, "one in so many is measured")
}

func BenchmarkCount(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	text := []byte(unitText(r, 1024, 1))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if n, err := (&scanner{data: text}).count(); n != 1024 || err != nil {
			b.Fatal(n, err)
		}
	}
}
