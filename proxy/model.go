package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// model is a model of an upstream. It has every method; what its server cannot do is
// KindUnsupportedTask. It splits what is too large for one request, checks what only it can (that
// vectors keep their length), and puts the answers together.
type model struct {
	modelSpec
	// dimensions is what the first answer of full length had; 0: there was none yet. The same model
	// at other upstreams shares it.
	dimensions *atomic.Int64
	// scores is the widest kind of score that was seen, as an index of scoreKinds.
	scores atomic.Int32
	// several is set once probabilities did not add up to 1.
	several atomic.Bool
}

var (
	_ models.Model         = (*model)(nil)
	_ models.Embedder      = (*model)(nil)
	_ models.TokenEmbedder = (*model)(nil)
	_ models.Reranker      = (*model)(nil)
	_ models.Classifier    = (*model)(nil)
	_ models.Tokenizer     = (*model)(nil)
)

func newModel(spec modelSpec) *model { return &model{modelSpec: spec, dimensions: new(atomic.Int64)} }

// Info says what the configuration, the server's list and the answers so far tell.
func (m *model) Info() models.Info {
	c := m.call()
	list, _ := m.backend.model(m.upstreamModel)
	info := models.Info{Backend: m.upstream.Name, Dimensions: cmp.Or(m.length(), list.dimensions), MaxLength: c.maxLength,
		Prompts: list.prompts, Labels: c.labels, MultiLabel: list.multiLabel || m.several.Load()}
	if list.created > 0 {
		info.Created = time.Unix(list.created, 0)
	}
	switch _, reranks := m.dialect.(reranking); {
	case len(m.route.Tasks) > 0 && !slices.Contains(m.route.Tasks, models.TaskRerank):
	case m.route.CosineRerank:
		info.ScoreKind = models.ScoreCosine
	case reranks:
		info.ScoreKind = cmp.Or(list.scoreKind, scoreKinds[m.scores.Load()])
	}
	return info
}

// Status is the upstream's.
func (m *model) Status() models.Status { return m.backend.status() }

// length is what a vector's must be; 0: not known.
func (m *model) length() int {
	if m.route.Dimensions > 0 {
		return m.route.Dimensions
	}
	return int(m.dimensions.Load())
}

func (m *model) call() call {
	list, _ := m.backend.model(m.upstreamModel)
	c := call{model: m.upstreamModel, keepAlive: m.upstream.KeepAlive, labels: list.labels, maxLength: m.route.MaxLength}
	if c.maxLength == 0 {
		c.maxLength = list.maxLength
	}
	return c
}

// fail says who failed at what.
func (m *model) fail(err error, op operation) error {
	var e *models.Error
	if errors.As(err, &e) && e.Model == "" {
		named := *e
		if e.Kind == models.KindUpstream { // found out here, in the answers of several parts
			named.Backend = cmp.Or(e.Backend, m.upstream.Name)
		}
		return named.In(m.name, string(op))
	}
	return err
}

func (m *model) unable(op operation) error {
	return models.Errorf(models.KindUnsupportedTask, "model %q is served by upstream %q of type %s, which cannot do %s", m.name, m.upstream.Name, m.upstream.Type, op).At("model")
}

// tokensOf estimates a text's tokens, for balancing.
func tokensOf(text string) int { return 2 + len(text)/4 }

func inputTokens(in models.Input) int { return tokensOf(in.Text) + len(in.IDs) }

func inputSize(in models.Input) int {
	if in.IDs != nil {
		return 11*len(in.IDs) + 3
	}
	return quotedLen(in.Text) + 1
}

// Embed asks the upstream for vectors.
func (m *model) Embed(ctx context.Context, req models.EmbedRequest) (models.EmbedResult, error) {
	result, err := m.embed(ctx, &req)
	if err != nil {
		return models.EmbedResult{}, m.fail(err, opEmbed)
	}
	return result, nil
}

func (m *model) embed(ctx context.Context, req *models.EmbedRequest) (models.EmbedResult, error) {
	var none models.EmbedResult
	d, can := m.dialect.(embedding)
	if !can {
		return none, m.unable(opEmbed)
	}
	if n := m.length(); n > 0 && req.Dimensions > n {
		return none, tooManyDimensions(req.Dimensions, n)
	}
	results, err := run(ctx, m, job[embedded]{
		op: opEmbed, items: len(req.Inputs), caller: req.Caller, extra: req.Extra,
		size:   func(i int) int { return inputSize(req.Inputs[i]) },
		tokens: func(i int) int { return inputTokens(req.Inputs[i]) },
		request: func(c call, p part, result *embedded) (*request, error) {
			own := *req
			own.Inputs = req.Inputs[p.from:p.to]
			return d.embed(c, &own, result)
		},
		check: func(result *embedded) error {
			if foreign(req.Extra) {
				return nil // fields that nobody here knows may ask for any length
			}
			return m.checkLength(req.Dimensions, result.length)
		},
	})
	if err != nil {
		return none, err
	}
	for _, part := range results {
		if part.length < req.Dimensions {
			return none, tooManyDimensions(req.Dimensions, part.length)
		}
	}
	return joinVectors(results, req.Form)
}

func tooManyDimensions(asked, have int) error {
	return models.Errorf(models.KindInvalid, "dimensions is %d; this model's vectors have %d", asked, have).At("dimensions")
}

// checkLength refuses vectors of another length than the configuration says, or than those before
// had, and remembers the first. asked is what the client asked for, or 0.
func (m *model) checkLength(asked, got int) error {
	want := m.length()
	if asked > 0 && (got == asked || got < asked && want == 0) {
		return nil
	}
	if want == 0 && asked == 0 && m.dimensions.CompareAndSwap(0, int64(got)) {
		return nil
	}
	if want = m.length(); want > 0 && got != want {
		return fmt.Errorf("the answer's vectors have %d numbers; this model's have %d (models[].dimensions, or the answers before)", got, want)
	}
	return nil
}

// EmbedTokens asks the upstream for the states of tokens. What their size is shows only in the
// answer, so MaxBytes is checked after the upstream has computed them; upstreams[].max_answer
// bounds what is read.
func (m *model) EmbedTokens(ctx context.Context, req models.TokensRequest) (models.TokensResult, error) {
	result, err := m.embedTokens(ctx, &req)
	if err != nil {
		return models.TokensResult{}, m.fail(err, opTokens)
	}
	return result, nil
}

func (m *model) embedTokens(ctx context.Context, req *models.TokensRequest) (models.TokensResult, error) {
	d, can := m.dialect.(tokenStates)
	if !can {
		return models.TokensResult{}, m.unable(opTokens)
	}
	results, err := run(ctx, m, job[models.TokensResult]{
		op: opTokens, items: len(req.Inputs), caller: req.Caller,
		size:   func(i int) int { return inputSize(req.Inputs[i]) },
		tokens: func(i int) int { return inputTokens(req.Inputs[i]) },
		request: func(c call, p part, result *models.TokensResult) (*request, error) {
			own := *req
			own.Inputs = req.Inputs[p.from:p.to]
			return d.embedTokens(c, &own, result)
		},
	})
	if err != nil {
		return models.TokensResult{}, err
	}
	return joinStates(results, req.MaxBytes)
}

// Rerank asks the upstream for scores, or for the vectors that scores are made of here.
func (m *model) Rerank(ctx context.Context, req models.RerankRequest) (models.RerankResult, error) {
	rerank := m.rerank
	if m.route.CosineRerank {
		rerank = m.cosine
	}
	result, err := rerank(ctx, &req)
	if err != nil {
		return models.RerankResult{}, m.fail(err, opRerank)
	}
	return result, nil
}

func (m *model) rerank(ctx context.Context, req *models.RerankRequest) (models.RerankResult, error) {
	d, can := m.dialect.(reranking)
	if !can {
		return models.RerankResult{}, models.Errorf(models.KindUnsupportedTask, "model %q is served by upstream %q of type %s, which does not rerank (models[].rerank: cosine makes scores of its embeddings)",
			m.name, m.upstream.Name, m.upstream.Type).At("model")
	}
	ask := func(c call, documents []string, result *models.RerankResult) (*request, error) {
		own := *req
		own.Documents = documents
		return d.rerank(c, &own, result)
	}
	results, err := run(ctx, m, job[models.RerankResult]{
		op: opRerank, items: len(req.Documents), caller: req.Caller, extra: req.Extra, around: quotedLen(req.Query),
		size:   func(i int) int { return quotedLen(req.Documents[i]) + 1 },
		tokens: func(i int) int { return tokensOf(req.Query) + tokensOf(req.Documents[i]) },
		request: func(c call, p part, result *models.RerankResult) (*request, error) {
			return ask(c, req.Documents[p.from:p.to], result)
		},
		bare: func(c call, _ part, result *models.RerankResult) (*request, error) {
			return ask(c, []string{"."}, result)
		},
	})
	if err != nil {
		return models.RerankResult{}, err
	}
	result := joinScores(results)
	result.Kind = m.kindOf(result, req.Raw, foreign(req.Extra))
	return result, nil
}

// Classify asks the upstream for the scores of labels.
func (m *model) Classify(ctx context.Context, req models.ClassifyRequest) (models.ClassifyResult, error) {
	result, err := m.classify(ctx, &req)
	if err != nil {
		return models.ClassifyResult{}, m.fail(err, opClassify)
	}
	return result, nil
}

func (m *model) classify(ctx context.Context, req *models.ClassifyRequest) (models.ClassifyResult, error) {
	d, can := m.dialect.(classifying)
	if !can {
		return models.ClassifyResult{}, m.unable(opClassify)
	}
	pair := func(i int) string {
		if p := req.Inputs[i].Pair; p != nil {
			return *p
		}
		return ""
	}
	results, err := run(ctx, m, job[models.ClassifyResult]{
		op: opClassify, items: len(req.Inputs), caller: req.Caller, extra: req.Extra,
		size:   func(i int) int { return quotedLen(req.Inputs[i].Text) + quotedLen(pair(i)) + 4 },
		tokens: func(i int) int { return tokensOf(req.Inputs[i].Text) + tokensOf(pair(i)) },
		request: func(c call, p part, result *models.ClassifyResult) (*request, error) {
			own := *req
			own.Inputs = req.Inputs[p.from:p.to]
			return d.classify(c, &own, result)
		},
	})
	if err != nil {
		return models.ClassifyResult{}, err
	}
	result, err := joinLabels(results)
	if err == nil && !req.Raw && !sumToOne(result.Scores) {
		m.several.Store(true)
	}
	return result, err
}

// Tokenize asks the upstream how it reads texts.
func (m *model) Tokenize(ctx context.Context, req models.TokenizeRequest) (models.TokenizeResult, error) {
	d, can := m.dialect.(tokenizing)
	if !can {
		return models.TokenizeResult{}, m.fail(m.unable(opTokenize), opTokenize)
	}
	results, err := run(ctx, m, job[models.TokenizeResult]{
		op: opTokenize, items: len(req.Texts), caller: req.Caller, extra: req.Extra,
		size:   func(i int) int { return quotedLen(req.Texts[i]) + 1 },
		tokens: func(i int) int { return tokensOf(req.Texts[i]) },
		request: func(c call, p part, result *models.TokenizeResult) (*request, error) {
			own := req
			own.Texts = req.Texts[p.from:p.to]
			return d.tokenize(c, &own, result)
		},
	})
	if err != nil {
		return models.TokenizeResult{}, m.fail(err, opTokenize)
	}
	var all models.TokenizeResult
	for _, part := range results {
		all.Tokens = append(all.Tokens, part.Tokens...)
	}
	return all, nil
}

// Decode asks the upstream what token ids stand for.
func (m *model) Decode(ctx context.Context, req models.DecodeRequest) ([]string, error) {
	d, can := m.dialect.(tokenizing)
	if !can {
		return nil, m.fail(m.unable(opDecode), opDecode)
	}
	texts := make([]string, len(req.IDs))
	var places []int // of the lists that are not empty, which some servers refuse
	for i, ids := range req.IDs {
		if len(ids) > 0 {
			places = append(places, i)
		}
	}
	if len(places) == 0 && len(texts) > 0 {
		return texts, nil
	}
	results, err := run(ctx, m, job[[]string]{
		op: opDecode, items: len(places), caller: req.Caller, extra: req.Extra,
		size:   func(i int) int { return 11*len(req.IDs[places[i]]) + 3 },
		tokens: func(i int) int { return len(req.IDs[places[i]]) },
		request: func(c call, p part, result *[]string) (*request, error) {
			own := req
			own.IDs = nil
			for _, i := range places[p.from:p.to] {
				own.IDs = append(own.IDs, req.IDs[i])
			}
			return d.decode(c, &own, result)
		},
	})
	if err != nil {
		return nil, m.fail(shift(err, func(i int) int { return places[i] }), opDecode)
	}
	for i, text := range slices.Concat(results...) {
		texts[places[i]] = text
	}
	return texts, nil
}
