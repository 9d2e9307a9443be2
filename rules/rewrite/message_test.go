package rewrite

import (
	"bytes"
	"testing"
	"unsafe"
)

func TestValuesOfAMessage(t *testing.T) {
	leg := "keep: all\nroute: idempotency: {key: id, ignore: [at, \"**.trace\"]}\nroute: subject: who.id\nroute: order: \"queue.0\""
	e := one(t, "{}", leg, "")
	tests := []struct{ name, body, key, subject, order string }{
		{"strings", `{"id":"a\u0062","who":{"id":"W"},"queue":["q"]}`, "ab", "W", "q"},
		{"numbers", `{"id":1e2,"who":{"id":-7},"queue":[3,4]}`, "1e2", "-7", "3"},
		{"other kinds", `{"id":null,"who":{"id":[1]},"queue":[true]}`, "", "", ""},
		{"absent", `{}`, "", "", ""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := e.NewMessage()
			if err := e.ScanRequest(m, 0, []byte(c.body), Limits{}); err != nil {
				t.Fatal(err)
			}
			key, hasKey := m.IdempotencyKey()
			subject, hasSubject := m.Subject()
			order, hasOrder := m.Order()
			if string(key) != c.key || hasKey != (c.key != "") || string(subject) != c.subject || hasSubject != (c.subject != "") ||
				string(order) != c.order || hasOrder != (c.order != "") {
				t.Errorf("key %q %v, subject %q %v, order %q %v", key, hasKey, subject, hasSubject, order, hasOrder)
			}
		})
	}
}

func TestMACInput(t *testing.T) {
	e := one(t, "{}", "keep: all\nroute: idempotency: {key: id, ignore: [at, \"**.trace\"]}", "")
	input := func(body string) string {
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, []byte(body), Limits{}); err != nil {
			t.Fatal(err)
		}
		return string(m.AppendMACInput(nil))
	}
	same := [][]string{
		{`{"id":1,"a":[1,{"b":2}]}`, ` { "id" : 1 , "a" : [ 1 , { "b"  : 2 } ] } `, `{"at":9,"id":1,"a":[1,{"trace":{"x":1},"b":2}]}`},
		{`{"id":1,"card":{"number":"4"}}`, `{"id":1,"card":{"number":"4","cvv":"123"}}`, `{"id":1,"card":{"number":"4","c\u0076v":{"x":"321"}}}`},
		{`[]`, ` [ ]`},
	}
	for _, group := range same[:2] {
		for _, other := range group[1:] {
			if a, b := input(group[0]), input(other); a != b {
				t.Errorf("%s differs: %q and %q", other, a, b)
			}
		}
	}
	different := []string{
		`{"id":1}`, `{"id":"1"}`, `{"id":1,"a":{}}`, `{"id":1,"a":[]}`, `{"id":1,"a":[[]]}`, `{"id":1,"a":[1,2]}`, `{"id":1,"a":[12]}`,
		`{"id":1,"a":[{"b":1},{"c":2}]}`, `{"id":1,"a":[{"b":1,"c":2}]}`, `{"id":1,"a":{"b":1},"c":2}`, `{"id":1,"a":{"b":1,"c":2}}`, `[]`, `{}`, `null`, `"x"`,
	}
	seen := map[string]string{}
	for _, body := range different {
		in := input(body)
		if other, ok := seen[in]; ok {
			t.Errorf("%s and %s are the same: %q", body, other, in)
		}
		seen[in] = body
	}
	if in := input(`{"card":{"cvv":"987"}}`); bytes.Contains([]byte(in), []byte("987")) {
		t.Error("the input holds authentication data")
	}
}

// TestResetZeroes looks into the message's own buffers for text of the body
// after a reset.
func TestResetZeroes(t *testing.T) {
	e := one(t, "{pan: token, phi: token}", "keep: all", "")
	m, v := e.NewMessage(), e.NewView()
	body := []byte(`{"pan":"4111 1111 1111 1111","n\u006fte":"call \u0034111111111111111","patient":"Quizzical \u0041nn","cvv":"\u0037377"}`)
	if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideLeg(m, 0, v); err != nil {
		t.Fatal(err)
	}
	chunks := append([][]byte(nil), m.arena.chunks...)
	buffers := append(chunks, m.nameText.b, m.text.b, m.digits[:cap(m.digits)])
	held := false
	for _, b := range buffers {
		held = held || len(bytes.Trim(b[:cap(b)], "\x00")) > 0
	}
	if !held {
		t.Fatal("the buffers hold nothing before the reset: the test looks at the wrong ones")
	}
	m.Reset()
	for i, b := range buffers {
		if rest := bytes.Trim(b[:cap(b)], "\x00"); len(rest) > 0 {
			t.Errorf("buffer %d holds %q", i, rest)
		}
	}
}

func TestViewResetZeroes(t *testing.T) {
	e := one(t, "{pan: mask}", "keep: all\nset: {a.b: \"Quizzical\"}", "")
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 0, []byte(`{"x":"4111111111111111"}`), Limits{}); err != nil {
		t.Fatal(err)
	}
	if err := e.DecideLeg(m, 0, v); err != nil {
		t.Fatal(err)
	}
	text, deep := v.text, v.deepText
	if !bytes.Contains(text, []byte("1111")) || !bytes.Contains(deep, []byte("Quizzical")) {
		t.Fatalf("the buffers hold %q and %q", text, deep)
	}
	v.Reset()
	if len(bytes.Trim(text, "\x00"))+len(bytes.Trim(deep, "\x00")) > 0 || !v.Empty() || len(v.Decisions()) > 0 {
		t.Errorf("left: %q, %q", text, deep)
	}
}

func TestNodesStaySmall(t *testing.T) {
	if size := unsafe.Sizeof(node{}); size > 16 {
		t.Errorf("a node has %d bytes: a body's tape would outgrow its budget", size)
	}
}
