package upstreamtest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Server is a fake that listens on a port of the loopback interface.
type Server struct {
	*Fake
	// URL is http://127.0.0.1:PORT, without the prefix.
	URL  string
	addr string

	mu     sync.Mutex
	http   *http.Server // nil while stopped
	cancel context.CancelCauseFunc
	// ended is closed when nothing of the server runs any more.
	ended chan struct{}
}

// errStopped ends requests whose server stops.
var errStopped = errors.New("upstreamtest: the server was stopped")

// NewServer starts a fake of a kind; it ends with the test.
func NewServer(t testing.TB, kind Kind, options Options) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", kind, options)
	if err != nil {
		t.Fatalf("upstreamtest: %v", err)
	}
	t.Cleanup(s.Stop)
	return s
}

// NewTEI starts a text-embeddings-inference 1.9.
func NewTEI(t testing.TB, options Options) *Server { t.Helper(); return NewServer(t, TEI, options) }

// NewVLLM starts a vLLM pooling server.
func NewVLLM(t testing.TB, options Options) *Server { t.Helper(); return NewServer(t, VLLM, options) }

// NewOllama starts an Ollama.
func NewOllama(t testing.TB, options Options) *Server {
	t.Helper()
	return NewServer(t, Ollama, options)
}

// NewInfinity starts an Infinity.
func NewInfinity(t testing.TB, options Options) *Server {
	t.Helper()
	return NewServer(t, Infinity, options)
}

// NewOpenAI starts what has OpenAI's API.
func NewOpenAI(t testing.TB, options Options) *Server {
	t.Helper()
	return NewServer(t, OpenAI, options)
}

// Listen starts a fake on an address; Stop ends it.
func Listen(address string, kind Kind, options Options) (*Server, error) {
	s := &Server{Fake: New(kind, options), addr: address}
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// Start listens again after Stop, on the same port.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = listener.Addr().String()
	s.URL = "http://" + s.addr
	ctx, cancel := context.WithCancelCause(context.Background())
	var connections sync.WaitGroup
	server := &http.Server{
		Handler:           s.Fake,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: time.Minute,
		// New connections are told of by the goroutine that accepts them.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				connections.Add(1)
			case http.StateClosed, http.StateHijacked:
				connections.Done()
			}
		},
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
		connections.Wait()
	}()
	s.http, s.cancel, s.ended = server, cancel, ended
	return nil
}

// Stop closes the port and all connections, as if the process had died; what is in flight ends.
// It returns when nothing of the server runs any more.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return
	}
	s.cancel(errStopped)
	_ = s.http.Close()
	<-s.ended
	s.http = nil
}

// Load plays a server whose model loads, until loaded is called: Ollama lets requests wait, the
// others do not listen yet.
func (s *Server) Load() (loaded func() error) {
	if s.kind == Ollama {
		s.Fail(Fault{Name: Loading})
		return func() error {
			s.Clear()
			return nil
		}
	}
	s.Stop()
	return s.Start
}
