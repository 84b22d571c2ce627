//go:build cgo

package hf

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

// reference is what scripts/golden/make_pairs.py writes.
type reference struct {
	Texts      []string `json:"texts"`
	Tokenizers map[string]struct {
		Path   string `json:"path"`
		SHA256 string `json:"sha256"`
		Rows   []row  `json:"rows"`
	} `json:"tokenizers"`
}

type row struct {
	a, b      int
	maxLength int
	keepEnd   bool
	ids       []uint32
	ones      int
}

func (r *row) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.a, &r.b, &r.maxLength, &r.keepEnd, &r.ids, &r.ones})
}

func (r row) types() []uint8 {
	if r.ones == 0 {
		return nil
	}
	types := make([]uint8, len(r.ids))
	for i := len(types) - r.ones; i < len(types); i++ {
		types[i] = 1
	}
	return types
}

func (r row) truncation() tokenizer.Truncation {
	tr := tokenizer.Truncation{Limit: r.maxLength}
	if r.keepEnd {
		tr.Side = tokenizer.KeepEnd
	}
	return tr
}

func readReference(t *testing.T) reference {
	t.Helper()
	data, err := os.ReadFile("testdata/pairs.json")
	require.NoError(t, err)
	var ref reference
	require.NoError(t, json.Unmarshal(data, &ref))
	return ref
}

// Rows are those of Hugging Face's own pair encoding with strategy longest_first.
func TestRowsEqualHuggingFaces(t *testing.T) {
	ref := readReference(t)
	require.Len(t, ref.Tokenizers, 2)
	for name, r := range ref.Tokenizers {
		t.Run(name, func(t *testing.T) {
			data := file(t, r.Path)
			sum := sha256.Sum256(data)
			require.Equal(t, r.SHA256, hex.EncodeToString(sum[:]), "%s is another file: run scripts/golden/make_pairs.py", r.Path)
			require.Len(t, r.Rows, 260)
			tok, _ := newTokenizer(t, data, 512)
			for i, row := range r.Rows {
				got := encodeRow(t, tok, ref.Texts, row)
				require.Equal(t, row.ids, got.IDs, "row %d", i)
				require.Equal(t, row.types(), typesOf(got), "row %d", i)
				whole := row
				whole.maxLength = 512
				require.Equal(t, encodeRow(t, tok, ref.Texts, whole).Len() > got.Len(), got.Truncated, "row %d", i)
			}
		})
	}
}

func encodeRow(t *testing.T, tok *tokenizer.Tokenizer, texts []string, r row) tokenizer.Encoding {
	t.Helper()
	var got []tokenizer.Encoding
	var err error
	if r.b < 0 {
		got, err = tok.Singles(t.Context(), []tokenizer.Text{{Text: texts[r.a]}}, "", r.truncation())
	} else {
		got, err = tok.Pairs(t.Context(), texts[r.a], []string{texts[r.b]}, r.truncation())
	}
	require.NoError(t, err)
	require.Len(t, got, 1)
	return got[0]
}

// typesOf makes types that are all 0 nil.
func typesOf(e tokenizer.Encoding) []uint8 {
	for _, typeID := range e.Types {
		if typeID != 0 {
			return e.Types
		}
	}
	return nil
}
