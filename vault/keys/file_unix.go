//go:build unix

package keys

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// checkPrivate returns ErrPermissions where the group or others have any right.
func checkPrivate(info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return ErrPermissions
	}
	return nil
}

// syncDir makes a rename in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockFile holds an exclusive lock until the returned function is called; a
// process that dies gives it up. The file stays.
func lockFile(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keys: lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil // which gives up the lock
}
