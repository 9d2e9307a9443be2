package reason

import (
	"regexp"
	"testing"
)

func TestEveryCodeHasAStatus(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	for _, c := range All() {
		if !name.MatchString(string(c)) {
			t.Errorf("%q is not snake_case", c)
		}
		// Only what is withheld of an answer leaves the primary's status alone.
		if s := c.Status(); (s < 400 || s > 599) && c != AnswerWithheld {
			t.Errorf("%s has status %d", c, s)
		}
	}
	if len(All()) < 30 {
		t.Errorf("only %d codes", len(All()))
	}
	if s := Code("never_heard_of").Status(); s != 500 {
		t.Errorf("an unknown code has status %d", s)
	}
}

func TestErrorSaysWhereAndNoMore(t *testing.T) {
	for _, c := range []struct {
		name string
		err  Error
		want string
	}{
		{"the code alone", Error{Code: Blocked, Offset: -1}, "blocked"},
		{"all of it", Error{Code: BasketShape, Rule: "basket", Pattern: "items", Offset: 12, Detail: "not an array"},
			"basket_shape: not an array (rule basket) at items offset 12"},
		{"at the start of the body", Error{Code: BodyMalformed}, "body_malformed offset 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.err.Error(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
