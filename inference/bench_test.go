package inference

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// nullSession answers in no time, so that what is measured is all but the run.
type nullSession struct{ width int }

func (s nullSession) Run(_ context.Context, b Batch) (Output, error) {
	out := Output{Width: s.width, Values: resized(b.Memory, b.Rows*s.width)}
	for i := range b.Rows {
		out.Row(i)[0] = 1
	}
	return out, nil
}

func (nullSession) Close() error { return nil }

// openNull opens a model whose runs take no time.
func openNull(b *testing.B, task models.Task, width int) *engine {
	b.Helper()
	s := &fakeSession{}
	model := open(b, task, s, func(_ *models.Spec, _ *Deps, m *Manifest) { m.MaxLength = 512 })
	var e *engine
	if m, ok := model.(*Embedding); ok {
		e = m.engine
	} else {
		e = model.(*CrossEncoder).engine
	}
	e.sessions.keepers[0].session = nullSession{width}
	return e
}

// BenchmarkRequest is a request's way through the model, less the run: time and memory.
func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct{ texts, tokens int }{{1, 16}, {32, 128}} {
		b.Run(fmt.Sprintf("embed %dx%d", c.texts, c.tokens), func(b *testing.B) {
			m := &Embedding{openNull(b, models.TaskEmbed, 384)}
			m.manifest.Dimensions = 384
			req := models.EmbedRequest{}
			for i := range c.texts {
				req.Inputs = append(req.Inputs, models.Input{Text: strings.Repeat(fmt.Sprint("w", i, " "), c.tokens-2)})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Embed(context.Background(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("rerank 100x256", func(b *testing.B) {
		m := &CrossEncoder{openNull(b, models.TaskRerank, 1)}
		req := models.RerankRequest{Query: "a query"}
		for i := range 100 {
			req.Documents = append(req.Documents, strings.Repeat(fmt.Sprint("w", i, " "), 250))
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Rerank(context.Background(), req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRun is a runner's way from a batch to its rows, less the run.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct{ rows, length, width int }{{1, 16, 384}, {16, 128, 384}, {64, 256, 1}} {
		b.Run(fmt.Sprintf("%dx%d to %d", c.rows, c.length, c.width), func(b *testing.B) {
			e := openNull(b, models.TaskEmbed, c.width)
			items := make([]tokenizer.Encoding, c.rows)
			for i := range items {
				items[i].IDs = make([]uint32, c.length)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.run(context.Background(), items); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
