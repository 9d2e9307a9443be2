package detect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// firstRunModel is firstRun, byte by byte.
func firstRunModel(b []byte, exponents uint64) int {
	within, mark := make([]bool, len(b)+64), make([]bool, len(b)+64)
	plain := make([]bool, len(b)+64)
	for i, c := range b {
		plain[i] = c <= '9' && c != '"' && c != ',' || c == '_' || c >= 0x80
		within[i] = within[i] || plain[i]
		mark[i] = mark[i] || c-'0' <= 9 || c >= 0x80
		if c == '\\' {
			for k := i; k <= i+maxEscape; k++ {
				within[k], mark[k] = true, true
			}
		}
	}
	clear(within[len(b):])
	clear(mark[len(b):])
	end := 0 // of what is looked at
	for end+blockSize <= len(b) {
		end += blockStep
	}
	for i := range end {
		if exponents == withExponents && b[i]-'0' <= 9 && b[i+1]|0x20 == 'e' && plain[i+2] {
			return i
		}
		n := 0
		for n < minDigits && within[i+n] && (mark[i+n] || mark[i+n+1] || mark[i+n+2] || mark[i+n+3]) {
			n++
		}
		if mark[i] && n == minDigits {
			return i
		}
	}
	return ^end
}

// runTexts are what tests of runs begin with.
var runTexts = []string{
	"", "4111111111111111", `{"a":"4111 - 1111 - 1111 - 1111"}`, `"\u0034111111111111111"`, `["4111\uFEFF - 1111\uFEFF - 1111\uFEFF - 1111"]`,
	"2026-11-21T10:32:05-06:00", `{"n":4.2e15,"m":42E+14}`, "550e8400-e29b-41d4-a716-446655440000", "+1 512 555 0142 ext. 12", `"é\n 12\t34\r\n"`,
	"٤١١١ ١١١١ ١١١١ ١١١١", "\\\\\\\\u0034", `"\u00e9\u00e9\u2e3a1111\u2e3a1111\u2e3a1111"`, `"\\",4e15`, "4_1_1_1_1_1_1_1_1_1_1_1", "                  1 ",
	"\n                1,\n                2", "1,2,3,4,5,6,7,8,9,10,11,12,13", "42\x00e14", "\xff\xfe\x80", strings.Repeat("a1", 40),
}

// TestFirstRun holds the machine's blocks to the model.
func TestFirstRun(t *testing.T) {
	if !blocks {
		t.Skip("this machine does not look at blocks")
	}
	check := func(b []byte) {
		t.Helper()
		if len(b) < blockSize {
			return
		}
		for _, e := range []uint64{withExponents, noExponents} {
			if got, want := firstRun(b, e), firstRunModel(b, e); got != want {
				t.Fatalf("%q: %d, want %d", b, got, want)
			}
		}
	}
	for _, text := range runTexts {
		for _, around := range []string{"a", " ", "0", "\\", "é", ":"} {
			for before := range 100 {
				check([]byte(strings.Repeat(around, before) + text + strings.Repeat(around, 90)))
			}
		}
	}
	// Each byte alone among others, at each place of two steps.
	for c := range 256 {
		for _, around := range []byte("1a e\\_") {
			for at := range 100 {
				b := bytes.Repeat([]byte{around}, 128)
				b[at] = byte(c)
				check(b)
			}
		}
	}
}

func FuzzFirstRun(f *testing.F) {
	if !blocks {
		f.Skip("this machine does not look at blocks")
	}
	for _, text := range runTexts {
		f.Add([]byte(text))
		f.Add([]byte(strings.Repeat("x", 27) + text + strings.Repeat(" ", 64)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append(b, make([]byte, blockSize)...)
		for _, e := range []uint64{withExponents, noExponents} {
			if got, want := firstRun(b, e), firstRunModel(b, e); got != want {
				t.Fatalf("%q: %d, want %d", b, got, want)
			}
		}
	})
}

// FuzzScreens holds both screens to the walk: neither is blind to what it finds.
// Blocks must not be blind where a card begins anew at each byte, either.
func FuzzScreens(f *testing.F) {
	for _, text := range runTexts {
		f.Add([]byte(text))
		f.Add([]byte(`{"a":"` + text + `","b":[` + text + `]}`))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !json.Valid(b) {
			return
		}
		_, found := guardJSON(b)
		if words := suspiciousWords(b); found && !words {
			t.Fatalf("%q: words are blind to it", b)
		}
		if blocks && found && !suspiciousBlocks(b) {
			t.Fatalf("%q: blocks are blind to it", b)
		}
	})
}

// TestSeparatorsAreWithin: whatever may stand between two digits of a card may
// stand within a run.
func TestSeparatorsAreWithin(t *testing.T) {
	for c := range 256 {
		if byteClass[c] != classOther && !withinRun[c] {
			t.Errorf("%q", byte(c))
		}
	}
	for i := 1; i <= maxEscape; i++ {
		if !ofEscape([]byte(`\u00zz`), i) {
			t.Errorf("byte %d behind a backslash", i)
		}
	}
	if ofEscape([]byte(`\uaaaaz`), maxEscape+1) {
		t.Error("it is no part of the escape")
	}
}

// TestScreensPassBodies: neither screen sends an ordinary body to the walk.
func TestScreensPassBodies(t *testing.T) {
	basket, err := os.ReadFile(filepath.Join("..", "..", "bench", "testdata", "basket.json"))
	if err != nil {
		t.Fatal(err)
	}
	basket = bytes.ReplaceAll(basket, []byte("4242424242424242"), []byte("7242424242424249"))
	var compact, deep bytes.Buffer
	if err := json.Compact(&compact, basket); err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&deep, basket, "\t\t\t\t\t\t\t\t\t\t", "        "); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"the basket": string(basket), "compact": compact.String(), "indented": deep.String(),
		"ids":     `{"id":"550e8400-e29b-41d4-a716-446655440000","trace":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`,
		"escapes": `{"name":"Zo\u00eb M\u00fcller","path":"a\/b\/2026\/11","note":"1\n2\n3\t4"}`,
		"numbers": `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1e3, 2.5e-7, 1733, 15000, 131683]`,
		"phones":  `{"a":"+1 512 555 0142","b":"+4915123456783","at":"20261121T103205Z"}`,
		"letters": `{"a":"Ωμέγα жжжж 日本語 é"}`,
	} {
		if suspiciousWords([]byte(body)) {
			t.Errorf("%s: words", name)
		}
		if blocks && suspiciousBlocks([]byte(body)) {
			t.Errorf("%s: blocks", name)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	basket, err := os.ReadFile(filepath.Join("..", "..", "bench", "testdata", "basket.json"))
	if err != nil {
		b.Fatal(err)
	}
	basket = bytes.ReplaceAll(basket, []byte("4242424242424242"), []byte("7242424242424249"))
	for _, screen := range []struct {
		name string
		f    func([]byte) bool
	}{{"words", suspiciousWords}, {"here", suspicious}} {
		b.Run(screen.name, func(b *testing.B) {
			b.SetBytes(int64(len(basket)))
			for b.Loop() {
				if screen.f(basket) {
					b.Fatal("a card")
				}
			}
		})
	}
}
