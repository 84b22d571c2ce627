package metrics

import "github.com/prometheus/client_golang/prometheus"

// caches collects the counts of every model's cache at each scrape.
type caches struct {
	list                             func() []Cache
	items, evictions, bytes, entries *prometheus.Desc
}

func newCaches(list func() []Cache) *caches {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "cache", name), help, append([]string{"model"}, labels...), nil)
	}
	return &caches{
		list:      list,
		items:     desc("items_total", "Texts and documents by outcome: hit (kept), shared (computed once with an equal one), miss, fresh (computed because the request asked for it).", "outcome"),
		evictions: desc("evictions_total", "Results dropped for want of room."),
		bytes:     desc("bytes", "Memory of the results that are kept."),
		entries:   desc("entries", "Results that are kept."),
	}
}

// Describe implements prometheus.Collector.
func (c *caches) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.items, c.evictions, c.bytes, c.entries} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *caches) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.list() {
		for outcome, n := range map[string]uint64{"hit": s.Hits, "shared": s.Shared, "miss": s.Misses, "fresh": s.Fresh} {
			ch <- prometheus.MustNewConstMetric(c.items, prometheus.CounterValue, float64(n), s.Model, outcome)
		}
		ch <- prometheus.MustNewConstMetric(c.evictions, prometheus.CounterValue, float64(s.Evictions), s.Model)
		ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(s.Bytes), s.Model)
		ch <- prometheus.MustNewConstMetric(c.entries, prometheus.GaugeValue, float64(s.Entries), s.Model)
	}
}
