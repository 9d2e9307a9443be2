package chaos

import (
	"os"
	"path/filepath"
	"syscall"
)

// mountSmall mounts a small file system in memory, which root alone may.
func mountSmall(path string) error {
	return os.NewSyscallError("mount", syscall.Mount("tmpfs", path, "tmpfs", 0, "size=1g,mode=0700"))
}

// unmount takes it away, whoever still has a file open on it.
func unmount(path string) error {
	return os.NewSyscallError("unmount", syscall.Unmount(path, syscall.MNT_DETACH))
}

// fill takes what space is left, but for some bytes. Others may write
// meanwhile.
func fill(path string, leave int64) error {
	f, err := os.OpenFile(filepath.Join(path, filler), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size, shift := int64(0), 0; shift < 60; {
		var s syscall.Statfs_t
		if err := syscall.Statfs(path, &s); err != nil {
			return os.NewSyscallError("statfs", err)
		}
		more := (int64(s.Bavail)*s.Bsize - leave) >> shift
		if more <= 0 {
			return nil
		}
		switch err := syscall.Fallocate(int(f.Fd()), 0, size, more); err {
		case nil:
			size += more
		case syscall.ENOSPC:
			shift++
		case syscall.EINTR:
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
	return nil
}
