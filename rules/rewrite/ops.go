package rewrite

import (
	"bytes"
	"context"
	"hash/maphash"

	"chaperone/rules"
	"chaperone/rules/detect"
)

// OpKind says what a TokenOp asks for.
type OpKind uint8

// The kinds of token operation.
const (
	// Mint asks for a token of Raw.
	Mint OpKind = iota
	// Reveal asks for the value behind the token in Raw.
	Reveal
	// Known asks whether the token in Raw, which stays as it is, is one of
	// ours: a forged one refuses the request.
	Known
	// Alias asks for the pseudonym of Raw at Destination.
	Alias
)

// String returns the kind's name, in lower case.
func (k OpKind) String() string {
	switch k {
	case Mint:
		return "mint"
	case Reveal:
		return "reveal"
	case Known:
		return "known"
	case Alias:
		return "alias"
	}
	return "unknown"
}

// TokenOp is one thing that a message asks of the vault. Equal operations of a
// message are one operation.
type TokenOp struct {
	Kind   OpKind
	Format rules.TokenFormat // pan, sealed, vaulted; alias for the kind Alias
	Label  rules.LabelID     // under which it is sealed; NoLabel for an alias by unlink
	// Destination is the index of the destination whose alias it is; -1 for
	// the other kinds.
	Destination int
	// Raw is borrowed from the Message and valid until its Reset. Mint of
	// format pan: the card's digits. Mint of format sealed or vaulted: the value's raw
	// JSON literal, or with Fragment the decoded text of a part of a string.
	// Reveal and Known: the token's text. Alias: the decoded text of a
	// string, the literal of any other value.
	Raw []byte
	// Fragment says that the plaintext is text and no JSON literal. It is set
	// by the engine for Mint; a Reveal's resolver sets it to what the token
	// says.
	Fragment bool
	// Card says of Mint that Raw are the digits of a card, whose vaulted token
	// is of digits too. A Reveal's resolver sets it where the Result is a
	// card's digits, whatever the token looks like.
	Card bool
	// Result is set by the Resolver, which owns it until the Message is
	// reset. Mint: digits, or letters of a sealed token or alias. Reveal:
	// digits, a JSON literal, or with Fragment text.
	Result []byte
	// Unknown is set by the Resolver where Reveal or Known failed: rendering
	// a view that holds the operation is refused with token_unknown.
	Unknown bool

	literal []byte           // Alias: the raw JSON value, which an answer gets back
	card    bool             // Alias: the value holds a card number
	found   detect.Detectors // Alias: it holds what they find
}

// Resolver carries out the token operations of one message.
type Resolver interface {
	// Resolve sets Result of every operation, or Unknown. An operation that
	// has a Result already is left alone. The error says that the vault or
	// its index could not be asked; no view of the message may be rendered
	// then.
	Resolve(ctx context.Context, ops []TokenOp) error
}

// opIndex finds equal operations: open addressing over their hashes, whose
// seed nobody outside knows.
type opIndex struct {
	seed   maphash.Seed
	seeded bool
	slots  []int32 // index plus one, zero for free
}

func (x *opIndex) reset() { clear(x.slots) }

// place returns the slot of an operation equal to op among ops, or the free
// one where it would go.
func (x *opIndex) place(ops []TokenOp, op *TokenOp) *int32 {
	mask := uint64(len(x.slots) - 1)
	for at := x.hash(op); ; at++ {
		slot := &x.slots[at&mask]
		if *slot == 0 || ops[*slot-1].equal(op) {
			return slot
		}
	}
}

func (x *opIndex) hash(op *TokenOp) uint64 {
	h := maphash.Bytes(x.seed, op.Raw)
	return h ^ uint64(op.Kind)<<1 ^ uint64(op.Label+1)<<8 ^ uint64(op.Destination+1)<<32
}

// grow keeps the table at most half full of the ops and one more.
func (x *opIndex) grow(ops []TokenOp) {
	if !x.seeded {
		x.seed, x.seeded = maphash.MakeSeed(), true
	}
	if 2*(len(ops)+1) <= len(x.slots) {
		return
	}
	x.slots = make([]int32, max(16, 2*len(x.slots)))
	for i := range ops {
		*x.place(ops, &ops[i]) = int32(i + 1)
	}
}

func (op *TokenOp) equal(o *TokenOp) bool {
	return op.Kind == o.Kind && op.Format == o.Format && op.Label == o.Label &&
		op.Destination == o.Destination && op.Fragment == o.Fragment && op.Card == o.Card && bytes.Equal(op.Raw, o.Raw)
}

// op adds an operation, or finds the one equal to it, and returns its index.
// Raw must be borrowed from the body or the arena.
func (m *Message) op(op TokenOp) int32 {
	m.index.grow(m.ops)
	slot := m.index.place(m.ops, &op)
	if *slot == 0 {
		m.ops = append(m.ops, op)
		*slot = int32(len(m.ops))
	} else if op.card || op.found != 0 {
		m.ops[*slot-1].card = m.ops[*slot-1].card || op.card
		m.ops[*slot-1].found |= op.found
	}
	return *slot - 1
}
