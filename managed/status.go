package managed

import (
	"time"

	"github.com/quadrate-maas/quadrate/models"
)

// Report is a container at one moment.
type Report struct {
	// ID is the upstream's name; Model and Type are its Spec's.
	ID, Model, Type string
	models.Container
}

// index is what others find units by.
type index struct {
	byID map[string]*unit
	// all are in the configuration's order.
	all []*unit
}

// shown is a unit as others see it.
type shown struct {
	report    Report
	status    models.State
	reason    string
	onDemand  bool
	address   string
	startWait time.Duration
	waiting   int
	oldest    time.Time
}

func (s *Supervisor) publishIndex() {
	x := &index{byID: make(map[string]*unit, len(s.byID)), all: s.units}
	for id, u := range s.byID {
		x.byID[id] = u
		s.show(u)
	}
	s.index.Store(x)
}

// publish shows how all units are now.
func (s *Supervisor) publish() {
	for _, u := range s.units {
		s.show(u)
	}
}

// show publishes u.
func (s *Supervisor) show(u *unit) {
	spec := u.configured()
	v := &shown{
		report:    Report{ID: u.spec.ID, Model: spec.Model, Type: spec.Type, Container: u.container()},
		address:   u.address,
		startWait: spec.StartWait,
		waiting:   len(u.waiters),
		onDemand:  !u.removed,
	}
	if len(u.waiters) > 0 {
		v.oldest = u.waiters[0].since
	}
	v.status, v.reason = s.stateOf(u)
	if s.refused != nil { // the reason names paths, which are for admins
		v.onDemand, v.report.Reason = false, s.refused.Error()
	}
	u.shown.Store(v)
}

func (u *unit) container() models.Container {
	c := models.Container{
		State: string(u.state), Name: u.box.Name, Image: u.spec.Image,
		Group: u.spec.Group, Priority: u.spec.Priority, Pinned: u.spec.Pinned,
		InFlight: len(u.leases), Waiting: len(u.waiters),
		MemoryMB: u.spec.MemoryMB, GPUMemoryMB: u.spec.GPUMemoryMB, MemoryUsed: u.memoryUsed,
		Started: u.started, StartTook: u.loadCost, LastUsed: u.lastUsed,
		Starts: u.starts, Crashes: u.crashes, Progress: u.progress,
	}
	switch {
	case u.state == StateFailed:
		c.Reason, c.RetryAt = u.why, u.retryAt
	case u.stuck != "":
		c.Reason = "cannot be stopped: " + u.stuck
	}
	return c
}

// stateOf is how a model stands whose container is u.
func (s *Supervisor) stateOf(u *unit) (state models.State, reason string) {
	switch {
	case s.refused != nil:
		return models.StateUnavailable, "its container cannot be run here; the server's log says why"
	case u.removed:
		return models.StateUnavailable, "its container is not configured any more"
	case u.state == StateReady:
		return models.StateReady, ""
	case u.state == StateFailed:
		return models.StateFailed, "its container " + u.why
	case s.engineState == engineAway:
		return models.StateFailed, ErrAway.Error()
	case u.in(StatePulling, StateStarting) || !u.wantedSince.IsZero():
		return models.StateLoading, ""
	}
	return models.StateStopped, ""
}

// Address is host:port of the server of id; false: it does not serve. It does not block.
func (s *Supervisor) Address(id string) (address string, ok bool) {
	u, ok := s.index.Load().byID[id]
	if !ok {
		return "", false
	}
	address = u.shown.Load().address
	return address, address != ""
}

// Status is that of a model whose server is id's; Queue tells of those who wait for a start.
func (s *Supervisor) Status(id string) models.Status {
	u, ok := s.index.Load().byID[id]
	if !ok {
		return models.Status{State: models.StateUnavailable, Reason: "there is no container for it in the configuration", Backend: id}
	}
	v := u.shown.Load()
	c := v.report.Container
	status := models.Status{State: v.status, Reason: v.reason, Backend: id, OnDemand: v.onDemand, Container: &c}
	status.Queue.Items = v.waiting
	if !v.oldest.IsZero() {
		status.Queue.Oldest = time.Since(v.oldest)
	}
	return status
}

// Containers tells of all containers, in the configuration's order.
func (s *Supervisor) Containers() []Report {
	all := s.index.Load().all
	reports := make([]Report, len(all))
	for i, u := range all {
		reports[i] = u.shown.Load().report
	}
	return reports
}
