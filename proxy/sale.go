package proxy

import (
	"time"

	"chaperone/proxy/framing"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/store"
)

// saleRecord is what is kept of a sale for the calls that follow it. It rides in the
// sealed claim, since whoever ends the attempt needs it, and gets a register of
// its own once the sale is released (addSale).
type saleRecord struct {
	Key string // K
	// Also is the K by which it is found, too: of the key in its body, where
	// its caller gave another in a header; else empty.
	Also     string
	Request  string // whose sale it is
	Attempt  int    // A
	At       int64  // Unix milliseconds of its claim
	Route    string
	Subject  string // the random id of the person whom it is about; may be empty
	Scope    string // of its aliases
	Exponent int    // of its currency: places of an amount in major units
	Groups   []saleGroup
	Split    bool // Shares say what each class had; else that is not known
	Shares   []rewrite.ClassShare
}

// saleGroup is the order in which the sale's legs go to a destination; those
// of the calls that follow it go in the same.
type saleGroup struct{ To, Group string }

const saleVersion = 1

func (s *saleRecord) append(dst []byte) []byte {
	dst = append(dst, saleVersion)
	dst = appendTexts(dst, s.Key, s.Also, s.Request)
	dst = appendNumber(dst, uint64(s.Attempt))
	dst = appendNumber(dst, uint64(s.At))
	dst = appendTexts(dst, s.Route, s.Subject, s.Scope)
	dst = appendNumber(dst, uint64(s.Exponent))
	dst = appendNumber(dst, uint64(len(s.Groups)))
	for _, g := range s.Groups {
		dst = appendTexts(dst, g.To, g.Group)
	}
	dst = appendFlag(dst, s.Split)
	dst = appendNumber(dst, uint64(len(s.Shares)))
	for i := range s.Shares {
		c := &s.Shares[i]
		dst = appendTexts(dst, c.Class)
		for _, amount := range [...]int64{c.Subtotal, c.Tax, c.Tip, c.Discount, c.Total} {
			dst = appendSigned(dst, amount)
		}
	}
	return dst
}

// saleNames gives the keys at which the text of a sale is kept: k, which is its
// own, and the one of its body where that is another.
func saleNames(text []byte, k string) []string {
	d := decoder{b: text}
	d.version(saleVersion)
	if _, also := d.text(), d.text(); also != "" {
		return []string{k, also}
	}
	return []string{k}
}

// parse reads what append wrote.
func (s *saleRecord) parse(b []byte) error {
	d := decoder{b: b}
	d.version(saleVersion)
	*s = saleRecord{Key: d.text(), Also: d.text(), Request: d.text(), Attempt: d.small(), At: int64(d.number()), Route: d.text(), Subject: d.text(), Scope: d.text(), Exponent: d.small()}
	for n := d.count(); n > 0 && !d.bad; n-- {
		s.Groups = append(s.Groups, saleGroup{d.text(), d.text()})
	}
	s.Split = d.flag()
	for n := d.count(); n > 0 && !d.bad; n-- {
		s.Shares = append(s.Shares, rewrite.ClassShare{Class: d.text(), Subtotal: d.signed(), Tax: d.signed(), Tip: d.signed(), Discount: d.signed(), Total: d.signed()})
	}
	return d.done()
}

// saleGroup names the order for a destination of the sale at the key k, and of
// what follows it: the one that the sale's leg had, as far as it is known and
// there was one.
func (s *Server) saleGroup(of *saleRecord, k string, to []byte) string {
	if of != nil {
		for _, g := range of.Groups {
			if g.To == string(to) && g.Group != "" {
				return g.Group
			}
		}
	}
	return s.letters("order of a sale", to, []byte(k))
}

// keepSale puts into the claim what is kept of the sale, and into the unit the
// registers by which those find it that do not know its key.
func (x *exchange) keepSale() {
	r := &x.p.plan.Routes[x.route]
	s := &x.ofSale
	x.keeps = true
	*s = saleRecord{Key: x.key, Request: x.id, Attempt: x.attempt, At: x.claim.At, Route: r.Name, Subject: x.subject, Scope: x.tokens.scope,
		Groups: s.Groups[:0], Shares: s.Shares[:0]}
	for i := range x.claim.Legs {
		l := &x.claim.Legs[i]
		s.Groups = append(s.Groups, saleGroup{l.To, l.Group})
	}
	if r.Followed.Shares {
		s.Shares, s.Exponent, s.Split = x.req.Shares(s.Shares), x.req.Exponent(), true
	}
	if value, ok := x.req.IdempotencyKey(); ok {
		x.nameSale(s, r, value)
	}
	x.keptText = s.append(rinse(x.keptText))
	x.claim.Sale, x.claim.SaleKeep = x.keptText, r.Followed.Within.Milliseconds()
}

// nameSale adds the registers by which the sale is found that its body names by
// a value.
func (x *exchange) nameSale(s *saleRecord, r *rules.Route, value []byte) {
	group, named := x.p.plan.Callers[x.caller].Group, x.key
	if len(trimSpace(x.ctx.head.Get(framing.IdempotencyKey))) > 0 {
		named = x.s.letters("idempotency", []byte(group), []byte(r.Name), value)
	}
	if named != x.key {
		s.Also = named
		// The newest one counts: those before it were not completed, or else
		// have a register at that key.
		x.addName(store.Set, store.AliasKey(named), x.key, nil, r.Followed.Within)
	}
	for _, i := range r.Followed.Aliases {
		to := x.p.plan.Destinations[i].Name
		alias := x.tokens.tokens.Alias(nil, to, value)
		x.addName(store.SetOnce, store.AliasKey(x.s.aliasName(to, group, r.Name, alias)), named, value, r.Followed.Within)
	}
}

// addName adds a register that says which sale is meant to the unit.
func (x *exchange) addName(kind store.Kind, key, k string, value []byte, ttl time.Duration) {
	n := named{Key: k, Value: value}
	x.scratch = n.append(x.scratch[:0])
	x.unit.Commands = append(x.unit.Commands, store.Command{Kind: kind, Key: key, Value: x.seal(x.scratch, key), TTL: ttl})
	x.scratch = rinse(x.scratch)
}

// aliasName is the keyed hash by which a destination's alias of a sale's key is
// found. Two groups of callers, or two routes, may use one key for two sales.
func (s *Server) aliasName(to, group, route string, alias []byte) string {
	return s.letters("alias of a sale", []byte(to), []byte(group), []byte(route), alias)
}

// named is the content of an alias register: the sale that is meant.
type named struct {
	Key   string // K
	Value []byte // the sale's key as its caller wrote it
}

const namedVersion = 1

func (n *named) append(dst []byte) []byte {
	return appendBytes(appendTexts(append(dst, namedVersion), n.Key), n.Value)
}

// parse reads what append wrote. Value borrows from b.
func (n *named) parse(b []byte) error {
	d := decoder{b: b}
	d.version(namedVersion)
	*n = named{Key: d.text(), Value: d.bytes()}
	return d.done()
}
