package proxy

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chaperone/rules/reason"
)

// TestRoom: what does not fit waits in turn, and no longer than it may.
func TestRoom(t *testing.T) { synctest.Test(t, testRoom) }

func testRoom(t *testing.T) {
	r := room{all: 10}
	if !r.enter(6, 0) || !r.enter(4, 0) {
		t.Fatal("there is room for 6 and 4")
	}
	if r.enter(1, time.Millisecond) {
		t.Fatal("there is none for 1 more")
	}
	in := make(chan int, 3)
	wait := func(n, waiting int, most time.Duration) {
		go func() {
			if r.enter(n, most) {
				in <- n
			} else {
				in <- -n
			}
		}()
		synctest.Wait()
		if got := r.count(); got != waiting {
			t.Fatalf("%d wait, want %d", got, waiting)
		}
	}
	wait(8, 1, patience)
	wait(2, 2, patience)
	r.leave(4)
	synctest.Wait()
	if r.count() != 2 {
		t.Fatal("2 went before 8, which came first")
	}
	r.leave(6)
	if a, b := <-in, <-in; a+b != 10 || r.used != 10 {
		t.Fatalf("%d and %d came in, %d are used", a, b, r.used)
	}
	r.leave(5)
	wait(9, 1, time.Second)
	wait(5, 2, patience)
	if a, b := <-in, <-in; a != -9 || b != 5 {
		t.Fatalf("%d, %d: who gives up lets in those behind him", a, b)
	}
}

func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

func TestRoomCost(t *testing.T) {
	r := room{all: 100}
	if got := r.cost(10, 1); got != 30 {
		t.Errorf("one leg: %d", got)
	}
	if got := r.cost(10, 3); got != 50 {
		t.Errorf("three legs: %d", got)
	}
	if got := r.cost(1000, 1); got != 100 {
		t.Errorf("more than there is: %d", got)
	}
}

// TestSpares: a buffer goes from one body to the next of about its size.
func TestSpares(t *testing.T) {
	var s spares
	defer s.close()
	first := s.take(1 << 20)
	s.give(first)
	same := s.take(1<<20 + 1000)
	if cap(same) != cap(first) || &same[:1][0] != &first[:1][0] {
		t.Error("a slightly larger body gets another buffer")
	}
	s.give(same)
	if small := s.take(keepBuffer); cap(small) >= cap(first) {
		t.Error("a small body holds a large buffer")
	}
	if large := s.take(4 << 20); cap(large) < 4<<20 {
		t.Errorf("%d bytes for a body of 4 MiB", cap(large))
	}
	for range 100 {
		s.give(make([]byte, 0, 2<<20))
	}
	if s.bytes > keepSpares {
		t.Errorf("%d bytes are kept", s.bytes)
	}
	s.release()
	if s.bytes != 0 || len(s.free) != 0 {
		t.Error("something is kept")
	}
	s.close()
	s.give(first)
	if len(s.free) != 0 {
		t.Error("something is kept after close")
	}
}

// largeSale is a basket with a photo of n bytes that the processor gets.
func largeSale(t *testing.T, id string, n int) string {
	return strings.Replace(oneLegSale(id), "{", `{"photo":"`+strings.Repeat("iVBORw0KGgo/", n/12)+`",`, 1)
}

func oneLegSale(id string) string {
	return `{"transaction_id":"` + id + `","payment":{"card":{"number":"4242424242424242"}}}`
}

// largeBed is a proxy with one leg that gets nearly all.
func largeBed(t *testing.T, memory int, change ...func(*bed)) *bed {
	return newBed(t, append(change, func(b *bed) {
		b.policy = strings.Replace(oneLegPolicy, "URL", b.ledger.URL, 1)
		b.tune = func(o *Options) {
			o.Limits.Body, o.Limits.Memory = 4<<20, memory
		}
		b.ledger.answer = always(200, approved)
	})...)
}

// TestLargeBodiesArrive: however they come, they arrive whole, and repeats are known
// for what they are.
func TestLargeBodiesArrive(t *testing.T) {
	b := largeBed(t, 0)
	sizes := []int{100, keepBuffer - 200, keepBuffer, keepBuffer + 1, 3 << 20}
	for n, size := range sizes {
		body := largeSale(t, "large-"+itoa(n), size)
		want := strings.Replace(body, "4242424242424242", "", 1)
		for i, chunked := range []bool{false, true, false} {
			text := body
			if i == 0 {
				text = strings.Replace(body, "large-", "other-", 1) // another sale
			}
			got := b.send(t, text, chunked)
			if got.status != 200 {
				t.Fatalf("%d bytes, chunked %v: %d %s", size, chunked, got.status, got.body)
			}
			if i == 2 {
				continue // a repeat: the answer is the first one's
			}
			all := b.ledger.all()
			sent := all[len(all)-1].body
			at, end := strings.Index(sent, `"number":"`)+10, strings.LastIndex(sent, `"`)
			sent = strings.Replace(sent[:at]+sent[end:], "other-", "large-", 1)
			if sent != want {
				t.Fatalf("%d bytes, chunked %v: what was sent is another body (%d bytes, want %d)", size, chunked, len(sent), len(want))
			}
		}
	}
	if got := len(b.ledger.all()); got != 2*len(sizes) {
		t.Errorf("%d sales, want %d", got, 2*len(sizes))
	}
	if got := b.send(t, largeSale(t, "too-large", 5<<20), true); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", got.status)
	}
	b.server.room.mu.Lock()
	defer b.server.room.mu.Unlock()
	if b.server.room.used != 0 {
		t.Errorf("%d bytes are still taken", b.server.room.used)
	}
}

// TestLargeBodiesWait: beyond the limit a large one is refused, a small one
// is not.
func TestLargeBodiesWait(t *testing.T) {
	b := largeBed(t, 1<<20, func(b *bed) {
		// What waits for room is refused soon. The listener is as patient as ever.
		b.ready = func(s *Server) { s.limits.ReadTimeout = 50 * time.Millisecond }
	})
	if !b.server.room.enter(1<<20, 0) {
		t.Fatal("the room is not empty")
	}
	for _, chunked := range []bool{false, true} {
		got := b.send(t, largeSale(t, "late", 300<<10), chunked)
		if got.status != 503 || !strings.Contains(got.body, string(reason.Overloaded)) || got.header.Get("Retry-After") == "" {
			t.Errorf("chunked %v: %d %s %v", chunked, got.status, got.body, got.header)
		}
	}
	if got := b.send(t, largeSale(t, "small", 100<<10), true); got.status != 200 {
		t.Errorf("a small one: %d %s", got.status, got.body)
	}
	b.server.room.leave(1 << 20)
	if got := b.send(t, largeSale(t, "late", 300<<10), true); got.status != 200 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// send posts a body, with its length or in chunks.
func (b *bed) send(t *testing.T, body string, chunked bool) answerOf {
	t.Helper()
	if !chunked {
		return b.post("/v1/checkout", body)
	}
	req, err := http.NewRequest("POST", "http://"+b.server.Addr().String()+"/v1/checkout", struct{ *bytes.Reader }{bytes.NewReader([]byte(body))})
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = -1
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+b.key)
	return b.roundTrip(req)
}
