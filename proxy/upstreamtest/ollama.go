package upstreamtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// ollama plays Ollama: many models, vectors only.
type ollama struct{ f *Fake }

func (o *ollama) routes() map[string]route {
	root := func(*exchange) answer { return textf(http.StatusOK, "Ollama is running") }
	return map[string]route{
		"GET /":                {do: root, has: hasHealth},
		"HEAD /":               {do: root, has: hasHealth},
		"GET /api/version":     {do: o.version, has: hasHealth},
		"GET /api/tags":        {do: o.tags},
		"GET /api/ps":          {do: o.running},
		"GET /v1/models":       {do: o.models},
		"POST /api/embed":      {do: o.embed, has: hasRows | hasVector},
		"POST /api/embeddings": {do: o.embedOne, has: hasRows | hasVector},
		"POST /v1/embeddings":  {do: o.openAI, has: hasRows | hasIndex | hasVector},
	}
}

// open: Ollama knows no keys, but may stand behind something that does.
func (o *ollama) open(string) bool { return false }

func (o *ollama) decorate(http.Header) {}

func (o *ollama) missing(methods []string) answer {
	if len(methods) == 0 {
		return answered(http.StatusNotFound, "text/plain", []byte("404 page not found"))
	}
	return answered(http.StatusMethodNotAllowed, "text/plain", []byte("405 method not allowed"))
}

func (o *ollama) oversized() answer {
	return jsonf(http.StatusRequestEntityTooLarge, `{"error":"http: request body too large"}`)
}

func (o *ollama) fault(x *exchange, name FaultName) (answer, bool) {
	switch name {
	case EngineDead:
		return o.refuse(x, http.StatusInternalServerError, "do embedding request: Post \"http://127.0.0.1:40000/embedding\": EOF"), true
	case Overloaded:
		return o.refuse(x, http.StatusServiceUnavailable, "server busy, please try again.  maximum pending requests exceeded"), true
	case UnknownModel:
		return o.unknown(x, "missing"), true
	case NoRoute:
		return o.missing(nil), true
	case BadKey:
		return o.refuse(x, http.StatusUnauthorized, "unauthorized"), true
	case TooLong:
		return o.refuse(x, http.StatusBadRequest, "the input length exceeds the context length"), true
	default:
		return answer{}, false
	}
}

// refuse answers with an error, in OpenAI's shape on OpenAI's routes.
func (o *ollama) refuse(x *exchange, status int, message string) answer {
	if !strings.HasPrefix(x.path, "/v1/") {
		return answered(status, "application/json; charset=utf-8", fmt.Appendf(nil, `{"error":%s}`, quote(message)))
	}
	kind := "api_error"
	switch status {
	case http.StatusBadRequest:
		kind = "invalid_request_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	}
	return jsonf(status, `{"error":{"message":%s,"type":%q,"param":null,"code":null}}`+"\n", quote(message), kind)
}

func (o *ollama) unknown(x *exchange, name string) answer {
	if x.path == "/api/embeddings" {
		return o.refuse(x, http.StatusNotFound, fmt.Sprintf("model '%s' not found", name))
	}
	return o.refuse(x, http.StatusNotFound, fmt.Sprintf("model \"%s\" not found, try pulling it first", name))
}

// model finds a model by its name, whose tag is :latest unless it is said.
func (o *ollama) model(name string) (Model, bool) {
	for _, m := range o.f.options.Models {
		if tagged(m.Name) == tagged(name) && m.Task == Embed {
			return m, true
		}
	}
	return Model{}, false
}

func tagged(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return name + ":latest"
}

func (o *ollama) version(*exchange) answer {
	return jsonf(http.StatusOK, `{"version":"0.17.4"}`).with("Content-Type", "application/json; charset=utf-8")
}

func (o *ollama) tags(*exchange) answer {
	body := []byte(`{"models":[`)
	for i, m := range o.f.options.Models {
		if i > 0 {
			body = append(body, ',')
		}
		name := quote(tagged(m.Name))
		body = fmt.Appendf(body, `{"name":%s,"model":%s,"modified_at":"2026-08-01T10:00:00.000000000Z","size":45960996,"digest":"%064x","details":{"parent_model":"","format":"gguf","family":"bert","families":["bert"],"parameter_size":"23M","quantization_level":"F16"}}`, name, name, i+1)
	}
	return answered(http.StatusOK, "application/json; charset=utf-8", append(body, "]}"...))
}

func (o *ollama) running(*exchange) answer {
	m := o.f.options.Models[0]
	name := quote(tagged(m.Name))
	return answered(http.StatusOK, "application/json; charset=utf-8", fmt.Appendf(nil, `{"models":[{"name":%s,"model":%s,"size":45960996,"digest":"%064x","details":{"parent_model":"","format":"gguf","family":"bert","families":["bert"],"parameter_size":"23M","quantization_level":"F16"},"expires_at":"2026-08-01T10:05:00Z","size_vram":45960996,"context_length":%d}]}`, name, name, 1, m.MaxLength))
}

func (o *ollama) models(*exchange) answer {
	body := []byte(`{"object":"list","data":[`)
	for i, m := range o.f.options.Models {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"id":%s,"object":"model","created":1785578400,"owned_by":"library"}`, quote(tagged(m.Name)))
	}
	return answered(http.StatusOK, jsonType, append(body, "]}\n"...))
}

// ollamaEmbed is the body of /api/embed.
type ollamaEmbed struct {
	Model      string         `json:"model"`
	Input      any            `json:"input"`
	Truncate   *bool          `json:"truncate,omitempty"`
	Dimensions int            `json:"dimensions,omitempty"`
	KeepAlive  any            `json:"keep_alive,omitempty"`
	Options    map[string]any `json:"options"`
}

// read reads a body as gin does, whatever its content type.
func (o *ollama) read(x *exchange, into any) *answer {
	err := json.NewDecoder(bytes.NewReader(x.body)).Decode(into)
	if err == nil {
		return nil
	}
	message := err.Error()
	if errors.Is(err, io.EOF) {
		message = "missing request body"
		if strings.HasPrefix(x.path, "/v1/") {
			message = "EOF"
		}
	}
	a := o.refuse(x, http.StatusBadRequest, message)
	return &a
}

func (o *ollama) embed(x *exchange) answer {
	var req ollamaEmbed
	if bad := o.read(x, &req); bad != nil {
		return *bad
	}
	rows, tokens, bad := o.vectors(x, req)
	if bad != nil {
		return *bad
	}
	body := fmt.Appendf(nil, `{"model":%s,"embeddings":`, quote(req.Model))
	body = list(body, x.rows(rows), narrow.appendVector)
	body = fmt.Appendf(body, `,"total_duration":%d,"load_duration":1006083`, 14143917+o.f.options.Delay.Nanoseconds())
	if tokens > 0 {
		body = fmt.Appendf(body, `,"prompt_eval_count":%d`, tokens)
	}
	return answered(http.StatusOK, "application/json; charset=utf-8", append(body, '}'))
}

// vectors checks a request and embeds.
func (o *ollama) vectors(x *exchange, req ollamaEmbed) (rows []row, tokens int, bad *answer) {
	refuse := func(status int, message string) ([]row, int, *answer) {
		a := o.refuse(x, status, message)
		return nil, 0, &a
	}
	texts, is := ollamaInputs(req.Input)
	if !is {
		return refuse(http.StatusBadRequest, "invalid input type")
	}
	if !goodKeepAlive(req.KeepAlive) {
		return refuse(http.StatusBadRequest, fmt.Sprintf("time: invalid duration %q", req.KeepAlive))
	}
	m, is := o.model(req.Model)
	if !is {
		a := o.unknown(x, req.Model)
		return nil, 0, &a
	}
	if not := x.work(1); not != nil {
		return nil, 0, not
	}
	for i, text := range texts {
		ids := ids(o.f.words.encode(text))
		if len(ids) > m.MaxLength && req.Truncate != nil && !*req.Truncate {
			return refuse(http.StatusBadRequest, "the input length exceeds the context length")
		}
		ids = cut(ids, m.MaxLength, false)
		tokens += len(ids)
		rows = append(rows, row{index: i, vector: o.f.embed(m, ids, req.Dimensions, true)})
	}
	return rows, tokens, nil
}

// ollamaInputs reads a text or a list of texts; none is an empty list.
func ollamaInputs(v any) (texts []string, is bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		if v == "" {
			return nil, true
		}
		return []string{v}, true
	case []any:
		for _, item := range v {
			text, is := item.(string)
			if !is {
				return nil, false
			}
			texts = append(texts, text)
		}
		return texts, true
	default:
		return nil, false
	}
}

// goodKeepAlive reports whether a keep_alive is seconds or a duration.
func goodKeepAlive(v any) bool {
	switch v := v.(type) {
	case nil, float64:
		return true
	case string:
		_, err := time.ParseDuration(v)
		return err == nil
	default:
		return false
	}
}

// embedOne is the older route: one text, a vector that is not normalised.
func (o *ollama) embedOne(x *exchange) answer {
	var req struct {
		Model  string `json:"model"`
		Prompt string `json:"prompt"`
	}
	if bad := o.read(x, &req); bad != nil {
		return *bad
	}
	m, is := o.model(req.Model)
	if !is {
		return o.unknown(x, req.Model)
	}
	if not := x.work(1); not != nil {
		return *not
	}
	one := row{}
	if req.Prompt != "" {
		one.vector = o.f.embed(m, cut(ids(o.f.words.encode(req.Prompt)), m.MaxLength, false), 0, false)
	}
	rows := x.rows([]row{one})
	body := []byte(`{"embedding":`)
	if len(rows) > 0 {
		body = wide.appendVector(body, rows[0])
	} else {
		body = append(body, "null"...)
	}
	return answered(http.StatusOK, "application/json; charset=utf-8", append(body, '}'))
}

// openAI is /api/embed in OpenAI's clothes: it cannot be told to truncate or to keep the model.
func (o *ollama) openAI(x *exchange) answer {
	var req struct {
		Input          any    `json:"input"`
		Model          string `json:"model"`
		Dimensions     int    `json:"dimensions,omitempty"`
		EncodingFormat string `json:"encoding_format,omitempty"`
	}
	if bad := o.read(x, &req); bad != nil {
		return *bad
	}
	one := narrow.appendVector
	switch strings.ToLower(req.EncodingFormat) {
	case "", "float":
	case "base64":
		one = appendBase64
	default:
		return o.refuse(x, http.StatusBadRequest, fmt.Sprintf("Invalid value for 'encoding_format' = %s. Supported values: ['float', 'base64'].", req.EncodingFormat))
	}
	list0, isList := req.Input.([]any)
	if req.Input == nil || isList && len(list0) == 0 {
		return o.refuse(x, http.StatusBadRequest, "invalid input")
	}
	if req.Input == "" {
		req.Input = []any{""}
	}
	rows, tokens, bad := o.vectors(x, ollamaEmbed{Model: req.Model, Input: req.Input, Dimensions: req.Dimensions})
	if bad != nil {
		return *bad
	}
	body := list([]byte(`{"object":"list","data":`), x.rows(rows), func(b []byte, r row) []byte {
		b = append(b, `{"object":"embedding","embedding":`...)
		return fmt.Appendf(one(b, r), `,"index":%d}`, r.index)
	})
	body = fmt.Appendf(body, `,"model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d}}`+"\n", quote(req.Model), tokens, tokens)
	return answered(http.StatusOK, jsonType, body)
}
