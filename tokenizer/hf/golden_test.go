//go:build cgo

package hf

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// The rows that transformers and sentence-transformers fed their models.
func TestRowsEqualTheGoldens(t *testing.T) {
	cases := map[string]string{
		"minilm":        miniLM,
		"bert-cls":      "testdata/models/bert-cls/tokenizer.json",
		"bert-classify": "testdata/models/bert-classify/tokenizer.json",
		"xlmr-rerank":   xlmr,
	}
	for name, path := range cases {
		t.Run(name, func(t *testing.T) {
			var golden struct {
				MaxLength int `json:"max_length"`
				Items     []struct {
					Name  string   `json:"name"`
					Text  string   `json:"text"`
					Pair  *string  `json:"pair"`
					IDs   []uint32 `json:"ids"`
					Types []int    `json:"type_ids"`
				} `json:"items"`
			}
			require.NoError(t, json.Unmarshal(file(t, "testdata/golden/"+name+".json"), &golden))
			require.NotEmpty(t, golden.Items)
			tok, _ := newTokenizer(t, file(t, path), golden.MaxLength)
			for _, item := range golden.Items {
				var got []tokenizer.Encoding
				var err error
				if item.Pair == nil {
					got, err = tok.Singles(t.Context(), []tokenizer.Text{{Text: item.Text}}, "", tokenizer.Truncation{})
				} else {
					got, err = tok.Pairs(t.Context(), item.Text, []string{*item.Pair}, tokenizer.Truncation{})
				}
				require.NoError(t, err)
				require.Equal(t, item.IDs, got[0].IDs, item.Name)
				for i, want := range item.Types {
					require.Equal(t, want, typeAt(got[0], i), item.Name)
				}
			}
		})
	}
}

func typeAt(e tokenizer.Encoding, i int) int {
	if e.Types == nil {
		return 0
	}
	return int(e.Types[i])
}
