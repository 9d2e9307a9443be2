package rewrite

import (
	"slices"
	"sync"
	"testing"
)

// TestChoicesAreShared: whoever asks for the decisions of a party gets the same
// choices, however many ask at once, and each has a number of its own.
func TestChoicesAreShared(t *testing.T) {
	e := medspa(t)
	const many = 8
	var found [many][][]Chosen
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			for _, name := range []string{"keyed-card.json", "note-with-card.json"} {
				m := e.NewMessage()
				if err := e.ScanRequest(m, 0, sample(t, name), Limits{}); err != nil {
					t.Error(err)
					return
				}
				for leg := range e.Plan().Routes[0].Legs {
					v := e.NewView()
					if err := e.DecideLeg(m, leg, v); err != nil {
						t.Error(err)
						return
					}
					found[i] = append(found[i], slices.Clone(v.Chosen()))
				}
			}
		})
	}
	group.Wait()
	all := map[int]*Choice{}
	for i := range found {
		if !slices.EqualFunc(found[i], found[0], slices.Equal[[]Chosen]) {
			t.Errorf("the %dth found %v, the first %v", i, found[i], found[0])
		}
		for _, list := range found[i] {
			for _, c := range list {
				if known := all[c.Number]; known != nil && known != c.Choice {
					t.Fatalf("%+v and %+v have one number", *known, *c.Choice)
				}
				all[c.Number] = c.Choice
			}
		}
	}
	if n := int(e.choices.Load()); n != len(all) || n == 0 {
		t.Errorf("%d choices were made, %d were found", n, len(all))
	}
	for number := range all {
		if number < 0 || number >= len(all) {
			t.Errorf("number %d of %d", number, len(all))
		}
	}
}

// TestChoicesGrow: keys are found again when the table has become larger, and
// equal decisions of different keys are one choice.
func TestChoicesGrow(t *testing.T) {
	c, e := new(choices), new(Engine)
	const many = 1000
	made := map[tallyKey]*keyed{}
	for i := range tallyKey(many) {
		if c.find(i) != nil {
			t.Fatalf("key %d is there before it was added", i)
		}
		made[i] = c.add(e, i, []Choice{{Rule: "odd or even", Pattern: string('a' + rune(i%2))}, {Rule: "all"}})
		if again := c.add(e, i, nil); again != made[i] {
			t.Fatalf("key %d was made twice", i)
		}
	}
	for k, want := range made {
		if got := c.find(k); got != want || len(got.of) != 2 || got.of[1] != made[0].of[1] || got.of[0] != made[k%2].of[0] {
			t.Errorf("key %d: %v, want %v", k, got, want)
		}
	}
	if n := e.choices.Load(); n != 3 {
		t.Errorf("%d choices, want 3", n)
	}
}
