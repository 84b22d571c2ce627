//go:build cgo

package hf

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// longText strings texts together: sentences of many languages, runs of words without any
// space, white space of all kinds, and words of hundreds of characters.
func longText(r *rand.Rand, texts []string, size int) string {
	separators := []string{" ", " ", " ", " ", "\n", "\n\n", "  ", "\t", ", ", ". ", "-", "\u00a0", "\u3000", ""}
	var b strings.Builder
	for b.Len() < size {
		text := texts[r.IntN(len(texts))]
		switch r.IntN(12) {
		case 0:
			text = strings.ReplaceAll(text, " ", "")
		case 1:
			text = strings.ReplaceAll(text, " ", "  ")
		case 2:
			text = hexWord(r, 20+r.IntN(300))
		}
		b.WriteString(text)
		b.WriteString(separators[r.IntN(len(separators))])
	}
	return b.String()
}

func hexWord(r *rand.Rand, n int) string {
	word := make([]byte, n)
	for i := range word {
		word[i] = "0123456789abcdef"[r.IntN(16)]
	}
	return string(word)
}

// likeBGEM3 gives the tokenizer the normaliser and pre-tokeniser of bge-m3's file, where
// Metaspace splits alone.
func likeBGEM3(t *testing.T, tokenizerJSON []byte) []byte {
	t.Helper()
	var file map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(tokenizerJSON, &file))
	var normalizer struct {
		Type        string            `json:"type"`
		Normalizers []json.RawMessage `json:"normalizers"`
	}
	require.NoError(t, json.Unmarshal(file["normalizer"], &normalizer))
	normalizer.Normalizers = []json.RawMessage{
		normalizer.Normalizers[0], // Precompiled
		json.RawMessage(`{"type":"Strip","strip_left":false,"strip_right":true}`),
		json.RawMessage(`{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"▁"}`),
	}
	var err error
	file["normalizer"], err = json.Marshal(normalizer)
	require.NoError(t, err)
	file["pre_tokenizer"] = json.RawMessage(`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`)
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return data
}

// What is kept of a long text is what would be kept of all its tokens.
func TestLongTextsAreCutAsIfEncodedWhole(t *testing.T) {
	texts := readReference(t).Texts
	files := map[string]func() []byte{
		"WordPiece":                  func() []byte { return file(t, miniLM) },
		"Unigram":                    func() []byte { return file(t, xlmr) },
		"Unigram split by Metaspace": func() []byte { return likeBGEM3(t, file(t, xlmr)) },
	}
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			tok, e := newTokenizer(t, data(), 512)
			r := rand.New(rand.NewPCG(7, 7))
			for range 40 {
				text := longText(r, texts, 1000+r.IntN(40_000))
				whole := encode(t, e, text)
				for _, limit := range []int{3, 16, 64, 256, 512} {
					requireCut(t, tok, text, whole, limit)
				}
			}
		})
	}
}

// requireCut compares both ends of text, cut to limit tokens, with those of all its tokens.
// The templates here have two special tokens.
func requireCut(t *testing.T, tok *tokenizer.Tokenizer, text string, whole []uint32, limit int) {
	t.Helper()
	room := min(limit-2, len(whole))
	for side, want := range map[tokenizer.Side][]uint32{
		tokenizer.KeepStart: whole[:room], tokenizer.KeepEnd: whole[len(whole)-room:],
	} {
		got, err := tok.Singles(t.Context(), []tokenizer.Text{{Text: text}}, "", tokenizer.Truncation{Limit: limit, Side: side})
		require.NoError(t, err)
		ids := got[0].IDs
		require.Equal(t, want, ids[1:len(ids)-1], "side %d, limit %d, a text of %d bytes and %d tokens", side, limit, len(text), len(whole))
		require.Equal(t, room < len(whole), got[0].Truncated)
	}
}

// Text without spaces is cut between two characters, and the margin keeps it right.
func TestTextWithoutSpaces(t *testing.T) {
	var joined []string
	for _, text := range readReference(t).Texts {
		if text := strings.Join(strings.Fields(text), ""); text != strings.Repeat("x", len(text)) {
			joined = append(joined, text)
		}
	}
	for _, path := range []string{miniLM, xlmr} {
		t.Run(path, func(t *testing.T) {
			tok, e := newTokenizer(t, file(t, path), 512)
			r := rand.New(rand.NewPCG(8, 8))
			for range 20 {
				var b strings.Builder
				for b.Len() < 20_000 {
					b.WriteString(joined[r.IntN(len(joined))])
				}
				whole := encode(t, e, b.String())
				for _, limit := range []int{16, 256} {
					requireCut(t, tok, b.String(), whole, limit)
				}
			}
		})
	}
}

// A text of 10 MB costs no more than what is kept of it.
func TestTenMegabytes(t *testing.T) {
	texts := readReference(t).Texts
	text := longText(rand.New(rand.NewPCG(9, 9)), texts, 10<<20)
	for _, path := range []string{miniLM, xlmr} {
		t.Run(path, func(t *testing.T) {
			tok, e := newTokenizer(t, file(t, path), 256)
			requireCut(t, tok, text[:100_000], encode(t, e, text[:100_000]), 256)
			counted := &countingEncoder{Encoder: e}
			tok, err := tokenizer.New(tokenizer.Options{Encoder: counted, MaxLength: 256})
			require.NoError(t, err)
			got, err := tok.Pairs(t.Context(), "a query", []string{text, text}, tokenizer.Truncation{})
			require.NoError(t, err)
			require.Equal(t, 256, got[1].Len())
			require.True(t, got[1].Truncated)
			require.Less(t, counted.bytes.Load(), int64(100_000))
		})
	}
}

type countingEncoder struct {
	tokenizer.Encoder
	bytes atomic.Int64
}

func (c *countingEncoder) Encode(text string) ([]uint32, error) {
	c.bytes.Add(int64(len(text)))
	return c.Encoder.Encode(text)
}
