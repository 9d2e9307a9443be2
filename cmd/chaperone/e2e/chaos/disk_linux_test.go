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

// fill takes what space is left, but for some bytes.
func fill(path string, leave int64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return os.NewSyscallError("statfs", err)
	}
	f, err := os.OpenFile(filepath.Join(path, filler), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(s.Bavail)*s.Bsize - leave
	if size <= 0 {
		return nil
	}
	return os.NewSyscallError("fallocate", syscall.Fallocate(int(f.Fd()), 0, 0, size))
}
