package proxy

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/store"
	"chaperone/vault/letters"
)

// The lives of registers whose attempt is over.
const (
	defaultKeep = 24 * time.Hour // where a route says nothing
	keylessKeep = time.Hour      // nobody can ask for it again
)

// largeBody is the size above which a held leg's body travels on its own.
const largeBody = 64 << 10

// maxAttempts bounds how often one key may be tried again.
const maxAttempts = 1000

// identity finds the key under which the request is recorded, and what tells
// a repeat of it from another request with the same key.
func (x *exchange) identity() *reason.Error {
	r := &x.p.plan.Routes[x.route]
	x.key, x.hasKey = "", false
	if r.Idempotency != nil {
		value := trimSpace(x.ctx.Request.Header.Peek("Idempotency-Key"))
		if len(value) == 0 {
			value, _ = x.req.IdempotencyKey()
		}
		if len(value) > 256 || !fieldText(value) {
			return refuse(reason.KeyMalformed, "an idempotency key is at most 256 bytes, without control characters")
		}
		if len(value) > 0 {
			group := x.p.plan.Callers[x.caller].Group
			x.key, x.hasKey = x.s.letters("idempotency", []byte(group), []byte(r.Name), value), true
		}
	}
	if !x.hasKey {
		x.key = letters.Random(idLetters)
		return nil
	}
	// Where the message to the primary will stand, which is about as long; but a
	// large body is no part of that.
	input, large := x.wire[:0], len(x.body) >= keepBuffer
	if large {
		input = x.s.spares.take(len(x.body) + len(x.ctx.Request.Header.RequestURI()))
	}
	input = append(input, x.ctx.Request.Header.Method()...)
	input = append(input, ' ')
	input = append(input, x.ctx.Request.Header.RequestURI()...)
	head := len(input)
	input = x.req.AppendMACInput(input)
	x.mac = x.s.ring.MAC(x.mac[:0], "body", input[:head], input[head:])
	if large {
		x.s.keep(rinse(input)) // the first leg's next
	} else {
		x.wire = input
	}
	return nil
}

// letters returns a keyed hash as 32 letters, under a key that is never
// rotated.
func (s *Server) letters(purpose string, parts ...[]byte) string {
	var mac [32]byte
	var text [40]byte
	return string(letters.Encode(text[:0], s.ring.MAC(mac[:0], purpose, parts...)[:20]))
}

// record stores what is about to happen: the decisions, the claim with the
// held legs, the tokens. When it returns false and nil, the attempt is ours
// and on record. done says that the answer is written already: an earlier
// attempt's.
func (x *exchange) record() (done bool, e *reason.Error) {
	for x.attempt = 1; x.attempt <= maxAttempts; {
		began := x.look()
		x.compose()
		x.unit.Spool = x.spools()
		x.term = x.s.committer.LeaseTerm()
		err := x.s.committer.Commit(x.s.work, x.unit) // within the committer's deadline
		x.s.metrics.Append(x.look().Sub(began))
		if err != nil {
			x.lostUnit(err)
			return false, refuse(reason.StoreUnavailable, "the store did not take the record in time, so nothing is forwarded")
		}
		x.recorded()
		claimed := &x.unit.Commands[0]
		if claimed.Won {
			return false, nil
		}
		again, e := x.contend(claimed.Prior)
		if e != nil || !again {
			return e == nil, e
		}
	}
	return false, refuse(reason.KeyMalformed, "the key has been tried too often")
}

// lostUnit follows a unit that was not acknowledged. The committer may still
// store it; then its claim is ours, and is given up.
func (x *exchange) lostUnit(err error) {
	ours := x.unit.Commands[0].Value
	x.unit, x.arena = new(store.Unit), nil // the committer's now
	x.s.logger.Warn("a request was not recorded", "request", x.id, "error", err)
	if !store.MayPersist(err) {
		return
	}
	o := outcome{Owner: x.id, By: "proxy", At: x.s.clock().UnixMilli(), Result: audit.ResultVoid}
	void := new(store.Unit)
	x.addOutcome(void, &o)
	void.Entries = append(void.Entries, x.s.sealing().Seal(nil, x.newEntry(audit.KindOutcome, audit.ResultVoid, reason.StoreUnavailable)))
	x.arena = nil // void's now
	x.s.giveUp(x.names.Claim, ours, void)
}

// giveUp waits for the store, and stores void if the claim has become ours. It
// must not if it has not: a claim of the same name may then be somebody else's
// sale. If this process ends before, the claim is in doubt.
func (s *Server) giveUp(key string, ours []byte, void *store.Unit) {
	s.afterwards.Add(1)
	go func() {
		defer s.afterwards.Done()
		tick := time.NewTicker(giveUpEvery)
		defer tick.Stop()
		for {
			// Behind the claim in the committer's queue: its answer tells the
			// claim's fate.
			ask := &store.Unit{Commands: []store.Command{{Kind: store.Get, Key: key}}}
			if err := s.committer.Commit(s.work, ask); err == nil {
				if bytes.Equal(ask.Commands[0].Prior, ours) {
					if err := s.committer.CommitLater(void); err != nil {
						s.logger.Error("a claim could not be given up; it is in doubt", "claim", key, "error", err)
					}
				}
				return
			}
			select {
			case <-s.work.Done():
				return
			case <-tick.C:
			}
		}
	}()
}

// giveUpEvery is how often a claim is asked for that may yet be stored.
const giveUpEvery = 250 * time.Millisecond

// compose makes the unit of the attempt.
func (x *exchange) compose() {
	u := x.unit
	resetUnit(u)
	x.arena = x.arena[:0]
	now := x.wall
	r := &x.p.plan.Routes[x.route]
	c := &x.claim
	*c = claim{Request: x.id, Chain: x.s.committer.Chain(), At: now.UnixMilli(), Caller: x.p.plan.Callers[x.caller].Name,
		Route: r.Name, Plan: x.p.plan.Hash, Subject: x.subject, Purpose: r.Purpose, Legs: c.Legs[:0]}
	if x.hasKey {
		c.MAC, c.Keep = x.mac, defaultKeep.Milliseconds()
		if r.Idempotency.TTL > 0 {
			c.Keep = r.Idempotency.TTL.Milliseconds()
		}
	}
	x.names = store.NamesOf(x.key, x.attempt)
	u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: x.names.Claim})
	for i := range r.Legs {
		l := &x.legs[i]
		if l.state == audit.LegSkipped {
			continue
		}
		// By the body and not by the attempt: a proxy that counts the attempts
		// otherwise, because the store is away or an operator has freed the key
		// in error, sends the same sale under the same key.
		l.key = x.s.letters("leg", []byte(x.key), x.mac, []byte(r.Legs[i].Name))
		if i == r.Primary {
			continue
		}
		held := x.hold(i)
		if held.Large {
			key := store.RequestBodyKey(x.key, x.attempt, i, x.id)
			u.Commands = append(u.Commands, store.Command{Kind: store.SetOnce, Key: key, Value: x.s.ring.Seal(nil, held.Body, []byte(key))})
		}
		c.Legs = append(c.Legs, held)
	}
	c.Primary, u.Commands = x.holdPrimary(u.Commands)
	if r.Followed != nil && x.hasKey {
		x.keepSale()
	}
	if x.follows != nil {
		c.Decides = x.follows.decision()
	}
	x.scratch = c.append(x.scratch[:0])
	u.Commands[0].Value = x.seal(x.scratch, x.names.Claim)
	x.scratch = rinse(x.scratch)
	entry := x.entryNow(audit.KindDecision, audit.ResultForwarded, reason.None)
	if x.follows != nil {
		entry.Target = attemptName(x.follows.ref())
	}
	u.Commands = x.tokens.store(u.Commands, entry)
	if x.owed.Kind != 0 {
		u.Commands = append(u.Commands, x.owed)
	}
	u.Commands = append(u.Commands, store.Command{Kind: store.QueueAdd, Queue: store.Doubt, Member: x.names.Doubt, Score: now.UnixMilli()})
	for i := range r.Legs {
		entry.Legs = append(entry.Legs, audit.Leg{Name: audit.Name(r.Legs[i].Name), To: audit.Name(x.p.plan.Destinations[r.Legs[i].Destination].Name), State: x.legs[i].state})
		if x.legs[i].state != audit.LegSkipped {
			x.decided(x.legs[i].chosen, x.p.plan.Destinations[r.Legs[i].Destination].Name)
		}
	}
	u.Entries = append(u.Entries, x.sealEntry(entry))
}

// hold describes a leg that waits for the outcome.
func (x *exchange) hold(i int) heldLeg {
	r := &x.p.plan.Routes[x.route]
	spec, l := &r.Legs[i], &x.legs[i]
	to := x.p.plan.Destinations[spec.Destination].Name
	held := heldLeg{Leg: i, Name: spec.Name, To: to, Method: x.method(spec), Target: string(l.target), Key: l.key,
		HasBody: x.hasBody, Body: l.body, Large: len(l.body) > largeBody, Group: x.group(i)}
	for _, f := range l.fields {
		held.Fields = append(held.Fields, heldField{f.name, string(f.value)})
	}
	l.forms = l.forms[:0]
	for _, d := range l.chosen {
		f := heldForm{d.Label, d.Form}
		if d.Label != "" && d.Form < rules.Drop && d.Rule != "keep" && !slices.Contains(l.forms, f) {
			l.forms = append(l.forms, f)
		}
	}
	held.Forms = l.forms
	return held
}

// group names the order in which a leg goes: that of the sale which the request
// follows; by the route's order value for its destination; with those that will
// follow; or, where several legs of one request go to one destination, by the
// request.
func (x *exchange) group(i int) string {
	r := &x.p.plan.Routes[x.route]
	to := []byte(x.p.plan.Destinations[r.Legs[i].Destination].Name)
	if x.follows != nil {
		return x.s.saleGroup(&x.follows.sale, x.follows.key, to)
	}
	if r.Order != nil {
		if value, ok := x.req.Order(); ok {
			return x.s.letters("order", to, value)
		}
	}
	if r.Followed != nil && x.hasKey {
		return x.s.saleGroup(nil, x.key, to)
	}
	for j := range r.Legs {
		if j != i && j != r.Primary && r.Legs[j].Destination == r.Legs[i].Destination {
			return x.s.letters("order of a request", to, []byte(x.key), []byte(itoa(x.attempt)))
		}
	}
	return ""
}

func (x *exchange) method(spec *rules.Leg) string {
	if spec.Method != "" {
		return spec.Method
	}
	return x.p.plan.Routes[x.route].Method // which is why the route was found
}

// seal seals a register's content into the arena.
func (x *exchange) seal(plain []byte, key string) []byte {
	from := len(x.arena)
	x.ad = append(x.ad[:0], key...)
	x.arena = x.s.ring.Seal(x.arena, plain, x.ad)
	return x.arena[from:len(x.arena):len(x.arena)]
}

func (x *exchange) sealEntry(e *audit.Entry) []byte {
	from := len(x.arena)
	x.arena = x.s.sealing().Seal(x.arena, e)
	return x.arena[from:len(x.arena):len(x.arena)]
}

// newEntry starts an entry about the request in the exchange's own Entry.
func (x *exchange) newEntry(kind audit.Kind, result audit.Result, code reason.Code) *audit.Entry {
	x.look()
	return x.entryNow(kind, result, code)
}

// entryNow is newEntry where the clock was looked at a moment ago.
func (x *exchange) entryNow(kind audit.Kind, result audit.Result, code reason.Code) *audit.Entry {
	x.entry = audit.Entry{Time: x.wall, Kind: kind, Request: audit.ID(x.id), Origin: x.origin, Plan: audit.ID(x.p.plan.Hash),
		Key: audit.ID(x.key), Attempt: x.attempt, Subject: audit.ID(x.subject), Result: result, Reason: code,
		Took: audit.MicrosOf(x.at.Sub(x.start)), Waited: audit.MicrosOf(x.waited),
		Legs: x.entry.Legs[:0], Prepared: x.entry.Prepared[:0], Tokens: x.entry.Tokens[:0]}
	e := &x.entry
	if x.key == "" {
		e.Attempt = 0
	}
	if x.caller >= 0 {
		e.Caller = audit.Name(x.p.plan.Callers[x.caller].Name)
	}
	if x.route >= 0 {
		e.Route, e.Purpose = audit.Name(x.p.plan.Routes[x.route].Name), audit.Name(x.p.plan.Routes[x.route].Purpose)
	}
	return e
}

// errStranger says that a register does not open under this keyring.
var errStranger = errors.New("proxy: a register does not open")

// openClaim opens and parses a claim.
func (s *Server) openClaim(sealed []byte, k string, a int) (*claim, error) {
	plain, err := s.ring.Open(nil, sealed, []byte(store.ClaimKey(k, a)))
	if err != nil {
		return nil, errStranger
	}
	c := new(claim)
	return c, c.parse(plain)
}

// openOutcome opens and parses an outcome. It is nil where there is none, or
// where it belongs to a claim that never was.
func (s *Server) openOutcome(sealed []byte, k string, a int, c *claim) (*outcome, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := s.ring.Open(nil, sealed, []byte(store.OutcomeKey(k, a)))
	if err != nil {
		return nil, errStranger
	}
	o := new(outcome)
	if err = o.parse(plain); err != nil {
		return nil, err
	}
	if !o.ends(c) {
		return nil, nil
	}
	return o, nil
}

// sameBody reports whether a request is the one that a claim was made for.
func (x *exchange) sameBody(c *claim) bool { return bytes.Equal(c.MAC, x.mac) }
