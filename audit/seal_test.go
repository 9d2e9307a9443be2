package audit

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSealOpen(t *testing.T) {
	s := NewSealing(testSealer{}, "node-abcd")
	for name, e := range samples() {
		e.Chain = ""
		sealed := s.Seal([]byte("before"), &e)
		if e.Chain != "node-abcd" {
			t.Errorf("%s: chain %q", name, e.Chain)
		}
		opened, err := s.Open(sealed[len("before"):])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(e, opened, compareEntries); d != "" {
			t.Errorf("%s (-sealed +opened):\n%s", name, d)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	s := NewSealing(testSealer{}, "a")
	for name, c := range map[string]struct {
		sealed []byte
		want   error
	}{
		"empty":           {nil, ErrSealed},
		"another use":     {testSealer{}.Seal(nil, []byte("{}"), []byte("another use")), ErrSealed},
		"not an entry":    {testSealer{}.Seal(nil, []byte("{}"), associatedData), ErrFormat},
		"an altered text": {append([]byte("x"), s.Seal(nil, &Entry{Kind: KindStop})...), ErrSealed},
	} {
		if _, err := s.Open(c.sealed); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
