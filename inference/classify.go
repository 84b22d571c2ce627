package inference

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// Classifier scores texts, or pairs of them, against its labels.
type Classifier struct {
	*engine
}

var (
	_ models.Classifier = (*Classifier)(nil)
	_ models.Classifier = (*CrossEncoder)(nil)
)

const opClassify = "classify"

// Classify implements models.Classifier.
func (m *Classifier) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	return m.classify(ctx, req)
}

// Classify implements models.Classifier for a model of one label, whose score is the sigmoid of
// its logit: that of the pair, as a rerank has it, or of a text alone.
func (m *CrossEncoder) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	return m.classify(ctx, req)
}

func (e *engine) classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	start := time.Now()
	texts := make([]tokenizer.Input, len(req.Inputs))
	for i, in := range req.Inputs {
		texts[i] = tokenizer.Input{Text: in.Text, Pair: in.Pair}
	}
	items, err := e.tokenizer.Inputs(ctx, texts, truncation(req.Truncate))
	if err != nil {
		return models.ClassifyResult{}, e.tokenFailure(err, inputsField, opClassify)
	}
	tokenized := time.Since(start)
	rows, timing, err := e.rows(ctx, req.Caller, items, opClassify, inputsField)
	if err != nil {
		return models.ClassifyResult{}, err
	}
	timing.Tokenize = tokenized
	activate := e.manifest.activation().of
	if req.Raw {
		activate = slices.Clone[[]float32]
	}
	result := models.ClassifyResult{Labels: e.info.Labels, Scores: make([][]float32, len(rows)), Usage: usage(items), Timing: timing}
	for i, logits := range rows {
		result.Scores[i] = activate(logits)
	}
	return result, nil
}

func inputsField(index int) string { return fmt.Sprintf("inputs[%d]", index) }

// activation is what makes scores of logits, as the manifest names it.
type activation string

const (
	softmaxed  activation = "softmax"
	sigmoided  activation = "sigmoid"
	unmodified activation = "none" // of a regression
)

// activation is that of classifying. One label has its sigmoid, as when it ranks.
func (m *Manifest) activation() activation {
	switch {
	case m.Dimensions == 1:
		return sigmoided
	case m.Activation == "":
		return softmaxed
	default:
		return m.Activation
	}
}

// of returns new numbers, one for each logit.
func (a activation) of(logits []float32) []float32 {
	switch a {
	case softmaxed:
		return softmax(logits)
	case sigmoided:
		scores := make([]float32, len(logits))
		for i, x := range logits {
			scores[i] = sigmoid(x)
		}
		return scores
	default:
		return slices.Clone(logits)
	}
}

// softmax is exp(x) over the sum of all, in float64 and safe from overflow.
func softmax(logits []float32) []float32 {
	largest, sum := float64(slices.Max(logits)), 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x) - largest)
	}
	scores := make([]float32, len(logits))
	for i, x := range logits {
		scores[i] = float32(math.Exp(float64(x)-largest) / sum)
	}
	return scores
}

// labels names the outputs of a model with a classification head; nil for other models.
func (m *Manifest) labels() []string {
	if m.Task == models.TaskEmbed {
		return nil
	}
	if len(m.Labels) == m.Dimensions {
		return m.Labels
	}
	return numbered(m.Dimensions)
}

// numbered are the names that transformers gives labels without any.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "LABEL_" + strconv.Itoa(i)
	}
	return names
}

// validateLabels checks what only classifiers need.
func (m *Manifest) validateLabels() error {
	if m.Task != models.TaskClassify {
		return nil
	}
	if len(m.Labels) != m.Dimensions {
		return fmt.Errorf("there are %d labels for %d logits", len(m.Labels), m.Dimensions)
	}
	if known := []activation{"", softmaxed, sigmoided, unmodified}; !slices.Contains(known, m.Activation) {
		return fmt.Errorf("activation is %q; it must be softmax, sigmoid or none", m.Activation)
	}
	return nil
}
