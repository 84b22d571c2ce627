package api

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp peeks: the end of the stream, or an error other than "nothing yet", is a hang-up.
func hungUp(raw syscall.RawConn) func() bool {
	return func() bool {
		gone := false
		err := raw.Control(func(fd uintptr) {
			var b [1]byte
			n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
			gone = err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
		})
		return err != nil || gone
	}
}
