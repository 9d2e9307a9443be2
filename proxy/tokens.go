package proxy

import (
	"context"
	"errors"

	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault"
	"chaperone/vault/letters"
)

// TokenScope is the scope of all tokens of a proxy: there is one as long as a
// proxy serves one clinic.
const TokenScope = "default"

// resolver carries out the token operations of one request. Minting needs no
// store: what was minted is noted in known, to be stored in the unit that
// records the request. Asking whether a token is known is gathered, so that
// one round trip answers for the whole message.
type resolver struct {
	s      *Server
	p      *policy
	reveal bool // this caller's tokens are turned back

	results []byte   // what Result of the operations stands in
	known   []string // index keys of minted card tokens
	reads   []store.Command
	asked   []int // reads[i] asks for the operation asked[i]; -1: for something else
}

func (r *resolver) reset() {
	r.results = wipe(r.results)
	r.known = r.known[:0]
	clear(r.reads[:cap(r.reads)])
	r.reads, r.asked = r.reads[:0], r.asked[:0]
	r.s, r.p = nil, nil
}

// Resolve sets the results of ops, which must stay where they are until the
// message is reset. The server's own context bounds it: a caller that goes
// away aborts nothing.
func (r *resolver) Resolve(_ context.Context, ops []rewrite.TokenOp) error {
	if err := r.begin(ops); err != nil {
		return err
	}
	if err := r.ask(); err != nil {
		return err
	}
	return r.finish(ops)
}

// begin does what needs no store, and gathers the rest.
func (r *resolver) begin(ops []rewrite.TokenOp) error {
	for i := range ops {
		op := &ops[i]
		if op.Result != nil || op.Unknown {
			continue
		}
		switch op.Kind {
		case rewrite.Mint:
			if err := r.mint(op); err != nil {
				return err
			}
		case rewrite.Alias:
			from := len(r.results)
			r.results = r.s.tokens.Alias(r.results, r.p.plan.Destinations[op.Destination].Name, op.Raw)
			op.Result = r.since(from)
		case rewrite.Reveal, rewrite.Known:
			r.open(i, op)
		}
	}
	return nil
}

// since returns what was appended to results from an offset on. It is a slice
// of its own: results may move when it grows, the old bytes stay valid.
func (r *resolver) since(from int) []byte { return r.results[from:len(r.results):len(r.results)] }

func (r *resolver) mint(op *rewrite.TokenOp) error {
	label := &r.p.plan.Labels[op.Label]
	from := len(r.results)
	if op.Format == rules.FormatPAN {
		var err error
		r.results, err = r.s.tokens.MintPAN(r.results, op.Raw)
		if err == nil {
			op.Result = r.since(from)
			r.known = append(r.known, r.index(op.Result))
			r.p.metrics.Minted(op.Label, 1)
			return nil
		}
		if !errors.Is(err, vault.ErrNotPAN) {
			return err
		}
		// A card whose first digit no card token can stand for.
		r.results = r.s.tokens.Seal(r.results[:from], label.Name, label.Tag, op.Raw, true, label.Join)
	} else {
		r.results = r.s.tokens.Seal(r.results, label.Name, label.Tag, op.Raw, op.Fragment, label.Join)
	}
	op.Result = r.since(from)
	r.p.metrics.Minted(op.Label, 1)
	return nil
}

// index returns the store's key for a card token.
func (r *resolver) index(token []byte) string {
	var buf [64]byte
	return store.TokenKey(TokenScope, string(r.s.tokens.IndexKey(buf[:0], token)))
}

// open turns back a sealed token, or notes what is to be asked about a card
// token. Who is nobody gets nothing turned back.
func (r *resolver) open(i int, op *rewrite.TokenOp) {
	if op.Kind == rewrite.Reveal && !r.reveal {
		r.unknown(op)
		return
	}
	if op.Format == rules.FormatPAN {
		r.reads = append(r.reads, store.Command{Kind: store.Get, Key: r.index(op.Raw)})
		r.asked = append(r.asked, i)
		return
	}
	from := len(r.results)
	var fragment bool
	var err error
	r.results, fragment, err = r.s.tokens.Unseal(r.results, r.p.plan.Labels[op.Label].Name, op.Raw)
	if err != nil {
		r.unknown(op)
		return
	}
	op.Fragment = fragment
	op.Result = r.since(from)
	if op.Kind == rewrite.Known {
		op.Result = op.Raw
		return
	}
	r.p.metrics.Revealed(op.Label, 1)
}

func (r *resolver) unknown(op *rewrite.TokenOp) {
	op.Unknown = true
	r.p.metrics.Unknown(op.Label, 1)
}

// ask sends what was gathered, in one round trip.
func (r *resolver) ask() error {
	if len(r.reads) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.s.work, storeTimeout)
	defer cancel()
	if err := r.s.driver.Apply(ctx, r.reads); err != nil {
		return err
	}
	for i := range r.reads {
		if r.reads[i].Err != nil {
			return r.reads[i].Err
		}
	}
	return nil
}

// finish turns back the card tokens that the index knows.
func (r *resolver) finish(ops []rewrite.TokenOp) error {
	for i, which := range r.asked {
		if which < 0 {
			continue
		}
		op := &ops[which]
		if !r.reads[i].Found {
			r.unknown(op)
			continue
		}
		if op.Kind == rewrite.Known {
			op.Result = op.Raw
			continue
		}
		from := len(r.results)
		var err error
		if r.results, err = r.s.tokens.RevealPAN(r.results, op.Raw); err != nil {
			r.unknown(op)
			continue
		}
		op.Result = r.since(from)
		r.p.metrics.Revealed(op.Label, 1)
	}
	r.reads, r.asked = r.reads[:0], r.asked[:0]
	return nil
}

// resolve carries out the operations of the request, and finds its subject, in
// one round trip at most.
func (x *exchange) resolve() *reason.Error {
	t := &x.tokens
	t.s, t.p, t.reveal = x.s, x.p, x.p.revealing(x.caller)
	ops := x.req.Ops()
	if err := t.begin(ops); err != nil {
		x.s.logger.Error("tokens cannot be made", "request", x.id, "error", err)
		return refuse(reason.Internal, "a token could not be made")
	}
	pending := x.findSubject()
	if err := t.ask(); err != nil {
		return refuse(reason.StoreUnavailable, "the store is away: nothing can be recorded, so nothing is forwarded")
	}
	if pending >= 0 {
		if e := x.learnSubject(&t.reads[pending]); e != nil {
			return e
		}
	}
	if err := t.finish(ops); err != nil {
		return refuse(reason.Internal, "a token could not be turned back")
	}
	return nil
}

// findSubject looks for the random id of the person whom the request is about.
// Where it is not at hand, it is made, and a command that stores or learns it
// joins the resolver's; its index is returned, else -1.
func (x *exchange) findSubject() int {
	if x.p.plan.Routes[x.route].Subject == nil {
		return -1
	}
	value, ok := x.req.Subject()
	if !ok {
		return -1
	}
	who := x.s.letters("subject", value)
	if id, ok := x.s.subjects.get(who); ok {
		x.subject = id
		return -1
	}
	key := store.SubjectKey(who)
	id := letters.Random(idLetters)
	// The value is kept beside the id, sealed, so that whoever has that right
	// can tell a person what was disclosed (45 CFR 164.528).
	plain := appendBytes(appendBytes(nil, id), value)
	x.tokens.reads = append(x.tokens.reads, store.Command{Kind: store.SetOnce, Key: key, Value: x.s.ring.Seal(nil, plain, []byte(key))})
	x.tokens.asked = append(x.tokens.asked, -1)
	clear(plain)
	x.subject = id
	return len(x.tokens.reads) - 1
}

// learnSubject takes the id that is in the store.
func (x *exchange) learnSubject(c *store.Command) *reason.Error {
	if !c.Won {
		plain, err := x.s.ring.Open(nil, c.Prior, []byte(c.Key))
		d := decoder{b: plain}
		id := d.text()
		if err != nil || d.bad {
			x.s.logger.Error("the register of a subject does not open", "request", x.id)
			return refuse(reason.Internal, "the register of a subject does not open")
		}
		clear(plain)
		x.subject = id
	}
	x.s.subjects.put(c.Key[len(store.SubjectKey("")):], x.subject)
	return nil
}
