package child

import "syscall"

// Attributes are those of a process that the kernel kills when its parent has ended, however that
// ended: a test that is killed cleans nothing up.
func Attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
