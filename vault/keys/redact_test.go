package keys

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func decodeJSON(r *http.Request, v any) error { return json.NewDecoder(r.Body).Decode(v) }

func isError(err, want error) bool { return errors.Is(err, want) }

// findsKey says whether a text holds eight bytes of any key of a keyset, as
// they are or in a notation in which Go would print them.
func findsKey(ks *keyset, text []byte) bool {
	for i := range ks.Keys {
		m := ks.Keys[i].Material
		for _, part := range [][]byte{m[:8], m[8:16], m[len(m)-8:]} {
			list := strings.Trim(fmt.Sprint(part), "[]")
			goList := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", part), "[]byte{"), "}")
			for _, form := range []string{string(part), hex.EncodeToString(part), list, goList, fmt.Sprintf("% x", part)} {
				if bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(form))) {
					return true
				}
			}
		}
		if bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(m)[:16])) {
			return true
		}
	}
	return false
}

// TestNothingPrinted prints all that holds keys, by every verb, to a log and as
// JSON.
func TestNothingPrinted(t *testing.T) {
	r := ephemeral(t)
	m := r.live.Load()
	if !findsKey(m.doc, fmt.Append(nil, m.doc.Keys[0].Material)) {
		t.Fatal("the test finds no key where there is one")
	}
	wrap, err := finishWrap(wrapParams{}, bytes.Repeat([]byte{7}, xaesKeySize))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"ring": r, "keyset": m.doc, "keyset by value": *m.doc, "key": m.doc.Keys[0], "keys": m.doc.Keys, "material": m,
		"macs": r.macs, "pan keys": r.PAN(), "pan keys by value": *r.PAN(), "pan key": r.PAN().Slots[0],
		"xaes": m.store.generation[1], "siv": &m.join, "backend": r.backend, "wrap": wrap,
		"a holder": struct{ R *Ring }{r}, "an error of it": fmt.Errorf("with %v", r),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			if text := fmt.Sprintf(verb, v); findsKey(m.doc, []byte(text)) {
				t.Errorf("%s by %s prints a key", name, verb)
			}
		}
		var b bytes.Buffer
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		if name != "keys" && findsKey(m.doc, b.Bytes()) { // a slice has no methods, and is JSON as it is kept
			t.Errorf("%s in a log prints a key", name)
		}
	}
	if b, err := json.Marshal(map[string]any{"ring": r}); err != nil || string(b) != `{"ring":"[keys]"}` {
		t.Errorf("%s, %v", b, err)
	}
}

// TestPanic ends a process by a panic in a goroutine that works with a ring,
// with the traces of all goroutines, and looks for its keys in what is printed.
func TestPanic(t *testing.T) {
	const dirName = "KEYS_TEST_PANIC"
	if dir := os.Getenv(dirName); dir != "" {
		r, err := OpenLocal(t.Context(), LocalOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		go func(r *Ring, m *material, doc keyset, first key) {
			sealed := r.Seal(nil, []byte("x"), nil)
			defer func() { panic(fmt.Sprintf("%v %+v %#v %x %v %v %d", r, m, doc, first, recover(), m.doc, len(sealed))) }()
			panic(r)
		}(r, r.live.Load(), *r.live.Load().doc, r.live.Load().doc.Keys[0])
		select {}
	}
	dir := t.TempDir()
	r := mustOpenLocal(t, LocalOptions{Dir: dir})
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanic$")
	cmd.Env = append(os.Environ(), dirName+"="+dir, "GOTRACEBACK=all")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("panic: ")) || !bytes.Contains(out, []byte(redacted)) {
		t.Fatalf("%v: %s", err, out)
	}
	if findsKey(r.live.Load().doc, out) {
		t.Error("a key is in the trace of a panic")
	}
}
