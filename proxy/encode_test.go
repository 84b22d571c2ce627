package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

func FuzzString(f *testing.F) {
	for _, text := range []string{"", "plain", "q\"b\\n\nt\tc\x01\x7f", "é볕😀", "\xff", "a\xe2\x82z", "\u2028", strings.Repeat("x", 100) + "\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written := appendString(nil, text)
		var read string
		require.NoError(t, json.Unmarshal(written, &read))
		require.Equal(t, string([]rune(text)), read, "%q", written) // a rune for each byte that is no text
		if strings.ToValidUTF8(text, "") == text {
			require.Equal(t, text, read)
			require.Equal(t, len(written), quotedLen(text))
		}
		require.LessOrEqual(t, len(written), quotedLen(text))
		inside, err := (&scanner{data: written}).str()
		require.NoError(t, err)
		require.Equal(t, read, inside)
	})
}

func TestBytesThatAreNotTextAreReplaced(t *testing.T) {
	require.Equal(t, "\"a\uFFFD\\nb\uFFFD\"", string(appendString(nil, "a\xff\nb\xfe")))
}

func TestWhatFitsNowhereIsTooLarge(t *testing.T) {
	s := &stub{bounds: limits{bytes: 1500}, answer: refuseLong}
	m := modelOver(t, TypeTEI, s, Route{})
	large := strings.Repeat("x", 500)
	for param, ask := range map[string]func() error{
		"input[1]": func() error {
			_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a", large)})
			return err
		},
		"input[0]": func() error {
			_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts("a"), Extra: extra(models.DialectTEI, "x", `"`+large+`"`)})
			return err
		},
		"documents[0]": func() error {
			_, err := m.Rerank(t.Context(), models.RerankRequest{Query: large, Documents: []string{"a"}})
			return err
		},
		"documents[2]": func() error {
			_, err := m.Rerank(t.Context(), models.RerankRequest{Query: "q", Documents: []string{"a", "b", large}})
			return err
		},
	} {
		var e *models.Error
		require.ErrorAs(t, ask(), &e)
		require.Equal(t, models.KindTooLarge, e.Kind)
		require.Equal(t, param, e.Param)
		require.Contains(t, e.Message, "upstreams[].max_bytes")
	}
	require.Empty(t, s.sent)
	_, err := m.Embed(t.Context(), models.EmbedRequest{Inputs: texts(large[:200], large[:200], large[:200])})
	require.NoError(t, err)
	require.Len(t, s.sent, 2)
	for _, body := range s.sent {
		require.LessOrEqual(t, len(body), 1500)
	}
}

func TestPartsMustAgree(t *testing.T) {
	_, err := joinVectors([]embedded{{length: 2}, {length: 3}}, models.FormVectors)
	require.ErrorContains(t, err, "vectors of 2 and of 3 numbers")
	_, err = joinStates([]models.TokensResult{{States: [][][]float32{{{1}}}}, {States: [][][]float32{{{1, 2}}}}}, 0)
	require.ErrorContains(t, err, "states of 1 and of 2 numbers")
	_, err = joinLabels([]models.ClassifyResult{{Labels: []string{"a"}}, {Labels: []string{"a", "b"}}})
	require.ErrorContains(t, err, "1 and with 2 labels")
	_, err = joinLabels([]models.ClassifyResult{{Labels: []string{"a"}}, {Labels: []string{"b"}}})
	require.ErrorContains(t, err, `the labels "a" and "b" in one place`)
	require.Empty(t, joinScores([]models.RerankResult{{Kind: models.ScoreSigmoid}, {Kind: models.ScoreCosine}}).Kind)
	known, err := joinLabels([]models.ClassifyResult{{Labels: []string{"", "b", ""}}, {Labels: []string{"a", "", ""}}})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "LABEL_2"}, known.Labels)
}

func TestLabelsMayHaveEscapes(t *testing.T) {
	var result models.ClassifyResult
	require.NoError(t, (&scanner{data: []byte(`[[{"label": "a\u00e9\"","score":1}]]`)}).labelled(1, nil, &result))
	require.Equal(t, []string{`aé"`}, result.Labels)
}
