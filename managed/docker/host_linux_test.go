package docker

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody calls f on a thread that opens files as nobody where this process is root, who may
// open all.
func asNobody(_ testing.TB, f func()) {
	go func() {
		runtime.LockOSThread() // it ends with the goroutine, as it is not root's any more
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		f()
	}()
}
