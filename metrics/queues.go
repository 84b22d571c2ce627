package metrics

import "github.com/prometheus/client_golang/prometheus"

// queues collects the state of every model's queue at each scrape, so that a gauge never
// shows what was true at the last run.
type queues struct {
	list                         func() []Queue
	items, tokens, oldest, ready *prometheus.Desc
}

func newQueues(list func() []Queue) *queues {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{"model"}, nil)
	}
	return &queues{
		list:   list,
		items:  desc("queue_items", "Items that wait for a run."),
		tokens: desc("queue_tokens", "Tokens of the items that wait for a run."),
		oldest: desc("queue_oldest_seconds", "How long the oldest item has waited."),
		ready:  desc("model_ready", "1 when the model can serve, or starts when it is asked."),
	}
}

// Describe implements prometheus.Collector.
func (q *queues) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{q.items, q.tokens, q.oldest, q.ready} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (q *queues) Collect(ch chan<- prometheus.Metric) {
	for _, s := range q.list() {
		ready := 0.0
		if s.Ready {
			ready = 1
		}
		for desc, value := range map[*prometheus.Desc]float64{
			q.items: float64(s.Items), q.tokens: float64(s.Tokens), q.oldest: s.Oldest.Seconds(), q.ready: ready,
		} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, s.Model)
		}
	}
}
