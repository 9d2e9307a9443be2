package audit

import (
	"errors"
	"net/netip"
	"time"

	"chaperone/rules/reason"
)

// Version is the version of the text that Append writes.
const Version = 1

// Name is a text of the policy's author or of ours: the name of a caller, a
// route, a destination, a label, a rule, or a path pattern as the policy
// writes it. It is never made from bytes of a message.
//
// As a second line of defence Append and AppendCompact write Redacted in place
// of a Name that is longer than 256 bytes or holds twelve digits in a row,
// single spaces and dashes between them not counted: it may be a card number.
type Name string

// ID is an id of our own making: random, or a keyed hash, written in letters,
// digits, '_', '.', ':' and '-'. It is never made from bytes of a message.
// Append and AppendCompact write Redacted in place of an ID with any other
// character, of more than 128 bytes, or with twelve digits in a row.
type ID string

// Redacted stands in an entry where a Name or an ID was not one.
const Redacted = "!"

// Entry is one entry of the log. Empty members are left out of its text. An
// Entry holds no reference to a message, so it may outlive one.
type Entry struct {
	Version int       `json:"v"` // 0 stands for Version
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Action  Action    `json:"action"`
	Chain   ID        `json:"chain"` // of the process that made the entry; Seal sets it

	Request ID         `json:"request"` // Chaperone-Request-Id
	Caller  Name       `json:"caller"`  // by its name in the policy; "local:UID" on the control socket
	Origin  netip.Addr `json:"origin"`  // the peer's address, without port
	Route   Name       `json:"route"`
	Plan    ID         `json:"plan"` // Plan.Hash
	Purpose Name       `json:"purpose"`
	Subject ID         `json:"subject"` // random; see the register of subjects
	Key     ID         `json:"key"`     // K of the request's registers
	Attempt int        `json:"attempt"` // A, from 1; 0: none

	Result   Result      `json:"result"`
	Reason   reason.Code `json:"reason"`
	Rule     Name        `json:"rule"`           // that refused
	Pattern  Name        `json:"pattern"`        // the path pattern at which it refused
	Status   int         `json:"status"`         // HTTP status of the answer; 0: none
	Upstream int         `json:"upstream"`       // HTTP status of the primary; 0: none
	Took     Micros      `json:"took_us"`        // from the request's head to this entry
	Waited   Micros      `json:"waited_us"`      // of that, for the upstream
	Repeats  int         `json:"repeats"`        // further events like this one that are not recorded
	Build    Name        `json:"build"`          // start: the version of the program
	Target   Name        `json:"target"`         // admin: what was done something to, as in "pan generation 2"
	Why      Name        `json:"why"`            // admin: the reason that the operator gave, checked for card numbers
	Legs     []Leg       `json:"legs,omitempty"` // nil, never empty, where there are none

	Decisions []Decision `json:"decisions,omitempty"` // nil, never empty, where there are none
	Tokens    []Token    `json:"tokens,omitempty"`    // nil, never empty, where there are none

	// Prepared are decisions as well, behind Decisions. An entry that was read
	// has none.
	Prepared []Prepared `json:"-"`

	Chains []Stretch `json:"chains,omitempty"` // cut: the stretch that was archived; witness: heads of others. nil, never empty
}

// Stretch speaks of a part of a chain: in an entry of KindCut of the entries
// that a segment holds, in one of KindWitness of a signed head.
type Stretch struct {
	Chain ID     `json:"chain"`
	From  uint64 `json:"from"` // cut: the first entry; 0: none
	To    uint64 `json:"to"`   // cut: the last entry; witness: the head
	Hash  Digest `json:"hash"` // of the chain at To
	File  Digest `json:"file"` // cut: SHA-256 of the segment's file; zero: none
}

// Digest is a SHA-256 in an entry: 43 characters of base64url without padding.
// The zero Digest is none. It is never made from bytes of a message.
type Digest Hash

// MarshalText returns the digest's text.
func (d Digest) MarshalText() ([]byte, error) { return base64url.AppendEncode(nil, d[:]), nil }

// UnmarshalText reads the text of a digest.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := base64url.AppendDecode(nil, text)
	if err != nil || len(b) != len(d) {
		return errors.New("audit: malformed digest")
	}
	copy(d[:], b)
	return nil
}

// Token names a token that was made, revealed or revoked: never the token, and
// never what it stands for. From these the index of known tokens can be built
// again.
type Token struct {
	Scope  Name `json:"scope"`
	Label  Name `json:"label"`
	Format Name `json:"format"` // pan, sealed or vaulted
	Key    ID   `json:"key"`    // its keyed hash, as in the name of its register
}

// Leg is what an entry says of one leg.
type Leg struct {
	Name   Name     `json:"name"`
	To     Name     `json:"to"` // the destination
	State  LegState `json:"state"`
	Status int      `json:"status"` // HTTP status of the destination's answer; 0: none
	Tries  int      `json:"tries"`  // deliveries tried so far
}

// Decision is one recorded choice, for Count values or items alike: what bears
// Label (or is an item of Class) goes To a party in Form, because of Rule.
type Decision struct {
	Rule    Name `json:"rule"`
	Pattern Name `json:"pattern"` // of the policy, never of a body
	Label   Name `json:"label"`
	Class   Name `json:"class"`
	Form    Name `json:"form"`
	To      Name `json:"to"` // a destination; in an outcome entry, the caller
	Count   int  `json:"count"`
}

// Micros is a duration in whole microseconds, not negative.
type Micros int64

// MicrosOf rounds a duration down to microseconds; a negative one is 0.
func MicrosOf(d time.Duration) Micros { return Micros(max(0, d.Microseconds())) }

// Duration returns the duration.
func (m Micros) Duration() time.Duration { return time.Duration(m) * time.Microsecond }
