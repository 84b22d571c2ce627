package workload

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func words(s string) int { return len(strings.Fields(s)) }

func TestTextsHaveTheIntendedLengths(t *testing.T) {
	s := Shape{Documents: 7, Tokens: 200, Max: 512}
	for _, c := range []struct {
		name          string
		items, tokens int
	}{{"W1", 7, 200}, {"W2", 32, 128}, {"W4", 1, 16}, {"w4B", 1, 16}} {
		w, err := For(c.name, s)
		require.NoError(t, err)
		x := w.Texts(1, 0)
		require.Len(t, x.Items, c.items)
		require.Equal(t, c.items*c.tokens, x.Tokens)
		for _, text := range x.Items {
			if w.Task == Rerank {
				require.Equal(t, c.tokens, words(x.Query)+words(text)+pairSpecials)
			} else {
				require.Equal(t, c.tokens, words(text)+textSpecials)
				require.Empty(t, x.Query)
			}
		}
	}
	_, err := For("W9", s)
	require.ErrorContains(t, err, `there is no "W9"`)
}

func TestLengthsKeepTheModelsLimit(t *testing.T) {
	w, err := For("W2", Shape{Max: 64})
	require.NoError(t, err)
	require.Equal(t, 32*64, w.Texts(1, 0).Tokens)
}

func TestMixedLengthsAreLogNormal(t *testing.T) {
	for _, limit := range []int{512, 256} {
		r := rand.New(rand.NewPCG(3, 4))
		draw := mixed(limit)
		lengths := make([]int, 20000)
		for i := range lengths {
			lengths[i] = draw(r)
		}
		slices.Sort(lengths)
		scale := float64(limit) / 512
		// Quantiles of exp(ln 180 + 0.7 z): 112 at z = -0.674, 289 at 0.674; clipped above z = 1.493,
		// which is 6.8 % of all.
		require.InEpsilon(t, 112*scale, lengths[5000], 0.04)
		require.InEpsilon(t, 180*scale, lengths[10000], 0.04)
		require.InEpsilon(t, 289*scale, lengths[15000], 0.04)
		clipped := len(lengths) - slices.Index(lengths, limit)
		require.InDelta(t, 0.068, float64(clipped)/20000, 0.008)
	}
}

func TestTextsAreReproducible(t *testing.T) {
	w, err := For("W3", Shape{Max: 512})
	require.NoError(t, err)
	require.Equal(t, w.Texts(1, 5), w.Texts(1, 5))
	require.NotEqual(t, w.Texts(1, 5), w.Texts(1, 6))
	require.NotEqual(t, w.Texts(1, 5), w.Texts(2, 5))
	// Pinned, so that figures of different versions of this program stay comparable.
	w4, err := For("W4", Shape{Max: 512})
	require.NoError(t, err)
	require.Equal(t, "step work west thing church piece article love force lot site company crime issue", w4.Texts(1, 0).Items[0])
}

func TestVocabularyHasNoWordTwice(t *testing.T) {
	sorted := slices.Sorted(slices.Values(vocabulary))
	require.Len(t, slices.Compact(slices.Clone(sorted)), len(vocabulary))
	require.Greater(t, len(vocabulary), 300)
}

func TestTheRampAsksForWhatTheModelCanDo(t *testing.T) {
	s := Shape{Documents: 7, Tokens: 200, Max: 512}
	w, err := For("w5", s)
	require.NoError(t, err)
	require.True(t, w.Ramp)
	require.Equal(t, Embed, w.Task)
	w3, err := For("W3", s)
	require.NoError(t, err)
	require.Equal(t, w3.Texts(1, 9), w.Texts(1, 9))
	s.RerankOnly = true
	w, err = For("W5", s)
	require.NoError(t, err)
	require.Equal(t, Rerank, w.Task)
	require.Len(t, w.Texts(1, 0).Items, 7)
}
