package proxy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// quadrate is another server of this kind: it takes whatever the models package can ask for, and
// its errors come back as what they were.
type quadrate struct{ bearer }

func (quadrate) intents() {}

// patience has the other server refuse at once what its queue will not have done in time. It is told
// a little more than is left, so that it is here where the time is up.
func (quadrate) patience(h http.Header, left time.Duration) {
	h.Set("X-Request-Timeout", strconv.FormatFloat(max(left+250*time.Millisecond, time.Millisecond).Seconds(), 'f', 3, 64))
}

// limits are its defaults, server.max_inputs, server.max_documents and server.body_limit.
func (quadrate) limits(op operation) limits {
	l := limits{items: 2048, bytes: 32 << 20}
	if op == opRerank {
		l.items = 1000
	}
	return l
}

func (quadrate) probe() *request { return get("/health/ready") }

func (quadrate) list(found func(listing)) *request { return listOpenAI("/v1/models", found) }

func (q quadrate) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if slices.ContainsFunc(req.Inputs, func(in models.Input) bool { return in.IDs != nil }) {
		return q.embedIDs(c, req, result)
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("input", req.Inputs)
	o.str("encoding_format", encoding(req.Form))
	o.positive("dimensions", req.Dimensions)
	o.given("prompt_name", req.PromptName)
	o.given("input_type", req.InputType)
	o.flag("normalize", !req.Raw)
	o.str("truncate", cohereTruncate(req.Truncate))
	return post("/v1/embeddings", o.done(req.Extra, models.DialectOpenAI), reading(func(s *scanner, r *response) error {
		if err := s.embeddings(req, result); err != nil {
			return err
		}
		result.Timing = serverTiming(r.header)
		result.Usage.Truncated = max(result.Usage.Truncated, intHeader(r.header, "X-Truncated"))
		return nil
	})), nil
}

// embedIDs uses TEI's route, where ids are always of the model's own vocabulary: on OpenAI's they
// are what server.token_ids says there.
func (quadrate) embedIDs(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if req.InputType != "" {
		return nil, refuse("input_type", "an upstream of type %s does not take input_type beside token ids: name the prompt (prompt_name)", TypeQuadrate)
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("inputs", req.Inputs)
	o.flag("normalize", !req.Raw)
	o.truncation(req.Truncate)
	o.given("prompt_name", req.PromptName)
	o.positive("dimensions", req.Dimensions)
	return post("/embed", o.done(req.Extra, models.DialectTEI), readRows(req, result, ownUsage)), nil
}

func (quadrate) embedTokens(c call, req *models.TokensRequest, result *models.TokensResult) (*request, error) {
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("inputs", req.Inputs)
	o.truncation(req.Truncate)
	o.given("prompt_name", req.PromptName)
	return post("/embed_all", o.done(models.Extra{}), reading(func(s *scanner, r *response) error {
		result.Usage, result.Timing = ownUsage(r)
		return s.allStates(len(req.Inputs), result)
	})), nil
}

// ownUsage is what this kind of server tells in headers on TEI's routes.
func ownUsage(r *response) (models.Usage, models.Timing) {
	usage, timing := teiUsage(r.header)
	if exact := serverTiming(r.header); exact != (models.Timing{}) {
		timing = exact
	}
	usage.Truncated = intHeader(r.header, "X-Truncated")
	return usage, timing
}

func (quadrate) rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error) {
	o := newReranking(c, req)
	o.flag("return_documents", false)
	o.flag("raw_scores", req.Raw)
	o.positive("max_tokens_per_doc", req.MaxTokensPerDoc)
	o.str("truncate", cohereTruncate(req.Truncate))
	return post("/v1/rerank", o.done(withoutTopN(req.Extra), models.DialectCohere), reading(func(s *scanner, r *response) error {
		result.Kind = sigmoidUnless(req.Raw)
		err := s.results(len(req.Documents), result, func(key string) (known bool, err error) {
			if key != "meta" || s.peek() != '{' {
				return false, nil
			}
			return true, s.scoreKind(&result.Kind)
		})
		result.Timing = serverTiming(r.header)
		result.Usage.Truncated = max(result.Usage.Truncated, intHeader(r.header, "X-Truncated"))
		return err
	})), nil
}

// scoreKind takes our own meta object.
func (s *scanner) scoreKind(kind *models.ScoreKind) error {
	return s.object(func(key []byte) error {
		if string(key) != "score_kind" || s.peek() != '"' {
			return s.skip()
		}
		name, err := s.str()
		for _, known := range scoreKinds {
			if string(known) == name {
				*kind = known
			}
		}
		return err
	})
}

func (quadrate) classify(c call, req *models.ClassifyRequest, result *models.ClassifyResult) (*request, error) {
	o := newObject(0)
	o.str("model", c.model)
	o.pairs("inputs", req.Inputs)
	o.flag("raw_scores", req.Raw)
	o.truncation(req.Truncate)
	return post("/predict", o.done(req.Extra, models.DialectTEI), reading(func(s *scanner, r *response) error {
		result.Usage, result.Timing = ownUsage(r)
		return s.labelled(len(req.Inputs), c.labels, result)
	})), nil
}

func (quadrate) tokenize(c call, req *models.TokenizeRequest, result *models.TokenizeResult) (*request, error) {
	o := newObject(textsSize(req.Texts))
	o.str("model", c.model)
	o.texts("inputs", req.Texts)
	o.flag("add_special_tokens", req.AddSpecial)
	o.given("prompt_name", req.PromptName)
	return post("/tokenize", o.done(req.Extra, models.DialectTEI), func(r *response) error { return readTokens(r, len(req.Texts), result) }), nil
}

func (quadrate) decode(c call, req *models.DecodeRequest, result *[]string) (*request, error) {
	o := newObject(0)
	o.str("model", c.model)
	o.idLists("ids", req.IDs)
	o.flag("skip_special_tokens", req.SkipSpecial)
	return post("/decode", o.done(req.Extra, models.DialectTEI), func(r *response) error { return readTexts(r, len(req.IDs), result) }), nil
}

// own are the codes of our errors that are more than their status.
var own = map[string]struct {
	kind        models.Kind
	again, sick bool
}{
	"context_length_exceeded":  {models.KindTooLong, false, false},
	"unsupported_task":         {models.KindUnsupportedTask, false, false},
	"model_not_found":          {models.KindNotFound, false, false},
	"request_too_large":        {models.KindTooLarge, false, false},
	"rate_limit_exceeded":      {models.KindRateLimited, true, false},
	"queue_full":               {models.KindQueueFull, true, false},
	"queue_timeout":            {models.KindQueueTimeout, true, false},
	"too_many_bytes_in_flight": {models.KindQueueFull, true, false},
	"deadline_exceeded":        {models.KindDeadline, false, false}, // it is told how long there is
	"model_loading":            {models.KindLoading, true, false},
	"model_unavailable":        {models.KindUnavailable, true, true},
	"shutting_down":            {models.KindUnavailable, true, true},
	"upstream_error":           {models.KindUpstream, true, true},
	"upstream_credentials":     {models.KindUpstream, true, true},
	"invalid_request_error":    {models.KindInvalid, false, false},
}

func (quadrate) fault(op operation, r *response) fault {
	p := readProblem(r)
	known, ok := own[p.code]
	if !ok {
		return teiStyle(p, op)
	}
	e := p.error(known.kind, "the upstream answered: %s", p.message).At(ownParam(p.param, op)).After(p.after)
	return fault{err: e, again: known.again, sick: known.sick}
}

// teiStyle reads our errors on TEI's routes, which have a type in place of a code.
func teiStyle(p problem, op operation) fault {
	was := namedIn(p.message)
	named := ownParam(was, op)
	if was != "" {
		p.message = strings.ReplaceAll(p.message, was, named)
	}
	switch {
	case p.status == 422 && p.has("truncation was refused", "the model takes"):
		if named == "" {
			named = itemsOf(op)
		}
		return fault{err: p.quoted(models.KindTooLong).At(named)}
	case p.status == 424 && p.typ == "Backend":
		return p.noTask()
	case p.status == 422 && p.typ == "Validation":
		return fault{err: p.quoted(models.KindInvalid).At(named)}
	case p.status == 504 && p.typ == "Backend":
		return fault{err: p.quoted(models.KindDeadline)}
	}
	return p.common()
}

// namedIn returns the field that our own messages begin with, on routes that do not give it apart.
func namedIn(message string) string {
	word, _, _ := strings.Cut(message, " ")
	word = strings.TrimSuffix(word, ":")
	if field, _, _ := strings.Cut(word, "["); field == "inputs" || field == "prompt_name" || field == "ids" || field == "texts" {
		return word
	}
	return ""
}

// ownParam turns TEI's name of the items into the models package's.
func ownParam(param string, op operation) string {
	for _, name := range []string{"inputs", "texts"} {
		if rest, ok := strings.CutPrefix(param, name); ok && (rest == "" || rest[0] == '[') {
			return itemsOf(op) + rest
		}
	}
	return param
}
