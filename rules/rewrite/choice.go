package rewrite

import (
	"sync"
	"sync/atomic"

	"chaperone/rules"
)

// Choice is a decision as the policy makes it for one party, however often. It
// is made when a body asks for it first, and is never changed: there are few of
// them, and all requests share them.
type Choice struct {
	// Rule, Pattern, Label, Class and Form are Decision's.
	Rule, Pattern, Label, Class string
	Form                        rules.Form
	// Number tells the choices of an Engine apart. They are counted from 0, so
	// that what belongs to them can be kept in a table.
	Number int

	place int // likewise, those of one party
}

// Chosen is a choice, and how often it was made.
type Chosen struct {
	*Choice
	Count int
}

// choices are those of one party, by the keys under which they are counted.
// Looking one up takes no lock. How many there can be is the policy's doing:
// nothing of a body is in a key. Its zero value has none.
type choices struct {
	table atomic.Pointer[[]atomic.Pointer[keyed]] // open addressing, at most half full

	mu   sync.Mutex // over what follows, and changes of the table
	used int
	all  map[Choice]*Choice // without their numbers
}

// keyed is a key of a tally with its choices: one for each label of a set.
type keyed struct {
	key tallyKey
	one *Choice // the only one; nil where there are others
	of  []*Choice
}

// firstChoices is the size of the first table.
const firstChoices = 32

// find returns the choices of a key, nil where they are not made yet.
func (c *choices) find(k tallyKey) *keyed {
	table := c.table.Load()
	if table == nil {
		return nil
	}
	return slotOf(*table, k).Load()
}

// slotOf returns where a key is, or would go.
func slotOf(table []atomic.Pointer[keyed], k tallyKey) *atomic.Pointer[keyed] {
	mask := uint64(len(table) - 1)
	for at := uint64(k) * 0x9E3779B97F4A7C15 >> 40; ; at++ {
		slot := &table[at&mask]
		if known := slot.Load(); known == nil || known.key == k {
			return slot
		}
	}
}

// add makes the choices of a key, unless somebody else has done so meanwhile.
// List says what they are.
func (c *choices) add(e *Engine, k tallyKey, list []Choice) *keyed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[Choice]*Choice{}
		c.table.Store(new(make([]atomic.Pointer[keyed], firstChoices)))
	}
	table := *c.table.Load()
	if known := slotOf(table, k).Load(); known != nil {
		return known
	}
	made := &keyed{key: k}
	for _, one := range list {
		known := c.all[one]
		if known == nil {
			known = new(one)
			known.Number, known.place = int(e.choices.Add(1)-1), len(c.all)
			c.all[one] = known
		}
		made.of = append(made.of, known)
	}
	if len(made.of) == 1 {
		made.one = made.of[0]
	}
	if c.used++; 2*c.used > len(table) {
		table = grown(table)
		defer c.table.Store(&table)
	}
	slotOf(table, k).Store(made)
	return made
}

// grown returns a table of twice the size with the same keys.
func grown(old []atomic.Pointer[keyed]) []atomic.Pointer[keyed] {
	table := make([]atomic.Pointer[keyed], 2*len(old))
	for i := range old {
		if known := old[i].Load(); known != nil {
			slotOf(table, known.key).Store(known)
		}
	}
	return table
}
