package audit

import (
	"testing"

	"chaperone/store"
	"chaperone/store/redistest"
	"chaperone/store/storetest"
)

// openRedis opens a store on a Redis of its own.
func openRedis(t *testing.T) store.Driver {
	t.Helper()
	server := redistest.Start(t, redistest.Options{})
	d, err := store.OpenRedis(storetest.Context(t), store.RedisOptions{Addresses: []string{server.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
