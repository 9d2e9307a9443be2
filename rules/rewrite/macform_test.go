package rewrite

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMACInputStays pins the form: MACs of it are kept, and compared with those
// of later versions.
func TestMACInputStays(t *testing.T) {
	e := one(t, "{}", "keep: all\nroute: idempotency: {key: id, ignore: [at, \"**.trace\"]}", "")
	for body, want := range map[string]string{
		`{"id":1,"a":[1,{"b":2}],"c":{}}`:                                                    `{"id":1,"a":[1,{"b":2,},],"c":{},},`,
		"{ \"id\" : 1 ,\n\t\"a\": [ 1 , { \"b\" :2 } ] , \"c\":{ }}":                         `{"id":1,"a":[1,{"b":2,},],"c":{ },},`,
		`{"at":1,"id":2, "x":{"trace":[1],"y":3},"trace":4,"cvv":"5","z":[{"pin":[1]},[ ]]}`: `{"id":2,"x":{"y":3,},"z":[{},[ ],],},`,
		`{"at":[1,{"b":2}]}`:        `{},`,
		`[[],[[1]]]`:                `[[],[[1,],],],`,
		` "x" `:                     `"x",`,
		`{"a\"b\\":1,"": {"\\":2}}`: `{"a\"b\\":1,"":{"\\":2,},},`,
	} {
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, []byte(body), Limits{}); err != nil {
			t.Fatal(err)
		}
		if got := string(m.AppendMACInput([]byte("before"))); got != "before"+want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
}

// TestMACStays pins the keyed digest of a whole basket, which registers hold for
// days: one that is another after an upgrade makes a repeat look like another
// sale.
func TestMACStays(t *testing.T) {
	const body = `{
  "id": "S-20913",
  "at": "2026-11-21T10:32:05-06:00",
  "till": {"terminal": "front-1", "cashier": "Lena", "trace": ["a", {"b": 1}]},
  "patient": {
    "id": "PT-88213", "name":"Zo\u00eb \"Zo\" M\u00fcller-Lüdenscheidt-Wernigerode", "phone" : "+1 512 555 0142"
  },
  "note": "First visit after the summer; prefers Dr. Adeyemi, parks behind the house.",
  "items": [
    {"sku": "TX-BTX-U", "qty": 20, "unit_price": 1250, "a_name_that_is_longer_than_two_words": true},
    {"sku": "GC-100","qty":1,"unit_price":1e4,"notes":[ ],"more":{ }}, [], {}, [[1, -2.50], null]
  ],
  "totals": {"subtotal": 121000, "total": 131683},
  "payment": {"method": "keyed", "card": {"number": "4242424242424242", "exp_year": 2029, "cvv": "737", "holder": "M Okonkwo"}}
}
`
	e := one(t, "{}", "keep: all\nroute: idempotency: {key: id, ignore: [at, \"**.trace\"]}", "")
	for what, c := range map[string]struct{ body, want string }{
		"as it is": {body, "9e545d5bc0292f7ba6d2c2bde72b753566dcf7f0dc935c3447519a37dc6e7e54"},
		"compact":  {compacted(t, body), "3fe5b22d2eb84b3548d2f671ca8cd776187cf2e0c696ac906ad2c402ce614305"},
	} {
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, []byte(c.body), Limits{}); err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, []byte("the key of this test"))
		mac.Write(m.AppendMACInput(nil))
		if got := hex.EncodeToString(mac.Sum(nil)); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

func compacted(t *testing.T, body string) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// slowMACInput is the form of a body of which nothing is left out, byte by byte.
func slowMACInput(body string) string {
	var out strings.Builder
	write := func(s string) { out.WriteString(s) }
	for i := 0; i < len(body); {
		switch c := body[i]; c {
		case ' ', '\t', '\n', '\r', ',':
			i++
		case '"':
			end := i + 1
			for body[end] != '"' {
				if body[end] == '\\' {
					end++
				}
				end++
			}
			write(body[i : end+1])
			if i = end + 1; !strings.HasPrefix(strings.TrimLeft(body[i:], " \t\n\r"), ":") {
				write(",")
			}
		case '{', '[':
			end := i + 1 + len(body[i+1:]) - len(strings.TrimLeft(body[i+1:], " \t\n\r"))
			if body[end] == c+2 {
				write(body[i:end+1] + ",")
				i = end + 1
				continue
			}
			write(string(c))
			i++
		case '}', ']':
			write(string(c) + ",")
			i++
		case ':':
			write(":")
			i++
		default:
			end := i
			for end < len(body) && !strings.ContainsRune(" \t\n\r,]}", rune(body[end])) {
				end++
			}
			write(body[i:end] + ",")
			i = end
		}
	}
	return out.String()
}

func TestMACInputAgainstModel(t *testing.T) {
	e := one(t, "{}", "keep: all", "labels: {x: {paths: [nowhere]}}")
	check := func(body string) {
		m := e.NewMessage()
		if err := e.ScanRequest(m, 0, []byte(body), Limits{}); err != nil {
			t.Fatal(err)
		}
		if m.HasSAD() {
			return
		}
		if got, want := m.AppendMACInput(nil), slowMACInput(body); string(got) != want {
			t.Fatalf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
	for seed := range 2000 {
		g := generator{rand.New(rand.NewPCG(uint64(seed), 11))}
		var b strings.Builder
		g.write(&b, g.tree(5), seed%2 == 0)
		check(b.String())
	}
	check(string(bytes.ReplaceAll(benchBody(t), []byte("cvv"), []byte("xyz"))))
}
