package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestALongTextIsNotEncodedWhole(t *testing.T) {
	const n = 1 << 20
	text, ids := words(0, n)
	for _, c := range []struct {
		side Side
		want []uint32
	}{{KeepStart, ids[:254]}, {KeepEnd, ids[n-254:]}} {
		f := &fakeEncoder{}
		tok := newFake(t, bertProcessor, 256, f)
		got, err := tok.Singles(t.Context(), []Text{{Text: text}}, "", Truncation{Side: c.side})
		require.NoError(t, err)
		require.Equal(t, seq(id(101), c.want, id(102)), got[0].IDs)
		require.True(t, got[0].Truncated)
		require.Less(t, f.bytes.Load(), int64(20_000), "of %d bytes", len(text))
	}
}

// A cut text gives what the whole text would, at every length around the step from
// encoding the whole to encoding a part.
func TestPartsGiveWhatTheWholeGives(t *testing.T) {
	tok := newFake(t, bertProcessor, 13, &fakeEncoder{})
	for n := 1; n < 1000; n++ {
		text, ids := words(1000, n)
		for _, side := range []Side{KeepStart, KeepEnd} {
			got, err := tok.Singles(t.Context(), []Text{{Text: text}}, "", Truncation{Side: side})
			require.NoError(t, err)
			require.Equal(t, Encoding{IDs: seq(id(101), keep(ids, 11, side), id(102)), Truncated: n > 11}, got[0])
		}
	}
}

// Where texts are cut for their length, longest first comes out as with true lengths.
func TestLongPairs(t *testing.T) {
	const room = 10
	tok := newFake(t, bertProcessor, room+3, &fakeEncoder{})
	lengths := []int{0, 1, 4, 5, 6, 9, 10, 11, 500, 3000, 3001}
	for _, nq := range lengths {
		for _, nd := range lengths {
			query, qIDs := words(100_000, nq)
			document, dIDs := words(200_000, nd)
			q, d := longestFirstByLoop(nq, nd, room)
			for _, side := range []Side{KeepStart, KeepEnd} {
				got, err := tok.Pairs(t.Context(), query, []string{document}, Truncation{Side: side})
				require.NoError(t, err)
				require.Equal(t, seq(id(101), keep(qIDs, q, side), id(102), keep(dIDs, d, side), id(102)), got[0].IDs, "%d and %d tokens", nq, nd)
				require.Equal(t, nq+nd > room, got[0].Truncated)
			}
		}
	}
}

func TestATextOfFewTokensIsReadFurther(t *testing.T) {
	sparse := func(n, blanks int) string {
		return strings.Join(strings.Fields(wordText(0, n)), strings.Repeat(" ", blanks))
	}
	_, ids := words(0, 2000)
	f := &fakeEncoder{}
	tok := newFake(t, bertProcessor, 256, f)
	got, err := tok.Singles(t.Context(), []Text{{Text: sparse(2000, 100)}}, "", Truncation{})
	require.NoError(t, err)
	require.Equal(t, Encoding{IDs: seq(id(101), ids[:254], id(102)), Truncated: true}, got[0])

	f.bytes.Store(0)
	text := "w1 " + strings.Repeat(" ", 32<<20) + " w2"
	for side, want := range map[Side]uint32{KeepStart: 1, KeepEnd: 2} {
		got, err = tok.Singles(t.Context(), []Text{{Text: text}}, "", Truncation{Side: side})
		require.NoError(t, err)
		require.Equal(t, Encoding{IDs: id(101, want, 102), Truncated: true}, got[0])
		require.Less(t, f.bytes.Swap(0), int64(2<<20))
	}

	_, err = tok.Singles(t.Context(), []Text{{Text: text}}, "", Truncation{Refuse: true})
	var tooLong *TooLongError
	require.ErrorAs(t, err, &tooLong)
	require.Equal(t, TooLongError{Tokens: 3, Limit: 256, AtLeast: true}, *tooLong)
}

func TestPartIsCutBetweenWords(t *testing.T) {
	cases := []struct {
		text       string
		size       int
		start, end string
	}{
		{"abc def ghi jkl", 9, "abc def", " ghi jkl"},
		{"abcdefghijklmno", 9, "abcdefghi", "ghijklmno"},
		{"abc, def, ghi  jkl", 10, "abc, def, ", ", ghi  jkl"},
		{"한국어 문장 입니다 여기", 20, "한국어 문장", " 입니다 여기"},
		{"中文字符中文字符中文", 10, "中文字", "符中文"},
		{"नमस्ते दुनिया नमस्ते", 40, "नमस्ते दुनिया", " दुनिया नमस्ते"},
	}
	for _, c := range cases {
		start, end := part(c.text, c.size, KeepStart), part(c.text, c.size, KeepEnd)
		require.True(t, strings.HasPrefix(c.text, start))
		require.True(t, strings.HasSuffix(c.text, end))
		require.Equal(t, c.start, start, "%q", c.text)
		require.Equal(t, c.end, end, "%q", c.text)
		require.True(t, utf8.ValidString(start) && utf8.ValidString(end))
		require.LessOrEqual(t, max(len(start), len(end)), c.size)
	}
}

func TestPartOfBytesThatAreNotUTF8(t *testing.T) {
	text := strings.Repeat("\x80", 100)
	require.Len(t, part(text, 40, KeepStart), 40)
	require.Len(t, part(text, 40, KeepEnd), 40)
}
