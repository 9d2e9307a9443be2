package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONText(t *testing.T) {
	for _, c := range []struct {
		name, body string
		width      int
		want       string
	}{
		{"fits on a line", `{"a":1,"b":[true,null]}`, 40, `{"a": 1, "b": [true, null]}`},
		{"is broken where it must", `{"a":{"b":"cccccccc"},"d":1}`, 16, "{\n  \"a\": {\n    \"b\": \"cccccccc\"\n  },\n  \"d\": 1\n}"},
		{"keeps order, duplicates and numbers", `{"z":1.0,"a":1e2,"z":3}`, 80, `{"z": 1.0, "a": 1e2, "z": 3}`},
		{"keeps escapes", `{"\u0061":"\"<&>"}`, 80, `{"\u0061": "\"<&>"}`},
		{"empty ones", `{"a":{},"b":[]}`, 80, `{"a": {}, "b": []}`},
		{"a scalar", ` "x" `, 1, `"x"`},
		{"no JSON", `{"a": `, 80, `{"a": `},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := jsonText([]byte(c.body), c.width); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestWriteBlocks(t *testing.T) {
	blocks := []block{{"one", "a\n  bb"}, {"two", "c"}, {"three", "d"}}
	for _, c := range []struct {
		name  string
		width int
		want  string
	}{
		{"side by side", 120, "" +
			"one                                     two                                     three\n" +
			"a                                       c                                       d\n" +
			"  bb\n\n"},
		{"two in a row", 80, "" +
			"one                                      two\n" +
			"a                                        c\n" +
			"  bb\n\n" +
			"three\nd\n\n"},
		{"stacked", 40, "one\na\n  bb\n\ntwo\nc\n\nthree\nd\n\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			writeBlocks(&b, palette{}, blocks, c.width)
			if b.String() != c.want {
				t.Errorf("got\n%s\nwant\n%s", b.String(), c.want)
			}
		})
	}
}

func TestBlocksKeepTheirWidth(t *testing.T) {
	text := `{"name": "Dr Ngũgĩ wa Thiong'o and a very long name that has to be cut somewhere", "n": 123456789012345678901234567890}`
	for width := 20; width < 200; width += 7 {
		var b strings.Builder
		writeBlocks(&b, palette{}, []block{{"title that is longer than the column itself", text}, {"two", text}, {"three", text}}, width)
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("a line of %d characters in a terminal of %d: %q", n, width, line)
			}
		}
	}
}

func TestWrapLosesNothing(t *testing.T) {
	text := "  alpha, beta gamma\ndelta-without-any-space-in-it\n\nend"
	strip := func(s string) string { return strings.Join(strings.Fields(s), "") }
	for width := 6; width < 40; width++ {
		if got := strings.Join(wrap(text, width), ""); strip(got) != strip(text) {
			t.Fatalf("width %d: got %q", width, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got, want := printable("a\x1b[2Jb\nc\r\u202ed é"), "a\uFFFD[2Jb\nc\uFFFD\uFFFDd é"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPalette(t *testing.T) {
	if got := (palette{}).red("x"); got != "x" {
		t.Errorf("without colour: %q", got)
	}
	if got := (palette{on: true}).red("x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("with colour: %q", got)
	}
	var b strings.Builder
	if paletteFor(&b).on {
		t.Error("colour into something that is no terminal")
	}
}
