package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func words(s string) int { return len(strings.Fields(s)) }

func TestTextsHaveTheIntendedLengths(t *testing.T) {
	s := shape{documents: 7, tokens: 200, max: 512}
	for _, c := range []struct {
		name          string
		items, tokens int
	}{{"W1", 7, 200}, {"W2", 32, 128}, {"W4", 1, 16}, {"w4B", 1, 16}} {
		w, err := workloadFor(c.name, s)
		require.NoError(t, err)
		x := w.texts(1, 0)
		require.Len(t, x.items, c.items)
		require.Equal(t, c.items*c.tokens, x.tokens)
		for _, text := range x.items {
			if w.task == rerank {
				require.Equal(t, c.tokens, words(x.query)+words(text)+pairSpecials)
			} else {
				require.Equal(t, c.tokens, words(text)+textSpecials)
				require.Empty(t, x.query)
			}
		}
	}
	_, err := workloadFor("W9", s)
	require.ErrorContains(t, err, `there is no "W9"`)
}

func TestLengthsKeepTheModelsLimit(t *testing.T) {
	w, err := workloadFor("W2", shape{max: 64})
	require.NoError(t, err)
	require.Equal(t, 32*64, w.texts(1, 0).tokens)
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
	w, err := workloadFor("W3", shape{max: 512})
	require.NoError(t, err)
	require.Equal(t, w.texts(1, 5), w.texts(1, 5))
	require.NotEqual(t, w.texts(1, 5), w.texts(1, 6))
	require.NotEqual(t, w.texts(1, 5), w.texts(2, 5))
	// Pinned, so that figures of different versions of this program stay comparable.
	w4, err := workloadFor("W4", shape{max: 512})
	require.NoError(t, err)
	require.Equal(t, "step work west thing church piece article love force lot site company crime issue", w4.texts(1, 0).items[0])
}

func TestVocabularyHasNoWordTwice(t *testing.T) {
	sorted := slices.Sorted(slices.Values(vocabulary))
	require.Len(t, slices.Compact(slices.Clone(sorted)), len(vocabulary))
	require.Greater(t, len(vocabulary), 300)
}
