package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// locals owns the local models: it loads them in their configured order and closes them.
type locals struct {
	runtime localRuntime
	specs   []models.Spec
	catalog *models.Catalog
	log     *slog.Logger
	metrics *metrics.Metrics
	timeout time.Duration
	// end ends the program; it is told of the first model that only a new process can serve.
	end context.CancelCauseFunc

	loaded []inference.Model

	mu      sync.Mutex // a model that is reopened tells of it while others are being loaded
	entries []models.Entry
}

// announce puts every model into the catalog as being loaded.
func (l *locals) announce() error {
	for _, spec := range l.specs {
		tasks := spec.Tasks
		if len(tasks) == 0 {
			tasks = []models.Task{models.TaskEmbed, models.TaskRerank} // known once it is loaded
		}
		l.entries = append(l.entries, models.Entry{Name: spec.Name, Aliases: spec.Aliases, Tasks: tasks, Model: models.Placeholder{State: models.StateLoading, Reason: "it is being loaded"}})
	}
	return l.catalog.Replace(l.entries)
}

// load opens one model after the other: each measures its speed, which another's load would
// distort. A model that is optional may be absent; any other failure ends the start, with
// errRestart where it leaves a device broken or native code running.
func (l *locals) load(ctx context.Context) error {
	for i, spec := range l.specs {
		model, err := l.runtime.Open(ctx, spec, localHooks{requestTimeout: l.timeout, onRun: l.ran, onEvent: l.event})
		switch {
		case err == nil:
			l.loaded = append(l.loaded, model)
			err = l.show(i, model)
		case spec.Optional && errors.Is(err, inference.ErrAbsent):
			l.log.Info("model is not available", "model", spec.Name, "reason", err.Error()+"; "+howToGet(spec))
			err = l.show(i, models.Placeholder{State: models.StateUnavailable, Reason: "its files are absent; make them with scripts/export_onnx.sh " + spec.Name})
		case errors.Is(err, inference.ErrAbsent):
			return models.Errorf(models.KindUnavailable, "%v; %s, or mark the model as optional", err, howToGet(spec)).In(spec.Name, "load")
		case errors.Is(err, inference.ErrLost), errors.Is(err, inference.ErrDevice):
			return fmt.Errorf("%w: model %s: %w", errRestart, spec.Name, err)
		default:
			return models.Errorf(models.KindUnavailable, "%v", err).In(spec.Name, "load")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// show puts a model in the place of what has stood for it in the catalog.
func (l *locals) show(i int, model models.Model) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[i].Model = model
	if opened, ok := model.(inference.Model); ok && len(l.specs[i].Tasks) == 0 {
		l.entries[i].Tasks = opened.Tasks()
	}
	return l.catalog.Replace(l.entries)
}

// howToGet says how a model's files are made.
func howToGet(spec models.Spec) string {
	return "get it with: scripts/export_onnx.sh " + spec.Name + " --out " + spec.Path
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
	for i, entry := range l.entries {
		if _, loading := entry.Model.(models.Placeholder); loading && entry.Name == ev.Model {
			l.entries[i].Model = models.Placeholder{State: models.StateLoading, Reason: reason}
		}
	}
	if err := l.catalog.Replace(l.entries); err != nil {
		l.log.Error("showing the progress", "error", err)
	}
}

// close drains and closes the models, then the runtime, unless a model has left native code
// running: ending the runtime under it would crash or hang.
func (l *locals) close() error {
	var problems []error
	for _, model := range l.loaded {
		problems = append(problems, model.Close())
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
