package chaos

import (
	"encoding/json"
	"regexp"
	"sync"
)

// books is what the harness knows of all sales. It is safe for concurrent use.
type books struct {
	mu       sync.Mutex
	sales    []*sale
	byMark   map[string]*sale         // by card number and by what the items are called
	charges  map[*sale]int            // times that a processor charged it
	refunded map[*sale]map[string]int // the parts of a refund, by receiver
	stranger *sale                    // takes the blame for what is of no sale
}

func newBooks() *books {
	return &books{byMark: map[string]*sale{}, charges: map[*sale]int{}, refunded: map[*sale]map[string]int{}, stranger: &sale{n: -1, route: &route{}, id: "no sale"}}
}

// open enters a sale before its POS sends it.
func (b *books) open(s *sale) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sales = append(b.sales, s)
	for _, name := range append([]string{s.treatment, s.cream, s.memo}, s.pans...) {
		if name != "" {
			b.byMark[name] = s
		}
	}
}

// find finds the sale of which a receiver got a body.
func (b *books) find(r *receiver, body []byte) (*sale, document) {
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil {
		b.stranger.blame("%s got what is no JSON: %v", r.name, err)
		return b.stranger, doc
	}
	name := doc.Payment.Card.Number
	switch {
	case doc.Memo != "":
		name = doc.Memo
	case !r.charges():
		if len(doc.Items) != 1 {
			b.stranger.blame("%s got %d items", r.name, len(doc.Items))
			return b.stranger, doc
		}
		name = doc.Items[0].Name
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.byMark[name]; s != nil {
		return s, doc
	}
	b.stranger.blame("%s got a body of no sale that was made", r.name)
	return b.stranger, doc
}

// tells are what a part of a body may name its sale by.
var tells = regexp.MustCompile(mark + `[trm][a-z]{13}|[0-9]{16}`)

// findPart finds the sale of which a receiver got a part of a body; nil where
// that does not say it.
func (b *books) findPart(body []byte) *sale {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range tells.FindAll(body, -1) {
		if s := b.byMark[string(name)]; s != nil {
			return s
		}
	}
	return nil
}

func (b *books) charge(s *sale) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.charges[s]++
}

// charged says how often a sale was charged.
func (b *books) charged(s *sale) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.charges[s]
}

// all returns the sales that were opened so far.
func (b *books) all() []*sale {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*sale(nil), b.sales...)
}

// parts notes what a receiver got of a refund. What the record and the ledger
// got must add up to it.
func (b *books) parts(s *sale, name string, amount int) {
	b.mu.Lock()
	if b.refunded[s] == nil {
		b.refunded[s] = map[string]int{}
	}
	got := b.refunded[s]
	got[name] = amount
	_, record := got["record"]
	_, ledger := got["ledger"]
	sum := got["record"] + got["ledger"]
	b.mu.Unlock()
	if (record || s.clinical == 0) && (ledger || s.retail == 0) && (record || ledger) && sum != s.amount {
		s.blame("the parts of a refund of %d add up to %d", s.amount, sum)
	}
}
