package audit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"chaperone/store"
	"chaperone/store/storetest"
)

// story makes the entries of one request, a second apart.
type story struct {
	at      time.Time
	entries []Entry
}

func (s *story) add(e Entry) *story {
	e.Time, e.Request, e.Subject, e.Key, e.Attempt = s.at, "rqone", "person", "kk", 1
	e.Caller, e.Route, e.Purpose = "front-desk", "checkout", "research"
	s.at = s.at.Add(time.Second)
	s.entries = append(s.entries, e)
	return s
}

var shownLegs = []Leg{{Name: "pay", To: "processor", State: LegPrimary}, {Name: "ehr", To: "ehr", State: LegHeld}, {Name: "ledger", To: "ledger", State: LegSkipped}}

func (s *story) decision() *story {
	return s.add(Entry{Kind: KindDecision, Result: ResultForwarded, Legs: shownLegs, Decisions: []Decision{
		{Label: "phi", Form: "plain", To: "ehr", Count: 2}, {Label: "phi", Form: "plain", To: "ehr", Pattern: "other", Count: 1},
		{Label: "pan", Form: "token", To: "ehr", Count: 1}, {Label: "sad", Form: "drop", To: "ehr", Count: 1},
		{Label: "pan", Form: "plain", To: "processor", Count: 1}, {Label: "phi", Form: "drop", To: "processor", Count: 3},
	}})
}

func (s *story) outcome(r Result, legs ...Leg) *story {
	return s.add(Entry{Kind: KindOutcome, Result: r, Legs: legs, Decisions: []Decision{{Label: "pan", Form: "mask", To: "front-desk", Count: 1}}})
}

func (s *story) delivery(r Result, state LegState, status, tries int) *story {
	return s.add(Entry{Kind: KindDelivery, Result: r, Legs: []Leg{{Name: "ehr", To: "ehr", State: state, Status: status, Tries: tries}}})
}

func tell() *story { return &story{at: old} }

var (
	toProcessor = []Shown{{Label: "pan", Form: "plain", Count: 1}}
	toEHR       = []Shown{{Label: "phi", Form: "plain", Count: 3}, {Label: "pan", Form: "token", Count: 1}}
)

// given is a disclosure of the story's request.
func given(after int, to Name, shown []Shown, perhaps bool) Disclosure {
	return Disclosure{Time: old.Add(time.Duration(after) * time.Second), Recipient: to, Shown: shown, Purpose: "research", Perhaps: perhaps,
		Request: "rqone", Route: "checkout"}
}

// TestDisclosures tells what became of a sale in all the ways there are. Each
// story is told in order in one chain, and in any order in several.
func TestDisclosures(t *testing.T) {
	doubt := Entry{Kind: KindDoubt, Result: ResultUnknown, Legs: shownLegs}
	for _, c := range []struct {
		name string
		tell *story
		want []Disclosure
	}{
		{"released and delivered", tell().decision().outcome(ResultReleased).delivery(ResultDelivered, LegDelivered, 201, 1),
			[]Disclosure{given(0, "processor", toProcessor, false), given(2, "ehr", toEHR, false)}},
		{"released, not delivered yet", tell().decision().outcome(ResultReleased), []Disclosure{given(0, "processor", toProcessor, false)}},
		{"released, delivered by the request itself", tell().decision().outcome(ResultReleased, Leg{Name: "ehr", To: "ehr", State: LegDelivered, Status: 201}),
			[]Disclosure{given(0, "processor", toProcessor, false), given(1, "ehr", toEHR, false)}},
		{"cancelled", tell().decision().outcome(ResultCancelled), []Disclosure{given(0, "processor", toProcessor, false)}},
		{"void", tell().decision().outcome(ResultVoid), nil},
		{"in doubt", tell().decision().add(doubt), []Disclosure{given(0, "processor", toProcessor, true)}},
		{"in doubt, then charged", tell().decision().add(doubt).outcome(ResultReleased).delivery(ResultDelivered, LegDelivered, 200, 1),
			[]Disclosure{given(0, "processor", toProcessor, false), given(3, "ehr", toEHR, false)}},
		{"in doubt, then not charged", tell().decision().add(doubt).outcome(ResultVoid), []Disclosure{given(0, "processor", toProcessor, true)}},
		{"nothing known: the process died", tell().decision(), []Disclosure{given(0, "processor", toProcessor, true)}},
		{"pending, then cancelled", tell().decision().outcome(ResultPending).outcome(ResultCancelled), []Disclosure{given(0, "processor", toProcessor, false)}},
		{"pending, then released", tell().decision().outcome(ResultPending).outcome(ResultReleased).delivery(ResultDelivered, LegDelivered, 200, 1),
			[]Disclosure{given(0, "processor", toProcessor, false), given(3, "ehr", toEHR, false)}},
		{"a leg that was answered, and given up", tell().decision().outcome(ResultReleased).delivery(ResultDead, LegDead, 500, 9),
			[]Disclosure{given(0, "processor", toProcessor, false), given(2, "ehr", toEHR, true)}},
		{"a leg that never got through", tell().decision().outcome(ResultReleased).delivery(ResultDead, LegDead, 0, 9),
			[]Disclosure{given(0, "processor", toProcessor, false)}},
		{"given up, sent again by an operator", tell().decision().outcome(ResultReleased).delivery(ResultDead, LegDead, 500, 9).delivery(ResultDelivered, LegDelivered, 200, 1),
			[]Disclosure{given(0, "processor", toProcessor, false), given(3, "ehr", toEHR, false)}},
		{"a repeat that was answered", tell().decision().outcome(ResultReleased).outcome(ResultReplayed), []Disclosure{given(0, "processor", toProcessor, false)}},
		{"sent again under the same attempt", tell().decision().add(doubt).decision().outcome(ResultReleased), []Disclosure{given(0, "processor", toProcessor, false)}},
		{"refused", tell().add(Entry{Kind: KindRefusal, Result: ResultRefused}), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for try := range 6 {
				l := newLedger(t, storetest.Open(t))
				chain := func() string { return "node-a" }
				if try > 0 {
					r := rand.New(rand.NewPCG(uint64(try), 4))
					chain = func() string { return []string{"node-a", "node-b", "node-c"}[r.IntN(3)] }
				}
				if try > 0 && c.name == "sent again under the same attempt" {
					break // which of the two was first is not told by their chains
				}
				for _, e := range c.tell.entries {
					l.append(chain(), e, Entry{Time: e.Time, Kind: KindDecision, Result: ResultForwarded, Request: "other", Subject: "somebody", Legs: shownLegs})
				}
				r := &Reader{Source: FromStore(l.d), Sealer: testSealer{}, Key: testSigner.Public()}
				got, sum, err := r.Disclosures(t.Context(), "person", time.Time{}, time.Time{}, nil)
				if err != nil || sum.Unread+sum.Unreadable != 0 {
					t.Fatalf("%+v, %v", sum, err)
				}
				if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); d != "" {
					t.Fatalf("told in way %d (-want +got):\n%s", try, d)
				}
			}
		})
	}
}

// TestDisclosuresWithoutTheDecision reads a log whose beginning was archived to
// a folder that is not given.
func TestDisclosuresWithoutTheDecision(t *testing.T) {
	l := newLedger(t, storetest.Open(t))
	s := tell().decision().outcome(ResultReleased).delivery(ResultDelivered, LegDelivered, 201, 1)
	s.entries[2].Time = now
	l.append("node-a", s.entries...)
	l.archive(l.options())
	r := &Reader{Source: FromStore(l.d), Sealer: testSealer{}, Key: testSigner.Public()}
	got, sum, err := r.Disclosures(t.Context(), "person", time.Time{}, time.Time{}, nil)
	if err != nil || sum.Unread != 2 || len(got) != 1 || !got[0].Unknown || got[0].Recipient != "ehr" {
		t.Errorf("%+v, %+v, %v", got, sum, err)
	}
	got, sum, err = r.Disclosures(t.Context(), "person", time.Time{}, time.Time{}, []string{l.dir})
	if err != nil || sum.Unread != 0 || len(got) != 2 || got[1].Unknown {
		t.Errorf("with the archive: %+v, %+v, %v", got, sum, err)
	}
	got, _, err = r.Disclosures(t.Context(), "person", now, time.Time{}, []string{l.dir})
	if err != nil || len(got) != 1 || got[0].Recipient != "ehr" || !slices.Equal(got[0].Shown, toEHR) {
		t.Errorf("since the second: %+v, %v", got, err)
	}
}

func TestExemptPurpose(t *testing.T) {
	for purpose, want := range map[Name]bool{
		"treatment": true, "Payment": true, "operations": true, "health care operations": true, "treatment and payment": true,
		"treatment, payment": true, "treatment/operations": true, "payment & operations": true,
		"": false, "research": false, "treatment and marketing": false, "treatments": false, "payment,": false, "operations of others": false,
	} {
		if got := ExemptPurpose(purpose); got != want {
			t.Errorf("%q: %v", purpose, got)
		}
	}
}

func TestBreach(t *testing.T) {
	l := newLedger(t, storetest.Open(t))
	l.append("node-a", tell().decision().outcome(ResultReleased).delivery(ResultDelivered, LegDelivered, 201, 1).outcome(ResultReplayed).entries...)
	l.append("node-a", Entry{Time: old.Add(time.Hour), Kind: KindReveal, Result: ResultOK, Caller: "front-desk", Tokens: []Token{{Label: "pan.card", Format: "pan"}}},
		Entry{Time: old.Add(time.Hour), Kind: KindReveal, Result: ResultRefused, Caller: "front-desk", Tokens: []Token{{Label: "pan", Format: "pan"}}},
		Entry{Time: old.Add(2 * time.Hour), Kind: KindMint, Result: ResultOK, Caller: "kiosk", Tokens: []Token{{Label: "pan", Format: "pan"}, {Label: "panel"}}})
	r := &Reader{Source: FromStore(l.d), Sealer: testSealer{}, Key: testSigner.Public()}
	at := func(after time.Duration, request, subject ID, route, caller Name, shown ...Shown) Exposure {
		return Exposure{Time: old.Add(after), Request: request, Subject: subject, Route: route, Caller: caller, Shown: shown}
	}
	of := func(after time.Duration, shown ...Shown) Exposure {
		return at(after, "rqone", "person", "checkout", "front-desk", shown...)
	}
	for name, c := range map[string]struct {
		q    BreachQuery
		want []Exposure
	}{
		"a destination":            {BreachQuery{Destination: "ehr"}, []Exposure{of(2*time.Second, toEHR...)}},
		"the primary":              {BreachQuery{Destination: "processor"}, []Exposure{of(0, toProcessor...)}},
		"one whose leg was left":   {BreachQuery{Destination: "ledger"}, nil},
		"a destination, too late":  {BreachQuery{Destination: "ehr", From: old.Add(time.Minute)}, nil},
		"a destination, too early": {BreachQuery{Destination: "ehr", To: old.Add(time.Second)}, nil},
		"a caller": {BreachQuery{Caller: "front-desk"}, []Exposure{
			of(0, Shown{Label: "phi", Form: FormSent, Count: 3}, Shown{Label: "pan", Form: FormSent, Count: 1}, Shown{Label: "sad", Form: FormSent, Count: 1}),
			of(time.Second, Shown{Label: "pan", Form: "mask", Count: 1}),
			of(3*time.Second, Shown{Form: FormReplayed, Count: 1}),
			at(time.Hour, "", "", "", "front-desk", Shown{Label: "pan.card", Form: FormRevealed, Count: 1}),
		}},
		"tokens": {BreachQuery{TokenLabel: "pan"}, []Exposure{
			of(0, Shown{Label: "pan", Form: "token", Count: 1}),
			at(time.Hour, "", "", "", "front-desk", Shown{Label: "pan.card", Form: FormRevealed, Count: 1}),
			at(2*time.Hour, "", "", "", "kiosk", Shown{Label: "pan", Form: "token", Count: 1}),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Exposure
			sum, err := r.Breach(t.Context(), c.q, nil, func(x *Exposure) error { got = append(got, *x); return nil })
			if err != nil || sum.Entries != 7 {
				t.Fatalf("%+v, %v", sum, err)
			}
			if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestExport asks for entries in every way, over the archive and the store.
func TestExport(t *testing.T) {
	l := newLedger(t, storetest.Open(t))
	l.append("node-a", tell().decision().outcome(ResultReleased).delivery(ResultDelivered, LegDelivered, 201, 1).entries...)
	l.write("node-a", now)
	l.writeSealed("node-x", 2)
	l.archive(l.options())
	r := &Reader{Source: FromStore(l.d), Sealer: testSealer{}, Key: testSigner.Public()}
	for name, c := range map[string]struct {
		q    Query
		want int
	}{
		"all":               {Query{}, 5},
		"from":              {Query{From: now}, 2},
		"to":                {Query{To: old.Add(time.Second)}, 1},
		"between":           {Query{From: old.Add(time.Second), To: now}, 2},
		"a kind":            {Query{Kind: KindOutcome}, 1},
		"a route":           {Query{Route: "checkout"}, 3},
		"a caller":          {Query{Caller: "local:1000"}, 1},
		"a destination":     {Query{Destination: "ehr"}, 2},
		"one that was left": {Query{Destination: "ledger"}, 0},
		"a subject":         {Query{Subject: "person"}, 3},
		"a request":         {Query{Request: "rq"}, 1},
		"two of these":      {Query{Request: "rq", Kind: KindOutcome}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			lines, faults := 0, 0
			sum, err := r.Export(t.Context(), c.q, []string{l.dir}, func(l *Line) error {
				if l.Fault != "" {
					faults++
				} else {
					lines++
				}
				return nil
			})
			if err != nil || lines != c.want || faults != 2 || sum.Unreadable != 2 || sum.Unread != 0 {
				t.Errorf("%d lines and %d faults, want %d; %+v, %v", lines, faults, c.want, sum, err)
			}
		})
	}
	// A chain that is gone from the store, whose archive is not given.
	l.apply(store.Command{Kind: store.Delete, Key: store.AliveKey("node-a")})
	if sum, err := r.Export(t.Context(), Query{}, nil, func(*Line) error { return nil }); err != nil || sum.Unread != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
}
