package propose

import (
	"fmt"
	"strings"
)

// sureness is how far a proposal can be relied on.
type sureness string

const (
	sure   sureness = "sure"
	likely sureness = "likely"
	guess  sureness = "a guess"
)

// reason is why a line was proposed. It holds no value.
type reason struct {
	text string
	sure sureness
}

func (r reason) String() string { return fmt.Sprintf("proposed: %s (%s)", r.text, r.sure) }

// byName is the reason that a name gives.
func byName(s sureness) reason { return reason{"the name says so", s} }

// counted says "3 of 4 amounts have", or "the amount has" where there is one.
func counted(n, all int, noun, one, many string) string {
	if all == 1 {
		return fmt.Sprintf("the one %s %s", noun, one)
	}
	if n == 1 {
		return fmt.Sprintf("1 of %d %ss %s", all, noun, one)
	}
	return fmt.Sprintf("%d of %d %ss %s", n, all, noun, many)
}

// byShape is the reason that values give.
func byShape(what string, n, all int, s sureness) reason {
	return reason{fmt.Sprintf("looks like %s in %s", what, times(n, all)), s}
}

func times(n, all int) string {
	return fmt.Sprintf("%d of %s", n, plural(all, "value"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
