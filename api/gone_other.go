//go:build !linux && !darwin

package api

import "syscall"

// hungUp is nil: this platform has no way to ask that is tested.
func hungUp(syscall.RawConn) func() bool { return nil }
