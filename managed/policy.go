package managed

import "time"

// State is where a container stands.
type State string

// The states. All but stopped and failed hold the container's memory and its group's place.
const (
	StateStopped  State = "stopped"
	StatePulling  State = "pulling" // its image; holds nothing
	StateStarting State = "starting"
	StateReady    State = "ready"
	StateDraining State = "draining" // lets nobody in, and stops when nothing is in flight
	StateStopping State = "stopping"
	StateFailed   State = "failed" // is not started before RetryAt
)

// View is what there is to decide on.
type View struct {
	Now     time.Time
	Budgets Budgets
	// MaxWait is how long others are let in before a model that waits; from then on its turn comes.
	MaxWait time.Duration
	// Units are in the configuration's order.
	Units []Unit
}

// Unit is a model's server as the policy sees it.
type Unit struct {
	ID                    string
	Group                 string
	Priority              int
	Pinned                bool
	MemoryMB, GPUMemoryMB int
	GPUs                  []string
	IdleTTL, MinResidency time.Duration
	DrainTimeout          time.Duration

	State State
	// InFlight requests are being answered, Waiting ones wait.
	InFlight, Waiting int
	// WantedSince is since when somebody wants it to run who has not been served; zero: nobody.
	WantedSince time.Time
	// ReadySince is when it began to serve, DrainingSince when it was to stop, LastUsed when its
	// last request ended, RetryAt before when it is not to be started; zero: never.
	ReadySince, DrainingSince, LastUsed, RetryAt time.Time
	// LoadCost is how long its last start took; 0: not known.
	LoadCost time.Duration
	// Leaving: it is to stop whatever its residency, since an admin, or a changed configuration,
	// says so. A unit that is Leaving is not started.
	Leaving bool
}

// Plan is what to do now, by ID. What is not named stays as it is; nothing is named twice.
//
// A unit in StatePulling is passed over: it holds nothing and has nothing kept for it, so nobody
// stops for it before its image is there. Then it is stopped again, with the WantedSince that it had,
// and gets its turn. So it is with one whose image is still being looked for.
type Plan struct {
	// Start begins a start: there is room.
	Start []string
	// Drain lets nobody in any more; Stop stops a container, whatever is in flight, also one that
	// is Leaving while it starts; Admit lets requests in again to one that drains, as nobody needs
	// its room any more.
	Drain, Stop, Admit []string
	// Wake is when to decide again though nothing has happened; zero: no need.
	Wake time.Time
}
