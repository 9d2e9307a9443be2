package proxy

import (
	"chaperone/rules/rewrite"
	"chaperone/store"
)

// saleRecord is what is kept of a sale for the calls that follow it. It rides in the
// sealed claim, since whoever ends the attempt needs it, and gets a register of
// its own once the sale is released (addSale).
type saleRecord struct {
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
	dst = appendBytes(dst, s.Request)
	dst = appendNumber(dst, uint64(s.Attempt))
	dst = appendNumber(dst, uint64(s.At))
	dst = appendBytes(dst, s.Route)
	dst = appendBytes(dst, s.Subject)
	dst = appendBytes(dst, s.Scope)
	dst = appendNumber(dst, uint64(s.Exponent))
	dst = appendNumber(dst, uint64(len(s.Groups)))
	for _, g := range s.Groups {
		dst = appendBytes(dst, g.To)
		dst = appendBytes(dst, g.Group)
	}
	dst = appendFlag(dst, s.Split)
	dst = appendNumber(dst, uint64(len(s.Shares)))
	for i := range s.Shares {
		c := &s.Shares[i]
		dst = appendBytes(dst, c.Class)
		for _, amount := range [...]int64{c.Subtotal, c.Tax, c.Tip, c.Discount, c.Total} {
			dst = appendSigned(dst, amount)
		}
	}
	return dst
}

// parse reads what append wrote.
func (s *saleRecord) parse(b []byte) error {
	d := decoder{b: b}
	d.version(saleVersion)
	*s = saleRecord{Request: d.text(), Attempt: d.small(), At: int64(d.number()), Route: d.text(), Subject: d.text(), Scope: d.text(), Exponent: d.small()}
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
// registers by which those find it that know it by an alias alone.
func (x *exchange) keepSale() {
	r := &x.p.plan.Routes[x.route]
	s := &x.kept
	*s = saleRecord{Request: x.id, Attempt: x.attempt, At: x.claim.At, Route: r.Name, Subject: x.subject, Scope: x.tokens.scope, Groups: s.Groups[:0], Shares: s.Shares[:0]}
	for i := range x.claim.Legs {
		l := &x.claim.Legs[i]
		s.Groups = append(s.Groups, saleGroup{l.To, l.Group})
	}
	if r.Followed.Shares {
		s.Shares, s.Exponent, s.Split = x.req.Shares(s.Shares), x.req.Exponent(), true
	}
	x.keptText = s.append(rinse(x.keptText))
	x.claim.Sale, x.claim.SaleKeep = x.keptText, r.Followed.Within.Milliseconds()
	value, ok := x.req.IdempotencyKey()
	if !ok {
		return
	}
	group := x.p.plan.Callers[x.caller].Group
	for _, i := range r.Followed.Aliases {
		to := x.p.plan.Destinations[i].Name
		key := store.AliasKey(x.s.aliasName(to, group, r.Name, x.tokens.tokens.Alias(nil, to, value)))
		plain := named{Key: x.key, Value: value}
		x.scratch = plain.append(x.scratch[:0])
		x.unit.Commands = append(x.unit.Commands, store.Command{Kind: store.SetOnce, Key: key, Value: x.seal(x.scratch, key), TTL: r.Followed.Within})
		x.scratch = rinse(x.scratch)
	}
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
	return appendBytes(appendBytes(append(dst, namedVersion), n.Key), n.Value)
}

// parse reads what append wrote. Value borrows from b.
func (n *named) parse(b []byte) error {
	d := decoder{b: b}
	d.version(namedVersion)
	*n = named{Key: d.text(), Value: d.bytes()}
	return d.done()
}
