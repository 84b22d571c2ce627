package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/config"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/metrics"
	"github.com/quadrate-maas/quadrate/models"
)

// localRuntime opens local models. There are two: ONNX Runtime where the program was built
// with cgo, and one that refuses where it was not.
type localRuntime interface {
	// GPU reports why models cannot run on a GPU with provider (of the configuration), or nil.
	GPU(provider string) error
	// Check reports why a model cannot be opened here, as far as that shows without loading it.
	Check(spec models.Spec) error
	Open(ctx context.Context, spec models.Spec, hooks localHooks) (inference.Model, error)
	// Engine is what runs the models and its version, empty where nothing does.
	Engine() string
	// Describe says what runs, for the log.
	Describe() string
	// Close ends the runtime; all models must be closed before.
	Close() error
}

// localHooks is what a local model reports to, and the time it has.
type localHooks struct {
	requestTimeout time.Duration
	onRun          func(model string, stats batcher.RunStats)
	onEvent        func(inference.Event)
}

// local is one local model.
type local struct {
	spec  models.Spec
	entry models.Entry
	// model is nil while none is loaded.
	model inference.Model
}

// locals owns the local models: it loads them in their configured order, exchanges them when
// their configuration changes, and closes them.
type locals struct {
	runtime localRuntime
	content *content
	log     *slog.Logger
	metrics *metrics.Metrics
	timeout time.Duration
	// end ends the program; it is told of the first model that only a new process can serve.
	end context.CancelCauseFunc

	mu   sync.Mutex // a model that is reopened tells of it while others are being loaded
	list []*local
}

func newLocal(spec models.Spec, state models.State, reason string) *local {
	tasks := spec.Tasks
	if len(tasks) == 0 {
		tasks = []models.Task{models.TaskEmbed, models.TaskRerank} // known once it is loaded
	}
	return &local{spec: spec, entry: models.Entry{Name: spec.Name, Aliases: spec.Aliases, Tasks: tasks, Model: models.Placeholder{State: state, Reason: reason}}}
}

// announce puts every model into the catalog as being loaded.
func (l *locals) announce(specs []models.Spec) error {
	list := make([]*local, len(specs))
	for i, spec := range specs {
		list[i] = newLocal(spec, models.StateLoading, "it is being loaded")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = list
	return l.content.setLocal(entriesOf(list))
}

func entriesOf(list []*local) []models.Entry {
	entries := make([]models.Entry, len(list))
	for i, m := range list {
		entries[i] = m.entry
	}
	return entries
}

// load opens one model after the other: each measures its speed, which another's load would
// distort. A model that is optional may be absent; any other failure ends the start, with
// errRestart where it leaves a device broken or native code running.
func (l *locals) load(ctx context.Context) error {
	for _, m := range l.list {
		if err := l.open(ctx, m); err != nil {
			return err
		}
		if err := l.show(); err != nil {
			return err
		}
	}
	return nil
}

// open loads a model that nobody else can see change, or that is a placeholder so far.
func (l *locals) open(ctx context.Context, m *local) error {
	model, err := l.runtime.Open(ctx, m.spec, localHooks{requestTimeout: l.timeout, onRun: l.ran, onEvent: l.event})
	switch {
	case err == nil:
		l.mu.Lock()
		defer l.mu.Unlock()
		m.model, m.entry.Model = model, model
		if len(m.spec.Tasks) == 0 {
			m.entry.Tasks = model.Tasks()
		}
		return nil
	case m.spec.Optional && errors.Is(err, inference.ErrAbsent):
		l.log.Info("model is not available", "model", m.spec.Name, "reason", err.Error()+"; "+howToGet(m.spec))
		l.mu.Lock()
		defer l.mu.Unlock()
		m.entry.Model = models.Placeholder{State: models.StateUnavailable, Reason: "its files are absent; make them with scripts/export_onnx.sh " + m.spec.Name}
		return nil
	case errors.Is(err, inference.ErrAbsent):
		return models.Errorf(models.KindUnavailable, "%v; %s, or mark the model as optional", err, howToGet(m.spec)).In(m.spec.Name, "load")
	case errors.Is(err, inference.ErrLost), errors.Is(err, inference.ErrDevice):
		return fmt.Errorf("%w: model %s: %w", errRestart, m.spec.Name, err)
	default:
		return models.Errorf(models.KindUnavailable, "%v", err).In(m.spec.Name, "load")
	}
}

// show puts the models into the catalog as they are.
func (l *locals) show() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content.setLocal(entriesOf(l.list))
}

// howToGet says how a model's files are made, or that they are looked for in the wrong place.
func howToGet(spec models.Spec) string {
	if meant := undoubled(spec.Path); meant != "" {
		return "models[].path begins at models_dir and seems to name it again: leave that part out for " + meant
	}
	return "get it with: scripts/export_onnx.sh " + spec.Name + " --out " + spec.Path
}

// undoubled is a path without the folders that stand in it twice in a row, as var/models does in
// /srv/var/models/var/models/x; empty: there are none.
func undoubled(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for n := len(parts) / 2; n > 0; n-- {
		for i := 0; i+2*n < len(parts); i++ {
			if slices.Equal(parts[i:i+n], parts[i+n:i+2*n]) {
				return filepath.FromSlash(strings.Join(slices.Delete(parts, i, i+n), "/"))
			}
		}
	}
	return ""
}

// ran counts a run, and keeps the stack of one that panicked.
func (l *locals) ran(model string, stats batcher.RunStats) {
	l.metrics.ObserveRun(model, stats)
	var panicked *batcher.PanicError
	if errors.As(stats.Err, &panicked) {
		l.log.Error("a run panicked", "model", model, "value", fmt.Sprint(panicked.Value), "stack", string(panicked.Stack))
	}
}

func (l *locals) event(ev inference.Event) {
	log := l.log.With("model", ev.Model)
	switch ev.Kind {
	case inference.EventLoaded:
		log.Info("model loaded", "provider", ev.Provider, "variant", ev.Variant, "provider_share", ev.Placed,
			"tokens_per_second", int(ev.TokensPerSecond), "max_tokens", ev.MaxTokens, "checked", ev.Checked, "took", ev.Took.Round(time.Millisecond).String())
		if ev.Checked == models.CheckedCompany {
			log.Warn("model is unchecked: others wrote its files, which bring no answers to compare with", "change_in_company", ev.Company)
		}
		for _, note := range ev.Notes {
			log.Warn("model note: " + note)
		}
		if ev.Placed < 1 {
			log.Warn("a part of the model's matrix products and attentions runs on the CPU, not on its execution provider", "provider", ev.Provider, "provider_share", ev.Placed)
		}
		l.metrics.SetProvider(ev.Model, ev.Provider, ev.Variant, ev.Placed)
	case inference.EventBuilding:
		l.building(ev)
	case inference.EventProviderRefused:
		level := slog.LevelWarn
		if ev.Expected {
			level = slog.LevelDebug
		}
		log.Log(context.Background(), level, "execution provider refused, trying the next", "provider", ev.Provider, "variant", ev.Variant, "reason", ev.Err)
	case inference.EventFailed:
		log.Error("model failed", "error", ev.Err)
	case inference.EventLost:
		log.Error("model lost: the process ends, to be started anew", "error", ev.Err)
		l.end(fmt.Errorf("%w: model %s: %w", errRestart, ev.Model, ev.Err))
	default:
		log.Info("model " + string(ev.Kind))
	}
}

// building shows which of a model's TensorRT engines is being built: that takes minutes the
// first time.
func (l *locals) building(ev inference.Event) {
	reason := fmt.Sprintf("building TensorRT engine %d of %d", ev.Step, ev.Steps)
	l.log.Info(reason, "model", ev.Model)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.list {
		if _, loading := m.entry.Model.(models.Placeholder); loading && m.entry.Name == ev.Model {
			m.entry.Model = models.Placeholder{State: models.StateLoading, Reason: reason}
		}
	}
	if err := l.content.setLocal(entriesOf(l.list)); err != nil {
		l.log.Error("showing the progress", "error", err)
	}
}

// close drains and closes the models, then the runtime, unless a model has left native code
// running: ending the runtime under it would crash or hang.
func (l *locals) close() error {
	var problems []error
	for _, m := range l.list {
		if m.model != nil {
			problems = append(problems, m.model.Close())
		}
	}
	if err := errors.Join(problems...); errors.Is(err, inference.ErrLost) {
		return err
	}
	return errors.Join(append(problems, l.runtime.Close())...)
}

// gpuExpected reports whether every local model is to run on a GPU.
func gpuExpected(cfg *config.Config, runtime localRuntime) bool {
	for _, spec := range cfg.Specs() {
		if runtime.GPU(spec.Runtime.Provider) != nil {
			return false
		}
	}
	return len(cfg.Models) > 0
}
