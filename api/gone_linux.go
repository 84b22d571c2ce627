package api

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp asks poll rather than peek: it sees a hang-up behind bytes not yet read, such as the
// closing alert of TLS.
func hungUp(raw syscall.RawConn) func() bool {
	return func() bool {
		gone := false
		err := raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, err := unix.Poll(fds, 0)
			gone = err == nil && n > 0 && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
		})
		return err != nil || gone
	}
}
