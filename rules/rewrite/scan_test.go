package rewrite

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/rules/reason"
)

// identity is the engine of a plan that changes nothing.
func identity(t testing.TB) *Engine {
	t.Helper()
	return one(t, "{sad: plain}", "keep: all", "labels: {unused: {paths: [this.is.nowhere]}}")
}

// scan reads a body under the identity plan and returns the refusal's code, and
// the bytes of the leg.
func scanOnly(e *Engine, body []byte, lim Limits) (reason.Code, []byte) {
	m, v := e.NewMessage(), e.NewView()
	if err := e.ScanRequest(m, 0, body, lim); err != nil {
		return err.Code, nil
	}
	if err := e.DecideLeg(m, 0, v); err != nil {
		return err.Code, nil
	}
	out, err := v.Render(nil)
	if err != nil {
		return err.Code, nil
	}
	return reason.None, out
}

// vectors returns the folder of the third-party test data, or skips.
func vectors(t testing.TB, sub string) string {
	t.Helper()
	root := os.Getenv("CHAPERONE_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir := filepath.Join(root, sub)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") != "" {
			t.Fatalf("no vectors at %s, and CI is set", dir)
		}
		t.Skipf("no vectors at %s: set CHAPERONE_VECTORS", dir)
	}
	return dir
}

func TestJSONTestSuite(t *testing.T) {
	e := identity(t)
	files, err := filepath.Glob(filepath.Join(vectors(t, "json"), "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code, out := scanOnly(e, body, Limits{})
		switch {
		case strings.HasPrefix(name, "y_") && (code != reason.None || string(out) != string(body)):
			t.Errorf("%s: %q, or other bytes", name, code)
		case strings.HasPrefix(name, "n_") && code == reason.None:
			t.Errorf("%s is accepted", name)
		case strings.HasPrefix(name, "i_") && code == reason.None && string(out) != string(body):
			t.Errorf("%s: other bytes", name)
		}
	}
}

func TestScanRefusals(t *testing.T) {
	e := identity(t)
	tests := []struct {
		name, body string
		want       reason.Code
	}{
		{"empty", "", reason.BodyMalformed},
		{"blank", " \n", reason.BodyMalformed},
		{"byte order mark", "\ufeff{}", reason.BodyMalformed},
		{"two values", "1 2", reason.BodyMalformed},
		{"trailing comma in an object", `{"a":1,}`, reason.BodyMalformed},
		{"trailing comma in an array", `[1,]`, reason.BodyMalformed},
		{"wrong bracket", `[1}`, reason.BodyMalformed},
		{"wrong brace", `{"a":1]`, reason.BodyMalformed},
		{"no colon", `{"a" 1}`, reason.BodyMalformed},
		{"colon in an array", `["a":1]`, reason.BodyMalformed},
		{"no name", `{1:2}`, reason.BodyMalformed},
		{"only a comma", `[,]`, reason.BodyMalformed},
		{"unclosed string", `"abc`, reason.BodyMalformed},
		{"unclosed string of a word", `"abcdefgh`, reason.BodyMalformed},
		{"unclosed name", `{"a`, reason.BodyMalformed},
		{"ends after the name", `{"a"`, reason.BodyMalformed},
		{"ends after the colon", `{"a":`, reason.BodyMalformed},
		{"ends after the comma", `{"a":1,`, reason.BodyMalformed},
		{"ends in an escape", `"\`, reason.BodyMalformed},
		{"ends in a unicode escape", `"\u12`, reason.BodyMalformed},
		{"unknown escape", `"\x41"`, reason.BodyMalformed},
		{"bad hexadecimal", `"\u12g4"`, reason.BodyMalformed},
		{"control character", "\"a\tb\"", reason.BodyMalformed},
		{"control character behind a word", "\"abcdefghijk\x00\"", reason.BodyMalformed},
		{"control character behind four words", "\"" + strings.Repeat("x", 41) + "\x1f\"", reason.BodyMalformed},
		{"leading zero", `01`, reason.BodyMalformed},
		{"minus alone", `-`, reason.BodyMalformed},
		{"plus", `+1`, reason.BodyMalformed},
		{"point at the end", `1.`, reason.BodyMalformed},
		{"no exponent", `1e+`, reason.BodyMalformed},
		{"NaN", `NaN`, reason.BodyMalformed},
		{"half a word", `tru`, reason.BodyMalformed},
		{"word with a tail", `nullx`, reason.BodyMalformed},
		{"not UTF-8", "\"\xff\"", reason.BodyNotUTF8},
		{"not UTF-8 in a name", "{\"\xc3(\":1}", reason.BodyNotUTF8},
		{"overlong", "\"\xc0\xaf\"", reason.BodyNotUTF8},
		{"surrogate as bytes", "\"\xed\xa0\x80\"", reason.BodyNotUTF8},
		{"cut short", "\"\xe2\x82\"", reason.BodyNotUTF8},
		{"beyond Unicode", "\"\xf4\x90\x80\x80\"", reason.BodyNotUTF8},
		{"lone high surrogate", `"\ud800"`, reason.BodyNotUTF8},
		{"lone low surrogate", `"\udc00"`, reason.BodyNotUTF8},
		{"two high surrogates", `"\ud800\ud800"`, reason.BodyNotUTF8},
		{"high surrogate and a letter", `"\ud800\u0041"`, reason.BodyNotUTF8},
		{"a pair", `"\ud83d\ude00"`, reason.None},
		{"upper-case hexadecimal", `"\uD83D\uDE00\u00E9"`, reason.None},
		{"replacement character", "\"\ufffd\"", reason.None},
		{"a scalar", ` -0.5e-7 `, reason.None},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			// A slice without room behind it, so that a read beyond fails.
			body := append(make([]byte, 0, len(c.body)), c.body...)
			code, out := scanOnly(e, body, Limits{})
			if code != c.want {
				t.Errorf("%q, want %q", code, c.want)
			}
			if code == reason.None && string(out) != c.body {
				t.Errorf("became %q", out)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	e := identity(t)
	nested := func(n int) []byte {
		return []byte(strings.Repeat(`[{"a":`, n/2) + "1" + strings.Repeat(`}]`, n/2))
	}
	tests := []struct {
		name  string
		depth int
		limit Limits
		want  reason.Code
	}{
		{"the default", DefaultDepth, Limits{}, reason.None},
		{"beyond the default", DefaultDepth + 2, Limits{}, reason.BodyTooDeep},
		{"a limit", 10, Limits{Depth: 10}, reason.None},
		{"beyond a limit", 12, Limits{Depth: 10}, reason.BodyTooDeep},
		{"very deep", 200_000, Limits{Depth: 200_000}, reason.None},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			code, out := scanOnly(e, nested(c.depth), c.limit)
			if code != c.want || code == reason.None && string(out) != string(nested(c.depth)) {
				t.Errorf("%q, want %q", code, c.want)
			}
		})
	}
}

// TestTapeIsLinear holds the size of the tape to the number of values, at any
// nesting and with any number of duplicates, and that of the edits likewise.
func TestTapeIsLinear(t *testing.T) {
	e := one(t, "{pan: mask}", "keep: all", "")
	tests := map[string]func(n int) string{
		"flat":       func(n int) string { return `{"a":[` + strings.Repeat(`1,`, n) + `1]}` },
		"nested":     func(n int) string { return strings.Repeat(`{"a":[`, n) + "1" + strings.Repeat(`]}`, n) },
		"duplicates": func(n int) string { return `{` + strings.Repeat(`"pan":"4111111111111111",`, n) + `"b":1}` },
		"removed":    func(n int) string { return `{` + strings.Repeat(`"patient":{"x":[1]},`, n) + `"b":1}` },
		"removed in a nest": func(n int) string {
			return strings.Repeat(`{"patient":1,"a":`, n) + "1" + strings.Repeat(`,"patient":{"b":2}}`, n)
		},
		"cards in one string": func(n int) string {
			return `"` + strings.Repeat(`4111111111111111 x \u0034111111111111111 y `, n) + `"`
		},
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			size := func(n int) (tape, edits, spans int) {
				m, v := e.NewMessage(), e.NewView()
				b := []byte(body(n))
				if err := e.ScanRequest(m, 0, b, Limits{Depth: 1 << 30}); err != nil {
					t.Fatal(err)
				}
				if err := e.DecideLeg(m, 0, v); err != nil {
					t.Fatal(err)
				}
				if len(m.tape) > len(b)/2+1 {
					t.Errorf("%d nodes for %d bytes", len(m.tape), len(b))
				}
				out, err := v.Render(nil)
				if err != nil || !json.Valid(out) {
					t.Fatalf("error %v, valid %v", err, json.Valid(out))
				}
				return len(m.tape), len(v.edits), len(m.spans)
			}
			t1, e1, s1 := size(100)
			t2, e2, s2 := size(1000)
			if t2 > 10*t1 || e2 > 10*e1+1 || s2 > 10*s1 {
				t.Errorf("nodes %d → %d, edits %d → %d, spans %d → %d", t1, t2, e1, e2, s1, s2)
			}
		})
	}
}
