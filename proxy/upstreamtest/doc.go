// Package upstreamtest plays other model servers for tests: their routes, their answers and
// their faults, each as the real one gives it.
//
// A Fake is one such server as an http.Handler, a Server one that listens. Both check requests
// as the real server does and answer in its wire format, byte by byte where that is documented.
// What they compute is plain arithmetic on words: equal texts have equal vectors, texts that
// share words have near ones, and a document scores by the query's words that it holds. A script
// of faults makes them fail in the ways of [Faults].
//
// The package knows nothing of the proxy that it is made to test, so that a mistake about a
// server's format cannot be made on both sides at once.
package upstreamtest
