package rewrite

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// basketBody is a mixed basket of about 1.6 kB.
func basketBody(t testing.TB) []byte {
	t.Helper()
	body := sample(t, "keyed-card.json")
	note := `"note": "Patient prefers mornings; follow-up in two weeks. ` + strings.Repeat("Tolerated well. ", 18) + `",` + "\n  "
	return bytes.Replace(body, []byte(`"appointment"`), []byte(note+`"appointment"`), 1)
}

// staticVault gives every operation the same result, and allocates nothing.
type staticVault struct{}

var staticToken, staticAlias = []byte("7242424242404242"), []byte("al_abcdefghijkmnpqrstuv")

func (staticVault) Resolve(_ context.Context, ops []TokenOp) error {
	for i := range ops {
		ops[i].Result = staticToken
		if ops[i].Kind == Alias {
			ops[i].Result = staticAlias
		}
	}
	return nil
}

// cycle is one request's way through the engine, with everything used again.
type cycle struct {
	e     *Engine
	m     *Message
	views []*View
	out   []byte
	body  []byte
}

func newCycle(e *Engine, legs int, body []byte) *cycle {
	c := &cycle{e: e, m: e.NewMessage(), body: body}
	for range legs {
		c.views = append(c.views, e.NewView())
	}
	return c
}

func (c *cycle) run(t testing.TB) {
	if err := c.e.ScanRequest(c.m, 0, c.body, Limits{}); err != nil {
		t.Fatal(err)
	}
	for i, v := range c.views {
		if err := c.e.DecideLeg(c.m, i, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := (staticVault{}).Resolve(context.Background(), c.m.Ops()); err != nil {
		t.Fatal(err)
	}
	for _, v := range c.views {
		out, err := v.Render(c.out[:0])
		if err != nil {
			t.Fatal(err)
		}
		c.out = out
		v.Chosen()
	}
	c.m.Reset()
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	e := medspa(t)
	tests := map[string][]byte{
		"mixed basket":   basketBody(t),
		"card in a note": sample(t, "note-with-card.json"),
		"escapes":        bytes.ReplaceAll(basketBody(t), []byte("category"), []byte(`c\u0061tegory`)),
		"arriving token": sample(t, "token-instead-of-card.json"),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCycle(e, 3, body)
			c.run(t)
			if n := testing.AllocsPerRun(100, func() { c.run(t) }); n > pooled {
				t.Errorf("%v allocations", n)
			}
			var key []byte
			if n := testing.AllocsPerRun(100, func() {
				if err := c.e.ScanRequest(c.m, 0, body, Limits{}); err != nil {
					t.Fatal(err)
				}
				key = c.m.AppendMACInput(key[:0])
				if k, ok := c.m.IdempotencyKey(); !ok || len(k) == 0 {
					t.Fatal("no key")
				}
				c.m.Reset()
			}); n > pooled {
				t.Errorf("%v allocations for the MAC's input", n)
			}
		})
	}
}

func benchmark(b *testing.B, e *Engine, legs int, body []byte) {
	c := newCycle(e, legs, body)
	c.run(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		c.run(b)
	}
}

func BenchmarkOneLeg(b *testing.B)    { benchmark(b, medspa(b), 1, basketBody(b)) }
func BenchmarkThreeLegs(b *testing.B) { benchmark(b, medspa(b), 3, basketBody(b)) }

func BenchmarkScan(b *testing.B) {
	e, body := medspa(b), basketBody(b)
	m := e.NewMessage()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
			b.Fatal(err)
		}
		m.Reset()
	}
}

func BenchmarkDecideAndRender(b *testing.B) {
	e, body := medspa(b), basketBody(b)
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 0, body, Limits{}); err != nil {
		b.Fatal(err)
	}
	var out []byte
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if err := e.DecideLeg(m, 1, v); err != nil {
			b.Fatal(err)
		}
		if err := (staticVault{}).Resolve(context.Background(), m.Ops()); err != nil {
			b.Fatal(err)
		}
		out, _ = v.Render(out[:0])
	}
}

func BenchmarkPhoto(b *testing.B) {
	photo := strings.Repeat("iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg", 80_000)
	benchmark(b, identity(b), 1, []byte(`{"photo":"`+photo+`"}`))
}
