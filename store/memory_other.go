//go:build !linux

package store

import (
	"errors"
	"io/fs"
	"os"
)

// memoryFile makes a temporary file.
func memoryFile() (f *os.File, remove func() error, err error) {
	f, err = os.CreateTemp("", "chaperone-*.db")
	if err != nil {
		return nil, nil, err
	}
	remove = func() error {
		if err := os.Remove(f.Name()); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return f, remove, nil
}
