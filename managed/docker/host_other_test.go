//go:build !linux

package docker

import (
	"os"
	"testing"
)

// asNobody skips the test where this process is root, who may open every file: only on Linux has
// a thread a user of its own.
func asNobody(t testing.TB, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("root may open every socket")
	}
	go f()
}
