// Package managed runs other model servers in containers: it starts one when a request asks for
// its model, watches it, and stops it to make room for another.
//
// [Supervisor] owns everything that changes, in one goroutine; [Decide] is a pure function that
// says what to do next; what takes time is done by goroutines that report back to the supervisor.
// The container engine ([Engine]) and what is asked of the servers ([Prober]) are interfaces of
// this package. It knows no HTTP, no dialects and no Docker.
package managed
