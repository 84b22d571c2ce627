//go:build cgo

package hf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/tokenizer"
)

const (
	miniLM = "var/models/all-MiniLM-L6-v2/tokenizer.json"
	xlmr   = "testdata/models/xlmr-rerank/tokenizer.json"
)

// file reads a file of the repository. One that set-up makes may be absent, unless
// QUADRATE_REQUIRE_MODELS is 1.
func file(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if os.IsNotExist(err) && os.Getenv("QUADRATE_REQUIRE_MODELS") != "1" {
		t.Skipf("%s is not there: make setup", path)
	}
	require.NoError(t, err)
	return data
}

func open(t testing.TB, tokenizerJSON []byte) *Encoder {
	t.Helper()
	e, err := New(tokenizerJSON)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func newTokenizer(t testing.TB, tokenizerJSON []byte, maxLength int) (*tokenizer.Tokenizer, *Encoder) {
	t.Helper()
	e := open(t, tokenizerJSON)
	template, err := tokenizer.ParseTemplate(tokenizerJSON)
	require.NoError(t, err)
	tok, err := tokenizer.New(tokenizer.Options{Encoder: e, Template: template, MaxLength: maxLength})
	require.NoError(t, err)
	return tok, e
}
