//go:build !linux

package api

import "syscall"

// refuseNew reports that this platform has no such way.
func refuseNew(syscall.Conn) bool { return false }
