package audit

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chaperone/vault/letters"
)

// vary changes what differs among sales of one shape, and now and then more.
func vary(r *rand.Rand, p *Entry) {
	p.Request, p.Took = ID(letters.Random(20)), Micros(r.Int64N(1<<20))
	for i := range p.Prepared {
		if r.IntN(3) == 0 {
			p.Prepared[i].Count = r.IntN(14) + 1
		}
	}
	if len(p.Prepared) > 0 {
		at := &p.Prepared[r.IntN(len(p.Prepared))]
		switch r.IntN(12) {
		case 0:
			at.Count = []int{-1, 0, 14, 15, 16, 300}[r.IntN(6)]
		case 1:
			p.Prepared = p.Prepared[:len(p.Prepared)-1]
		case 2:
			at.Template = p.Prepared[0].Template
		}
	}
	switch r.IntN(12) {
	case 0:
		p.Caller = "somebody else"
	case 1:
		p.Caller, p.Route = p.Route, p.Caller
	case 2:
		p.Rule = "a rule of nobody"
	case 3:
		p.Tokens = []Token{{Scope: p.Route, Label: "a label of nobody", Key: p.Key}, {Scope: p.Purpose, Label: p.Caller}}
	case 4:
		p.Action = ActionLogTail
	case 5:
		p.Tokens = append([]Token{{Scope: p.Route, Label: p.Caller, Format: "pan", Key: ID(letters.Random(32))}}, p.Tokens...)
	case 6:
		p.Chains = append(p.Chains, Stretch{Chain: "a"})
	case 7:
		p.Attempt = r.IntN(3)
	}
	if len(p.Legs) > 0 {
		l := &p.Legs[r.IntN(len(p.Legs))]
		switch r.IntN(12) {
		case 0:
			l.Status = 200 + r.IntN(2)
		case 1:
			l.Tries++
		case 2:
			l.To = p.Route
		}
	}
}

// TestAgainIsWrittenAsAtFirst: entries that are like those before, or nearly,
// are the same bytes whether an encoder and a Same remember these or not.
func TestAgainIsWrittenAsAtFirst(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var w encoder
	var same Same
	copied, again := 0, 0
	for i := range 200 {
		e := randomEntry(r)
		if i%2 == 0 {
			e = saleEntries()[[]string{"sale-decision", "sale-outcome"}[r.IntN(2)]]
		}
		all := namesOf(&e)
		if i%5 == 0 {
			all = someOf(r, all)
		}
		other := someOf(r, all)
		base := prepare(&e, 0, func() *Names { return all })
		for range 40 {
			p := base
			p.Prepared, p.Legs = append([]Prepared(nil), base.Prepared...), append([]Leg(nil), base.Legs...)
			vary(r, &p)
			names := all
			if r.IntN(10) == 0 {
				names = other
			}
			// An entry of the request, and then another one, as of its outcome.
			for range 2 {
				want := new(encoder).append(nil, &p, nil, nil)
				if same.names == names && same.request == p.Request {
					again++
				}
				if got := w.append([]byte("before"), &p, names, &same); !bytes.Equal(got[len("before"):], want) {
					t.Fatalf("%s\ngot  %x\nwant %x", p.Append(nil), got[len("before"):], want)
				}
				if len(p.Prepared) > 0 && kept(&w, names, p.Prepared[0].Template) {
					copied++
				}
				p.Result, p.Status, p.Prepared = ResultReleased, 200, p.Prepared[:r.IntN(len(p.Prepared)+1)]
			}
		}
	}
	if copied < 1000 || again < 1000 {
		t.Errorf("%d decisions and %d requests could be copied: the test does not reach what it is for", copied, again)
	}
}

// kept reports whether an encoder keeps a refrain that begins with a template.
func kept(w *encoder, names *Names, first *Template) bool {
	for i := range w.refrains {
		if r := &w.refrains[i]; r.names == names && len(r.lines) > 0 && r.lines[0].template == first {
			return true
		}
	}
	return false
}

// TestSameIsOfItsRequest: a Same is written again for no entry that differs in
// any part of it.
func TestSameIsOfItsRequest(t *testing.T) {
	e := saleEntries()["sale-decision"]
	names := namesOf(&e)
	for name, change := range map[string]func(*Entry){
		"chain":   func(e *Entry) { e.Chain = "node-other" },
		"request": func(e *Entry) { e.Request = "other" },
		"caller":  func(e *Entry) { e.Caller = "other" },
		"origin":  func(e *Entry) { e.Origin = e.Origin.Next() },
		"route":   func(e *Entry) { e.Route = "other" },
		"plan":    func(e *Entry) { e.Plan = "other" },
		"purpose": func(e *Entry) { e.Purpose = "other" },
		"subject": func(e *Entry) { e.Subject = "other" },
		"key":     func(e *Entry) { e.Key = "other" },
		"nothing": func(*Entry) {},
	} {
		t.Run(name, func(t *testing.T) {
			var w encoder
			var same Same
			w.append(nil, &e, names, &same)
			e := e
			change(&e)
			if got, want := w.append(nil, &e, names, &same), e.AppendCompact(nil); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
}

// TestManySealAtOnce: who seals beside others, and while another policy comes
// into force, writes what he would alone.
func TestManySealAtOnce(t *testing.T) {
	e := saleEntries()["sale-decision"]
	policies := []*Names{namesOf(&e), namesOf(&e)}
	var force atomic.Pointer[Names]
	force.Store(policies[0])
	s := NewSealing(noSeal{}, string(e.Chain))
	s.Use(force.Load)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(i)))
			var same Same
			for range 500 {
				names := policies[r.IntN(2)]
				force.Store(names)
				p := prepare(&e, 0, func() *Names { return names })
				p.Request = ID(letters.Random(20))
				for j := range p.Prepared {
					p.Prepared[j].Count = r.IntN(18)
				}
				for range 2 {
					if got, want := s.SealSame(nil, &p, &same), p.AppendCompact(nil); !bytes.Equal(got, want) {
						t.Errorf("got  %x\nwant %x", got, want)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSealSale(b *testing.B) {
	all := saleEntries()
	decision, outcome := all["sale-decision"], all["sale-outcome"]
	names := namesOf(&decision)
	decision = prepare(&decision, 0, func() *Names { return names })
	s := NewSealing(noSeal{}, string(decision.Chain))
	s.Use(func() *Names { return names })
	var dst []byte
	var same Same
	requests := [...]ID{"uJiutwzjyamektryCuwu", "CuwuuJiutwzjyamektry"}
	i := 0
	for b.Loop() {
		i++
		decision.Request, outcome.Request = requests[i&1], requests[i&1]
		dst = s.SealSame(dst[:0], &decision, &same)
		dst = s.SealSame(dst, &outcome, &same)
	}
}
