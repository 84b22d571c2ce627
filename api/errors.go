package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/quadrate-maas/quadrate/models"
)

// row is how one kind of failure looks on the wire.
type row struct {
	status int
	// typ and code are the fields of OpenAI's error object.
	typ, code string
	// teiStatus and teiType are TEI's status and error_type.
	teiStatus int
	teiType   string
	// text is the message where the failure brings none.
	text string
	// retry is the Retry-After where the failure knows none; 0 means that the status has no
	// such header.
	retry time.Duration
}

const (
	typeInvalid = "invalid_request_error"
	typeServer  = "server_error"
	typeBusy    = "overloaded_error"
	typeRate    = "rate_limit_error"

	teiValidation = "Validation"
	teiBackend    = "Backend"
	teiOverloaded = "Overloaded"
	teiUnhealthy  = "Unhealthy"
	teiEmpty      = "Empty"
)

// statusClientGone is what the log says of a request whose client has left. Nobody reads it.
const statusClientGone = 499

// rows holds every models.Kind.
var rows = map[models.Kind]row{
	models.KindInternal:            {500, typeServer, "internal_error", 500, teiBackend, "the server failed; its log tells why under this request's X-Request-Id", 0},
	models.KindInvalid:             {400, typeInvalid, "invalid_request_error", 422, teiValidation, "the request is invalid", 0},
	models.KindTooLong:             {400, typeInvalid, "context_length_exceeded", 422, teiValidation, "an input is longer than the model takes", 0},
	models.KindUnsupportedTask:     {400, typeInvalid, "unsupported_task", 424, teiBackend, "the model does not do this", 0},
	models.KindUnauthorized:        {401, "authentication_error", "invalid_api_key", 401, teiValidation, "the API key is not valid", 0},
	models.KindForbidden:           {403, "permission_error", "model_not_allowed", 403, teiValidation, "the API key may not use this model", 0},
	models.KindNotFound:            {404, typeInvalid, "model_not_found", 404, teiValidation, "there is no such model", 0},
	models.KindTooLarge:            {413, typeInvalid, "request_too_large", 413, teiValidation, "the request is too large", 0},
	models.KindRateLimited:         {429, typeRate, "rate_limit_exceeded", 429, teiOverloaded, "too many requests", time.Second},
	models.KindQueueFull:           {429, typeRate, "queue_full", 429, teiOverloaded, "the model's queue is full", time.Second},
	models.KindQueueTimeout:        {503, typeBusy, "queue_timeout", 503, teiOverloaded, "the request waited too long in the model's queue", time.Second},
	models.KindLoading:             {503, typeBusy, "model_loading", 503, teiUnhealthy, "the model is being loaded", 5 * time.Second},
	models.KindUnavailable:         {503, typeBusy, "model_unavailable", 503, teiUnhealthy, "the model cannot serve", 30 * time.Second},
	models.KindShuttingDown:        {503, typeBusy, "shutting_down", 503, teiUnhealthy, "the server is shutting down", time.Second},
	models.KindUpstream:            {502, typeServer, "upstream_error", 502, teiBackend, "the upstream failed", 0},
	models.KindUpstreamCredentials: {502, typeServer, "upstream_credentials", 502, teiBackend, "the upstream refused this server's credentials", 0},
	models.KindDeadline:            {504, typeServer, "deadline_exceeded", 504, teiBackend, "the request's time was up before it was served (X-Request-Timeout, server.request_timeout)", 0},
	models.KindCanceled:            {statusClientGone, typeInvalid, "client_closed_request", statusClientGone, teiValidation, "the client has left", 0},
}

// Failures of HTTP itself, which no models.Kind stands for.
var (
	rowRoute    = row{status: 404, typ: typeInvalid, code: "unknown_route", teiStatus: 404, teiType: teiValidation}
	rowMethod   = row{status: 405, typ: typeInvalid, code: "method_not_allowed", teiStatus: 405, teiType: teiValidation}
	rowEncoding = row{status: 415, typ: typeInvalid, code: "unsupported_content_encoding", teiStatus: 415, teiType: teiValidation}
	rowHeader   = row{status: 431, typ: typeInvalid, code: "request_header_too_large", teiStatus: 431, teiType: teiValidation}
	rowProtocol = row{status: 400, typ: typeInvalid, code: "invalid_request_error", teiStatus: 400, teiType: teiValidation}
	rowAdmin    = row{status: 403, typ: "permission_error", code: "admin_only", teiStatus: 403, teiType: teiValidation}
	rowReload   = row{status: 400, typ: typeInvalid, code: "invalid_configuration", teiStatus: 400, teiType: teiValidation}
	rowBytes    = row{status: 503, typ: typeBusy, code: "too_many_bytes_in_flight", teiStatus: 503, teiType: teiOverloaded, retry: time.Second}
)

// refusal is a failure of HTTP itself.
type refusal struct {
	row     row
	message string
	cause   error
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return r.message + ": " + r.cause.Error()
	}
	return r.message
}

func (r *refusal) Unwrap() error { return r.cause }

// The causes that TEI gives a status of their own: both 400, where other faults are 422.
var (
	errEmpty  = errors.New("nothing given")
	errSyntax = errors.New("malformed JSON")
)

func invalid(param, format string, args ...any) *models.Error {
	return models.Errorf(models.KindInvalid, format, args...).At(param)
}

func empty(param, format string, args ...any) *models.Error {
	return invalid(param, format, args...).Because(errEmpty)
}

func syntaxError(message string) *models.Error {
	return models.Errorf(models.KindInvalid, "%s", message).Because(errSyntax)
}

// failure is an error made ready for the wire.
type failure struct {
	row
	message, param string
	// upstream is who failed, when it was not this server.
	upstream   string
	retryAfter time.Duration
}

// describe finds how err looks on the wire. Only an Error's Message is shown, never its cause.
func describe(err error, stopping bool) failure {
	var http *refusal
	if errors.As(err, &http) {
		return failure{row: http.row, message: http.message, retryAfter: http.row.retry}
	}
	var e *models.Error
	if !errors.As(err, &e) {
		e = &models.Error{Kind: kindOfContext(err)}
	}
	k := e.Kind
	if k == models.KindCanceled && stopping {
		k, e = models.KindShuttingDown, &models.Error{}
	}
	f := failure{row: rows[k], message: e.Message, param: e.Param, upstream: e.Backend}
	if k == models.KindCanceled {
		f.upstream = "" // who has left may have been waiting for it, but nobody failed
	}
	if f.message == "" {
		f.message = f.text
	}
	if f.retry > 0 {
		f.retryAfter = max(e.RetryAfter, 0)
		if f.retryAfter == 0 {
			f.retryAfter = f.retry
		}
	}
	switch {
	case errors.Is(err, errEmpty):
		f.teiStatus, f.teiType = 400, teiEmpty
	case errors.Is(err, errSyntax):
		f.teiStatus = 400
	}
	return f
}

func kindOfContext(err error) models.Kind {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return models.KindDeadline
	case errors.Is(err, context.Canceled):
		return models.KindCanceled
	}
	return models.KindInternal
}

// rename turns the field names of models into those of the dialect that was spoken.
func (f *failure) rename(from, to string) {
	if rest, ok := strings.CutPrefix(f.param, from); ok && (rest == "" || rest[0] == '[') {
		f.message = strings.ReplaceAll(f.message, f.param, to+rest)
		f.param = to + rest
	}
}

// named returns the message with the field at fault, which some clients show alone.
func (f *failure) named() string {
	if f.param == "" || strings.Contains(f.message, f.param) {
		return f.message
	}
	return f.param + ": " + f.message
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
	// Upstream is who failed; absent when it was this server.
	Upstream string `json:"upstream,omitempty"`
}

// openAIBody has OpenAI's error object, and Cohere's message beside it.
func (f *failure) openAIBody() []byte {
	object := errorObject{Message: f.named(), Type: f.typ, Code: f.code, Upstream: f.upstream}
	if f.param != "" {
		object.Param = &f.param
	}
	return marshal(struct {
		Error   errorObject `json:"error"`
		Message string      `json:"message"`
	}{object, object.Message})
}

func (f *failure) teiBody() []byte {
	return marshal(struct {
		Error    string `json:"error"`
		Type     string `json:"error_type"`
		Upstream string `json:"upstream,omitempty"`
	}{f.named(), f.teiType, f.upstream})
}

// marshal encodes the structs of this package, none of which can fail.
func marshal(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// fail is the one place where errors are answered.
func (x *call) fail(err error) {
	var unrouted *fiber.Error
	if errors.As(err, &unrouted) {
		if x.browses() {
			x.leadToPages()
			return
		}
		err = x.unrouted(unrouted)
	}
	f := describe(err, x.server.base.Err() != nil)
	if x.dialect.tei {
		f.rename(x.dialect.from, x.dialect.to)
	}
	x.event.Error, x.event.Status = err, f.status
	x.event.Code, x.event.FailedBy = f.code, f.upstream
	body := f.openAIBody()
	if x.dialect.tei {
		x.event.Status, body = f.teiStatus, f.teiBody()
	}
	if f.status == statusClientGone {
		body = nil
		x.http.Context().SetConnectionClose()
	}
	if f.status == fiber.StatusGatewayTimeout {
		// OpenAI's client would send the whole batch twice more, to the same end.
		x.http.Set("X-Should-Retry", "false")
	}
	if f.status == fiber.StatusUnauthorized {
		x.http.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="quadrate"`)
	}
	if f.retryAfter > 0 {
		seconds := int(math.Ceil(f.retryAfter.Seconds()))
		x.http.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, seconds)))
	}
	x.send(x.event.Status, body)
}
