//go:build cgo

package hf

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// tokens is what scripts/golden/make_tokens.py writes.
type tokens struct {
	Texts      []string `json:"texts"`
	Tokenizers map[string]struct {
		Path string     `json:"path"`
		Trim bool       `json:"trim"`
		Rows []tokenRow `json:"rows"`
	} `json:"tokenizers"`
}

type tokenRow struct {
	ids           []uint32
	places        []int // start and stop of each, in bytes
	names         []*string
	kept, skipped string
}

func (r *tokenRow) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.ids, &r.places, &r.names, &r.kept, &r.skipped})
}

// Tokens, their places in bytes and what they are decoded to are those of Hugging Face's own
// tokenizers for Python, which counts in characters.
func TestTokensEqualHuggingFaces(t *testing.T) {
	data, err := os.ReadFile("testdata/tokens.json")
	require.NoError(t, err)
	var ref tokens
	require.NoError(t, json.Unmarshal(data, &ref))
	require.Len(t, ref.Tokenizers, 5)
	for name, r := range ref.Tokenizers {
		t.Run(name, func(t *testing.T) {
			tok, _ := newTokenizer(t, trimming(t, file(t, r.Path), r.Trim), 512)
			require.Len(t, r.Rows, len(ref.Texts))
			for i, row := range r.Rows {
				compareTokens(t, tok, ref.Texts[i], row)
			}
			lists := make([][]uint32, len(r.Rows))
			for i, row := range r.Rows {
				lists[i] = row.ids
			}
			kept, err := tok.Decode(t.Context(), lists, false)
			require.NoError(t, err)
			skipped, err := tok.Decode(t.Context(), lists, true)
			require.NoError(t, err)
			for i, row := range r.Rows {
				require.Equal(t, row.kept, kept[i])
				require.Equal(t, row.skipped, skipped[i])
			}
		})
	}
}

// trimming has a file's post-processor trim, if it is to.
func trimming(t *testing.T, tokenizerJSON []byte, trim bool) []byte {
	t.Helper()
	const before = `"trim_offsets":false`
	if trim {
		at := strings.Index(string(tokenizerJSON), `"post_processor"`)
		require.Positive(t, at)
		require.Contains(t, string(tokenizerJSON[at:]), before)
		return []byte(string(tokenizerJSON[:at]) + strings.Replace(string(tokenizerJSON[at:]), before, `"trim_offsets":true`, 1))
	}
	return tokenizerJSON
}

func compareTokens(t *testing.T, tok *tokenizer.Tokenizer, text string, want tokenRow) {
	t.Helper()
	all, err := tok.Tokens(t.Context(), []string{text}, "", true)
	require.NoError(t, err)
	require.Len(t, all[0], len(want.ids), "%q", text)
	for i, got := range all[0] {
		expected := tokenizer.Token{ID: want.ids[i], Span: tokenizer.Span{Start: want.places[2*i], Stop: want.places[2*i+1]}}
		if name := want.names[i]; name != nil {
			expected.Text, expected.Special = *name, true
		} else {
			expected.Text = text[expected.Start:expected.Stop]
		}
		require.Equal(t, expected, got, "token %d of %q", i, text)
	}
}

// What is left out or replaced before the library sees a text is counted as it stands there.
func TestPlacesInTextsThatAreCleaned(t *testing.T) {
	e := open(t, file(t, miniLM))
	for text, want := range map[string][]string{
		"the\x00 cat":                {"the", "cat"},
		"\x00\x00the cat\x00":        {"the", "cat"},
		"the c\x00at":                {"the", "c\x00at"},
		"the \xff cat \xff\x00\xffs": {"the", "cat", "s"},
		"é\x00é the\xffcat":          {"é\x00é", "the", "cat"},
		"고양이\x00는 the cat":           {"고양이\x00는", "the", "cat"},
	} {
		ids, spans, err := e.Spans(text)
		require.NoError(t, err)
		require.Equal(t, encode(t, e, text), ids)
		var got []string
		for _, s := range spans {
			got = append(got, text[s.Start:s.Stop])
		}
		require.Equal(t, want, got, "%q", text)
	}
	require.Equal(t, origins{first: []int{1, 2, 2, 2, 3, 4, 6}, last: []int{2, 3, 3, 3, 4, 5}}, newOrigins("\x00a\xff\u00e9\x00", 6))
}

// Places lie in the text, in order, whatever it holds.
func TestPlacesOfOddTexts(t *testing.T) {
	for _, path := range []string{miniLM, xlmr, qwen} {
		e := open(t, trimming(t, file(t, path), path == qwen))
		for _, text := range []string{"", " ", "\x00", "\xff\xfe", "a\x00\xffb\x00", strings.Repeat("\xf0\x9f\x98", 50), strings.Repeat("é\x00", 80), "e\u0301\u0301 \u200d x", "\ufeffa", strings.Repeat("한\xff ", 40)} {
			ids, spans, err := e.Spans(text)
			require.NoError(t, err)
			require.Len(t, spans, len(ids))
			begun := 0
			for _, s := range spans {
				require.LessOrEqual(t, begun, s.Start, "%q", text)
				require.LessOrEqual(t, s.Start, s.Stop, "%q", text)
				require.LessOrEqual(t, s.Stop, len(text), "%q", text)
				begun = s.Start
			}
		}
	}
}

func TestDecodeAfterClose(t *testing.T) {
	e, err := New(file(t, xlmr))
	require.NoError(t, err)
	text, err := e.Decode(nil, false)
	require.NoError(t, err)
	require.Empty(t, text)
	require.NoError(t, e.Close())
	_, err = e.Decode([]uint32{5}, true)
	require.ErrorIs(t, err, ErrClosed)
	_, _, err = e.Spans("the cat")
	require.ErrorIs(t, err, ErrClosed)
}

// A text that holds NUL cannot be given back by the library; it says so.
func TestDecodeOfNUL(t *testing.T) {
	tok, e := newTokenizer(t, file(t, qwen), 64)
	for id := range uint32(e.VocabSize()) {
		text, err := e.Decode([]uint32{id}, false)
		if err != nil {
			_, err = tok.Decode(t.Context(), [][]uint32{{id - 1}, {id}}, false)
			var none *tokenizer.DecodeError
			require.ErrorAs(t, err, &none)
			require.Equal(t, 1, none.Index)
			return
		}
		require.True(t, utf8.ValidString(text))
	}
	t.Fatal("no token of byte-level BPE stands for NUL")
}
