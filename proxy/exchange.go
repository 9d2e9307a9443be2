package proxy

import (
	"net/netip"
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault/letters"
)

// exchange is the state of one request. It is pooled, and holds what outlives a
// wait: all else stands on its slate. What held bodies is zeroed before it is
// used again.
//
// Whenever a wait is over its memory is cold. What is asked for at every step
// stands together, in as few lines of the processor's cache as it needs.
type exchange struct {
	s       *Server
	p       *policy
	ctx     *inbound
	*slate  // nil: none; see sit and rise
	unit    *store.Unit
	caller  int
	route   int
	attempt int // A

	term   uint64        // of the lease under which the claim was made
	waited time.Duration // for the primary
	code   reason.Code
	bodyIn int // the length of the body
	taken  int // of the room for large bodies

	hasKey  bool // the caller gave an idempotency key
	hasBody bool
	read    bool // all of it
	lent    bool // what is to be sent yet is the request's own body, as it stands on the slate
	kept    bool // asked is what is left of the body for the answer
	blind   bool // what was looked up last is what this process knows: the store is away
	keeps   bool // ofSale and keptText are of this one

	// How far it got, for whoever has to clean up.
	called bool // the primary may have seen a byte
	final  bool // its outcome, or the doubt about it, is stored or will be
	shown  bool // the caller gets what the engine made of the primary's answer

	at     time.Time // the clock, as it was looked at last
	wall   time.Time // the server's clock, at the same time; at, unless a test has given it another
	head   int       // where the message begins in wire
	bodyAt int       // where its body does

	// What few requests have, and each asks for.
	follows *following                          // the sale that the request follows; nil: none
	again   *again                              // nil: the attempt is the request's own
	watch   func(class rules.ClassID, rule int) // is told of line items; nil: nobody
	parcels []*parcel                           // of the legs that are being released
	id      string                              // Chaperone-Request-Id
	spooled time.Time                           // when the claim went to local disk; zero: it did not
	awaited []*parcel                           // of parcels, those that the answer waits for
	asked   *rewrite.Message                    // what is left of the body for the answer, if kept says so
	owed    store.Command                       // stores the subject's id, where that is new

	start   time.Time
	key     string // K
	names   store.Names
	legs    []leg
	arena   []byte // what the unit's sealed values stand in
	wire    []byte // the primary's message, behind some room; see message.go
	tail    []byte // the rest of it, where the body is not in wire
	text    []byte // ids and keys of the request, and such; no byte of it is ever written again
	mac     []byte // of the body
	origin  netip.Addr
	subject string
	same    audit.Same // what the entries about it have in common

	call   call // of the primary
	resp   fasthttp.Response
	tokens resolver
	answer storedAnswer
	claim  claim
	target target

	ofSale   saleRecord // what is kept of this one for those that follow it
	keptText []byte     // its text in the claim
}

// leg is what becomes of one leg of the route in this request.
type leg struct {
	state    audit.LegState
	unwanted bool // skipped: its condition does not hold
	status   int
	key      string
	body     []byte           // rendered; the request's own bytes where nothing changes
	prepared []audit.Prepared // what was decided about it, for the log
	target   []byte
	fields   []field
	view     *rewrite.View // on the slate
	buf      []byte        // what body stands in, where that is of its own
	texts    []byte        // what the fields' values stand in
	forms    []heldForm
	parts    []part
	ordered  bool // the order in which it goes is no matter of the attempt
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
func (s *Server) begin(ctx *inbound) *exchange {
	x, ok := s.exchanges.Get().(*exchange)
	if !ok {
		x = &exchange{s: s, unit: new(store.Unit)}
		x.call.resp, x.call.may = &x.resp, x.mayCall
	}
	x.p = s.policy.Load()
	x.ctx = ctx
	x.text = make([]byte, 0, textRoom)
	x.id = x.noted(letters.AppendRandom(x.text, idLetters))
	x.start = x.look()
	x.waited = 0
	x.origin = ctx.origin
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
	x.rise()
	// Nothing is behind the length of these.
	clear(x.wire[x.head:])
	x.wire, x.head = kept(x.wire), 0
	x.arena = kept(x.arena) // sealed
	for i := range x.legs {
		x.legs[i].reset(s)
	}
	x.legs = x.legs[:0]
	x.tokens.reset()
	clear(x.resp.Body())
	x.resp.Reset()
	x.claim.Legs, x.claim.Primary, x.claim.Sale = x.claim.Legs[:0], nil, nil
	x.claim.Decides = saleDecision{}
	resetUnit(x.unit)
	x.answer.Fields = x.answer.Fields[:0]
	x.ctx, x.p, x.tail = nil, nil, nil
	x.id, x.key, x.subject, x.mac = "", "", "", x.mac[:0]
	x.hasBody, x.read, x.hasKey, x.lent, x.called, x.final, x.shown, x.code = false, false, false, false, false, false, false, reason.None
	if x.taken > 0 {
		x.leave(0)
	}
	x.endRare()
	s.exchanges.Put(x)
}

// endRare is end for what few requests have.
func (x *exchange) endRare() {
	if x.keeps {
		x.keptText, x.keeps = wipe(x.keptText), false
		clear(x.ofSale.Shares)
	}
	if len(x.parcels) > 0 {
		x.handOver(false) // a fault of ours came between
	}
	if x.owed.Kind != 0 {
		x.owed = store.Command{}
	}
	if x.kept {
		x.asked.Reset()
		x.kept = false
	}
	x.follows, x.again, x.awaited, x.watch, x.spooled = nil, nil, nil, nil, time.Time{}
}

// reset leaves nothing of a request in a leg.
func (l *leg) reset(s *Server) {
	clear(l.buf)
	l.buf, l.texts, l.target = s.keep(l.buf), empty(l.texts), empty(l.target)
	l.body, l.key, l.view, l.status, l.ordered = nil, "", nil, 0, false
	l.prepared, l.fields, l.parts, l.forms = l.prepared[:0], l.fields[:0], l.parts[:0], l.forms[:0]
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
		x.legs[i].view = x.slate.view(x.p.engine, i)
	}
}

// textRoom is what the ids, keys and names of a request with one leg have room
// in, and where its legs stand.
const textRoom = idLetters + 5*keyLetters + 108

// noted takes what was appended to x.text as a text of its own: nobody writes
// into that again.
func (x *exchange) noted(more []byte) string {
	from := len(x.text)
	if len(more) == from || cap(more) != cap(x.text) {
		return string(more[from:])
	}
	x.text = more
	return unsafe.String(&more[from], len(more)-from)
}

// letters is the server's, for a text that is kept with the request.
func (x *exchange) letters(purpose string, parts ...[]byte) string {
	return x.noted(x.s.appendLetters(x.text, purpose, parts...))
}
