//go:build cgo

package hf

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

const qwen = "testdata/exported/qwen3-rerank/tokenizer.json"

// prompted is what scripts/golden/make_exported.py writes: rows that Hugging Face's tokenizers
// made of instruction, query and document as one text, with a tokenizer of Qwen2's kind.
type prompted struct {
	Texts  []string `json:"texts"`
	Prompt struct {
		Prefix         []uint32 `json:"prefix"`
		QueryPrefix    string   `json:"query_prefix"`
		QuerySuffix    string   `json:"query_suffix"`
		DocumentPrefix string   `json:"document_prefix"`
		Suffix         []uint32 `json:"suffix"`
	} `json:"prompt"`
	Rows []promptedRow `json:"rows"`
}

// promptedRow has the ids between the prompt's prefix and suffix.
type promptedRow struct {
	query, document, limit int
	ids                    []uint32
}

func (r *promptedRow) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.query, &r.document, &r.limit, &r.ids})
}

// Query and document, encoded apart, give the ids of the joint text, whole and cut.
func TestPromptedPairsEqualTheJointText(t *testing.T) {
	data, err := os.ReadFile("testdata/prompts.json")
	require.NoError(t, err)
	var ref prompted
	require.NoError(t, json.Unmarshal(data, &ref))
	require.Len(t, ref.Rows, 300)
	tok := newPrompted(t, ref)
	cut := 0
	for i, row := range ref.Rows {
		want := append(append(append([]uint32{}, ref.Prompt.Prefix...), row.ids...), ref.Prompt.Suffix...)
		got, err := tok.Pairs(t.Context(), ref.Texts[row.query], []string{ref.Texts[row.document]}, tokenizer.Truncation{Limit: row.limit})
		require.NoError(t, err)
		require.Equal(t, want, got[0].IDs, "row %d: %q, %q", i, ref.Texts[row.query], ref.Texts[row.document])
		require.LessOrEqual(t, got[0].Len(), row.limit)
		if got[0].Truncated {
			require.Len(t, got[0].IDs, row.limit)
			cut++
		}
	}
	require.Greater(t, cut, 20)
	require.Greater(t, len(ref.Rows)-cut, 100)
}

func newPrompted(t testing.TB, ref prompted) *tokenizer.Tokenizer {
	t.Helper()
	data := file(t, qwen)
	template, err := tokenizer.ParseTemplate(data)
	require.NoError(t, err)
	tok, err := tokenizer.New(tokenizer.Options{
		Encoder: open(t, data), Template: template, MaxLength: 640,
		PairPrompt: &tokenizer.PairPrompt{
			Prefix: ref.Prompt.Prefix, Suffix: ref.Prompt.Suffix,
			QueryPrefix: ref.Prompt.QueryPrefix, QuerySuffix: ref.Prompt.QuerySuffix, DocumentPrefix: ref.Prompt.DocumentPrefix,
		},
	})
	require.NoError(t, err)
	return tok
}

// The end of text comes from the template, behind each text, cut or not.
func TestQwenEmbedderEndsEveryText(t *testing.T) {
	tok, _ := newTokenizer(t, file(t, "testdata/exported/qwen3-embed/tokenizer.json"), 8)
	rows, err := tok.Singles(t.Context(), []tokenizer.Text{{Text: ""}, {Text: "one"}, {Text: "one two three four five six seven eight nine ten"}}, "", tokenizer.Truncation{})
	require.NoError(t, err)
	end := rows[0].IDs
	require.Len(t, end, 1)
	for _, row := range rows {
		require.Equal(t, end[0], row.IDs[row.Len()-1])
	}
	require.Len(t, rows[2].IDs, 8)
	require.True(t, rows[2].Truncated)
}
