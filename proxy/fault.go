package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/quadrate-maas/quadrate/models"
)

// problem is what an answer says that is no success, in any server's words.
type problem struct {
	status  int
	message string // sanitised; empty: none
	typ     string
	param   string
	code    string
	// shape says how the answer was written.
	shape shape
	after time.Duration
}

// shape is how an answer is written, which tells who wrote it.
type shape string

const (
	shapeEmpty  shape = "an empty body"
	shapeText   shape = "plain text"
	shapePage   shape = "a page of HTML" // of a proxy in between
	shapeError  shape = "an error object"
	shapeDetail shape = "a detail" // FastAPI's own
	shapeJSON   shape = "other JSON"
)

// maxMessage bounds what is repeated of an upstream's message, in characters.
const maxMessage = 300

// readProblem reads {"error": {…}}, {"error": "…"}, {"message": …}, {"detail": …} or text.
func readProblem(r *response) problem {
	p := problem{status: r.status, after: retryAfter(r.header.Get("Retry-After"))}
	body := bytes.TrimSpace(r.body)
	switch {
	case len(body) == 0:
		p.shape = shapeEmpty
	case body[0] == '<', strings.HasPrefix(r.header.Get("Content-Type"), "text/html"):
		p.shape = shapePage
	case body[0] == '{' && p.decode(body):
	default:
		p.shape, p.message = shapeText, sanitise(string(body[:min(len(body), 8*maxMessage)]))
	}
	return p
}

// decode reads a JSON object; it returns false when body is none.
func (p *problem) decode(body []byte) bool {
	var outer struct {
		Error, Detail, Message, Type, Param, Code json.RawMessage
		ErrorType                                 string `json:"error_type"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return false
	}
	var inner struct{ Message, Type, Param, Code json.RawMessage }
	p.shape = shapeJSON
	switch {
	case json.Unmarshal(outer.Error, &inner) == nil && inner.Message != nil:
		p.shape, p.message = shapeError, word(inner.Message)
		p.typ, p.param, p.code = word(inner.Type), word(inner.Param), word(inner.Code)
	case word(outer.Error) != "":
		p.shape, p.message, p.typ = shapeError, word(outer.Error), outer.ErrorType
	case word(outer.Message) != "":
		p.shape, p.message = shapeError, word(outer.Message)
		p.typ, p.param, p.code = word(outer.Type), word(outer.Param), word(outer.Code)
	case outer.Detail != nil:
		p.shape, p.message = shapeDetail, detail(outer.Detail)
	}
	p.message = sanitise(p.message)
	return true
}

// word is a JSON string, or a number as it is written; else empty.
func word(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}

// detail is FastAPI's: a text, or a list of faults with their places.
func detail(raw json.RawMessage) string {
	if text := word(raw); text != "" {
		return text
	}
	var list []struct {
		Loc []any
		Msg string
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return ""
	}
	var place []string
	for _, at := range list[0].Loc {
		place = append(place, fmt.Sprint(at))
	}
	return strings.TrimPrefix(strings.Join(place, ".")+": ", ": ") + list[0].Msg
}

// sanitise makes one short line of a text that others wrote.
func sanitise(text string) string {
	var b strings.Builder
	runes, space := 0, false
	for _, c := range text {
		if unicode.IsSpace(c) || unicode.IsControl(c) || !unicode.IsPrint(c) || c == utf8.RuneError {
			space = b.Len() > 0
			continue
		}
		if runes++; runes > maxMessage {
			return b.String() + "…"
		}
		if space {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(c)
	}
	return b.String()
}

// retryAfter reads seconds, or a date; 0 when it is neither, or over.
func retryAfter(text string) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if seconds > 0 && seconds < 1e6 {
			return time.Duration(seconds * float64(time.Second))
		}
		return 0
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// cause keeps for the log what the client is not shown.
func (p problem) cause() error {
	text := fmt.Sprintf("status %d, %s", p.status, p.shape)
	if p.message != "" {
		text += ": " + p.message
	}
	return errors.New(text)
}

// has reports whether the message holds any of the phrases, in any case.
func (p problem) has(phrases ...string) bool {
	message := strings.ToLower(p.message)
	for _, phrase := range phrases {
		if strings.Contains(message, phrase) {
			return true
		}
	}
	return false
}

func (p problem) error(k models.Kind, format string, args ...any) *models.Error {
	return models.Errorf(k, format, args...).Because(p.cause())
}

// quoted is an upstream's refusal in its own words.
func (p problem) quoted(k models.Kind) *models.Error {
	if p.message == "" {
		return p.error(k, "the upstream refused the request with status %d and %s", p.status, p.shape)
	}
	return p.error(k, "the upstream refused the request: %s", p.message)
}

// The verdicts that more than one dialect comes to. Who is asked for what it cannot do is not
// sick, and neither is who has too much to do.

func (p problem) noTask() fault {
	return fault{err: p.error(models.KindUnsupportedTask, "the upstream does not do this with the model").At("model")}
}

func (p problem) noModel() fault {
	return fault{err: p.error(models.KindNotFound, "the upstream has no such model").At("model")}
}

// tooLong says which item it is where the message does, as OpenAI's: "Invalid 'input[2]': …".
func (p problem) tooLong(op operation) fault {
	param := itemsOf(op)
	if found := itemInMessage.FindStringSubmatch(p.message); found != nil {
		param += found[1]
	}
	return fault{err: p.quoted(models.KindTooLong).At(param)}
}

var itemInMessage = regexp.MustCompile(`\b(?:inputs?|texts|documents)(\[[0-9]{1,6}\])`)

func (p problem) busy() fault {
	return fault{err: p.error(models.KindQueueFull, "the upstream is overloaded").After(p.after), again: true}
}

func (p problem) failed() fault {
	return fault{err: p.error(models.KindUpstream, "the upstream failed with status %d", p.status), again: true, sick: true}
}

func (p problem) credentials() fault {
	return fault{err: p.error(models.KindUpstreamCredentials, "the upstream refused this server's credentials (upstreams[].api_key)"), sick: true}
}

// common is the verdict where a dialect has nothing to add.
func (p problem) common() fault {
	switch p.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		return p.credentials()
	case http.StatusRequestEntityTooLarge:
		return fault{err: p.error(models.KindTooLarge, "the upstream takes no request as large as this (upstreams[].max_bytes, upstreams[].max_items)")}
	case http.StatusTooManyRequests:
		return p.busy()
	case http.StatusServiceUnavailable:
		if p.after > 0 || p.has("busy", "overload", "too many") {
			return p.busy()
		}
		return p.failed()
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		if p.shape == shapePage {
			return p.elsewhere()
		}
		return p.noTask()
	case http.StatusNotImplemented:
		return p.noTask()
	case http.StatusRequestTimeout, 499:
		return p.failed()
	}
	switch {
	case p.status >= 500:
		return p.failed()
	case p.status < 400 || p.shape == shapePage:
		return p.elsewhere()
	}
	if p.crowded() {
		return p.tooMany()
	}
	return fault{err: p.quoted(models.KindInvalid)}
}

// crowded knows the ways to say that one request has too many items.
func (p problem) crowded() bool {
	return p.has("batch size", "at most", "maximum", "too long") && p.has("items", "texts", "batch", "array", "list") && !p.has("token", "character")
}

func (p problem) tooMany() fault {
	return fault{err: p.error(models.KindTooLarge, "the upstream takes fewer items in one request than it was sent (upstreams[].max_items): %s", p.message)}
}

// elsewhere: something answers that is no model server.
func (p problem) elsewhere() fault {
	return fault{err: p.error(models.KindUpstream, "the upstream's URL (upstreams[].urls) leads to something that answers with status %d and %s", p.status, p.shape), sick: true}
}

// itemsOf is what the models package calls the items of an operation.
func itemsOf(op operation) string {
	switch op {
	case opRerank:
		return "documents"
	case opClassify, opTokenize:
		return "inputs"
	case opDecode:
		return "ids"
	}
	return "input"
}
