package audit

import (
	"context"
	"slices"
	"strings"
	"time"
)

// BreachQuery says what was breached: exactly one of Destination, Caller and
// TokenLabel is set.
type BreachQuery struct {
	Destination Name // a downstream system
	Caller      Name // a party that sends requests, or the key of one
	TokenLabel  Name // tokens of a label, and of its kinds
	From, To    time.Time
}

// Exposure is what a breach lays open of one request. It holds no value.
type Exposure struct {
	Time    time.Time `json:"time"`
	Request ID        `json:"request,omitempty"`
	Subject ID        `json:"subject,omitempty"` // empty: the request names nobody
	Route   Name      `json:"route,omitempty"`
	Caller  Name      `json:"caller,omitempty"`
	Shown   []Shown   `json:"shown,omitempty"`
	Perhaps bool      `json:"perhaps,omitempty"` // nobody knows whether it arrived
	Unknown bool      `json:"unknown,omitempty"` // the entry which says what was shown was not read
}

// The forms of Shown that are not of a policy.
const (
	FormSent     Name = "sent"     // the caller itself has sent it
	FormReplayed Name = "replayed" // the first answer was given again
	FormRevealed Name = "revealed" // a token was turned back outside a request
)

// Breach yields what a breach lays open, request by request, in no order of
// time. Memory grows with the requests that are under way at a time in the log,
// not with the log.
//
// Of a destination: the legs that reached it. Of a caller: the requests that it
// sent, the answers that it was given, and the tokens that it revealed. Of a
// token label: the requests in which a value of the label became a token, and
// the tokens that were made or revealed outside of one.
func (r *Reader) Breach(ctx context.Context, q BreachQuery, archive []string, yield func(*Exposure) error) (Scanned, error) {
	take := func(e *Entry) error {
		x := q.exposure(e)
		if x == nil || !within(e.Time, q.From, q.To) {
			return nil
		}
		return yield(x)
	}
	flush := func() error { return nil }
	if q.Destination != "" {
		p := newPassages(q.Destination, func(e *Entry) bool { return len(e.Legs) == 0 || concerns(e, q.Destination) }, func(x *passage) error {
			if !within(x.at, q.From, q.To) {
				return nil
			}
			return yield(&Exposure{Time: x.at, Request: x.request, Subject: x.subject, Route: x.route, Caller: x.caller,
				Shown: x.shown, Perhaps: x.perhaps, Unknown: x.undecide})
		})
		take, flush = p.take, p.flush
	}
	sum, err := r.scan(ctx, archive, after(q.To), func(l *Line) error { return take(&l.Entry) })
	if err == nil {
		err = flush()
	}
	return sum, err
}

// exposure is what one entry lays open, nil for nothing.
func (q *BreachQuery) exposure(e *Entry) *Exposure {
	x := &Exposure{Time: e.Time, Request: e.Request, Subject: e.Subject, Route: e.Route, Caller: e.Caller}
	if q.Caller != "" {
		if e.Caller != q.Caller {
			return nil
		}
		x.Shown = q.byCaller(e)
	} else {
		x.Shown = q.byToken(e)
	}
	if len(x.Shown) == 0 {
		return nil
	}
	return x
}

// byCaller is what a caller has had in its hands.
func (q *BreachQuery) byCaller(e *Entry) (shown []Shown) {
	switch {
	case e.Kind == KindDecision:
		shown = widest(e.Decisions, func(d *Decision) (Shown, bool) {
			return Shown{d.Label, d.Class, FormSent, d.Count}, d.Label != "" || d.Class != ""
		})
		if shown == nil {
			shown = []Shown{{Form: FormSent, Count: 1}}
		}
	case e.Kind == KindOutcome && e.Result == ResultReplayed:
		shown = []Shown{{Form: FormReplayed, Count: 1}}
	case e.Kind == KindOutcome:
		shown = shownTo(e.Decisions, q.Caller)
	case e.Kind == KindReveal && e.Result == ResultOK:
		for _, t := range e.Tokens {
			shown = append(shown, Shown{Label: t.Label, Form: FormRevealed, Count: 1})
		}
	}
	return shown
}

// widest adds up decisions for each party, and takes the largest sum of any: the
// same values are decided upon for each.
func widest(decisions []Decision, pick func(*Decision) (Shown, bool)) (shown []Shown) {
	type sum struct {
		to Name
		Shown
	}
	var sums []sum
	for i := range decisions {
		s, ok := pick(&decisions[i])
		if !ok {
			continue
		}
		to := decisions[i].To
		at := slices.IndexFunc(sums, func(o sum) bool { return o.to == to && o.same(s) })
		if at < 0 {
			sums = append(sums, sum{to, s})
		} else {
			sums[at].Count += s.Count
		}
	}
	for _, s := range sums {
		at := slices.IndexFunc(shown, s.same)
		if at < 0 {
			shown = append(shown, s.Shown)
		} else {
			shown[at].Count = max(shown[at].Count, s.Count)
		}
	}
	return shown
}

// byToken is what tokens of a label stand for.
func (q *BreachQuery) byToken(e *Entry) (shown []Shown) {
	of := func(l Name) bool {
		return l == q.TokenLabel || strings.HasPrefix(string(l), string(q.TokenLabel)+".")
	}
	switch e.Kind {
	case KindDecision, KindOutcome:
		shown = widest(e.Decisions, func(d *Decision) (Shown, bool) {
			return Shown{Label: d.Label, Form: d.Form, Count: d.Count}, d.Form == "token" && of(d.Label)
		})
	case KindMint, KindReveal:
		form := Name("token")
		if e.Kind == KindReveal {
			form = FormRevealed
		}
		for _, t := range e.Tokens {
			if e.Result == ResultOK && of(t.Label) {
				shown = append(shown, Shown{Label: t.Label, Form: form, Count: 1})
			}
		}
	}
	return shown
}
