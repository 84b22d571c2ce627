package proxy

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// canned is a backend whose answer is always the same.
type canned struct {
	stub
	body []byte
}

func (c *canned) send(_ context.Context, r *request) error {
	return r.read(&response{status: 200, header: http.Header{}, body: c.body})
}

// BenchmarkEmbed is a whole call but for the network: the request is written, the answer checked.
func BenchmarkEmbed(b *testing.B) {
	for _, c := range []struct {
		name              string
		texts, dimensions int
		form              models.VectorForm
	}{
		{"one of 384 in base64", 1, 384, models.FormBase64},
		{"32 of 1024 as numbers", 32, 1024, models.FormNumbers},
	} {
		b.Run(c.name, func(b *testing.B) {
			backend := &canned{body: embeddingsAnswer(c.texts, c.dimensions, c.form, short)}
			m := newModel(modelSpec{name: "m", upstreamModel: "m", upstream: Upstream{Name: "up", Type: TypeOpenAI}, dialect: openai{}, backend: backend})
			req := models.EmbedRequest{Inputs: make([]models.Input, c.texts), Form: c.form}
			for i := range req.Inputs {
				req.Inputs[i].Text = strings.Repeat("word ", 16)
			}
			b.SetBytes(int64(len(backend.body)))
			b.ReportAllocs()
			for b.Loop() {
				result, err := m.Embed(b.Context(), req)
				if err != nil || len(result.Literals) != c.texts {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestACallTakesLittleMemory(t *testing.T) {
	backend := &canned{body: embeddingsAnswer(1, 384, models.FormBase64, nil)}
	m := newModel(modelSpec{name: "m", upstreamModel: "m", upstream: Upstream{Name: "up", Type: TypeOpenAI}, dialect: openai{}, backend: backend})
	req := models.EmbedRequest{Inputs: texts("a text of a few words"), Form: models.FormBase64}
	allocs := testing.AllocsPerRun(100, func() {
		_, err := m.Embed(t.Context(), req)
		require.NoError(t, err)
	})
	require.LessOrEqual(t, allocs, 32.0)
}
