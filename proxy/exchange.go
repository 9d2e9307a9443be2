package proxy

import (
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/proxy/framing"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
	"chaperone/store"
)

// exchange is the state of one request. It is pooled: what held bodies is
// zeroed before it is used again.
type exchange struct {
	s   *Server
	p   *policy
	ctx *fasthttp.RequestCtx

	id     string // Chaperone-Request-Id
	start  time.Time
	at     time.Time     // the clock, as it was looked at last
	wall   time.Time     // the server's clock, at the same time; at, unless a test has given it another
	waited time.Duration // for the primary
	origin netip.Addr
	caller int
	route  int
	target target

	hasBody bool
	read    bool // all of it
	body    []byte
	taken   int // of the room for large bodies
	req     *rewrite.Message
	ans     *rewrite.Message
	ansView *rewrite.View
	legs    []leg

	hasKey  bool   // the caller gave an idempotency key
	key     string // K
	attempt int    // A
	names   store.Names
	term    uint64 // of the lease under which the claim was made
	mac     []byte // of the body
	subject string
	owed    store.Command // stores the subject's id, where the store was away
	spooled time.Time     // when the claim went to local disk; zero: it did not

	blind bool // what was looked up last is what this process knows: the store is away

	follows  *following // the sale that the request follows; nil: none
	kept     saleRecord // what is kept of this one for those that follow it
	keptText []byte     // its text in the claim

	tokens  resolver
	claim   claim
	again   *again    // nil: the attempt is the request's own
	parcels []*parcel // of the legs that are being released
	awaited []*parcel // of those among them that the answer waits for
	unit    *store.Unit
	arena   []byte // what the unit's sealed values stand in
	ad      []byte // the name of the register that is being sealed
	entry   audit.Entry
	scratch []byte // empty between its uses, and zeroed beyond its length
	value   []byte // of a header field of ours
	wire    []byte // the primary's message; before, what the body's MAC is of
	out     []byte // the answer
	resp    fasthttp.Response
	call    call
	may     func() bool // mayCall
	answer  storedAnswer

	// How far it got, for whoever has to clean up.
	called bool // the primary may have seen a byte
	final  bool // its outcome, or the doubt about it, is stored or will be
	code   reason.Code
}

// leg is what becomes of one leg of the route in this request.
type leg struct {
	state  audit.LegState
	view   *rewrite.View
	body   []byte // rendered; the request's own bytes where nothing changes
	buf    []byte // what body stands in, where something changed
	target []byte
	fields []field
	texts  []byte           // what the fields' values stand in
	chosen []rewrite.Chosen // the view's
	forms  []heldForm
	status int
	key    string
	parts  []part
}

// part is a text outside of the body, on its way to a leg.
type part struct {
	kind partKind
	name string
	text rewrite.Text
}

type partKind uint8

const (
	partCapture partKind = iota
	partQuery
	partHeader
)

// begin takes an exchange for a request.
func (s *Server) begin(ctx *fasthttp.RequestCtx) *exchange {
	x, ok := s.exchanges.Get().(*exchange)
	if !ok {
		x = &exchange{s: s, unit: new(store.Unit)}
		x.may = x.mayCall
	}
	x.p = s.policy.Load()
	if x.req == nil {
		x.req, x.ans, x.ansView = x.p.engine.NewMessage(), x.p.engine.NewMessage(), x.p.engine.NewView()
	}
	x.ctx = ctx
	x.id = s.newID()
	x.start = x.look()
	x.waited = 0
	if c, ok := ctx.Conn().(*framing.Conn); ok {
		x.origin = c.Origin()
	} else {
		x.origin = framing.Origin(ctx.RemoteAddr())
	}
	x.caller, x.route = noCaller, -1
	x.attempt = 1
	return x
}

// look reads the clock, into at and wall. A request takes microseconds between
// its steps: it looks where it has waited, and not at every step.
func (x *exchange) look() time.Time {
	x.looked(time.Now())
	return x.at
}

// looked is look for somebody who has read the clock.
func (x *exchange) looked(at time.Time) {
	x.at, x.wall = at, at
	if x.s.ownClock {
		x.wall = x.s.clock()
	}
}

// end gives an exchange back, with nothing of the request left in it.
func (s *Server) end(x *exchange) {
	x.req.Reset()
	x.ans.Reset()
	x.ansView.Reset()
	// Nothing is behind the length of these.
	clear(x.body)
	x.body, x.wire, x.scratch = s.keep(x.body), empty(x.wire), empty(x.scratch)
	x.out, x.keptText = wipe(x.out), wipe(x.keptText)
	clear(x.kept.Shares)
	x.follows = nil
	x.arena = kept(x.arena) // sealed
	for i := range x.legs {
		l := &x.legs[i]
		if l.view != nil {
			l.view.Reset()
		}
		clear(l.buf[:cap(l.buf)])
		l.buf, l.texts, l.target = s.keep(l.buf), wipe(l.texts), wipe(l.target)
		*l = leg{view: l.view, buf: l.buf, texts: l.texts, target: l.target, fields: l.fields[:0], parts: l.parts[:0], forms: l.forms[:0]}
	}
	x.legs = x.legs[:0]
	x.tokens.reset()
	x.handOver(false) // nothing is left, unless a fault of ours came between
	x.awaited, x.call = nil, call{}
	clear(x.resp.Body())
	x.resp.Reset()
	x.claim = claim{Legs: x.claim.Legs[:0]}
	x.again = nil
	resetUnit(x.unit)
	x.entry = audit.Entry{Legs: x.entry.Legs[:0], Prepared: x.entry.Prepared[:0], Tokens: x.entry.Tokens[:0]}
	x.ctx, x.p = nil, nil
	x.answer = storedAnswer{Fields: x.answer.Fields[:0]}
	x.id, x.key, x.names, x.subject, x.mac = "", "", store.Names{}, "", x.mac[:0]
	x.owed, x.spooled = store.Command{}, time.Time{}
	x.hasBody, x.read, x.hasKey, x.called, x.final, x.code = false, false, false, false, false, reason.None
	x.leave(0)
	s.exchanges.Put(x)
}

// keep gives back a zeroed buffer, empty, if it is to be used again with the
// exchange; a large one waits for the next large body.
func (s *Server) keep(b []byte) []byte {
	if cap(b) > keepBuffer {
		s.spares.give(b)
	}
	return kept(b)
}

// keepBuffer is the size above which a buffer is not used again.
const keepBuffer = 256 << 10

// kept gives back a buffer, empty, if it is to be used again.
func kept(b []byte) []byte {
	if cap(b) > keepBuffer {
		return nil
	}
	return b[:0]
}

// wipe zeroes a buffer and gives it back empty.
func wipe(b []byte) []byte {
	clear(b[:cap(b)])
	return kept(b)
}

// empty is wipe for a buffer that holds nothing behind its length.
func empty(b []byte) []byte {
	clear(b)
	return kept(b)
}

// rinse zeroes what was appended to a buffer and gives it back empty.
func rinse(b []byte) []byte {
	clear(b)
	return b[:0]
}

func resetUnit(u *store.Unit) {
	u.Entries = u.Entries[:0]
	u.Commands = u.Commands[:0]
}

// setLegs makes room for the legs of the route.
func (x *exchange) setLegs(n int) {
	if cap(x.legs) < n {
		grown := make([]leg, n)
		copy(grown, x.legs[:cap(x.legs)])
		x.legs = grown
	}
	x.legs = x.legs[:n]
	for i := range x.legs {
		if x.legs[i].view == nil {
			x.legs[i].view = x.p.engine.NewView()
		}
	}
}
