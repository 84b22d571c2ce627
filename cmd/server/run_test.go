package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
		err  error
	}{
		"version":      {args: []string{"version"}, want: "quadrate development (go"},
		"help":         {args: []string{"-help"}, want: "Usage: quadrate [serve] [-config FILE] [-check]"},
		"unknown flag": {args: []string{"-confg", "x"}, want: "flag provided but not defined: -confg", err: errUsage},
		"too much":     {args: []string{"serve", "now"}, want: `unexpected argument "now"`, err: errUsage},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.ErrorIs(t, run(t.Context(), c.args, nil, &out, nil), c.err)
			require.Contains(t, out.String(), c.want)
		})
	}
}

// -check looks at the store's URL, and leaves the store, which others may share, alone.
func TestCheckCallsNobody(t *testing.T) {
	var lc net.ListenConfig
	store, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	s := newSite(t, "upstreams:\n"+upstreamLine("tei", "tei", "", "http://"+store.Addr().String())+"models: [{name: m, upstream: tei}]\n")
	s.limits = fmt.Sprintf("store: redis://%s\n", store.Addr())
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-check", "-config", s.write()}, nil, &out, nil))
	require.Contains(t, out.String(), "m from upstream tei")
	require.NoError(t, store.(*net.TCPListener).SetDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = store.Accept()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
