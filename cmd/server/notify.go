package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

// serviceManager is the socket on which systemd hears of a service of Type=notify; empty where nobody
// listens. The protocol is sd_notify(3)'s: a datagram of NAME=value lines. go-systemd's SdNotify says
// the same, but waits without bound for a manager that does not read.
type serviceManager string

// notifyTimeout is how long systemd may leave a message unread before it is given up.
const notifyTimeout = 5 * time.Second

// serviceManagerOf finds it in the process's environment.
func serviceManagerOf(environ []string) serviceManager {
	for _, variable := range environ {
		if value, found := strings.CutPrefix(variable, "NOTIFY_SOCKET="); found {
			return serviceManager(value)
		}
	}
	return ""
}

// hears has it told when the server is ready, by calling whenReady in ready's place, and when ctx ends,
// which begins the stop. end returns when nothing is told any more.
func (s serviceManager) hears(ctx context.Context, log *slog.Logger, ready func(addr string)) (whenReady func(addr string), end func()) {
	if s == "" {
		return ready, func() {}
	}
	tell := func(lines string) {
		if err := s.tell(lines); err != nil {
			log.Warn("the service manager was not told (NOTIFY_SOCKET)", "error", err)
		}
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		tell("STOPPING=1\nSTATUS=draining, then stopping")
	})
	whenReady = func(addr string) {
		tell("READY=1\nSTATUS=serving on " + addr)
		if ready != nil {
			ready(addr)
		}
	}
	return whenReady, func() {
		if !stop() {
			<-told
		}
	}
}

// tell sends lines; a name that begins with @ is Linux's abstract one.
func (s serviceManager) tell(lines string) error {
	// The context that has ended is what STOPPING tells of.
	conn, err := (&net.Dialer{Timeout: notifyTimeout}).DialContext(context.Background(), "unixgram", string(s))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(lines)); err != nil {
		return fmt.Errorf("telling %q: %w", lines, err)
	}
	return nil
}
