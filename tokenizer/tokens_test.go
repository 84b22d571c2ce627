package tokenizer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	f := &fakeEncoder{}
	tok := newFake(t, bertProcessor, 4, f)
	cls, sep := Token{ID: 101, Text: "special", Special: true}, Token{ID: 102, Text: "special", Special: true}
	at := func(id uint32, text string, start int) Token {
		return Token{ID: id, Text: text, Span: Span{Start: start, Stop: start + len(text)}}
	}
	long := []Token{at(1, "a", 0), at(2, "w2", 2), at(3, "w3", 5), at(4, "w4", 8), at(5, "w5", 11)}
	texts := []string{"a w2 w3 w4 w5", "", " w1"}
	got, err := tok.Tokens(t.Context(), texts, "", false)
	require.NoError(t, err)
	require.Equal(t, [][]Token{long, {}, {at(1, "w1", 1)}}, got, "longer than the model takes, and not cut")

	got, err = tok.Tokens(t.Context(), texts[1:], "w9 ", true)
	require.NoError(t, err)
	require.Equal(t, [][]Token{{cls, at(9, "w9", 0), sep}, {cls, at(9, "w9", 0), at(1, "w1", 4), sep}}, got)

	got, err = tok.Tokens(t.Context(), []string{"a\xff\xfeb w1"}, "", false)
	require.NoError(t, err)
	require.Equal(t, "a\ufffdb", got[0][0].Text)
	require.Equal(t, Span{Stop: 4}, got[0][0].Span)
}

func TestDecode(t *testing.T) {
	tok := newFake(t, bertProcessor, 9, &fakeEncoder{})
	lists := [][]uint32{{101, 7, 8, 102}, {}, nil, {9}}
	got, err := tok.Decode(t.Context(), lists, true)
	require.NoError(t, err)
	require.Equal(t, []string{"w7 w8", "", "", "w9"}, got)
	got, err = tok.Decode(t.Context(), lists, false)
	require.NoError(t, err)
	require.Equal(t, "special w7 w8 special", got[0])

	var id *IDError
	_, err = tok.Decode(t.Context(), [][]uint32{{1}, {2, fakeVocab}, {fakeVocab}}, true)
	require.ErrorAs(t, err, &id)
	require.Equal(t, IDError{Index: 1, Position: 1, ID: fakeVocab, VocabSize: fakeVocab}, *id)

	var none *DecodeError
	_, err = tok.Decode(t.Context(), [][]uint32{{1}, {2, badID}}, true)
	require.ErrorAs(t, err, &none)
	require.Equal(t, 1, none.Index)
	require.ErrorIs(t, err, errFake)
	require.EqualError(t, err, "item 1: the fake fails")
}

func TestTokensNameTheTextAtFault(t *testing.T) {
	tok := newFake(t, bertProcessor, 9, &fakeEncoder{onEncode: func(text string) error {
		if text == "bad" {
			return errFake
		}
		return nil
	}})
	_, err := tok.Tokens(t.Context(), []string{"good", "bad"}, "", true)
	require.ErrorIs(t, err, errFake)
	require.ErrorContains(t, err, "item 1: ")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = tok.Tokens(ctx, []string{"good"}, "", true)
	require.ErrorIs(t, err, context.Canceled)
	_, err = tok.Decode(ctx, [][]uint32{{1}}, true)
	require.ErrorIs(t, err, context.Canceled)
}
