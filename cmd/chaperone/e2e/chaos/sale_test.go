package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"chaperone/cmd/chaperone/e2e/rig"
)

// mark begins every secret of a sale that is no number, so that a search of
// bytes finds it whoever's it is.
const mark = "Qzvxjk"

// sale is one sale as the POS has it, and what became of it.
type sale struct {
	n     int
	route *route
	id    string   // transaction_id
	pans  []string // the card, and where that one is declined the next

	patient, cvv, treatment, cream string // secrets: mark and letters
	clinical, retail               int    // minor units; 0: not in the basket
	tax, tip                       int
	of                             *sale         // the sale that is refunded; nil: it is none
	amount                         int           // of the refund
	memo                           string        // by which all receivers know a refund; no secret
	impatient                      time.Duration // its POS goes away after that, once
	double                         bool          // its POS sends it twice at once

	mu       sync.Mutex
	card     int // index in pans
	tries    int
	told     string // how it ended for the POS: released, cancelled; empty: not yet
	answer   string // the first body with which it was told that it is released
	doubted  bool   // the POS was told last that it is in doubt
	requests []string
	codes    []string // what the POS was answered, in order
	wrong    []string // violations
}

// route is one way of making a sale.
type route struct {
	name      string
	path      string
	processor string // the receiver that charges
	keyed     bool   // which knows a repeat by its key
	onDoubt   string // empty: hold
	sync      bool   // the ledger is waited for
	onOutage  string // empty: as the proxies have it
	sticky    bool   // its tills stay at one proxy, which knows its own sales while the store is away
	oneCard   bool   // its tills try no other card
	refunds   *route // how its sales are refunded; nil: they are not
}

// spell writes a number in letters that no detector takes for anything,
// scrambled so that neighbours differ.
func spell(n uint64, size int) string {
	n = n*0x9E3779B97F4A7C15 + 0x1234567
	b := make([]byte, size)
	for i := range b {
		b[i] = "bcdfghjklmnpqrstvwxz"[n%20]
		n /= 20
	}
	return string(b)
}

// pan makes the k-th card number, Luhn-valid. Those that begin with 5 are
// declined.
func pan(first byte, k int) string {
	return rig.Luhn(fmt.Appendf(nil, "%c%04d%010d", first, 1000+(k*7919)%8999, k))
}

// newSale draws the n-th sale.
func newSale(rng *rand.Rand, n int, routes []*route) *sale {
	id := uint64(n)
	s := &sale{
		n: n, route: routes[rng.IntN(len(routes))], id: "sale-" + spell(id*8, 13),
		patient: mark + "p" + spell(id*8+1, 13), cvv: mark + "c" + spell(id*8+2, 13),
		treatment: mark + "t" + spell(id*8+3, 13), cream: mark + "r" + spell(id*8+4, 13),
	}
	first := byte('4')
	if rng.IntN(12) == 0 {
		first = '5'
	}
	s.pans = []string{pan(first, 2*n)}
	if first == '5' && rng.IntN(3) > 0 && !s.route.oneCard {
		s.pans = append(s.pans, pan('4', 2*n+1))
	}
	switch rng.IntN(5) {
	case 0:
		s.clinical = 100 + rng.IntN(90000)
	case 1:
		s.retail = 100 + rng.IntN(9000)
	default:
		s.clinical, s.retail = 100+rng.IntN(90000), 100+rng.IntN(9000)
	}
	if s.retail > 0 {
		s.tax = rng.IntN(800)
	}
	if s.clinical > 0 {
		s.tip = rng.IntN(5000)
	}
	if rng.IntN(25) == 0 {
		s.impatient = time.Duration(20+rng.IntN(400)) * time.Millisecond
	}
	s.double = rng.IntN(25) == 0
	return s
}

// refund draws the refund of a part of a sale.
func (s *sale) refund() *sale {
	id := uint64(s.n)
	return &sale{
		n: s.n, route: s.route.refunds, id: "refund-" + spell(id*8+5, 13), of: s, memo: mark + "m" + spell(id*8+6, 13),
		amount: s.total() - s.total()*(s.n%50)/100, clinical: s.clinical + s.tip, retail: s.retail + s.tax,
	}
}

// part is what a class has of a refund, but for a minor unit of rounding.
func (s *sale) part(class int) int { return s.amount * class / (s.clinical + s.retail) }

// body is what the POS sends, with one of the cards.
func (s *sale) body(card int) string {
	if s.of != nil {
		return fmt.Sprintf(`{"transaction_id": %q, "original_transaction_id": %q, "currency": "USD", "amount": %d, "memo": %q}`, s.id, s.of.id, s.amount, s.memo)
	}
	var items []string
	if s.clinical > 0 {
		items = append(items, fmt.Sprintf(`{"name": %q, "category": "injectable", "qty": 1, "unit_price": %d, "lot": %q}`, s.treatment, s.clinical, s.patient+"lot"))
	}
	if s.retail > 0 {
		items = append(items, fmt.Sprintf(`{"name": %q, "category": "skincare", "qty": 1, "unit_price": %d}`, s.cream, s.retail))
	}
	return fmt.Sprintf(`{"transaction_id": %q, "currency": "USD", "patient": {"id": %q, "name": %q}, "items": [%s],
 "totals": {"subtotal": %d, "tax": %d, "tip": %d, "discount": 0, "total": %d},
 "note": "card %s given by phone", "payment": {"card": {"number": %q, "exp": "12/29", "cvv": %q}}}`,
		s.id, s.patient+"id", s.patient, strings.Join(items, ", "),
		s.clinical+s.retail, s.tax, s.tip, s.total(), s.pans[card], s.pans[card], s.cvv)
}

func (s *sale) total() int { return s.clinical + s.retail + s.tax + s.tip }

// blame notes that the sale is not as it should be.
func (s *sale) blame(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < 8 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}
