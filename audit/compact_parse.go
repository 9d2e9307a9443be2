package audit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"time"

	"chaperone/rules/reason"
)

// parseCompact reads the stored form of an entry. It takes only what
// AppendCompact writes, byte for byte. What it allocates is bounded by the
// length of b.
func parseCompact(b []byte) (Entry, error) {
	d := decoder{b: b[1:]}
	mask := d.mask()
	var e Entry
	e.Version = Version
	e.Kind = Kind(d.enum(len(kindNames.of)))
	d.time(&e, mask&hasFarTime != 0)
	d.request(&e, mask)
	d.ending(&e, mask)
	d.lists(&e, mask)
	if len(d.b) > 0 {
		d.fail("bytes after its end")
	}
	if d.why != "" {
		return Entry{}, fmt.Errorf("%w: %s, before byte %d", ErrFormat, d.why, len(b)-d.left)
	}
	if again := e.AppendCompact(make([]byte, 0, len(b))); !bytes.Equal(again, b) {
		return Entry{}, fmt.Errorf("%w: not as it is written", ErrFormat)
	}
	return e, nil
}

// decoder reads a stored form. After the first fault it reads zeros.
type decoder struct {
	b       []byte
	why     string // the fault
	left    int    // bytes when it was found
	slots   []Name
	scratch []byte
}

func (d *decoder) fail(why string) {
	if d.why == "" {
		d.why, d.left = why, len(d.b)
	}
	d.b = nil
}

// bytes returns the next n bytes, nil if there are not so many.
func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail("cut off")
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("cut off")
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uint(bytes int) (v uint64) {
	for i, c := range d.bytes(bytes) {
		v |= uint64(c) << (8 * i)
	}
	return v
}

func (d *decoder) mask() uint32 {
	mask := uint32(d.uint(4))
	if mask >= hasNothingElse {
		d.fail("a member that this program does not know")
	}
	return mask
}

// enum reads a number that has a name and is not zero.
func (d *decoder) enum(names int) byte {
	c := d.byte()
	if c == 0 || int(c) >= names {
		d.fail("a word that this program does not know")
	}
	return c
}

func (d *decoder) varint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > math.MaxInt64 {
		d.fail("a malformed number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// size reads a length of 1 to most.
func (d *decoder) size(most int) int {
	v := d.varint()
	if v == 0 || v > uint64(most) {
		d.fail("a length that none has")
		return 0
	}
	return int(v)
}

func (d *decoder) time(e *Entry, far bool) {
	if far {
		s, n := int64(d.uint(8)), d.uint(4)
		e.Time = time.Unix(s, int64(n)).UTC()
		return
	}
	v := d.uint(8)
	e.Time = time.Unix(int64(v/uint64(time.Second)), int64(v%uint64(time.Second))).UTC()
}

func (d *decoder) request(e *Entry, mask uint32) {
	if mask&hasAction != 0 {
		e.Action = Action(d.enum(len(actionNames.of)))
	}
	d.idIf(mask&hasChain, &e.Chain)
	d.idIf(mask&hasRequest, &e.Request)
	d.nameIf(mask&hasCaller, &e.Caller)
	if mask&hasOrigin4 != 0 {
		e.Origin, _ = netip.AddrFromSlice(d.bytes(4))
	}
	if mask&hasOrigin16 != 0 {
		e.Origin, _ = netip.AddrFromSlice(d.bytes(16))
	}
	d.nameIf(mask&hasRoute, &e.Route)
	d.idIf(mask&hasPlan, &e.Plan)
	d.nameIf(mask&hasPurpose, &e.Purpose)
	d.idIf(mask&hasSubject, &e.Subject)
	d.idIf(mask&hasKey, &e.Key)
	e.Attempt = d.intIf(mask & hasAttempt)
}

func (d *decoder) ending(e *Entry, mask uint32) {
	if mask&hasResult != 0 {
		e.Result = Result(d.enum(len(resultNames.of)))
	}
	if mask&hasReason != 0 {
		switch c := d.byte(); {
		case c == 0:
			e.Reason = reason.Code(d.id())
		case int(c) < len(reasonCodes):
			e.Reason = reasonCodes[c]
		default:
			d.fail("a reason that this program does not know")
		}
	}
	d.nameIf(mask&hasRule, &e.Rule)
	d.nameIf(mask&hasPattern, &e.Pattern)
	e.Status = d.intIf(mask & hasStatus)
	e.Upstream = d.intIf(mask & hasUpstream)
	e.Took = Micros(d.intIf(mask & hasTook))
	e.Waited = Micros(d.intIf(mask & hasWaited))
	e.Repeats = d.intIf(mask & hasRepeats)
	d.nameIf(mask&hasBuild, &e.Build)
	d.nameIf(mask&hasTarget, &e.Target)
	d.nameIf(mask&hasWhy, &e.Why)
}

func (d *decoder) idIf(has uint32, id *ID) {
	if has != 0 {
		*id = d.id()
	}
}

func (d *decoder) nameIf(has uint32, name *Name) {
	if has != 0 {
		*name = d.name()
	}
}

func (d *decoder) intIf(has uint32) int {
	if has == 0 {
		return 0
	}
	return int(d.varint())
}

// count reads how many there are of a list, each of which has some bytes.
func (d *decoder) count(has uint32, bytes int) int {
	if has == 0 {
		return 0
	}
	return d.size(len(d.b) / bytes)
}

func (d *decoder) lists(e *Entry, mask uint32) {
	if n := d.count(mask&hasLegs, 2); n > 0 {
		e.Legs = make([]Leg, n)
		for i := range e.Legs {
			e.Legs[i] = d.leg()
		}
	}
	if n := d.count(mask&hasDecisions, 2); n > 0 {
		e.Decisions = make([]Decision, n)
		var before Decision
		for i := range e.Decisions {
			e.Decisions[i] = d.decision(&before)
			before = e.Decisions[i]
		}
	}
	if n := d.count(mask&hasTokens, 4); n > 0 {
		e.Tokens = make([]Token, n)
		for i := range e.Tokens {
			e.Tokens[i] = Token{Scope: d.name(), Label: d.name(), Format: d.name(), Key: d.id()}
		}
	}
	if n := d.count(mask&hasChains, 4); n > 0 {
		e.Chains = make([]Stretch, n)
		for i := range e.Chains {
			e.Chains[i] = d.stretch()
		}
	}
}

func (d *decoder) leg() (l Leg) {
	head := d.byte()
	l.State = LegState(head & legState)
	if int(l.State) >= len(legStateNames.of) {
		d.fail("a leg's state that this program does not know")
	}
	l.Name = d.name()
	if l.To = l.Name; head&legSame == 0 {
		l.To = d.name()
	}
	l.Status, l.Tries = d.intIf(uint32(head&legHasStatus)), d.intIf(uint32(head&legHasTries))
	return l
}

func (d *decoder) decision(before *Decision) (x Decision) {
	head, more := d.byte(), d.byte()
	if head&ruleBits == ruleName {
		x.Rule = d.name()
	}
	x.Label = d.same(head&labelBits, labelSame, before.Label)
	x.Class = d.same(head&classBits, classSame, before.Class)
	if x.To = before.To; head&toName != 0 {
		x.To = d.name()
	}
	switch head & ruleBits {
	case ruleLabel:
		x.Rule = prefixLabel + x.Label
	case ruleClass:
		x.Rule = prefixClass + x.Class
	case ruleToken:
		x.Rule = prefixToken + x.Label
	}
	d.nameIf(uint32(head&patternHas), &x.Pattern)
	switch form := more & formBits; {
	case form == formName:
		x.Form = d.name()
	case int(form) < len(forms):
		x.Form = forms[form]
	default:
		d.fail("a form that this program does not know")
	}
	if x.Count = int(more >> countShift); x.Count == countMore {
		x.Count = int(d.varint())
	}
	return x
}

// same reads a name that may be that of the decision before.
func (d *decoder) same(bits, same byte, before Name) Name {
	switch bits {
	case 0:
		return ""
	case same:
		return before
	}
	return d.name()
}

func (d *decoder) stretch() Stretch {
	head := d.byte()
	c := Stretch{Chain: d.id(), From: d.varint(), To: d.varint()}
	if head&stretchHash != 0 {
		copy(c.Hash[:], d.bytes(len(c.Hash)))
	}
	if head&stretchFile != 0 {
		copy(c.File[:], d.bytes(len(c.File)))
	}
	return c
}
