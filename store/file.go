package store

import "time"

// FileOptions sets up the embedded store.
type FileOptions struct {
	// NoSync leaves out the fsync of each batch. For tests: what is
	// acknowledged may be lost with the machine's power.
	NoSync bool
	// Clock gives the time by which registers end; nil means time.Now.
	Clock func() time.Time
}

// OpenFile opens the embedded store in the file at path, which is made with
// mode 0600 if it does not exist. ErrLocked if another process has it open.
func OpenFile(path string, o FileOptions) (Driver, error) { return nil, ErrUnavailable }
