package api

import (
	"sync"
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// activityHealth counts what was asked of a model since the server's start.
type activityHealth struct {
	Requests uint64  `json:"requests"`
	Failed   uint64  `json:"failed"`
	TotalMS  float64 `json:"total_ms"`
}

// activity counts one model's requests: all, those answered with 500 or more, and the time from
// their headers to their answers.
type activity struct {
	requests, failed uint64
	total            time.Duration
}

// activitySpare is for how many names beside those of the catalog activities has room at least.
const activitySpare = 64

// activities counts by the name of a catalog's entry. A family of the catalog may take any name,
// so what is kept is bounded: when there are twice as many names as the catalog had the last time,
// those that it no longer lists are forgotten. A reader sees the three numbers of one moment.
type activities struct {
	catalog *models.Catalog
	mu      sync.Mutex
	counts  map[string]*activity
	limit   int
}

// add counts a request that a model was found for.
func (a *activities) add(model string, took time.Duration, failed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.counts[model]
	if c == nil {
		if len(a.counts) >= a.limit {
			a.prune()
		}
		c = &activity{}
		a.counts[model] = c
	}
	c.requests++
	c.total += took
	if failed {
		c.failed++
	}
}

// prune keeps what the catalog lists.
func (a *activities) prune() {
	listed := a.catalog.Listed()
	kept := make(map[string]*activity, len(listed))
	for _, e := range listed {
		if c := a.counts[e.Name]; c != nil {
			kept[e.Name] = c
		}
	}
	a.counts, a.limit = kept, 2*len(listed)+activitySpare
}

// of returns a model's counts; zero: nothing was asked of it.
func (a *activities) of(model string) activityHealth {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.counts[model]
	if c == nil {
		return activityHealth{}
	}
	return activityHealth{Requests: c.requests, Failed: c.failed, TotalMS: float64(c.total.Microseconds()) / 1000}
}
