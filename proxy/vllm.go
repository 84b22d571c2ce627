package proxy

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// vllm is a vLLM server of a pooling model. Its routes exist only for what its model does.
type vllm struct{ bearer }

// limits: none; it queues without bound.
func (vllm) limits(operation) limits { return limits{} }

func (vllm) probe() *request { return get("/health") }

func (vllm) list(found func(listing)) *request { return listOpenAI("/v1/models", found) }

func (vllm) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if err := cmp.Or(vllmInputs(req.PromptName, req.Inputs), floatsOnly(TypeVLLM, req.Extra)); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("input", req.Inputs)
	o.str("encoding_format", encoding(req.Form))
	o.positive("dimensions", req.Dimensions)
	o.vllmOptions(req.Truncate, req.Raw, req.Extra)
	return post("/v1/embeddings", o.done(req.Extra, models.DialectOpenAI, models.DialectVLLM), readEmbeddings(req, result)), nil
}

func vllmInputs(prompt string, inputs []models.Input) error {
	if err := noPrompt(TypeVLLM, prompt); err != nil {
		return err
	}
	return oneKind(TypeVLLM, inputs)
}

// vllmOptions writes what all of vLLM's routes take. Without truncate_prompt_tokens, texts that
// are too long are refused; -1 cuts them to what the model takes. A client that spoke vLLM's own
// words, and asked to cut to another length, gets that.
func (o *object) vllmOptions(how models.Truncate, raw bool, extra models.Extra) {
	const field = "truncate_prompt_tokens"
	if how != models.TruncateNone && !says(extra, field) {
		o.key(field)
		o.b = append(o.b, "-1"...)
	}
	if how == models.TruncateStart {
		o.str("truncation_side", "left")
	}
	if raw {
		o.flag("use_activation", false)
	}
}

func (vllm) embedTokens(c call, req *models.TokensRequest, result *models.TokensResult) (*request, error) {
	if err := vllmInputs(req.PromptName, req.Inputs); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.str("task", "token_embed")
	o.inputs("input", req.Inputs)
	o.str("encoding_format", "float")
	o.vllmOptions(req.Truncate, true, models.Extra{})
	return post("/pooling", o.done(models.Extra{}), reading(func(s *scanner, _ *response) error { return s.pooled(len(req.Inputs), result) })), nil
}

// pooled takes {"data": [{"index", "data": states}], "usage"}.
func (s *scanner) pooled(inputs int, result *models.TokensResult) error {
	result.States = make([][][]float32, inputs)
	width := 0
	one := func(int) error {
		index := -1
		var states [][]float32
		err := s.object(func(key []byte) (err error) {
			switch string(key) {
			case "index":
				index, err = s.whole()
			case "data":
				states, err = s.states(&width)
			default:
				err = s.skip()
			}
			return err
		})
		if err == nil {
			err = inRange(index, inputs, "input")
		}
		if err != nil {
			return err
		}
		if states == nil || result.States[index] != nil {
			return fmt.Errorf("the answer has no states, or states twice, at index %d", index)
		}
		result.States[index] = states
		return nil
	}
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "data":
			err = s.list(one)
		case "usage":
			result.Usage, err = s.usage()
		default:
			err = s.skip()
		}
		return err
	})
	for i, states := range result.States {
		if err == nil && states == nil {
			err = fmt.Errorf("the answer lacks the states of input[%d], of %d inputs", i, inputs)
		}
	}
	return err
}

// rerank uses the route below /v1, which is the one that vLLM's key guards. The kind of the scores
// depends on the model (see kindOf).
func (vllm) rerank(c call, req *models.RerankRequest, result *models.RerankResult) (*request, error) {
	o := newReranking(c, req)
	o.positive("max_tokens_per_doc", req.MaxTokensPerDoc)
	o.vllmOptions(req.Truncate, req.Raw, req.Extra)
	return post("/v1/rerank", o.done(withoutTopN(req.Extra), models.DialectCohere, models.DialectVLLM), readResults(len(req.Documents), result, "")), nil
}

// withoutTopN leaves out what would have a server answer for fewer documents: all scores are
// needed, and are cut here.
func withoutTopN(extra models.Extra) models.Extra {
	var kept []models.ExtraField
	for _, field := range extra.Fields {
		switch strings.ToLower(field.Name) {
		case "top_n", "top_k", "return_documents":
		default:
			kept = append(kept, field)
		}
	}
	extra.Fields = kept
	return extra
}

func readResults(documents int, result *models.RerankResult, kind models.ScoreKind) func(*response) error {
	return reading(func(s *scanner, _ *response) error {
		result.Kind = kind
		return s.results(documents, result, nil)
	})
}

func (vllm) classify(c call, req *models.ClassifyRequest, result *models.ClassifyResult) (*request, error) {
	texts, err := unpaired(TypeVLLM, req.Inputs)
	if err != nil {
		return nil, err
	}
	o := newObject(textsSize(texts))
	o.str("model", c.model)
	o.texts("input", texts)
	o.vllmOptions(req.Truncate, req.Raw, req.Extra)
	return post("/classify", o.done(req.Extra, models.DialectVLLM), reading(func(s *scanner, _ *response) error { return s.probabilities(len(texts), c.labels, result) })), nil
}

func unpaired(t Type, inputs []models.ClassifyInput) ([]string, error) {
	texts := make([]string, len(inputs))
	for i, in := range inputs {
		if in.Pair != nil {
			return nil, refuse(item("inputs", i), "%s is a pair of texts, which an upstream of type %s does not classify", item("inputs", i), t)
		}
		texts[i] = in.Text
	}
	return texts, nil
}

// probabilities takes {"data": [{"index", "label", "probs"}], "usage"}. vLLM names only the label
// of the greatest number.
func (s *scanner) probabilities(inputs int, known []string, result *models.ClassifyResult) error {
	result.Scores = make([][]float32, inputs)
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "data":
			err = s.list(func(int) error { return s.probabilitiesOf(known, result) })
		case "usage":
			result.Usage, err = s.usage()
		default:
			err = s.skip()
		}
		return err
	})
	for i, row := range result.Scores {
		if err == nil && row == nil {
			err = fmt.Errorf("the answer lacks the scores of inputs[%d], of %d inputs", i, inputs)
		}
	}
	return err
}

func (s *scanner) probabilitiesOf(known []string, result *models.ClassifyResult) error {
	index, label := -1, ""
	var row []float32
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "index":
			index, err = s.whole()
		case "label":
			if s.peek() == '"' {
				label, err = s.str()
				break
			}
			err = s.skip()
		case "probs":
			row, _, err = s.vector(nil, true)
		default:
			err = s.skip()
		}
		return err
	})
	if err == nil {
		err = inRange(index, len(result.Scores), "input")
	}
	if err != nil {
		return err
	}
	if row == nil || result.Scores[index] != nil {
		return fmt.Errorf("the answer has no scores, or scores twice, at index %d", index)
	}
	if result.Labels == nil {
		result.Labels = make([]string, len(row))
		if len(known) == len(row) {
			copy(result.Labels, known)
		}
	}
	if len(row) != len(result.Labels) {
		return oddLabels(index, len(row), len(result.Labels))
	}
	result.Scores[index] = row
	if best := greatest(row); result.Labels[best] == "" {
		result.Labels[best] = label
	}
	return nil
}

func greatest(row []float32) int {
	best := 0
	for i, f := range row {
		if f > row[best] {
			best = i
		}
	}
	return best
}

// fault: a 404 without an error object is of a route that is not there, because the model does
// not do the task; with one it is of the model.
func (vllm) fault(op operation, r *response) fault {
	p := readProblem(r)
	switch {
	case p.status == http.StatusNotFound && p.shape == shapeError:
		return p.noModel()
	case p.status == http.StatusBadRequest && p.long():
		return p.tooLong(op)
	case p.status == http.StatusBadRequest && p.has("does not support") && p.has(" api", "task"):
		return p.noTask()
	case p.status == http.StatusBadRequest && (p.param == "dimensions" || p.has("matryoshka")):
		return fault{err: p.quoted(models.KindInvalid).At("dimensions")}
	}
	return p.common()
}
