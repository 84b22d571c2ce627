package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// connectError is a failure to connect: nothing was sent.
type connectError struct{ err error }

func (e *connectError) Error() string { return "connect: " + e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// dialer connects within the upstream's connect timeout, TLS included.
type dialer struct {
	timeout time.Duration
	// address, when not empty, is dialled in place of the URL's host.
	address string
	tls     *tls.Config
}

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if d.address != "" {
		address = d.address
	}
	conn, err := (&net.Dialer{Timeout: d.timeout, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, &connectError{err}
	}
	return conn, nil
}

func (d dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := d.tls.Clone()
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, errors.Join(&connectError{err}, plain.Close())
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close()
		return nil, &connectError{err}
	}
	return conn, nil
}

// newTransport makes the connections to one endpoint. HTTP/1.1 only: it is what these servers
// speak, a connection that breaks takes one request with it, and cancelling is closing it.
// Proxies of the environment are not used: who answers is what the configuration says.
func newTransport(u Upstream, config *tls.Config, address string) *http.Transport {
	d := dialer{timeout: u.ConnectTimeout, address: address, tls: config}
	t := &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    u.MaxInFlight,
		IdleConnTimeout:        idleTime(u.Type),
		MaxResponseHeaderBytes: 64 << 10,
		ReadBufferSize:         16 << 10,
		WriteBufferSize:        16 << 10,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	if u.FirstByteTimeout < u.Timeout {
		t.ResponseHeaderTimeout = u.FirstByteTimeout
	}
	return t
}

// idleTime is how long a connection is kept for the next request: less than the server keeps it,
// or a request meets a connection that is being closed. Python's uvicorn keeps them for 5 s.
func idleTime(t Type) time.Duration {
	switch t {
	case TypeVLLM, TypeInfinity:
		return 4 * time.Second
	}
	return time.Minute
}

// tlsConfig reads the upstream's certificates, and digests them.
func tlsConfig(u Upstream) (*tls.Config, [sha256.Size]byte, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var problems []error
	var all []byte
	read := func(field, path string) []byte {
		if path == "" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			problems = append(problems, fmt.Errorf("upstream %q: %s: %w", u.Name, field, err))
		}
		all = append(all, content...)
		return content
	}
	authorities, certificate, key := read("ca_file", u.CAFile), read("client_cert", u.ClientCert), read("client_key", u.ClientKey)
	if authorities != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(authorities) {
			problems = append(problems, fmt.Errorf("upstream %q: ca_file: %s holds no certificate in PEM", u.Name, u.CAFile))
		}
	}
	if certificate != nil && key != nil {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			problems = append(problems, fmt.Errorf("upstream %q: client_cert and client_key: %w", u.Name, err))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, sha256.Sum256(all), errors.Join(problems...)
}
