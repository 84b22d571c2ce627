package managed

import (
	"context"
	"errors"

	"github.com/quadrate-maas/quadrate/models"
)

var errNothing = errors.New("the supervisor runs nothing")

// Supervisor owns what runs.
type Supervisor struct {
	opts Options
}

// Lease is the right to use a server that runs.
type Lease struct{}

// Report is a container at one moment.
type Report struct {
	// ID is the upstream's name; Model and Type are its Spec's.
	ID, Model, Type string
	models.Container
}

// New starts a supervisor; Close ends it.
func New(o Options) *Supervisor { return &Supervisor{opts: o} }

// Apply takes over other settings.
func (s *Supervisor) Apply(o Settings) { s.opts.Settings = o }

// Acquire waits for the server of id.
func (s *Supervisor) Acquire(ctx context.Context, id string, gone func() bool) (*Lease, error) {
	return nil, errNothing
}

// Release ends the lease.
func (l *Lease) Release() {}

// Lost reports whether the server has ended.
func (l *Lease) Lost() bool { return false }

func (l *Lease) gone(context.Context) bool { return l.Lost() }

// Address is where the server of id can be reached.
func (s *Supervisor) Address(id string) (string, bool) { return "", false }

// Status is where the server of id stands.
func (s *Supervisor) Status(id string) models.Status { return models.Status{} }

// Load starts the server of id.
func (s *Supervisor) Load(ctx context.Context, id string) error { return errNothing }

// Unload stops the server of id.
func (s *Supervisor) Unload(ctx context.Context, id string) error { return errNothing }

// Logs returns the last lines that the server of id has written.
func (s *Supervisor) Logs(ctx context.Context, id string, lines int) (string, error) {
	return "", errNothing
}

// Containers tells of all servers, in the configuration's order.
func (s *Supervisor) Containers() []Report { return nil }

// Close ends what runs.
func (s *Supervisor) Close(ctx context.Context) error { return nil }
