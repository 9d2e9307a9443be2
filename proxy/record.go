package proxy

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"chaperone/audit"
	"chaperone/proxy/framing"
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
		value := trimSpace(x.ctx.head.Get(framing.IdempotencyKey))
		if len(value) == 0 {
			value, _ = x.req.IdempotencyKey()
		}
		if len(value) > 256 || !fieldText(value) {
			return refuse(reason.KeyMalformed, "an idempotency key is at most 256 bytes, without control characters")
		}
		if len(value) > 0 {
			group := x.p.plan.Callers[x.caller].Group
			x.key, x.hasKey = x.letters("idempotency", []byte(group), []byte(r.Name), value), true
		}
	}
	if !x.hasKey {
		x.key = x.noted(letters.AppendRandom(x.text, idLetters))
		return nil
	}
	input, large := x.input, len(x.body) >= keepBuffer
	if large {
		input = x.s.spares.take(len(x.body) + len(x.ctx.head.Target()))
	}
	input = append(input, x.ctx.head.Method()...)
	input = append(input, ' ')
	input = append(input, x.ctx.head.Target()...)
	head := len(input)
	input = x.req.AppendMACInput(input)
	x.mac = x.s.ring.MAC(x.mac[:0], "body", input[:head], input[head:])
	if large {
		x.s.keep(rinse(input)) // the first leg's next
	} else {
		x.input = rinse(input)
	}
	return nil
}

// keyLetters is the length of a keyed hash as letters.
const keyLetters = 32

// letters returns a keyed hash as letters, under a key that is never rotated.
func (s *Server) letters(purpose string, parts ...[]byte) string {
	var text [keyLetters]byte
	return string(s.appendLetters(text[:0], purpose, parts...))
}

// appendLetters appends what letters returns.
func (s *Server) appendLetters(dst []byte, purpose string, parts ...[]byte) []byte {
	var mac [32]byte
	return letters.Encode(dst, s.ring.MAC(mac[:0], purpose, parts...)[:letters.DecodedLen(keyLetters)])
}

// record stores what is about to happen: the decisions, the claim with the
// held legs, the tokens. When it returns false and nil, the attempt is ours
// and on record. done says that the answer is written already: an earlier
// attempt's.
func (x *exchange) record() (done bool, e *reason.Error) {
	x.draft()
	for x.attempt = 1; x.attempt <= maxAttempts; {
		began := x.look()
		x.compose()
		x.riseRecorded()
		x.unit.Spool = x.spools()
		x.term = x.s.committer.LeaseTerm()
		err := x.s.committer.Commit(context.Background(), x.unit) // ends within the committer's deadline
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

// draft makes what is recorded of the request whichever attempt it is, and the
// primary's message: the claim with the legs that are held, and the keys of all.
//
//go:noinline
func (x *exchange) draft() {
	r := &x.p.plan.Routes[x.route]
	c := &x.claim
	c.Request, c.Chain, c.Caller, c.Route = x.id, x.s.committer.Chain(), x.p.plan.Callers[x.caller].Name, r.Name
	c.Plan, c.Subject, c.Purpose = x.p.plan.Hash, x.subject, r.Purpose
	c.MAC, c.Keep = nil, 0
	if x.hasKey {
		c.MAC, c.Keep = x.mac, defaultKeep.Milliseconds()
		if r.Idempotency.TTL > 0 {
			c.Keep = r.Idempotency.TTL.Milliseconds()
		}
	}
	c.Legs = c.Legs[:0]
	for i := range r.Legs {
		l := &x.legs[i]
		if l.state == audit.LegSkipped {
			continue
		}
		// By the body and not by the attempt: a proxy that counts the attempts
		// otherwise, because the store is away or an operator has freed the key
		// in error, sends the same sale under the same key.
		l.key = x.letters("leg", []byte(x.key), x.mac, []byte(r.Legs[i].Name))
		if i != r.Primary {
			held := x.hold(i)
			held.Group, l.ordered = x.group(i)
			c.Legs = append(c.Legs, held)
		}
	}
	x.address()
	c.Primary = x.holdPrimary()
	if x.follows != nil {
		c.Decides = x.follows.decision()
	}
}

// compose makes the unit of the attempt. It is a call of its own so that its
// frame, and those above it, do not stand under what waits.
//
//go:noinline
func (x *exchange) compose() {
	x.sit()
	u := x.unit
	resetUnit(u)
	x.arena = x.arena[:0]
	r := &x.p.plan.Routes[x.route]
	c := &x.claim
	c.At = x.wall.UnixMilli()
	x.names = store.NamesIn(x.noted(store.AppendNames(x.text, x.key, x.attempt)), x.key)
	command(u, store.SetOnce).Key = x.names.Claim
	if len(c.Legs) > 0 || c.Primary != nil {
		x.placeHeld()
	}
	if r.Followed != nil && x.hasKey {
		x.keepSale()
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
	doubt := command(u, store.QueueAdd)
	doubt.Queue, doubt.Member, doubt.Score = store.Doubt, x.names.Doubt, c.At
	x.addLegs(entry)
	for i := range x.legs {
		switch l := &x.legs[i]; {
		case l.unwanted:
			x.leftOut(entry, i)
		case l.state != audit.LegSkipped:
			entry.Prepared = append(entry.Prepared, l.prepared...)
		}
	}
	u.Entries = append(u.Entries, x.sealEntry(entry))
}

// leftOut adds to an entry that a leg's condition did not hold. That is decided
// once: a delivery does not ask again.
//
//go:noinline
func (x *exchange) leftOut(entry *audit.Entry, i int) {
	to := x.p.plan.Destinations[x.p.plan.Routes[x.route].Legs[i].Destination].Name
	entry.Decisions = append(entry.Decisions, audit.Decision{Rule: audit.Name(x.legRule(i) + whenRule), Form: audit.Name(rules.Drop.String()), To: audit.Name(to), Count: 1})
}

// placeHeld adds what the held legs have in the store besides the claim.
//
//go:noinline
func (x *exchange) placeHeld() {
	c := &x.claim
	for i := range c.Legs {
		held := &c.Legs[i]
		if !x.legs[held.Leg].ordered {
			held.Group = x.groupOfRequest(held.Leg)
		}
		x.placeLarge(held)
	}
	if c.Primary != nil {
		x.placeLarge(c.Primary)
	}
}

// command adds a command to a unit, to be filled in.
func command(u *store.Unit, kind store.Kind) *store.Command {
	n := len(u.Commands)
	if n == cap(u.Commands) {
		u.Commands = slices.Grow(u.Commands, 4)
	}
	u.Commands = u.Commands[:n+1]
	c := &u.Commands[n]
	*c = store.Command{Kind: kind}
	return c
}

// placeLarge adds the register of a large body to the unit.
func (x *exchange) placeLarge(held *heldLeg) {
	if held.Large {
		x.placeApart(held)
	}
}

//go:noinline
func (x *exchange) placeApart(held *heldLeg) {
	key := store.RequestBodyKey(x.key, x.attempt, held.Leg, x.id)
	c := command(x.unit, store.SetOnce)
	c.Key, c.Value = key, x.s.ring.Seal(nil, held.Body, []byte(key))
}

// whenRule ends the name of a leg's condition, as decisions and refusals have it.
const whenRule = ".when"

// hold describes a leg that waits for the outcome.
//
//go:noinline
func (x *exchange) hold(i int) heldLeg {
	r := &x.p.plan.Routes[x.route]
	spec, l := &r.Legs[i], &x.legs[i]
	to := x.p.plan.Destinations[spec.Destination].Name
	held := heldLeg{Leg: i, Name: spec.Name, To: to, Method: x.method(spec), Target: string(l.target), Key: l.key,
		HasBody: x.hasBody, Body: l.body, Large: len(l.body) > largeBody}
	for _, f := range l.fields {
		held.Fields = append(held.Fields, heldField{f.name, string(f.value)})
	}
	l.forms = l.forms[:0]
	for _, d := range l.view.Chosen() {
		f := heldForm{d.Label, d.Form}
		if d.Label != "" && d.Form < rules.Drop && d.Rule != "keep" && !slices.Contains(l.forms, f) {
			l.forms = append(l.forms, f)
		}
	}
	held.Forms = l.forms
	return held
}

// group names the order in which a leg goes: that of the sale which the request
// follows; by the route's order value for its destination; or with those that
// will follow. Else it is groupOfRequest's to say, for each attempt anew.
func (x *exchange) group(i int) (group string, found bool) {
	r := &x.p.plan.Routes[x.route]
	to := []byte(x.p.plan.Destinations[r.Legs[i].Destination].Name)
	if x.follows != nil {
		return x.s.saleGroup(&x.follows.sale, x.follows.key, to), true
	}
	if r.Order != nil {
		if value, ok := x.req.Order(); ok {
			return x.s.letters("order", to, value), true
		}
	}
	if r.Followed != nil && x.hasKey {
		return x.s.saleGroup(nil, x.key, to), true
	}
	return "", false
}

// groupOfRequest names the order of a leg where several of the request go to one
// destination.
func (x *exchange) groupOfRequest(i int) string {
	r := &x.p.plan.Routes[x.route]
	for j := range r.Legs {
		if j != i && j != r.Primary && r.Legs[j].Destination == r.Legs[i].Destination {
			to := x.p.plan.Destinations[r.Legs[i].Destination].Name
			return x.s.letters("order of a request", []byte(to), []byte(x.key), []byte(itoa(x.attempt)))
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
	x.arena = x.s.sealing().SealSame(x.arena, e, &x.same)
	return x.arena[from:len(x.arena):len(x.arena)]
}

// newEntry starts an entry about the request in the exchange's own Entry.
func (x *exchange) newEntry(kind audit.Kind, result audit.Result, code reason.Code) *audit.Entry {
	x.look()
	return x.entryNow(kind, result, code)
}

// entryNow is newEntry where the clock was looked at a moment ago. The entry
// stands on the slate.
//
//go:noinline
func (x *exchange) entryNow(kind audit.Kind, result audit.Result, code reason.Code) *audit.Entry {
	x.sit()
	e := &x.entry
	legs, made, tokens := e.Legs[:0], e.Prepared[:0], e.Tokens[:0]
	*e = audit.Entry{}
	e.Legs, e.Prepared, e.Tokens = legs, made, tokens
	e.Time, e.Kind, e.Request, e.Origin = x.wall, kind, audit.ID(x.id), x.origin
	e.Plan, e.Key, e.Subject = audit.ID(x.p.plan.Hash), audit.ID(x.key), audit.ID(x.subject)
	e.Result, e.Reason = result, code
	e.Took, e.Waited = audit.MicrosOf(x.at.Sub(x.start)), audit.MicrosOf(x.waited)
	if x.key != "" {
		e.Attempt = x.attempt
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
