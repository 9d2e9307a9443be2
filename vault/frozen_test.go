package vault

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone/vault/keys"
)

// TestFrozen opens a keyring of an earlier version, reveals what it made and
// mints the same again. A change that breaks it breaks every clinic's tokens:
// it needs a new version of the format, and testdata/frozen stays.
//
// The keyring has two generations of pan and sealed keys. Each line of
// tokens.txt is a kind, the token and what it stands for.
func TestFrozen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{keys.LocalKeyring, keys.LocalKeyFile} {
		b, err := os.ReadFile(filepath.Join("testdata", "frozen", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := keys.OpenLocal(t.Context(), keys.LocalOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ring.Close)
	tokens := New(ring, "clinic")
	text, err := os.ReadFile(filepath.Join("testdata", "frozen", "tokens.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			t.Fatalf("line %q", line)
		}
		lines++
		kind, token, value := fields[0], []byte(fields[1]), []byte(fields[2])
		var got []byte
		switch kind {
		case "pan-old", "pan":
			got, err = tokens.RevealPAN(nil, token)
			if again, merr := tokens.MintPAN(nil, value); merr != nil || bytes.Equal(again, token) != (kind == "pan") {
				t.Errorf("%s: the card of %s now has the token %s, %v", kind, token, again, merr)
			}
		case "sealed", "join":
			got, _, err = tokens.Unseal(nil, "phi", token)
			if again := tokens.Seal(nil, "phi", testTag, value, false, true); kind == "join" && !bytes.Equal(again, token) {
				t.Errorf("join: sealed as %s", again)
			}
		case "alias":
			got = tokens.Alias(nil, "ehr", value)
			value = token
		case "index":
			got = tokens.IndexKey(nil, value)
			value = token
		default:
			t.Fatalf("kind %q", kind)
		}
		if err != nil || !bytes.Equal(got, value) {
			t.Errorf("%s: %s gives %s, %v, want %s", kind, token, got, err, value)
		}
	}
	if lines < 10 {
		t.Errorf("%d lines", lines)
	}
}
