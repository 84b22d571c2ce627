//go:build !linux

package api

import (
	"net"
	"syscall"
)

// refuseNew reports that this platform has no such way.
func refuseNew(syscall.Conn) bool { return false }

// acceptRest does nothing: what waits at the end is reset by the kernel.
func acceptRest(syscall.Conn) []net.Conn { return nil }
