package upstreamtest

import (
	"fmt"
	"time"
)

// Kind is the server that a fake plays.
type Kind string

// The kinds.
const (
	TEI      Kind = "tei"
	TEI18    Kind = "tei18" // before 1.9: 413 for 422, and no truncation unless it is asked for
	VLLM     Kind = "vllm"
	Ollama   Kind = "ollama"
	Infinity Kind = "infinity"
	OpenAI   Kind = "openai"
	Cohere   Kind = "cohere"
	Jina     Kind = "jina"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{TEI, TEI18, VLLM, Ollama, Infinity, OpenAI, Cohere, Jina}
}

// Task is what a model is for.
type Task string

// The tasks.
const (
	Embed    Task = "embed"
	Rerank   Task = "rerank"
	Classify Task = "classify"
)

// Model is a model of a fake. Zero values mean those that New documents.
type Model struct {
	Name string
	Task Task
	// Dimensions is the length of its vectors, and MaxLength the tokens that it takes, special
	// ones included.
	Dimensions, MaxLength int
	// Fixed: its vectors cannot be shortened (vLLM without a matryoshka model).
	Fixed bool
	// Labels are those of a classifier.
	Labels []string
	// Prompts are put before texts by their names (TEI).
	Prompts map[string]string
}

// Options are a fake's settings. The zero value is a server with its kind's own defaults.
type Options struct {
	// Models are what it serves; none: one embedding model called fake, or, of the kinds that
	// have both at once (Cohere, Jina), one that embeds, fake, and one that reranks, fake-rerank.
	// TEI and vLLM serve exactly one.
	Models []Model
	// Key is what a client must send; empty: none.
	Key string
	// Prefix is put before paths (Infinity's --url-prefix).
	Prefix string
	// NoTruncate is TEI's --auto-truncate false.
	NoTruncate bool
	// LengthsViaTokenize makes Infinity count tokens; else it counts characters.
	LengthsViaTokenize bool
	// AnyField lets OpenAI and Cohere ignore fields that they do not know, as many do that copy
	// their APIs; the originals refuse them.
	AnyField bool
	// FlatErrors are those of an older vLLM.
	FlatErrors bool
	// MaxItems and MaxBytes bound one request; 0: as the real one does.
	MaxItems int
	MaxBytes int64
	// MaxConcurrent is how much may be in work at once before the server says that it is
	// overloaded: inputs for TEI, requests for the others. 0: TEI's 512, else no bound.
	MaxConcurrent int
	// Delay is how long each request that computes takes.
	Delay time.Duration
	// Faults are scripted from the beginning.
	Faults []Fault
}

const (
	defaultDimensions = 384
	defaultMaxLength  = 256
	defaultName       = "fake"
)

// defaults are what a kind does unless told otherwise.
type defaults struct {
	items    int
	bytes    int64
	permits  int
	together bool // a rerank model beside the embedding one
	single   bool // exactly one model
}

func defaultsOf(kind Kind) defaults {
	switch kind {
	case TEI, TEI18:
		return defaults{items: 32, bytes: 2_000_000, permits: 512, single: true}
	case VLLM:
		return defaults{single: true}
	case Infinity:
		return defaults{items: 2048}
	case OpenAI:
		return defaults{items: 2048}
	case Cohere:
		return defaults{items: 96, together: true}
	case Jina:
		return defaults{items: 2048, together: true}
	default:
		return defaults{}
	}
}

// Check says what no server of a kind could have.
func (o Options) Check(kind Kind) error {
	if n := len(o.Models); defaultsOf(kind).single && n > 1 {
		return fmt.Errorf("%s serves one model, not %d", kind, n)
	}
	faults := o.Faults
	o.Faults = nil
	f := New(kind, o)
	for _, fault := range faults {
		if err := f.check(fault); err != nil {
			return err
		}
	}
	return nil
}

// complete fills in the defaults.
func (o Options) complete(kind Kind) Options {
	d := defaultsOf(kind)
	if len(o.Models) == 0 {
		o.Models = []Model{{Name: defaultName}}
		if d.together {
			o.Models = append(o.Models, Model{Name: defaultName + "-rerank", Task: Rerank})
		}
	}
	completed := make([]Model, len(o.Models))
	for i, m := range o.Models {
		completed[i] = m.complete()
	}
	o.Models = completed
	if o.MaxItems == 0 {
		o.MaxItems = d.items
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = d.bytes
	}
	if o.MaxConcurrent == 0 {
		o.MaxConcurrent = d.permits
	}
	return o
}

func (m Model) complete() Model {
	if m.Name == "" {
		m.Name = defaultName
	}
	if m.Task == "" {
		m.Task = Embed
	}
	if m.Dimensions == 0 {
		m.Dimensions = defaultDimensions
	}
	if m.MaxLength == 0 {
		m.MaxLength = defaultMaxLength
	}
	if m.Task == Classify && len(m.Labels) == 0 {
		m.Labels = []string{"negative", "neutral", "positive"}
	}
	return m
}
