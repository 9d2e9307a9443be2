package rewrite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"
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

// peer does the edits of routeTokenize as a competent engineer would with what
// it is named after. Neither judges duplicates, looks for card numbers
// elsewhere, nor keeps a record of what it did.
type peer func(body []byte) ([]byte, error)

var errMalformed = &json.SyntaxError{}

var unseen = []string{"patient", "consent", "appointment", "note", "payment.card.cvv"}

// withGJSON validates once, reads the classes, and edits path by path; items
// are removed from the last one on, so that indexes hold.
func withGJSON(body []byte) ([]byte, error) {
	if !gjson.ValidBytes(body) {
		return nil, errMalformed
	}
	var clinical []int
	items := gjson.GetBytes(body, "items")
	at := 0
	items.ForEach(func(_, item gjson.Result) bool {
		if isClinical(item.Get("category").Str, item.Get("sku").Str) {
			clinical = append(clinical, at)
		}
		at++
		return true
	})
	var err error
	for i := len(clinical) - 1; i >= 0; i-- {
		if body, err = sjson.DeleteBytes(body, "items."+strconv.Itoa(clinical[i])); err != nil {
			return nil, err
		}
	}
	if len(clinical) == at && at > 0 {
		if body, err = sjson.DeleteBytes(body, "items"); err != nil {
			return nil, err
		}
	}
	for _, path := range unseen {
		if body, err = sjson.DeleteBytes(body, path); err != nil {
			return nil, err
		}
	}
	if gjson.GetBytes(body, "payment.card.number").Exists() {
		return sjson.SetBytes(body, "payment.card.number", string(staticToken))
	}
	return body, nil
}

// withStandard decodes the body, numbers as they are written, edits the tree
// and encodes it.
func withStandard(body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		return nil, err
	}
	for _, name := range []string{"patient", "consent", "appointment", "note"} {
		delete(root, name)
	}
	if payment, ok := root["payment"].(map[string]any); ok {
		if card, ok := payment["card"].(map[string]any); ok {
			delete(card, "cvv")
			if _, ok := card["number"]; ok {
				card["number"] = string(staticToken)
			}
		}
	}
	if items, ok := root["items"].([]any); ok {
		kept := items[:0]
		for _, item := range items {
			if member, ok := item.(map[string]any); ok {
				category, _ := member["category"].(string)
				sku, _ := member["sku"].(string)
				if isClinical(category, sku) {
					continue
				}
			}
			kept = append(kept, item)
		}
		if root["items"] = kept; len(kept) == 0 && len(items) > 0 {
			delete(root, "items")
		}
	}
	return json.Marshal(root)
}

// isClinical is the basket's classification without its folding of case.
func isClinical(category, sku string) bool {
	switch category {
	case "injectable", "treatment", "laser":
		return true
	}
	if strings.HasPrefix(sku, "TX-") {
		return true
	}
	return category != "skincare" && category != "giftcard"
}

// withEngine is the engine's way, with everything used again.
func withEngine(t testing.TB, e *Engine, route int) peer {
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
	engine := withEngine(t, benchEngine(t), routeTokenize)
	for size, body := range bodies(t) {
		var want any
		for _, p := range []struct {
			name string
			edit peer
		}{{"engine", engine}, {"gjson and sjson", withGJSON}, {"encoding/json", withStandard}} {
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
			edit peer
		}{{"engine", engine}, {"gjson+sjson", withGJSON}, {"encoding/json", withStandard}} {
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
