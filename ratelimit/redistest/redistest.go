// Package redistest runs a real redis-server for tests, with a port and a folder of its own. It
// knows nothing of what is kept there, and speaks no word of Redis' protocol.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/quadrate-maas/quadrate/internal/child"
)

// Server is a redis-server, which ends with its test. It keeps its port when it is started again,
// and nothing of what it held.
type Server struct {
	// Address is host:port.
	Address string

	t       testing.TB
	binary  string
	options []string
	process *exec.Cmd // nil while it does not run
}

// started is how long a redis-server on a busy machine may take until it listens.
const started = 20 * time.Second

// Start starts a redis-server with further options of its command line. It skips the test where
// redis-server is not installed, or fails it where QUADRATE_REQUIRE_MODELS is 1.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("QUADRATE_REQUIRE_MODELS") == "1" { //nolint:forbidigo // as internal/golden does for models
		t.Fatalf("run `make test-setup`: %v", err)
	} else if err != nil {
		t.Skipf("install redis-server first: %v", err)
	}
	s := &Server{Address: FreeAddress(t), t: t, binary: binary, options: options}
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// FreeAddress is one at which nobody listens.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Start starts a server that was killed, and returns when it listens.
func (s *Server) Start() {
	s.t.Helper()
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	args := append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}, s.options...)
	s.process = exec.CommandContext(context.Background(), s.binary, args...) // it is ended by Kill, after what other clean-ups want of it
	s.process.Stdout = log
	s.process.SysProcAttr = child.Attributes()
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(started); !listens(s.Address); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("redis-server does not listen at %s after %s", s.Address, started)
		}
	}
}

func listens(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // it has a limit
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// Kill ends the server as a power cut would. It may be called again.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// Signal sends a signal, such as SIGSTOP, at which it answers nobody, and SIGCONT.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// URL is where its database of a number is.
func (s *Server) URL(database int) string {
	return "redis://" + s.Address + "/" + strconv.Itoa(database)
}
