package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/quadrate-maas/quadrate/api"
	"github.com/quadrate-maas/quadrate/config"
)

// lostTimeout is what other models' requests have to finish when the process ends because a
// model is lost; whatever takes longer would keep that model away for longer.
const lostTimeout = 10 * time.Second

// errRestart ends the program for its supervisor to start it anew: a device, or a run on it,
// is beyond what this process can mend.
var errRestart = errors.New("the process must be started anew")

func serve(ctx context.Context, cfg *config.Config, read reader, open engines, stdout io.Writer, ready func(addr string)) error {
	runtime, err := localRuntimeFor(cfg)
	if err != nil {
		return err
	}
	return serveOn(ctx, platform{runtime, open}, cfg, read, stdout, ready)
}

// reader reads the configuration anew.
type reader func() (*config.Config, error)

// localRuntimeFor opens what runs local models; a server without any needs no native library.
func localRuntimeFor(cfg *config.Config) (localRuntime, error) {
	if len(cfg.Models) == 0 {
		return refusingLocals{errNoLocals}, nil
	}
	return newLocalRuntime(cfg)
}

// serveOn starts listening, loads the models while it answers that it is not ready yet, and
// serves until ctx ends. It shuts down in this order: not ready, drain delay, HTTP, containers,
// upstreams, batchers and sessions, ONNX Runtime. When a model is lost, it is HTTP alone, at once,
// and the error is errRestart: containers run on, for the next process to adopt.
func serveOn(ctx context.Context, on platform, cfg *config.Config, read reader, stdout io.Writer, ready func(addr string)) (err error) {
	runtime := on.runtime
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	p, err := newProgram(cfg, read, on, end, stdout)
	if err != nil {
		return errors.Join(err, runtime.Close())
	}
	defer func() {
		if !errors.Is(err, errRestart) {
			err = errors.Join(err, p.close())
		}
	}()
	// Requests outlive ctx: they end with base, after the shutdown.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server, err := p.server(base)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	addr := listener.Addr().String()
	p.log.Info("listening", "address", addr, "version", version, "runtime", runtime.Describe(), "config", cfg.File)
	if reason := runtime.GPU(cfg.Runtime.Provider); reason != nil && len(cfg.Models) > 0 {
		p.log.Info("models run on the CPU", "reason", reason)
	}

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop := stopper{server: server, drainDelay: cfg.Server.DrainDelay, timeout: p.shutdownTimeout, cancel: cancel, log: p.log, served: served}
	stopWatching := p.watch(running)
	defer func() {
		// A reload under way ends with running, but for a model that native code is loading: that
		// keeps nobody from draining, nor a program from ending whose models are lost.
		if !errors.Is(err, errRestart) {
			stopWatching()
		}
	}()
	if err := p.gateway.load(running); err != nil {
		if running.Err() != nil && !errors.Is(err, errRestart) {
			return stop.because(context.Cause(running), stop.now)
		}
		p.log.Error("the start failed", "error", err)
		return stop.because(err, func() error { return errors.Join(err, stop.now()) })
	}
	p.log.Info("ready", "address", addr, "models", len(p.gateway.content.catalog.Listed()), "playground", localURL(cfg, addr)+"/playground")
	if ready != nil {
		ready(addr)
	}
	select {
	case <-running.Done():
		return stop.because(context.Cause(running), stop.drained)
	case err := <-served:
		return fmt.Errorf("serving ended: %w", err)
	}
}

// stopper ends the HTTP side.
type stopper struct {
	server     *api.Server
	drainDelay time.Duration
	timeout    time.Duration
	cancel     context.CancelFunc
	log        *slog.Logger
	served     <-chan error
}

// because ends with errRestart where that is the cause, else as asked does. What goes wrong
// with requests in flight is only logged then: the program's last line is to be the cause.
func (s stopper) because(cause error, asked func() error) error {
	if !errors.Is(cause, errRestart) {
		return asked()
	}
	s.timeout = min(s.timeout, lostTimeout)
	if err := s.now(); err != nil {
		s.log.Error("stopping", "error", err)
	}
	return cause
}

// drained answers that it is not ready, goes on serving for the drain delay, so that whoever
// sends requests sees it and stops, and then shuts down.
func (s stopper) drained() error {
	s.log.Info("stopping: draining", "delay", s.drainDelay.String())
	s.server.Drain()
	time.Sleep(s.drainDelay)
	return s.now()
}

// now stops listening and waits for the requests in flight, up to the shutdown timeout.
func (s stopper) now() error {
	s.server.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	err := s.server.Shutdown(ctx)
	s.cancel()
	if err != nil {
		err = fmt.Errorf("shutdown: requests were still in flight after %s (server.shutdown_timeout): %w", s.timeout, err)
	}
	serveErr := <-s.served
	s.log.Info("stopped")
	return errors.Join(err, serveErr)
}

func listenAddress(cfg *config.Config) string {
	return net.JoinHostPort(cfg.Server.Host, strconv.Itoa(cfg.Server.Port))
}

// listen opens the port. Multipath TCP is off: its sockets refuse the packet filter with which
// a shutdown keeps new connections from coming in and being lost.
func listen(ctx context.Context, cfg *config.Config) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	listener, err := lc.Listen(ctx, "tcp", listenAddress(cfg))
	if err != nil {
		return nil, fmt.Errorf("%w (server.host, server.port)%s", err, listenHint(err))
	}
	return listener, nil
}

// listenHint says what to do about a port that cannot be had, where that is known.
func listenHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another program listens there; stop it, or take another port, as with QUADRATE_SERVER_PORT=8001"
	case errors.Is(err, syscall.EACCES):
		return ": ports below 1024 are for root or CAP_NET_BIND_SERVICE; take another, as with QUADRATE_SERVER_PORT=8000"
	}
	return ""
}

// localURL is where clients on this machine reach the server; address is what it listens on.
func localURL(cfg *config.Config, address string) string {
	scheme, host := "http", cfg.Server.Host
	if cfg.Server.TLS.Cert != "" {
		scheme = "https"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(address)
	return scheme + "://" + net.JoinHostPort(host, port)
}
