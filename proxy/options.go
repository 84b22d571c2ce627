package proxy

import (
	"context"
	"net/http"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Type is the kind of server that an upstream is.
type Type string

// The types.
const (
	TypeTEI      Type = "tei"
	TypeOllama   Type = "ollama"
	TypeVLLM     Type = "vllm"
	TypeInfinity Type = "infinity"
	TypeOpenAI   Type = "openai"
	TypeCohere   Type = "cohere"
	TypeJina     Type = "jina"
	TypeQuadrate Type = "quadrate"
)

// Types lists every type.
func Types() []Type {
	return []Type{TypeTEI, TypeOllama, TypeVLLM, TypeInfinity, TypeOpenAI, TypeCohere, TypeJina, TypeQuadrate}
}

// Options are what a Proxy needs.
type Options struct {
	Upstreams []Upstream
	Routes    []Route
	// Local finds a model that is not routed, for fallbacks; nil: there is none.
	Local func(name string) (models.Entry, error)
	// Locate tells the address, host:port, of an upstream that is Managed; false: it does not run.
	// It must not block, and is the same function in all options of a program: what Next shares goes
	// on asking the one that it was made with.
	Locate func(upstream string) (address string, ok bool)
	// Manage wraps a model of an upstream that is Managed, so that its server runs while it is asked.
	Manage func(upstream string, m models.Model) models.Model
	// UserAgent is sent with every request; empty: quadrate.
	UserAgent string
	Hooks     Hooks
}

// Upstream is one server, or several that are alike. Zero values of limits and times mean their
// defaults, which configuration's documentation gives (config.Upstream); negative ones mean none
// where none is possible.
type Upstream struct {
	Name string
	Type Type
	// URLs are base URLs: http, https, or dns+http and dns+https for every address of a name.
	URLs []string
	// Managed says that the upstream is started and stopped by others, who know its address
	// (Options.Locate); URLs is empty then, and nobody is asked for its health here.
	Managed bool
	APIKey  string
	Header  http.Header

	Timeout, ConnectTimeout, FirstByteTimeout time.Duration
	// Retries bounds the further attempts of a request, RetryBudget those of all in per cent of
	// the requests of late. Negative: none.
	Retries, RetryBudget   int
	MaxInFlight, MaxQueued int
	// MaxItems and MaxBytes bound one request to the upstream; larger ones are split. 0: what
	// the server says, else its kind's usual limit.
	MaxItems, MaxBytes int
	MaxAnswer          int64
	// ProbeInterval is how often health is asked; 0: the default, negative: never.
	ProbeInterval time.Duration
	EjectAfter    int
	EjectTime     time.Duration
	// CAFile, ClientCert and ClientKey are PEM files, or empty.
	CAFile, ClientCert, ClientKey string
	KeepAlive                     string
}

// Route is a model, or all models whose names match a pattern, that an upstream serves.
type Route struct {
	// Name may hold *, which stands for any characters.
	Name    string
	Aliases []string
	// Upstream names one of Options.Upstreams, UpstreamModel its model; empty: the name asked for.
	Upstream, UpstreamModel string
	Tasks                   []models.Task
	// Fallback names upstreams, or models of Options.Local and of other routes, in order.
	Fallback []string
	// CosineRerank reranks here, by the cosine of the upstream's embeddings.
	CosineRerank bool
	// Dimensions and MaxLength are 0 where they are not known beforehand.
	Dimensions, MaxLength int
}

// Hooks are told of what happens. Each may be nil; all are called from many goroutines and must
// not block.
type Hooks struct {
	// Attempt is told of each request that was sent to an upstream, when its answer is complete
	// or it has failed.
	Attempt func(Attempt)
	// Changed is told when an address's health changes.
	Changed func(Change)
	// Fallback is told when a model's upstream failed and another was asked.
	Fallback func(model, from, to string, cause error)
	// Span, when not nil, starts a span for an attempt and returns what ends it; header is that
	// of the request, for trace context to be added.
	Span func(ctx context.Context, name string, a Attempt, header http.Header) (context.Context, func(err error))
}

// Attempt is one HTTP request to an upstream.
type Attempt struct {
	Upstream, URL string
	Type          Type
	Op, Model     string
	// Number is 1 for the first, 2 and on for retries.
	Number   int
	Status   int // 0: there was no answer
	Duration time.Duration
	// FirstByte is the time to the first byte of the answer; 0: there was none.
	FirstByte time.Duration
	// Err is why it failed, nil if it did not; Kind is models.KindOf(Err).
	Err error
}

// Change is a change of an address's health.
type Change struct {
	Upstream, URL string
	// Event is ejected, probing, recovered, unhealthy or healthy.
	Event  string
	Reason string
}

// Status is an upstream at one moment.
type Status struct {
	Name      string
	Type      Type
	InFlight  int
	Queued    int
	Endpoints []EndpointStatus
}

// EndpointStatus is one address of an upstream at one moment.
type EndpointStatus struct {
	// URL of a managed upstream is made of its name, as it is in Attempt and Change.
	URL string
	// Address of a managed upstream is host:port of the server in use; empty: it does not run.
	Address string
	// State is ready, ejected, probing or unhealthy; of a managed upstream that does not run, stopped.
	State    string
	Reason   string
	InFlight int
	// Latency is the moving average of answers' times.
	Latency time.Duration
	// LastProbe is when health was last asked; zero: never.
	LastProbe time.Time
}
