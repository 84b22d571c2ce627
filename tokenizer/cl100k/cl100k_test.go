package cl100k

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodeOfKnownIDs(t *testing.T) {
	// The ids that OpenAI's own tokenizer gives for these texts.
	cases := []struct {
		text string
		ids  []uint32
	}{
		{"", nil},
		{"hello world", []uint32{15339, 1917}},
		{"foo", []uint32{8134}},
		{" ", []uint32{220}},
		{"tiktoken is great!", []uint32{83, 1609, 5963, 374, 2294, 0}},
	}
	for _, c := range cases {
		got, err := Decode(c.ids)
		require.NoError(t, err)
		require.Equal(t, c.text, got)
	}
}

func TestDecodeUndoesEncode(t *testing.T) {
	texts := []string{"안녕하세요, 세계", "naïve café – “quotes”", "👩‍👩‍👧 family", "tab\tnew\nline\r\n", "中文字符", "\u200b\ufeff"}
	for _, text := range texts {
		ids, _, err := vocabulary().Encode(text)
		require.NoError(t, err)
		narrow := make([]uint32, len(ids))
		for i, id := range ids {
			narrow[i] = uint32(id)
		}
		got, err := Decode(narrow)
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
}

func TestDecodeKnowsEveryIDBelowSize(t *testing.T) {
	for id := range uint32(size) {
		text, err := Decode([]uint32{id})
		require.NoError(t, err)
		require.NotEmpty(t, text, "id %d", id)
	}
}

func TestDecodeNamesThePositionOfAnIDOutOfRange(t *testing.T) {
	for _, id := range []uint32{size, 100261, 100277, 1 << 31} {
		_, err := Decode([]uint32{15339, 1917, id, id})
		var idErr *IDError
		require.ErrorAs(t, err, &idErr)
		require.Equal(t, IDError{Position: 2, ID: id}, *idErr)
		require.ErrorContains(t, err, "position 2")
	}
}

func TestDecodeOfSpecialTokens(t *testing.T) {
	got, err := Decode([]uint32{100257, 15339, 1917, 100276, 100257})
	require.NoError(t, err)
	require.Equal(t, "<|endoftext|>hello world<|endofprompt|><|endoftext|>", got)
}

func TestDecodeOfHalfACharacter(t *testing.T) {
	ids, _, err := vocabulary().Encode("𓀀")
	require.NoError(t, err)
	require.Greater(t, len(ids), 1)
	got, err := Decode([]uint32{15339, uint32(ids[0])})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(got, "hello"))
	require.True(t, strings.HasSuffix(got, "\ufffd"))
}

func TestDecodeConcurrently(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := Decode([]uint32{15339, 1917})
			if err != nil || got != "hello world" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
}
