package inference

import (
	"errors"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// Deps is what a local model is built on.
type Deps struct {
	// NewSession loads a graph. Its error wraps ErrProvider when the provider cannot be had.
	NewSession func(SessionConfig) (Session, error)
	// NewEncoder makes an encoder of a tokenizer.json, less the file's own truncation and padding.
	NewEncoder func(tokenizerJSON []byte) (tokenizer.Encoder, error)
	// Gate bounds tokenising over all models.
	Gate *tokenizer.Gate
	// RequestTimeout is the longest that a request may take: it bounds a run, and with the
	// measured speed the queue.
	RequestTimeout time.Duration
	// OnRun, when not nil, is told of every run.
	OnRun func(model string, stats batcher.RunStats)
	// OnEvent, when not nil, is told of what happens to the model.
	OnEvent func(Event)
}

func (d Deps) validate() error {
	if d.NewSession == nil || d.NewEncoder == nil || d.Gate == nil || d.RequestTimeout <= 0 {
		return errors.New("inference: NewSession, NewEncoder, Gate and RequestTimeout must be set")
	}
	return nil
}

// EventKind is what happened to a model.
type EventKind string

// The events of a model's life.
const (
	EventProviderRefused EventKind = "provider refused" // Err says why; the next candidate is tried
	EventBuilding        EventKind = "building"         // of Steps engines the one with number Step
	EventLoaded          EventKind = "loaded"
	EventFailed          EventKind = "failed"
	EventLost            EventKind = "lost" // nothing in this process mends the model: end it
	EventReopened        EventKind = "reopened"
	EventClosed          EventKind = "closed"
)

// Event is one moment of a model's life, for the log.
type Event struct {
	Kind  EventKind
	Model string
	Err   error
	// Expected, of EventProviderRefused: auto tried a provider that nobody has set up.
	Expected bool
	// Of EventBuilding:
	Step, Steps int
	// Of EventLoaded, and the first two of EventProviderRefused:
	Provider, Variant string
	Placed            float64 // as models.Info has it
	TokensPerSecond   float64
	MaxTokens         int
	Took              time.Duration
	Checked           models.Checked
	Company           float64
	Notes             []string
}
