package keys

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// durable writes files so that a crash leaves the old one or the new one, never
// half of one or none: write beside it, fsync, rename, fsync the folder.
type durable struct {
	// step is nil but in tests, which fail a step before it is done ("failed")
	// or after ("failed but persisted").
	step func(name string, done bool) error
}

func (d durable) do(name string, f func() error) error {
	if d.step == nil {
		return f()
	}
	if err := d.step(name, false); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return d.step(name, true)
}

// write replaces a file of mode 0600. When it returns nil, the file is durable;
// after an error it is the old one or the new one.
func (d durable) write(path string, content []byte) (err error) {
	tmp := path + ".new" // one writer at a time: the caller holds the lock
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	// A file left by a crash may have had another mode.
	err = f.Chmod(0o600)
	if err == nil {
		err = d.do("write", func() error { _, err := f.Write(content); return err })
	}
	if err == nil {
		err = d.do("sync", f.Sync)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.do("rename", func() error { return os.Rename(tmp, path) })
	}
	if err == nil {
		err = d.do("sync folder", func() error { return syncDir(filepath.Dir(path)) })
	}
	if err != nil {
		return fmt.Errorf("keys: write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// readPrivate reads a file that nobody but its owner may read, at most 1 MiB of
// it. ErrMissing says that there is none.
func readPrivate(path string) ([]byte, error) {
	const most = 1 << 20
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := checkPrivate(info); err != nil {
		return nil, fmt.Errorf("%w: %s has mode %04o; run: chmod 600 %s", err, path, info.Mode().Perm(), path)
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrMalformed, path, info.Size())
	}
	b := make([]byte, info.Size())
	n, err := io.ReadFull(f, b)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return b[:n], nil
}
