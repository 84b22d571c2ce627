package managed

import (
	"context"
	"errors"
	"time"
)

// Errors of an Engine, in the chains of those that it returns.
var (
	// ErrGone: there is no such container any more.
	ErrGone = errors.New("the container is gone")
	// ErrNoImage: the image is not there, and cannot be had.
	ErrNoImage = errors.New("the image is not there")
	// ErrAway: the engine does not answer.
	ErrAway = errors.New("the container engine does not answer")
)

// Engine runs containers of one instance of this server, which it knows from others' by their
// labels. It is safe for concurrent use; every call ends soon after its context does.
type Engine interface {
	// Ping reports whether the engine answers.
	Ping(ctx context.Context) error
	HasImage(ctx context.Context, image string) (bool, error)
	// Pull fetches an image; progress is told of it in words, now and then.
	Pull(ctx context.Context, image string, progress func(string)) error
	// Start makes a container of s and starts it; it does not wait for the server in it. A
	// container of this instance that has its name is removed before; where somebody else's has
	// it, another name is taken. On an error nothing is left behind.
	Start(ctx context.Context, s Spec) (Container, error)
	Inspect(ctx context.Context, id string) (Container, error)
	// List returns this instance's containers, running or not.
	List(ctx context.Context) ([]Container, error)
	// Stop has a container end, kills it after timeout, removes it and returns when it is gone. One
	// that is gone already is no error.
	Stop(ctx context.Context, id string, timeout time.Duration) error
	// Logs returns the last lines of what a container has written, running or not.
	Logs(ctx context.Context, id string, lines int) (string, error)
	// Memory is what a container uses, in bytes.
	Memory(ctx context.Context, id string) (int64, error)
	// Watch calls heard for each Event of this instance's containers until ctx ends or the engine
	// goes away; its error says which. heard must not block. Events from between two calls are lost:
	// after one has begun (begun is called then) List tells what they were.
	Watch(ctx context.Context, begun func(), heard func(Event)) error
}

// Container is a container at one moment.
type Container struct {
	ID, Name string
	// Spec and Hash are the Spec's ID and Hash that it was made of.
	Spec, Hash string
	// Address is host:port where its server can be reached; empty while it does not run.
	Address string
	Running bool
	// ExitCode and OOM (it was killed for want of memory) tell how one that ended did.
	ExitCode int
	OOM      bool
}

// Event is the end of a container, or that memory ran out in it.
type Event struct {
	Container string // its ID
	// Died: it has ended, with ExitCode. Else memory ran out in it, and it may run on.
	Died     bool
	ExitCode int
}

// Prober asks servers whether they serve, at an address rather than through an upstream's queue.
type Prober interface {
	// Health asks the server whether it is there and well.
	Health(ctx context.Context, upstream, address string) error
	// Try sends one real request of the kind that the model is for.
	Try(ctx context.Context, upstream, address string) error
}
