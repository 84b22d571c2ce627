package proxy

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/quadrate-maas/quadrate/models"
)

// What each server can do; the rest is refused by the model.
var (
	_ embedding = tei{}
	_ embedding = ollama{}
	_ embedding = vllm{}
	_ embedding = infinity{}
	_ embedding = openai{}
	_ embedding = cohere{}
	_ embedding = jina{}
	_ embedding = quadrate{}

	_ tokenStates = tei{}
	_ tokenStates = vllm{}
	_ tokenStates = quadrate{}

	_ reranking = tei{}
	_ reranking = vllm{}
	_ reranking = infinity{}
	_ reranking = cohere{}
	_ reranking = jina{}
	_ reranking = quadrate{}

	_ classifying = tei{}
	_ classifying = vllm{}
	_ classifying = infinity{}
	_ classifying = quadrate{}

	_ tokenizing = tei{}
	_ tokenizing = quadrate{}
)

// newDialect returns how a kind of server is spoken to.
func newDialect(t Type) (dialect, error) {
	switch t {
	case TypeTEI:
		return tei{}, nil
	case TypeOllama:
		return ollama{}, nil
	case TypeVLLM:
		return vllm{}, nil
	case TypeInfinity:
		return infinity{}, nil
	case TypeOpenAI:
		return openai{}, nil
	case TypeCohere:
		return cohere{}, nil
	case TypeJina:
		return jina{}, nil
	case TypeQuadrate:
		return quadrate{}, nil
	}
	return nil, fmt.Errorf("no kind of server is called %q", t)
}

// bearer is the way that all of them take a key.
type bearer struct{}

func (bearer) authorize(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) }

// get asks for something that any 2xx answer gives.
func get(path string) *request {
	return &request{op: opProbe, method: http.MethodGet, path: path, read: func(*response) error { return nil }}
}

func post(path string, body []byte, read func(*response) error) *request {
	return &request{path: path, body: body, read: read}
}

func wrongJSON(err error) error { return fmt.Errorf("the answer is not the JSON that is due: %w", err) }

// inputsSize is about what inputs take as JSON.
func inputsSize(inputs []models.Input) int {
	n := 0
	for _, in := range inputs {
		n += len(in.Text) + len(in.Text)/16 + 6*len(in.IDs) + 3
	}
	return n
}

func textsSize(texts []string) int {
	n := 0
	for _, text := range texts {
		n += len(text) + len(text)/16 + 3
	}
	return n
}

// allStates takes a list of lists of states.
func (s *scanner) allStates(inputs int, result *models.TokensResult) error {
	width := 0
	err := s.list(func(int) error {
		states, err := s.states(&width)
		result.States = append(result.States, states)
		return err
	})
	if err == nil && len(result.States) != inputs {
		err = fmt.Errorf("the answer has the states of %d inputs, of %d", len(result.States), inputs)
	}
	return err
}

// encoding says how to ask for vectors: base64 is the shorter, and faster to read, unless the
// caller will write numbers.
func encoding(form models.VectorForm) string {
	if form == models.FormNumbers {
		return "float"
	}
	return "base64"
}

// spaced puts a space in the place of each empty text, for servers that refuse a whole request
// for one; no model tells them apart.
func spaced(inputs []models.Input) []models.Input {
	for i, in := range inputs {
		if in.Text == "" && in.IDs == nil {
			own := slices.Clone(inputs)
			for j := i; j < len(own); j++ {
				if own[j].Text == "" && own[j].IDs == nil {
					own[j].Text = " "
				}
			}
			return own
		}
	}
	return inputs
}
