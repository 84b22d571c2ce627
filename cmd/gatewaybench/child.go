package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// start runs a program until a line of its output tells its address.
func start(ctx context.Context, stderr io.Writer, address func(line string) string, name string, args ...string) (*child, error) {
	cmd := exec.CommandContext(ctx, name, args...)
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
			if a := address(lines.Text()); a != "" {
				select {
				case found <- a:
				default:
				}
			}
		}
	}()
	select {
	case a, ok := <-found:
		if ok {
			return &child{url: "http://" + a, cmd: cmd}, nil
		}
		return nil, errors.Join(fmt.Errorf("%s ended without an address", name), cmd.Wait())
	case <-time.After(startLimit):
		return nil, errors.Join(fmt.Errorf("%s was not ready within %s", name, startLimit), cmd.Process.Kill(), cmd.Wait())
	}
}

func (c *child) stop() {
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait() // how a server that was told to stop ends is not what is measured
}

// startSelf starts this program in another role.
func startSelf(ctx context.Context, stderr io.Writer, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(ctx, stderr, strings.TrimSpace, self, args...)
}

const gatewayConfig = `
log: {format: json, level: info}
server: {host: 127.0.0.1, port: %d, drain_delay: 0s}
models: []
files: {routing: %q}
`

const gatewayRouting = `
upstreams: [{name: upstream, type: openai, urls: ["%s/v1"], max_in_flight: 1024}]
models: [{name: "bench-*", upstream: upstream, tasks: [embed]}]
`

// startGateway starts quadrate as a router in front of an upstream.
func startGateway(ctx context.Context, stderr io.Writer, program, folder, upstream string) (*child, error) {
	routing, server := filepath.Join(folder, "routing.yaml"), filepath.Join(folder, "server.yaml")
	if err := os.WriteFile(routing, fmt.Appendf(nil, gatewayRouting, upstream), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(server, fmt.Appendf(nil, gatewayConfig, 0, routing), 0o600); err != nil {
		return nil, err
	}
	address := func(line string) string {
		var event struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &event) == nil && event.Msg == "ready" {
			return event.Address
		}
		return ""
	}
	return start(ctx, stderr, address, program, "-config", server)
}
