package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/rules"
)

func TestWriteDiagnostics(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rules.yaml")
	src := "labels:\n\tpan: {paths: [a]}\nstate: {redis: {password: hunter2, x: 1}}\nkey_sha256: \"3f1c\"\nauth: {token: hvs.CAESIJ}\n"
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(line, column int) rules.Position {
		return rules.Position{File: file, Line: line, Column: column}
	}
	for _, c := range []struct {
		name string
		d    rules.Diagnostic
		want string
	}{
		{"an error with caret and hint",
			rules.Diagnostic{Position: at(2, 2), Code: "yaml_syntax", Message: "this is not YAML", Hint: "indent with spaces"},
			"FILE:2:2: this is not YAML [yaml_syntax]\n    2 |     pan: {paths: [a]}\n      |     ^~~\n      hint: indent with spaces\n"},
		{"a warning",
			rules.Diagnostic{Position: at(1, 1), Severity: rules.Warning, Code: "w", Message: "m"},
			"FILE:1:1: warning: m [w]\n    1 | labels:\n      | ^~~~~~\n"},
		{"a file as a whole",
			rules.Diagnostic{Position: rules.Position{File: file}, Code: "c", Message: "m"},
			"FILE: m [c]\n"},
		{"a line that is not there any more",
			rules.Diagnostic{Position: at(99, 1), Code: "c", Message: "m"},
			"FILE:99:1: m [c]\n"},
		{"a password is not shown again",
			rules.Diagnostic{Position: at(3, 17), Code: "unknown_key", Message: "m"},
			"FILE:3:17: m [unknown_key]\n    3 | state: {redis: {password: …, x: 1}}\n      |                 ^~~~~~~~\n"},
		{"a key's hash is not shown again",
			rules.Diagnostic{Position: at(4, 13), Code: "bad_key_hash", Message: "m"},
			"FILE:4:13: m [bad_key_hash]\n    4 | key_sha256: …\n      |             ^\n"},
		{"a token is not shown again",
			rules.Diagnostic{Position: at(5, 8), Code: "unknown_key", Message: "m"},
			"FILE:5:8: m [unknown_key]\n    5 | auth: {token: …}\n      |        ^~~~~\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			writeDiagnostics(&b, rules.Diagnostics{c.d})
			if got := strings.ReplaceAll(b.String(), file, "FILE"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\nb\x1b[31m\tc"); got != "a b [31m c" {
		t.Errorf("got %q", got)
	}
}
