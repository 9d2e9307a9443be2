package store

import (
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile makes a file that is in memory alone.
func memoryFile() (f *os.File, remove func() error, err error) {
	fd, err := unix.MemfdCreate("chaperone", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), func() error { return nil }, nil
}
