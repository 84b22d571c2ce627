package inference

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// What is checked of files that others wrote. There are no answers to compare with, but what
// a text gets may not depend on the texts beside it: a graph that ignores its mask, or reads
// its padding, shows here.
const (
	// maxCompany bounds it for graphs that compute in floats. Rounding gives about 1e-7, float16
	// about 1e-5; a mask that is ignored, 1e-2 and more.
	maxCompany = 1e-3
	// maxCompanyHalf is for logits of graphs with float16 outputs, of magnitudes up to 10.
	maxCompanyHalf = 2e-2
)

// probeTexts are short and long, so that the short ones have much padding in one batch, and
// of several scripts, so that tokenizers without them show their unknown token.
var probeTexts = []string{
	"rain",
	"What is the capital of France?",
	"Paris is the capital and the largest city of France.",
	"한국어 문장도 하나 있습니다.",
	"A ship that leaves the harbour at dawn, when the tide is high and the wind comes from the land, needs neither tugs nor pilots; " +
		"one that leaves at noon waits for both, and its master pays for the waiting, for the tug, for the pilot and for the berth.",
}

// probe gives a derived manifest inputs to check the model with and to measure its speed.
func (m *Manifest) probe(ctx context.Context, t *tokenizer.Tokenizer) error {
	if m.derived == nil {
		return nil
	}
	for _, text := range probeTexts {
		r := Reference{Text: text}
		if m.Task == models.TaskRerank {
			r.Text, r.Pair = probeTexts[1], text
		}
		e, err := tokenizeReference(ctx, t, m.Task, r)
		if err != nil {
			return fmt.Errorf("tokenising a text of its check: %w", err)
		}
		if e.Len() == 0 {
			return fmt.Errorf("its tokenizer makes no token of %q", text)
		}
		r.IDs, r.TypeIDs = e.IDs, e.Types
		m.Reference = append(m.Reference, r)
	}
	return nil
}

// company measures how far the answer to a text is moved by the texts beside it, at worst:
// the cosine distance of embeddings, for logits the difference, relative where they are above 1.
// It fails where that is more than a graph of floats may have, and where the answers are no
// numbers or all the same.
func (m *Manifest) company(ctx context.Context, s Session, variant string) (float64, error) {
	items, p := m.referenceItems(), newPadder(m)
	together, err := s.Run(ctx, p.pad(items))
	if err != nil {
		return 0, fmt.Errorf("texts of the check: %w", err)
	}
	worst, spread := 0.0, 0.0
	for i, item := range items {
		alone, err := s.Run(ctx, p.pad([]tokenizer.Encoding{item}))
		if err != nil {
			return 0, fmt.Errorf("text %d of the check: %w", i, err)
		}
		if !finite(alone.Row(0)) || !finite(together.Row(i)) {
			return 0, fmt.Errorf("it gives a number that is not finite for %.40q", m.Reference[i].Text)
		}
		worst = max(worst, m.distance(alone.Row(0), together.Row(i)))
		spread = max(spread, m.distance(together.Row(0), together.Row(i)))
	}
	if spread < 1e-9 {
		return 0, errors.New("it answers every text alike")
	}
	g := m.graphOf(variant)
	if limit := m.maxCompany(g); worst > limit && !g.quantized {
		return 0, fmt.Errorf("the texts beside a text change its answer by %.2g, and a graph of floats may by %.2g: "+
			"it does not heed %s, or was exported for a batch of one", worst, limit, inputMask)
	}
	return worst, nil
}

func (m *Manifest) maxCompany(g graph) float64 {
	if m.Task != models.TaskEmbed && g.output.half {
		return maxCompanyHalf
	}
	return maxCompany
}

func (m *Manifest) distance(a, b []float32) float64 {
	if m.Task == models.TaskEmbed {
		return 1 - cosine(a, b)
	}
	var worst float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		worst = math.Max(worst, math.Abs(x-y)/math.Max(1, math.Abs(x)))
	}
	return worst
}
