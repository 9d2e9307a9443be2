package proxy

import (
	"bytes"
	"time"

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
	if !ok {
		return nil, x.noSale()
	}
	if f.As >= 0 {
		if !reads[0].Found {
			return nil, x.noSale()
		}
		if e := found.name(x, &reads[0], value); e != nil {
			return nil, e
		}
		reads = appendSaleReads(reads[:0], found.key)
		if e := x.lookUp(reads); e != nil {
			return nil, e
		}
	}
	return x.judgeSale(found, reads)
}

// name takes the sale's key from the register of an alias.
func (f *following) name(x *exchange, c *store.Command, alias []byte) *reason.Error {
	plain, err := x.s.ring.Open(nil, c.Prior, []byte(c.Key))
	var n named
	if err == nil {
		err = n.parse(plain)
	}
	if err != nil {
		x.s.logger.Error("the register of an alias does not open", "request", x.id)
		return refuse(reason.Internal, "the register of an alias does not open")
	}
	f.key, f.value, f.alias = n.Key, n.Value, alias
	return nil
}

// The places of what appendSaleReads reads.
const (
	readSale = iota
	readClaim
	readOutcome
	readPending
	readNext // the claim of the next attempt
)

// appendSaleReads adds what tells of a sale, unless it took several attempts.
func appendSaleReads(reads []store.Command, k string) []store.Command {
	for _, key := range [...]string{readSale: store.SaleKey(k), readClaim: store.ClaimKey(k, 1), readOutcome: store.OutcomeKey(k, 1),
		readPending: store.PendingKey(k, 1), readNext: store.ClaimKey(k, 2)} {
		reads = append(reads, store.Command{Kind: store.Get, Key: key})
	}
	return reads
}

// judgeSale says by the registers of a sale what becomes of a request about it.
func (x *exchange) judgeSale(found *following, reads []store.Command) (*following, *reason.Error) {
	if reads[readSale].Found {
		return x.completed(found, &reads[readSale])
	}
	for a := 1; a <= maxAttempts; a++ {
		if !reads[readClaim].Found {
			break
		}
		c, err := x.s.openClaim(reads[readClaim].Prior, found.key, a)
		if err != nil {
			return nil, x.unreadable()
		}
		o, err := x.s.openOutcome(reads[readOutcome].Prior, found.key, a, c)
		p, unread := x.s.openPending(reads[readPending].Prior, store.Ref{K: found.key, A: a}, c)
		switch {
		case err != nil || unread != nil:
			return nil, x.unreadable()
		case o == nil && p != nil:
			// Also when its time is over, and it is in doubt.
			return x.pendingSale(found, c, a)
		case o == nil:
			return nil, x.saleRefused(reason.SaleOpen, "the sale is not completed yet")
		case o.Result == audit.ResultReleased:
			// The unit that released it is just being stored, or it is from
			// before the policy knew of calls that follow.
			if !found.take(c, a) {
				return nil, x.unreadable()
			}
			return x.inTime(found)
		case !reads[readNext].Found:
			return nil, x.noSale()
		}
		next := reads[readNext]
		reads = []store.Command{readSale: {}, readClaim: next,
			readOutcome: {Kind: store.Get, Key: store.OutcomeKey(found.key, a+1)},
			readPending: {Kind: store.Get, Key: store.PendingKey(found.key, a+1)},
			readNext:    {Kind: store.Get, Key: store.ClaimKey(found.key, a+2)}}
		if e := x.lookUp(reads[readOutcome:]); e != nil {
			return nil, e
		}
	}
	return nil, x.noSale()
}

// completed takes a sale that was released.
func (x *exchange) completed(found *following, c *store.Command) (*following, *reason.Error) {
	plain, err := x.s.ring.Open(nil, c.Prior, []byte(c.Key))
	if err != nil || found.sale.parse(plain) != nil {
		return nil, x.unreadable()
	}
	return x.inTime(found)
}

// inTime takes a completed sale that is not too old to be followed.
func (x *exchange) inTime(found *following) (*following, *reason.Error) {
	age := time.Duration(x.s.clock().UnixMilli()-found.sale.At) * time.Millisecond
	if age > x.p.plan.Routes[x.route].Follows.Within {
		return nil, x.noSale()
	}
	return found, nil
}

// pendingSale takes a sale that waits for a request to decide it. One that
// decides nothing goes on only where it leaves nothing in the queues: legs of
// the sale, which come first, are not in there yet.
func (x *exchange) pendingSale(found *following, c *claim, a int) (*following, *reason.Error) {
	r := &x.p.plan.Routes[x.route]
	found.decides = x.deciding(r.Follows)
	if found.decides == audit.ResultNone && (r.Follows.Release == nil && r.Follows.Cancel == nil || len(r.Legs) > 1) {
		return nil, x.saleRefused(reason.SalePending, "a later call has yet to decide the sale")
	}
	if !found.take(c, a) {
		return nil, x.unreadable()
	}
	found.pending = c
	return found, nil
}

// deciding says what the request makes of a pending sale when it succeeds.
func (x *exchange) deciding(f *rules.Follows) audit.Result {
	release, cancel := x.req.Decides()
	switch {
	case release, f.Release != nil && f.Release.Success:
		return audit.ResultReleased
	case cancel, f.Cancel != nil && f.Cancel.Success:
		return audit.ResultCancelled
	}
	return audit.ResultNone
}

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

// take reads what is known of a sale from its claim.
func (f *following) take(c *claim, a int) bool {
	if len(c.Sale) > 0 {
		return f.sale.parse(c.Sale) == nil
	}
	f.sale = saleRecord{Request: c.Request, Attempt: a, At: c.At, Route: c.Route, Subject: c.Subject}
	for i := range c.Legs {
		f.sale.Groups = append(f.sale.Groups, saleGroup{c.Legs[i].To, c.Legs[i].Group})
	}
	return true
}

// noSale is what becomes of a request about a sale that is not there. That a
// process knows of none while the store is away says nothing.
func (x *exchange) noSale() *reason.Error {
	if x.blind {
		return refuse(reason.StoreUnavailable, "the store is away: whether there is such a sale is not known")
	}
	if x.p.plan.Routes[x.route].Follows.Unknown {
		return nil
	}
	return x.saleRefused(reason.SaleUnknown, "no completed sale has that key")
}

func (x *exchange) saleRefused(code reason.Code, detail string) *reason.Error {
	r := &x.p.plan.Routes[x.route]
	return &reason.Error{Code: code, Rule: "routes." + r.Name + ".follows", Pattern: r.Follows.Key.Source, Offset: -1, Detail: detail}
}

func (x *exchange) unreadable() *reason.Error {
	x.s.logger.Error("a sale that a request follows cannot be read", "request", x.id)
	return refuse(reason.Internal, "the sale cannot be read")
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
