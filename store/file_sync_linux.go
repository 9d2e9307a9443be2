package store

import (
	"os"
	"syscall"
)

// syncData syncs what a file holds, and of its inode what is needed to find
// that again.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
