package proxy

import (
	"bytes"

	"chaperone/audit"
	"chaperone/rules"
)

// claim is the content of a claim register: who made the attempt, of what, and
// the legs that wait for its outcome. It is sealed before it is stored; the
// body of a leg holds what its destination may see, and never sad values.
type claim struct {
	Request string // Chaperone-Request-Id: whose claim it is
	Chain   string // whose process made it
	At      int64  // Unix milliseconds
	Caller  string
	Route   string
	Plan    string
	Subject string
	Purpose string
	MAC     []byte // of the body, by which a repeat is known
	Keep    int64  // milliseconds for which the answer is kept; 0: it is not
	Legs    []heldLeg

	// Primary is the primary's call as it was rendered, for a route that is
	// replayed; nil for all others. It never holds sad values.
	Primary *heldLeg
	// Sale is what is kept of the sale once it is released, for the calls that
	// follow it, and SaleKeep for how many milliseconds; empty where the policy
	// has none that follow.
	Sale     []byte
	SaleKeep int64
	// Decides is the pending sale of another key that the request decides when
	// it succeeds; without a key: none.
	Decides saleDecision
}

// saleDecision is what a request makes of the sale that it follows.
type saleDecision struct {
	Key     string // K
	Attempt int    // A
	Result  audit.Result
}

// heldLeg is a leg that waits.
type heldLeg struct {
	Leg     int // N: its index in the route, at the time
	Name    string
	To      string // the destination, by name
	Method  string
	Target  string // path and query, behind the destination's own prefix
	Key     string // the Idempotency-Key that it bears, whenever it is sent
	Group   string // letters; legs of one destination and group go in order
	Fields  []heldField
	HasBody bool
	Large   bool   // the body is in its own register
	Body    []byte // what the destination may see
	Forms   []heldForm
}

type heldField struct{ Name, Value string }

// heldForm says that values of a label stand in the body in a form. At the
// delivery the plan of the day must still allow that much.
type heldForm struct {
	Label string
	Form  rules.Form
}

// The layouts of a claim. The second has the primary's call and the sale at
// its end, and what becomes of another sale. It is written only for what needs it: a proxy of the version before,
// on the same store, then still reads the others.
const (
	claimPlain byte = 1
	claimFull  byte = 2
)

func (c *claim) append(dst []byte) []byte {
	layout := claimPlain
	if c.Primary != nil || len(c.Sale) > 0 || c.Decides.Key != "" {
		layout = claimFull
	}
	dst = append(dst, layout)
	dst = appendTexts(dst, c.Request, c.Chain)
	dst = appendNumber(dst, uint64(c.At))
	dst = appendTexts(dst, c.Caller, c.Route, c.Plan, c.Subject, c.Purpose)
	dst = appendBytes(dst, c.MAC)
	dst = appendNumber(dst, uint64(c.Keep))
	dst = appendNumber(dst, uint64(len(c.Legs)))
	for i := range c.Legs {
		dst = c.Legs[i].append(dst)
	}
	if layout == claimPlain {
		return dst
	}
	return c.appendFull(dst)
}

// appendFull appends what a full claim has at its end.
//
//go:noinline
func (c *claim) appendFull(dst []byte) []byte {
	dst = appendFlag(dst, c.Primary != nil)
	if c.Primary != nil {
		dst = c.Primary.append(dst)
	}
	dst = appendBytes(dst, c.Sale)
	dst = appendNumber(dst, uint64(c.SaleKeep))
	dst = appendTexts(dst, c.Decides.Key)
	dst = appendNumber(dst, uint64(c.Decides.Attempt))
	return appendNumber(dst, uint64(c.Decides.Result))
}

//go:noinline
func (l *heldLeg) append(dst []byte) []byte {
	dst = appendNumber(dst, uint64(l.Leg))
	dst = appendTexts(dst, l.Name, l.To, l.Method, l.Target, l.Key, l.Group)
	dst = appendFields(dst, l.Fields)
	dst = appendFlag(dst, l.HasBody)
	dst = appendFlag(dst, l.Large)
	if l.Large {
		dst = appendNumber(dst, 0)
	} else {
		dst = appendBytes(dst, l.Body)
	}
	dst = appendNumber(dst, uint64(len(l.Forms)))
	for _, f := range l.Forms {
		dst = appendTexts(dst, f.Label)
		dst = appendNumber(dst, uint64(f.Form))
	}
	return dst
}

func appendFields(dst []byte, fields []heldField) []byte {
	dst = appendNumber(dst, uint64(len(fields)))
	for i := range fields {
		dst = appendTexts(dst, fields[i].Name, fields[i].Value)
	}
	return dst
}

// parse reads what append wrote. The claim's slices borrow from b.
func (c *claim) parse(b []byte) error {
	d := decoder{b: b}
	layout := d.versionOf(claimPlain, claimFull)
	*c = claim{Request: d.text(), Chain: d.text(), At: int64(d.number()), Caller: d.text(), Route: d.text(),
		Plan: d.text(), Subject: d.text(), Purpose: d.text(), MAC: d.bytes(), Keep: int64(d.number())}
	for n := d.count(); n > 0 && !d.bad; n-- {
		c.Legs = append(c.Legs, d.leg())
	}
	if layout == claimFull {
		if d.flag() {
			l := d.leg()
			c.Primary = &l
		}
		c.Sale, c.SaleKeep = d.bytes(), int64(d.number())
		c.Decides = saleDecision{Key: d.text(), Attempt: d.small(), Result: audit.Result(d.small())}
	}
	return d.done()
}

// leg reads what heldLeg.append wrote. Its slices borrow from the decoder's.
func (d *decoder) leg() heldLeg {
	l := heldLeg{Leg: d.small(), Name: d.text(), To: d.text(), Method: d.text(), Target: d.text(), Key: d.text(), Group: d.text()}
	for f := d.count(); f > 0 && !d.bad; f-- {
		l.Fields = append(l.Fields, heldField{d.text(), d.text()})
	}
	l.HasBody, l.Large, l.Body = d.flag(), d.flag(), d.bytes()
	for f := d.count(); f > 0 && !d.bad; f-- {
		l.Forms = append(l.Forms, heldForm{d.text(), rules.Form(d.small())})
	}
	return l
}

// outcome is the content of an outcome register.
type outcome struct {
	Owner    string // the request whose claim it ends; another's does not count, but see MAC
	By       string // who says so: byPrimary, "proxy", "replay", "follower" or "operator"
	At       int64  // Unix milliseconds
	Result   audit.Result
	Upstream int // HTTP status of the primary, 0: none
	Answer   *storedAnswer
	// MAC is that of the owner's body where its claim went to local disk, and
	// may lose to another one. If that has the same body, both have called the
	// primary under one key, and the outcome is that one's too. Empty: it is
	// the owner's alone.
	MAC []byte
}

// byPrimary says of an outcome that the request itself has it, by its primary's
// answer.
const byPrimary = "primary"

// ends reports whether the outcome is that of a claim.
func (o *outcome) ends(c *claim) bool {
	return o.Owner == c.Request || o.Result != audit.ResultVoid && len(o.MAC) > 0 && bytes.Equal(o.MAC, c.MAC)
}

// storedAnswer is the answer that a repeat of the request is given.
type storedAnswer struct {
	Status int
	// Sees is the clearance for which Body was rendered: who sees less, or
	// differently, is not given it.
	Sees   []byte
	Legs   string // Chaperone-Legs
	Reason string // why the body was withheld; empty: it was not
	Fields []heldField
	Body   []byte
	// Raw says that Body and Fields are the primary's own, and are yet to be
	// rendered for whoever asks. They hold no sad value and no card number.
	Raw bool
}

// The layouts of an outcome: the second says that its answer is raw, the third
// and fourth have a MAC after that.
const (
	outcomePlain byte = 1 + iota
	outcomeRaw
	outcomePlainMAC
	outcomeRawMAC
)

func (o *outcome) append(dst []byte) []byte {
	layout := outcomePlain
	if o.Answer != nil && o.Answer.Raw {
		layout = outcomeRaw
	}
	if len(o.MAC) > 0 {
		layout += outcomePlainMAC - outcomePlain
	}
	dst = append(dst, layout)
	dst = appendTexts(dst, o.Owner, o.By)
	dst = appendNumber(dst, uint64(o.At))
	dst = appendNumber(dst, uint64(o.Result))
	dst = appendNumber(dst, uint64(o.Upstream))
	dst = appendFlag(dst, o.Answer != nil)
	if a := o.Answer; a != nil {
		dst = appendNumber(dst, uint64(a.Status))
		dst = appendBytes(dst, a.Sees)
		dst = appendTexts(dst, a.Legs, a.Reason)
		dst = appendFields(dst, a.Fields)
		dst = appendBytes(dst, a.Body)
	}
	if len(o.MAC) > 0 {
		dst = appendBytes(dst, o.MAC)
	}
	return dst
}

// parse reads what append wrote. The outcome's slices borrow from b.
func (o *outcome) parse(b []byte) error {
	d := decoder{b: b}
	layout := d.versionOf(outcomePlain, outcomeRawMAC)
	raw := layout == outcomeRaw || layout == outcomeRawMAC
	*o = outcome{Owner: d.text(), By: d.text(), At: int64(d.number()), Result: audit.Result(d.small()), Upstream: d.small()}
	if d.flag() {
		a := &storedAnswer{Status: d.small(), Sees: d.bytes(), Legs: d.text(), Reason: d.text()}
		for n := d.count(); n > 0 && !d.bad; n-- {
			a.Fields = append(a.Fields, heldField{d.text(), d.text()})
		}
		a.Body, a.Raw = d.bytes(), raw
		o.Answer = a
	}
	if layout >= outcomePlainMAC {
		o.MAC = d.bytes()
	}
	return d.done()
}

// note is the content of an unknown or a delivery register: what was found,
// why, when.
type note struct {
	Owner  string
	At     int64
	Result audit.Result
	Reason string // a code of ours
	Status int    // HTTP status, 0: none
}

const noteVersion = 1

func (n *note) append(dst []byte) []byte {
	dst = append(dst, noteVersion)
	dst = appendTexts(dst, n.Owner)
	dst = appendNumber(dst, uint64(n.At))
	dst = appendNumber(dst, uint64(n.Result))
	dst = appendTexts(dst, n.Reason)
	return appendNumber(dst, uint64(n.Status))
}

func (n *note) parse(b []byte) error {
	d := decoder{b: b}
	d.version(noteVersion)
	*n = note{Owner: d.text(), At: int64(d.number()), Result: audit.Result(d.small()), Reason: d.text(), Status: d.small()}
	return d.done()
}
