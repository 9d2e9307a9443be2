package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// masking forwards everything but card numbers, wherever they stand.
const masking = `
labels: {pan: {detect: [pan]}}
destinations:
  upstream:
    url: %s
    sees: {pan: mask}
routes:
  - name: all
    match: {method: POST, path: /}
    legs:
      - {to: upstream, primary: true, keep: all, success: http}
`

// shapes are bodies as real systems write them: FHIR resources of a patient
// record, requests and answers of a point of sale.
func shapes(t *testing.T) map[string][]byte {
	t.Helper()
	bodies := map[string][]byte{}
	files, err := filepath.Glob(filepath.Join(vectors(t, "fhir"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d FHIR resources, %v", len(files), err)
	}
	for _, file := range files {
		if bodies[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(filepath.Join(vectors(t, "pos"), "square.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		var c struct {
			File, Test        string
			Request, Response json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		for what, body := range map[string][]byte{"request": c.Request, "response": c.Response} {
			if len(body) > 0 {
				bodies[fmt.Sprintf("%s %s %d %s", c.File, c.Test, n, what)] = body
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return bodies
}

// TestRealShapesPassUntouched sends bodies that hold no card number: none of
// their ids, times, phone numbers and amounts may be taken for one.
func TestRealShapesPassUntouched(t *testing.T) {
	upstream := newReceiver(t, respond(200, `{}`))
	c := install(t, fmt.Sprintf(masking, upstream.URL), "")
	c.start()
	for name, body := range shapes(t) {
		upstream.forget()
		a := c.mustPost("/", "", string(body))
		calls := upstream.got()
		if a.status != 200 || len(calls) != 1 || !bytes.Equal(calls[0].Body, body) {
			t.Errorf("%s: status %d, %d calls, not as it was\n%s", name, a.status, len(calls), a.body)
		}
	}
}
