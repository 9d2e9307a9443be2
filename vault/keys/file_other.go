//go:build !unix

package keys

import "os"

// checkPrivate cannot tell here: access is governed by lists, not by a mode.
func checkPrivate(os.FileInfo) error { return nil }

// syncDir is not to be had here.
func syncDir(string) error { return nil }

// lockFile is not to be had here: the store's own lock on the data folder has
// to keep a second process away.
func lockFile(string) (unlock func(), err error) { return func() {}, nil }
