package proxy

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"chaperone/proxy/admin/control"
	"chaperone/rules/reason"
	"chaperone/store"
)

// deaf listens, and answers no TLS handshake until it is closed.
type deaf struct {
	net.Listener
	called chan net.Conn
}

func newDeaf(t *testing.T) *deaf {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deaf{l, make(chan net.Conn, 8)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.called <- c
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return d
}

// TestOvertaken is a claimant that sends nothing, but only after somebody else
// has taken its attempt for one in doubt and may have sent it: it must not free
// the key.
func TestOvertaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		taken  bool
		status int
		code   reason.Code
		doubts int
	}{
		{"nobody else", false, 502, reason.UpstreamUnreachable, 0},
		{"somebody took the turn", true, 409, reason.InDoubt, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			primary := newDeaf(t)
			b := newBed(t, func(b *bed) {
				b.policy = strings.Replace(b.policy, b.processor.URL, "https://"+primary.Addr().String(), 1)
			})
			got := make(chan answerOf, 1)
			go func() { got <- b.post("/v1/checkout", sale(t, "txn-overtaken")) }()
			var conn net.Conn
			select {
			case conn = <-primary.called:
			case <-time.After(patience):
				t.Fatal("the primary was not called")
			}
			var held []control.Leg
			b.until("a claim", func() bool { held = b.legs(control.Held); return len(held) > 0 })
			ref := store.Ref{K: held[0].Key, A: held[0].Attempt}
			if c.taken {
				turn, err := b.server.takeTurn(context.Background(), ref, "another", time.Hour)
				if err != nil || turn == nil {
					t.Fatalf("turn %v, %v", turn, err)
				}
			}
			_ = conn.Close() // in mid-handshake: no byte of the request was sent
			a := <-got
			if a.status != c.status || !strings.Contains(a.body, string(c.code)) {
				t.Errorf("answer %d %s", a.status, a.body)
			}
			if doubts := b.doubts(); len(doubts) != c.doubts {
				t.Errorf("%d sales in doubt", len(doubts))
			}
			there := []store.Command{{Kind: store.Get, Key: store.OutcomeKey(ref.K, ref.A)}}
			if err := b.driver.Apply(context.Background(), there); err != nil {
				t.Fatal(err)
			}
			if there[0].Found == c.taken {
				t.Errorf("an outcome is there: %v", there[0].Found)
			}
		})
	}
}

// TestLostLease is a request whose process lost the lease of its claim and took
// it again: though the lease is as good as new, nothing is sent.
func TestLostLease(t *testing.T) {
	b := newBed(t)
	b.until("a lease", b.server.leaseHolds)
	for name, c := range map[string]struct {
		since uint64
		want  bool
	}{
		"the lease of the claim": {0, true},
		"another lease":          {1, false},
	} {
		x := &exchange{s: b.server, term: b.server.committer.LeaseTerm() - c.since}
		if got := x.mayAct(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
