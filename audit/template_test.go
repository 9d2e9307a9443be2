package audit

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// prepare returns an entry whose decisions from one on are templates, each of
// the names that it is given.
func prepare(e *Entry, from int, names func() *Names) Entry {
	p := *e
	p.Decisions = e.Decisions[:from:from]
	for _, d := range e.Decisions[from:] {
		p.Prepared = append(p.Prepared, Prepared{names().Template(d), d.Count})
	}
	return p
}

// TestPreparedIsWrittenAsDecisions: an entry is the same bytes and the same
// text whether its decisions were prepared or not, with the names of whatever
// policy they were, and whichever is in force.
func TestPreparedIsWrittenAsDecisions(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var w encoder
	for i := range 3000 {
		e := randomEntry(r)
		if i%2 == 0 {
			mix(r, &e)
		}
		all := namesOf(&e)
		policies := []*Names{all, someOf(r, all), NewNames("")}
		from := r.IntN(len(e.Decisions) + 1)
		p := prepare(&e, from, func() *Names { return policies[r.IntN(3)] })
		compact, text := e.AppendCompact(nil), e.Append(nil)
		if got := p.Append(nil); !bytes.Equal(got, text) {
			t.Fatalf("text\ngot  %s\nwant %s", got, text)
		}
		for _, names := range append(policies, nil) {
			if got := w.append(nil, &p, names, nil); !bytes.Equal(got, compact) {
				t.Fatalf("%s\nprepared from %d: %x\nwant           %x", text, from, got, compact)
			}
		}
	}
}

// TestTemplateIsUsed: a template of names that are all the policy's does
// without another look at its texts.
func TestTemplateIsUsed(t *testing.T) {
	e := saleEntries()["sale-decision"]
	names := namesOf(&e)
	for _, d := range e.Decisions {
		tp := names.Template(d)
		if tp.names != names {
			t.Errorf("%+v is not among the names", d)
		}
		if d.Count = 0; tp.Decision() != d {
			t.Errorf("Decision() = %+v, want %+v", tp.Decision(), d)
		}
	}
}

func BenchmarkSealPrepared(b *testing.B) {
	e := saleEntries()["sale-decision"]
	names := namesOf(&e)
	for name, e := range map[string]Entry{"decisions": e, "prepared": prepare(&e, 0, func() *Names { return names })} {
		b.Run(name, func(b *testing.B) {
			s := NewSealing(noSeal{}, string(e.Chain))
			s.Use(func() *Names { return names })
			var dst []byte
			for b.Loop() {
				dst = s.Seal(dst[:0], &e)
			}
		})
	}
}
