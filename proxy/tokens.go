package proxy

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault"
)

// TokenScope is the scope of the tokens of callers and routes that name none.
const TokenScope = rules.DefaultScope

// resolver carries out the token operations of one request. Whatever needs the
// store is gathered, so that one round trip answers for the whole message: is
// a token known, is a card new, has a value a vaulted token already. What was
// minted is stored in the unit that records the request.
type resolver struct {
	s      *Server
	p      *policy
	tokens *vault.Tokens // of the scope
	scope  string
	caller int
	reveal bool // this caller's tokens are turned back
	now    time.Time

	results []byte // what Result of the operations stands in
	minted  []minted
	before  []minted // what the message before had: of an answer, the request's
	vaulted []*vault.VaultedMint
	reads   []store.Command
	asked   []ask // what reads[i] is for
	key     []byte

	fresh   int // values that had no token
	reveals int
	failed  int  // reveals
	arrived bool // some token did
	blind   bool // the store could not be asked
	local   bool // it was not: what was read is what this process knows

	gathered bool // reads holds something of the request, perhaps beyond its length
}

// minted is a token that a request made, or that its value had.
type minted struct {
	label  rules.LabelID
	format rules.TokenFormat
	index  string // its IndexKey

	// Of format pan:
	key   string // its register
	store bool   // which is not there yet
	token []byte // borrowed from results
	card         // which it stands for
}

// card is a card number. It outlives the message that held it.
type card struct {
	digits [maxDigits]byte
	n      int
}

// maxDigits is how long a card number is at most.
const maxDigits = 19

func theCard(raw []byte) (c card) {
	c.n = copy(c.digits[:], raw)
	return c
}

func (c *card) is(raw []byte) bool { return bytes.Equal(c.digits[:c.n], raw) }

// ask is what a read is for.
type ask struct {
	kind  askKind
	op    int // whose
	index string
	mint  *vault.VaultedMint
}

type askKind uint8

const (
	askOther    askKind = iota
	askMinted           // is the card token that op minted known, or revoked?
	askVaulted          // which token has the value of mint?
	askPAN              // is the card token that op reveals known?
	askRevoked          // is the sealed or vaulted token that op reveals?
	askValue            // what stands behind the vaulted token of op?
	askFormer           // as askPAN, for a label whose tokens were of format pan
	askFailures         // how many reveals of the caller have failed?
)

// errLimit says that the caller's limit is reached.
var errLimit = errors.New("proxy: the caller's limit of tokens is reached")

func (r *resolver) reset() {
	r.results = wipe(r.results)
	r.forget()
	clear(r.before)
	r.before = r.before[:0]
	if r.gathered {
		clear(r.reads[:cap(r.reads)])
		r.reads, r.asked, r.gathered = r.reads[:0], r.asked[:0], false
	}
	r.s, r.p, r.tokens = nil, nil, nil
}

// forget leaves out what was minted so far: it is stored. A card that comes
// again has its token still.
func (r *resolver) forget() {
	clear(r.before)
	r.minted, r.before = r.before[:0], r.minted
	clear(r.vaulted)
	r.vaulted = r.vaulted[:0]
	r.fresh, r.reveals, r.failed, r.arrived, r.blind, r.local = 0, 0, 0, false, false, false
}

// borrows reports whether something of the message is needed until what was
// minted is stored.
func (r *resolver) borrows() bool { return len(r.vaulted) > 0 }

// use takes a request's tokens to be of the scope of its caller and route.
func (r *resolver) use(x *exchange) {
	r.s, r.p, r.caller, r.now = x.s, x.p, x.caller, x.wall
	r.scope = x.p.plan.Scope(x.caller, x.route)
	r.tokens = x.s.tokensOf(r.scope)
	r.reveal = x.p.revealing(x.caller)
}

// tokensOf returns the tokens of a scope.
func (s *Server) tokensOf(scope string) *vault.Tokens {
	if scope == TokenScope {
		return s.tokens
	}
	if t, ok := s.scopes.Load(scope); ok {
		return t.(*vault.Tokens)
	}
	t, _ := s.scopes.LoadOrStore(scope, vault.New(s.ring, scope))
	return t.(*vault.Tokens)
}

// Resolve sets the results of ops, which must stay where they are until the
// message is reset. The server's own context bounds it: a caller that goes
// away aborts nothing.
func (r *resolver) Resolve(_ context.Context, ops []rewrite.TokenOp) error {
	if err := r.begin(ops); err != nil {
		return err
	}
	if err := r.ask(); err != nil {
		// A card token needs the store only to tell whether it is new; its
		// register is then stored with whatever records it.
		r.blind = true
		for i := range r.asked {
			if r.asked[i].kind != askMinted {
				return err
			}
			r.reads[i] = store.Command{Key: r.reads[i].Key}
		}
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
			if err := r.mint(i, op); err != nil {
				return err
			}
		case rewrite.Alias:
			from := len(r.results)
			r.results = r.tokens.Alias(r.results, r.p.plan.Destinations[op.Destination].Name, op.Raw)
			op.Result = r.since(from)
		case rewrite.Reveal, rewrite.Known:
			r.open(i, op)
		}
	}
	if r.arrived {
		r.gather(ask{kind: askFailures}, r.s.limiter.Failures(r.party().Name))
	}
	return nil
}

func (r *resolver) party() *rules.Caller { return &r.p.plan.Callers[r.caller] }

func (r *resolver) gather(a ask, c store.Command) {
	r.asked, r.reads, r.gathered = append(r.asked, a), append(r.reads, c), true
}

// since returns what was appended to results from an offset on. It is a slice
// of its own: results may move when it grows, the old bytes stay valid.
func (r *resolver) since(from int) []byte { return r.results[from:len(r.results):len(r.results)] }

func (r *resolver) mint(i int, op *rewrite.TokenOp) error {
	label := &r.p.plan.Labels[op.Label]
	r.p.metrics.Minted(op.Label, 1)
	switch op.Format {
	case rules.FormatPAN:
		if r.again(op) {
			return nil
		}
		from := len(r.results)
		var err error
		r.results, err = r.tokens.MintPAN(r.results, op.Raw)
		switch {
		case err == nil:
			op.Result = r.since(from)
			r.know(i, op)
			return nil
		case !errors.Is(err, vault.ErrNotPAN):
			return err
		}
		// A card whose first digit no card token can stand for.
	case rules.FormatVaulted:
		r.vault(i, op, label)
		return nil
	}
	r.seal(op, label, op.Fragment || op.Format == rules.FormatPAN)
	return nil
}

func (r *resolver) seal(op *rewrite.TokenOp, label *rules.Label, fragment bool) {
	from := len(r.results)
	r.results = r.tokens.Seal(r.results, label.Name, label.Tag, op.Raw, fragment, label.Join)
	op.Result = r.since(from)
}

// know notes a card token. Unless this process has seen it stored a moment
// ago, the store is asked: a card that it does not know counts as new, and one
// whose token was revoked gets a sealed one.
func (r *resolver) know(i int, op *rewrite.TokenOp) {
	r.key = store.AppendTokenKey(r.key[:0], r.scope)
	from := len(r.key)
	r.key = r.tokens.IndexKey(r.key, op.Result)
	key, recent := r.s.recent.get(r.key, r.now)
	if !recent {
		key = string(r.key)
		r.gather(ask{kind: askMinted, op: i, index: key[from:]}, store.Command{Kind: store.Get, Key: key})
	}
	m := r.another()
	m.label, m.format, m.index, m.key, m.token = op.Label, rules.FormatPAN, key[from:], key, op.Result
	m.card = theCard(op.Raw)
}

// another adds an empty minted.
func (r *resolver) another() *minted {
	n := len(r.minted)
	if n == cap(r.minted) {
		r.minted = slices.Grow(r.minted, 1)
	}
	r.minted = r.minted[:n+1]
	r.minted[n] = minted{}
	return &r.minted[n]
}

// again gives a card the token that it had in the message before, as an answer
// that shows the request's card does. It is known, or was stored.
func (r *resolver) again(op *rewrite.TokenOp) bool {
	for i := range r.before {
		if m := &r.before[i]; m.format == rules.FormatPAN && m.is(op.Raw) {
			op.Result = m.token
			r.minted = append(r.minted, minted{label: op.Label, format: m.format, index: m.index, key: m.key, card: m.card, token: m.token})
			return true
		}
	}
	return false
}

// shapes are the looks of vaulted tokens of digits.
func shapeOf(op *rewrite.TokenOp, v rules.Vaulted) vault.Shape {
	switch {
	case !op.Card:
		return vault.Opaque
	case v.Luhn:
		return vault.LuhnLast4
	case v.Keep == rules.KeepBIN6Last4:
		return vault.BIN6Last4
	}
	return vault.Last4
}

func (r *resolver) vault(i int, op *rewrite.TokenOp, label *rules.Label) {
	m := &vault.VaultedMint{Label: label.Name, Tag: label.Tag, Shape: shapeOf(op, label.Vaulted), TTL: label.Vaulted.TTL,
		Card: op.Card, Fragment: op.Fragment, Value: op.Raw}
	r.vaulted = append(r.vaulted, m)
	r.gather(ask{kind: askVaulted, op: i, mint: m}, r.tokens.BeginVaulted(m, r.now))
}

// index returns the keyed hash of a token.
func (r *resolver) index(token []byte) string {
	var buf [vault.IndexKeyLen]byte
	return string(r.tokens.IndexKey(buf[:0], token))
}

// open turns back a sealed token, or notes what is to be asked about one that
// is stored. Who is nobody gets nothing turned back.
func (r *resolver) open(i int, op *rewrite.TokenOp) {
	if op.Kind == rewrite.Reveal {
		if !r.reveal {
			r.unknown(op)
			return
		}
		r.reveals++
	}
	r.arrived = true
	index := r.index(op.Raw)
	known := store.Command{Kind: store.Get, Key: store.TokenKey(r.scope, index)}
	switch op.Format {
	case rules.FormatPAN:
		r.gather(ask{kind: askPAN, op: i, index: index}, known)
		return
	case rules.FormatVaulted:
		// A request that was under way when its token was revoked may have
		// stored it again: the mark comes first.
		r.gather(ask{kind: askRevoked, op: i, index: index}, known)
		r.gather(ask{kind: askValue, op: i, index: index}, store.Command{Kind: store.Get, Key: store.VaultedKey(r.scope, index)})
		if vault.IsPANToken(op.Raw) {
			r.gather(ask{kind: askFormer, op: i, index: index}, known)
		}
		return
	}
	from := len(r.results)
	var fragment bool
	var err error
	r.results, fragment, err = r.tokens.Unseal(r.results, r.p.plan.Labels[op.Label].Name, op.Raw)
	if err != nil {
		r.unknown(op)
		return
	}
	op.Fragment = fragment
	op.Result = r.since(from)
	r.gather(ask{kind: askRevoked, op: i, index: index}, known)
}

func (r *resolver) unknown(op *rewrite.TokenOp) {
	op.Unknown, op.Result = true, nil
	r.failed++
	r.p.metrics.Unknown(op.Label, 1)
}

// ask sends what was gathered, in one round trip.
func (r *resolver) ask() error {
	if len(r.reads) == 0 {
		return nil
	}
	var err error
	if r.local, err = r.s.read(r.reads); err != nil {
		return err
	}
	for i := range r.reads {
		if err := r.reads[i].Err; err != nil {
			return err
		}
	}
	return nil
}
