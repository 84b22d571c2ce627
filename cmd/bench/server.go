package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/internal/workload"
)

// server is what a server says of itself; whatever it does not say is empty.
type server struct {
	client  *client
	URL     string
	Version string
	Runtime string
	Machine *machine.Info
	models  []model
}

type model struct {
	name       string
	aliases    []string
	tasks      []workload.Task // empty: not said
	maxLength  int
	variant    string
	provider   string
	state      string
	dimensions int
}

// can is true also where the server does not say.
func (m model) can(t workload.Task) bool { return len(m.tasks) == 0 || slices.Contains(m.tasks, t) }

// task is the model's first; a server that says none is taken by the model's name.
func (m model) task() workload.Task {
	switch {
	case len(m.tasks) > 0:
		return m.tasks[0]
	case strings.Contains(strings.ToLower(m.name), "rerank"):
		return workload.Rerank
	}
	return workload.Embed
}

func (m model) named(name string) bool {
	return m.name == name || slices.Contains(m.aliases, name)
}

func (m model) serves() bool { return m.state == "" || m.state == "ready" }

// discover asks what there is. Only a server that cannot be reached is an error: the routes
// are not every server's.
func discover(ctx context.Context, c *client) (*server, error) {
	s := &server{client: c, URL: c.url}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var health struct {
		Version string        `json:"version"`
		Runtime string        `json:"runtime"`
		Machine *machine.Info `json:"machine"`
		Models  []struct{ Name, Provider, Variant string }
	}
	if err := c.get(ctx, "/health", &health); err != nil {
		return nil, err
	}
	s.Version, s.Runtime, s.Machine = health.Version, health.Runtime, health.Machine
	if err := s.list(ctx); err != nil {
		return nil, err
	}
	if len(s.models) == 0 {
		if err := s.info(ctx); err != nil {
			return nil, err
		}
	}
	for i := range s.models {
		for _, h := range health.Models {
			if s.models[i].name == h.Name {
				s.models[i].provider, s.models[i].variant = h.Provider, h.Variant
			}
		}
	}
	return s, nil
}

// list reads GET /v1/models.
func (s *server) list(ctx context.Context) error {
	var listed struct {
		Data []struct {
			ID         string
			Aliases    []string
			Task       workload.Task
			Tasks      []workload.Task
			Dimensions int
			MaxLength  int `json:"max_length"`
			MaxLen     int `json:"max_model_len"` // vLLM's name
			Variant    string
			State      string
		}
	}
	if err := s.client.get(ctx, "/v1/models", &listed); err != nil {
		return err
	}
	for _, d := range listed.Data {
		m := model{
			name: d.ID, aliases: d.Aliases, dimensions: d.Dimensions,
			maxLength: max(d.MaxLength, d.MaxLen), variant: d.Variant, state: d.State,
		}
		for _, t := range append([]workload.Task{d.Task}, d.Tasks...) {
			if (t == workload.Embed || t == workload.Rerank) && !slices.Contains(m.tasks, t) {
				m.tasks = append(m.tasks, t)
			}
		}
		s.models = append(s.models, m)
	}
	return nil
}

// info reads TEI's GET /info.
func (s *server) info(ctx context.Context) error {
	var info struct {
		ID        string                     `json:"model_id"`
		DType     string                     `json:"model_dtype"`
		MaxLength int                        `json:"max_input_length"`
		Type      map[string]json.RawMessage `json:"model_type"`
		Version   string
	}
	if err := s.client.get(ctx, "/info", &info); err != nil || info.ID == "" {
		return err
	}
	m := model{name: info.ID, maxLength: info.MaxLength, variant: info.DType}
	if _, is := info.Type["embedding"]; is {
		m.tasks = []workload.Task{workload.Embed}
	} else if _, is := info.Type["reranker"]; is {
		m.tasks = []workload.Task{workload.Rerank}
	}
	s.models = []model{m}
	if s.Version == "" {
		s.Version = info.Version
	}
	return nil
}

// get leaves out empty where the route does not exist or answers with something else.
func (c *client) get(ctx context.Context, path string, out any) error {
	status, _, body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: -key-file gives the key", statusError(http.MethodGet, path, status, body))
	case http.StatusOK:
		if json.Valid(body) {
			_ = json.Unmarshal(body, out) // a field of another type is as good as absent
		}
	}
	return nil
}

// find returns the model of that name. An empty name is the server's default: the model with
// that alias, else the first that serves. A server that lists nothing is taken at the
// caller's word.
func (s *server) find(name string) (model, error) {
	if len(s.models) == 0 {
		return model{name: name}, nil
	}
	if name == "" {
		for _, m := range s.models {
			if m.named("default") {
				return m, nil
			}
		}
		for _, m := range s.models {
			if m.serves() {
				return m, nil
			}
		}
		return model{}, fmt.Errorf("%s serves no model now", s.URL)
	}
	names := make([]string, len(s.models))
	for i, m := range s.models {
		if m.named(name) {
			return m, nil
		}
		names[i] = m.name
	}
	return model{}, fmt.Errorf("%s has no model %q: it lists %s", s.URL, name, strings.Join(names, ", "))
}

// match finds on this server what is m on another: by name, by alias, or as the only model
// there is.
func (s *server) match(m model) (model, error) {
	for _, name := range append([]string{m.name}, m.aliases...) {
		if name == "default" {
			continue
		}
		if other, err := s.find(name); err == nil {
			return other, nil
		}
	}
	if len(s.models) == 1 {
		return s.models[0], nil
	}
	_, err := s.find(m.name)
	return model{}, errors.Join(err, errors.New("-vs-model gives the second server's name for it"))
}
