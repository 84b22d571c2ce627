//go:build cgo

package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

func encode(t *testing.T, e *Encoder, text string) []uint32 {
	t.Helper()
	ids, err := e.Encode(text)
	require.NoError(t, err)
	return ids
}

func TestMiniLM(t *testing.T) {
	e := open(t, file(t, miniLM))
	require.Equal(t, 30522, e.VocabSize())
	require.Equal(t, []uint32{7592, 1010, 2088, 999}, encode(t, e, "Hello, world!"))
}

// A C string ends at its first NUL: what stands behind it must not be lost.
func TestNULIsLeftOut(t *testing.T) {
	e := open(t, file(t, xlmr))
	want := encode(t, e, "the cat and the dog")
	require.NotEmpty(t, want)
	for _, text := range []string{"\x00the cat and the dog", "the cat\x00 and the dog", "the cat and the d\x00og\x00\x00"} {
		require.Equal(t, want, encode(t, e, text), "%q", text)
	}
	require.Empty(t, encode(t, e, "\x00"))
	require.Empty(t, encode(t, e, strings.Repeat("\x00", 1000)))
}

func TestBytesThatAreNotUTF8CountAsReplacements(t *testing.T) {
	e := open(t, file(t, xlmr))
	for _, text := range []string{"a \xff b", "\xc3", "\xed\xa0\x80 lone surrogate", "\xf0\x9f\x98 cut", "\x80\x80\x80", "the \xfe\xff cat"} {
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		var replaced string
		require.NoError(t, json.Unmarshal(quoted, &replaced))
		require.Equal(t, replaced, clean(text), "as encoding/json has it")
		require.Equal(t, encode(t, e, replaced), encode(t, e, text), "%q", text)
	}
}

func TestOddTextsNeverFail(t *testing.T) {
	texts := []string{
		"", " ", "\n\r\t\v\f", "\ufeff", "\ufeff\ufeff", "\u200b", "\u200d\u200d", "\u2060", "\u00ad", "\u0085", "\u2028\u2029",
		"\u202e gnihtemos", "\ufffe\uffff", "\U0010ffff", "\U000e0001", "\ufffd", "\u0301", "a\u0301\u0301\u0301", "\u1112\u1161\u11ab",
		strings.Repeat("\u0301", 5000), strings.Repeat("\u200d", 5000), strings.Repeat("👩‍", 2000), strings.Repeat("x", 100_000),
		strings.Repeat(" ", 100_000), strings.Repeat("\xff", 10_000), "%s %d %n", "\\u0000", "</s>", "<s><pad></s><unk><mask>", "[CLS][SEP][PAD][UNK][MASK]",
	}
	for _, path := range []string{miniLM, xlmr} {
		t.Run(path, func(t *testing.T) {
			tok, e := newTokenizer(t, file(t, path), 64)
			for _, text := range texts {
				for _, id := range encode(t, e, text) {
					require.Less(t, int(id), e.VocabSize())
				}
				got, err := tok.Singles(t.Context(), []tokenizer.Text{{Text: text}}, "", tokenizer.Truncation{})
				require.NoError(t, err)
				require.GreaterOrEqual(t, got[0].Len(), 2)
				require.LessOrEqual(t, got[0].Len(), 64)
			}
			got, err := tok.Singles(t.Context(), []tokenizer.Text{{Text: ""}, {Text: "\x00"}, {Text: " "}}, "", tokenizer.Truncation{})
			require.NoError(t, err)
			for _, encoding := range got {
				require.Equal(t, 2, encoding.Len(), "the special tokens alone")
				require.False(t, encoding.Truncated)
			}
		})
	}
}

// The file of all-MiniLM-L6-v2 cuts and pads to 128 tokens.
func TestTheFilesOwnTruncationAndPaddingAreTakenOut(t *testing.T) {
	data := file(t, miniLM)
	require.Contains(t, string(data), `"padding":{"strategy":{"Fixed":128}`)
	e := open(t, data)
	require.Len(t, encode(t, e, "one two three"), 3)
	require.Len(t, encode(t, e, strings.Repeat("one ", 1000)), 1000)
}

func TestVocabSizeCoversAddedTokensBehindAGap(t *testing.T) {
	const data = `{"version":"1.0","added_tokens":[{"id":9,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
		"pre_tokenizer":{"type":"Whitespace"},
		"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"[UNK]":0,"a":1,"[CLS]":9}}}`
	e := open(t, []byte(data))
	require.Equal(t, []uint32{1, 9, 0}, encode(t, e, "a [CLS] b"))
	require.Equal(t, 10, e.VocabSize())
}

func TestBadFiles(t *testing.T) {
	good := file(t, xlmr)
	cases := map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, "EOF"},
		"no JSON":       {[]byte("hello"), "invalid character"},
		"no object":     {[]byte("[]"), "it must hold a JSON object"},
		"cut":           {good[:len(good)/2], "unexpected EOF"},
		"no model":      {[]byte(`{"version":"1.0"}`), "tokenizer.json"},
		"unknown model": {bytes.Replace(good, []byte(`"Unigram"`), []byte(`"Telegram"`), 1), "tokenizer.json"},
		"more behind":   {append(bytes.Clone(good), "{}"...), "tokenizer.json"},
		"bad ids":       {[]byte(`{"added_tokens":[{"id":-1}]}`), "tokenizer.json"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.data)
			require.ErrorContains(t, err, "tokenizer.json: ")
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestUseAfterClose(t *testing.T) {
	e, err := New(file(t, xlmr))
	require.NoError(t, err)
	require.NoError(t, e.Close())
	_, err = e.Encode("the cat")
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, e.Close(), "a second Close does nothing")
	require.Positive(t, e.VocabSize())
}

// Every goroutine gets the ids that a goroutine alone gets; some find the encoder closed.
func TestConcurrentUseAndClose(t *testing.T) {
	texts := []string{"the cat and the dog", "Москва является столицей России", "北京是中国的首都", "한국의 수도는 서울이다", "\x00a\xff", ""}
	for _, path := range []string{miniLM, xlmr} {
		t.Run(path, func(t *testing.T) {
			e, err := New(file(t, path))
			require.NoError(t, err)
			want := make([][]uint32, len(texts))
			for i, text := range texts {
				want[i] = encode(t, e, text)
			}
			var wg sync.WaitGroup
			halfway := make(chan struct{})
			for g := range 8 {
				wg.Go(func() {
					for n := range 400 {
						if g == 0 && n == 300 {
							close(halfway)
						}
						i := (g + n) % len(texts)
						got, err := e.Encode(texts[i])
						if err != nil {
							if !errors.Is(err, ErrClosed) {
								t.Error(err)
							}
							return
						}
						if !slices.Equal(got, want[i]) {
							t.Errorf("%q: %v, want %v", texts[i], got, want[i])
							return
						}
					}
				})
			}
			<-halfway
			require.NoError(t, e.Close())
			wg.Wait()
		})
	}
}
