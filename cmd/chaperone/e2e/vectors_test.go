package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vectors is the folder of third-party cases. It stands beside the project;
// where CI runs it must be there.
func vectors(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("CHAPERONE_VECTORS")
	if dir == "" {
		dir = "../../../../shared/vectors"
	}
	dir = filepath.Join(dir, name)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the vectors are missing: %v", err)
		}
		t.Skipf("the vectors are missing: %v", err)
	}
	return dir
}

// identity forwards a body as it is.
const identity = `
destinations:
  upstream:
    url: %s
    sees: {pan: plain, sad: plain}
routes:
  - name: all
    match: {method: POST, path: /}
    legs:
      - {to: upstream, primary: true, keep: all, success: http}
`

// TestJSONVectors sends the RFC 8259 cases through the whole proxy: what must
// be accepted is forwarded byte for byte, what must not is refused and nothing
// is forwarded.
func TestJSONVectors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectors(t, "json"), "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	upstream := newReceiver(t, respond(200, `{}`))
	c := install(t, fmt.Sprintf(identity, upstream.URL), "")
	c.start()
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			upstream.forget()
			a := c.mustPost("/", "", string(body))
			calls := upstream.got()
			switch {
			case strings.HasPrefix(name, "y_") && (a.status != 200 || len(calls) != 1 || !bytes.Equal(calls[0].Body, body)):
				t.Errorf("status %d, %d calls: not forwarded byte for byte\n%s", a.status, len(calls), a.body)
			case strings.HasPrefix(name, "n_") && (a.status != 400 || len(calls) != 0):
				t.Errorf("status %d, %d calls: not refused", a.status, len(calls))
			case strings.HasPrefix(name, "i_") && (a.status != 200 && a.status != 400 || len(calls) == 1 && !bytes.Equal(calls[0].Body, body)):
				t.Errorf("status %d, %d calls", a.status, len(calls))
			}
		})
	}
}
