package config

import (
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Routing is routing.yaml: other servers, and the models that are served by them.
type Routing struct {
	// AllowDisabled lets routes that are not enabled be used.
	AllowDisabled bool       `key:"allow_disabled_models" def:"false" was:"ROUTER_ALLOW_DISABLED_MODELS" doc:"models with enabled: false may be used"`
	Containers    Containers `key:"containers"`
	Upstreams     []Upstream `key:"upstreams"`
	Models        []Route    `key:"models"`
}

// Upstream is another model server, or several that are alike.
type Upstream struct {
	Name             string        `key:"name" need:"the upstream's name" doc:"name in models[].upstream, errors, logs and metrics"`
	Type             string        `key:"type" need:"a kind of server" enum:"ollama|tei|vllm|infinity|openai|cohere|jina|quadrate" doc:"the kind of server"`
	URLs             []string      `key:"urls" doc:"base URLs, with or without /v1 at the end; several are balanced; dns+http://host:port stands for every address of the name; empty for openai, cohere and jina: the public service"`
	APIKey           string        `key:"api_key" secret:"true" doc:"key sent to the upstream, and asked for by a container of tei, vllm or infinity; ${NAME} and file:/path are read"`
	Headers          []Header      `key:"headers" doc:"further headers sent to the upstream"`
	Timeout          time.Duration `key:"timeout" def:"30s" min:"1ms" doc:"time for one request to the upstream, from dialling to the last byte; ROUTER_REQUEST_TIMEOUT_SECONDS is its default"`
	ConnectTimeout   time.Duration `key:"connect_timeout" def:"5s" min:"1ms" doc:"time to connect, TLS included"`
	FirstByteTimeout time.Duration `key:"first_byte_timeout" def:"0s" doc:"time from the request's last byte to the answer's first; 0s: timeout"`
	Retries          int           `key:"retries" def:"2" max:"10" doc:"further attempts where an attempt failed in a way that another may not"`
	RetryBudget      int           `key:"retry_budget" def:"20" max:"100" doc:"retries in per cent of the requests of late; beyond it nothing is tried again"`
	MaxInFlight      int           `key:"max_in_flight" def:"256" min:"1" doc:"requests to the upstream at once, over all its URLs"`
	MaxQueued        int           `key:"max_queued" def:"1024" doc:"requests that may wait for max_in_flight; beyond it 429"`
	MaxItems         int           `key:"max_items" doc:"texts of one request to the upstream; larger ones are split; 0: what the server says, else its kind's usual limit"`
	MaxBytes         Bytes         `key:"max_bytes" doc:"body of one request to the upstream; larger ones are split; 0: its kind's usual limit"`
	MaxAnswer        Bytes         `key:"max_answer" def:"256MiB" min:"1" doc:"largest answer that is read"`
	ProbeInterval    time.Duration `key:"probe_interval" def:"10s" doc:"how often each URL's health is asked; 0s: never"`
	EjectAfter       int           `key:"eject_after" def:"5" min:"1" doc:"failures one after the other that take a URL out, unless it is the last"`
	EjectTime        time.Duration `key:"eject_time" def:"10s" min:"1ms" doc:"how long a URL is out before one request tries it again; doubles while it fails, up to 16 times"`
	CAFile           string        `key:"ca_file" doc:"PEM file of the authorities that may sign the upstream's certificate; empty: the system's"`
	ClientCert       string        `key:"client_cert" doc:"PEM file of the certificate shown to the upstream"`
	ClientKey        string        `key:"client_key" doc:"PEM file of its private key"`
	KeepAlive        string        `key:"keep_alive" doc:"ollama: how long it keeps a model loaded after a request, such as 10m, or -1 for ever; empty: its own setting"`
	Managed          Managed       `key:"managed"`
}

// Header is one HTTP header.
type Header struct {
	Name  string `key:"name" need:"the header's name" doc:"the header's name"`
	Value string `key:"value" secret:"true" doc:"its value; ${NAME} and file:/path are read"`
}

// Route is a model, or all models whose names match a pattern, that an upstream serves.
type Route struct {
	Name          string        `key:"name" need:"the model's name" doc:"the name that requests use; * stands for any characters"`
	Aliases       []string      `key:"aliases" doc:"further names"`
	Upstream      string        `key:"upstream" need:"an upstream's name" doc:"who serves it"`
	UpstreamModel string        `key:"upstream_model" doc:"the upstream's name of the model; empty: name, and where that has a * the name asked for; a * here is what the * of name stands for"`
	Tasks         []models.Task `key:"tasks" def:"embed" need:"at least one task" doc:"any of embed, rerank, classify"`
	Enabled       bool          `key:"enabled" def:"true" doc:"false: listed by no one and refused, unless allow_disabled_models"`
	Fallback      []string      `key:"fallback" doc:"who is asked in turn when the upstream fails: upstreams, under the same upstream_model, or models of any kind, local ones too"`
	Rerank        string        `key:"rerank" enum:"|upstream|cosine" doc:"how rerank is done: by the upstream, or here by the cosine of its embeddings; empty: upstream, which ollama cannot"`
	Dimensions    int           `key:"dimensions" doc:"numbers of a vector; answers of another length are refused; 0: as the first answer says"`
	MaxLength     int           `key:"max_length" doc:"tokens the model takes, for /v1/models; 0: what the upstream says"`
}

// Usable reports whether requests may be for a route.
func (r Routing) Usable(route Route) bool { return route.Enabled || r.AllowDisabled }

// Leads reports whether requests for the route may come to an upstream.
func (r Route) Leads(upstream string) bool {
	return r.Upstream == upstream || slices.Contains(r.Fallback, upstream)
}
