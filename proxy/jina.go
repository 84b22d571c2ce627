package proxy

import (
	"cmp"
	"net/http"

	"github.com/quadrate-maas/quadrate/models"
)

// jina is Jina's API: OpenAI's and Cohere's with fields of its own.
type jina struct{ bearer }

func (jina) intents() {}

// limits are less than Jina's, which differ from model to model.
func (jina) limits(operation) limits { return limits{items: 512} }

// probe: what Jina answers for free says nothing of its models.
func (jina) probe() *request { return nil }

func (jina) list(func(listing)) *request { return nil }

func (jina) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if err := cmp.Or(noIDs(TypeJina, req.Inputs), floatsOnly(TypeJina, req.Extra), noStart(TypeJina, req.Truncate)); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("input", req.Inputs)
	o.given("task", jinaTask(req))
	o.str("embedding_type", encoding(req.Form))
	o.flag("normalized", !req.Raw)
	o.flag("truncate", req.Truncate != models.TruncateNone)
	o.positive("dimensions", req.Dimensions)
	return post("/v1/embeddings", o.done(req.Extra, models.DialectOpenAI), readEmbeddings(req, result)), nil
}

// jinaTask is a prompt's name as it is, or what stands for an intent. A task that the client named
// in Jina's own field is among the extra ones.
func jinaTask(req *models.EmbedRequest) string {
	if req.PromptName != "" {
		return req.PromptName
	}
	switch req.InputType {
	case intentQuery, "query":
		return "retrieval.query"
	case intentDocument, "document", "passage":
		return "retrieval.passage"
	case "classification":
		return "classification"
	case "clustering":
		return "separation"
	}
	return ""
}

func (jina) rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error) {
	if err := cmp.Or(noRawScores(TypeJina, req.Raw), noDocumentLimit(TypeJina, c, req.MaxTokensPerDoc), onlyCuts(TypeJina, req.Truncate)); err != nil {
		return nil, err
	}
	o := newReranking(c, req)
	o.flag("return_documents", false)
	return post("/v1/rerank", o.done(withoutTopN(req.Extra), models.DialectCohere), readResults(len(req.Documents), result, models.ScoreSigmoid)), nil
}

func (jina) fault(op operation, r *response) fault {
	p := readProblem(r)
	refused := p.status == http.StatusBadRequest || p.status == http.StatusUnprocessableEntity
	switch {
	case p.status == http.StatusNotFound && p.has("model"), refused && p.has("model") && p.has("not found", "does not exist", "invalid model", "does not match any of the expected"):
		return p.noModel()
	case refused && (p.has("exceed") && p.has("token", "length") || p.long()):
		return p.tooLong(op)
	case refused && p.has("task"):
		return fault{err: p.quoted(models.KindInvalid).At("prompt_name")}
	}
	return p.common()
}
