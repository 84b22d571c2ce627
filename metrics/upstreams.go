package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Attempt is one request that was sent to an upstream.
type Attempt struct {
	Upstream, Op string
	// Retry says that it was not the first for its purpose.
	Retry bool
	// Kind classes its failure; empty: it succeeded.
	Kind     string
	Duration time.Duration
	// FirstByte is the time to the answer's first byte; 0: there was none.
	FirstByte time.Duration
}

// Upstream is another server, or several that are alike, at one moment.
type Upstream struct {
	Name             string
	InFlight, Queued int
	Endpoints        []Endpoint
}

// Endpoint is one address of an upstream at one moment. Of several with one URL the first counts.
type Endpoint struct {
	URL      string
	Ready    bool
	InFlight int
	// Latency is the moving average of its answers' times.
	Latency time.Duration
}

func (m *Metrics) upstreamMetrics() {
	who := []string{"upstream", "op"}
	m.attempts = m.counter("upstream_requests_total", "Requests to upstreams, by outcome: ok, or the kind of failure.", "upstream", "op", "outcome")
	m.retries = m.counter("upstream_retries_total", "Requests to upstreams that were not the first for their purpose.", who...)
	m.upstreamTime = m.histogram("upstream_request_duration_seconds", "Time of one request to an upstream, to its answer's last byte.", seconds, who...)
	m.firstByte = m.histogram("upstream_first_byte_seconds", "Time of one request to an upstream, to its answer's first byte.", seconds, who...)
	m.changes = m.counter("upstream_changes_total", "Changes of an upstream address's health, by what happened: ejected, recovered, unhealthy or healthy.", "upstream", "event")
	m.fallbacks = m.counter("upstream_fallbacks_total", "Requests that another was asked after an upstream had failed.", "from", "to")
}

// ObserveAttempt counts a request that was sent to an upstream.
func (m *Metrics) ObserveAttempt(a Attempt) {
	outcome := a.Kind
	if outcome == "" {
		outcome = outcomeOf(true)
	}
	m.attempts.WithLabelValues(a.Upstream, a.Op, outcome).Inc()
	m.upstreamTime.WithLabelValues(a.Upstream, a.Op).Observe(a.Duration.Seconds())
	if a.FirstByte > 0 {
		m.firstByte.WithLabelValues(a.Upstream, a.Op).Observe(a.FirstByte.Seconds())
	}
	if a.Retry {
		m.retries.WithLabelValues(a.Upstream, a.Op).Inc()
	}
}

// ObserveUpstreamChange counts a change of an address's health: event is ejected, recovered, ….
func (m *Metrics) ObserveUpstreamChange(upstream, event string) {
	m.changes.WithLabelValues(upstream, event).Inc()
}

// ObserveFallback counts a request that went on to another upstream or model.
func (m *Metrics) ObserveFallback(from, to string) {
	m.fallbacks.WithLabelValues(m.fallen.label(from), m.fallen.label(to)).Inc()
}

// WatchUpstreams reports the upstreams that list returns, read at each scrape. It is called once.
func (m *Metrics) WatchUpstreams(list func() []Upstream) {
	m.registry.MustRegister(newUpstreams(list))
}

// upstreams collects the state of every upstream at each scrape.
type upstreams struct {
	list                                     func() []Upstream
	inFlight, queued                         *prometheus.Desc
	ready, endpointInFlight, endpointLatency *prometheus.Desc
}

func newUpstreams(list func() []Upstream) *upstreams {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "upstream", name), help, append([]string{"upstream"}, labels...), nil)
	}
	return &upstreams{
		list:             list,
		inFlight:         desc("in_flight", "Requests to an upstream that are not answered yet."),
		queued:           desc("queued", "Requests that wait to be sent to an upstream."),
		ready:            desc("endpoint_ready", "1 when an address of an upstream can serve, or starts when it is asked.", "endpoint"),
		endpointInFlight: desc("endpoint_in_flight", "Requests to an address that are not answered yet.", "endpoint"),
		endpointLatency:  desc("endpoint_latency_seconds", "Moving average of an address's times to answer.", "endpoint"),
	}
}

// Describe implements prometheus.Collector.
func (u *upstreams) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{u.inFlight, u.queued, u.ready, u.endpointInFlight, u.endpointLatency} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (u *upstreams) Collect(ch chan<- prometheus.Metric) {
	for _, s := range u.list() {
		ch <- prometheus.MustNewConstMetric(u.inFlight, prometheus.GaugeValue, float64(s.InFlight), s.Name)
		ch <- prometheus.MustNewConstMetric(u.queued, prometheus.GaugeValue, float64(s.Queued), s.Name)
		seen := map[string]bool{} // a series twice would fail the whole scrape
		for _, e := range s.Endpoints {
			if seen[e.URL] {
				continue
			}
			seen[e.URL] = true
			for desc, value := range map[*prometheus.Desc]float64{
				u.ready: number(e.Ready), u.endpointInFlight: float64(e.InFlight), u.endpointLatency: e.Latency.Seconds(),
			} {
				ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, s.Name, e.URL)
			}
		}
	}
}
