package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func (m *Metrics) accessMetrics() {
	m.refused = m.counter("auth_refusals_total", "Requests refused for who asked, by reason: missing_key, unknown_key, disabled_key, expired_key, model or admin.", "reason")
	m.limited = m.counter("rate_limited_total", "Requests refused for a caller's limits, by its class and the setting that it was over.", "class", "setting")
	m.reloads = m.counter("config_reloads_total", "Reloads of the configuration by outcome.", "outcome")
	m.reloaded = m.gauge("config_last_reload_timestamp_seconds", "When the configuration was last reloaded, by outcome.", "outcome")
	m.store = m.gauge("limit_store_available", "1 while the shared store of rate limits can be reached; absent where there is none.")
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

// ObserveRefusal counts a request that was refused for who asked: its reason is one of few words.
func (m *Metrics) ObserveRefusal(reason string) { m.refused.WithLabelValues(reason).Inc() }

// ObserveLimited counts a request over a limit of its caller's class.
func (m *Metrics) ObserveLimited(class, setting string) {
	m.limited.WithLabelValues(class, setting).Inc()
}

// ObserveReload counts a reload of the configuration.
func (m *Metrics) ObserveReload(ok bool, at time.Time) {
	outcome := outcomeOf(ok)
	m.reloads.WithLabelValues(outcome).Inc()
	m.reloaded.WithLabelValues(outcome).Set(float64(at.UnixMilli()) / 1000)
}

// SetLimitStore tells whether the shared store of rate limits can be reached.
func (m *Metrics) SetLimitStore(available bool) {
	m.store.WithLabelValues().Set(number(available))
}

func outcomeOf(ok bool) string {
	if ok {
		return "ok"
	}
	return "failed"
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
