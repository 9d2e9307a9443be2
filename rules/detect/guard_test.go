package detect

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestGuardJSON(t *testing.T) {
	const at = "\x00" // stands where the offset has to be
	for _, c := range []struct{ name, body string }{
		{"a string", `{"a":"` + at + `4111111111111111"}`},
		{"in a note", `["call 5551234, card ` + at + `4111 1111 1111 1111 ok"]`},
		{"a member name", `{"` + at + `4111111111111111":true}`},
		{"a number", `{"n": ` + at + `4111111111111111}`},
		{"a negative number", `[-` + at + `4111111111111111]`},
		{"an exponent", `[1,` + at + `4.111111111111111e15]`},
		{"an exponent and few digits", `[` + at + `4.2e15]`},
		{"an exponent behind many zeros", `[` + at + `0.` + strings.Repeat("0", 99) + `42e115]`},
		{"escapes without a digit between digits", `["12345678,` + at + `4111\uFEFF - 1111\uFEFF - 1111\uFEFF - 1111"]`},
		{"the last thing", `"` + at + `4111111111111111`},
		{"an escaped digit", `["` + at + `\u00341111111` + `11111111"]`},
		{"all digits escaped", `["` + at + strings.ReplaceAll("4111111111111111", "1", `\u0031`) + `"]`},
		{"escaped separators", `["x` + at + `4111\u00a01111\t1111\u20091111"]`},
		{"a surrogate pair", `["` + at + `\ud835\udfd2111111111111111"]`},
		{"full-width escapes", `["` + at + `\uFF14111111111111111"]`},
		{"a raw full-width digit", `["` + at + `４111111111111111"]`},
		{"raw full-width digits", `["` + at + `４１１１１１１１１１１１１１１１"]`},
		{"raw Arabic digits with blanks", `["é ` + at + `٤١١١ ١١١١ ١١١١ ١١١١ é"]`},
		{"raw digits of four bytes", `["` + at + strings.Repeat("𝟐", 0) + `𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏"]`},
		{"raw digits among ASCII's", `["` + at + `4１1１1１1１ 1１1１1１1１"]`},
		{"behind an escaped quote", `["say \"` + at + `4111111111111111\""]`},
		{"behind an escaped backslash", `["\\","` + at + `4111111111111111"]`},
		{"JSON in a string", `["{\"pan\":\"` + at + `4111111111111111\"}"]`},
		{"a number in JSON in a string", `["{\"pan\":` + at + `4111111111111111}"]`},
		{"escapes in JSON in a string", `["{\"pan\":\"` + at + `\\u0034111111111111111\"}"]`},
		{"escapes two levels down", `["{\\\"pan\\\":\\\"` + at + `\\\\\\\\u0034111111111111111\\\"}"]`},
		{"what is a card only on the upper level", `["\\u` + at + `4111111111111111"]`},

		{"nothing", `{}`},
		{"empty", ``},
		{"a token", `{"t":"7111111111111110","n":7111111111111110}`},
		{"masked", `{"t":"************1111"}`},
		{"two strings", `["41111111","11111111"]`},
		{"a time", `{"at":"2026-11-21T10:32:05-06:00","until":"20261121T103205Z"}`},
		{"amounts", `{"subtotal": 121000, "tax": 1733, "tip": 15000, "total": 131683}`},
		{"letters beyond ASCII", `{"n":"жжжж жжжж жжжж жжжж 4111 é1111 日1111 1111"}`},
		{"two numbers", `[41111111,11111111]`},
		{"across a quote", `["41111111\"11111111"]`},
		{"a float", `[0.4111111111111111,4.111111111111111]`},
		{"hexadecimal", `["550e8400-e29b-41d4-a716-446655440000",1e3]`},
		{"a broken escape", `["\u003","\`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := strings.Index(c.body, at)
			for shift := range 9 { // the screen looks at words of eight bytes
				body := strings.Repeat(" ", shift) + strings.Replace(c.body, at, "", 1)
				offset, found := GuardJSON([]byte(body))
				if found != (want >= 0) || found && offset != want+shift {
					t.Errorf("%s: %d, %v; want %d", body, offset, found, want+shift)
				}
			}
		})
	}
}

func TestGuardText(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"in a path", "/v1/cards/4111111111111111/charges", true},
		{"in a query", "/pay?pan=4111-1111-1111-1111", true},
		{"an encoded digit", "/pay?pan=%34111111111111111", true},
		{"encoded blanks", "/pay?note=card%204111%201111%201111%201111", true},
		{"plus signs", "/pay?note=card+4111+1111+1111+1111", true},
		{"encoded full-width digits", "/pay?pan=" + url.QueryEscape("４１１１１１１１１１１１１１１１"), true},
		{"encoded twice", "/pay?pan=%2534111111111111111", true},
		{"a header", "card 4111 1111 1111 1111", true},
		{"a phone number", "/call?to=%2B4915123456783", false},
		{"a phone number, raw", "+4915123456783", false},
		{"a broken encoding", "/pay?pan=%3", false},
		{"a token", "/cards/7111111111111110", false},
		{"nothing", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if offset, found := GuardText([]byte(c.text)); found != c.want || offset < 0 || offset > len(c.text) {
				t.Errorf("%s: %d, %v", c.text, offset, found)
			}
		})
	}
}

// decodedPAN says by the standard library's decoder whether a JSON text holds
// a card number.
func decodedPAN(t *testing.T, body []byte) (found bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return found
		}
		switch v := token.(type) {
		case string:
			found = found || len(FindPANs(nil, []byte(v))) > 0
		case json.Number:
			_, ok := PANNumber(nil, []byte(v))
			found = found || ok
		}
	}
}

// TestDullWordsAreDull: no word is passed over that holds a digit, a backslash or
// something beyond ASCII, whatever stands around it.
func TestDullWordsAreDull(t *testing.T) {
	for _, around := range []byte("az/:[]09!~ \x7f\x80\\.0") {
		for at := range 8 {
			for c := range 256 {
				word := bytes.Repeat([]byte{around}, 8)
				word[at] = byte(c)
				dullWord := true
				for _, c := range word {
					dullWord = dullWord && c < 0x80 && c != '\\' && (c < '0' || c > '9')
				}
				passed := dull(word, 0) == 8
				if passed && !dullWord || !passed && dullWord {
					t.Fatalf("%q is passed over: %v", word, passed)
				}
			}
		}
	}
}

func FuzzGuardJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":"4111111111111111"}`, `["\u0034111111111111111"]`, `[4.111111111111111e15]`, `{"4111 1111\u00a01111 1111":[]}`,
		`["４１１１１１１１１１１１１１１１"]`, `["٤١١١ ١١١١ ١١١١ ١١١١ é"]`, `["2026-11-21T10:32:05-06:00 4111"]`,
		`["{\"pan\":\"\\u0034111111111111111\"}"]`, `["\\\\\"","\ud835\udfd2111111111111111"]`, `["5901234123457","\\u4111111111111111"]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		offset, found := GuardJSON(body)
		if found && (offset < 0 || offset >= len(body)) {
			t.Fatalf("%q: offset %d", body, offset)
		}
		if !json.Valid(body) {
			return
		}
		if _, walked := guardJSON(body); walked != found {
			t.Fatalf("%q: guard %v, its walk %v", body, found, walked)
		}
		// Everything that decoding finds is found; more is found only where
		// a string may itself hold escapes.
		if want := decodedPAN(t, body); want != found && (want || !bytes.Contains(body, []byte(`\\`))) {
			t.Fatalf("%q: guard %v, decoded %v", body, found, want)
		}
	})
}

func FuzzGuardText(f *testing.F) {
	for _, s := range []string{"/a?b=%34111111111111111", "card+4111+1111+1111+1111", "%25%32%35", "%", "%zz+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		offset, found := GuardText([]byte(text))
		if found && (offset < 0 || offset >= len(text)) {
			t.Fatalf("%q: offset %d", text, offset)
		}
		if found {
			return
		}
		if _, raw := HasPAN([]byte(text)); raw {
			t.Fatalf("%q: found in the text alone", text)
		}
		if plain, err := url.PathUnescape(text); err == nil && !strings.Contains(text, "+") {
			if _, decoded := HasPAN([]byte(plain)); decoded {
				t.Fatalf("%q: found in %q", text, plain)
			}
		}
	})
}
