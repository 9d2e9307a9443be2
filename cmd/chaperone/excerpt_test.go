package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"chaperone/rules/yamlfile"
)

func TestExcerpt(t *testing.T) {
	for _, c := range []struct {
		name           string
		line           string
		column, extent int
		room           int
		text, marks    string
	}{
		{"a value", "to: recrod", 5, 6, 72, "to: recrod", "    ^~~~~~"},
		{"one character", "a: b", 4, 1, 72, "a: b", "   ^"},
		{"no column", "a: b", 0, 0, 72, "a: b", ""},
		{"behind the line", "a: b", 9, 1, 72, "a: b", "    ^"},
		{"a tab goes to its stop", "ab\tto: x", 8, 1, 72, "ab  to: x", "        ^"},
		{"wide characters", "病歴: 詳細 # x", 5, 2, 72, "病歴: 詳細 # x", "      ^~~~"},
		{"combining marks take no room", "e\u0301: x", 5, 1, 72, "e\u0301: x", "   ^"},
		{"a control character", "a\x1b[2J: b", 1, 1, 72, "a\uFFFD[2J: b", "^"},
		{"a secret before", "k: {password: hunter2, x: 1}", 24, 1, 72, "k: {password: …, x: 1}", "                 ^"},
		{"a secret itself", "k: {password: hunter2, x: 1}", 15, 7, 72, "k: {password: …, x: 1}", "              ^"},
		{"cut at the end", "to: abcdefghijklmnopqrstuvwxyz", 1, 2, 12, "to: abcdef…", "^~"},
		{"cut at the beginning", "to: abcdefghijklmnopqrstuvwxyz", 30, 1, 12, "…qrstuvwxyz", "          ^"},
		{"cut at both", "abcdefghijklmnopqrstuvwxyz", 13, 2, 12, "…hijklmnopq…", "      ^~"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, marks := excerpt(c.line, c.column, c.extent, c.room)
			if text != c.text || marks != c.marks {
				t.Errorf("got\n%s\n%s\nwant\n%s\n%s", text, marks, c.text, c.marks)
			}
		})
	}
}

// TestExcerptPointsAtTheValue cuts a line at every column and every width.
func TestExcerptPointsAtTheValue(t *testing.T) {
	line := strings.Repeat("abc, ", 30) + "THERE" + strings.Repeat(", xyz", 30)
	column := strings.Index(line, "T") + 1
	for room := 24; room < 400; room++ {
		text, marks := excerpt(line, column, 5, room)
		if n := utf8.RuneCountInString(text); n > room {
			t.Fatalf("room %d: %d characters", room, n)
		}
		runes, at := []rune(text), strings.Index(marks, "^")
		if got := string(runes[at : at+len(marks)-at]); got != "THERE" {
			t.Fatalf("room %d: points at %q", room, got)
		}
	}
}

// FuzzExcerpt draws any line: no panic, within its room, and the caret within
// the line.
func FuzzExcerpt(f *testing.F) {
	f.Add("a: b", 1, 1, 24)
	f.Add("\t病: {password: x}\x1b\u0301", 3, 9, 30)
	f.Add("\xff\xfe", 2, 2, 24)
	f.Fuzz(func(t *testing.T, line string, column, extent, room int) {
		column, extent, room = column%1000, max(0, extent%1000), 24+max(0, room%200)
		text, marks := excerpt(line, column, extent, room)
		wide := 0
		for _, r := range text {
			if r < ' ' && r != utf8.RuneError {
				t.Fatalf("%q has a control character", text)
			}
			wide += runeWidth(r)
		}
		if wide > room+1 || len(marks) > room+1 {
			t.Fatalf("%d columns and a caret in %d, room for %d", wide, len(marks), room)
		}
	})
}

// TestSecretsAreNotShown looks for secrets in excerpts of what people write.
func TestSecretsAreNotShown(t *testing.T) {
	const secret = "hunTer2isLong"
	for _, line := range []string{
		"Authorization: Bearer hunTer2isLong, and hunTer2isLong",
		`headers: {Authorization: "Basic hunTer2isLong", x: 1}`,
		"  X-Api-Key: hunTer2isLong # mine",
		"  X-Shop-Token: 'hunTer2isLong'",
		"cookie: session=hunTer2isLong",
		"state: {redis: {password: hunTer2isLong}}",
		"client_secret = hunTer2isLong",
		"- sk_live_hunTer2isLong",
		"text: Bearer hunTer2isLong",
		"token: hvs.hunTer2isLong",
		"token: s.hunTer2isLonghunTer2isLong",
		"anything: hunTer2isLonghunTer2isLong",
	} {
		if text, _ := excerpt(line, 1, 1, 200); strings.Contains(text, secret) {
			t.Errorf("%s\nshows %s", line, text)
		}
	}
	for _, line := range []string{
		"password_file: redis.pass", "secret_id_file: vault/secret-id", "idempotency: {key: transaction_id, ignore: [timestamp]}",
		"card_token: {token: payment.card.number}", "url: https://api.processor.example/v1/payments", "keep: [transaction_id, currency, totals.total]",
		"X-Api-Key: {file: processor.key}", "token: {format: vaulted, keep: bin6+last4}",
	} {
		if text, _ := excerpt(line, 1, 1, 200); text != line {
			t.Errorf("%s\nis shown as %s", line, text)
		}
	}
	if got := withoutSecrets(`x cannot be "chp_abc"`); strings.Contains(got, "abc") {
		t.Errorf("a message shows %s", got)
	}
}

func TestExtents(t *testing.T) {
	src := "a: {b: \"c d\", e: [f, g]}\nlong: some text here # comment\nblock: |\n  x\n  y\n- 'x\n"
	e := yamlfile.ExtentsOf([]byte(src))
	for _, c := range []struct{ line, column, want int }{
		{1, 1, 1}, {1, 4, 21}, {1, 5, 1}, {1, 8, 5}, {1, 18, 6}, {1, 19, 1}, {2, 1, 4}, {2, 7, 14}, {3, 8, 1}, {99, 1, 1},
	} {
		if got := e.At(c.line, c.column); got != c.want {
			t.Errorf("%d:%d is %d long, want %d", c.line, c.column, got, c.want)
		}
	}
}
