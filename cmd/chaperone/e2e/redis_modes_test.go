package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/store/redistest"
)

// shift is tills that make one sale after another, each until it is taken, and keep those
// that were.
type shift struct {
	c    *instance
	stop context.CancelFunc
	wait sync.WaitGroup
	next atomic.Int64

	mu   sync.Mutex
	sold []string
}

func openTills(t *testing.T, c *instance) *shift {
	ctx, cancel := context.WithCancel(t.Context())
	s := &shift{c: c, stop: cancel}
	for range 8 {
		s.wait.Go(func() {
			for ctx.Err() == nil {
				s.sell(ctx, fmt.Sprint("sale-", s.next.Add(1)))
			}
		})
	}
	t.Cleanup(func() { s.close() })
	return s
}

// sell repeats a sale until it is answered, or the till closes.
func (s *shift) sell(ctx context.Context, id string) {
	for ctx.Err() == nil {
		a, err := s.c.post("/v1/checkout", frontDesk, basket(id, visa))
		if err == nil && a.status == http.StatusOK {
			s.mu.Lock()
			s.sold = append(s.sold, id)
			s.mu.Unlock()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // as the POS does
		}
	}
}

func (s *shift) close() []string {
	s.stop()
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sold
}

// more waits for further sales.
func (s *shift) more(t *testing.T, n int) {
	t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.sold)
	}
	want := count() + n
	eventually(t, "sales go on", func() error {
		if n := count(); n < want {
			return fmt.Errorf("%d of %d\n%s", n, want, s.c.output)
		}
		return nil
	})
}

// metric reads one number of the metrics.
func metric(t *testing.T, c *instance, name string) int {
	t.Helper()
	resp, err := http.Get(c.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("no metric %s", name)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(v)
}

// broughtThrough wants each sale that was answered charged once, and in the record
// and the ledger once by key.
func broughtThrough(t *testing.T, c *instance, r receivers, sold []string) {
	t.Helper()
	for who, party := range map[string]*receiver{"processor": r.processor, "record": r.ehr, "ledger": r.ledger} {
		eventually(t, "every leg is at the "+who, func() error {
			if n := len(keysOf(party)); n < len(sold) {
				return fmt.Errorf("%d of %d\n%s", n, len(sold), c.output)
			}
			return nil
		})
	}
	// A sale that the closing tills did not wait for may have been made too.
	charged := keysOf(r.processor)
	if n := len(r.processor.got()); n != len(charged) {
		t.Errorf("%d charges for %d keys", n, len(charged))
	}
	for who, party := range map[string]*receiver{"record": r.ehr, "ledger": r.ledger} {
		if n := len(keysOf(party)); n > len(charged) {
			t.Errorf("the %s has %d legs of %d charges", who, n, len(charged))
		}
	}
	for _, id := range sold {
		if a := c.mustPost("/v1/checkout", frontDesk, basket(id, visa)); a.status != http.StatusOK || a.header.Get("Chaperone-Replayed") == "" {
			t.Errorf("the repeat of %s: %d %s", id, a.status, a.body)
		}
	}
	if n := len(keysOf(r.processor)); n != len(charged) {
		t.Errorf("%d repeats were charged again", n-len(charged))
	}
	verify(t, c)
}

// TestSentinelFailoverUnderSales kills the master while sales are made. Its
// replica has not got the last of them, which the proxy brings back.
func TestSentinelFailoverUnderSales(t *testing.T) {
	r := newReceivers(t)
	s := redistest.StartSentinels(t, 2*time.Second, redistest.Options{})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q, %q, %q], sentinel: {master: %s}}, on_outage: refuse}\n",
		s.Addrs[0], s.Addrs[1], s.Addrs[2], redistest.MasterName))
	c.start()
	sales := openTills(t, c)
	sales.more(t, 100)
	s.Replica.Pause(t)
	if _, err := s.Master.Do("CLIENT", "KILL", "TYPE", "replica"); err != nil {
		t.Fatal(err)
	}
	sales.more(t, 100)
	s.Master.Kill()
	s.Replica.Resume(t)
	sales.more(t, 100)
	sold := sales.close()
	resent, restored := metric(t, c, "chaperone_store_resent_units_total"), metric(t, c, "chaperone_store_restored_records_total")
	if metric(t, c, "chaperone_store_failovers_total") == 0 || resent < 200 || restored < 200 || metric(t, c, "chaperone_store_chain_restarts_total") != 0 {
		t.Errorf("%d units sent again, %d records restored\n%s", resent, restored, c.output)
	}
	broughtThrough(t, c, r, sold)
	t.Logf("%d sales, %d units sent again, %d records restored", len(sold), resent, restored)
}

// TestReplicaOutlivesProxyAndMaster kills the master and the proxy at once.
// Under durability: replica nothing that was answered is missing, though nobody
// is left to send it again.
func TestReplicaOutlivesProxyAndMaster(t *testing.T) {
	r := newReceivers(t)
	s := redistest.StartSentinels(t, 2*time.Second, redistest.Options{})
	c := install(t, r.rules(), fmt.Sprintf("state: {redis: {addresses: [%q, %q, %q], sentinel: {master: %s}, durability: replica}, on_outage: refuse}\n",
		s.Addrs[0], s.Addrs[1], s.Addrs[2], redistest.MasterName))
	c.start()
	sales := openTills(t, c)
	sales.more(t, 200)
	s.Master.Kill()
	c.kill()
	sold := sales.close()
	// The new master takes writes once the old one follows it.
	eventually(t, "the replica takes over", func() error {
		role, err := s.Replica.Do("ROLE")
		if err == nil && role[:len("[master")] != "[master" {
			err = fmt.Errorf("it is %s", role)
		}
		return err
	})
	s.Master.Restart(t)
	eventually(t, "the old master follows", func() error {
		n, err := s.Replica.Do("WAIT", 1, 100)
		if err == nil && n != "1" {
			err = fmt.Errorf("%s replicas", n)
		}
		return err
	})
	c.start()
	broughtThrough(t, c, r, sold)
	t.Logf("%d sales", len(sold))
}
