package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/quadrate-maas/quadrate/models"
)

// openai is OpenAI's API for embeddings, which many servers speak. It neither cuts long texts nor
// refuses them by a name of its own, so truncation is not said; whether a server brings vectors to
// norm 1 is seen (see vectors). It has no rerank.
type openai struct{ bearer }

// limits are OpenAI's own.
func (openai) limits(operation) limits { return limits{items: 2048} }

func (openai) probe() *request { return get("/v1/models") }

func (openai) list(found func(listing)) *request { return listOpenAI("/v1/models", found) }

// listOpenAI reads {"data": [{"id", …}]}, with what several servers add to it.
func listOpenAI(path string, found func(listing)) *request {
	r := get(path)
	r.read = func(answer *response) error {
		var list struct {
			Data []openAIModel `json:"data"`
		}
		// What one kind of server adds may be something else in another's list: it is left out.
		var other *json.UnmarshalTypeError
		if err := json.Unmarshal(answer.body, &list); err != nil && (!errors.As(err, &other) || list.Data == nil) {
			return wrongJSON(err)
		}
		var l listing
		for _, m := range list.Data {
			if m.ID != "" {
				l.models = append(l.models, m.listed())
			}
		}
		found(l)
		return nil
	}
	return r
}

type openAIModel struct {
	ID      string          `json:"id"`
	Created json.RawMessage `json:"created"`
	// MaxModelLen is vLLM's and Capabilities Infinity's; the others are ours.
	MaxModelLen  int              `json:"max_model_len"`
	Capabilities []string         `json:"capabilities"`
	MaxLength    int              `json:"max_length"`
	Tasks        []string         `json:"tasks"`
	Dimensions   int              `json:"dimensions"`
	ScoreKind    models.ScoreKind `json:"score_kind"`
	Prompts      []string         `json:"prompts"`
	Labels       []string         `json:"labels"`
	MultiLabel   bool             `json:"multi_label"`
}

// lengthOf is what a server tells of a model's longest input, in tokens. Some tell the largest
// integer where there is no limit, of which nothing more can be computed.
func lengthOf(tokens int) int { return min(max(tokens, 0), 1<<30) }

func (m openAIModel) listed() listed {
	l := listed{name: m.ID, maxLength: lengthOf(max(m.MaxModelLen, m.MaxLength)), dimensions: max(m.Dimensions, 0), prompts: m.Prompts, labels: m.Labels, multiLabel: m.MultiLabel}
	if slices.Contains(scoreKinds, m.ScoreKind) {
		l.scoreKind = m.ScoreKind
	}
	if seconds, err := strconv.ParseFloat(word(m.Created), 64); err == nil && seconds > 0 && seconds < 1e12 {
		l.created = int64(seconds)
	}
	for _, name := range append(m.Tasks, m.Capabilities...) {
		for _, task := range models.Tasks() {
			if string(task) == name {
				l.tasks = append(l.tasks, task)
			}
		}
	}
	return l
}

func (openai) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if err := cmp.Or(noPrompt(TypeOpenAI, req.PromptName), noRaw(TypeOpenAI, req.Raw), floatsOnly(TypeOpenAI, req.Extra), oneKind(TypeOpenAI, req.Inputs)); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("input", spaced(req.Inputs))
	o.str("encoding_format", encoding(req.Form))
	o.positive("dimensions", req.Dimensions)
	return post("/v1/embeddings", o.done(req.Extra, models.DialectOpenAI), readEmbeddings(req, result)), nil
}

func readEmbeddings(req *models.EmbedRequest, result *embedded) func(*response) error {
	return reading(func(s *scanner, _ *response) error { return s.embeddings(req, result) })
}

func (openai) fault(op operation, r *response) fault {
	p := readProblem(r)
	switch {
	case p.code == "insufficient_quota":
		return p.credentials() // no waiting helps
	case p.code == "model_not_found", p.status == http.StatusNotFound && p.shape == shapeError && p.has("model"):
		return p.noModel()
	case p.status == http.StatusBadRequest && p.long():
		return p.tooLong(op)
	case p.status == http.StatusBadRequest && (p.param == "dimensions" || p.has("matryoshka")):
		return fault{err: p.quoted(models.KindInvalid).At("dimensions")}
	}
	return p.common()
}

// long knows the ways in which OpenAI and those that speak its API say that a text is too long.
func (p problem) long() bool {
	return p.code == "context_length_exceeded" || p.param == "input_tokens" || p.param == "input_text" ||
		p.has("maximum context length", "maximum input length", "maximum model length", "reduce the length", "context length", "too many tokens", "input is too long")
}
