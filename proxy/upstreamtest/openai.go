package upstreamtest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// openai plays OpenAI's API for embeddings.
type openai struct{ f *Fake }

func (o *openai) routes() map[string]route {
	routes := map[string]route{
		"GET /v1/models":      {do: o.models, has: hasHealth},
		"POST /v1/embeddings": {do: o.embed, has: hasRows | hasIndex | hasVector},
	}
	for i, m := range o.f.options.Models {
		routes["GET /v1/models/"+m.Name] = route{do: func(*exchange) answer {
			return answered(http.StatusOK, jsonType, o.appendModel(nil, row{index: i, text: m.Name}))
		}}
	}
	return routes
}

func (o *openai) open(string) bool { return false }

func (o *openai) decorate(h http.Header) {
	h.Set("Openai-Processing-Ms", "12")
	h.Set("X-Request-Id", "req_0123456789abcdef")
	h.Set("X-Ratelimit-Limit-Requests", "3000")
	h.Set("X-Ratelimit-Remaining-Requests", "2999")
}

func (o *openai) missing(methods []string) answer {
	if len(methods) == 0 {
		return refuseOpenAI(http.StatusNotFound, "invalid_request_error", "", "", "Invalid URL")
	}
	return refuseOpenAI(http.StatusMethodNotAllowed, "invalid_request_error", "", "method_not_supported", "Not allowed on this route (allowed methods: "+strings.Join(methods, ", ")+")")
}

func (o *openai) oversized() answer {
	return refuseOpenAI(http.StatusRequestEntityTooLarge, "invalid_request_error", "", "", "Request too large")
}

func (o *openai) fault(x *exchange, name FaultName) (answer, bool) {
	m := o.f.options.Models[0]
	switch name {
	case EngineDead:
		return refuseOpenAI(http.StatusInternalServerError, "server_error", "", "", "The server had an error while processing your request. Sorry about that!"), true
	case Overloaded:
		return refuseOpenAI(http.StatusTooManyRequests, "requests", "", "rate_limit_exceeded", fmt.Sprintf("Rate limit reached for %s in organization org-fake on requests per min (RPM): Limit 3000, Used 3000, Requested 1. Please try again in 20ms.", m.Name)), true
	case UnknownModel:
		return o.unknown("missing"), true
	case NoRoute:
		return o.missing(nil), true
	case BadKey:
		return o.badKey(x), true
	case Forbidden:
		return refuseOpenAI(http.StatusForbidden, "invalid_request_error", "", "unsupported_country_region_territory", "Country, region, or territory not supported"), true
	case TooLong:
		return tooLongOpenAI(0, m.MaxLength), true
	case BatchTooLarge:
		limit := o.f.options.MaxItems
		return tooManyOpenAI(2*limit, limit), true
	default:
		return answer{}, false
	}
}

// refuseOpenAI answers with an error; an empty param or code is null.
func refuseOpenAI(status int, kind, param, code, message string) answer {
	orNull := func(s string) string {
		if s == "" {
			return "null"
		}
		return quote(s)
	}
	return jsonf(status, `{"error":{"message":%s,"type":%q,"param":%s,"code":%s}}`, quote(message), kind, orNull(param), orNull(code))
}

func badOpenAI(param, code, format string, args ...any) *answer {
	a := refuseOpenAI(http.StatusBadRequest, "invalid_request_error", param, code, fmt.Sprintf(format, args...))
	return &a
}

func (o *openai) badKey(x *exchange) answer {
	given := ""
	if x.r != nil {
		given = strings.TrimPrefix(x.r.Header.Get("Authorization"), "Bearer ")
	}
	if given == "" {
		return refuseOpenAI(http.StatusUnauthorized, "invalid_request_error", "", "", "You didn't provide an API key.")
	}
	return refuseOpenAI(http.StatusUnauthorized, "invalid_request_error", "", "invalid_api_key", fmt.Sprintf("Incorrect API key provided: %s.", given))
}

func (o *openai) unknown(name string) answer {
	return refuseOpenAI(http.StatusNotFound, "invalid_request_error", "", "model_not_found", fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", name))
}

func tooLongOpenAI(item, limit int) answer {
	return *badOpenAI("", "", "Invalid 'input[%d]': maximum input length is %d tokens.", item, limit)
}

func tooManyOpenAI(given, limit int) answer {
	return *badOpenAI("input", "array_above_max_length", "Invalid 'input': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", limit, given)
}

func (o *openai) appendModel(b []byte, r row) []byte {
	return fmt.Appendf(b, `{"id":%s,"object":"model","created":%d,"owned_by":"system"}`, quote(r.text), 1705948997+r.index)
}

func (o *openai) models(*exchange) answer {
	var names []string
	for _, m := range o.f.options.Models {
		names = append(names, m.Name)
	}
	body := list([]byte(`{"object":"list","data":`), rowsOf(names), o.appendModel)
	return answered(http.StatusOK, jsonType, append(body, '}'))
}

// read checks a body's form and fields.
func (o *openai) read(x *exchange) (object, *answer) {
	fields, err := parseObject(x.body, false)
	var wrong *bodyError
	if errors.As(err, &wrong) || !x.isJSON() {
		return fields, badOpenAI("", "", "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)")
	}
	known := []string{"model", "input", "encoding_format", "dimensions", "user"}
	for _, name := range fields.names {
		if !o.f.options.AnyField && !slices.Contains(known, name) {
			return fields, badOpenAI(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
		}
	}
	return fields, nil
}

// openAIRequest is one that has been checked.
type openAIRequest struct {
	model      Model
	all        [][]int
	tokens     int
	dimensions int
	base64     bool
}

func (o *openai) check(fields object) (r openAIRequest, bad *answer) {
	name, is := as[string](fields.fields["model"].raw)
	if !is {
		return r, badOpenAI("", "", "you must provide a model parameter")
	}
	if r.model, is = o.f.model(name, Embed); !is || name == "" {
		a := o.unknown(name)
		return r, &a
	}
	if r.model.Task != Embed {
		return r, badOpenAI("model", "", "You are not allowed to generate embeddings from this model")
	}
	if f, is := fields.given("encoding_format"); is {
		format, _ := as[string](f.raw)
		if format != "float" && format != "base64" {
			return r, badOpenAI("encoding_format", "invalid_value", "Invalid value: '%s'. Supported values are: 'float' and 'base64'.", format)
		}
		r.base64 = format == "base64"
	}
	if r.dimensions, bad = o.dimensions(fields, r.model); bad != nil {
		return r, bad
	}
	return r, o.inputs(fields, &r)
}

func (o *openai) dimensions(fields object, m Model) (int, *answer) {
	f, is := fields.given("dimensions")
	if !is {
		return 0, nil
	}
	n, is := as[int](f.raw)
	switch {
	case !is:
		return 0, badOpenAI("dimensions", "invalid_type", "Invalid type for 'dimensions': expected an integer.")
	case m.Fixed:
		return 0, badOpenAI("", "", "This model does not support specifying dimensions.")
	case n < 1:
		return 0, badOpenAI("dimensions", "integer_below_min_value", "Invalid 'dimensions': integer below minimum value. Expected a value >= 1, but got %d instead.", n)
	case n > m.Dimensions:
		return 0, badOpenAI("dimensions", "", "Invalid value for 'dimensions' = %d. Must be less than or equal to %d.", n, m.Dimensions)
	}
	return n, nil
}

// inputs reads texts or ids; OpenAI counts no special tokens.
func (o *openai) inputs(fields object, r *openAIRequest) *answer {
	invalid := func() *answer { return badOpenAI("", "", "'$.input' is invalid. Please check the API reference.") }
	inputs, is := parseInputs(fields.fields["input"].raw)
	if !is || len(inputs) == 0 {
		return invalid()
	}
	if limit := o.f.options.MaxItems; len(inputs) > limit {
		a := tooManyOpenAI(len(inputs), limit)
		return &a
	}
	for i, in := range inputs {
		if in.empty() {
			return invalid()
		}
		list := in.ids
		if !in.isIDs {
			list = ids(o.f.words.split(in.text))
		}
		if len(list) > r.model.MaxLength {
			a := tooLongOpenAI(i, r.model.MaxLength)
			return &a
		}
		r.tokens += len(list)
		r.all = append(r.all, list)
	}
	return nil
}

func (o *openai) embed(x *exchange) answer {
	fields, bad := o.read(x)
	if bad != nil {
		return *bad
	}
	r, bad := o.check(fields)
	if bad != nil {
		return *bad
	}
	if not := x.work(len(r.all)); not != nil {
		return *not
	}
	rows := make([]row, len(r.all))
	for i, ids := range r.all {
		rows[i] = row{index: i, vector: o.f.embed(r.model, ids, r.dimensions, true)}
	}
	one := narrow.appendVector
	if r.base64 {
		one = appendBase64
	}
	body := list([]byte(`{"object":"list","data":`), x.rows(rows), func(b []byte, r row) []byte {
		b = fmt.Appendf(b, `{"object":"embedding","index":%d,"embedding":`, r.index)
		return append(one(b, r), '}')
	})
	body = fmt.Appendf(body, `,"model":%s,"usage":{"prompt_tokens":%d,"total_tokens":%d}}`, quote(r.model.Name), r.tokens, r.tokens)
	return answered(http.StatusOK, jsonType, body)
}
