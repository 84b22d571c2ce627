package models

import (
	"slices"
	"time"
)

// Task is a kind of work a model can do.
type Task string

// The tasks.
const (
	TaskEmbed    Task = "embed"
	TaskRerank   Task = "rerank"
	TaskClassify Task = "classify"
)

// Tasks lists every task there is.
func Tasks() []Task { return []Task{TaskEmbed, TaskRerank, TaskClassify} }

// ScoreKind says what the numbers of a rerank are.
type ScoreKind string

// The kinds of score.
const (
	ScoreSigmoid ScoreKind = "sigmoid" // 1/(1+exp(-logit)), in (0,1)
	ScoreLogit   ScoreKind = "logit"   // unbounded
	ScoreCosine  ScoreKind = "cosine"  // in [-1,1]
)

// Info describes a model as it is served. Fields that do not apply are zero.
type Info struct {
	// Dimensions is the length of an embedding.
	Dimensions int
	// MaxLength is the longest input in tokens, special tokens included.
	MaxLength int
	// ScoreKind is what a rerank answers unless raw scores are asked for.
	ScoreKind ScoreKind
	// Variant is the file that runs: fp32, fp16, int8, …
	Variant string
	// Backend is who computes: "onnxruntime", or the name of an upstream.
	Backend string
	// Provider is the execution provider that really runs: cpu, cuda, …
	Provider string
	// Placed is the share of the graph's matrix products and attentions that Provider runs, of
	// 1; the rest runs on the CPU. 0: not known.
	Placed float64
	// Prompts holds the names of the model's prompts, sorted.
	Prompts []string
	// Labels are a classifier's labels, in the order of its outputs; MultiLabel says that a text
	// may have several, so that each score is a sigmoid and they do not add up to 1.
	Labels     []string
	MultiLabel bool
	// Pooling is how an embedder makes one vector of its tokens' states: cls, mean, …
	Pooling string
	// Created is when the model's files were made.
	Created time.Time
	// Checked says what the answers were compared with when the model was loaded.
	Checked Checked
	// Company is, for CheckedCompany, how far the answer to a text was moved by the texts
	// beside it, at worst: the cosine distance of embeddings, the difference of logits.
	Company float64
	// Notes says what was assumed where the model's files are silent, and what to know of its
	// answers.
	Notes []string
}

// Checked is what a model's answers were compared with.
type Checked string

// The ways to check a model.
const (
	CheckedReferences Checked = "references" // answers of the weights, kept beside them
	CheckedCompany    Checked = "company"    // themselves, alone and beside others: whether they are right is not known
)

// State is where a model stands.
type State string

// The states.
const (
	StateReady       State = "ready"
	StateLoading     State = "loading"
	StateFailed      State = "failed"      // was serving, and cannot now
	StateUnavailable State = "unavailable" // its files are absent
	StateUnloaded    State = "unloaded"    // an admin has taken it out of memory
	StateStopped     State = "stopped"     // a request starts it
)

// Status is a model's state at one moment.
type Status struct {
	State State
	// Reason says why the model does not serve, and what to do about it. It is shown to
	// clients: no paths, no causes.
	Reason string
	// Backend names the upstream for whose sake it does not; empty: it is this server.
	Backend string
	// OnDemand says that requests come in whatever the state: they have the model start, wait for
	// it a bounded time, and are told why where that is in vain.
	OnDemand bool
	// Container is what the model runs in, when this server starts and stops it; else nil.
	Container *Container
	Queue     Queue
	Cache     CacheStatus
}

// CanServe reports whether requests have a chance: the model serves, or starts when it is asked. One
// whose start has failed has none before it may be tried again; then only a request does that.
func (s Status) CanServe() bool {
	switch {
	case s.State == StateReady || !s.OnDemand:
		return s.State == StateReady
	case s.State != StateFailed:
		return true
	}
	c := s.Container
	return c != nil && c.State == string(StateFailed) && !time.Now().Before(c.RetryAt)
}

// CacheStatus is what a model's cache of results has done and holds.
type CacheStatus struct {
	// Inputs and documents: Hits were answered with kept results, Shared were computed once
	// together with an equal one, Misses were computed, and so were Fresh, whose requests
	// asked for it.
	Hits, Shared, Misses, Fresh uint64
	// Evictions counts results that were dropped for want of room.
	Evictions uint64
	// Bytes and Entries are kept now.
	Bytes, Entries int64
}

// Queue is what waits for a model.
type Queue struct {
	Items  int
	Tokens int
	// Oldest is how long the oldest item has waited.
	Oldest time.Duration
	// Wait is how long an item that comes now is likely to wait; 0: it is run at once, or nothing
	// is known yet. Running is how many batches run. Other servers' models tell neither.
	Wait    time.Duration
	Running int
}

// Model is what every model tells of itself; what it can do is found by asserting
// Embedder and Reranker.
type Model interface {
	Info() Info
	Status() Status
}

// Entry is a model under its name.
type Entry struct {
	Name    string
	Aliases []string
	Tasks   []Task
	Model   Model
}

// Called reports whether name is the entry's, or one of its aliases.
func (e Entry) Called(name string) bool { return e.Name == name || slices.Contains(e.Aliases, name) }

// Does reports whether the entry is configured for a task.
func (e Entry) Does(t Task) bool { return slices.Contains(e.Tasks, t) }

// Embedder returns the entry as an embedder, or an Error of KindUnsupportedTask,
// KindLoading when it is on its way, KindNotFound when its files are absent, or
// KindUnavailable.
func (e Entry) Embedder() (Embedder, error) {
	m, ok := e.Model.(Embedder)
	if err := e.check(TaskEmbed, ok); err != nil {
		return nil, err
	}
	return m, nil
}

// Reranker is like Embedder for reranking.
func (e Entry) Reranker() (Reranker, error) {
	m, ok := e.Model.(Reranker)
	if err := e.check(TaskRerank, ok); err != nil {
		return nil, err
	}
	return m, nil
}

// TokenEmbedder is like Embedder for the states of tokens.
func (e Entry) TokenEmbedder() (TokenEmbedder, error) {
	m, ok := e.Model.(TokenEmbedder)
	if err := e.check(TaskEmbed, true); err != nil {
		return nil, err
	}
	if !ok {
		return nil, Errorf(KindUnsupportedTask, "model %q gives no token states; its files have no graph for them (scripts/export_onnx.sh with --outputs tokens writes one)", e.Name).At("model").In(e.Name, string(TaskEmbed))
	}
	return m, nil
}

// Classifier is like Embedder for classification.
func (e Entry) Classifier() (Classifier, error) {
	m, ok := e.Model.(Classifier)
	if err := e.check(TaskClassify, ok); err != nil {
		return nil, err
	}
	return m, nil
}

// Tokenizer is like Embedder for tokens; any model may be one, whatever its tasks.
func (e Entry) Tokenizer() (Tokenizer, error) {
	const op = "tokenize"
	m, ok := e.Model.(Tokenizer)
	if err := e.serves(op); err != nil {
		return nil, err
	}
	if !ok {
		return nil, Errorf(KindUnsupportedTask, "model %q does not show its tokens", e.Name).At("model").In(e.Name, op)
	}
	return m, nil
}

func (e Entry) check(t Task, implemented bool) error {
	if !e.Does(t) {
		return Errorf(KindUnsupportedTask, "model %q does not do %s; it does %s", e.Name, t, join(e.Tasks)).At("model").In(e.Name, string(t))
	}
	if err := e.serves(string(t)); err != nil {
		return err
	}
	if !implemented {
		return Errorf(KindUnsupportedTask, "model %q is configured for %s, which its files cannot do", e.Name, t).At("model").In(e.Name, string(t))
	}
	return nil
}

// serves returns why the model cannot serve now.
func (e Entry) serves(op string) error {
	status := e.Model.Status()
	if status.OnDemand {
		return nil
	}
	switch status.State {
	case StateReady:
		return nil
	case StateLoading:
		return Errorf(KindLoading, "model %q is being loaded", e.Name).In(e.Name, op)
	case StateUnavailable:
		// Nothing that passes by itself: a client is not to come back for it.
		return Errorf(KindNotFound, "model %q is not here: %s", e.Name, status.Reason).At("model").In(e.Name, op)
	}
	return Errorf(KindUnavailable, "model %q cannot serve: %s", e.Name, status.Reason).In(e.Name, op).By(status.Backend)
}
