package managed

import "time"

// Pull says when an image is pulled.
type Pull string

// The ways.
const (
	PullMissing Pull = "missing" // when the engine does not have it
	PullNever   Pull = "never"   // an absent image is an error
)

// AllGPUs is, alone in Spec.GPUs, every GPU.
const AllGPUs = "all"

// Spec is a model server that can be run in a container. It does not change; what is configured
// anew has another Spec.
type Spec struct {
	// ID is the upstream's name; it is unique.
	ID string
	// Model is what the server loads, for labels and errors; Type is the kind of server.
	Model, Type string

	// Image and what follows are how the container is made: Hash is of these.
	Image   string
	Command []string
	// Env are NAME=value.
	Env []string
	// GPUs are device numbers or UUIDs, or AllGPUs alone; none: no GPU.
	GPUs []string
	// Volumes are NAME:/path or /host/path:/path, with :ro at the end where that is wanted.
	Volumes []string
	// MemoryMB limits the container's memory, ShmMB the size of its /dev/shm, in MiB; 0: the
	// engine's default. MemoryMB is also what the container counts as in Budgets.HostMB.
	MemoryMB, ShmMB int
	// ContainerPort is where the server listens. HostPort is where it is published on loopback, 0:
	// on any free port. In Network, if it is not empty, the container is reached by its name, and
	// nothing is published.
	ContainerPort, HostPort int
	Network                 string

	Pull Pull
	// GPUMemoryMB is what it counts as on each of its GPUs, in MiB.
	GPUMemoryMB int
	// Of the members of a group at most one runs; empty: none of any.
	Group string
	// Priority: those with less make room first, and wait longer.
	Priority int
	// Pinned: started with the server, started again when it ends, and makes room for nobody.
	// Preload: started with the server.
	Pinned, Preload bool
	// IdleTTL stops it after so long without a request; 0: never.
	IdleTTL time.Duration
	// MinResidency is how long it runs at least before it makes room.
	MinResidency time.Duration
	// StartWait is how long a request waits for it to serve, StartTimeout how long a start may
	// take, from the container's creation to its first answer, PullTimeout a pull.
	StartWait, StartTimeout, PullTimeout time.Duration
	// DrainTimeout is how long requests in flight may take when it is to stop, StopTimeout how
	// long the server has from its signal to its end.
	DrainTimeout, StopTimeout time.Duration
	// CheckInterval is how often a server that runs is asked for its health; 0: never.
	CheckInterval time.Duration
}

// Budgets bound what runs at once; what counts nothing is not bounded.
type Budgets struct {
	// HostMB bounds the sum of MemoryMB, in MiB; 0: nothing does.
	HostMB int
	// GPUs bound the sum of GPUMemoryMB of each GPU, by the name that specs use, in MiB. A spec
	// with all GPUs counts on each of these.
	GPUs map[string]int
}
