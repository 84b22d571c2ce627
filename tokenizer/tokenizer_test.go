package tokenizer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	bert, err := ParseTemplate(withProcessor(bertProcessor))
	require.NoError(t, err)
	large, err := ParseTemplate(withProcessor(`{"type":"BertProcessing","sep":["[SEP]",1048576],"cls":["[CLS]",1]}`))
	require.NoError(t, err)

	_, err = New(Options{MaxLength: 8})
	require.ErrorContains(t, err, "an Encoder is required")
	_, err = New(Options{Encoder: &fakeEncoder{}, Template: bert, MaxLength: 3})
	require.ErrorContains(t, err, "a maximum length of 3 tokens leaves no room for text: the template adds 3 special tokens")
	_, err = New(Options{Encoder: &fakeEncoder{}})
	require.ErrorContains(t, err, "a maximum length of 0 tokens")
	_, err = New(Options{Encoder: &fakeEncoder{}, Template: large, MaxLength: 1})
	require.ErrorContains(t, err, "special token id 1048576 is not below the vocabulary's size of 1048576")
	require.ErrorContains(t, err, "a maximum length of 1 tokens", "all problems are told at once")
	_, err = New(Options{Encoder: &fakeEncoder{}, Template: bert, MaxLength: 4})
	require.NoError(t, err)
}

func TestSingles(t *testing.T) {
	tok := newFake(t, bertProcessor, 6, &fakeEncoder{})
	texts := []Text{
		{Text: wordText(10, 3)}, {Text: wordText(10, 4)}, {Text: wordText(10, 5)}, {Text: ""},
		{IDs: id(20, 21)}, {IDs: id(20, 21, 22, 23, 24), Text: "not read"}, {IDs: id()},
	}
	got, err := tok.Singles(t.Context(), texts, "", Truncation{})
	require.NoError(t, err)
	require.Equal(t, []Encoding{
		{IDs: id(101, 10, 11, 12, 102)},
		{IDs: id(101, 10, 11, 12, 13, 102)},
		{IDs: id(101, 10, 11, 12, 13, 102), Truncated: true},
		{IDs: id(101, 102)},
		{IDs: id(101, 20, 21, 102)},
		{IDs: id(101, 20, 21, 22, 23, 102), Truncated: true},
		{IDs: id(101, 102)},
	}, got)
	require.Equal(t, 5, got[0].Len())

	got, err = tok.Singles(t.Context(), texts[2:3], "", Truncation{Side: KeepEnd, Limit: 5})
	require.NoError(t, err)
	require.Equal(t, []Encoding{{IDs: id(101, 12, 13, 14, 102), Truncated: true}}, got)

	got, err = tok.Singles(t.Context(), nil, "", Truncation{})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestSinglesBehindAPrefix(t *testing.T) {
	f := &fakeEncoder{}
	tok := newFake(t, bertProcessor, 6, f)
	texts := []Text{{Text: wordText(10, 2)}, {Text: wordText(10, 9)}, {IDs: id(20)}, {IDs: id(20, 21, 22, 23)}, {Text: ""}}
	got, err := tok.Singles(t.Context(), texts, "w5 w6 ", Truncation{})
	require.NoError(t, err)
	require.Equal(t, []Encoding{
		{IDs: id(101, 5, 6, 10, 11, 102)},
		{IDs: id(101, 5, 6, 10, 11, 102), Truncated: true},
		{IDs: id(101, 5, 6, 20, 102)},
		{IDs: id(101, 5, 6, 20, 21, 102), Truncated: true},
		{IDs: id(101, 5, 6, 102)},
	}, got)
	require.EqualValues(t, 4, f.calls.Load(), "three texts, and the prefix once for all ids")

	got, err = tok.Singles(t.Context(), texts[:2], "w5 ", Truncation{Side: KeepEnd})
	require.NoError(t, err)
	require.Equal(t, id(101, 5, 10, 11, 102), got[0].IDs)
	require.Equal(t, id(101, 15, 16, 17, 18, 102), got[1].IDs)
}

func TestLimits(t *testing.T) {
	tok := newFake(t, bertProcessor, 20, &fakeEncoder{})
	for limit, want := range map[int]int{0: 20, -1: 20, 20: 20, 21: 20, 19: 19, 4: 4} {
		got, err := tok.Singles(t.Context(), []Text{{Text: wordText(0, 50)}}, "", Truncation{Limit: limit})
		require.NoError(t, err)
		require.Equal(t, want, got[0].Len(), "limit %d", limit)
		got, err = tok.Pairs(t.Context(), wordText(0, 50), []string{wordText(0, 50)}, Truncation{Limit: limit})
		require.NoError(t, err)
		require.Equal(t, want, got[0].Len(), "limit %d", limit)
	}
	var limitErr *LimitError
	_, err := tok.Singles(t.Context(), nil, "", Truncation{Limit: 2})
	require.ErrorAs(t, err, &limitErr)
	require.Equal(t, LimitError{Limit: 2, Specials: 2}, *limitErr)
	_, err = tok.Pairs(t.Context(), "", nil, Truncation{Limit: 3})
	require.ErrorAs(t, err, &limitErr)
	require.Equal(t, LimitError{Limit: 3, Specials: 3}, *limitErr)
}

func TestSinglesNameABadID(t *testing.T) {
	tok := newFake(t, bertProcessor, 6, &fakeEncoder{})
	_, err := tok.Singles(t.Context(), []Text{{IDs: id(1)}, {IDs: id(1, 2, fakeVocab)}, {IDs: id(1 << 31)}}, "", Truncation{})
	var idErr *IDError
	require.ErrorAs(t, err, &idErr)
	require.Equal(t, IDError{Index: 1, Position: 2, ID: fakeVocab, VocabSize: fakeVocab}, *idErr)
	require.EqualError(t, err, "item 1: token id 1048576 at position 2 is not below the vocabulary's size of 1048576")

	got, err := tok.Singles(t.Context(), []Text{{IDs: id(fakeVocab - 1)}}, "", Truncation{})
	require.NoError(t, err)
	require.Equal(t, id(101, fakeVocab-1, 102), got[0].IDs)
}

func TestSinglesRefuse(t *testing.T) {
	tok := newFake(t, bertProcessor, 6, &fakeEncoder{})
	refuse := Truncation{Refuse: true}
	got, err := tok.Singles(t.Context(), []Text{{Text: wordText(0, 4)}, {IDs: id(1, 2, 3, 4)}}, "", refuse)
	require.NoError(t, err)
	require.Equal(t, 6, got[1].Len())

	for _, texts := range [][]Text{
		{{}, {Text: wordText(0, 5000)}, {Text: wordText(0, 6)}},
		{{}, {IDs: make([]uint32, 5000)}},
	} {
		_, err = tok.Singles(t.Context(), texts, "", refuse)
		var tooLong *TooLongError
		require.ErrorAs(t, err, &tooLong)
		require.Equal(t, TooLongError{Index: 1, Tokens: 5002, Limit: 6}, *tooLong)
		require.EqualError(t, err, "item 1 has 5002 tokens, special tokens included; the limit is 6")
	}
}

func TestRefusalOfAVeryLongTextDoesNotCountItAll(t *testing.T) {
	f := &fakeEncoder{}
	tok := newFake(t, bertProcessor, 6, f)
	text := wordText(0, 1<<20)
	_, err := tok.Singles(t.Context(), []Text{{Text: text}}, "", Truncation{Refuse: true})
	var tooLong *TooLongError
	require.ErrorAs(t, err, &tooLong)
	require.True(t, tooLong.AtLeast)
	require.Greater(t, tooLong.Tokens, 6)
	require.Less(t, f.bytes.Load(), int64(10_000))
	require.ErrorContains(t, err, "item 0 is far longer than the limit of 6 tokens")

	_, err = tok.Pairs(t.Context(), text, nil, Truncation{Refuse: true})
	require.ErrorAs(t, err, &tooLong)
	require.True(t, tooLong.AtLeast && tooLong.Query)
	_, err = tok.Pairs(t.Context(), "w1", []string{"w2", text}, Truncation{Refuse: true})
	require.ErrorAs(t, err, &tooLong)
	require.True(t, tooLong.AtLeast && !tooLong.Query)
	require.Equal(t, 1, tooLong.Index)
}

func TestPairs(t *testing.T) {
	f := &fakeEncoder{}
	tok := newFake(t, bertProcessor, 9, f)
	documents := []string{wordText(20, 2), wordText(20, 4), wordText(20, 9), "", wordText(20, 9)}
	got, err := tok.Pairs(t.Context(), wordText(10, 2), documents, Truncation{})
	require.NoError(t, err)
	require.Equal(t, []Encoding{
		{IDs: id(101, 10, 11, 102, 20, 21, 102), Types: []uint8{0, 0, 0, 0, 1, 1, 1}},
		{IDs: id(101, 10, 11, 102, 20, 21, 22, 23, 102), Types: []uint8{0, 0, 0, 0, 1, 1, 1, 1, 1}},
		{IDs: id(101, 10, 11, 102, 20, 21, 22, 23, 102), Types: []uint8{0, 0, 0, 0, 1, 1, 1, 1, 1}, Truncated: true},
		{IDs: id(101, 10, 11, 102, 102), Types: []uint8{0, 0, 0, 0, 1}},
		{IDs: id(101, 10, 11, 102, 20, 21, 22, 23, 102), Types: []uint8{0, 0, 0, 0, 1, 1, 1, 1, 1}, Truncated: true},
	}, got)
	require.EqualValues(t, 6, f.calls.Load(), "the query once, each document once")

	got, err = tok.Pairs(t.Context(), wordText(10, 2), documents[2:3], Truncation{Side: KeepEnd})
	require.NoError(t, err)
	require.Equal(t, id(101, 10, 11, 102, 25, 26, 27, 28, 102), got[0].IDs)

	got, err = tok.Pairs(t.Context(), wordText(10, 2), nil, Truncation{})
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestPairsOfRoberta(t *testing.T) {
	tok := newFake(t, robertaProcessor, 9, &fakeEncoder{})
	got, err := tok.Pairs(t.Context(), wordText(10, 2), []string{wordText(20, 9)}, Truncation{})
	require.NoError(t, err)
	require.Equal(t, []Encoding{{IDs: id(0, 10, 11, 2, 2, 20, 21, 22, 2), Truncated: true}}, got)
}

func TestPairsWithAQueryLongerThanEverything(t *testing.T) {
	tok := newFake(t, bertProcessor, 10, &fakeEncoder{})
	query := wordText(100, 50)
	got, err := tok.Pairs(t.Context(), query, []string{"", wordText(20, 2), wordText(20, 49), wordText(20, 50), wordText(20, 51)}, Truncation{})
	require.NoError(t, err)
	for i, want := range [][]uint32{
		seq(id(101), seq(id(100, 101, 102, 103, 104, 105, 106)), id(102, 102)),
		seq(id(101), id(100, 101, 102, 103, 104), id(102, 20, 21, 102)),
		seq(id(101), id(100, 101, 102, 103), id(102, 20, 21, 22, 102)),
		seq(id(101), id(100, 101, 102), id(102, 20, 21, 22, 23, 102)),
		seq(id(101), id(100, 101, 102), id(102, 20, 21, 22, 23, 102)),
	} {
		require.Equal(t, want, got[i].IDs, "document %d", i)
		require.True(t, got[i].Truncated)
	}
}

func TestPairsCutDocumentsFirst(t *testing.T) {
	tok := newFake(t, bertProcessor, 9, &fakeEncoder{})
	cut := func(query, document string, maxDoc int, tr Truncation) Encoding {
		t.Helper()
		tr.Text = maxDoc
		got, err := tok.Pairs(t.Context(), query, []string{document}, tr)
		require.NoError(t, err)
		got[0].Types = nil
		return got[0]
	}
	two := wordText(10, 2)
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 102, 20, 21, 22, 102), Truncated: true}, cut(two, wordText(20, 4), 3, Truncation{}))
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 102, 20, 21, 22, 102)}, cut(two, wordText(20, 3), 3, Truncation{}))
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 102, 26, 27, 28, 102), Truncated: true}, cut(two, wordText(20, 9), 3, Truncation{Side: KeepEnd}))
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 102, 20, 21, 22, 102), Truncated: true}, cut(two, wordText(20, 9), 3, Truncation{Refuse: true}),
		"a cut that was asked for is not refused")
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 102, 20, 21, 22, 23, 102), Truncated: true}, cut(two, wordText(20, 9), 7, Truncation{}))
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 12, 13, 14, 102, 20, 102), Truncated: true}, cut(wordText(10, 9), wordText(20, 9), 1, Truncation{}),
		"the query gets the room that the cut has left")
	require.Equal(t, Encoding{IDs: id(101, 10, 11, 102, 20, 21, 22, 102), Truncated: true}, cut(two, wordText(20, 1<<20), 3, Truncation{}))
}

func TestPairsRefuse(t *testing.T) {
	tok := newFake(t, bertProcessor, 9, &fakeEncoder{})
	refuse := Truncation{Refuse: true}
	_, err := tok.Pairs(t.Context(), wordText(0, 3), []string{wordText(0, 3), ""}, refuse)
	require.NoError(t, err)

	var tooLong *TooLongError
	_, err = tok.Pairs(t.Context(), wordText(0, 3), []string{wordText(0, 3), wordText(0, 4), wordText(0, 400)}, refuse)
	require.ErrorAs(t, err, &tooLong)
	require.Equal(t, TooLongError{Index: 1, Tokens: 10, Limit: 9}, *tooLong)
	_, err = tok.Pairs(t.Context(), wordText(0, 7), []string{""}, refuse)
	require.ErrorAs(t, err, &tooLong)
	require.Equal(t, TooLongError{Query: true, Tokens: 10, Limit: 9}, *tooLong)
	require.EqualError(t, err, "the query has 10 tokens, special tokens included; the limit is 9")
}

func TestEncoderErrorsNameTheItem(t *testing.T) {
	f := &fakeEncoder{onEncode: func(text string) error {
		if strings.Contains(text, "bad") {
			return errFake
		}
		return nil
	}}
	tok := newFake(t, bertProcessor, 9, f)
	_, err := tok.Singles(t.Context(), []Text{{Text: "good"}, {Text: "bad"}, {Text: "bad"}}, "", Truncation{})
	require.ErrorIs(t, err, errFake)
	require.ErrorContains(t, err, "item 1: ")
	_, err = tok.Singles(t.Context(), []Text{{IDs: id(1)}}, "bad", Truncation{})
	require.ErrorIs(t, err, errFake)
	require.ErrorContains(t, err, "prefix: ")
	_, err = tok.Pairs(t.Context(), "bad", []string{"good"}, Truncation{})
	require.ErrorIs(t, err, errFake)
	require.ErrorContains(t, err, "query: ")
	_, err = tok.Pairs(t.Context(), "good", []string{"good", "bad"}, Truncation{})
	require.ErrorIs(t, err, errFake)
	require.ErrorContains(t, err, "item 1: ")
}

func TestAnEndedContextStopsTheWork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeEncoder{onEncode: func(text string) error {
		if text == "w5" {
			cancel()
		}
		return nil
	}}
	template, err := ParseTemplate(withProcessor(bertProcessor))
	require.NoError(t, err)
	tok, err := New(Options{Encoder: f, Template: template, MaxLength: 9, Gate: NewGate(1)})
	require.NoError(t, err)
	documents := strings.Fields(wordText(0, 100))
	_, err = tok.Pairs(ctx, "query", documents, Truncation{})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualValues(t, 7, f.calls.Load(), "the query and w0 to w5")

	_, err = tok.Singles(ctx, []Text{{Text: "w1"}}, "", Truncation{})
	require.True(t, errors.Is(err, context.Canceled))
	require.EqualValues(t, 7, f.calls.Load())
}

func TestSinglesCutTextsFirst(t *testing.T) {
	tok := newFake(t, bertProcessor, 9, &fakeEncoder{})
	cut := func(text, prefix string, tr Truncation) Encoding {
		t.Helper()
		got, err := tok.Singles(t.Context(), []Text{{Text: text}}, prefix, tr)
		require.NoError(t, err)
		return got[0]
	}
	require.Equal(t, Encoding{IDs: id(101, 20, 21, 22, 102), Truncated: true}, cut(wordText(20, 4), "", Truncation{Text: 3}))
	require.Equal(t, Encoding{IDs: id(101, 20, 21, 22, 102)}, cut(wordText(20, 3), "", Truncation{Text: 3}))
	require.Equal(t, Encoding{IDs: id(101, 21, 22, 23, 102), Truncated: true}, cut(wordText(20, 4), "", Truncation{Text: 3, Side: KeepEnd}))
	require.Equal(t, Encoding{IDs: id(101, 7, 20, 21, 22, 102), Truncated: true}, cut(wordText(20, 4), "w7 ", Truncation{Text: 3}), "the prefix is not counted")
	require.Equal(t, Encoding{IDs: id(101, 20, 21, 22, 102), Truncated: true}, cut(wordText(20, 400), "", Truncation{Text: 3, Refuse: true}), "never refused")
	require.Equal(t, Encoding{IDs: id(101, 20, 21, 22, 23, 24, 25, 26, 102), Truncated: true}, cut(wordText(20, 12), "", Truncation{Text: 10}))
	_, err := tok.Singles(t.Context(), []Text{{Text: wordText(20, 12)}}, "", Truncation{Text: 10, Refuse: true})
	var long *TooLongError
	require.ErrorAs(t, err, &long, "what is left may be too long still")
}
