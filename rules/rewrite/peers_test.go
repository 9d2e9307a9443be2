package rewrite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"chaperone/bench/peers"
)

// The measurement's policy and its mixed basket of 1.6 kB, which the proxy's
// bench uses as well.
const (
	routeIdentity = iota // sees everything
	routeTokenize        // a token for the card; no health data, hence no clinical items
	routeSplit           // three legs
)

func benchEngine(t testing.TB) *Engine {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "bench", "testdata", "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	policy := strings.NewReplacer("STUB", "127.0.0.1:9101", "HASH", strings.Repeat("0", 64)).Replace(string(src))
	return compile(t, policy)
}

func benchBody(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "bench", "testdata", "basket.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bodies are the sizes at which the engine is compared with others: one item
// and no text, the basket as it is, and two hundred times its items.
func bodies(t testing.TB) map[string][]byte {
	t.Helper()
	typical := benchBody(t)
	from, to := bytes.Index(typical, []byte(`"items": [`))+len(`"items": [`), bytes.Index(typical, []byte("\n  ],"))
	items := typical[from:to]
	small := []byte(`{"transaction_id":"IDIDIDIDIDID","currency":"USD","patient":{"id":"PT-1"},` +
		`"items":[{"sku":"GC-1","category":"giftcard","qty":1}],"payment":{"method":"keyed","card":{"number":"4242424242424242","cvv":"737"}}}`)
	large := bytes.Clone(typical[:to])
	for range 199 {
		large = append(append(large, ','), items...)
	}
	return map[string][]byte{"small": small, "typical": typical, "large": append(large, typical[to:]...)}
}

// withEngine is the engine's way, with everything used again.
func withEngine(t testing.TB, e *Engine, route int) peers.Edit {
	m, v := e.NewMessage(), e.NewView()
	var out []byte
	return func(body []byte) ([]byte, error) {
		if err := e.ScanRequest(m, route, body, Limits{}); err != nil {
			return nil, err
		}
		defer m.Reset()
		if err := e.DecideLeg(m, 0, v); err != nil {
			return nil, err
		}
		if err := (staticVault{}).Resolve(t.Context(), m.Ops()); err != nil {
			return nil, err
		}
		rendered, err := v.Render(out[:0])
		if err != nil {
			return nil, err
		}
		out = rendered
		return out, nil
	}
}

// TestPeersAgree: the comparison is of programs that do the same.
func TestPeersAgree(t *testing.T) {
	if string(staticToken) != peers.Token {
		t.Fatal("the peers' token is not the engine's")
	}
	engine := withEngine(t, benchEngine(t), routeTokenize)
	for size, body := range bodies(t) {
		var want any
		for _, p := range []struct {
			name string
			edit peers.Edit
		}{{"engine", engine}, {"gjson and sjson", peers.GJSON}, {"encoding/json", peers.Standard}} {
			out, err := p.edit(bytes.Clone(body))
			if err != nil {
				t.Fatalf("%s, %s: %v", size, p.name, err)
			}
			var got any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%s, %s: %v", size, p.name, err)
			}
			if want == nil {
				if want = got; bytes.Contains(out, []byte("4242424242424242")) || bytes.Contains(out, []byte("PT-")) || !bytes.Contains(out, staticToken) {
					t.Fatalf("%s: the edits were not made: %s", size, out)
				}
			} else if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s gives\n%s\nwant\n%v", size, p.name, out, want)
			}
		}
	}
}

// BenchmarkPeers is one leg of the engine next to the same edits by others.
func BenchmarkPeers(b *testing.B) {
	engine := withEngine(b, benchEngine(b), routeTokenize)
	sizes := bodies(b)
	for _, size := range []string{"small", "typical", "large"} {
		for _, p := range []struct {
			name string
			edit peers.Edit
		}{{"engine", engine}, {"gjson+sjson", peers.GJSON}, {"encoding/json", peers.Standard}} {
			b.Run(size+"/"+p.name, func(b *testing.B) {
				body := sizes[size]
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.edit(body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkBasket is one leg of each of the measurement's routes.
func BenchmarkBasket(b *testing.B) {
	e, body := benchEngine(b), benchBody(b)
	for route, name := range []string{"identity", "tokenize", "split"} {
		b.Run(name, func(b *testing.B) {
			edit := withEngine(b, e, route)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := edit(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
