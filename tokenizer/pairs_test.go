package tokenizer

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// longestFirstByLoop takes one token at a time from the longer, and of equals from the one
// that was the shorter, or from the first.
func longestFirstByLoop(n1, n2, room int) (int, int) {
	firstOfEquals := n1 <= n2
	for n1+n2 > room {
		switch {
		case n1 > n2, n1 == n2 && firstOfEquals:
			n1--
		default:
			n2--
		}
	}
	return n1, n2
}

// longestFirstOfHF is the closed form as tokenizers' truncation.rs has it.
func longestFirstOfHF(n1, n2, room int) (int, int) {
	if n1+n2 <= room {
		return n1, n2
	}
	swapped := n1 > n2
	if swapped {
		n1 = n2
	}
	if n1 > room {
		n2 = n1
	} else {
		n2 = max(n1, room-n1)
	}
	if n1+n2 > room {
		n1 = room / 2
		n2 = n1 + room%2
	}
	if swapped {
		n1, n2 = n2, n1
	}
	return n1, n2
}

func TestLongestFirstEqualsItsLoop(t *testing.T) {
	check := func(n1, n2, room int) {
		got1, got2 := longestFirst(n1, n2, room)
		want1, want2 := longestFirstByLoop(n1, n2, room)
		hf1, hf2 := longestFirstOfHF(n1, n2, room)
		if got1 != want1 || got2 != want2 || got1 != hf1 || got2 != hf2 {
			t.Fatalf("%d and %d in %d: %d, %d; by the loop %d, %d; by Hugging Face %d, %d",
				n1, n2, room, got1, got2, want1, want2, hf1, hf2)
		}
	}
	for n1 := range 20 {
		for n2 := range 20 {
			for room := range 45 {
				check(n1, n2, room)
			}
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		check(r.IntN(700), r.IntN(700), r.IntN(600))
	}
}

func TestLongestFirstByHand(t *testing.T) {
	cases := []struct{ n1, n2, room, want1, want2 int }{
		{3, 4, 7, 3, 4},
		{3, 9, 7, 3, 4},
		{9, 3, 7, 4, 3},
		{9, 9, 7, 3, 4},
		{10, 9, 7, 4, 3},
		{9, 10, 7, 3, 4},
		{0, 10, 7, 0, 7},
		{10, 0, 7, 7, 0},
		{5, 5, 1, 0, 1},
	}
	for _, c := range cases {
		got1, got2 := longestFirst(c.n1, c.n2, c.room)
		require.Equal(t, [2]int{c.want1, c.want2}, [2]int{got1, got2}, "%+v", c)
	}
}

// Texts and pairs of one list come out as by themselves, and errors name their place.
func TestInputs(t *testing.T) {
	tok := newFake(t, bertProcessor, 9, &fakeEncoder{})
	pair := func(a, b string) Input { return Input{Text: a, Pair: &b} }
	inputs := []Input{{Text: wordText(10, 3)}, pair(wordText(10, 2), wordText(20, 9)), {Text: wordText(10, 9)}, pair("", ""), pair(wordText(10, 9), wordText(20, 1))}
	for _, side := range []Side{KeepStart, KeepEnd} {
		got, err := tok.Inputs(t.Context(), inputs, Truncation{Side: side})
		require.NoError(t, err)
		for i, in := range inputs {
			var want []Encoding
			if in.Pair == nil {
				want, err = tok.Singles(t.Context(), []Text{{Text: in.Text}}, "", Truncation{Side: side})
			} else {
				want, err = tok.Pairs(t.Context(), in.Text, []string{*in.Pair}, Truncation{Side: side})
			}
			require.NoError(t, err)
			require.Equal(t, want[0], got[i])
		}
	}
	var tooLong *TooLongError
	for i := range inputs {
		if i == 1 || i == 2 || i == 4 {
			_, err := tok.Inputs(t.Context(), append([]Input{{}}, inputs[i]), Truncation{Refuse: true})
			require.ErrorAs(t, err, &tooLong)
			require.Equal(t, 1, tooLong.Index)
			require.False(t, tooLong.Query)
		}
	}
	var limit *LimitError
	_, err := tok.Inputs(t.Context(), inputs[1:2], Truncation{Limit: 3})
	require.ErrorAs(t, err, &limit)
}
