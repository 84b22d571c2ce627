//go:build !linux

package child

import "syscall"

// Attributes are nil: only Linux ends a process with its parent.
func Attributes() *syscall.SysProcAttr { return nil }
