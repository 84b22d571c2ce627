package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/inference"
	"github.com/quadrate-maas/quadrate/internal/workload"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// requestTimeout is far beyond any round, so that nothing is refused for time.
const requestTimeout = time.Hour

// subject is the model being measured, as the server would open it, and what ONNX Runtime alone
// needs to run the same texts: the very session options and the same ids.
type subject struct {
	native  native
	model   inference.Model
	config  inference.SessionConfig // of the engine's last session
	encoder tokenizer.Encoder
	tokens  *tokenizer.Tokenizer
	started time.Duration // library, session, checks: until the model could serve

	mu   sync.Mutex
	runs runs
}

// runs is what the engine's batcher reports between two resets.
type runs struct {
	batches, items, size, cost int
	times                      []time.Duration // of each batch of several items
}

func open(ctx context.Context, o options) (*subject, error) {
	s := &subject{}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *subject) open(ctx context.Context, o options) (err error) {
	start := time.Now()
	if s.native, err = openNative(o.library, o.threads); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.model)
	if err != nil {
		return err
	}
	gate := tokenizer.NewGate(0)
	spec := models.Spec{
		Name: filepath.Base(dir), Path: dir, Variant: o.variant, Devices: []int{o.device},
		Runtime: models.RuntimeSpec{Provider: o.provider, Threads: o.threads, TensorRTCache: o.engines},
		// The batcher's limits on what waits are for the server's protection.
		Batcher: models.BatcherSpec{QueueTimeout: requestTimeout, MaxQueuedItems: 1 << 20, MaxQueuedTokens: 1 << 30},
	}
	s.model, err = inference.Open(ctx, spec, inference.Deps{
		NewSession: s.capture, NewEncoder: s.native.NewEncoder, Gate: gate, RequestTimeout: requestTimeout, OnRun: s.ran,
	})
	if err != nil {
		return err
	}
	s.started = time.Since(start)
	return s.openTokenizer(dir, gate)
}

// capture keeps the options of the session that serves.
func (s *subject) capture(cfg inference.SessionConfig) (inference.Session, error) {
	session, err := s.native.NewSession(cfg)
	if err == nil {
		s.config = cfg
	}
	return session, err
}

// session opens another one like the engine's: on TensorRT that is one for each profile, of which
// cfg has the last.
func (s *subject) session(cfg inference.SessionConfig) (inference.Session, error) {
	if cfg.Profile == nil {
		return s.native.NewSession(cfg)
	}
	return inference.WithProfiles(s.native.NewSession, cfg.Profile.MaxLength, func(int, int) {})(cfg)
}

func (s *subject) openTokenizer(dir string, gate *tokenizer.Gate) error {
	data, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return err
	}
	template, err := tokenizer.ParseTemplate(data)
	if err != nil {
		return err
	}
	if s.encoder, err = s.native.NewEncoder(data); err != nil {
		return err
	}
	s.tokens, err = tokenizer.New(tokenizer.Options{Encoder: s.encoder, Template: template, MaxLength: s.model.Info().MaxLength, Gate: gate})
	return err
}

func (s *subject) close() error {
	var problems []error
	if s.model != nil {
		problems = append(problems, s.model.Close())
	}
	if s.encoder != nil {
		problems = append(problems, s.encoder.Close())
	}
	if s.native != nil {
		problems = append(problems, s.native.Close())
	}
	return errors.Join(problems...)
}

func (s *subject) ran(_ string, stats batcher.RunStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs.batches++
	s.runs.items += stats.Items
	s.runs.size += stats.Size
	s.runs.cost += stats.Cost
	if stats.Items > 1 {
		s.runs.times = append(s.runs.times, stats.Run)
	}
}

// takeRuns returns what ran since the last call.
func (s *subject) takeRuns() runs {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.runs
	s.runs = runs{}
	return out
}

// embeds is false for a cross-encoder.
func (s *subject) embeds() bool {
	_, is := s.model.(models.Embedder)
	return is
}

// can is whether the model does what the workload asks for.
func (s *subject) can(t workload.Task) bool { return t == workload.Rerank || s.embeds() }

// caller has every text computed: workloads share texts, and the engine keeps results.
var caller = models.Caller{Cache: models.CacheControl{NoCache: true}}

// do answers one request as the server would.
func (s *subject) do(ctx context.Context, t workload.Texts) error {
	if t.Query != "" {
		_, err := s.model.(models.Reranker).Rerank(ctx, models.RerankRequest{Query: t.Query, Documents: t.Items, Caller: caller})
		return err
	}
	inputs := make([]models.Input, len(t.Items))
	for i, text := range t.Items {
		inputs[i].Text = text
	}
	_, err := s.model.(models.Embedder).Embed(ctx, models.EmbedRequest{Inputs: inputs, Caller: caller})
	return err
}

// encode returns the ids that the engine makes of a request, without its model's prompts. An
// embedding model reranks by the embeddings of the query and of each document.
func (s *subject) encode(ctx context.Context, t workload.Texts) ([]tokenizer.Encoding, error) {
	if t.Query != "" && !s.embeds() {
		return s.tokens.Pairs(ctx, t.Query, t.Items, tokenizer.Truncation{})
	}
	var texts []tokenizer.Text
	if t.Query != "" {
		texts = append(texts, tokenizer.Text{Text: t.Query})
	}
	for _, item := range t.Items {
		texts = append(texts, tokenizer.Text{Text: item})
	}
	return s.tokens.Singles(ctx, texts, "", tokenizer.Truncation{})
}
