package inference

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// checkTokenizer tokenises the texts of the manifest's references, which must give the ids
// that the reference outputs were computed from. References that do not fit a lower maximum
// length are left out.
func checkTokenizer(ctx context.Context, t *tokenizer.Tokenizer, m *Manifest) error {
	for i, r := range m.Reference {
		if len(r.IDs) > t.MaxLength() {
			continue
		}
		got, err := tokenizeReference(ctx, t, m.Task, r)
		if err != nil {
			return fmt.Errorf("reference %d: %w", i, err)
		}
		if !slices.Equal(got.IDs, r.IDs) {
			return fmt.Errorf("tokenizer.json does not belong to the weights: reference %d (%.40q) gives ids %v, and should give %v", i, r.Text, head(got.IDs), head(r.IDs))
		}
	}
	return nil
}

func tokenizeReference(ctx context.Context, t *tokenizer.Tokenizer, task models.Task, r Reference) (tokenizer.Encoding, error) {
	var list []tokenizer.Encoding
	var err error
	if task == models.TaskRerank {
		list, err = t.Pairs(ctx, r.Text, []string{r.Pair}, tokenizer.Truncation{})
	} else {
		list, err = t.Singles(ctx, []tokenizer.Text{{Text: r.Text}}, "", tokenizer.Truncation{})
	}
	if err != nil {
		return tokenizer.Encoding{}, err
	}
	return list[0], nil
}

// head is the beginning of ids, for a message.
func head(ids []uint32) []uint32 { return ids[:min(len(ids), 8)] }

// checkReferences runs the manifest's reference inputs on the session that is to serve, each
// alone and all in one batch, and fails when an answer is further from the stored one than the
// variant's tolerance allows. A provider that computes something else does so without an
// error, so nothing is believed unseen.
func checkReferences(ctx context.Context, s Session, m *Manifest, variant string) error {
	items := make([]tokenizer.Encoding, len(m.Reference))
	for i, r := range m.Reference {
		items[i] = tokenizer.Encoding{IDs: r.IDs, Types: r.TypeIDs}
	}
	p := newPadder(m)
	together, err := s.Run(ctx, p.pad(items))
	if err != nil {
		return fmt.Errorf("reference inputs: %w", err)
	}
	for i, item := range items {
		if err := m.compare(i, together.Row(i), variant); err != nil {
			return fmt.Errorf("%w, in a batch of %d", err, len(items))
		}
		alone, err := s.Run(ctx, p.pad([]tokenizer.Encoding{item}))
		if err != nil {
			return fmt.Errorf("reference input %d: %w", i, err)
		}
		if err := m.compare(i, alone.Row(0), variant); err != nil {
			return fmt.Errorf("%w, alone", err)
		}
	}
	return nil
}

func (m *Manifest) compare(i int, got []float32, variant string) error {
	tolerance, want := m.Variants[variant].Tolerance, m.Reference[i].Output
	if !finite(got) {
		return fmt.Errorf("reference %d (%.40q) gave a number that is not finite", i, m.Reference[i].Text)
	}
	difference := maxDifference(got, want, m.Task == models.TaskEmbed)
	if tolerance.MaxAbs > 0 && difference > tolerance.MaxAbs {
		return fmt.Errorf("reference %d (%.40q) differs by %.2g, %s may differ by %.2g", i, m.Reference[i].Text, difference, variant, tolerance.MaxAbs)
	}
	if c := cosine(got, want); m.Task == models.TaskEmbed && tolerance.MinCosine > 0 && c < tolerance.MinCosine {
		return fmt.Errorf("reference %d (%.40q) has cosine %.4f to what it should be, %s needs %.4f", i, m.Reference[i].Text, c, variant, tolerance.MinCosine)
	}
	return nil
}

// maxDifference is the largest absolute difference of a number of a and b, after the L2 norm
// when normed.
func maxDifference(a, b []float32, normed bool) float64 {
	na, nb := 1.0, 1.0
	if normed {
		na, nb = math.Max(norm(a), 1e-12), math.Max(norm(b), 1e-12)
	}
	var largest float64
	for i := range a {
		largest = math.Max(largest, math.Abs(float64(a[i])/na-float64(b[i])/nb))
	}
	return largest
}
