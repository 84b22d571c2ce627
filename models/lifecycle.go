package models

import (
	"context"
	"time"
)

// Lifecycle is a model that this server starts and stops. Errors are *Error, or the context's.
type Lifecycle interface {
	// Load starts the model, or joins a start that is under way, and returns once it serves.
	Load(ctx context.Context) error
	// Unload lets the requests in flight end, stops the model and returns once it is gone. It
	// starts again when a request asks for it.
	Unload(ctx context.Context) error
	// Logs returns the last lines that the model's server has written, also after it has ended.
	Logs(ctx context.Context, lines int) (string, error)
}

// Lifecycle returns what starts and stops the entry's model; false: nothing does. Of a model with
// fallbacks it is that of the first.
func (e Entry) Lifecycle() (Lifecycle, bool) {
	m := e.Model
	if first, ok := m.(interface{ Primary() Model }); ok {
		m = first.Primary()
	}
	l, ok := m.(Lifecycle)
	return l, ok
}

// Container is what a model runs in, when this server starts and stops it, at one moment.
type Container struct {
	// State is stopped, pulling, starting, ready, draining, stopping or failed.
	State string
	// Name and Image are the container engine's; Name is empty while there is none.
	Name, Image string
	// Group is of those that run one at a time; empty: none.
	Group    string
	Priority int
	// Pinned: it is started with the server, and makes room for nobody.
	Pinned bool
	// InFlight requests are being answered, Waiting ones wait for it to serve.
	InFlight, Waiting int
	// MemoryMB and GPUMemoryMB are what it counts as in budgets, in MiB; 0: nothing.
	MemoryMB, GPUMemoryMB int
	// MemoryUsed is what it used when last looked at, in bytes; 0: not known.
	MemoryUsed int64
	// Started is when it last began to serve, StartTook how long that start took, the pull of its
	// image apart; zero: it never has.
	Started   time.Time
	StartTook time.Duration
	// LastUsed is when its last request ended; zero: there was none.
	LastUsed time.Time
	// Starts and Crashes count since this server began.
	Starts, Crashes int
	// Progress tells of a pull.
	Progress string
	// Reason is why it failed, and RetryAt when it may be started again; zero: any time.
	Reason  string
	RetryAt time.Time
}

// unwaiting is the key of WithoutWaiting.
type unwaiting struct{}

// WithoutWaiting is ctx for a request that somebody else can answer at once: a model that has to be
// started first is started, but not waited for.
func WithoutWaiting(ctx context.Context) context.Context {
	return context.WithValue(ctx, unwaiting{}, true)
}

// Waits reports whether a request of ctx waits for a model to start: see WithoutWaiting.
func Waits(ctx context.Context) bool { return ctx.Value(unwaiting{}) == nil }
