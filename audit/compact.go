package audit

import (
	"encoding/binary"
	"math"
	"time"

	"chaperone/rules/reason"
)

// The stored form of an entry; the package's documentation draws it. All that
// is a number in it is frozen: tests hold each against what it stood for when
// it was first written.

// layoutCompact is the first byte of the stored form. A text begins with '{'.
const layoutCompact = 2

// What an entry has besides its kind and time, in the order in which it stands.
const (
	hasAction = 1 << iota
	hasChain
	hasRequest
	hasCaller
	hasOrigin4
	hasOrigin16
	hasRoute
	hasPlan
	hasPurpose
	hasSubject
	hasKey
	hasAttempt
	hasResult
	hasReason
	hasRule
	hasPattern
	hasStatus
	hasUpstream
	hasTook
	hasWaited
	hasRepeats
	hasBuild
	hasTarget
	hasWhy
	hasLegs
	hasDecisions
	hasTokens
	hasChains
	hasFarTime // the time is in seconds and nanoseconds
	hasNothingElse
)

// nearTime bounds the times that are written as nanoseconds since 1970, in
// seconds: some year beyond 2200.
const nearTime = 1 << 33

// AppendCompact appends the entry's stored form to dst, which says the same as
// Append's text, with the same texts redacted: what it is parsed from makes no
// difference to a reader.
func (e *Entry) AppendCompact(dst []byte) []byte {
	return new(encoder).append(dst, e, nil, nil)
}

// encoder writes entries in their stored form. It is used again, for one entry
// at a time. What stays in it of an entry are names of the policy.
type encoder struct {
	b    []byte
	mask uint32

	names *Names
	given []uint8 // by symbol of names: its slot plus one
	slots [maxSlots]slot
	used  int
	loose bool // a slot's text is no symbol

	chain      ID // of which chainCoded is the stored form
	chainCoded []byte
	coded      []byte // scratch

	refrains [1 << refrainBits]refrain // by the upper bits of their hashes
}

// append appends an entry, whose names may be among those of a policy; names
// may be nil, and so may same.
func (w *encoder) append(dst []byte, e *Entry, names *Names, same *Same) []byte {
	w.b, w.mask = dst, 0
	base := len(dst)
	w.begin(names)
	w.head(e)
	w.request(e, same)
	w.ending(e)
	if !w.refrain(e) {
		w.lists(e)
	}
	binary.LittleEndian.PutUint32(w.b[base+1:], w.mask)
	dst, w.b = w.b, nil
	w.end()
	return dst
}

// head writes what every entry has.
func (w *encoder) head(e *Entry) {
	head := [14]byte{layoutCompact, 5: byte(e.Kind)}
	t := e.Time
	s := t.Unix()
	if s < 0 || s >= nearTime {
		w.farHead(e)
		return
	}
	binary.LittleEndian.PutUint64(head[6:], uint64(s)*uint64(time.Second)+uint64(t.Nanosecond()))
	w.b = append(w.b, head[:]...)
}

// farHead is head for a time that is not near.
func (w *encoder) farHead(e *Entry) {
	w.mask |= hasFarTime
	t := yearOfFour(e.Time)
	w.b = append(w.b, layoutCompact, 0, 0, 0, 0, byte(e.Kind))
	w.b = binary.LittleEndian.AppendUint64(w.b, uint64(t.Unix()))
	w.b = binary.LittleEndian.AppendUint32(w.b, uint32(t.Nanosecond()))
}

// request writes whose entry it is, and about what.
func (w *encoder) request(e *Entry, same *Same) {
	w.word(hasAction, byte(e.Action))
	if same == nil {
		w.about(e)
	} else if !w.same(same, e) {
		from, before := len(w.b), w.mask
		w.about(e)
		same.keep(w, e, from, before)
	}
	w.number(hasAttempt, int64(e.Attempt))
}

// about writes what the entries about one request have in common.
//
//go:noinline
func (w *encoder) about(e *Entry) {
	if e.Chain != "" {
		w.mask |= hasChain
		if e.Chain == w.chain {
			w.raw(w.chainCoded)
		} else {
			w.b = appendID(w.b, e.Chain)
		}
	}
	w.id(hasRequest, e.Request)
	w.name(hasCaller, e.Caller)
	if e.Origin.IsValid() {
		if a := e.Origin.Unmap(); a.Is4() {
			w.mask |= hasOrigin4
			four := a.As4()
			w.raw(four[:])
		} else {
			w.mask |= hasOrigin16
			sixteen := a.As16()
			w.raw(sixteen[:])
		}
	}
	w.name(hasRoute, e.Route)
	if e.Plan != "" {
		w.mask |= hasPlan
		if w.names != nil && e.Plan == w.names.plan {
			w.raw(w.names.planCoded)
		} else {
			w.b = appendID(w.b, e.Plan)
		}
	}
	w.name(hasPurpose, e.Purpose)
	w.id(hasSubject, e.Subject)
	w.id(hasKey, e.Key)
}

// ending writes what came of it.
func (w *encoder) ending(e *Entry) {
	w.word(hasResult, byte(e.Result))
	if e.Reason != reason.None {
		w.mask |= hasReason
		n := reasonNumbers[e.Reason]
		if w.b = append(w.b, n); n == 0 {
			w.b = appendID(w.b, ID(e.Reason))
		}
	}
	w.name(hasRule, e.Rule)
	w.name(hasPattern, e.Pattern)
	w.number(hasStatus, int64(e.Status))
	w.number(hasUpstream, int64(e.Upstream))
	w.number(hasTook, int64(e.Took))
	w.number(hasWaited, int64(e.Waited))
	w.number(hasRepeats, int64(e.Repeats))
	w.name(hasBuild, e.Build)
	w.name(hasTarget, e.Target)
	w.name(hasWhy, e.Why)
}

// lists writes what there may be several of.
//
//go:noinline
func (w *encoder) lists(e *Entry) {
	w.legs(e)
	if n := len(e.Decisions) + len(e.Prepared); n > 0 {
		w.count(hasDecisions, n)
		w.decisions(e)
	}
	if len(e.Tokens) > 0 {
		w.count(hasTokens, len(e.Tokens))
		for i := range e.Tokens {
			w.token(&e.Tokens[i])
			w.b = appendID(w.b, e.Tokens[i].Key)
		}
	}
	if len(e.Chains) > 0 {
		w.count(hasChains, len(e.Chains))
		for i := range e.Chains {
			w.stretch(&e.Chains[i])
		}
	}
}

// token writes a token but for its key, which stands behind it.
func (w *encoder) token(t *Token) {
	w.text(t.Scope)
	w.text(t.Label)
	w.text(t.Format)
}

func (w *encoder) word(bit uint32, v byte) {
	if v != 0 {
		w.mask |= bit
		w.b = append(w.b, v)
	}
}

func (w *encoder) number(bit uint32, n int64) {
	if n > 0 {
		w.mask |= bit
		w.varint(uint64(n))
	}
}

func (w *encoder) count(bit uint32, n int) {
	w.mask |= bit
	w.varint(uint64(n))
}

// varint and raw are calls: most numbers and ids of an entry are empty, and what
// is not run is not to stand between what is.
//
//go:noinline
func (w *encoder) varint(n uint64) { w.b = binary.AppendUvarint(w.b, n) }

//go:noinline
func (w *encoder) raw(b []byte) { w.b = append(w.b, b...) }

func (w *encoder) id(bit uint32, id ID) {
	if id != "" {
		w.mask |= bit
		w.b = appendID(w.b, id)
	}
}

func (w *encoder) name(bit uint32, text Name) {
	if text != "" {
		w.mask |= bit
		w.text(text)
	}
}

// What the first byte of a leg says besides its state.
const (
	legState     = 0x0f
	legSame      = 0x10 // the destination has the leg's name
	legHasStatus = 0x20
	legHasTries  = 0x40
)

func (w *encoder) legs(e *Entry) {
	if len(e.Legs) > 0 {
		w.count(hasLegs, len(e.Legs))
		for i := range e.Legs {
			w.leg(&e.Legs[i])
		}
	}
}

func (w *encoder) leg(l *Leg) {
	name, to := w.find(l.Name), found{}
	head := min(byte(l.State), legState)
	if l.To == l.Name {
		head |= legSame
	} else if to = w.find(l.To); to.text == name.text {
		head |= legSame
	}
	if l.Status > 0 {
		head |= legHasStatus
	}
	if l.Tries > 0 {
		head |= legHasTries
	}
	w.b = append(w.b, head)
	w.put(name)
	if head&legSame == 0 {
		w.put(to)
	}
	if l.Status > 0 {
		w.b = binary.AppendUvarint(w.b, uint64(l.Status))
	}
	if l.Tries > 0 {
		w.b = binary.AppendUvarint(w.b, uint64(l.Tries))
	}
}

// What the first byte of a stretch says.
const (
	stretchHash = 1
	stretchFile = 2
)

func (w *encoder) stretch(c *Stretch) {
	var head byte
	if c.Hash != (Digest{}) {
		head |= stretchHash
	}
	if c.File != (Digest{}) {
		head |= stretchFile
	}
	w.b = append(w.b, head)
	w.b = appendID(w.b, c.Chain)
	w.b = binary.AppendUvarint(w.b, min(c.From, math.MaxInt64))
	w.b = binary.AppendUvarint(w.b, min(c.To, math.MaxInt64))
	if head&stretchHash != 0 {
		w.b = append(w.b, c.Hash[:]...)
	}
	if head&stretchFile != 0 {
		w.b = append(w.b, c.File[:]...)
	}
}
