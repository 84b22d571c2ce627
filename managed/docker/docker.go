package docker

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/quadrate-maas/quadrate/managed"
)

// What calls may take whose contexts have no deadline.
const (
	quickLimit = 30 * time.Second
	startLimit = 5 * time.Minute
	pullLimit  = 2 * time.Hour
)

// Options are what an Engine needs.
type Options struct {
	// Host is unix:///path or tcp://host:port; empty: DOCKER_HOST, else the usual socket.
	Host string
	// Environ is the process's environment as os.Environ gives it. Of it DOCKER_HOST,
	// DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and DOCKER_API_VERSION are read, as by docker's own tools,
	// but that certificates are always verified.
	Environ []string
	// Instance tells this server's containers from others'.
	Instance string
	// Version is this server's, for a label.
	Version string
}

// Engine is a Docker Engine. It implements managed.Engine.
type Engine struct {
	api               *client.Client
	host              string
	instance, version string
	// own is what to look for this server's own container by; empty: it is in none.
	own    func() string
	remote bool // it is not reached through a socket of this machine

	mu   sync.Mutex
	self *string // ID of the container that this server runs in; nil: not looked for yet
}

var apiVersion = regexp.MustCompile(`^v?[0-9]+\.[0-9]+$`)

var _ managed.Engine = (*Engine)(nil)

// New returns the engine at o.Host, which need not answer yet. An error names the setting that is
// wrong.
func New(o Options) (*Engine, error) {
	env := environment(o.Environ)
	at, err := locate(o.Host, env)
	if err != nil {
		return nil, err
	}
	secure, err := certificates(at, env)
	if err != nil {
		return nil, err
	}
	version := env("DOCKER_API_VERSION")
	if version != "" && !apiVersion.MatchString(version) {
		return nil, fmt.Errorf("DOCKER_API_VERSION: %q is no version, as 1.41 is", version)
	}
	api, err := client.New(
		eachItsOwn(),
		secure,
		client.WithHost(at.host),
		client.WithAPIVersion(version),
		client.WithUserAgent("quadrate/"+o.Version),
		client.WithTraceProvider(noop.NewTracerProvider()),
		client.WithHTTPResponseHook(noteGranted),
	)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.setting, err)
	}
	return &Engine{
		api: api, host: at.host, instance: o.Instance, version: o.Version, own: ownContainer, remote: at.scheme != "unix",
	}, nil
}

// eachItsOwn gives each call a connection of its own. An engine that shuts down takes no new ones, but
// goes on answering on those that it has: containers that are made then cannot be removed afterwards.
func eachItsOwn() client.Opt {
	// A transport for HTTP/2 would have a TLS configuration, by which the client takes the engine's for HTTPS.
	transport := &http.Transport{DisableKeepAlives: true, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	return client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect})
}

// Ping reports whether the engine answers.
func (e *Engine) Ping(ctx context.Context) error {
	ctx, cancel := bounded(ctx, quickLimit)
	defer cancel()
	_, err := e.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	return e.failed(ctx, "ping", err)
}

// bounded ends ctx after limit where it has no deadline of its own; the engine is away then.
func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: nothing within %v", managed.ErrAway, limit))
}

// outliving ends grace after ctx does.
func outliving(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
		case <-longer.Done():
		}
		cancel()
	})
	return longer, func() { stop(); cancel() }
}
