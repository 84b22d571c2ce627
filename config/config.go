// Package config reads how the server is to run: one YAML file over built-in defaults, and
// the environment, a .env file included, over both.
//
// It answers with typed values, or with every problem at once, each with its place and what
// would be right. It is the only user of viper. It deliberately does not know what the
// settings do: it opens no model, loads no certificate and asks no hardware, so "auto" and 0
// reach whoever can work them out.
package config

import (
	"crypto/sha256"
	"path/filepath"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Config is a whole configuration. Paths in it are absolute, but for a library that is
// named without a folder.
//
// The tags are the one description of a setting: key and def make the file's schema, env
// and was name further environment variables (was: of replaced systems), enum, min and max
// bound it, doc explains it in the reference.
type Config struct {
	// File is the configuration file as it was named.
	File string

	ModelsDir string  `key:"models_dir" def:"var/models" need:"a folder" doc:"folder of the model folders; relative to the working directory"`
	Log       Log     `key:"log"`
	Server    Server  `key:"server"`
	Runtime   Runtime `key:"runtime"`
	Models    []Model `key:"models"`
	Files     Files   `key:"files"`
	Tracing   Tracing `key:"tracing"`

	// Each of these is a file of its own, which Files names.
	Routing    Routing    `key:"routing" file:"files.routing"`
	Auth       Auth       `key:"auth" file:"files.auth"`
	RateLimits RateLimits `key:"rate_limits" file:"files.rate_limits"`

	sources []string
	pem     []string                     // those of them that are certificates and their keys
	sums    map[string][sha256.Size]byte // of what was there of the sources
}

// Files names the files beside this one. The default of each may be absent, which is as good as
// an empty file; one that was named may not.
type Files struct {
	Routing    string `key:"routing" def:"configs/routing.yaml" was:"ROUTER_ROUTING_PATH" doc:"file of upstreams and the models they serve; empty: none is read"`
	Auth       string `key:"auth" def:"configs/auth.yaml" was:"ROUTER_AUTH_PATH" doc:"file of API keys and anonymous access; empty: none is read"`
	RateLimits string `key:"rate_limits" def:"configs/rate_limits.yaml" was:"ROUTER_RATE_LIMITS_PATH" doc:"file of rate limits; empty: none is read"`
}

// Tracing is where spans go.
type Tracing struct {
	Endpoint string `key:"endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"base URL of an OpenTelemetry collector that takes OTLP over HTTP, such as http://localhost:4318; empty: no spans are made"`
	Ratio    string `key:"ratio" def:"1" doc:"share of the requests without a traceparent that are traced, from 0 to 1; those with one follow its flag"`
	Service  string `key:"service" def:"quadrate" env:"OTEL_SERVICE_NAME" doc:"service.name of the spans"`
}

// Share is the ratio as a number from 0 to 1.
func (t Tracing) Share() float64 {
	ratio, _ := parseRatio(t.Ratio)
	return ratio
}

// Sources are the files that a configuration was read from, as absolute paths: also those that
// may be absent and are, .env among them, the files of secrets, and certificates and their
// keys. A change of one may change the configuration, or what the server makes of it.
func (c *Config) Sources() []string { return slices.Clone(c.sources) }

// Log is what is logged and how.
type Log struct {
	Level  string `key:"level" def:"info" enum:"debug|info|warn|error" doc:"least level that is logged; requests of /health and /metrics are at debug"`
	Format string `key:"format" def:"auto" enum:"auto|text|json" doc:"auto: text on a terminal, else json"`
}

// Server is the HTTP side.
type Server struct {
	Host            string        `key:"host" def:"0.0.0.0" was:"GATEWAY_HOST" doc:"listen address; empty: every address"`
	Port            int           `key:"port" def:"8000" max:"65535" was:"GATEWAY_PORT" doc:"listen port; 0: any free one"`
	BodyLimit       Bytes         `key:"body_limit" def:"64MiB" min:"1" doc:"largest request body, after decoding"`
	AnonymousBody   Bytes         `key:"anonymous_body_limit" def:"4MiB" min:"1" doc:"largest request body of a caller without a key, if less than body_limit"`
	BytesInFlight   Bytes         `key:"bytes_in_flight" def:"512MiB" min:"1" doc:"request bodies held at once over all connections; beyond it 503"`
	MaxInputs       int           `key:"max_inputs" def:"2048" min:"1" doc:"inputs of one embedding request"`
	MaxDocuments    int           `key:"max_documents" def:"1000" min:"1" was:"RERANK_MAX_DOCUMENTS" doc:"documents of one rerank request"`
	MaxStateBytes   Bytes         `key:"max_state_bytes" def:"32MiB" min:"1" doc:"token states of one /embed_all request: tokens, times numbers a token, times 4; beyond it 413"`
	RequestTimeout  AutoDuration  `key:"request_timeout" def:"auto" min:"1ms" doc:"a request's time limit; auto: 30s on a GPU, 300s on a CPU"`
	DrainDelay      time.Duration `key:"drain_delay" def:"2s" doc:"after a stop signal: not ready, still serving"`
	ShutdownTimeout AutoDuration  `key:"shutdown_timeout" def:"auto" min:"1ms" doc:"time for requests in flight to finish at a stop; auto: request_timeout"`
	TLS             TLS           `key:"tls"`
	CORS            CORS          `key:"cors"`
	GzipFrom        Bytes         `key:"gzip_from" def:"1MiB" doc:"answers of at least this size are compressed for clients that send Accept-Encoding: gzip; 0: none"`
	TokenIDs        string        `key:"token_ids" def:"cl100k_base" enum:"cl100k_base|model|refuse" doc:"what token ids on OpenAI routes are: ids of that vocabulary, the model's own, or refused"`
	Metrics         string        `key:"metrics" def:"open" enum:"open|key|off" doc:"who may read GET /metrics: everybody, callers with an API key, nobody"`
}

// Who may read the metrics.
const (
	MetricsOpen = "open"
	MetricsKey  = "key"
	MetricsOff  = "off"
)

// The time limits of a request that leaves them to the server.
const (
	requestTimeoutGPU = 30 * time.Second
	requestTimeoutCPU = 300 * time.Second
)

// Timeouts resolves "auto": the time limit of a request, and the time that requests in
// flight have at a stop. gpu says whether every local model runs on a GPU.
func (s Server) Timeouts(gpu bool) (request, shutdown time.Duration) {
	request = requestTimeoutCPU
	if gpu {
		request = requestTimeoutGPU
	}
	request = s.RequestTimeout.Or(request)
	return request, s.ShutdownTimeout.Or(request)
}

// TLS is the server's certificate. Either both are set or neither.
type TLS struct {
	Cert string `key:"cert" doc:"PEM file of the certificate chain; with key: serve HTTPS. What is new in either file is taken without a restart"`
	Key  string `key:"key" doc:"PEM file of the private key"`
}

// CORS lets pages of other origins call the server.
type CORS struct {
	Origins []string `key:"origins" doc:"origins that may call from a browser, such as https://app.example.com, or \"*\"; empty: off"`
}

// Runtime is what runs the local models.
type Runtime struct {
	Library       string `key:"library" env:"QUADRATE_ORT_LIBRARY" doc:"ONNX Runtime's shared library; empty: searched for"`
	OpenVINO      string `key:"openvino_library" env:"QUADRATE_OPENVINO_LIBRARY" doc:"OpenVINO's provider library; empty: openvino/ beside ONNX Runtime's, which make setup-openvino fills"`
	Provider      string `key:"provider" def:"auto" enum:"auto|cpu|cuda|tensorrt|openvino" doc:"execution provider; auto: cuda where there is a GPU, else openvino where it is set up, offers a device and passes the self-check, else cpu; tensorrt only by name"`
	Threads       int    `key:"threads" doc:"threads that all runs on the CPU share; 0: one a physical core, within the container's CPU limit"`
	Fallback      bool   `key:"fallback" def:"false" doc:"let the CPU serve when the provider named cannot be loaded"`
	GPUMemLimit   Bytes  `key:"gpu_mem_limit" def:"0" doc:"memory of ONNX Runtime on each GPU; 0: no limit"`
	TensorRTCache string `key:"tensorrt_cache" def:"var/trt" need:"a folder" doc:"folder of built TensorRT engines, to be kept over restarts: building takes minutes"`
}

// Model is one local model.
type Model struct {
	Name             string        `key:"name" need:"the model's name" doc:"the name that requests use"`
	Aliases          []string      `key:"aliases" doc:"further names; \"default\" answers requests that name no model"`
	Path             string        `key:"path" doc:"the model's folder, below models_dir or absolute; empty: the name's part after the last slash"`
	Tasks            []models.Task `key:"tasks" doc:"any of embed, rerank, classify; empty: what its files are for; a reranker of one label classifies where this says so"`
	Variant          string        `key:"variant" def:"auto" enum:"auto|fp32|fp16|bf16|int8|packed|trt" or:".onnx" doc:"which of the model's files runs, or a file's name in a folder that others wrote, such as model_O2.onnx, or on openvino the arithmetic; auto: packed or fp16 on cuda, trt on tensorrt, fp32 on a CPU, on openvino fp16 or bf16 where the processor has matrix units for them"`
	GPUVariant       string        `key:"gpu_variant" enum:"|auto|fp32|fp16|bf16|int8|packed|trt" or:".onnx" doc:"in place of variant where a GPU runs the model; empty: variant"`
	Pooling          string        `key:"pooling" doc:"for a folder that others wrote without a modules.json: mean, cls, lasttoken, max, mean_sqrt_len_tokens or weightedmean, several joined by commas; empty: lasttoken for decoders, else mean"`
	Provider         string        `key:"provider" enum:"|auto|cpu|cuda|tensorrt|openvino" doc:"in place of runtime.provider; empty: runtime.provider"`
	Devices          []int         `key:"devices" def:"0" need:"at least one GPU's number" doc:"numbers of the GPUs that run the model, from one queue"`
	Sessions         int           `key:"sessions" max:"16" doc:"copies of the model on each device, which run at the same time; each takes the model's memory, and on a CPU its share of the threads; 0: auto (CPU 1; GPU 2 up to 512 MiB of weights, else 1)"`
	MaxLength        int           `key:"max_length" doc:"cut inputs to so many tokens; 0: what the model's files say"`
	MaxDocumentChars int           `key:"max_document_chars" doc:"cut rerank documents to so many characters; 0: no cut"`
	Optional         bool          `key:"optional" def:"false" doc:"start without the model when its files are absent"`
	Batcher          Batcher       `key:"batcher"`
	Cache            Cache         `key:"cache"`
}

// Cache is how a model's results are kept. Equal inputs at the same time are computed once
// whatever it says.
type Cache struct {
	Bytes  Bytes         `key:"bytes" def:"64MiB" doc:"memory for results, so that an input that comes again is not computed again; taken as it fills; 0: none are kept"`
	TTL    time.Duration `key:"ttl" def:"0s" doc:"how long a result is kept; 0s: until its room is needed"`
	Rerank bool          `key:"rerank" def:"false" doc:"keep what reranking computes, too"`
}

// Batcher is how requests for one model are gathered into runs.
type Batcher struct {
	MaxItems        int           `key:"max_items" doc:"texts of one run; 0: auto"`
	MaxTokens       int           `key:"max_tokens" doc:"tokens of one run, padding included; 0: what takes about 100 ms on a CPU, 15 ms on a GPU"`
	Delay           time.Duration `key:"delay" def:"0s" doc:"how long a text may wait for company while nothing runs"`
	QueueTimeout    time.Duration `key:"queue_timeout" def:"5s" doc:"longest wait until a request's first text starts; beyond it 503; 0s: auto"`
	MaxQueuedItems  int           `key:"max_queued_items" def:"8192" doc:"texts that may wait; beyond it 429; 0: auto"`
	MaxQueuedTokens int           `key:"max_queued_tokens" doc:"tokens that may wait; beyond it 429; 0: what drains in the request timeout"`
}

// Specs describes the models to whoever loads them.
func (c *Config) Specs() []models.Spec {
	specs := make([]models.Spec, len(c.Models))
	for i, m := range c.Models {
		specs[i] = m.spec(c)
	}
	return specs
}

func (m Model) spec(c *Config) models.Spec {
	path := m.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.ModelsDir, path)
	}
	provider := c.Runtime.Provider
	if m.Provider != "" {
		provider = m.Provider
	}
	return models.Spec{
		Name:             m.Name,
		Aliases:          append([]string(nil), m.Aliases...),
		Path:             path,
		Tasks:            append([]models.Task(nil), m.Tasks...),
		Variant:          m.Variant,
		GPUVariant:       m.GPUVariant,
		Pooling:          m.Pooling,
		Devices:          append([]int(nil), m.Devices...),
		Sessions:         m.Sessions,
		MaxLength:        m.MaxLength,
		Optional:         m.Optional,
		MaxDocumentChars: m.MaxDocumentChars,
		Batcher:          models.BatcherSpec(m.Batcher),
		Cache:            models.CacheSpec{Bytes: int64(m.Cache.Bytes), TTL: m.Cache.TTL, Rerank: m.Cache.Rerank},
		Runtime: models.RuntimeSpec{
			Provider:      provider,
			Threads:       c.Runtime.Threads,
			Fallback:      c.Runtime.Fallback,
			GPUMemLimit:   int64(c.Runtime.GPUMemLimit),
			TensorRTCache: c.Runtime.TensorRTCache,
		},
	}
}
