package rig

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Disk is a small file system of its own, in memory, which can be filled. Root
// alone may make one.
type Disk struct{ path string }

const filler = "filler"

// Mount makes a disk of so many megabytes at a folder that is there. The caller
// calls Unmount.
func Mount(path string, megabytes int) (*Disk, error) {
	options := "mode=0700,size=" + strconv.Itoa(megabytes) + "m"
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		return nil, os.NewSyscallError("mount", err)
	}
	return &Disk{path}, nil
}

// Unmount takes the disk away, whoever still has a file open on it.
func (d *Disk) Unmount() error {
	return os.NewSyscallError("unmount", syscall.Unmount(d.path, syscall.MNT_DETACH))
}

// Fill takes the space that is left, but for some bytes. Others may write
// meanwhile.
func (d *Disk) Fill(leave int64) error {
	f, err := os.OpenFile(filepath.Join(d.path, filler), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size, shift := int64(0), 0; shift < 60; {
		var s syscall.Statfs_t
		if err := syscall.Statfs(d.path, &s); err != nil {
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

// Free gives the space back that Fill took.
func (d *Disk) Free() error { return os.Remove(filepath.Join(d.path, filler)) }

// ReadOnly makes the disk one that takes no writes, or takes that back. Nobody
// may have a file open on it for writing.
func (d *Disk) ReadOnly(on bool) error {
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	return os.NewSyscallError("mount", syscall.Mount("tmpfs", d.path, "tmpfs", flags, ""))
}
