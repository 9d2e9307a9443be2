package e2e

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// TestStopUnderLoad asks a proxy to end while sales go through, one of which
// hangs at the processor for longer than the drain may take. It ends in good
// order all the same, what it acknowledged is delivered by the next start, and
// nothing is charged twice.
func TestStopUnderLoad(t *testing.T) {
	for name, infra := range map[string]func(*testing.T) string{
		"embedded": func(*testing.T) string { return "" },
		"Redis":    redisState,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for most of its time
			r := newReceivers(t)
			release := make(chan struct{})
			defer close(release)
			var calls atomic.Int64
			hanging := make(chan struct{})
			r.processor.answering(func(w http.ResponseWriter, req *http.Request) {
				if calls.Add(1) == 20 {
					close(hanging)
					<-release
				}
				respond(200, `{"status":"approved"}`)(w, req)
			})
			c := install(t, r.rules(), infra(t)+"limits: {upstream_timeout: 10m, drain_timeout: 8s}\n")
			c.start()
			released := map[string]bool{}
			var mu sync.Mutex
			var tills sync.WaitGroup
			over := make(chan struct{})
			for till := range 8 {
				tills.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-over:
							return
						default:
						}
						id := fmt.Sprintf("sale-%d-%d", till, n)
						a, err := c.post("/v1/checkout", frontDesk, basket(id, visa))
						if err != nil {
							return // it is gone
						}
						if a.header.Get("Chaperone-Outcome") == "released" {
							mu.Lock()
							released[id] = true
							mu.Unlock()
						}
					}
				})
			}
			<-hanging
			c.stop()
			close(over)
			client.CloseIdleConnections()
			tills.Wait()
			c.start()
			for id := range released {
				a := c.mustPost("/v1/checkout", frontDesk, basket(id, visa))
				if a.status != 200 || a.header.Get("Chaperone-Replayed") == "" {
					t.Errorf("the repeat of %s, which was released: %d %s", id, a.status, a.body)
				}
			}
			if len(released) < 19 {
				t.Errorf("only %d sales were released before the end", len(released))
			}
			var all int
			eventually(t, "what was charged is at the record and the ledger", func() error {
				all = len(keysOf(r.processor)) - 1 // but for the one that hangs
				if e, l := len(keysOf(r.ehr)), len(keysOf(r.ledger)); e != all || l != all {
					return fmt.Errorf("%d and %d of %d", e, l, all)
				}
				return nil
			})
			if n := len(r.processor.got()); n != all+1 {
				t.Errorf("the processor was called %d times for %d sales", n, all+1)
			}
			verify(t, c)
		})
	}
}
