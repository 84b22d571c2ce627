package metrics

import "github.com/prometheus/client_golang/prometheus"

// queues collects the state of every model's queue at each scrape, so that a gauge never
// shows what was true at the last run.
type queues struct {
	list                                     func() []Queue
	items, tokens, oldest, wait, runs, ready *prometheus.Desc
	// Of all models together, without a label, as routers in front of several servers read them.
	waiting, running *prometheus.Desc
}

func newQueues(list func() []Queue) *queues {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	const model = "model"
	return &queues{
		list:    list,
		items:   desc("queue_items", "Items that wait for a run.", model),
		tokens:  desc("queue_tokens", "Tokens of the items that wait for a run.", model),
		oldest:  desc("queue_oldest_seconds", "How long the oldest item has waited.", model),
		wait:    desc("queue_seconds", "Seconds of work that is queued: how long an item that comes now is likely to wait.", model),
		runs:    desc("batches_running", "Batches that run.", model),
		ready:   desc("model_ready", "1 when the model can serve, or starts when it is asked.", model),
		waiting: desc("waiting_items", "Items of all models that wait for a run."),
		running: desc("running_batches", "Batches of all models that run."),
	}
}

// Describe implements prometheus.Collector.
func (q *queues) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{q.items, q.tokens, q.oldest, q.wait, q.runs, q.ready, q.waiting, q.running} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (q *queues) Collect(ch chan<- prometheus.Metric) {
	waiting, running := 0, 0
	for _, s := range q.list() {
		ready := 0.0
		if s.Ready {
			ready = 1
		}
		for desc, value := range map[*prometheus.Desc]float64{
			q.items: float64(s.Items), q.tokens: float64(s.Tokens), q.oldest: s.Oldest.Seconds(),
			q.wait: s.Wait.Seconds(), q.runs: float64(s.Running), q.ready: ready,
		} {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, s.Model)
		}
		waiting += s.Items
		running += s.Running
	}
	ch <- prometheus.MustNewConstMetric(q.waiting, prometheus.GaugeValue, float64(waiting))
	ch <- prometheus.MustNewConstMetric(q.running, prometheus.GaugeValue, float64(running))
}
