package detect

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// vectors opens a file of the third-party vectors, and skips the test where
// they are not at hand, but on CI.
func vectors(t *testing.T, name string) *os.File {
	t.Helper()
	dir := os.Getenv("CHAPERONE_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the vectors are missing: %v", err)
		}
		t.Skipf("the vectors are missing (set CHAPERONE_VECTORS): %v", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestVectors(t *testing.T) {
	lines := bufio.NewScanner(vectors(t, "pan/vectors.jsonl"))
	judged := 0
	for lines.Scan() {
		var v struct {
			Text   string `json:"text"`
			Expect string `json:"expect"`
			Digits int    `json:"digits"`
			Luhn   bool   `json:"luhn"`
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		digits, ok := CompactDigits(nil, []byte(v.Text))
		if !ok || len(digits) != v.Digits || Luhn(digits) != v.Luhn {
			t.Errorf("%q: digits %q, Luhn %v", v.Text, digits, Luhn(digits))
		}
		spans := FindPANs(nil, []byte(v.Text))
		found := len(spans) == 1 && spans[0] == Span{End: len(v.Text), Digits: v.Digits}
		switch v.Expect {
		case "pan":
			judged++
			if !found || !IsPAN(digits) {
				t.Errorf("%q is a card number: IsPAN %v, spans %v", v.Text, IsPAN(digits), spans)
			}
		case "not", "ambiguous": // those of more than 19 digits are none by our rules
			judged++
			if len(spans) > 0 || IsPAN(digits) {
				t.Errorf("%q is no card number: IsPAN %v, spans %v", v.Text, IsPAN(digits), spans)
			}
		case "brand-only": // the brand's first digits; the rest need not be valid
			if v.Luhn && v.Digits >= 15 && found != IsPAN(digits) {
				t.Errorf("%q: IsPAN %v, spans %v", v.Text, IsPAN(digits), spans)
			}
			if !found {
				t.Logf("%q: luhn %v: not found", v.Text, v.Luhn)
			}
		}
	}
	if err := lines.Err(); err != nil || judged < 29 {
		t.Errorf("%d judged, %v", judged, err)
	}
}
