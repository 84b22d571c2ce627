// Package managedtest plays a container engine, and the servers in its containers, for tests. A
// test says how each server behaves, ends them, and takes the engine away; the engine fails the
// test when more runs at once than there is room for.
package managedtest
