package upstreamtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// vllm plays a vLLM pooling server: one model, and routes only for what it can.
type vllm struct{ f *Fake }

func (v *vllm) routes() map[string]route {
	routes := map[string]route{
		"GET /health":      {do: v.health, has: hasHealth},
		"GET /ping":        {do: v.health, has: hasHealth},
		"POST /ping":       {do: v.health, has: hasHealth},
		"GET /version":     {do: v.version},
		"GET /metrics":     {do: v.metrics},
		"GET /v1/models":   {do: v.models},
		"POST /tokenize":   {do: v.tokenize},
		"POST /detokenize": {do: v.detokenize},
		"POST /pooling":    {do: v.pooling, has: hasRows | hasIndex | hasVector},
	}
	task := v.model().Task
	if task == Embed {
		routes["POST /v1/embeddings"] = route{do: v.embed, has: hasRows | hasIndex | hasVector}
		routes["POST /v2/embed"] = route{do: v.cohereEmbed, has: hasRows | hasVector}
	}
	if task == Classify {
		routes["POST /classify"] = route{do: v.classify, has: hasRows | hasIndex}
		return routes
	}
	for _, path := range []string{"/score", "/v1/score"} {
		routes["POST "+path] = route{do: v.score, has: hasRows | hasIndex}
	}
	for _, path := range []string{"/rerank", "/v1/rerank", "/v2/rerank"} {
		routes["POST "+path] = route{do: v.rerank, has: hasRows | hasIndex}
	}
	return routes
}

func (v *vllm) model() Model { return v.f.options.Models[0] }

// open: the key guards the versioned routes only.
func (v *vllm) open(path string) bool {
	return !strings.HasPrefix(path, "/v1") && !strings.HasPrefix(path, "/v2")
}

func (v *vllm) decorate(h http.Header) { h.Set("Server", "uvicorn") }

func (v *vllm) missing(methods []string) answer { return fastAPIMissing(methods) }

// fastAPIMissing is what FastAPI says where no route is.
func fastAPIMissing(methods []string) answer {
	if len(methods) == 0 {
		return jsonf(http.StatusNotFound, `{"detail":"Not Found"}`)
	}
	return jsonf(http.StatusMethodNotAllowed, `{"detail":"Method Not Allowed"}`).with("Allow", strings.Join(methods, ", "))
}

func (v *vllm) oversized() answer {
	return jsonf(http.StatusRequestEntityTooLarge, `{"detail":"Request body too large"}`)
}

func (v *vllm) fault(x *exchange, name FaultName) (answer, bool) {
	switch name {
	case EngineDead:
		if x.r != nil && x.r.Method == http.MethodGet {
			return answered(http.StatusServiceUnavailable, "", nil), true
		}
		return v.refuse(http.StatusInternalServerError, "InternalServerError", "", "EngineCore encountered an issue. See stack trace (above) for the root cause."), true
	case Overloaded:
		return v.refuse(http.StatusServiceUnavailable, "ServiceUnavailableError", "", "The server is overloaded. Please try again later."), true
	case UnknownModel:
		return v.unknown("missing"), true
	case NoRoute:
		return v.missing(nil), true
	case BadKey:
		return jsonf(http.StatusUnauthorized, `{"error":"Unauthorized"}`), true
	case TooLong:
		return v.tooLong(2 * v.model().MaxLength), true
	default:
		return answer{}, false
	}
}

// refuse answers with an error; older servers have it flat. An empty param is null.
func (v *vllm) refuse(status int, kind, param, message string) answer {
	place := "null"
	if param != "" {
		place = quote(param)
	}
	if v.f.options.FlatErrors {
		return jsonf(status, `{"object":"error","message":%s,"type":%q,"param":null,"code":%d}`, quote(message), kind, status)
	}
	return jsonf(status, `{"error":{"message":%s,"type":%q,"param":%s,"code":%d}}`, quote(message), kind, place, status)
}

func (v *vllm) bad(param, format string, args ...any) *answer {
	a := v.refuse(http.StatusBadRequest, "BadRequestError", param, fmt.Sprintf(format, args...))
	return &a
}

func (v *vllm) unknown(name string) answer {
	return v.refuse(http.StatusNotFound, "NotFoundError", "model", fmt.Sprintf("The model `%s` does not exist.", name))
}

func (v *vllm) tooLong(given int) answer {
	limit := v.model().MaxLength
	if v.f.options.FlatErrors {
		return *v.bad("", "This model's maximum context length is %d tokens. However, you requested %d tokens in the input for embedding generation. Please reduce the length of the input.", limit, given)
	}
	// The tokenizer stops one token behind the limit.
	return *v.bad("input_tokens", "This model's maximum context length is %d tokens. However, you requested 0 output tokens and your prompt contains at least %d input tokens, for a total of at least %d tokens. Please reduce the length of the input prompt or the number of requested output tokens. (parameter=input_tokens, value=%d)", limit, limit+1, limit+1, limit+1)
}

func (v *vllm) health(*exchange) answer  { return answered(http.StatusOK, "", nil) }
func (v *vllm) version(*exchange) answer { return jsonf(http.StatusOK, `{"version":"0.19.0"}`) }
func (v *vllm) metrics(*exchange) answer {
	return textf(http.StatusOK, "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running %d\n", v.f.Stats().InFlight)
}

func (v *vllm) models(*exchange) answer {
	m := v.model()
	name := quote(m.Name)
	return jsonf(http.StatusOK, `{"object":"list","data":[{"id":%s,"object":"model","created":1785578400,"owned_by":"vllm","root":%s,"parent":null,"max_model_len":%d,"permission":[{"id":"modelperm-%016x","object":"model_permission","created":1785578400,"allow_create_engine":false,"allow_sampling":true,"allow_logprobs":true,"allow_search_indices":false,"allow_view":true,"allow_fine_tuning":false,"organization":"*","group":null,"is_blocking":false}]}]}`, name, name, m.MaxLength, 1)
}

// vllmBody is a body with the fields that all routes share.
type vllmBody struct {
	*pydantic
	// truncate is truncate_prompt_tokens, nil: none.
	truncate *int
	left     bool
	specials bool
	raw      bool
}

func (v *vllm) body(x *exchange) vllmBody {
	b := vllmBody{pydantic: readPydantic(x, "body"), specials: true}
	b.text("model", false)
	if _, is := b.given("truncate_prompt_tokens"); is {
		n := b.integer("truncate_prompt_tokens", -1)
		b.truncate = &n
	}
	b.left = b.choice("truncation_side", "right", "left") == "left"
	b.specials = b.boolean("add_special_tokens", true)
	b.raw = !b.boolean("use_activation", true)
	return b
}

// checked says what is wrong with a body, if anything is.
func (v *vllm) checked(b vllmBody) *answer {
	if len(b.x.body) > 0 && !b.x.isJSON() {
		a := v.refuse(http.StatusBadRequest, "Bad Request", "", "Unsupported Media Type: Only 'application/json' is allowed")
		return &a
	}
	if len(b.problems) > 0 {
		a := v.refuse(http.StatusBadRequest, "Bad Request", b.place(), b.python())
		return &a
	}
	if _, is := b.fields["normalize"]; is {
		return v.bad("normalize", "Parameter `normalize` was removed; use `use_activation` instead.")
	}
	if name, _ := as[string](b.fields["model"].raw); name != "" && name != v.model().Name {
		a := v.unknown(name)
		return &a
	}
	if limit := v.model().MaxLength; b.truncate != nil && *b.truncate > limit {
		return v.bad("truncate_prompt_tokens", "truncate_prompt_tokens value (%d) is greater than max_model_len (%d). Please request a smaller truncation size.", *b.truncate, limit)
	}
	return nil
}

// encode gives the ids of an input, cut if the body says so.
func (v *vllm) encode(b vllmBody, in input) ([]int, *answer) {
	m, list := v.model(), in.ids
	if !in.isIDs {
		tokens := v.f.words.split(in.text)
		if b.specials {
			tokens = surround(tokens)
		}
		list = ids(tokens)
	}
	if at := slices.IndexFunc(list, func(id int) bool { return id >= vocabulary }); at >= 0 {
		return nil, v.bad("input_tokens", "Token id %d is out of vocabulary", list[at])
	}
	limit := m.MaxLength
	if b.truncate != nil {
		if *b.truncate >= 0 {
			limit = *b.truncate
		}
		return cut(list, limit, b.left), nil
	}
	if len(list) > limit {
		a := v.tooLong(len(list))
		return nil, &a
	}
	return list, nil
}

// fit cuts a pair, or says that it is too long. perDoc and perQuery bound its sides; 0: not.
func (v *vllm) fit(b vllmBody, p pair, perQuery, perDoc int) (pair, *answer) {
	if perQuery > 0 {
		p.query = cut(p.query, perQuery, false)
	}
	if perDoc > 0 {
		p.document = cut(p.document, perDoc, false)
	}
	p.left, p.raw = b.left, b.raw
	m := v.model()
	if b.truncate != nil {
		if *b.truncate >= 0 {
			m.MaxLength = *b.truncate
		}
		return p.fit(m), nil
	}
	if p.length() > m.MaxLength {
		a := v.tooLong(p.length())
		return p, &a
	}
	return p, nil
}

// parseInputs reads a text, texts, ids, or lists of ids.
func parseInputs(raw json.RawMessage) ([]input, bool) {
	if one, is := parseInput(raw, 1<<31); is && (!one.isIDs || len(one.ids) > 0) {
		return []input{one}, true
	}
	list, is := items(raw)
	var inputs []input
	for _, item := range list {
		one, good := parseInput(item, 1<<31)
		is = is && good && (len(inputs) == 0 || one.isIDs == inputs[0].isIDs)
		inputs = append(inputs, one)
	}
	return inputs, is
}

// inputs reads the field of that name.
func (v *vllm) inputs(b vllmBody, name string) []input {
	raw, is := b.need(name)
	if !is {
		return nil
	}
	inputs, is := parseInputs(raw)
	if !is {
		b.add("string_type", b.at(name, "str"), "Input should be a valid string", compact(raw), "")
	}
	return inputs
}

// encodeAll gives the ids of all inputs and their number.
func (v *vllm) encodeAll(b vllmBody, inputs []input) (all [][]int, tokens int, bad *answer) {
	if bad = v.checked(b); bad != nil {
		return nil, 0, bad
	}
	if len(inputs) == 0 {
		return nil, 0, v.bad("", "Please provide at least one prompt")
	}
	for _, in := range inputs {
		list, bad := v.encode(b, in)
		if bad != nil {
			return nil, 0, bad
		}
		tokens += len(list)
		all = append(all, list)
	}
	return all, tokens, b.x.work(len(all))
}
