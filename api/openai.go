package api

import (
	"cmp"
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
	// form is how the answer writes vectors; extra is for upstreams of the request's dialect.
	form  models.VectorForm
	extra models.Extra
}

// formOf is how vectors are written in OpenAI's words.
func formOf(base64 bool) models.VectorForm {
	if base64 {
		return models.FormBase64
	}
	return models.FormNumbers
}

func (s *Server) openAIEmbeddings(ctx context.Context, x *call) error {
	return s.answerEmbeddings(ctx, x, "")
}

// answerEmbeddings answers with the model that the path names, or else that of the body.
func (s *Server) answerEmbeddings(ctx context.Context, x *call, pathModel string) error {
	data, err := x.read(ctx)
	if err != nil {
		return err
	}
	e := embedding{field: "input", normalize: true, extra: models.Extra{Dialect: models.DialectOpenAI}}
	if err := decodeRequest(data, &e.extra, s.openAIEmbeddingField(&e)); err != nil {
		return err
	}
	e.form, e.model = formOf(e.base64), cmp.Or(pathModel, e.model)
	name, result, err := s.embed(ctx, x, &e)
	if err != nil {
		return err
	}
	x.answer(appendEmbeddings(x.buffer(), name, result, e.base64))
	result.Done()
	return nil
}

func (s *Server) openAIEmbeddingField(e *embedding) fieldReader {
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
		Form:       e.form,
		Caller:     x.caller(),
		Extra:      e.extra,
	})
	x.note(result.Usage, result.Timing) // as far as a failure knows them
	if err != nil {
		return "", none, err
	}
	if err := checkEmbeddings(result, e.form, len(e.inputs.items)); err != nil {
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
	b = slices.Grow(b, 256+64*count(result)+sizeOf(result, base64))
	b = append(b, `{"object":"list","model":`...)
	b = appendString(b, model)
	b = append(b, `,"data":[`...)
	for i := range count(result) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"embedding":`...)
		b = appendEmbedding(b, result, i, base64)
		b = append(b, '}')
	}
	b = append(b, `],"usage":`...)
	b = appendUsage(b, result.Usage)
	return append(b, '}')
}

// pathModel is the model that a path names, with its slashes raw or as %2F.
func (x *call) pathModel() string {
	name := strings.Clone(x.http.Params("*"))
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
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
	Labels     []string         `json:"labels,omitempty"`
	MultiLabel bool             `json:"multi_label,omitempty"`
	Variant    string           `json:"variant,omitempty"`
	Backend    string           `json:"backend,omitempty"`
	State      models.State     `json:"state"`
	Container  *containerObject `json:"container,omitempty"`
}

func describeModel(e models.Entry) modelObject {
	info, status := e.Model.Info(), e.Model.Status()
	m := modelObject{
		ID: e.Name, Object: "model", OwnedBy: "quadrate", Aliases: e.Aliases, Tasks: e.Tasks,
		Dimensions: info.Dimensions, MaxLength: info.MaxLength, ScoreKind: info.ScoreKind, Prompts: info.Prompts, Labels: info.Labels, MultiLabel: info.MultiLabel,
		Variant: info.Variant, Backend: info.Backend, State: status.State, Container: describeContainer(status.Container),
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
	for _, e := range s.options.Catalog.Listed() {
		if x.mayUse(e) {
			list = append(list, describeModel(e))
		}
	}
	x.send(200, marshal(struct {
		Object string        `json:"object"`
		Data   []modelObject `json:"data"`
	}{"list", list}))
	return nil
}

func (s *Server) oneModel(x *call) error {
	id := x.pathModel()
	if id == "" {
		return s.listModels(x)
	}
	entry, err := x.find(id, "")
	if err != nil {
		return err
	}
	x.event.Model = entry.Name
	x.send(200, marshal(describeModel(entry)))
	return nil
}
