package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/models"
	"github.com/quadrate-maas/quadrate/playground"
	"github.com/quadrate-maas/quadrate/telemetry"
)

// Options are what a Server needs. Zero values of limits mean their defaults.
type Options struct {
	// Catalog finds the models. Required.
	Catalog *models.Catalog
	// BaseContext is what every request's context derives from; its end ends them all. Nil
	// means context.Background.
	BaseContext context.Context //nolint:containedctx // an option, as http.Server has it
	// BodyLimit is the largest request body in bytes, after decoding. Default 64 MiB.
	BodyLimit int64
	// BytesInFlight bounds the bodies held at once over all connections; what does not fit is
	// answered 503. Default 512 MiB, and at least enough for one body.
	BytesInFlight int64
	// MaxInputs and MaxDocuments bound one request. Defaults 2048 and 1000.
	MaxInputs, MaxDocuments int
	// MaxStateBytes bounds the token states that one request may ask for: tokens × width × 4.
	// Default 32 MiB.
	MaxStateBytes int64
	// RequestTimeout bounds a request from its header to its answer; the header
	// X-Request-Timeout (seconds) may only shorten it. Default 300 s.
	RequestTimeout time.Duration
	// TokenIDs says what token ids on OpenAI routes are. Default TokenIDsCL100K.
	TokenIDs TokenIDMode
	// DecodeTokenIDs returns the text of cl100k_base ids, or an error for one that is not in
	// that vocabulary. It must be safe for concurrent use. Required by TokenIDsCL100K.
	DecodeTokenIDs func(ids []uint32) (string, error)
	// GzipFrom is the size in bytes from which answers are compressed for clients that accept
	// gzip. 0: never.
	GzipFrom int64
	// TLS, when not nil, is what Serve speaks on each connection.
	TLS *tls.Config
	// CORSOrigins are the origins whose pages may call, as "https://host" or "*"; they are
	// compared as they are. None: CORS is off.
	CORSOrigins []string
	// Metrics answers GET /metrics. Nil: there is no such route.
	Metrics http.Handler
	// MetricsNeedKey keeps it from callers without an API key, whatever they may use.
	MetricsNeedKey bool
	// Version, Runtime, which is what runs the models and its version, and Machine, which may be
	// nil, are shown by /health.
	Version, Runtime string
	Machine          *machine.Info
	// Keys returns who may call; it is asked once a request, so that a reload swaps it whole. Nil,
	// or a nil keyring: everything is open, and nobody is an admin.
	Keys func() *auth.Keyring
	// AnonymousBodyLimit is BodyLimit for callers without a key, if it is less. Default 4 MiB.
	AnonymousBodyLimit int64
	// Limits counts requests by caller; nil: there are no limits.
	Limits Limiter
	// TrustedProxies returns the networks whose X-Forwarded-For is believed; it may be nil.
	TrustedProxies func() []netip.Prefix
	// Admin does what /admin routes ask, and tells of upstreams and reloads. Nil: there are no
	// such routes.
	Admin Admin
	// Begin is called before a request looks anything up, and what it returns when the request is
	// done; it may be nil.
	Begin func() (end func())
	// Tracer makes the spans of requests; it may be nil.
	Tracer *telemetry.Tracer
	// OnRequest is called once a request, when its answer is complete and about to be sent, and
	// for a connection that is refused as there are too many, by the goroutine that accepts.
	OnRequest func(RequestEvent)
}

const (
	defaultBodyLimit     = 64 << 20
	defaultAnonymousBody = 4 << 20
	defaultBytesInFlight = 512 << 20
	defaultMaxInputs     = 2048
	defaultMaxDocuments  = 1000
	defaultMaxStateBytes = 32 << 20
	defaultTimeout       = 300 * time.Second

	// headerLimit is the largest request header, that is, the read buffer.
	headerLimit = 32 << 10
	// writeBuffer holds the answer to one text, so that it leaves in one write.
	writeBuffer = 16 << 10
	// headerTimeout is how long a header may take to arrive.
	headerTimeout = 60 * time.Second
	// idleTimeout is how long a connection may wait for its next request: longer than the
	// clients and proxies that reuse it, so that it is they who close.
	idleTimeout = 120 * time.Second
	// writeTimeout is how long a client may take to read its answer.
	writeTimeout = 120 * time.Second
)

// Server serves HTTP. Its life is New, Serve, Drain, Shutdown.
type Server struct {
	options  Options
	base     context.Context //nolint:containedctx // ends with the process, not with a call
	app      *fiber.App
	budget   budget
	started  time.Time
	draining atomic.Bool
	// changes ends what admins have asked for when Drain is called.
	changes    context.Context //nolint:containedctx // ends with the server, not with a call
	endChanges context.CancelFunc
	activity   activities
	wasReady   atomic.Bool // since when a model that loads does not make the server unready
	// site holds the pages and the API's description; it is made when it is first asked for.
	site func() (*playground.Site, error)
	// stall and connections are bodyStall and maxConnections, but for tests.
	stall       time.Duration
	connections int

	mu       sync.Mutex
	stopped  bool
	listener *listener
}

// New checks the options, all at once, and makes a server that does not listen yet.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	s := &Server{options: o, base: o.BaseContext, started: time.Now(), stall: bodyStall, connections: maxConnections}
	s.budget.limit = o.BytesInFlight
	s.activity.catalog = o.Catalog
	s.changes, s.endChanges = context.WithCancel(s.base)
	s.site = sync.OnceValues(func() (*playground.Site, error) { return playground.New(o.Version) })
	s.app = fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		StrictRouting:                false,
		CaseSensitive:                true,
		StreamRequestBody:            true, // bodies are bounded by body.read
		DisablePreParseMultipartForm: true,
		BodyLimit:                    math.MaxInt,
		ReadBufferSize:               headerLimit,
		WriteBufferSize:              writeBuffer,
		ReadTimeout:                  headerTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
	})
	s.routes()
	inner := s.app.Handler()
	server := s.app.Server()
	server.Handler = func(ctx *fasthttp.RequestCtx) { s.handle(ctx, inner) }
	server.HeaderReceived = s.headerReceived
	server.ErrorHandler = s.protocolError
	server.CloseOnShutdown = true
	server.ConnState = func(nc net.Conn, state fasthttp.ConnState) {
		if c, ok := nc.(*conn); ok && state == fasthttp.StateIdle {
			c.idle()
		}
	}
	return s, nil
}

// routes is the order of things: what sees every request first, then the routes.
func (s *Server) routes() {
	s.app.Use(s.observe)
	if len(s.options.CORSOrigins) > 0 {
		s.app.Use(s.cors)
	}
	s.dialects()
	for _, path := range []string{"/v1/models", "/models"} {
		s.get(path, s.listModels)
		s.get(path+"/*", s.oneModel)
	}
	s.get("/health", s.health)
	s.get("/health/live", s.live)
	s.get("/health/ready", s.ready)
	s.get("/openapi.json", s.document)
	s.pages("/docs", func(site *playground.Site) *playground.Pages { return site.Docs })
	s.pages("/playground", func(site *playground.Site) *playground.Pages { return site.Playground })
	if s.options.Admin != nil {
		s.adminRoutes()
	}
	if s.options.Metrics != nil {
		s.get("/metrics", s.metrics)
	}
}

func (o Options) withDefaults() Options {
	if o.BaseContext == nil {
		o.BaseContext = context.Background()
	}
	setDefault(&o.BodyLimit, defaultBodyLimit)
	setDefault(&o.AnonymousBodyLimit, defaultAnonymousBody)
	setDefault(&o.BytesInFlight, defaultBytesInFlight)
	setDefault(&o.MaxInputs, defaultMaxInputs)
	setDefault(&o.MaxDocuments, defaultMaxDocuments)
	setDefault(&o.MaxStateBytes, defaultMaxStateBytes)
	setDefault(&o.RequestTimeout, defaultTimeout)
	setDefault(&o.TokenIDs, TokenIDsCL100K)
	o.CORSOrigins = slices.Clone(o.CORSOrigins)
	return o
}

func setDefault[T comparable](value *T, other T) {
	var zero T
	if *value == zero {
		*value = other
	}
}

func (o Options) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Catalog != nil, "Catalog is missing")
	check(o.BodyLimit > 0, "BodyLimit (server.body_limit) is %d; it must be positive", o.BodyLimit)
	check(o.AnonymousBodyLimit > 0, "AnonymousBodyLimit (server.anonymous_body_limit) is %d; it must be positive", o.AnonymousBodyLimit)
	check(o.BytesInFlight >= o.BodyLimit, "BytesInFlight (server.bytes_in_flight) is %d, less than one body may have (server.body_limit: %d)", o.BytesInFlight, o.BodyLimit)
	check(o.GzipFrom >= 0, "GzipFrom (server.gzip_from) is %d; it must not be negative", o.GzipFrom)
	check(o.MaxInputs > 0, "MaxInputs (server.max_inputs) is %d; it must be positive", o.MaxInputs)
	check(o.MaxDocuments > 0, "MaxDocuments (server.max_documents) is %d; it must be positive", o.MaxDocuments)
	check(o.MaxStateBytes > 0, "MaxStateBytes (server.max_state_bytes) is %d; it must be positive", o.MaxStateBytes)
	check(o.RequestTimeout > 0, "RequestTimeout (server.request_timeout) is %s; it must be positive", o.RequestTimeout)
	modes := []TokenIDMode{TokenIDsCL100K, TokenIDsModel, TokenIDsRefuse}
	check(slices.Contains(modes, o.TokenIDs), "TokenIDs (server.token_ids) is %q; it must be one of %q", o.TokenIDs, modes)
	check(o.TokenIDs != TokenIDsCL100K || o.DecodeTokenIDs != nil, "TokenIDs is %q, which needs DecodeTokenIDs", o.TokenIDs)
	return errors.Join(problems...)
}

// Serve answers requests that come in by ln until Shutdown; it then returns nil. It closes
// ln. It may be called once. For TLS give Options.TLS rather than a TLS listener, which hides
// what Shutdown needs to empty the kernel's queue of connections.
func (s *Server) Serve(ln net.Listener) error {
	l := newListener(ln, s.options.TLS, s.connections)
	l.refused = s.refusedConnection
	s.mu.Lock()
	stopped, again := s.stopped, s.listener != nil
	if !stopped && !again {
		s.listener = l
	}
	s.mu.Unlock()
	switch {
	case again:
		return errors.New("api: Serve was called twice")
	case stopped:
		return ln.Close()
	}
	if err := s.app.Server().Serve(l); err != nil {
		return fmt.Errorf("api: serving: %w", err)
	}
	return nil
}

// refusedConnection tells of a connection too many, of which no request will.
func (s *Server) refusedConnection(from net.Addr, why error) {
	if hook := s.options.OnRequest; hook != nil {
		hook(RequestEvent{Status: http.StatusServiceUnavailable, Code: codeConnections, Error: why, RemoteAddr: from.String()})
	}
}

// Drain says that the end is near: /health/ready answers 503, and every answer carries
// Connection: close, so that no client keeps a connection that Shutdown would cut. Requests
// are still served, but what admins have asked for, which may take longer than anybody waits for
// a server to end, is given up. It may be called again.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.endChanges()
}

// Shutdown drains, stops listening, and returns when the requests in flight are answered.
// When ctx ends first it closes their connections and returns its error. Requests go on
// computing until they see that; the base context ends them at once.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	s.mu.Lock()
	s.stopped = true
	l := s.listener
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	<-l.started // the HTTP library knows the listener from then on
	// The library learns of it last. It would end a connection behind an answer that did not
	// say so, because it was begun before Drain, and the next request may be there already.
	err := l.Close()
	if err == nil {
		err = l.wait(ctx)
	}
	if err == nil {
		err = s.app.Server().ShutdownWithContext(ctx)
	}
	if err != nil {
		l.abort()
		return fmt.Errorf("api: shutdown: %w", err)
	}
	return nil
}
