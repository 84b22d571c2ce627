package api

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shortOf is a listener that first fails with err some times.
type shortOf struct {
	net.Listener
	err   error
	times int
}

func (l *shortOf) Accept() (net.Conn, error) {
	if l.times > 0 {
		l.times--
		return nil, &net.OpError{Op: "accept", Err: l.err}
	}
	return l.Listener.Accept()
}

func TestAcceptWaitsForFileDescriptors(t *testing.T) {
	w := build(t, nil)
	w.serve(t, &shortOf{Listener: listen(t), err: syscall.EMFILE, times: 3})
	require.Equal(t, 200, w.get(t, "/health/live").status)
}

func TestServeReturnsWhatAcceptCannotPass(t *testing.T) {
	w := build(t, nil)
	broken := errors.New("no more")
	require.ErrorIs(t, w.Serve(&shortOf{Listener: listen(t), err: broken, times: 1 << 30}), broken)
	require.NoError(t, w.Shutdown(t.Context()), "and Shutdown does not wait for Accept")
}

// TestReadLooksOnceMoreAfterTheWait: what has arrived is read, though the goroutine that reads
// comes to it after its time.
func TestReadLooksOnceMoreAfterTheWait(t *testing.T) {
	inner := listen(t)
	l := newListener(inner, nil, 1)
	client, err := net.Dial("tcp", inner.Addr().String())
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	served, err := l.Accept()
	require.NoError(t, err)
	defer func() { _ = served.Close() }()
	_, err = client.Write([]byte("GET"))
	require.NoError(t, err)
	l.stopped = time.Now().Add(-lastBytes)
	l.stopping.Store(true)
	require.NoError(t, served.SetReadDeadline(time.Time{}))
	p := make([]byte, 8)
	eventually(t, "the bytes are read", func() bool { n, _ := served.Read(p); return n == 3 })
	require.Equal(t, "GET", string(p[:3]))
}
