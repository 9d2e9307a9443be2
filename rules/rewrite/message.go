package rewrite

import "chaperone/rules"

// Message is the reusable scratch of one body: tape, spans, arenas, token
// operations. It is not safe for concurrent use. Byte slices that its methods
// return are borrowed from it or from the body, and valid until Reset.
type Message struct {
	ops []TokenOp
}

// Reset forgets the body and zeroes every buffer that held text of it.
func (m *Message) Reset() { m.ops = m.ops[:0] }

// IdempotencyKey returns the value at the route's idempotency key path: the
// decoded text of a string, the literal of a number. ok is false where the
// route names none, and where the value is absent or of another kind.
func (m *Message) IdempotencyKey() (value []byte, ok bool) { return nil, false }

// Subject returns the value at the route's subject path, as IdempotencyKey
// does.
func (m *Message) Subject() (value []byte, ok bool) { return nil, false }

// Order returns the value at the route's order path, as IdempotencyKey does.
func (m *Message) Order() (value []byte, ok bool) { return nil, false }

// HasClass reports whether any line item is of the class.
func (m *Message) HasClass(c rules.ClassID) bool { return false }

// AppendMACInput appends the body in an unambiguous form, without whitespace
// between tokens, the members that the route's idempotency ignores, and every
// sad value. Its use is a MAC that tells a repeat from another body.
func (m *Message) AppendMACInput(dst []byte) []byte { return dst }

// Succeeded reports whether the scanned answer, which came with this HTTP
// status, is what the route's success asks for.
func (m *Message) Succeeded(status int) bool { return false }

// Ops returns the token operations of all views decided so far, for a
// Resolver. The slice is the Message's own: results are written into it.
func (m *Message) Ops() []TokenOp { return m.ops }
