package audit

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Disclosure is one disclosure of a person's data, as 45 CFR 164.528(b) asks
// for it: when, to whom, what, and why. It holds no value.
type Disclosure struct {
	Time      time.Time `json:"time"`
	Recipient Name      `json:"recipient"` // the destination
	Shown     []Shown   `json:"shown"`     // labels and forms
	Purpose   Name      `json:"purpose,omitempty"`
	// Exempt says that the purpose is treatment, payment or operations, of
	// which no account has to be given (164.528(a)(1)(i)).
	Exempt bool `json:"exempt"`
	// Perhaps says that nobody knows whether it arrived: a sale in doubt, or a
	// leg that was answered and not accepted.
	Perhaps bool `json:"perhaps,omitempty"`
	// Unknown says that the entry which says what was shown was not read.
	Unknown bool `json:"unknown,omitempty"`
	Request ID   `json:"request"`
	Route   Name `json:"route"`
}

// DisclosureYears is how far back an account goes (164.528(a)(3)).
const DisclosureYears = 6

// Disclosures accounts for what was shown of a person, in order of time: every
// leg of a request about the subject that reached its destination and showed
// it something labelled. Answers to callers are not in it: they are the
// clinic's own.
func (r *Reader) Disclosures(ctx context.Context, subject ID, from, to time.Time, archive []string) ([]Disclosure, Scanned, error) {
	var all []Disclosure
	p := newPassages("", func(e *Entry) bool { return e.Subject == subject }, func(x *passage) error {
		if !within(x.at, from, to) || len(x.shown) == 0 && !x.undecide {
			return nil
		}
		all = append(all, Disclosure{Time: x.at, Recipient: x.to, Shown: x.shown, Purpose: x.purpose, Exempt: ExemptPurpose(x.purpose),
			Perhaps: x.perhaps, Unknown: x.undecide, Request: x.request, Route: x.route})
		return nil
	})
	sum, err := r.scan(ctx, archive, after(to), func(l *Line) error { return p.take(&l.Entry) })
	if err == nil {
		err = p.flush()
	}
	slices.SortStableFunc(all, func(a, b Disclosure) int { return a.Time.Compare(b.Time) })
	return all, sum, err
}

// after skips segments all of whose entries are after a time.
func after(to time.Time) func(*Segment) bool {
	return func(s *Segment) bool { return !to.IsZero() && !s.First.IsZero() && !s.First.Before(to) }
}

// exempt are the purposes of which no account has to be given.
var exempt = []string{
	"treatment", "payment", "operations", "health care operations", "healthcare operations",
}

// ExemptPurpose reports whether a route's purpose is treatment, payment or
// operations, or several of these, between commas, slashes, "and" or "&".
// Letter case does not count. A purpose that says anything else besides, or
// nothing, is not exempt.
func ExemptPurpose(purpose Name) bool {
	text := strings.ToLower(string(purpose))
	text = strings.NewReplacer(" and ", ",", "/", ",", "&", ",").Replace(text)
	for part := range strings.SplitSeq(text, ",") {
		if !slices.Contains(exempt, strings.TrimSpace(part)) {
			return false
		}
	}
	return true
}
