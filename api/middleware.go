package api

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/ratelimit"
	"github.com/quadrate-maas/quadrate/telemetry"
)

// RequestEvent tells of one request. Its strings are safe to keep.
type RequestEvent struct {
	// ID is the request's X-Request-Id.
	ID     string
	Method string
	// Route is the pattern that matched, as "/v1/models/*"; empty when none did.
	Route string
	// Model is the catalog's name of the model; empty when none was found.
	Model   string
	Backend string
	// Key is the name of the caller's API key, "anonymous" without one, and empty where nobody
	// asked who calls or the key was refused.
	Key string
	// Client is the address that the request comes from, behind trusted proxies; not valid where
	// it is not known.
	Client netip.Addr
	Status int
	// Error is why the request failed, causes included; nil when it did not.
	Error error
	// Code is the error's code on the wire, and FailedBy the upstream that failed; empty when
	// none did.
	Code, FailedBy string
	// Refused says why who called was refused: missing_key, unknown_key, disabled_key,
	// expired_key, model or admin. LimitClass and LimitSetting say which limit the request was
	// over, in the words of rate_limits.yaml. Empty: it was not.
	Refused                  string
	LimitClass, LimitSetting string
	// TraceID names the request's trace in 32 hexadecimal digits; empty without a Tracer.
	TraceID  string
	Duration time.Duration
	Usage    models.Usage
	Timing   models.Timing
	// Items counts inputs or documents.
	Items int
	// BytesIn is what was read of the body as sent, BytesOut the answer's body.
	BytesIn, BytesOut int64
	RemoteAddr        string
}

// call is one request on its way to its answer.
type call struct {
	server  *Server
	http    *fiber.Ctx
	start   time.Time
	dialect dialect
	body    body
	event   RequestEvent
	// who calls; nil where everything is open.
	who *auth.Caller
	// grant is the request's place within its caller's limits, and estimate its tokens there.
	grant    *ratelimit.Grant
	estimate int
	// asked says that the model was found and is asked, so that its activity counts the request.
	asked bool
	// deadline is when the request's time is up; zero: never.
	deadline time.Time
	// span is nil without a Tracer. called is when the model was found, answered when it had
	// answered; zero: it was not, it has not.
	span             *telemetry.Span
	called, answered time.Time
}

// dialect says how errors are written, and how the field that the models package calls from
// is called in it.
type dialect struct {
	tei      bool
	from, to string
}

var (
	openAI    = dialect{}
	teiEmbed  = dialect{tei: true, from: "input", to: "inputs"}
	teiRerank = dialect{tei: true, from: "documents", to: "texts"}
)

type callKey struct{}

// handler serves one route. Its context ends at the request's deadline.
type handler func(ctx context.Context, x *call) error

func (s *Server) post(pattern string, d dialect, h handler) {
	s.app.Post(pattern, func(c *fiber.Ctx) error {
		x := callOf(c)
		x.event.Route, x.dialect = pattern, d
		ctx := x.trace(s.base)
		if err := x.identify(); err != nil {
			return err
		}
		timeout, err := x.timeout()
		if err != nil {
			return err
		}
		x.deadline = x.start.Add(timeout)
		ctx, cancel := context.WithDeadline(ctx, x.deadline)
		defer cancel()
		return h(ctx, x)
	})
}

// get also serves HEAD. Routes that are not among openRoutes need a key.
func (s *Server) get(pattern string, h func(x *call) error) {
	open := slices.Contains(openRoutes, pattern)
	s.app.Get(pattern, func(c *fiber.Ctx) error {
		x := callOf(c)
		x.event.Route = pattern
		if !open {
			x.trace(s.base)
			if err := x.identify(); err != nil {
				return err
			}
		}
		return h(x)
	})
}

func callOf(c *fiber.Ctx) *call {
	x, ok := c.Locals(callKey{}).(*call)
	if !ok {
		panic("a route was called outside observe")
	}
	return x
}

// observe stands around every request: its id, its body's bytes, its errors and its event.
func (s *Server) observe(c *fiber.Ctx) error {
	if begin := s.options.Begin; begin != nil {
		defer begin()()
	}
	x := s.newCall(c)
	c.Locals(callKey{}, x)
	defer x.body.release()
	defer x.settle()
	if err := x.guard(c.Next); err != nil {
		x.fail(err)
	}
	x.finish()
	return nil
}

func (s *Server) newCall(c *fiber.Ctx) *call {
	x := &call{server: s, http: c, start: time.Now()}
	x.event.ID = requestID(c.Get(fiber.HeaderXRequestID))
	x.event.Method = strings.Clone(c.Method())
	x.event.Status = fiber.StatusOK
	x.event.RemoteAddr = c.Context().RemoteAddr().String()
	x.body = body{limit: s.options.BodyLimit, setting: "server.body_limit", budget: &s.budget}
	if stream := c.Context().RequestBodyStream(); stream != nil {
		length := c.Request().Header.ContentLength()
		x.body.source = &bodySource{stream: stream, conn: c.Context().Conn(), length: length, stall: s.stall, ended: length == 0}
	}
	c.Set(fiber.HeaderXRequestID, x.event.ID)
	return x
}

// guard turns a panic of next into an error.
func (x *call) guard(next func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &models.Error{Kind: models.KindInternal, Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return next()
}

// finish readies the connection for what comes after the answer, and tells of the request.
func (x *call) finish() {
	ctx := x.http.Context()
	if x.server.draining.Load() {
		ctx.SetConnectionClose()
	}
	if source := x.body.source; source != nil {
		last := ctx.Request.Header.ConnectionClose() || ctx.Response.ConnectionClose()
		if last && !source.ended || !x.body.finish() {
			ctx.SetConnectionClose()
			if c, ok := source.conn.(*conn); ok {
				c.linger.Store(true)
			}
		}
		x.event.BytesIn = source.count
	}
	x.event.Duration = time.Since(x.start)
	if x.asked {
		x.server.activity.add(x.event.Model, x.event.Duration, x.event.Status >= fiber.StatusInternalServerError)
	}
	x.endTrace()
	if hook := x.server.options.OnRequest; hook != nil {
		hook(x.event)
	}
}

// send gives the answer, whose bytes must not change any more.
func (x *call) send(status int, body []byte) {
	x.head(status, len(body))
	x.http.Response().SetBodyRaw(body)
}

func (x *call) head(status, bytes int) {
	x.event.Status, x.event.BytesOut = status, int64(bytes)
	x.http.Status(status)
	x.http.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
}

// buffer is where an answer is to be put together: the response's own, which the HTTP library
// takes out of a pool and puts back once it is sent, unless it has grown far beyond most.
func (x *call) buffer() []byte { return x.http.Response().SwapBody(nil)[:0] }

// answer gives the answer that was appended to buffer.
func (x *call) answer(body []byte) {
	body = x.compress(body)
	x.head(fiber.StatusOK, len(body))
	x.http.Response().SwapBody(body)
}

// read returns the body; its bytes are good until the call ends.
func (x *call) read(ctx context.Context) ([]byte, error) {
	return x.body.read(ctx, x.http.Get(fiber.HeaderContentEncoding))
}

// timeout is the server's own, or what X-Request-Timeout shortens it to.
func (x *call) timeout() (time.Duration, error) {
	const header = "X-Request-Timeout"
	limit := x.server.options.RequestTimeout
	value := x.http.Get(header)
	if value == "" {
		return limit, nil
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil || !(seconds > 0) {
		return 0, invalid(header, "%s must be a number of seconds above 0, not %q", header, shorten(value))
	}
	if seconds >= limit.Seconds() {
		return limit, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// name is whose use is counted: a key's name or, without one, an address.
func (x *call) name() string {
	switch {
	case x.who != nil && !x.who.Anonymous:
		return x.who.Name
	case x.event.Client.IsValid():
		return counted(x.event.Client)
	}
	return x.event.RemoteAddr
}

// caller tells the model who asks.
func (x *call) caller() models.Caller {
	return models.Caller{Tag: x.name(), Gone: goneFunc(x.http.Context().Conn()), Cache: cacheControl(x.http.Get(fiber.HeaderCacheControl))}
}

// cacheControl reads the directives of the header that concern a cache of results; others,
// such as max-age, say nothing of results that do not age.
func cacheControl(header string) models.CacheControl {
	var c models.CacheControl
	if header == "" {
		return c
	}
	for directive := range strings.SplitSeq(header, ",") {
		switch strings.ToLower(strings.TrimSpace(directive)) {
		case "no-cache":
			c.NoCache = true
		case "no-store":
			c.NoStore = true
		}
	}
	return c
}

// serves notes the model that was found.
func (x *call) serves(e models.Entry) {
	x.event.Model, x.event.Backend, x.asked = e.Name, e.Model.Info().Backend, true
	if x.span != nil {
		x.called = time.Now()
	}
	x.http.Set("X-Quadrate-Model", x.event.Model)
	x.http.Set("X-Quadrate-Backend", x.event.Backend)
}

// served says in the header what the model did.
func (x *call) served(u models.Usage, t models.Timing) {
	if x.span != nil {
		x.answered = time.Now()
	}
	var room [64]byte
	b := appendMilliseconds(append(room[:0], "tokenize;dur="...), t.Tokenize)
	b = appendMilliseconds(append(b, ", queue;dur="...), t.Queue)
	b = appendMilliseconds(append(b, ", run;dur="...), t.Run)
	x.http.Response().Header.SetBytesV("Server-Timing", b)
	if t.Kept+t.Shared > 0 {
		x.http.Set("X-Quadrate-Cache", fmt.Sprintf("kept=%d, shared=%d", t.Kept, t.Shared))
	}
	if u.Truncated > 0 {
		x.http.Set("X-Truncated", strconv.Itoa(u.Truncated))
	}
}

func appendMilliseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', -1, 64)
}

// requestID keeps an id that is 1 to 128 visible ASCII characters, else makes one.
func requestID(given string) string {
	visible := !strings.ContainsFunc(given, func(r rune) bool { return r <= ' ' || r > '~' })
	if given == "" || len(given) > 128 || !visible {
		return uuid.NewString()
	}
	return strings.Clone(given)
}

// unrouted explains what Fiber's router found wrong.
func (x *call) unrouted(err *fiber.Error) error {
	method, path := x.event.Method, shorten(strings.ToValidUTF8(strings.Clone(x.http.Path()), "\ufffd"))
	switch err.Code {
	case fiber.StatusNotFound:
		return &refusal{row: rowRoute, message: fmt.Sprintf("there is no route %s %s; there are: %s", method, path, strings.Join(x.server.routeNames(), ", "))}
	case fiber.StatusMethodNotAllowed:
		allow := string(x.http.Response().Header.Peek(fiber.HeaderAllow))
		return &refusal{row: rowMethod, message: fmt.Sprintf("%s is not allowed for %s; allowed: %s", method, path, allow)}
	}
	return &models.Error{Kind: models.KindInternal, Err: err}
}

// routeNames are the routes that a client may be looking for.
func (s *Server) routeNames() []string {
	var names []string
	for _, route := range s.app.GetRoutes(true) {
		pageFile := strings.HasPrefix(route.Path, "/docs/") || strings.HasPrefix(route.Path, "/playground/")
		if route.Method != fiber.MethodHead && !strings.HasPrefix(route.Path, "/admin") && !pageFile {
			names = append(names, route.Method+" "+strings.Replace(route.Path, "*", "{id}", 1))
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):]) })
	return names
}

// cors lets pages of the origins in the options call this server.
func (s *Server) cors(c *fiber.Ctx) error {
	origin := c.Get(fiber.HeaderOrigin)
	c.Vary(fiber.HeaderOrigin)
	if origin == "" {
		return c.Next()
	}
	if !slices.Contains(s.options.CORSOrigins, "*") && !slices.Contains(s.options.CORSOrigins, origin) {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	c.Set(fiber.HeaderAccessControlExposeHeaders, "X-Request-Id, Server-Timing, X-Quadrate-Model, X-Quadrate-Backend, X-Quadrate-Cache, X-Truncated, X-Token-Ids, Retry-After, X-Should-Retry, Traceparent, "+
		"X-Ratelimit-Limit-Requests, X-Ratelimit-Remaining-Requests, X-Ratelimit-Reset-Requests, X-Ratelimit-Limit-Tokens, X-Ratelimit-Remaining-Tokens, X-Ratelimit-Reset-Tokens")
	if c.Method() != fiber.MethodOptions || c.Get(fiber.HeaderAccessControlRequestMethod) == "" {
		return c.Next()
	}
	c.Set(fiber.HeaderAccessControlAllowMethods, "GET, HEAD, POST")
	c.Set(fiber.HeaderAccessControlMaxAge, "3600")
	// Clients send headers of their own (X-Stainless-…), so what is asked for is allowed.
	if asked := c.Get(fiber.HeaderAccessControlRequestHeaders); asked != "" {
		c.Set(fiber.HeaderAccessControlAllowHeaders, asked)
	}
	callOf(c).send(fiber.StatusNoContent, nil)
	return nil
}
