package reason_test

import (
	"testing"

	"chaperone/rules/reason"
)

func TestEveryReasonIsExplained(t *testing.T) {
	explained := map[reason.Code]bool{}
	for _, e := range reason.Explanations() {
		if explained[e.Code] {
			t.Errorf("%s is explained twice", e.Code)
		}
		explained[e.Code] = true
		if e.Means == "" || e.Why == "" || (e.Wrong == "") != (e.Right == "") {
			t.Errorf("%s: something is missing", e.Code)
		}
	}
	for _, c := range reason.All() {
		if !explained[c] {
			t.Errorf("%s is not explained", c)
		}
	}
	if len(explained) != len(reason.All()) {
		t.Errorf("%d explanations of %d codes", len(explained), len(reason.All()))
	}
}
