package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quadrate-maas/quadrate/models"
)

// onNetwork has a proxy on the network, with the plain dialect.
func onNetwork() seams {
	return seams{dialect: func(Type) (dialect, error) { return plainDialect{}, nil }}
}

// raw is a server that is given each connection; it returns its base URL.
func raw(t *testing.T, serve func(n int, c net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(n, c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		<-done
	})
	return "http://" + l.Addr().String()
}

// readRequest reads a request with its body; nil when the connection is closed.
func readRequest(r *bufio.Reader) *http.Request {
	req, err := http.ReadRequest(r)
	if err != nil {
		return nil
	}
	_, _ = io.Copy(io.Discard, req.Body)
	return req
}

func TestAResetInTheBodyIsTriedAgain(t *testing.T) {
	var n atomic.Int32
	url := raw(t, func(i int, c net.Conn) {
		n.Add(1)
		readRequest(bufio.NewReader(c))
		if i == 0 {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1,")
			_ = c.(*net.TCPConn).SetLinger(0)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
	})
	p := openPool(t, quiet("one", url), Hooks{}, onNetwork())
	require.NoError(t, ask(t.Context(), p, 1))
	require.EqualValues(t, 2, n.Load())
}

// A server closes idle connections when it likes. A request that meets such a connection is sent
// on another, and that is no failure of anybody's.
func TestAStaleConnectionCostsNothing(t *testing.T) {
	url := raw(t, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		readRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
		readRequest(r) // taken, and never answered
	})
	l := log{}
	u := quiet("one", url)
	u.Retries = -1
	p := openPool(t, u, l.hooks(), onNetwork())
	for range 10 {
		require.NoError(t, ask(t.Context(), p, 1))
	}
	require.Len(t, l.attempts, 10)
	require.Zero(t, p.budget.retries)
}

func TestNothingListens(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	p := openPool(t, quiet("one", "http://"+l.Addr().String()), Hooks{}, onNetwork())
	e := requireKind(t, models.KindLoading, "one", ask(t.Context(), p, 1))
	require.Contains(t, e.Message, "it has not started, or is still loading its model")
	require.Equal(t, loadingAgain, e.RetryAfter)
}

func TestSlowBodiesAndSlowFirstBytes(t *testing.T) {
	leave := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/body") {
			_, _ = io.WriteString(w, "[")
			w.(http.Flusher).Flush()
		}
		select {
		case <-r.Context().Done(): // the request upstream ends with the attempt
		case <-leave:
		}
	}))
	defer s.Close()
	defer close(leave)
	u := quiet("one", s.URL+"/body")
	u.Timeout, u.Retries = 50*time.Millisecond, -1
	e := requireKind(t, models.KindUpstream, "one", ask(t.Context(), openPool(t, u, Hooks{}, onNetwork()), 1))
	require.Contains(t, e.Message, "no complete answer within upstreams[].timeout, 50ms")

	u.URLs, u.Timeout, u.FirstByteTimeout = []string{s.URL + "/first"}, time.Minute, 50*time.Millisecond
	e = requireKind(t, models.KindUpstream, "one", ask(t.Context(), openPool(t, u, Hooks{}, onNetwork()), 1))
	require.Contains(t, e.Message, "no answer within upstreams[].first_byte_timeout, 50ms")
}

func TestTheServerSeesThatTheClientHasLeft(t *testing.T) {
	left := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(left)
	}))
	defer s.Close()
	p := openPool(t, quiet("one", s.URL), Hooks{}, onNetwork())
	err := p.send(t.Context(), &request{path: "/embed", body: []byte("[]"), gone: func() bool { return true }})
	requireKind(t, models.KindCanceled, "one", err)
	<-left
}

func TestHugeBodies(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Query().Has("chunked") {
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(body)
	}))
	defer s.Close()
	u := quiet("one", s.URL)
	u.MaxAnswer = 8 << 20
	p := openPool(t, u, Hooks{}, onNetwork())
	for _, path := range []string{"/echo", "/echo?chunked"} {
		for _, size := range []int{2, 4096, 4097, 1 << 22, 1<<22 + 1, 8 << 20} {
			body := []byte(`"` + strings.Repeat("x", size-2) + `"`)
			got := 0
			require.NoError(t, p.send(t.Context(), &request{path: path, body: body, read: func(r *response) error {
				got = len(r.body)
				return wellFormed(r)
			}}))
			require.Equal(t, size, got)
		}
		err := p.send(t.Context(), &request{path: path, body: make([]byte, 8<<20+1), read: wellFormed})
		e := requireKind(t, models.KindUpstream, "one", err)
		require.Contains(t, e.Message, "larger than upstreams[].max_answer, 8388608 bytes")
	}
}

// A length that the header claims, and that never comes, takes no memory.
func TestALengthIsNotBelieved(t *testing.T) {
	b, err := readBody(strings.NewReader("[]"), 1<<40, 1<<41)
	require.NoError(t, err)
	require.Equal(t, "[]", string(b.bytes))
	require.LessOrEqual(t, cap(b.bytes), 1<<maxClass)
	b.release()
}

// authority signs certificates for 127.0.0.1 and writes them as files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key, a.cert = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "authority"}})
	a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(c *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := c, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	require.NoError(a.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return key, cert
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// pair writes a certificate and its key.
func (a *authority) pair(name string) (certFile, keyFile string) {
	key, cert := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"tei.example"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	return a.write(name+".pem", "CERTIFICATE", cert.Raw), a.write(name+".key", "PRIVATE KEY", der)
}

func TestTLSWithClientCertificates(t *testing.T) {
	a := newAuthority(t)
	serverCert, serverKey := a.pair("server")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	var seen atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.TLS.PeerCertificates[0].Subject.CommonName + " " + r.Proto + " " + r.TLS.ServerName)
		_, _ = io.WriteString(w, "[]")
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2", "http/1.1"}}
	s.StartTLS()
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)

	u := quiet("one", s.URL, "dns+https://tei.example:"+port)
	u.CAFile = filepath.Join(a.dir, "ca.pem")
	u.ClientCert, u.ClientKey = a.pair("client")
	world := onNetwork()
	world.resolve = func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }
	p := openPool(t, u, Hooks{}, world)
	names := map[any]bool{}
	for len(names) < 2 {
		require.NoError(t, ask(t.Context(), p, 1))
		names[seen.Load()] = true
	}
	require.Equal(t, map[any]bool{"client HTTP/1.1 ": true, "client HTTP/1.1 tei.example": true}, names)

	// Without what is needed, nobody is connected to.
	for _, change := range []func(*Upstream){
		func(u *Upstream) { u.CAFile = "" },
		func(u *Upstream) { u.ClientCert, u.ClientKey = "", "" },
	} {
		worse := quiet("one", s.URL)
		worse.CAFile, worse.ClientCert, worse.ClientKey = u.CAFile, u.ClientCert, u.ClientKey
		change(&worse)
		requireKind(t, models.KindUpstream, "one", ask(t.Context(), openPool(t, worse, Hooks{}, world), 1))
	}
	u.CAFile = u.ClientKey
	_, err = newProxy(Options{Upstreams: []Upstream{u}}, nil, world)
	require.ErrorContains(t, err, "holds no certificate in PEM")
}

func TestNextReadsFilesAgain(t *testing.T) {
	a := newAuthority(t)
	u := quiet("one", "https://127.0.0.1:1")
	u.CAFile = filepath.Join(a.dir, "ca.pem")
	p := openProxy(t, Options{Upstreams: []Upstream{u}}, onNetwork())
	same, err := p.Next(Options{Upstreams: []Upstream{u}})
	require.NoError(t, err)
	defer func() { require.NoError(t, same.Close(t.Context())) }()
	require.Same(t, p.pools[0], same.pools[0])
	cert, _ := a.pair("other")
	content, err := os.ReadFile(cert)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(u.CAFile, content, 0o600))
	other, err := p.Next(Options{Upstreams: []Upstream{u}})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(t.Context())) }()
	require.NotSame(t, p.pools[0], other.pools[0])
}

func BenchmarkSend(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(vector)
	}))
	defer s.Close()
	body := []byte(`["sixteen tokens of text, more or less, for a vector of three hundred and eighty-four"]`)
	b.Run("plain", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
		b.ReportAllocs()
		for b.Loop() {
			r, err := client.Post(s.URL+"/embed", "application/json", strings.NewReader(string(body)))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.ReadAll(r.Body)
			_ = r.Body.Close()
		}
	})
	b.Run("pool", func(b *testing.B) {
		p := openPool(b, quiet("one", s.URL), Hooks{}, onNetwork())
		gone := func() bool { return false }
		b.ReportAllocs()
		for b.Loop() {
			if err := p.send(b.Context(), &request{path: "/embed", body: body, tokens: 16, gone: gone, read: func(*response) error { return nil }}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPool is what the pool adds, without a network.
func BenchmarkPool(b *testing.B) {
	w := newWorld()
	for _, url := range urls(4) {
		w.at(url, func(*http.Request) (*http.Response, error) { return answer(200, "[]") })
	}
	p := openPool(b, quiet("one", urls(4)...), Hooks{}, w.seams())
	b.ReportAllocs()
	for b.Loop() {
		if err := p.send(b.Context(), &request{path: "/embed", body: vector[:100], tokens: 16, read: func(*response) error { return nil }}); err != nil {
			b.Fatal(err)
		}
	}
}

// vector is about what one vector of 384 numbers is in base64.
var vector = []byte(`"` + strings.Repeat("A", 2048) + `"`)

// net/http sends a request again on each idle connection that breaks under it. What kills a
// server's workers must not be sent to all of them by that.
func TestAConnectionThatBreaksIsReplacedOnce(t *testing.T) {
	const warm = 6
	var got atomic.Int32
	var killing atomic.Bool
	together := make(chan struct{}, warm)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !killing.Load() {
			together <- struct{}{}
			<-release
			_, _ = io.WriteString(w, "[]")
			return
		}
		got.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	u := quiet("one", server.URL)
	u.Retries = -1
	p := openPool(t, u, Hooks{}, onNetwork())
	done := make(chan error)
	for range warm {
		go func() { done <- ask(t.Context(), p, 1) }()
	}
	for range warm {
		<-together
	}
	close(release)
	for range warm {
		require.NoError(t, <-done)
	}
	killing.Store(true)
	requireKind(t, models.KindUpstream, "one", ask(t.Context(), p, 1))
	require.LessOrEqual(t, got.Load(), int32(2))
}

// An answer whose body is the connection itself has no end, and no context ends it.
func TestAConnectionIsNotGivenAway(t *testing.T) {
	over := make(chan struct{})
	url := raw(t, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		readRequest(r)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		readRequest(r) // until it is closed
		close(over)
	})
	p := openPool(t, quiet("one", url), Hooks{}, onNetwork())
	require.Error(t, ask(t.Context(), p, 1))
	<-over
}
