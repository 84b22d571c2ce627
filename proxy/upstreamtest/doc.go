// Package upstreamtest plays other model servers for tests: their routes, their answers and
// their faults, each as the real one gives it.
package upstreamtest
