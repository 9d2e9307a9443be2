// Package storetest helps to test what stands on a store: a driver that fails
// on command, a store for a test, and the suite that every driver must pass.
package storetest

import (
	"path/filepath"
	"testing"

	"chaperone/store"
)

// Open gives an embedded store in the test's directory, without fsync, and
// closes it at the test's end.
func Open(t testing.TB) store.Driver {
	t.Helper()
	d, err := store.OpenFile(filepath.Join(t.TempDir(), "store.db"), store.FileOptions{NoSync: true})
	if err != nil {
		t.Fatalf("storetest: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("storetest: close: %v", err)
		}
	})
	return d
}
