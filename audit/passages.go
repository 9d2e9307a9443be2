package audit

import (
	"fmt"
	"slices"
	"time"
)

// Shown says that values of a label, or items of a class, were shown to a party
// in a form.
type Shown struct {
	Label Name `json:"label"`
	Class Name `json:"class,omitempty"`
	Form  Name `json:"form"`
	Count int  `json:"count"`
}

// same reports whether two speak of the same, whatever their counts.
func (s Shown) same(o Shown) bool {
	return s.Label == o.Label && s.Class == o.Class && s.Form == o.Form
}

// passage is one leg that reached its destination, or perhaps did.
type passage struct {
	at       time.Time // when the leg was sent, or delivered
	request  ID
	subject  ID
	caller   Name
	route    Name
	purpose  Name
	to       Name
	shown    []Shown
	perhaps  bool // nobody knows whether it arrived
	undecide bool // the entry that says what was shown was not read
}

// passages joins what the entries of a log say of one request: what was decided,
// what became of the primary, which legs were delivered. It holds a request
// until all of that is known. The entries of one may stand in several chains,
// and come in any order.
type passages struct {
	wants func(*Entry) bool // of decisions, outcomes and deliveries
	to    Name              // empty: any destination
	yield func(*passage) error
	sales map[string]*sale
}

// sale is a request of which not everything is known.
type sale struct {
	passage         // what its legs have in common
	decided bool    // the decision was read
	early   []event // what was read before it
	primary leg
	legs    []leg // those that are queued
}

// leg is one leg of a sale.
type leg struct {
	to    Name
	name  Name
	shown []Shown
	done  bool
	doubt time.Time // when it was perhaps sent; zero: never
}

// event is what an outcome, a doubt or a delivery says.
type event struct {
	at     time.Time
	kind   Kind
	result Result
	legs   []Leg
}

func newPassages(to Name, wants func(*Entry) bool, yield func(*passage) error) *passages {
	return &passages{wants: wants, to: to, yield: yield, sales: map[string]*sale{}}
}

// take reads the next entry.
func (p *passages) take(e *Entry) error {
	switch e.Kind {
	case KindDecision:
		if e.Result != ResultForwarded {
			return nil
		}
	case KindOutcome, KindDoubt, KindDelivery:
		if e.Result == ResultReplayed {
			return nil
		}
	default:
		return nil
	}
	if !p.wants(e) {
		return nil
	}
	id := string(e.Request)
	if e.Key != "" {
		id = fmt.Sprintf("%s/%d", e.Key, e.Attempt)
	}
	s := p.sales[id]
	if s == nil {
		s = &sale{passage: passage{at: e.Time, request: e.Request, subject: e.Subject, caller: e.Caller, route: e.Route, purpose: e.Purpose}}
		p.sales[id] = s
	}
	if e.Kind != KindDecision {
		v := event{e.Time, e.Kind, e.Result, slices.Clone(e.Legs)}
		if !s.decided {
			s.early = append(s.early, v)
			return nil
		}
		return p.settle(id, s, []event{v})
	}
	if s.decided {
		return nil // the same attempt was sent again
	}
	s.decide(e, p.to)
	early := s.early
	s.early = nil
	slices.SortStableFunc(early, func(a, b event) int { return a.at.Compare(b.at) })
	return p.settle(id, s, early)
}

// decide takes what was decided for a request.
func (s *sale) decide(e *Entry, to Name) {
	s.decided, s.at, s.request = true, e.Time, e.Request
	s.primary.done = true // unless there is one, and it is asked for
	for _, l := range e.Legs {
		if l.State == LegSkipped || to != "" && l.To != to {
			continue
		}
		made := leg{to: l.To, name: l.Name, shown: shownTo(e.Decisions, l.To)}
		if l.State == LegPrimary {
			s.primary = made
		} else {
			s.legs = append(s.legs, made)
		}
	}
}

// shownTo gathers what a party was shown.
func shownTo(decisions []Decision, to Name) []Shown {
	var all []Shown
	for i := range decisions {
		d := &decisions[i]
		if d.To != to || d.Form == "drop" || d.Form == "block" || d.Label == "" && d.Class == "" {
			continue
		}
		s := Shown{d.Label, d.Class, d.Form, d.Count}
		at := slices.IndexFunc(all, s.same)
		if at < 0 {
			all = append(all, s)
			continue
		}
		all[at].Count += d.Count
	}
	return all
}

// settle takes events of a sale, and forgets it when everything is known.
func (p *passages) settle(id string, s *sale, events []event) error {
	for _, v := range events {
		if err := p.event(s, v); err != nil {
			return err
		}
	}
	if s.primary.done && !slices.ContainsFunc(s.legs, func(l leg) bool { return !l.done }) {
		delete(p.sales, id)
	}
	return nil
}

func (p *passages) event(s *sale, v event) error {
	switch v.kind {
	case KindDoubt:
		s.primary.doubt = s.at
		return nil
	case KindOutcome:
		return p.outcome(s, v)
	}
	for _, l := range v.legs {
		for i := range s.legs {
			if s.legs[i].to != l.To || s.legs[i].name != l.Name || s.legs[i].done {
				continue
			}
			switch {
			case v.result == ResultDelivered:
				if err := p.arrived(s, &s.legs[i], v.at, false); err != nil {
					return err
				}
			case l.Tries > 0 && l.Status > 0:
				// Answered, though not accepted: it has read what was sent.
				s.legs[i].doubt = v.at
			}
		}
	}
	return nil
}

// outcome takes what became of the primary.
func (p *passages) outcome(s *sale, v event) error {
	switch v.result {
	case ResultReleased, ResultCancelled, ResultPending:
		if err := p.arrived(s, &s.primary, s.at, false); err != nil {
			return err
		}
	case ResultVoid:
		if !s.primary.doubt.IsZero() {
			// An operator says that nothing was charged, not that nothing was sent.
			if err := p.arrived(s, &s.primary, s.at, true); err != nil {
				return err
			}
		}
		s.primary.done = true
	default:
		return nil
	}
	for i := range s.legs {
		l := &s.legs[i]
		if v.result == ResultCancelled || v.result == ResultVoid {
			l.done = true
		}
		sync := func(x Leg) bool { return x.To == l.to && x.Name == l.name && x.State == LegDelivered }
		if slices.ContainsFunc(v.legs, sync) {
			if err := p.arrived(s, l, v.at, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrived yields a leg, once.
func (p *passages) arrived(s *sale, l *leg, at time.Time, perhaps bool) error {
	if l.done {
		return nil
	}
	l.done = true
	x := s.passage
	x.at, x.to, x.shown, x.perhaps = at, l.to, l.shown, perhaps
	return p.yield(&x)
}

// flush yields what is not known of the requests that are left.
func (p *passages) flush() error {
	ids := make([]string, 0, len(p.sales))
	for id := range p.sales {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s := p.sales[id]
		if !s.decided {
			if err := p.undecided(s); err != nil {
				return err
			}
			continue
		}
		// The process may have died before or after its first byte.
		if err := p.arrived(s, &s.primary, s.at, true); err != nil {
			return err
		}
		for i := range s.legs {
			if l := &s.legs[i]; !l.doubt.IsZero() {
				if err := p.arrived(s, l, l.doubt, true); err != nil {
					return err
				}
			}
		}
	}
	clear(p.sales)
	return nil
}

// undecided yields what is known of a request whose decision was not read.
func (p *passages) undecided(s *sale) error {
	s.undecide = true
	for _, v := range s.early {
		for _, l := range v.legs {
			sent := l.State == LegDelivered || l.State == LegPrimary && v.kind == KindOutcome && v.result != ResultVoid
			if !sent || p.to != "" && l.To != p.to {
				continue
			}
			x := leg{to: l.To}
			if err := p.arrived(s, &x, v.at, false); err != nil {
				return err
			}
		}
	}
	return nil
}
