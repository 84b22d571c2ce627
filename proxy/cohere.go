package proxy

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// cohere is the second version of Cohere's API. Its models want to be told what texts are for:
// without a word from the client they are documents.
type cohere struct{ bearer }

func (cohere) intents() {}

// limits are Cohere's.
func (cohere) limits(op operation) limits {
	if op == opRerank {
		return limits{items: 1000}
	}
	return limits{items: 96}
}

func (cohere) probe() *request { return get("/v1/models") }

func (cohere) list(found func(listing)) *request {
	r := get("/v1/models?page_size=1000")
	r.read = func(answer *response) error {
		var list struct {
			Models []struct {
				Name      string   `json:"name"`
				Endpoints []string `json:"endpoints"`
				Length    float64  `json:"context_length"`
			} `json:"models"`
		}
		if err := json.Unmarshal(answer.body, &list); err != nil {
			return wrongJSON(err)
		}
		var l listing
		for _, m := range list.Models {
			known := openAIModel{ID: m.Name, Tasks: m.Endpoints, MaxLength: int(min(max(m.Length, 0), 1<<30))}.listed()
			if len(known.tasks) > 0 {
				l.models = append(l.models, known)
			}
		}
		found(l)
		return nil
	}
	return r
}

func (cohere) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if err := cmp.Or(noPrompt(TypeCohere, req.PromptName), noRaw(TypeCohere, req.Raw), noIDs(TypeCohere, req.Inputs)); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("texts", req.Inputs)
	o.str("input_type", cohereIntent(req.InputType))
	o.key("embedding_types")
	o.b = append(o.b, `["float"]`...)
	o.str("truncate", cohereTruncate(req.Truncate))
	o.positive("output_dimension", req.Dimensions)
	return post("/v2/embed", o.done(req.Extra, models.DialectCohere), reading(func(s *scanner, _ *response) error { return s.cohere(req, result) })), nil
}

func cohereIntent(intent string) string {
	switch intent {
	case "query":
		return intentQuery
	case "", "document", "passage":
		return intentDocument
	}
	return intent
}

func cohereTruncate(how models.Truncate) string {
	switch how {
	case models.TruncateNone:
		return "NONE"
	case models.TruncateStart:
		return "START"
	}
	return "END"
}

// cohere takes {"embeddings": {"float": [[…]]}, "meta": {"billed_units": {"input_tokens"}}}.
func (s *scanner) cohere(req *models.EmbedRequest, result *embedded) error {
	v := newVectors(len(req.Inputs), req.Form)
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "embeddings":
			err = s.object(func(key []byte) error {
				if string(key) == "float" {
					return s.rows(v)
				}
				return s.skip()
			})
		case "meta":
			result.Usage, err = s.billed()
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	return v.finish(s, req, result)
}

// billed takes Cohere's meta.
func (s *scanner) billed() (models.Usage, error) {
	var u models.Usage
	if s.peek() != '{' {
		return u, s.skip()
	}
	err := s.object(func(key []byte) (err error) {
		if name := string(key); name != "billed_units" && name != "tokens" {
			return s.skip()
		}
		one, err := s.usage()
		u.PromptTokens = max(u.PromptTokens, one.PromptTokens)
		return err
	})
	return u, err
}

// rerank: Cohere bills searches, so tokens are mostly not known.
func (cohere) rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error) {
	if err := cmp.Or(noRawScores(TypeCohere, req.Raw), onlyCuts(TypeCohere, req.Truncate)); err != nil {
		return nil, err
	}
	o := newReranking(c, req)
	o.positive("max_tokens_per_doc", req.MaxTokensPerDoc)
	return post("/v2/rerank", o.done(withoutTopN(req.Extra), models.DialectCohere), reading(func(s *scanner, _ *response) error {
		result.Kind = models.ScoreSigmoid
		var usage models.Usage
		err := s.results(len(req.Documents), result, func(key string) (known bool, err error) {
			if key != "meta" {
				return false, nil
			}
			usage, err = s.billed()
			return true, err
		})
		result.Usage.PromptTokens = max(result.Usage.PromptTokens, usage.PromptTokens)
		return err
	})), nil
}

func (cohere) fault(op operation, r *response) fault {
	p := readProblem(r)
	switch {
	case p.status == 498:
		return p.credentials()
	case p.status == http.StatusNotFound && p.has("model"):
		return p.noModel()
	case (p.status == http.StatusBadRequest || p.status == http.StatusUnprocessableEntity) && (p.long() || p.has("too long")):
		return p.tooLong(op)
	case p.status == http.StatusBadRequest && strings.Contains(p.message, "output_dimension"):
		return fault{err: p.quoted(models.KindInvalid).At("dimensions")}
	}
	return p.common()
}
