package proxy

import (
	"bytes"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
	"chaperone/store"
)

// A request may follow a sale that an earlier one made: a refund, a capture, a
// webhook. The registers of that sale then say whether it may go on, in which
// order its legs are sent, and how an amount without items is split. Where the
// sale is pending, the request may decide it; that goes into the unit of its
// own outcome.

// following is the sale that a request follows.
type following struct {
	key  string // K of the sale
	sale saleRecord
	// pending is the claim of a sale that is yet to be decided; nil: it was
	// released.
	pending *claim
	// decides is what the request makes of a pending sale when its own primary
	// succeeds: released, cancelled, or none.
	decides audit.Result
	// value is the sale's key as its caller wrote it, where the request knows
	// it by a destination's alias; nil where that is what the request says.
	value []byte
	alias []byte // what the request says; borrowed from its body
}

// follow finds the sale that the request is about. Where there is none, and the
// route sends such a request all the same, x.follows stays nil. done says that
// the request is a repeat, and was given its first answer again.
func (x *exchange) follow() (done bool, e *reason.Error) {
	if e := x.identity(); e != nil {
		return false, e
	}
	var own []byte // the claim of the first request with the same key
	found, e := x.findSale(&own)
	if e == nil {
		e = x.useShares(found)
	}
	if e == nil {
		x.follows = found
		if found != nil {
			x.subject = found.sale.Subject
		}
		return false, nil
	}
	if own == nil {
		return false, e
	}
	// The sale may have changed since, by this very request: a repeat is told
	// what the first one was.
	again, repeated := x.contend(own)
	switch {
	case repeated != nil:
		return false, repeated
	case again: // what it began was given up
		return false, e
	}
	return true, nil
}

// findSale looks the sale up, together with the claim that the request itself
// may have.
func (x *exchange) findSale(own *[]byte) (*following, *reason.Error) {
	r := &x.p.plan.Routes[x.route]
	f, route := r.Follows, x.p.plan.Routes[r.Follows.Route].Name
	group := f.Group
	if group == "" {
		group = x.p.plan.Callers[x.caller].Group
	}
	found, reads := new(following), make([]store.Command, 0, 8)
	value, ok := x.req.Follows()
	switch {
	case ok && f.As < 0:
		found.key = x.s.letters("idempotency", []byte(group), []byte(route), value)
		reads = appendSaleReads(reads, found.key)
	case ok:
		to := x.p.plan.Destinations[f.As].Name
		reads = append(reads, store.Command{Kind: store.Get, Key: store.AliasKey(x.s.aliasName(to, group, route, value))})
	}
	at := len(reads)
	if x.hasKey {
		reads = append(reads, store.Command{Kind: store.Get, Key: store.ClaimKey(x.key, 1)})
	}
	if e := x.lookUp(reads); e != nil {
		return nil, e
	}
	if x.hasKey && reads[at].Found {
		*own = reads[at].Prior
	}
	if ok && f.As >= 0 && reads[0].Found {
		n, e := x.openNamed(&reads[0])
		if e != nil {
			return nil, e
		}
		found.key, found.value, found.alias = n.Key, n.Value, value
		reads = appendSaleReads(reads[:0], found.key)
		if e := x.lookUp(reads); e != nil {
			return nil, e
		}
	}
	if found.key == "" {
		return nil, x.noSale()
	}
	e := x.judgeSale(found, reads)
	if e == errNoSale && reads[readElsewhere].Found {
		e = x.findElsewhere(found, &reads[readElsewhere])
	}
	switch {
	case e == errNoSale:
		return nil, x.noSale()
	case e != nil:
		return nil, e
	}
	return found, nil
}

// findElsewhere looks up a sale whose caller gave its key in a header, while
// the request knows the one of its body.
func (x *exchange) findElsewhere(found *following, c *store.Command) *reason.Error {
	n, e := x.openNamed(c)
	if e != nil {
		return e
	}
	also := found.key
	found.key = n.Key
	reads := appendSaleReads(nil, found.key)
	if e := x.lookUp(reads); e != nil {
		return e
	}
	if e := x.judgeSale(found, reads); e != nil {
		return e
	}
	if found.sale.Also != also {
		return errNoSale // a request with another body, which was refused
	}
	return nil
}

// openNamed opens a register that says which sale is meant.
func (x *exchange) openNamed(c *store.Command) (named, *reason.Error) {
	var n named
	plain, err := x.s.ring.Open(nil, c.Prior, []byte(c.Key))
	if err == nil {
		err = n.parse(plain)
	}
	if err != nil {
		return n, x.unreadable()
	}
	return n, nil
}

// errNoSale says that no completed sale has the key.
var errNoSale = new(reason.Error)

// useShares tells a request without items of its own which classes the sale
// had, and how an amount is split over them.
func (x *exchange) useShares(of *following) *reason.Error {
	r := &x.p.plan.Routes[x.route]
	if x.req.HasItems() || !takesClass(r) {
		return nil
	}
	switch {
	case of != nil && of.sale.Split:
		return x.req.UseShares(of.sale.Shares, of.sale.Exponent)
	case of == nil && r.ItemsOptional:
		return x.req.UseShares(nil, 0) // which refuses an amount
	}
	return x.saleRefused(reason.TotalsUnsplittable, "there are no line items, and what each class had in the sale is not known")
}

func takesClass(r *rules.Route) bool {
	for i := range r.Legs {
		if r.Legs[i].Items == rules.ItemsClass {
			return true
		}
	}
	return false
}

// aliasAsTheSale gives what the request says under an alias the same alias as
// in the sale, at each destination.
func (x *exchange) aliasAsTheSale(ops []rewrite.TokenOp) {
	f := x.follows
	scope := f.sale.Scope
	if scope == "" {
		scope = x.tokens.scope
	}
	if scope == x.tokens.scope && f.value == nil {
		return
	}
	tokens, as := x.s.tokensOf(scope), x.p.plan.Routes[x.route].Follows.As
	for i := range ops {
		op := &ops[i]
		if op.Kind != rewrite.Alias || op.Result != nil {
			continue
		}
		value := op.Raw
		if f.value != nil && bytes.Equal(op.Raw, f.alias) {
			if op.Destination == as {
				op.Result = op.Raw // it is what that one calls it
				continue
			}
			value = f.value
		}
		op.Result = tokens.Alias(nil, x.p.plan.Destinations[op.Destination].Name, value)
	}
}

func (f *following) ref() store.Ref { return store.Ref{K: f.key, A: f.sale.Attempt} }
