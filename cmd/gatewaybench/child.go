package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// child is a process that this program has started.
type child struct {
	url string
	cmd *exec.Cmd
}

const startLimit = 30 * time.Second

// startSelf starts this program in another role, and waits for the address that it prints.
func startSelf(ctx context.Context, stderr io.Writer, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	found := make(chan string, 1)
	go func() { // ends with the child's output
		defer close(found)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case found <- strings.TrimSpace(lines.Text()):
			default:
			}
		}
	}()
	select {
	case a, ok := <-found:
		if ok {
			return &child{url: "http://" + a, cmd: cmd}, nil
		}
		return nil, errors.Join(fmt.Errorf("%s ended without an address", args[0]), cmd.Wait())
	case <-time.After(startLimit):
		return nil, errors.Join(fmt.Errorf("%s was not ready within %s", args[0], startLimit), cmd.Process.Kill(), cmd.Wait())
	}
}

func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait() // how a server that was told to stop ends is not what is measured
}

const gatewayConfig = `
log: {level: warn}
server: {host: 127.0.0.1, port: %d, drain_delay: 0s}
models: []
files: {routing: %q}
`

const gatewayRouting = `
upstreams: [{name: upstream, type: openai, urls: ["%s/v1"], max_in_flight: 1024}]
models: [{name: "bench-*", upstream: upstream, tasks: [embed]}]
`

// startGateway starts quadrate as a router in front of an upstream. It writes no line a request,
// as the plain proxy writes none.
func startGateway(ctx context.Context, stderr io.Writer, program, folder, upstream string) (*child, error) {
	routing, server := filepath.Join(folder, "routing.yaml"), filepath.Join(folder, "server.yaml")
	if err := os.WriteFile(routing, fmt.Appendf(nil, gatewayRouting, upstream), 0o600); err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(server, fmt.Appendf(nil, gatewayConfig, address.Port, routing), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, "-config", server)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{url: "http://" + address.String(), cmd: cmd}
	if err := c.await(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) (*net.TCPAddr, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return ln.Addr().(*net.TCPAddr), ln.Close()
}

// await returns when the child says that it is ready.
func (c *child) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/health/ready", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the gateway was not ready within %s", startLimit)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
