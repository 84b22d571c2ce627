//go:build cgo

package hf

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

const english = "The quick brown fox jumps over the lazy dog while the committee discusses its budget for tokenizers. "

// reportTokens adds tokens a second, of n tokens an iteration.
func reportTokens(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tok/s")
}

func benchmarkSingles(b *testing.B, path, text string, count int) {
	tok, _ := newTokenizer(b, file(b, path), 256)
	texts := make([]tokenizer.Text, count)
	for i := range texts {
		texts[i].Text = text
	}
	tokens := 0
	b.ReportAllocs()
	for b.Loop() {
		got, err := tok.Singles(b.Context(), texts, "", tokenizer.Truncation{})
		require.NoError(b, err)
		tokens = len(got) * got[0].Len()
	}
	reportTokens(b, tokens)
}

func BenchmarkOneShortText(b *testing.B) {
	benchmarkSingles(b, miniLM, "how do I reset my password on this machine?", 1)
}
func BenchmarkOneTextOf240Tokens(b *testing.B) {
	benchmarkSingles(b, miniLM, strings.Repeat(english, 12), 1)
}
func Benchmark32TextsOf240Tokens(b *testing.B) {
	benchmarkSingles(b, miniLM, strings.Repeat(english, 12), 32)
}
func BenchmarkOneTextOf1MB(b *testing.B) {
	benchmarkSingles(b, miniLM, strings.Repeat(english, 10_000), 1)
}
func BenchmarkUnigram32Texts(b *testing.B) { benchmarkSingles(b, xlmr, strings.Repeat(english, 4), 32) }

func BenchmarkPairsWith100Documents(b *testing.B) {
	tok, _ := newTokenizer(b, file(b, miniLM), 256)
	r := rand.New(rand.NewPCG(1, 1))
	documents := make([]string, 100)
	for i := range documents {
		documents[i] = strings.Repeat(english, 1+r.IntN(10))
	}
	tokens := 0
	b.ReportAllocs()
	for b.Loop() {
		got, err := tok.Pairs(b.Context(), "how do I reset my password?", documents, tokenizer.Truncation{})
		require.NoError(b, err)
		tokens = 0
		for _, e := range got {
			tokens += e.Len()
		}
	}
	reportTokens(b, tokens)
}

func BenchmarkLoad(b *testing.B) {
	data := file(b, miniLM)
	for b.Loop() {
		e, err := New(data)
		require.NoError(b, err)
		require.NoError(b, e.Close())
	}
}
