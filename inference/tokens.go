package inference

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quadrate-maas/quadrate/batcher"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/tokenizer"
)

// TokenEmbedding is a bi-encoder that also gives the states of tokens.
type TokenEmbedding struct {
	*Embedding
	states *states
}

var _ models.TokenEmbedder = (*TokenEmbedding)(nil)

const opTokens = "embed_tokens"

// states is the queue for token states, beside the one for vectors: the answers are of
// another size, and mostly another graph gives them.
type states struct {
	padder  padder
	width   int
	session stateSession
	lose    func(cause error) // is told when only a new process helps
	batcher *batcher.Batcher[tokenizer.Encoding, []float32]
}

// stateSession runs batches that ask for states.
type stateSession interface {
	Run(ctx context.Context, b Batch) (Output, error)
}

// openStates returns nil where the model's files give no states, and notes a file that should.
func (e *engine) openStates(spec models.Spec, deps Deps) (*states, error) {
	cfg, ok := e.statesConfig(spec)
	if !ok {
		return nil, nil
	}
	if _, err := os.Stat(cfg.File); e.manifest.graphOf(e.chosen.variant).statesFile != "" && errors.Is(err, fs.ErrNotExist) {
		e.info.Notes = append(e.info.Notes, filepath.Base(cfg.File)+" is not there: no token states")
		return nil, nil
	}
	s := &states{padder: e.padder, width: cfg.Width, session: e.sessions, lose: e.sessions.lose}
	if e.manifest.graphOf(e.chosen.variant).pooling == nil {
		s.session = &lateSession{slot: make(chan struct{}, 1), open: func(ctx context.Context) (Session, error) {
			return e.openTokens(ctx, cfg, deps)
		}}
	}
	var err error
	s.batcher, err = batcher.New(s.run, batcherOptions(e, tokenizer.Encoding.Len, 1, spec.Name, deps))
	return s, err
}

// statesConfig describes the session that gives states: the one that serves, where the states
// are pooled here, or one of another output or file.
func (e *engine) statesConfig(spec models.Spec) (SessionConfig, bool) {
	cfg, g := sessionConfig(spec, e.manifest, e.chosen, devicesOf(spec, e.chosen)[0], 1), e.manifest.graphOf(e.chosen.variant)
	if e.manifest.Task != models.TaskEmbed || g.states.name == "" {
		return cfg, false
	}
	if g.statesFile != "" {
		cfg.File = inDir(spec, g.statesFile)
	}
	cfg.Output, cfg.Width, cfg.Half, cfg.States = g.states.name, g.states.width, g.states.half, true
	return cfg, true
}

func (e *engine) openTokens(ctx context.Context, cfg SessionConfig, deps Deps) (Session, error) {
	s, err := deps.NewSession(cfg)
	if err != nil {
		return nil, err
	}
	if err := e.manifest.checkStates(ctx, guarded{s}, e.chosen.variant); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", cfg.File, err), closeInTime(s))
	}
	return s, nil
}

// run is the batcher's. Each result is the states of one item, row-major [tokens, width].
func (s *states) run(ctx context.Context, items []tokenizer.Encoding) ([][]float32, error) {
	b := s.padder.pad(items)
	b.States = true
	out, err := s.session.Run(ctx, b)
	if errors.Is(err, ErrDevice) || errors.Is(err, ErrLost) {
		s.lose(fmt.Errorf("token states: %w", err))
	}
	if errors.Is(err, ErrOutOfMemory) {
		return nil, fmt.Errorf("%w: %w", batcher.ErrOutOfMemory, err)
	}
	if err != nil {
		return nil, err
	}
	list := make([][]float32, len(items))
	for i, item := range items {
		size := item.Len() * s.width
		list[i] = out.Row(i)[:size:size]
	}
	return list, nil
}

// EmbedTokens implements models.TokenEmbedder.
func (m *TokenEmbedding) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	prompt, err := m.prompt(req.PromptName, "", opTokens)
	if err != nil {
		return models.TokensResult{}, err
	}
	start := time.Now()
	items, err := m.tokenizer.Singles(ctx, textsOf(req.Inputs), prompt, truncation(req.Truncate))
	if err != nil {
		return models.TokensResult{}, m.tokenFailure(err, inputField, opTokens)
	}
	tokenized, used := time.Since(start), usage(items)
	if bytes := int64(used.PromptTokens) * int64(m.states.width) * 4; req.MaxBytes > 0 && bytes > req.MaxBytes {
		return models.TokensResult{}, models.Errorf(models.KindTooLarge, "the states of %d tokens, of %d numbers each, are %d bytes, and one request may have %d (server.max_state_bytes)",
			used.PromptTokens, m.states.width, bytes, req.MaxBytes).At("input").In(m.name, opTokens)
	}
	result, err := m.states.batcher.Do(ctx, batcher.Call{Tag: req.Caller.Tag, Gone: req.Caller.Gone}, items)
	if err != nil {
		return models.TokensResult{}, m.failure(err, opTokens)
	}
	answer := models.TokensResult{Usage: used, Timing: models.Timing{Tokenize: tokenized, Queue: result.Queue, Run: result.Run}}
	for i, flat := range result.Values {
		if !finite(flat) {
			return models.TokensResult{}, models.Errorf(models.KindInternal, "model %q gave a number that is not finite for %s", m.name, inputField(i)).At(inputField(i)).In(m.name, opTokens)
		}
		answer.States = append(answer.States, cut(flat, m.states.width))
	}
	return answer, nil
}

// cut cuts row-major [n, width] into rows.
func cut(flat []float32, width int) [][]float32 {
	rows := make([][]float32, len(flat)/width)
	for i := range rows {
		rows[i] = flat[i*width : (i+1)*width : (i+1)*width]
	}
	return rows
}

// Close implements Model.
func (m *TokenEmbedding) Close() error {
	m.sessions.drain()
	problems := []error{m.states.batcher.Close()}
	if late, ok := m.states.session.(*lateSession); ok {
		problems = append(problems, late.Close())
	}
	return errors.Join(append(problems, m.Embedding.Close())...)
}
