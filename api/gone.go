package api

import (
	"crypto/tls"
	"net"
	"syscall"
)

// goneFunc returns a models.Caller.Gone that looks at the client's socket, or nil where the
// platform or the connection cannot tell. A client that has closed its sending side counts as
// gone: no HTTP client does so and still reads. It may be called at any time and from any
// goroutine; once the connection is closed it reports true.
func goneFunc(nc net.Conn) func() bool {
	for {
		switch c := nc.(type) {
		case *conn:
			nc = c.Conn
			continue
		case *tls.Conn:
			nc = c.NetConn()
			continue
		case syscall.Conn:
			raw, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return hungUp(raw)
		}
		return nil
	}
}
