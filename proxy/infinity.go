package proxy

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/quadrate-maas/quadrate/models"
)

// infinity is Michael Feil's Infinity. Its paths have no version unless it was started with a
// prefix, which then belongs into upstreams[].urls. It always cuts long texts, and counts
// characters in place of tokens unless it is told otherwise.
type infinity struct{ bearer }

// limits are its default.
func (infinity) limits(operation) limits { return limits{items: 2048} }

func (infinity) probe() *request { return get("/health") }

func (infinity) list(found func(listing)) *request { return listOpenAI("/models", found) }

func (infinity) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if err := cmp.Or(noPrompt(TypeInfinity, req.PromptName), noRaw(TypeInfinity, req.Raw), floatsOnly(TypeInfinity, req.Extra), noIDs(TypeInfinity, req.Inputs), onlyCuts(TypeInfinity, req.Truncate)); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("input", req.Inputs)
	o.str("encoding_format", encoding(req.Form))
	o.positive("dimensions", req.Dimensions)
	return post("/embeddings", o.done(req.Extra, models.DialectOpenAI), readEmbeddings(req, result)), nil
}

func (infinity) rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error) {
	if err := cmp.Or(noDocumentLimit(TypeInfinity, c, req.MaxTokensPerDoc), onlyCuts(TypeInfinity, req.Truncate)); err != nil {
		return nil, err
	}
	o := newReranking(c, req)
	o.flag("return_documents", false)
	o.flag("raw_scores", req.Raw)
	return post("/rerank", o.done(withoutTopN(req.Extra), models.DialectCohere), readResults(len(req.Documents), result, sigmoidUnless(req.Raw))), nil
}

func (infinity) classify(c call, req *models.ClassifyRequest, result *models.ClassifyResult) (*request, error) {
	texts, err := unpaired(TypeInfinity, req.Inputs)
	if err := cmp.Or(err, noRawScores(TypeInfinity, req.Raw), onlyCuts(TypeInfinity, req.Truncate)); err != nil {
		return nil, err
	}
	o := newObject(textsSize(texts))
	o.str("model", c.model)
	o.texts("input", texts)
	return post("/classify", o.done(models.Extra{}), reading(func(s *scanner, _ *response) error {
		return s.labelledData(len(texts), c.labels, result)
	})), nil
}

// labelledData takes {"data": [[{"label", "score"}]], "usage"}.
func (s *scanner) labelledData(inputs int, known []string, result *models.ClassifyResult) error {
	given := false
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "data":
			given = true
			err = s.labelled(inputs, known, result)
		case "usage":
			result.Usage, err = s.usage()
		default:
			err = s.skip()
		}
		return err
	})
	if err == nil && !given {
		err = fmt.Errorf("the answer has no data")
	}
	return err
}

func (infinity) fault(op operation, r *response) fault {
	p := readProblem(r)
	if p.status == http.StatusBadRequest {
		switch {
		case p.has("modelnotdeployederror", "does not support"):
			return p.noTask()
		case p.has("invalid model"):
			return p.noModel()
		case p.long(): // of servers that speak its API; itself it cuts
			return p.tooLong(op)
		case p.has("dimension"):
			return fault{err: p.quoted(models.KindInvalid).At("dimensions")}
		}
	}
	return p.common()
}
