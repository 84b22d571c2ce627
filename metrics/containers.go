package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Container is what an upstream runs in, when this server starts and stops it, at one moment. Of
// several of one upstream the first counts.
type Container struct {
	Upstream string
	// State is one of containerStates.
	State string
	// InFlight requests are being answered, Waiting ones wait for it to serve.
	InFlight, Waiting int
	// Memory is what it uses, in bytes; 0: not known.
	Memory int64
}

var containerStates = []string{"stopped", "pulling", "starting", "ready", "draining", "stopping", "failed"}

// Seconds from 0.5 s, a small server, to half an hour, a large model from a slow disk.
var startSeconds = []float64{0.5, 1, 2, 5, 10, 20, 30, 60, 90, 120, 180, 300, 450, 600, 900, 1800}

func (m *Metrics) containerMetrics() {
	m.starts = m.counter("container_starts_total", "Starts of upstreams' containers, by outcome: ok or failed.", "upstream", "outcome")
	m.startTime = m.histogram("container_start_duration_seconds", "Time of each start that succeeded, from the container's creation to its first answer.", startSeconds, "upstream")
	m.swaps = m.counter("container_swaps_total", "Containers that were stopped to make room for another's.", "from", "to")
	m.crashes = m.counter("container_crashes_total", "Containers that ended or stopped serving by themselves, by reason: exit, oom or unhealthy.", "upstream", "reason")
	m.engine = m.gauge("container_engine_up", "1 while the container engine answers; absent where there are no containers.")
}

// ObserveContainerStart counts a start that has ended. kind classes its failure; empty: it
// succeeded.
func (m *Metrics) ObserveContainerStart(upstream string, took time.Duration, kind string) {
	upstream = m.contained.label(upstream)
	if kind != "" {
		m.starts.WithLabelValues(upstream, kind).Inc()
		return
	}
	m.starts.WithLabelValues(upstream, outcomeOf(true)).Inc()
	m.startTime.WithLabelValues(upstream).Observe(took.Seconds())
}

// ObserveContainerSwap counts a container that was stopped to make room for another upstream's.
func (m *Metrics) ObserveContainerSwap(from, to string) {
	m.swaps.WithLabelValues(m.contained.label(from), m.contained.label(to)).Inc()
}

// ObserveContainerCrash counts a container that ended by itself: reason is one of few words.
func (m *Metrics) ObserveContainerCrash(upstream, reason string) {
	m.crashes.WithLabelValues(m.contained.label(upstream), reason).Inc()
}

// SetContainerEngine tells whether the container engine answers.
func (m *Metrics) SetContainerEngine(up bool) { m.engine.WithLabelValues().Set(number(up)) }

// WatchContainers reports the containers that list returns, read at each scrape. It is called once.
func (m *Metrics) WatchContainers(list func() []Container) {
	m.registry.MustRegister(newContainers(list, m.contained))
}

// containers collects the state of every container at each scrape.
type containers struct {
	list                             func() []Container
	names                            *bounded
	state, inFlight, waiting, memory *prometheus.Desc
}

func newContainers(list func() []Container, names *bounded) *containers {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "container", name), help, append([]string{"upstream"}, labels...), nil)
	}
	return &containers{
		list: list, names: names,
		state:    desc("state", "1 for the state that an upstream's container is in, 0 for the others.", "state"),
		inFlight: desc("in_flight", "Requests that an upstream's container is answering."),
		waiting:  desc("waiting", "Requests that wait for an upstream's container to serve."),
		memory:   desc("memory_bytes", "Memory that an upstream's container uses; absent where it is not known."),
	}
}

// Describe implements prometheus.Collector.
func (c *containers) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.state, c.inFlight, c.waiting, c.memory} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *containers) Collect(ch chan<- prometheus.Metric) {
	seen := map[string]bool{} // a series twice would fail the whole scrape
	for _, s := range c.list() {
		name := c.names.label(s.Upstream)
		if seen[name] {
			continue
		}
		seen[name] = true
		gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{name}, labels...)...)
		}
		for _, state := range containerStates {
			gauge(c.state, number(state == s.State), state)
		}
		gauge(c.inFlight, float64(s.InFlight))
		gauge(c.waiting, float64(s.Waiting))
		if s.Memory > 0 {
			gauge(c.memory, float64(s.Memory))
		}
	}
}
