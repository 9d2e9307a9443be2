package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// OpenMemory opens an embedded store that is empty, and gone when it is closed:
// the driver of OpenFile on a file that has no name. It is for what a policy is
// tried with; nothing of it survives the process. Where the system has no files
// in memory, the file is a temporary one, which Close removes.
func OpenMemory() (Driver, error) {
	f, remove, err := memoryFile()
	if err != nil {
		return nil, fmt.Errorf("store: a store in memory: %w", err)
	}
	// Opened by the descriptor that is there: the name is for messages.
	o := &bolt.Options{NoSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, Timeout: lockWait,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return f, nil }}
	db, err := bolt.Open(f.Name(), 0o600, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: a store in memory: %w", err), f.Close(), remove())
	}
	d := &memoryDriver{fileDriver: newFileDriver(db, FileOptions{NoSync: true}), remove: remove}
	if err := db.Update(prepareFile); err != nil {
		return nil, errors.Join(fmt.Errorf("store: a store in memory: %w", err), d.Close())
	}
	return d, nil
}

// memoryDriver is the embedded store on a file of its own.
type memoryDriver struct {
	*fileDriver
	remove func() error
}

// Close closes the store and lets go of the file.
func (d *memoryDriver) Close() error { return errors.Join(d.fileDriver.Close(), d.remove()) }

// Scrub has no file on a disk to look after.
func (d *memoryDriver) Scrub(ctx context.Context) (Scrubbed, error) { return Scrubbed{}, d.ready(ctx) }
