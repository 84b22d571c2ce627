package api

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// refuseNew makes the kernel drop the packets that begin a connection to a listening socket,
// so that its queue can be emptied for good; those who sent them try again, and are refused
// once the socket is closed. It reports whether that worked.
func refuseNew(listening syscall.Conn) bool {
	raw, err := listening.SyscallConn()
	if err != nil {
		return false
	}
	const flags, syn, ack = 13, 0x02, 0x10 // of a TCP header
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	var attached error
	err = raw.Control(func(fd uintptr) {
		attached = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
	return err == nil && attached == nil
}

// acceptRest takes every connection that waits at a listening socket, and ends the listening
// right behind the last one.
func acceptRest(listening syscall.Conn) []net.Conn {
	raw, err := listening.SyscallConn()
	if err != nil {
		return nil
	}
	var files []*os.File
	err = raw.Control(func(fd uintptr) {
		for {
			accepted, _, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if err != nil {
				break
			}
			files = append(files, os.NewFile(uintptr(accepted), "accepted"))
		}
		_ = unix.Shutdown(int(fd), unix.SHUT_RDWR)
	})
	conns := make([]net.Conn, 0, len(files))
	for _, file := range files {
		if nc, connErr := net.FileConn(file); err == nil && connErr == nil {
			conns = append(conns, nc)
		}
		_ = file.Close()
	}
	return conns
}
