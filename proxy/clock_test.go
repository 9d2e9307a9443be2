package proxy

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/store"
)

// wallClock is a clock that somebody sets, that of the store included.
type wallClock struct{ off atomic.Int64 }

func (c *wallClock) now() time.Time        { return time.Now().Add(time.Duration(c.off.Load())) }
func (c *wallClock) jump(by time.Duration) { c.off.Add(int64(by)) }

func (c *wallClock) install(b *bed) {
	b.tune = func(o *Options) { o.Clock = c.now }
	b.open = func() store.Driver {
		d, err := store.OpenFile(filepath.Join(b.dir, "store.db"), store.FileOptions{NoSync: true, Clock: c.now})
		if err != nil {
			b.t.Fatal(err)
		}
		return d
	}
}

var jumps = map[string]time.Duration{"forward by five hours": 5 * time.Hour, "back by five hours": -5 * time.Hour}

// TestClockJumpsWhileLegsWait: a leg that waits for its next try, and the one
// of a sale that was released just before, go out whatever the clock says.
func TestClockJumpsWhileLegsWait(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			clock := new(wallClock)
			b := newBed(t, clock.install)
			b.ehr.setAnswer(always(503, `{}`))
			if a := b.post("/v1/checkout", sale(t, "before")); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
			b.until("a leg waits for its next try", func() bool {
				for _, l := range b.legs(control.Due) {
					if l.Tries > 0 {
						return true
					}
				}
				return false
			})
			clock.jump(by)
			if a := b.post("/v1/checkout", sale(t, "after")); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
			b.ehr.setAnswer(always(201, `{}`))
			b.until("every leg is out", func() bool { return len(b.legs("")) == 0 })
			if a := b.post("/v1/checkout", sale(t, "before")); a.status != 200 || a.header.Get("Chaperone-Replayed") == "" {
				t.Errorf("the repeat of a sale from before the jump: %d %s", a.status, a.body)
			}
			if n := len(b.processor.all()); n != 2 {
				t.Errorf("the processor was called %d times for two sales", n)
			}
		})
	}
}

// TestClockJumpsWhileThePrimaryWorks: the claim does not end before its
// outcome, and the sale is not sent a second time.
func TestClockJumpsWhileThePrimaryWorks(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			clock := new(wallClock)
			b := newBed(t, clock.install)
			work := make(chan struct{})
			b.processor.setAnswer(func(int, received) reply { return reply{status: 200, body: approved, hang: work} })
			first := make(chan answerOf, 1)
			go func() { first <- b.post("/v1/checkout", sale(t, "one")) }()
			b.processor.await(t, 1)
			clock.jump(by)
			if a := b.post("/v1/checkout", sale(t, "one")); a.status != 409 {
				t.Errorf("the repeat while the first is on its way: %d %s", a.status, a.body)
			}
			close(work)
			if a := <-first; a.status != 200 || a.header.Get("Chaperone-Outcome") != "released" {
				t.Errorf("the sale: %d %s", a.status, a.body)
			}
			b.ehr.await(t, 1)
			b.ledger.await(t, 1)
			if a := b.post("/v1/checkout", sale(t, "one")); a.status != 200 || len(b.processor.all()) != 1 {
				t.Errorf("the repeat after the outcome: %d, the processor was called %d times", a.status, len(b.processor.all()))
			}
			if d := b.doubts(); len(d) != 0 {
				t.Errorf("%d sales are in doubt", len(d))
			}
		})
	}
}
