package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// manager plays systemd: a socket, and the messages that come in.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	at   string
}

func newManager(t *testing.T, at string) manager {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return manager{t, conn, at}
}

func (m manager) environ() string { return "NOTIFY_SOCKET=" + m.at }

// told is the next message.
func (m manager) told() string {
	m.t.Helper()
	message := make([]byte, 4096)
	require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(time.Minute)))
	n, err := m.conn.Read(message)
	require.NoError(m.t, err)
	return string(message[:n])
}

// nothing says that no message has come.
func (m manager) nothing() {
	m.t.Helper()
	require.NoError(m.t, m.conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, err := m.conn.Read(make([]byte, 1))
	require.ErrorContains(m.t, err, "timeout")
}

func TestTheServiceManagerHearsOfReadinessAndOfTheStop(t *testing.T) {
	tei := upstreamtest.NewTEI(t, upstreamtest.Options{})
	s := newSite(t, "upstreams:\n"+upstreamLine("tei", "tei", "", tei.URL)+"models: [{name: m, upstream: tei}]\n")
	for _, at := range []string{filepath.Join(t.TempDir(), "notify"), "@quadrate-test-" + filepath.Base(t.TempDir())} {
		m := newManager(t, at)
		r := launch(t, t.Context(), s.write(), m.environ())
		require.Equal(t, "READY=1\nSTATUS=serving on "+r.addr, m.told())
		m.nothing()
		require.NoError(t, r.stop())
		require.Equal(t, "STOPPING=1\nSTATUS=draining, then stopping", m.told())
		m.nothing()
	}
}

func TestTheServiceManagerHearsOfAStopBeforeTheServerIsReady(t *testing.T) {
	m := newManager(t, filepath.Join(t.TempDir(), "notify"))
	ctx, cancel := context.WithCancel(t.Context())
	_, end := serviceManagerOf([]string{"A=b", m.environ()}).hears(ctx, slog.New(slog.DiscardHandler), nil)
	cancel()
	require.Equal(t, "STOPPING=1\nSTATUS=draining, then stopping", m.told())
	end()
}

func TestNobodyHears(t *testing.T) {
	called := ""
	ready := func(addr string) { called = addr }
	whenReady, end := serviceManagerOf([]string{"NOTIFY_SOCKETS=x"}).hears(t.Context(), nil, ready)
	whenReady("here")
	end()
	require.Equal(t, "here", called)
}

func TestAServiceManagerThatIsGoneIsLoggedAndStopsNothing(t *testing.T) {
	var log output
	ctx, cancel := context.WithCancel(t.Context())
	gone := filepath.Join(t.TempDir(), "gone")
	whenReady, end := serviceManager(gone).hears(ctx, slog.New(slog.NewJSONHandler(io.Writer(&log), nil)), nil)
	whenReady("here")
	require.Contains(t, log.String(), "the service manager was not told (NOTIFY_SOCKET)")
	require.Contains(t, log.String(), gone)
	cancel()
	end()
}
