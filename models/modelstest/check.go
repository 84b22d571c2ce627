package modelstest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// check is one clause of a contract. It returns an error rather than fail a test, so that
// the suites can themselves be tested over models that break a clause.
type check struct {
	name string
	run  func() error
}

func runChecks(t *testing.T, checks []check, lacks ...string) {
	t.Helper()
	for _, name := range lacks {
		require.True(t, slices.ContainsFunc(checks, func(c check) bool { return c.name == name }), "no clause is called %q", name)
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if slices.Contains(lacks, c.name) {
				require.Error(t, c.run(), "the clause is kept, and Options.Lacks says that it is not")
				return
			}
			require.NoError(t, c.run())
		})
	}
}

func (o Options) withDefaults(info models.Info) Options {
	if o.Texts == nil {
		o.Texts = []string{
			"The cat sleeps in the sun.",
			"cat",
			"Rain falls on the harbour while the boats wait for the tide to turn.",
			"Le chien court dans le jardin",
			"볕 드는 창가의 고양이",
		}
	}
	if o.Long == "" && info.MaxLength > 0 {
		o.Long = strings.Repeat("word ", info.MaxLength+1)
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-5
	}
	return o
}

func inputs(texts []string) []models.Input {
	list := make([]models.Input, len(texts))
	for i, text := range texts {
		list[i] = models.Input{Text: text}
	}
	return list
}

func checkVectors(vectors [][]float32, count, dimensions int, raw bool) error {
	if len(vectors) != count {
		return fmt.Errorf("%d vectors for %d inputs", len(vectors), count)
	}
	for i, v := range vectors {
		if len(v) != dimensions {
			return fmt.Errorf("vector %d has %d dimensions, not %d", i, len(v), dimensions)
		}
		n := norm(v)
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return fmt.Errorf("vector %d is not finite", i)
		}
		if !raw && math.Abs(n-1) > 1e-5 {
			return fmt.Errorf("vector %d has norm %v", i, n)
		}
	}
	return nil
}

func checkScores(result models.RerankResult, count int) error {
	if len(result.Scores) != count {
		return fmt.Errorf("%d scores for %d documents", len(result.Scores), count)
	}
	for i, score := range result.Scores {
		x := float64(score)
		outside := math.IsNaN(x) || math.IsInf(x, 0)
		switch result.Kind {
		case models.ScoreSigmoid:
			outside = outside || x < 0 || x > 1
		case models.ScoreCosine:
			outside = outside || math.Abs(x) > 1+1e-5
		case models.ScoreLogit:
		default:
			return fmt.Errorf("unknown kind of score %q", result.Kind)
		}
		if outside {
			return fmt.Errorf("score %d is %v, which no %s is", i, x, result.Kind)
		}
	}
	return nil
}

// checkUsage checks that a batch counts what its texts count alone, so no padding. Where they
// share a query, that is counted once; its tokens show in what two texts count together.
func checkUsage(shared bool, texts []string, ask func(texts ...string) (models.Usage, error)) error {
	all, err := ask(texts...)
	if err != nil {
		return err
	}
	sum, counts := 0, make([]int, len(texts))
	for i, text := range texts {
		alone, err := ask(text)
		if err != nil {
			return err
		}
		if alone.PromptTokens <= 0 {
			return fmt.Errorf("text %d counts %d tokens", i, alone.PromptTokens)
		}
		sum += alone.PromptTokens
		counts[i] = alone.PromptTokens
	}
	if shared {
		pair, err := ask(texts[:2]...)
		if err != nil {
			return err
		}
		sum -= (len(texts) - 1) * (counts[0] + counts[1] - pair.PromptTokens)
	}
	if all.PromptTokens != sum || all.Truncated != 0 {
		return fmt.Errorf("a batch counts %d tokens and %d cut; its texts alone count %d", all.PromptTokens, all.Truncated, sum)
	}
	return nil
}

// checkUnknownPrompt checks that ask, which takes a prompt's name, refuses one that is not there.
func checkUnknownPrompt(ask func(name string) error) error {
	return wantError(ask("no such prompt"), models.KindInvalid, "prompt_name")
}

// checkKnownPrompts checks that ask takes every prompt the model names.
func checkKnownPrompts(info models.Info, ask func(name string) error) error {
	for _, name := range info.Prompts {
		if err := ask(name); err != nil {
			return fmt.Errorf("prompt %q: %w", name, err)
		}
	}
	return nil
}

// checkCancelled checks that a call under an ended context fails with what ended it.
func checkCancelled(call func(context.Context) error) error {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	err := call(cancelled)
	if !errors.Is(err, context.Canceled) && models.KindOf(err) != models.KindCanceled {
		return fmt.Errorf("under a cancelled context: %w", err)
	}
	late, cancel := context.WithTimeout(context.Background(), -1)
	defer cancel()
	err = call(late)
	if !errors.Is(err, context.DeadlineExceeded) && models.KindOf(err) != models.KindDeadline {
		return fmt.Errorf("past its deadline: %w", err)
	}
	return nil
}

func wantError(err error, kind models.Kind, param string) error {
	var e *models.Error
	switch {
	case err == nil:
		return fmt.Errorf("no error, where kind %d at %q is due", kind, param)
	case !errors.As(err, &e):
		return fmt.Errorf("not a *models.Error: %w", err)
	case e.Kind != kind || e.Param != param:
		return fmt.Errorf("kind %d at %q, not %d at %q: %w", e.Kind, e.Param, kind, param, err)
	case e.Message == "":
		return fmt.Errorf("no message for the caller: %w", err)
	}
	return nil
}

func emptyOrInvalid(err error) error {
	if err != nil && models.KindOf(err) != models.KindInvalid {
		return fmt.Errorf("neither an empty answer nor KindInvalid: %w", err)
	}
	return nil
}

// concurrently runs callers beside each other, several rounds each.
func concurrently(callers int, call func(caller, round int) error) error {
	const rounds = 4
	problems := make([]error, callers)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for round := range rounds {
				if err := call(caller, round); err != nil {
					problems[caller] = fmt.Errorf("caller %d, round %d: %w", caller, round, err)
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(problems...)
}

func sameVector(got, want []float32, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d dimensions, not %d", len(got), len(want))
	}
	for i := range got {
		if !near(got[i], want[i], tolerance) {
			return fmt.Errorf("number %d is %v, not %v", i, got[i], want[i])
		}
	}
	return nil
}

// near is false for NaN.
func near(a, b float32, tolerance float64) bool { return math.Abs(float64(a)-float64(b)) <= tolerance }

func normalised(v []float32) []float32 {
	unit := make([]float32, len(v))
	for i, x := range v {
		unit[i] = float32(float64(x) / norm(v))
	}
	return unit
}

func backwards[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// rotated returns the numbers below n, beginning with by.
func rotated(n, by int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + by) % n
	}
	return order
}
