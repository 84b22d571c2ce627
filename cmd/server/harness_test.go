package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// output is a buffer that the server's goroutines write to while a test reads it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// running is a server that a test started.
type running struct {
	url  string
	addr string
	log  *output
	stop func() error // ends the server and waits for it
}

// launch runs the whole program under ctx until stop, or until the test ends.
func launch(t testing.TB, ctx context.Context, file string, environ ...string) running { //nolint:revive // the testing.TB comes first in helpers
	t.Helper()
	return launchOn(t, ctx, dockerEngines(environ), file, environ...)
}

// launchOn is launch with containers on an engine of open.
func launchOn(t testing.TB, ctx context.Context, open engines, file string, environ ...string) running { //nolint:revive // the testing.TB comes first in helpers
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	log := &output{}
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- runOn(ctx, []string{"-config", file}, environ, open, log, func(addr string) { ready <- addr })
	}()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	select {
	case addr := <-ready:
		t.Cleanup(func() { require.NoError(t, stop()) })
		return running{url: "http://" + addr, addr: addr, log: log, stop: stop}
	case err := <-done:
		cancel()
		require.NoError(t, err, log.String())
		t.Fatal("the server ended before it was ready")
	}
	panic("unreachable")
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	return roundTrip(t, req)
}

func post(t testing.TB, url string, body any) (int, string) {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(data))
	require.NoError(t, err)
	return roundTrip(t, req)
}

func roundTrip(t testing.TB, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(data)
}

type embeddings struct {
	Data []struct {
		Embedding []float32 `json:"embedding"`
		Index     int       `json:"index"`
	} `json:"data"`
	Usage struct {
		PromptTokens int `json:"prompt_tokens"`
	} `json:"usage"`
}

// selfSigned writes a certificate for 127.0.0.1 and its key, and returns a pool that trusts it.
func selfSigned(t *testing.T) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	write := func(name, kind string, data []byte) string {
		file := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600))
		return file
	}
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	trusted = x509.NewCertPool()
	trusted.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", keyDER), trusted
}
