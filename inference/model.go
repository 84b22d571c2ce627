package inference

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// Model is a local model that serves. It is an *Embedding, a *TokenEmbedding, a *CrossEncoder or
// a *Classifier.
type Model interface {
	models.Model
	// Tasks lists what the model can do, most natural first.
	Tasks() []models.Task
	// Close drains the queue, then frees the session and the tokenizer. New requests fail
	// with KindShuttingDown from its start on. Its error wraps ErrLost when native code has
	// not let go of a session: the runtime must not be closed then.
	Close() error
}

// Open loads a model, checks it against its references on the provider that will serve,
// measures its speed and starts its batcher. The error wraps ErrAbsent when the model's
// files are not there, and ErrLost or ErrDevice when only a new process can load it: the
// runtime must not be closed then.
func Open(ctx context.Context, spec models.Spec, deps Deps) (_ Model, err error) {
	start := time.Now()
	if err := deps.validate(); err != nil {
		return nil, err
	}
	manifest, err := readFolder(spec)
	if err != nil {
		return nil, err
	}
	if err := checkSpec(spec, manifest); err != nil {
		return nil, err
	}
	e := &engine{name: spec.Name, manifest: manifest, padder: newPadder(manifest), maxDocumentChars: spec.MaxDocumentChars}
	e.event = e.distrusting(eventsOf(spec.Name, deps))
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if err := e.openTokenizer(spec, deps); err != nil {
		return nil, err
	}
	if err := manifest.probe(ctx, e.tokenizer); err != nil {
		return nil, err
	}
	if err := checkTokenizer(ctx, e.tokenizer, manifest); err != nil {
		return nil, err
	}
	deps.NewSession = WithProfiles(deps.NewSession, max(e.tokenizer.MaxLength(), manifest.longestReference()), func(number, all int) {
		e.event(Event{Kind: EventBuilding, Step: number, Steps: all})
	})
	if err := e.openSession(ctx, spec, deps); err != nil {
		return nil, err
	}
	if err := e.openBatcher(ctx, spec, deps); err != nil {
		return nil, err
	}
	states, err := e.openStates(spec, deps)
	if err != nil {
		return nil, err
	}
	e.loaded = true
	e.event(Event{Kind: EventLoaded, Provider: e.info.Provider, Variant: e.info.Variant, Placed: e.info.Placed, TokensPerSecond: e.tokensPerSecond, MaxTokens: e.limits.MaxTokens, Took: time.Since(start), Checked: e.info.Checked, Company: e.info.Company, Notes: e.info.Notes})
	if states != nil {
		return &TokenEmbedding{Embedding: &Embedding{engine: e}, states: states}, nil
	}
	switch manifest.Task {
	case models.TaskEmbed:
		return &Embedding{engine: e}, nil
	case models.TaskClassify:
		return &Classifier{engine: e}, nil
	default:
		return &CrossEncoder{engine: e}, nil
	}
}

// canDo lists what a model does unless it is told otherwise, by the task it was made for.
func canDo(made models.Task) []models.Task {
	if made == models.TaskEmbed {
		return []models.Task{models.TaskEmbed, models.TaskRerank}
	}
	return []models.Task{made}
}

// canBeTold lists what a model may be told to do. One label classifies as well as it ranks, but
// who has a reranker seldom means to, so it has to be asked for.
func (m *Manifest) canBeTold() []models.Task {
	if m.Task == models.TaskRerank && m.PairPrompt == nil {
		return []models.Task{models.TaskRerank, models.TaskClassify}
	}
	return canDo(m.Task)
}

// Check reports why Open would refuse a model, as far as its files tell without loading it.
func Check(spec models.Spec) error {
	manifest, err := readFolder(spec)
	if err != nil {
		return err
	}
	return checkSpec(spec, manifest)
}

func checkSpec(spec models.Spec, m *Manifest) error {
	_, err := candidates(spec, m, thisProcessor())
	return errors.Join(m.checkTasks(spec.Tasks), err)
}

func (m *Manifest) checkTasks(wanted []models.Task) error {
	for _, task := range wanted {
		if can := m.canBeTold(); !slices.Contains(can, task) {
			return fmt.Errorf("tasks names %s, but the model was made for %s and can do %s", task, m.Task, can)
		}
	}
	return nil
}

func eventsOf(name string, deps Deps) func(Event) {
	return func(ev Event) {
		if deps.OnEvent != nil {
			ev.Model = name
			deps.OnEvent(ev)
		}
	}
}

func (e *engine) openTokenizer(spec models.Spec, deps Deps) error {
	file := filepath.Join(spec.Path, "tokenizer.json")
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	template, err := tokenizer.ParseTemplate(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if e.encoder, err = deps.NewEncoder(data); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	limit := e.manifest.MaxLength
	if spec.MaxLength > 0 {
		limit = min(limit, spec.MaxLength)
	}
	e.tokenizer, err = tokenizer.New(tokenizer.Options{Encoder: e.encoder, Template: template, PairPrompt: e.manifest.pairPrompt(), MaxLength: limit, Gate: deps.Gate})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// openSession takes the first candidate whose provider can be had and whose answers are right.
// Where the configuration names what is to run, answers that are off end the load.
func (e *engine) openSession(ctx context.Context, spec models.Spec, deps Deps) error {
	manifest := e.manifest
	list, err := candidates(spec, manifest, thisProcessor())
	if err != nil {
		return err
	}
	var refused []error
	var absent string // the provider that turned out not to be there
	for i, c := range list {
		if c.provider == absent {
			continue // in any variant
		}
		e.manifest = manifest.on(c)
		company, err := e.openSessions(ctx, spec, c, deps)
		if err == nil {
			e.info, e.chosen = describe(e.manifest, c, e.tokenizer, company), c
			e.info.Placed = e.sessions.placed()
			return nil
		}
		off := errors.Is(err, errAnswers) || errors.Is(err, errCompany)
		if passable := errors.Is(err, ErrProvider) || c.lenient && off; !passable || errors.Is(err, ErrLost) {
			return fmt.Errorf("variant %s on %s: %w", c.variant, c.provider, err)
		}
		refused = append(refused, err)
		if errors.Is(err, ErrNotInstalled) {
			absent = c.provider
		}
		follows := slices.ContainsFunc(list[i+1:], func(next candidate) bool { return next.provider != absent })
		if follows {
			expected := absent == c.provider && spec.Runtime.Provider != c.provider
			e.event(Event{Kind: EventProviderRefused, Provider: c.provider, Variant: c.variant, Expected: expected, Err: err})
		}
	}
	return errors.Join(refused...)
}

func describe(m *Manifest, c candidate, t *tokenizer.Tokenizer, company float64) models.Info {
	info := models.Info{
		MaxLength: t.MaxLength(),
		ScoreKind: models.ScoreSigmoid,
		Variant:   c.variant,
		Backend:   "onnxruntime",
		Provider:  c.provider,
		Prompts:   m.promptNames(),
		Created:   m.Created,
		Labels:    m.labels(),
		Checked:   models.CheckedReferences,
	}
	if m.derived != nil {
		info.Checked, info.Company, info.Notes = models.CheckedCompany, company, m.notes(c.variant, company)
	}
	switch m.Task {
	case models.TaskEmbed:
		info.Dimensions, info.ScoreKind, info.Pooling = m.Dimensions, models.ScoreCosine, m.Pooling
	case models.TaskClassify:
		info.ScoreKind = ""
		fallthrough
	default:
		info.MultiLabel = m.activation() != softmaxed
	}
	return info
}

func (e *engine) openBatcher(ctx context.Context, spec models.Spec, deps Deps) (err error) {
	if e.tokensPerSecond, err = speed(ctx, e.sessions, e.manifest); err != nil {
		return fmt.Errorf("measuring its speed: %w", err)
	}
	e.limits = sized(spec.Batcher, e.info.Provider, e.tokensPerSecond, deps.RequestTimeout)
	if err := e.openCache(spec.Cache); err != nil {
		return err
	}
	runners := len(e.sessions.keepers)
	e.buffers = newBuffers(runners)
	if e.batcher, err = batcher.New(e.compute, batcherOptions(e, work.Len, runners, spec.Name, deps)); err != nil {
		return err
	}
	e.sessions.onResize(e.batcher.SetRunners)
	return nil
}

// batcherOptions bounds a queue of the model's: that for rows, or that for the states of tokens.
func batcherOptions[T any](e *engine, size func(T) int, runners int, model string, deps Deps) batcher.Options[T] {
	options := batcher.Options[T]{
		Size:           size,
		Runners:        runners,
		MaxItems:       e.limits.MaxItems,
		MaxCost:        e.limits.MaxTokens,
		Delay:          e.limits.Delay,
		QueueTimeout:   e.limits.QueueTimeout,
		MaxQueuedItems: e.limits.MaxQueuedItems,
		MaxQueuedCost:  e.limits.MaxQueuedTokens,
		RunTimeout:     runLimit(e.tokensPerSecond, max(e.info.MaxLength, e.limits.MaxTokens)),
	}
	if deps.OnRun != nil {
		options.OnRun = func(stats batcher.RunStats) { deps.OnRun(model, stats) }
	}
	return options
}
