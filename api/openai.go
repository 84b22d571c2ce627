package api

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/quadrate-maas/quadrate/models"
)

// embedding is a decoded request for vectors, in any dialect.
type embedding struct {
	model string
	// field is what the dialect calls the inputs.
	field      string
	inputs     inputList
	dimensions int
	base64     bool
	prompt     string
	inputType  string
	normalize  bool
	truncation truncation
}

func (s *Server) openAIEmbeddings(ctx context.Context, x *call) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	e := embedding{field: "input", normalize: true}
	if err := decodeObject(data, s.openAIEmbeddingField(&e)); err != nil {
		return err
	}
	name, result, err := s.embed(ctx, x, &e)
	if err != nil {
		return err
	}
	x.answer(appendEmbeddings(x.buffer(), name, result, e.base64))
	return nil
}

func (s *Server) openAIEmbeddingField(e *embedding) func(r *jsonReader, name string) (bool, error) {
	return func(r *jsonReader, name string) (known bool, err error) {
		switch name {
		case "model":
			err = r.stringField(name, &e.model)
		case "input":
			e.inputs, err = r.inputsField(name, s.options.MaxInputs, false)
		case "encoding_format":
			err = r.encodingField(name, &e.base64)
		case "dimensions":
			err = r.wholeField(name, 1, &e.dimensions)
		case "prompt_name":
			err = r.stringField(name, &e.prompt)
		case "input_type":
			err = r.stringField(name, &e.inputType)
		case "normalize", "normalized":
			err = r.boolField(name, &e.normalize)
		case "truncate":
			err = r.truncateField(name, &e.truncation)
		default:
			return false, nil
		}
		return true, err
	}
}

func (r *jsonReader) encodingField(field string, base64 *bool) error {
	format := "float"
	if err := r.stringField(field, &format); err != nil {
		return err
	}
	if format != "float" && format != "base64" {
		return invalid(field, `%s must be "float" or "base64", not %q`, field, shorten(format))
	}
	*base64 = format == "base64"
	return nil
}

// embed checks a decoded request, calls its model, and returns the name to answer with.
func (s *Server) embed(ctx context.Context, x *call, e *embedding) (string, models.EmbedResult, error) {
	var none models.EmbedResult
	if err := e.inputs.check(e.field, s.options.MaxInputs); err != nil {
		return "", none, err
	}
	x.event.Items = e.inputs.given
	entry, err := x.admit(ctx, e.model, models.TaskEmbed, estimateInputs(e.inputs.items))
	if err != nil {
		return "", none, err
	}
	model, err := entry.Embedder()
	if err != nil {
		return "", none, err
	}
	if err := checkDimensions(e.dimensions, entry.Model.Info()); err != nil {
		return "", none, err
	}
	if err := s.resolveIDs(x, e); err != nil {
		return "", none, err
	}
	result, err := model.Embed(ctx, models.EmbedRequest{
		Inputs:     e.inputs.items,
		PromptName: e.prompt,
		InputType:  e.inputType,
		Dimensions: e.dimensions,
		Raw:        !e.normalize,
		Truncate:   e.truncation.mode(),
		Caller:     x.caller(),
	})
	x.event.Usage, x.event.Timing = result.Usage, result.Timing // as far as a failure knows them
	if err != nil {
		return "", none, err
	}
	if err := checkVectors(result.Vectors, len(e.inputs.items)); err != nil {
		return "", none, err
	}
	x.served(result.Usage, result.Timing)
	return nameOf(e.model, entry), result, nil
}

// nameOf is the name that the request used, or the default's.
func nameOf(asked string, entry models.Entry) string {
	if asked != "" {
		return asked
	}
	return entry.Name
}

func appendEmbeddings(b []byte, model string, result models.EmbedResult, base64 bool) []byte {
	numbers := 0
	for _, v := range result.Vectors {
		numbers += len(v)
	}
	perNumber := digitsPerNumber
	if base64 {
		perNumber = base64PerNumber
	}
	b = slices.Grow(b, 256+64*len(result.Vectors)+perNumber*numbers)
	b = append(b, `{"object":"list","model":`...)
	b = appendString(b, model)
	b = append(b, `,"data":[`...)
	for i, v := range result.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"embedding":`...)
		if base64 {
			b = appendBase64(b, v)
		} else {
			b = appendVector(b, v)
		}
		b = append(b, '}')
	}
	b = append(b, `],"usage":`...)
	b = appendUsage(b, result.Usage)
	return append(b, '}')
}

// modelObject is a model as OpenAI lists it, with what we add.
type modelObject struct {
	ID         string           `json:"id"`
	Object     string           `json:"object"`
	Created    int64            `json:"created"`
	OwnedBy    string           `json:"owned_by"`
	Aliases    []string         `json:"aliases,omitempty"`
	Task       models.Task      `json:"task,omitempty"`
	Tasks      []models.Task    `json:"tasks"`
	Dimensions int              `json:"dimensions,omitempty"`
	MaxLength  int              `json:"max_length,omitempty"`
	ScoreKind  models.ScoreKind `json:"score_kind,omitempty"`
	Prompts    []string         `json:"prompts,omitempty"`
	Variant    string           `json:"variant,omitempty"`
	Backend    string           `json:"backend,omitempty"`
	State      models.State     `json:"state"`
}

func describeModel(e models.Entry) modelObject {
	info := e.Model.Info()
	m := modelObject{
		ID: e.Name, Object: "model", OwnedBy: "quadrate", Aliases: e.Aliases, Tasks: e.Tasks,
		Dimensions: info.Dimensions, MaxLength: info.MaxLength, ScoreKind: info.ScoreKind, Prompts: info.Prompts,
		Variant: info.Variant, Backend: info.Backend, State: e.Model.Status().State,
	}
	if m.Tasks == nil {
		m.Tasks = []models.Task{}
	}
	if len(e.Tasks) > 0 {
		m.Task = e.Tasks[0]
	}
	if !info.Created.IsZero() {
		m.Created = info.Created.Unix()
	}
	return m
}

func (s *Server) listModels(x *call) error {
	list := []modelObject{}
	for _, e := range s.options.Catalog.Entries() {
		list = append(list, describeModel(e))
	}
	x.send(200, marshal(struct {
		Object string        `json:"object"`
		Data   []modelObject `json:"data"`
	}{"list", list}))
	return nil
}

// oneModel takes an id with its slashes raw or as %2F.
func (s *Server) oneModel(x *call) error {
	id := strings.Clone(x.http.Params("*"))
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	entry, err := s.options.Catalog.Lookup(id)
	if err != nil {
		return err
	}
	x.event.Model = entry.Name
	x.send(200, marshal(describeModel(entry)))
	return nil
}
