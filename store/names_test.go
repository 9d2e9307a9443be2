package store_test

import (
	"strings"
	"testing"

	"chaperone/store"
)

// TestNamesOfAnAttempt: the names that share a text are those that each has by
// itself.
func TestNamesOfAnAttempt(t *testing.T) {
	for _, k := range []string{"", "k", "abcdefghij", strings.Repeat("k", 32), strings.Repeat("k", 200), "with.dots}:c.1|2"} {
		for _, a := range []int{1, 9, 10, 99, 100, 1000} {
			want := store.Names{Claim: store.ClaimKey(k, a), Outcome: store.OutcomeKey(k, a), Doubt: store.DoubtMember(k, a)}
			if got := store.NamesOf(k, a); got != want {
				t.Errorf("of %q, %d: %+v", k, a, got)
			}
			text := store.AppendNames([]byte("before"), k, a)
			if got := store.NamesIn(string(text[len("before"):]), k); got != want {
				t.Errorf("in a text of %q, %d: %+v", k, a, got)
			}
		}
	}
}
