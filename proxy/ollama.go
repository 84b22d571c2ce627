package proxy

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// ollama is Ollama's own API: the one like OpenAI's knows neither truncate nor keep_alive. It has
// no rerank.
type ollama struct{ bearer }

// limits: none.
func (ollama) limits(operation) limits { return limits{} }

func (ollama) probe() *request { return get("/api/version") }

// latest is the tag of names without one.
const latest = ":latest"

func (ollama) list(found func(listing)) *request {
	r := get("/api/tags")
	r.read = func(answer *response) error {
		var tags struct {
			Models []struct {
				Name     string    `json:"name"`
				Modified time.Time `json:"modified_at"`
			} `json:"models"`
		}
		if err := json.Unmarshal(answer.body, &tags); err != nil {
			return wrongJSON(err)
		}
		var l listing
		for _, m := range tags.Models {
			// A name without a tag is that of the latest.
			l.models = append(l.models, listed{name: strings.TrimSuffix(m.Name, latest), created: max(m.Modified.Unix(), 0)})
		}
		found(l)
		return nil
	}
	return r
}

func (ollama) embed(c call, req *models.EmbedRequest, result *embedded) (*request, error) {
	if err := cmp.Or(noPrompt(TypeOllama, req.PromptName), noRaw(TypeOllama, req.Raw), noIDs(TypeOllama, req.Inputs), noStart(TypeOllama, req.Truncate)); err != nil {
		return nil, err
	}
	o := newObject(inputsSize(req.Inputs))
	o.str("model", c.model)
	o.inputs("input", req.Inputs)
	o.flag("truncate", req.Truncate != models.TruncateNone)
	o.positive("dimensions", req.Dimensions)
	if seconds, err := strconv.Atoi(c.keepAlive); err == nil {
		o.key("keep_alive")
		o.b = strconv.AppendInt(o.b, int64(seconds), 10)
	} else {
		o.given("keep_alive", c.keepAlive)
	}
	return post("/api/embed", o.done(models.Extra{}), reading(func(s *scanner, _ *response) error { return s.ollama(req, result) })), nil
}

// ollama takes {"embeddings": [[…]], "prompt_eval_count", "total_duration", "load_duration"}, the
// durations in nanoseconds.
func (s *scanner) ollama(req *models.EmbedRequest, result *embedded) error {
	v := newVectors(len(req.Inputs), req.Form)
	var total, load int
	err := s.object(func(key []byte) (err error) {
		switch string(key) {
		case "embeddings":
			err = s.rows(v)
		case "prompt_eval_count":
			result.Usage.PromptTokens, err = s.whole()
		case "total_duration":
			total, err = s.whole()
		case "load_duration":
			load, err = s.whole()
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	result.Usage.PromptTokens = believable(result.Usage.PromptTokens)
	result.Timing.Run = time.Duration(max(total-max(load, 0), 0))
	return v.finish(s, req, result)
}

func (ollama) fault(op operation, r *response) fault {
	p := readProblem(r)
	switch {
	case p.status == http.StatusNotFound && p.shape == shapeError:
		return p.noModel()
	case p.status == http.StatusBadRequest && p.has("context length"):
		return p.tooLong(op)
	case p.has("does not support embed"):
		return p.noTask()
	}
	return p.common()
}
