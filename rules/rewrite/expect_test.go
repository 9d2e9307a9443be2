package rewrite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// taught returns a message that expects the members of these bodies.
func taught(t testing.TB, e *Engine, route int, bodies ...[]byte) *Message {
	t.Helper()
	m := e.NewMessage()
	for range 2 {
		for _, b := range bodies {
			if err := e.ScanRequest(m, route, b, Limits{}); err != nil {
				t.Fatal(err)
			}
			m.Reset()
		}
	}
	return m
}

// sameScan holds a message that expects members to one that does not.
func sameScan(t *testing.T, e *Engine, route int, m *Message, body []byte) {
	t.Helper()
	fresh := e.NewMessage()
	defer m.Reset()
	got, want := e.ScanRequest(m, route, body, Limits{}), e.ScanRequest(fresh, route, body, Limits{})
	if (got == nil) != (want == nil) || got != nil && *got != *want {
		t.Fatalf("%+v, and without expecting anything %+v: %q", got, want, body)
	}
	if !slices.Equal(m.tape, fresh.tape) || !slices.Equal(m.slots, fresh.slots) || !slices.Equal(m.lines, fresh.lines) || !slices.Equal(m.items, fresh.items) {
		t.Fatalf("the tape is another: %q", body)
	}
	for i := range max(len(m.spans), len(fresh.spans)) {
		a, b := m.spans[i], fresh.spans[i]
		if a.node != b.node || a.start != b.start || a.end != b.end || a.name != b.name || !bytes.Equal(a.text, b.text) {
			t.Fatalf("the spans are others: %q", body)
		}
	}
}

// TestExpectedMembersChangeNothing changes a body that a message has learned to
// expect, in all the ways that might mislead it.
func TestExpectedMembersChangeNothing(t *testing.T) {
	e, body := benchEngine(t), benchBody(t)
	rng := rand.New(rand.NewPCG(3, 1))
	pieces := []string{`"sku": "TX-1", `, `"cvv": "123", `, `"card": {`, `}`, `"number": `, `"a": 1, `, `,`, ` `, "\n", "\t", `"`, `\`, `\u0061`, `"qty": 1e3, `, `"sku":"x",`, `[`, `]`, `"items": []`, "\x01", "\xff", "ü", ":", `"transaction_id": 1,`}
	m := taught(t, e, routeSplit, body)
	for range 4000 {
		b := bytes.Clone(body)
		for range 1 + rng.IntN(2) {
			at := rng.IntN(len(b))
			to := min(len(b), at+rng.IntN(24))
			switch rng.IntN(4) {
			case 0:
				b = slices.Delete(b, at, to)
			case 1:
				b = slices.Insert(b, at, []byte(pieces[rng.IntN(len(pieces))])...)
			case 2:
				b = slices.Insert(b, rng.IntN(len(b)), bytes.Clone(b[at:to])...)
			default:
				b[at] = byte(rng.IntN(128))
			}
		}
		sameScan(t, e, routeSplit, m, b)
		sameScan(t, e, routeSplit, m, body)
	}
}

// TestTwoAreExpected: what some bodies and some items have, and others leave out,
// is not learned again and again.
func TestTwoAreExpected(t *testing.T) {
	e := identity(t)
	bodies := [][]byte{
		[]byte(`{"id":"1","items":[{"sku":"a","qty":1,"lot":"x","area":"y"},{"sku":"b","qty":1,"area":"y"},{"sku":"c","discount":1}],"total":1                     }`),
		[]byte(`{"order":"1","items":[{"sku":"a","qty":1,"area":"y"}],"tip":1,"total":1                     }`),
	}
	m := taught(t, e, 0, bodies...)
	for range 3 {
		for _, body := range bodies {
			if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
				t.Fatal(err)
			}
			if m.learned != 0 {
				t.Errorf("%d members are learned again: %s", m.learned, body)
			}
			m.Reset()
		}
	}
}

// TestExpectedNamesInOtherPlaces has the same names where they mean other
// things.
func TestExpectedNamesInOtherPlaces(t *testing.T) {
	e := one(t, "{pan: token}", "keep: all", "")
	m := taught(t, e, 0, []byte(`{"patient":{"name":"A","phone":"5"},"payment":{"card":{"number":"4111111111111111","cvv":"1"}},"x":[{"name":1},{"name":2}]}`))
	for _, body := range []string{
		`{"name":"A","phone":"5","patient":{"payment":1},"cvv":{"name":"4111111111111111"}}`,
		`{"payment":{"name":"A"},"patient":{"card":{"number":"4111111111111111"}},"x":[[{"name":1}],{"name":2}]}`,
		`{"x":{"name":{"name":{"name":3}}},"patient":[{"name":1}]}`,
		`[{"patient":{"name":"A","phone":"5"}},{"patient":1}]`,
		`{"patient":{"name":"A","phone":"5"},"payment":{"card":{"number": "4111111111111111","cvv":"1"}},"x":[{"name":1},{"name":2}]}                       `,
		`{"pan":{"cvv":{"name":1,"pan":2},"name":1}}`,
	} {
		sameScan(t, e, 0, m, []byte(body))
	}
}

// FuzzExpected holds a message that has learned two bodies to a fresh one on a
// third, and on the first again.
func FuzzExpected(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":"x"}}`), []byte(`{"a":1,"b":{"c":"x","c":2}}`))
	f.Add([]byte(`{"items":[{"sku":"TX"},{"sku":1,"qty":2}]}`), []byte(`{"items":[{"sku":"TX","sku":1}],"items":1}`))
	f.Add([]byte(`[{"pan":"4111111111111111"}]`), []byte(`[[{"pan":"4111111111111111"}]]                        `))
	e := one(f, "{pan: token}", "keep: all", "")
	typical := benchBody(f)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := e.NewMessage()
		for _, body := range [][]byte{a, typical, a, b} {
			e.ScanRequest(m, 0, body, Limits{})
			m.Reset()
		}
		sameScan(t, e, 0, m, b)
		sameScan(t, e, 0, m, a)
	})
}

// TestOnlyOwnNamesOutlastReset looks for what a message remembers.
func TestOnlyOwnNamesOutlastReset(t *testing.T) {
	e := identity(t)
	body := []byte(`{"plain_name": 1, "Camel":{"x":"Quizzical"},"with space":1,"4111111111111111":2,"12":3,"O'Hara":4,"\u0041nn":5,"über":6,` +
		`"a_name_that_is_long":7,"last":"Quizzical"            }`)
	m := taught(t, e, 0, body)
	x := m.memories[0]
	var names []string
	for k := 2; k < x.used; k++ {
		o := &x.members[k]
		text := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, o.w0), o.w1)
		if len(bytes.Trim(text[o.size:], "\x00")) > 0 {
			t.Errorf("member %q has more than its name", text)
		}
		names = append(names, string(text[:o.size]))
	}
	slices.Sort(names)
	if got, want := strings.Join(names, "|"), `"Camel":|"last":|"plain_name": |"x":`; got != want {
		t.Errorf("%s are remembered, want %s", got, want)
	}
}

// TestMemoryIsBounded: neither many names nor many programs make a message grow,
// and useless names are forgotten again.
func TestMemoryIsBounded(t *testing.T) {
	e := identity(t)
	m := e.NewMessage()
	var first expected
	name := func(i int) string { return strings.Map(func(r rune) rune { return r - '0' + 'a' }, fmt.Sprint(i)) }
	for round := range 60 {
		var b strings.Builder
		b.WriteString("{")
		for i := range 500 {
			fmt.Fprintf(&b, `"%s":1,`, name(round*500+i))
		}
		b.WriteString(`"z":1}`)
		if err := e.ScanRequest(m, 0, []byte(b.String()), Limits{}); err != nil {
			t.Fatal(err)
		}
		if x := m.memory; x.used > maxExpected || m.learned > 600 {
			t.Fatalf("%d members, %d learned", x.used, m.learned)
		}
		m.Reset()
		if round == 0 {
			first = m.memories[0].members[2]
		}
	}
	if now := m.memories[0].members[2]; first.size == 0 || now.size == 0 || now == first {
		t.Errorf("%+v is remembered, and at first %+v was", now, first)
	}
	often := identity(t)
	sameScan(t, often, 0, m, []byte(`{"a":1}`))
	kept := m.memories[0]
	for range 2 * maxMemories {
		e = identity(t)
		sameScan(t, e, 0, m, []byte(`{"a":1}`))
		sameScan(t, often, 0, m, []byte(`{"a":1}`))
	}
	if len(m.memories) != maxMemories {
		t.Errorf("%d memories", len(m.memories))
	}
	if m.memories[0] != kept {
		t.Error("a program that is asked for again and again was forgotten for others")
	}
}
