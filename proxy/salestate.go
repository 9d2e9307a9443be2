package proxy

import (
	"time"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/store"
)

// The places of what appendSaleReads reads.
const (
	readSale = iota
	readClaim
	readOutcome
	readPending
	readNext      // the claim of the next attempt
	readElsewhere // the sale whose body has this key, though it has another
)

// appendSaleReads adds what tells of a sale, unless it took several attempts.
func appendSaleReads(reads []store.Command, k string) []store.Command {
	for _, key := range [...]string{readSale: store.SaleKey(k), readClaim: store.ClaimKey(k, 1), readOutcome: store.OutcomeKey(k, 1),
		readPending: store.PendingKey(k, 1), readNext: store.ClaimKey(k, 2), readElsewhere: store.AliasKey(k)} {
		reads = append(reads, store.Command{Kind: store.Get, Key: key})
	}
	return reads
}

// judgeSale says by the registers of a sale what becomes of a request about it.
func (x *exchange) judgeSale(found *following, reads []store.Command) *reason.Error {
	if reads[readSale].Found {
		return x.completed(found, &reads[readSale])
	}
	for a := 1; a <= maxAttempts; a++ {
		if !reads[readClaim].Found {
			break
		}
		c, err := x.s.openClaim(reads[readClaim].Prior, found.key, a)
		if err != nil {
			return x.unreadable()
		}
		o, err := x.s.openOutcome(reads[readOutcome].Prior, found.key, a, c)
		p, unread := x.s.openPending(reads[readPending].Prior, store.Ref{K: found.key, A: a}, c)
		switch {
		case err != nil || unread != nil:
			return x.unreadable()
		case o == nil && p != nil:
			// Also when its time is over, and it is in doubt.
			return x.pendingSale(found, c, a)
		case o == nil:
			return x.saleRefused(reason.SaleOpen, "the sale is not completed yet")
		case o.Result == audit.ResultReleased:
			// The unit that released it is just being stored, or it is from
			// before the policy knew of calls that follow.
			if !found.take(c, a) {
				return x.unreadable()
			}
			return x.inTime(found)
		case !reads[readNext].Found:
			return errNoSale
		}
		next := reads[readNext]
		reads = []store.Command{readSale: {}, readClaim: next,
			readOutcome: {Kind: store.Get, Key: store.OutcomeKey(found.key, a+1)},
			readPending: {Kind: store.Get, Key: store.PendingKey(found.key, a+1)},
			readNext:    {Kind: store.Get, Key: store.ClaimKey(found.key, a+2)}}
		if e := x.lookUp(reads[readOutcome:]); e != nil {
			return e
		}
	}
	return errNoSale
}

// completed takes a sale that was released.
func (x *exchange) completed(found *following, c *store.Command) *reason.Error {
	plain, err := x.s.ring.Open(nil, c.Prior, []byte(c.Key))
	if err != nil || found.sale.parse(plain) != nil {
		return x.unreadable()
	}
	found.key = found.sale.Key
	return x.inTime(found)
}

// inTime takes a completed sale that is not too old to be followed.
func (x *exchange) inTime(found *following) *reason.Error {
	age := time.Duration(x.s.clock().UnixMilli()-found.sale.At) * time.Millisecond
	if age > x.p.plan.Routes[x.route].Follows.Within {
		return errNoSale
	}
	return nil
}

// pendingSale takes a sale that waits for a request to decide it. One that
// decides nothing goes on only where it leaves nothing in the queues: legs of
// the sale, which come first, are not in there yet.
func (x *exchange) pendingSale(found *following, c *claim, a int) *reason.Error {
	r := &x.p.plan.Routes[x.route]
	found.decides = x.deciding(r.Follows)
	if found.decides == audit.ResultNone && (r.Follows.Release == nil && r.Follows.Cancel == nil || len(r.Legs) > 1) {
		return x.saleRefused(reason.SalePending, "a later call has yet to decide the sale")
	}
	if !found.take(c, a) {
		return x.unreadable()
	}
	found.pending = c
	return nil
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

// take reads what is known of a sale from its claim.
func (f *following) take(c *claim, a int) bool {
	if len(c.Sale) > 0 {
		return f.sale.parse(c.Sale) == nil
	}
	f.sale = saleRecord{Key: f.key, Request: c.Request, Attempt: a, At: c.At, Route: c.Route, Subject: c.Subject}
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
