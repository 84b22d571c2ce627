package managed

import "time"

// Settings are what a Supervisor keeps to, and can be exchanged while it runs.
type Settings struct {
	Specs   []Spec
	Budgets Budgets
	// MaxWait is View.MaxWait.
	MaxWait time.Duration
	// Leave has Close let containers run, for the next process to adopt.
	Leave bool
}

// Options are what a Supervisor needs.
type Options struct {
	Settings
	Engine Engine
	Prober Prober
	// Refused says why no container can be run here for as long as this process lives; nil: they
	// can. Engine is nil then.
	Refused error
	Hooks   Hooks
}

// Hooks are told of what happens, by the supervisor's own goroutine: they must not block, nor
// call the supervisor.
type Hooks struct {
	// Changed is told of each change of state; reason is empty where there is nothing to say.
	Changed func(id string, from, to State, reason string)
	// Located is told when a server has another address, or none any more (empty).
	Located func(id, address string)
	// Started is told of each start that ended: how long it took, and nil or why it failed.
	Started func(id string, took time.Duration, err error)
	// Failed is told of each start that failed, and of each server that ended, or stopped serving, by
	// itself: why, and the last lines that it wrote, empty where they cannot be had.
	Failed func(id, why, lines string)
	// Pulling is told now and then how far the pull of an image is.
	Pulling func(id, progress string)
	// Swapped is told that a server was stopped to make room for another.
	Swapped func(from, to string)
	// Crashed is told of a server that ended, or stopped serving, by itself: reason is exit, oom
	// or unhealthy.
	Crashed func(id, reason string)
	// Stuck is told of a container that could not be stopped or removed, once; that is tried again
	// and again.
	Stuck func(name string, err error)
	// Engine is told that the engine answers, or does not (any more): err says why.
	Engine func(err error)
	// Adopted and Removed are told of containers of an earlier process; why is for people.
	Adopted func(id, name string)
	Removed func(name, why string)
}
