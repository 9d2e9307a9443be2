package proxy

import (
	"bytes"
	"strings"
	"testing"
)

// left tells which of the buffers that wait for the next request hold a byte of
// those before.
func (b *bed) left() (names []string) {
	look := func(name string, buffer []byte) {
		if buffer = buffer[:cap(buffer)]; len(bytes.Trim(buffer, "\x00")) > 0 {
			names = append(names, name)
		}
	}
	for {
		t, ok := b.server.slates.Get().(*slate)
		if !ok {
			break
		}
		look("body", t.body)
		look("what a MAC is of", t.input)
		look("scratch", t.scratch)
		look("answer", t.out)
	}
	for {
		x, ok := b.server.exchanges.Get().(*exchange)
		if !ok {
			return names
		}
		if x.slate != nil {
			names = append(names, "a slate")
		}
		look("message", x.wire)
		for _, l := range x.legs[:cap(x.legs)] {
			look("a leg's body", l.buf)
			look("a leg's target", l.target)
			look("a leg's header fields", l.texts)
		}
		look("results", x.tokens.results)
		for _, m := range x.tokens.minted[:cap(x.tokens.minted)] {
			look("a card", m.digits[:])
		}
		for _, m := range x.tokens.before[:cap(x.tokens.before)] {
			look("a card", m.digits[:])
		}
	}
}

// TestNothingStaysBehind holds that buffers wait for the next request zeroed,
// however the one before has ended.
func TestNothingStaysBehind(t *testing.T) {
	b := newShelf(t, shelf{panToken: "pan", phiToken: "sealed"})
	body := `{"card":"4242424242424242","cards":["5555555555554444"],"name":"Ada \u004covelace","note":"paid with 4242424242424242"}`
	b.ehr.setAnswer(always(200, `{"card":"4242424242424242","name":"Ada"}`))
	got := b.tokenize(body)
	for _, tt := range []struct {
		name   string
		send   func() answerOf
		status int
	}{
		{"passed on as it is", func() answerOf { return b.post("/values", body) }, 200},
		{"tokens made", func() answerOf { return b.post("/tokens", body) }, 200},
		{"tokens made, with a key", func() answerOf { return b.post("/tokens", body, "Idempotency-Key", "k1") }, 200},
		{"tokens turned back", func() answerOf { return b.post("/values", got) }, 200},
		{"a token that is none", func() answerOf { return b.post("/values", strings.Replace(got, `"card":"`, `"card":"9`, 1)) }, 200},
		{"tokens of another scope", func() answerOf { return b.post("/values", got, "Authorization", "Bearer chp_other") }, 422},
		{"malformed at its end", func() answerOf { return b.post("/tokens", body[:len(body)-1]) }, 400},
		{"no answer to read", func() answerOf {
			b.ehr.setAnswer(always(200, `{"card":"4242424242424242"`))
			return b.post("/tokens", body)
		}, 200},
		{"no destination", func() answerOf {
			b.ehr.Close()
			return b.post("/tokens", body)
		}, 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := tt.send(); a.status != tt.status {
				t.Errorf("%d %s", a.status, a.body)
			}
			if names := b.left(); len(names) > 0 {
				t.Errorf("something is left of a request: %q", names)
			}
		})
	}
}

// TestLongHead sends heads that have more than the usual room before the body,
// and of the same request more or less of them.
func TestLongHead(t *testing.T) {
	b := newShelf(t, shelf{panToken: "pan", phiToken: "sealed"}, func(b *bed) {
		b.policy = strings.Replace(b.policy, "[{to: processor, primary: true,", "[{to: processor, primary: true, forward: {headers: [X-Long]},", 1)
	})
	body := `{"card":"4242424242424242","other":1}`
	for n, size := range []int{1, headRoom, 4 * headRoom, headRoom - 250, 3} {
		long := strings.Repeat("a", size)
		a := b.post("/values", body, "X-Long", long)
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		got := b.processor.await(t, n+1)[n]
		if got.body != body || got.header.Get("X-Long") != long || len(got.key) == 0 {
			t.Errorf("a head of %d: %s, %d", size, got.body, len(got.header.Get("X-Long")))
		}
	}
	if names := b.left(); len(names) > 0 {
		t.Errorf("something is left of a request: %q", names)
	}
}
