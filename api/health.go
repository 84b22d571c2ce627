package api

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/quadrate-maas/quadrate/auth"
	"github.com/quadrate-maas/quadrate/internal/machine"
	"github.com/quadrate-maas/quadrate/models"
)

// The words of /health and /health/ready.
const (
	statusReady    = "ready"
	statusNotReady = "not ready"
	statusDraining = "draining"
)

type queueHealth struct {
	Items    int     `json:"items"`
	Tokens   int     `json:"tokens"`
	OldestMS float64 `json:"oldest_ms"`
}

type modelHealth struct {
	Name     string        `json:"name"`
	Tasks    []models.Task `json:"tasks"`
	State    models.State  `json:"state"`
	Reason   string        `json:"reason,omitempty"`
	Backend  string        `json:"backend,omitempty"`
	Provider string        `json:"provider,omitempty"`
	Variant  string        `json:"variant,omitempty"`
	// Placed, Checked, Company and Notes are those of models.Info.
	Placed  float64        `json:"provider_share,omitempty"`
	Checked models.Checked `json:"checked,omitempty"`
	Company *float64       `json:"company,omitempty"`
	Notes   []string       `json:"notes,omitempty"`
	Queue   queueHealth    `json:"queue"`

	Activity activityHealth `json:"activity"`
}

// upstreamHealth is an upstream as /health shows it to everybody; addresses are for admins.
type upstreamHealth struct {
	Name      string           `json:"name"`
	Type      string           `json:"type"`
	State     string           `json:"state"`
	InFlight  int              `json:"in_flight"`
	Queued    int              `json:"queued"`
	Endpoints []endpointHealth `json:"endpoints"`
}

type endpointHealth struct {
	URL       string     `json:"url,omitempty"`
	State     string     `json:"state"`
	Reason    string     `json:"reason,omitempty"`
	InFlight  int        `json:"in_flight"`
	LatencyMS float64    `json:"latency_ms"`
	LastProbe *time.Time `json:"last_probe"`
}

func (u Upstream) health(addresses bool) upstreamHealth {
	h := upstreamHealth{Name: u.Name, Type: u.Type, State: statusNotReady, InFlight: u.InFlight, Queued: u.Queued, Endpoints: []endpointHealth{}}
	switch {
	case u.State != "" && u.State != statusReady:
		h.State = u.State
	case u.ready():
		h.State = statusReady
	}
	for _, e := range u.Endpoints {
		seen := endpointHealth{State: e.State, InFlight: e.InFlight, LatencyMS: float64(e.Latency.Microseconds()) / 1000}
		if addresses {
			seen.URL, seen.Reason = e.URL, e.Reason
		}
		if !e.LastProbe.IsZero() {
			seen.LastProbe = &e.LastProbe
		}
		h.Endpoints = append(h.Endpoints, seen)
	}
	return h
}

func (s *Server) upstreams() []Upstream {
	if s.options.Admin == nil {
		return nil
	}
	return s.options.Admin.Upstreams()
}

func (s *Server) lastReload() *Reload {
	if s.options.Admin == nil {
		return nil
	}
	return s.options.Admin.LastReload()
}

// live answers that the process answers.
func (s *Server) live(x *call) error {
	x.send(http.StatusOK, []byte(`{"status":"live"}`))
	return nil
}

// ready answers 200 when a request could be served: a model or an upstream is ready, or starts when
// it is asked, and the server is not draining.
func (s *Server) ready(x *call) error {
	status, code := s.status()
	reasons := []string{}
	if status != statusReady {
		reasons = s.reasons()
	}
	x.send(code, marshal(struct {
		Status  string   `json:"status"`
		Reasons []string `json:"reasons,omitempty"`
	}{status, reasons}))
	return nil
}

// health has ready's status code, so that a probe of either sees the same.
func (s *Server) health(x *call) error {
	status, code := s.status()
	list := []modelHealth{}
	for _, e := range s.options.Catalog.Entries() {
		list = append(list, s.healthOf(e))
	}
	var upstreams []upstreamHealth
	for _, u := range s.upstreams() {
		upstreams = append(upstreams, u.health(false))
	}
	x.send(code, marshal(struct {
		Status    string           `json:"status"`
		Version   string           `json:"version"`
		Uptime    float64          `json:"uptime_seconds"`
		Runtime   string           `json:"runtime,omitempty"`
		Machine   *machine.Info    `json:"machine,omitempty"`
		Models    []modelHealth    `json:"models"`
		Upstreams []upstreamHealth `json:"upstreams,omitempty"`
		Reload    *Reload          `json:"last_reload,omitempty"`
	}{status, s.options.Version, time.Since(s.started).Round(time.Millisecond).Seconds(), s.options.Runtime, s.options.Machine, list, upstreams, s.lastReload()}))
	return nil
}

func (s *Server) healthOf(e models.Entry) modelHealth {
	info, status := e.Model.Info(), e.Model.Status()
	tasks := e.Tasks
	if tasks == nil {
		tasks = []models.Task{}
	}
	h := modelHealth{
		Name: e.Name, Tasks: tasks, State: status.State, Reason: status.Reason,
		Backend: info.Backend, Provider: info.Provider, Variant: info.Variant, Placed: info.Placed, Checked: info.Checked, Notes: info.Notes,
		Queue: queueHealth{
			Items: status.Queue.Items, Tokens: status.Queue.Tokens,
			OldestMS: float64(status.Queue.Oldest.Microseconds()) / 1000,
		},
		Activity: s.activity.of(e.Name),
	}
	if info.Checked == models.CheckedCompany {
		h.Company = &info.Company
	}
	return h
}

// status is ready when at least one model or upstream can serve and, at the start, no model is on
// its way: requests to those that come last would fail. A model that is loaded later takes
// nothing away from the others. One that starts when it is asked can serve unless it has failed.
func (s *Server) status() (string, int) {
	if s.draining.Load() {
		return statusDraining, http.StatusServiceUnavailable
	}
	ready, loading := slices.ContainsFunc(s.upstreams(), Upstream.ready), false
	for _, e := range s.options.Catalog.Entries() {
		status := e.Model.Status()
		switch {
		case status.CanServe():
			ready = true
		case status.State == models.StateLoading:
			loading = true
		}
	}
	if ready && (!loading || s.wasReady.Load()) {
		s.wasReady.Store(true)
		return statusReady, http.StatusOK
	}
	return statusNotReady, http.StatusServiceUnavailable
}

func (s *Server) reasons() []string {
	if s.draining.Load() {
		return []string{"the server is draining"}
	}
	entries := s.options.Catalog.Entries()
	upstreams := s.upstreams()
	if len(entries)+len(upstreams) == 0 {
		return []string{"there are no models"}
	}
	var reasons []string
	for _, e := range entries {
		status := e.Model.Status()
		reason := e.Name + ": " + string(status.State)
		if status.Reason != "" {
			reason += ": " + status.Reason
		}
		reasons = append(reasons, reason)
	}
	for _, u := range upstreams {
		switch {
		case u.ready():
		case u.State != "" && u.State != statusReady:
			reasons = append(reasons, "upstream "+u.Name+": "+u.State)
		default:
			reasons = append(reasons, "upstream "+u.Name+": none of its addresses can serve")
		}
	}
	return reasons
}

// metrics hands the request to the handler in the options. The body, if there is one, is not
// read: Fiber's own adaptor would read it without a limit.
func (s *Server) metrics(x *call) error {
	if s.options.MetricsNeedKey {
		if err := x.identify(); err != nil {
			return err
		}
		if x.who == nil || x.who.Anonymous {
			x.event.Refused = refusalOf(auth.ErrMissing)
			return unauthorized(auth.ErrMissing)
		}
	}
	r := &http.Request{
		Method: x.event.Method, URL: &url.URL{Path: "/metrics"}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, RemoteAddr: x.event.RemoteAddr,
	}
	for _, name := range []string{"Accept", "Accept-Encoding"} {
		if value := x.http.Get(name); value != "" {
			r.Header.Set(name, string([]byte(value)))
		}
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	s.options.Metrics.ServeHTTP(w, r.WithContext(context.WithoutCancel(s.base)))
	x.send(w.status, w.body.Bytes())
	for name, values := range w.header {
		if len(values) > 0 {
			x.http.Set(name, values[0])
		}
	}
	return nil
}

// recorder keeps what an http.Handler answers.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
