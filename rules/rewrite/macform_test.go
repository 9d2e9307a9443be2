package rewrite

import (
	"bytes"
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
