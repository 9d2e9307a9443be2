package detect

import (
	"strings"
	"testing"
)

func TestFindVaulted(t *testing.T) {
	id := "vt_" + strings.Repeat("aBcD", 9)
	sealed := "tok_" + strings.Repeat("aBcD", 6)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"alone", id, []string{id}},
		{"in a sentence", "paid by " + id + ".", []string{id}},
		{"beside a sealed one", id + " and " + sealed + "," + id, []string{id, sealed, id}},
		{"one letter short", id[:len(id)-1], nil},
		{"one letter long", id + "a", nil},
		{"a digit after it", id + "1", nil},
		{"an underscore after it", id + "_", nil},
		{"another prefix", "at_" + id[3:], nil},
		{"no prefix", strings.Repeat("_", 60), nil},
		{"after another underscore", "x_" + id, []string{id}},
		{"glued to a word", "my" + id, []string{id}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range FindSealed(nil, []byte(c.text)) {
				got = append(got, c.text[s.Start:s.End])
				if want := map[bool]Kind{true: VaultedToken, false: SealedToken}[c.text[s.Start] == 'v']; s.Kind != want {
					t.Errorf("kind %d of %s", s.Kind, c.text[s.Start:s.End])
				}
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
