package api

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoDelay(t *testing.T) {
	ln := listen(t)
	l := newListener(ln, nil, 1)
	defer func() { _ = ln.Close() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	c, err := l.Accept()
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	raw, err := c.(*conn).Conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		on, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY)
		require.NoError(t, err)
		require.NotZero(t, on)
	}))
}
