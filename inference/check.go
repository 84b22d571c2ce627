package inference

import (
	"context"
	"errors"
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
	if task == models.TaskRerank || r.Pair != "" {
		list, err = t.Pairs(ctx, r.Text, []string{r.Pair}, tokenizer.Truncation{})
	} else {
		list, err = t.Singles(ctx, []tokenizer.Text{{Text: r.Text}}, "", tokenizer.Truncation{})
	}
	if err != nil {
		return tokenizer.Encoding{}, err
	}
	return list[0], nil
}

// check checks an opened session as far as the model's files allow: against their references,
// or, where others wrote them, by what a text's company does to it. It returns the latter.
func (m *Manifest) check(ctx context.Context, s Session, variant string) (company float64, err error) {
	if m.derived != nil {
		if company, err = m.company(ctx, s, variant); err != nil {
			err = fmt.Errorf("%w: %w", errCompany, err)
		}
		return company, err
	}
	if err = checkReferences(ctx, s, m, variant); err != nil {
		err = fmt.Errorf("%w: %w", errAnswers, err)
	}
	return 0, err
}

// head is the beginning of ids, for a message.
func head(ids []uint32) []uint32 { return ids[:min(len(ids), 8)] }

// checkReferences runs the manifest's reference inputs on the session that is to serve, each
// alone and all in one batch, and fails when an answer is further from the stored one than the
// variant's tolerance allows. A provider that computes something else does so without an
// error, so nothing is believed unseen.
func checkReferences(ctx context.Context, s Session, m *Manifest, variant string) error {
	items, p := m.referenceItems(), newPadder(m)
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

// checkStates runs the reference inputs on a session that gives token states, and compares
// those that the manifest holds. Files of others bring none: their states are compared, as
// the mean of each text, alone and in company.
func (m *Manifest) checkStates(ctx context.Context, s Session, variant string) error {
	if m.derived != nil {
		_, err := m.company(ctx, newPooling(s, []poolKind{poolMean}), variant)
		return err
	}
	if !slices.ContainsFunc(m.Reference, func(r Reference) bool { return len(r.Tokens) > 0 }) {
		return errors.New("there are no token states to check it against; export the model again with scripts/export_onnx.sh --outputs tokens")
	}
	items, p := m.referenceItems(), newPadder(m)
	run := func(items ...tokenizer.Encoding) (Output, error) {
		b := p.pad(items)
		b.States = true
		return s.Run(ctx, b)
	}
	together, err := run(items...)
	if err != nil {
		return fmt.Errorf("reference inputs: %w", err)
	}
	tolerance := m.Variants[variant].Tokens.Tolerance
	for i, r := range m.Reference {
		alone, err := run(items[i])
		if err != nil {
			return fmt.Errorf("reference input %d: %w", i, err)
		}
		for _, token := range r.Tokens {
			if err := errors.Join(tolerance.state(alone, 0, token), tolerance.state(together, i, token)); err != nil {
				return fmt.Errorf("token %d of reference %d (%.40q): %w", token.Index, i, r.Text, err)
			}
		}
	}
	return nil
}

// referenceItems are the references as input rows.
func (m *Manifest) referenceItems() []tokenizer.Encoding {
	items := make([]tokenizer.Encoding, len(m.Reference))
	for i, r := range m.Reference {
		items[i] = tokenizer.Encoding{IDs: r.IDs, Types: r.TypeIDs}
	}
	return items
}

// state compares the direction of a token's state in a row of out with what it should be.
func (t Tolerance) state(out Output, row int, want TokenState) error {
	got := out.Row(row)[want.Index*out.Width : (want.Index+1)*out.Width]
	if len(got) != len(want.State) || !finite(got) {
		return fmt.Errorf("its state has %d numbers, of which some may not be finite, where %d are due", len(got), len(want.State))
	}
	if d := maxDifference(got, want.State, true); t.MaxAbs > 0 && d > t.MaxAbs {
		return fmt.Errorf("its state differs by %.2g, and may by %.2g", d, t.MaxAbs)
	}
	if c := cosine(got, want.State); t.MinCosine > 0 && c < t.MinCosine {
		return fmt.Errorf("its state has cosine %.4f to what it should be, and needs %.4f", c, t.MinCosine)
	}
	return nil
}
