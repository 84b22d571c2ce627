// Package arch holds no code: its test is the table of which package may import which, and
// of which package owns each heavy dependency. ARCHITECTURE.md explains it.
package arch
