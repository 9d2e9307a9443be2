package rewrite

import (
	"bytes"
	"encoding/json"
	"testing"
)

// plainMACInput is what AppendMACInput has always made, node by node: MACs of
// it are in registers.
func plainMACInput(m *Message, dst []byte, i uint32, name []byte) ([]byte, uint32) {
	n := &m.tape[i]
	st := &m.prog.table.States[n.state.automaton()]
	if st.Flags&flagIgnore != 0 || n.state&stateSAD != 0 || m.prog.sadSets[st.Set] {
		return dst, n.next
	}
	dst = append(dst, name...)
	if n.next == i+1 {
		return append(append(dst, m.raw(n)...), ','), n.next
	}
	object := m.body[n.start] == '{'
	dst = append(dst, m.body[n.start])
	at := int(n.start)
	for i++; i < n.next; {
		var name []byte
		at = skip(m.body, skip(m.body, at)+1)
		if object {
			end, _, _ := scanString(m.body, at+1)
			name = append(append(name, m.body[at:end+1]...), ':')
		}
		at = int(m.tape[i].end)
		dst, i = plainMACInput(m, dst, i, name)
	}
	return append(dst, m.body[n.end-1], ','), n.next
}

// FuzzMACInput holds the input against plainMACInput.
func FuzzMACInput(f *testing.F) {
	for _, body := range []string{
		`{}`, `[]`, `null`, ` "x" `, `{"a":[]}`, `{"a":[ ]}`, `[1,2]`, `[ 1 , 2 ]`, `[[],[[]],{"a":{}}]`,
		`{"at":1}`, `{"at":1,"id":2}`, `{"id":1,"at":2}`, `{"id":1,"at":2,"b":3}`, `{"x":{"at":[1],"trace":{"a":1}}}`, `{"a":{"trace":0},"trace":1,"b":[{"trace":2}]}`,
		"{\"id\":1,\n\t\"a\" :2, \"b\": 3,\"c\" : {\"d\":4 } }", `{"\"":1,"a\\":":,","":{"":""}}`, `{"cvv":"123","card":{"cvc":1,"n":2}}`,
	} {
		f.Add([]byte(body))
	}
	e := one(f, "{}", "keep: all\nroute: idempotency: {key: id, ignore: [at, \"**.trace\"]}", "")
	f.Fuzz(func(t *testing.T, body []byte) {
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
			return
		}
		want, _ := plainMACInput(m, nil, 0, nil)
		if got := m.AppendMACInput([]byte("before")); string(got) != "before"+string(want) {
			t.Errorf("%s\ngot  %s\nwant before%s", body, got, want)
		}
		var compact any
		if json.Unmarshal(body, &compact) == nil {
			m.Reset()
			again, err := json.Marshal(compact)
			if err != nil || e.ScanRequest(m, 0, again, Limits{}) != nil {
				return
			}
			want, _ := plainMACInput(m, nil, 0, nil)
			if got := m.AppendMACInput(nil); string(got) != string(want) {
				t.Errorf("%s\ngot  %s\nwant %s", again, got, want)
			}
		}
	})
}

func BenchmarkMACInput(b *testing.B) {
	e := medspa(b)
	var compact bytes.Buffer
	if err := json.Compact(&compact, basketBody(b)); err != nil {
		b.Fatal(err)
	}
	for name, body := range map[string][]byte{"indented": basketBody(b), "compact": compact.Bytes()} {
		b.Run(name, func(b *testing.B) {
			m := e.NewMessage()
			if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
				b.Fatal(err)
			}
			var input []byte
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				input = m.AppendMACInput(input[:0])
			}
		})
	}
}
