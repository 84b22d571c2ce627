package inference

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// ManifestFile is the name of the manifest in a model's folder.
const ManifestFile = "quadrate.json"

// manifestFormat is the one format this program reads.
const manifestFormat = 1

// What is above these is no real model: it would only make sums of memory overflow.
const (
	maxLength = 1_000_000 // tokens
	maxWidth  = 1 << 16   // numbers a text or token
)

// ErrAbsent is wrapped by the error of a model whose files are not there.
var ErrAbsent = errors.New("model files are absent")

// Manifest is quadrate.json: what scripts/export_onnx.sh says of a model it wrote. It is
// described in docs/manifest.md.
type Manifest struct {
	Format       int                `json:"format"`
	Source       string             `json:"source"`
	Revision     string             `json:"revision"`
	Created      time.Time          `json:"created"`
	Architecture string             `json:"architecture"`
	Task         models.Task        `json:"task"`
	Dimensions   int                `json:"dimensions"`
	MaxLength    int                `json:"max_length"`
	VocabSize    int                `json:"vocab_size"`
	PadID        int64              `json:"pad_id"`
	Inputs       []string           `json:"inputs"`
	Output       string             `json:"output"`
	Pooling      string             `json:"pooling"`
	Normalize    bool               `json:"normalize"`
	Prompts      map[string]string  `json:"prompts"`
	Default      string             `json:"default_prompt"`
	PairPrompt   *PairPrompt        `json:"pair_prompt"`
	Labels       []string           `json:"labels"`
	Activation   activation         `json:"activation"`
	Variants     map[string]Variant `json:"variants"`
	Reference    []Reference        `json:"reference"`

	// derived is not nil where the folder holds no manifest and this one was made from what
	// it does hold.
	derived *derived
}

// Variant is one ONNX file of a model.
type Variant struct {
	File      string    `json:"file"`
	Tolerance Tolerance `json:"tolerance"`
	Passed    bool      `json:"passed"`

	// Tokens is the file that gives token states; nil: there is none.
	Tokens *TokenGraph `json:"tokens"`

	// graph is the file's own, in a derived manifest.
	graph *graph
}

// TokenGraph is the ONNX file of a variant whose output is [batch, length, Width]: the states
// from which the variant makes its vectors.
type TokenGraph struct {
	File      string    `json:"file"`
	Output    string    `json:"output"`
	Width     int       `json:"width"`
	Tolerance Tolerance `json:"tolerance"`
}

// Tolerance bounds the difference of a variant's answers to the reference. A bound of 0 is
// not checked.
type Tolerance struct {
	// MaxAbs is the largest allowed difference of any number: between L2-normalised vectors
	// for embeddings, between logits otherwise.
	MaxAbs float64 `json:"max_abs"`
	// MinCosine is the smallest allowed cosine to the reference vector; embeddings only.
	MinCosine float64 `json:"min_cosine"`
}

// Reference is an input with the output that the weights give in fp32, before the L2 norm.
type Reference struct {
	Text    string    `json:"text"`
	Pair    string    `json:"pair"`
	IDs     []uint32  `json:"ids"`
	TypeIDs []uint8   `json:"type_ids"`
	Output  []float32 `json:"output"`
	// Tokens are the states of some of its tokens, where a variant has a TokenGraph.
	Tokens []TokenState `json:"tokens"`
}

// TokenState is the state of the token at Index of a reference.
type TokenState struct {
	Index int       `json:"index"`
	State []float32 `json:"state"`
}

// ReadManifest reads and checks the manifest in a model's folder. The error wraps ErrAbsent
// when there is none.
func ReadManifest(dir string) (*Manifest, error) {
	file := filepath.Join(dir, ManifestFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s", ErrAbsent, file)
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func (m *Manifest) validate() error {
	if m.Format != manifestFormat {
		return fmt.Errorf("format is %d, this program reads %d; export the model again with scripts/export_onnx.sh", m.Format, manifestFormat)
	}
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(slices.Contains(models.Tasks(), m.Task), "task is %q", m.Task)
	check(m.Dimensions > 0 && m.Dimensions <= maxWidth, "dimensions is %d; it must be 1 to %d", m.Dimensions, maxWidth)
	check(m.MaxLength > 0 && m.MaxLength <= maxLength, "max_length is %d; it must be 1 to %d", m.MaxLength, maxLength)
	check(m.VocabSize > 0, "vocab_size is %d", m.VocabSize)
	check(m.Output != "", "output is empty")
	check(slices.Contains(m.Inputs, "input_ids") && slices.Contains(m.Inputs, "attention_mask"), "inputs are %q, want at least input_ids and attention_mask", m.Inputs)
	check(len(m.Variants) > 0, "there are no variants")
	check(len(m.Reference) > 0, "there are no references to check the model against")
	check(m.Task != models.TaskRerank || m.Dimensions == 1, "a reranker has one logit, this one %d", m.Dimensions)
	for name, v := range m.Variants {
		check(v.Tolerance.MaxAbs > 0 || m.Task == models.TaskEmbed && v.Tolerance.MinCosine > 0, "variant %s has no tolerance to check it with", name)
		check(v.File != "" && filepath.IsLocal(v.File), "variant %s: file is %q", name, v.File)
		if t := v.Tokens; t != nil {
			check(filepath.IsLocal(t.File) && t.Output != "" && t.Width > 0 && t.Width <= maxWidth, "variant %s: tokens has file %q, output %q and width %d", name, t.File, t.Output, t.Width)
			check(t.Tolerance.MaxAbs > 0 || t.Tolerance.MinCosine > 0, "variant %s: tokens has no tolerance to check it with", name)
		}
	}
	for i, r := range m.Reference {
		check(len(r.IDs) > 0 && len(r.Output) == m.Dimensions, "reference %d has %d ids and %d numbers, want at least one id and %d numbers", i, len(r.IDs), len(r.Output), m.Dimensions)
		for _, t := range r.Tokens {
			check(t.Index >= 0 && t.Index < len(r.IDs), "reference %d has a state for token %d of %d", i, t.Index, len(r.IDs))
		}
		check(len(r.TypeIDs) == 0 || len(r.TypeIDs) == len(r.IDs), "reference %d has %d ids and %d type ids", i, len(r.IDs), len(r.TypeIDs))
	}
	return errors.Join(append(problems, m.validatePairPrompt(), m.validateLabels())...)
}

// graphOf says what a variant's file takes and gives.
func (m *Manifest) graphOf(variant string) graph {
	if g := m.Variants[variant].graph; g != nil {
		return *g
	}
	g := graph{inputs: m.Inputs, output: tensorOutput{name: m.Output, width: m.Dimensions, rank: 2}}
	if t := m.Variants[variant].Tokens; t != nil {
		g.statesFile, g.states = t.File, tensorOutput{name: t.Output, width: t.Width, rank: 3}
	}
	return g
}

// takes reports whether a file of the model has an input of this name.
func (m *Manifest) takes(input string) bool {
	for variant := range m.Variants {
		if slices.Contains(m.graphOf(variant).inputs, input) {
			return true
		}
	}
	return false
}

// variantNames lists the variants that are there, sorted.
func (m *Manifest) variantNames() string {
	names := make([]string, 0, len(m.Variants))
	for name := range m.Variants {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// promptNames lists the prompts' names, sorted.
func (m *Manifest) promptNames() []string {
	names := make([]string, 0, len(m.Prompts))
	for name := range m.Prompts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
