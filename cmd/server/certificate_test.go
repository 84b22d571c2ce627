package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/proxy/upstreamtest"
)

// secretVolume is a folder as Kubernetes mounts a secret: the files are links through ..data, which
// is turned from one folder to the next.
type secretVolume struct {
	t    *testing.T
	dir  string
	turn int
}

func (v *secretVolume) put(cert, key string) {
	v.t.Helper()
	v.turn++
	name := fmt.Sprintf("..%d", v.turn)
	require.NoError(v.t, os.Mkdir(filepath.Join(v.dir, name), 0o700))
	for to, from := range map[string]string{"tls.crt": cert, "tls.key": key} {
		content, err := os.ReadFile(from)
		require.NoError(v.t, err)
		require.NoError(v.t, os.WriteFile(filepath.Join(v.dir, name, to), content, 0o600))
		if v.turn == 1 {
			require.NoError(v.t, os.Symlink("..data/"+to, v.path(to)))
		}
	}
	require.NoError(v.t, os.Symlink(name, v.path("..tmp")))
	require.NoError(v.t, os.Rename(v.path("..tmp"), v.path("..data")))
}

func (v *secretVolume) path(name string) string { return filepath.Join(v.dir, name) }

// shows reports whether a handshake with a client that trusts no other certificate succeeds.
func shows(addr string, trusted *x509.CertPool) func() bool {
	return func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		d := &tls.Dialer{Config: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
		c, err := d.DialContext(ctx, "tcp", addr)
		return err == nil && c.Close() == nil
	}
}

// A renewed certificate is what handshakes show from then on, without a restart; connections
// that are there go on, and a pair that does not fit leaves the one before in force.
func TestARenewedCertificateIsTaken(t *testing.T) {
	t.Parallel()
	up := upstreamtest.NewTEI(t, upstreamtest.Options{})
	cert, key, first := selfSigned(t)
	volume := &secretVolume{t: t, dir: t.TempDir()}
	volume.put(cert, key)
	s := newSite(t, "upstreams:\n"+upstreamLine("up", "tei", "", up.URL)+"models:\n  - {name: m, upstream: up, upstream_model: fake}\n")
	s.server = fmt.Sprintf(", tls: {cert: %s, key: %s}", volume.path("tls.crt"), volume.path("tls.key"))
	g := s.open()
	require.True(t, shows(g.addr, first)())
	dialled := 0
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: first, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled++
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	health := func() string {
		a, err := send(t.Context(), client, http.MethodGet, "https://"+g.addr+"/health", nil)
		require.NoError(t, err)
		return a.body
	}
	require.NotContains(t, health(), "last_reload")

	secondCert, secondKey, second := selfSigned(t)
	volume.put(secondCert, secondKey)
	require.Eventually(t, shows(g.addr, second), 20*time.Second, 5*time.Millisecond)
	require.False(t, shows(g.addr, first)())
	require.Contains(t, health(), `"ok":true`)
	require.Equal(t, 1, dialled, "the connection of before is still used")

	thirdCert, thirdKey, third := selfSigned(t)
	volume.put(thirdCert, secondKey)
	refused := func() []map[string]any { return g.lines(t, "reload refused: the old configuration stays in force") }
	require.Eventually(t, func() bool { return len(refused()) > 0 }, 20*time.Second, 5*time.Millisecond)
	require.True(t, shows(g.addr, second)())
	require.False(t, shows(g.addr, third)())
	var shown struct {
		Reload struct {
			OK       bool
			Problems []string
		} `json:"last_reload"`
	}
	require.NoError(t, json.Unmarshal([]byte(health()), &shown))
	require.False(t, shown.Reload.OK)
	require.Contains(t, strings.Join(shown.Reload.Problems, "\n"), "server.tls: tls: private key does not match public key")

	volume.put(thirdCert, thirdKey)
	require.Eventually(t, shows(g.addr, third), 20*time.Second, 5*time.Millisecond)
	require.NoError(t, g.stop())
	require.Len(t, refused(), 1, "told once")
	require.Len(t, g.lines(t, "the certificate is renewed"), 2)
}
