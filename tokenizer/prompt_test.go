package tokenizer

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wordPrompt lays pairs out as 900 901 | w1 w2 query w3 | w4 w5 document | 902.
var wordPrompt = PairPrompt{
	Prefix: id(900, 901), Suffix: id(902),
	QueryPrefix: "w1 w2 ", QuerySuffix: " w3", DocumentPrefix: "w4 w5 ",
}

const promptFixed = 8

func newPrompted(t *testing.T, maxLength int, f *fakeEncoder) *Tokenizer {
	t.Helper()
	p := wordPrompt
	tok, err := New(Options{Encoder: f, PairPrompt: &p, MaxLength: maxLength, Gate: NewGate(4)})
	require.NoError(t, err)
	return tok
}

// prompted is the row of w<q>… and w<d>….
func prompted(query, document []uint32) []uint32 {
	return seq(id(900, 901, 1, 2), query, id(3), id(4, 5), document, id(902))
}

func TestPromptedPairs(t *testing.T) {
	f := &fakeEncoder{}
	tok := newPrompted(t, 60, f)
	calls := f.calls.Load()
	query, q := words(100, 4)
	document, d := words(200, 6)
	got, err := tok.Pairs(t.Context(), query, []string{document, "", document}, Truncation{})
	require.NoError(t, err)
	require.Equal(t, []Encoding{{IDs: prompted(q, d)}, {IDs: prompted(q, nil)}, {IDs: prompted(q, d)}}, got)
	require.Equal(t, calls+4, f.calls.Load(), "the query is encoded once")
}

func TestPromptedPairsCutTheDocument(t *testing.T) {
	_, q := words(100, 10)
	_, d := words(1000, 4000)
	cases := map[string]struct {
		queryWords int
		tr         Truncation
		want       []uint32
	}{
		"the document's end":        {10, Truncation{}, prompted(q, d[:32])},
		"the document's start":      {10, Truncation{Side: KeepEnd}, prompted(q, d[4000-32:])},
		"a lower limit":             {10, Truncation{Limit: 30}, prompted(q, d[:12])},
		"so many tokens a document": {10, Truncation{Text: 5}, prompted(q, d[:5])},
		"its last tokens":           {10, Truncation{Text: 5, Side: KeepEnd}, prompted(q, d[4000-5:])},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, documentWords := range []int{60, 4000} {
				tail := wordText(5000-documentWords, documentWords)
				if c.tr.Side == KeepStart {
					tail = wordText(1000, documentWords)
				}
				got, err := newPrompted(t, 50, &fakeEncoder{}).Pairs(t.Context(), wordText(100, c.queryWords), []string{tail}, c.tr)
				require.NoError(t, err)
				require.Equal(t, c.want, got[0].IDs)
				require.True(t, got[0].Truncated)
			}
		})
	}
}

// A query beyond three quarters of the row is cut, and the frame around it stays.
func TestPromptedPairsLeaveTheDocumentAQuarter(t *testing.T) {
	_, q := words(100, 5000)
	_, d := words(9000, 50)
	for _, n := range []int{60, 5000} {
		got, err := newPrompted(t, 51, &fakeEncoder{}).Pairs(t.Context(), wordText(100, n), []string{wordText(9000, 50), "w9000"}, Truncation{})
		require.NoError(t, err)
		// 48 tokens beside prefix and suffix: 12 for the document's part, two of them its frame.
		require.Equal(t, prompted(q[:33], d[:10]), got[0].IDs)
		require.Equal(t, prompted(q[:42], d[:1]), got[1].IDs)
		require.True(t, got[0].Truncated && got[1].Truncated)
		got, err = newPrompted(t, 51, &fakeEncoder{}).Pairs(t.Context(), wordText(5100-n, n), []string{wordText(9000, 50)}, Truncation{Side: KeepEnd})
		require.NoError(t, err)
		require.Equal(t, prompted(q[5000-33:], d[50-10:]), got[0].IDs)
	}
}

func TestPromptedPairsAtEveryLimit(t *testing.T) {
	tok := newPrompted(t, 200, &fakeEncoder{})
	for limit := promptFixed + 2; limit < 60; limit++ {
		for _, n := range []int{0, 1, 2, 5, 30, 300} {
			for _, side := range []Side{KeepStart, KeepEnd} {
				got, err := tok.Pairs(t.Context(), wordText(100, n), []string{"", "w7", wordText(1000, 4), wordText(1000, 400)}, Truncation{Limit: limit, Side: side})
				require.NoError(t, err)
				for i, e := range got {
					require.LessOrEqual(t, e.Len(), limit)
					require.Equal(t, id(900, 901, 1, 2), e.IDs[:4], "limit %d, query %d, document %d", limit, n, i)
					require.Equal(t, 1, count(e.IDs, 3))
					require.Equal(t, 1, count(e.IDs, 4))
					require.Equal(t, uint32(902), e.IDs[e.Len()-1])
					if e.Truncated {
						require.Len(t, e.IDs, limit)
					}
				}
			}
		}
	}
}

// Of a text that has hardly any tokens only the beginning, or the end, is read. Its frame stays.
func TestPromptedPairsOfTextsWithHardlyAnyTokens(t *testing.T) {
	tok := newPrompted(t, 50, &fakeEncoder{})
	gap := strings.Repeat(" ", 1<<20)
	for query, want := range map[string][2][]uint32{
		gap:                   {nil, nil},
		"w100" + gap + "w101": {id(100), id(101)},
	} {
		for side, q := range want {
			got, err := tok.Pairs(t.Context(), query, []string{"w7", gap}, Truncation{Side: Side(side)})
			require.NoError(t, err)
			require.Equal(t, []Encoding{{IDs: prompted(q, id(7)), Truncated: true}, {IDs: prompted(q, nil), Truncated: true}}, got)
		}
	}
}

func count(ids []uint32, id uint32) (n int) {
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

func TestPromptedPairsRefuse(t *testing.T) {
	tok := newPrompted(t, 20, &fakeEncoder{})
	refuse := Truncation{Refuse: true}
	_, err := tok.Pairs(t.Context(), wordText(100, 6), []string{wordText(200, 6), wordText(200, 7)}, refuse)
	require.Equal(t, &TooLongError{Index: 1, Tokens: 21, Limit: 20}, err)
	_, err = tok.Pairs(t.Context(), wordText(100, 13), []string{"w1"}, refuse)
	require.Equal(t, &TooLongError{Query: true, Tokens: 19, Limit: 20}, err)
	_, err = tok.Pairs(t.Context(), "w100", []string{"w200"}, Truncation{Limit: promptFixed + 1})
	require.Equal(t, &LimitError{Limit: promptFixed + 1, Specials: promptFixed + 1}, err)
}

func TestPromptedPairsReportTheEncodersErrors(t *testing.T) {
	f := &fakeEncoder{}
	tok := newPrompted(t, 60, f)
	f.onEncode = func(text string) error {
		if strings.Contains(text, "bad") {
			return errFake
		}
		return nil
	}
	_, err := tok.Pairs(t.Context(), "bad", []string{"w1"}, Truncation{})
	require.ErrorContains(t, err, "query: ")
	require.ErrorIs(t, err, errFake)
	_, err = tok.Pairs(context.Background(), "w1", []string{"w1", "bad"}, Truncation{})
	require.ErrorContains(t, err, "item 1: ")
	_, err = New(Options{Encoder: &fakeEncoder{onEncode: func(string) error { return errFake }}, PairPrompt: &PairPrompt{}, MaxLength: 60})
	require.ErrorContains(t, err, "pair prompt: ")
}

func TestPromptsThatDoNotFit(t *testing.T) {
	p := wordPrompt
	_, err := New(Options{Encoder: &fakeEncoder{}, PairPrompt: &p, MaxLength: promptFixed + 1})
	require.ErrorContains(t, err, "leaves no room for text")
	p.Suffix = id(fakeVocab)
	_, err = New(Options{Encoder: &fakeEncoder{}, PairPrompt: &p, MaxLength: 60})
	require.ErrorContains(t, err, "is not below the vocabulary's size")
}
