package inference

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/models/modelstest"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

func TestEveryModelShowsItsTokens(t *testing.T) {
	for _, task := range models.Tasks() {
		t.Run(string(task), func(t *testing.T) {
			modelstest.RunTokenizer(t, open(t, task, &fakeSession{}, nil).(modelstest.TokenizeModel), modelstest.Options{})
		})
	}
}

func TestTokenizeWithAPrompt(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	result, err := m.Tokenize(t.Context(), models.TokenizeRequest{Texts: []string{"x"}, PromptName: "query", AddSpecial: true})
	require.NoError(t, err)
	tokens := result.Tokens[0]
	require.Len(t, tokens, 4)
	require.Equal(t, "query:", tokens[1].Text)
	require.Equal(t, "x", tokens[2].Text)
	require.Equal(t, 7, tokens[2].Start)
	require.Equal(t, 8, tokens[2].Stop)
	embed, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: []models.Input{{Text: "x"}}, PromptName: "query"})
	require.NoError(t, err)
	require.Equal(t, len(tokens), embed.Usage.PromptTokens)
}

func TestTokenizeIsBounded(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	half := strings.Repeat(" ", maxTokenizedBytes/2)
	_, err := m.Tokenize(t.Context(), models.TokenizeRequest{Texts: []string{half, half}})
	require.NoError(t, err)
	_, err = m.Tokenize(t.Context(), models.TokenizeRequest{Texts: []string{half, half + " "}})
	wantKind(t, err, models.KindTooLarge, "inputs")
	require.ErrorContains(t, err, "inputs have 1048577 bytes, and one request may have 1048576 tokenised")
	_, err = m.Decode(t.Context(), models.DecodeRequest{IDs: [][]uint32{{1}, make([]uint32, maxDecodedIDs)}})
	wantKind(t, err, models.KindTooLarge, "ids")
}

func TestDecodeErrorsNameTheList(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	_, err := m.Decode(t.Context(), models.DecodeRequest{IDs: [][]uint32{{5}, {5, badID}}})
	wantKind(t, err, models.KindInvalid, "ids[1]")
	_, err = m.Decode(t.Context(), models.DecodeRequest{IDs: [][]uint32{{5}, {5, wordVocab}}})
	wantKind(t, err, models.KindInvalid, "ids[1][1]")
	require.ErrorContains(t, err, `ids[1][1] is token id 65536, and the vocabulary of model "test/model" has 65536`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.Decode(ctx, models.DecodeRequest{IDs: [][]uint32{{5}}})
	wantKind(t, err, models.KindCanceled, "")
}

// A model that is closed while a request comes says so, whichever part of it has gone.
func TestAClosedEncoderIsShuttingDown(t *testing.T) {
	m := openEmbedding(t, &fakeSession{})
	wantKind(t, m.failure(fmt.Errorf("item 0: %w", tokenizer.ErrClosed), opTokenize), models.KindShuttingDown, "")
	wantKind(t, m.decodeFailure(&tokenizer.DecodeError{Cause: tokenizer.ErrClosed}), models.KindShuttingDown, "")
}
