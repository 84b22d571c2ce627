// Package metrics counts what the server does, for Prometheus. It is the only user of
// Prometheus' client, and it knows neither HTTP routes nor models beyond their names: others
// report to it in plain structs.
package metrics

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quadrate-maas/quadrate/batcher"
)

const namespace = "quadrate"

// Request is one answered request. Parts that a request did not have are zero.
type Request struct {
	// Route is the route's pattern and Model a name of the catalog, never what the client
	// wrote: both are labels. Of models the first 1000 are told apart.
	Route, Model string
	Status       int
	// Code is the error's code, empty without one, and Upstream who failed; empty: this server.
	Code, Upstream string
	// Items counts the texts or documents, Tokens those of all of them, Truncated those cut.
	Items, Tokens, Truncated int
	Duration, Tokenize       time.Duration
}

// Queue is what waits for a model at one moment.
type Queue struct {
	Model  string
	Items  int
	Tokens int
	Oldest time.Duration
	// Wait is how long an item that comes now is likely to wait, Running how many batches run.
	Wait    time.Duration
	Running int
	// Ready is whether the model can serve.
	Ready bool
}

// Cache is what a model's cache of results has done and holds at one moment.
type Cache struct {
	Model string
	// Inputs and documents, by how they were answered; see models.CacheStatus.
	Hits, Shared, Misses, Fresh uint64
	Evictions                   uint64
	Bytes, Entries              int64
}

// Metrics is a registry with everything the server reports. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	// models bounds the names of models, fallen those of who fell back to whom, contained those of
	// upstreams in containers.
	models, fallen, contained *bounded

	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	tokenize  *prometheus.HistogramVec
	tokens    *prometheus.CounterVec
	items     *prometheus.CounterVec
	truncated *prometheus.CounterVec
	errors    *prometheus.CounterVec

	attempts, retries, changes, fallbacks *prometheus.CounterVec
	upstreamTime, firstByte               *prometheus.HistogramVec

	starts, swaps, crashes *prometheus.CounterVec
	startTime              *prometheus.HistogramVec
	engine                 *prometheus.GaugeVec

	refused, limited, reloads *prometheus.CounterVec
	reloaded, store           *prometheus.GaugeVec

	runs        *prometheus.CounterVec
	queueTime   *prometheus.HistogramVec
	runTime     *prometheus.HistogramVec
	batchItems  *prometheus.HistogramVec
	batchTokens *prometheus.HistogramVec
	padding     *prometheus.HistogramVec
	padded      *prometheus.CounterVec
	provider    *prometheus.GaugeVec
	placed      *prometheus.GaugeVec
}

// Seconds from 100 µs, a short text on a GPU, to 100 s, a long rerank on a CPU.
var seconds = prometheus.ExponentialBucketsRange(1e-4, 100, 25)

// New makes the registry; version labels quadrate_build_info.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), models: newBounded(defaultNames), fallen: newBounded(defaultNames), contained: newBounded(defaultNames)}
	m.requestMetrics()
	m.runMetrics()
	m.upstreamMetrics()
	m.containerMetrics()
	m.accessMetrics()
	info := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info", Help: "1; its labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	info.Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) requestMetrics() {
	model := []string{"model"}
	m.requests = m.counter("requests_total", "Requests answered.", "route", "model", "status")
	m.duration = m.histogram("request_duration_seconds", "Time from a request's first byte read to its answer.", seconds, "route", "model", "status")
	m.tokenize = m.histogram("tokenize_duration_seconds", "Time a request took to be tokenised.", seconds, model...)
	m.tokens = m.counter("tokens_total", "Tokens of the inputs, special tokens included, padding not.", model...)
	m.items = m.counter("items_total", "Texts and documents answered.", model...)
	m.truncated = m.counter("truncated_inputs_total", "Inputs that were cut to the model's length.", model...)
	m.errors = m.counter("errors_total", "Requests that failed, by the error's code and the upstream that failed, if it was one.", "code", "upstream")
}

func (m *Metrics) runMetrics() {
	model := []string{"model"}
	m.runs = m.counter("runs_total", "Runs of a model by outcome.", "model", "outcome")
	m.queueTime = m.histogram("queue_duration_seconds", "Wait of each item until its run started.", seconds, model...)
	m.runTime = m.histogram("run_duration_seconds", "Time of one run of a model.", seconds, model...)
	m.batchItems = m.histogram("batch_items", "Items of each batch.", prometheus.ExponentialBuckets(1, 2, 11), model...)
	m.batchTokens = m.histogram("batch_tokens", "Tokens of each batch, padding not included.", prometheus.ExponentialBuckets(8, 2, 14), model...)
	m.padding = m.histogram("batch_padding_ratio", "Share of each batch that was padding.", prometheus.LinearBuckets(0, 0.05, 20), model...)
	m.padded = m.counter("batch_padded_tokens_total", "Tokens of all batches, padding included: the sum of quadrate_batch_tokens over it is the padding efficiency.", model...)
	m.provider = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "execution_provider",
		Help: "1 for the execution provider and variant that really run a model."}, []string{"model", "provider", "variant"})
	m.placed = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "execution_provider_share",
		Help: "Share of a model's matrix products and attentions that its execution provider runs; the CPU runs the rest."}, model)
	m.registry.MustRegister(m.provider, m.placed)
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// Handler serves the metrics in the formats that Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// ObserveRequest counts an answered request.
func (m *Metrics) ObserveRequest(r Request) {
	status := strconv.Itoa(r.Status)
	r.Model = m.models.label(r.Model)
	if r.Code != "" {
		m.errors.WithLabelValues(r.Code, r.Upstream).Inc()
	}
	m.requests.WithLabelValues(r.Route, r.Model, status).Inc()
	m.duration.WithLabelValues(r.Route, r.Model, status).Observe(r.Duration.Seconds())
	if r.Model == "" || r.Tokens == 0 {
		return
	}
	m.tokenize.WithLabelValues(r.Model).Observe(r.Tokenize.Seconds())
	m.tokens.WithLabelValues(r.Model).Add(float64(r.Tokens))
	m.items.WithLabelValues(r.Model).Add(float64(r.Items))
	m.truncated.WithLabelValues(r.Model).Add(float64(r.Truncated))
}

// ObserveRun counts a run of a model's batcher, whose items' size is in tokens.
func (m *Metrics) ObserveRun(model string, s batcher.RunStats) {
	outcome := "ok"
	if s.Err != nil {
		outcome = "failed"
	}
	m.runs.WithLabelValues(model, outcome).Inc()
	for _, wait := range s.Queue {
		m.queueTime.WithLabelValues(model).Observe(wait.Seconds())
	}
	m.runTime.WithLabelValues(model).Observe(s.Run.Seconds())
	m.batchItems.WithLabelValues(model).Observe(float64(s.Items))
	m.batchTokens.WithLabelValues(model).Observe(float64(s.Size))
	m.padded.WithLabelValues(model).Add(float64(s.Cost))
	if s.Cost > 0 {
		m.padding.WithLabelValues(model).Observe(1 - float64(s.Size)/float64(s.Cost))
	}
}

// SetProvider records what really runs a model, and the share of its work that it does.
func (m *Metrics) SetProvider(model, provider, variant string, share float64) {
	m.provider.DeletePartialMatch(prometheus.Labels{"model": model})
	m.provider.WithLabelValues(model, provider, variant).Set(1)
	m.placed.WithLabelValues(model).Set(share)
}

// DropProvider says that nothing runs a model any more.
func (m *Metrics) DropProvider(model string) {
	m.provider.DeletePartialMatch(prometheus.Labels{"model": model})
	m.placed.DeletePartialMatch(prometheus.Labels{"model": model})
}

// WatchQueues reports the queues that list returns, read at each scrape. It is called once.
func (m *Metrics) WatchQueues(list func() []Queue) {
	m.registry.MustRegister(newQueues(list))
}

// WatchCaches reports the caches that list returns, read at each scrape. It is called once.
func (m *Metrics) WatchCaches(list func() []Cache) {
	m.registry.MustRegister(newCaches(list))
}
