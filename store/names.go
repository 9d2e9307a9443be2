package store

import (
	"errors"
	"strconv"
	"strings"
)

// ClaimKey names the claim register of attempt a (from 1) at idempotency key
// k, which is letters.
func ClaimKey(k string, a int) string { return register(k, 'c', a) }

// Names are the names of what every attempt has in the store.
type Names struct {
	Claim   string // ClaimKey
	Outcome string // OutcomeKey
	Doubt   string // DoubtMember
}

// NamesOf gives the names of attempt a at key k. They share one allocation.
func NamesOf(k string, a int) Names {
	var room [3 * nameRoom]byte
	return NamesIn(string(AppendNames(room[:0], k, a)), k)
}

// AppendNames appends the text that NamesIn finds the names of attempt a at key
// k in.
func AppendNames(dst []byte, k string, a int) []byte {
	dst = appendRegister(dst, k, 'c', a)
	dst = appendRegister(dst, k, 'o', a)
	dst = append(dst, k...)
	dst = append(dst, '|')
	return strconv.AppendInt(dst, int64(a), 10)
}

// NamesIn gives the names in a text that AppendNames has appended for key k. They
// borrow from it.
func NamesIn(text, k string) Names {
	// The digits of the attempt stand in each of the three.
	digits := (len(text) - 2*(len(registerBegin)+len(k)+len(registerEnd)) - len(k) - 1) / 3
	register := len(registerBegin) + len(k) + len(registerEnd) + digits
	return Names{Claim: text[:register], Outcome: text[register : 2*register], Doubt: text[2*register:]}
}

// UnknownKey names the register that says why the outcome of attempt a is
// not known.
func UnknownKey(k string, a int) string { return register(k, 'u', a) }

// OutcomeKey names the outcome register of attempt a.
func OutcomeKey(k string, a int) string { return register(k, 'o', a) }

// PendingKey names the register that says that the primary left attempt a
// open: a later call decides it.
func PendingKey(k string, a int) string { return register(k, 'p', a) }

// AgainKey names the register by which somebody takes it upon himself, for a
// while, to send the primary of attempt a again.
func AgainKey(k string, a int) string { return register(k, 'r', a) }

// SaleKey names the register of what is kept of a completed sale for the calls
// that follow it.
func SaleKey(k string) string { return "{r." + k + "}:s" }

// AliasKey names the register that says which key a destination's alias stands
// for, or the key in a body where a header gave another; h is the keyed hash of
// destination and alias, or of that key, in letters.
func AliasKey(h string) string { return "a:" + h }

// DeliveryKey names the register that says how leg n of attempt a ended.
func DeliveryKey(k string, a, n int) string {
	return legRegister(k, 'd', a, n)
}

// TrialKey names the register that says how often leg n of attempt a was tried
// in vain, and why.
func TrialKey(k string, a, n int) string {
	return legRegister(k, 'f', a, n)
}

// BodyKey names the register of the large body of leg n of attempt a, which is
// written before the claim is won. Two requests that claim the same attempt
// would write over each other's; RequestBodyKey keeps them apart.
func BodyKey(k string, a, n int) string {
	return legRegister(k, 'b', a, n)
}

// RequestBodyKey is BodyKey for one request: id is its own, and is kept in its
// claim. What a request that lost leaves behind ends by itself, and is in
// nobody's way.
func RequestBodyKey(k string, a, n int, id string) string {
	return BodyKey(k, a, n) + "." + id
}

// isBodyKey tells whether a register is one of BodyKey or RequestBodyKey.
func isBodyKey(key string) bool {
	return strings.HasPrefix(key, "{r.") && strings.Contains(key, "}:b.")
}

// TokenKey names the known-token entry of a token in a scope; h is the keyed
// hash of the token, in letters. Each has a slot of its own, so that they
// spread over a Cluster.
func TokenKey(scope, h string) string { return "t:" + scope + ":" + h }

// AppendTokenKey appends what stands before h in TokenKey's name.
func AppendTokenKey(dst []byte, scope string) []byte {
	return append(append(append(dst, "t:"...), scope...), ':')
}

// VaultedKey names the register of a vaulted token: its sealed value. h is the
// keyed hash of the token, in letters.
func VaultedKey(scope, h string) string { return "v:" + scope + ":" + h }

// FingerprintKey names the register that says which vaulted token a value has
// already; f is the keyed hash of the value, in letters.
func FingerprintKey(scope, f string) string { return "f:" + scope + ":" + f }

// CounterKey names a counter of what a party did in a stretch of time.
func CounterKey(what, party string, stretch int64) string {
	return "n:" + what + ":" + party + ":" + strconv.FormatInt(stretch, 10)
}

// SubjectKey names the register of a subject's random id; h is letters.
func SubjectKey(h string) string { return "s:" + h }

// MetaKey names a register of which there is one per store.
func MetaKey(name string) string { return "m:" + name }

// AliveKey names the register that a chain's process renews while it lives.
func AliveKey(chain string) string { return "{" + chain + "}:alive" }

// CheckpointKey names the register of a chain's newest checkpoint.
func CheckpointKey(chain string) string { return "{" + chain + "}:cp" }

// CutKey names the register that says up to where a chain was archived. It
// stays when all else of the chain is gone.
func CutKey(chain string) string { return "{" + chain + "}:cut" }

// logKey names the stream of a chain.
func logKey(chain string) string { return "{" + chain + "}:log" }

// nameRoom is as much as most names of registers need; longer ones are made with
// one allocation more.
const nameRoom = 64

// What stands before the key in a register's name, and behind it (of some sort).
const (
	registerBegin = "{r."
	registerEnd   = "}:x."
)

func register(k string, sort byte, a int) string {
	var room [nameRoom]byte
	return string(appendRegister(room[:0], k, sort, a))
}

func legRegister(k string, sort byte, a, n int) string {
	var room [nameRoom]byte
	b := appendRegister(room[:0], k, sort, a)
	b = append(b, '.')
	return string(strconv.AppendInt(b, int64(n), 10))
}

func appendRegister(dst []byte, k string, sort byte, a int) []byte {
	dst = append(dst, registerBegin...)
	dst = append(dst, k...)
	dst = append(dst, '}', ':', sort, '.')
	return strconv.AppendInt(dst, int64(a), 10)
}

// parseClaimKey is the inverse of ClaimKey.
func parseClaimKey(key string) (Ref, bool) {
	rest, ok := strings.CutPrefix(key, "{r.")
	if !ok {
		return Ref{}, false
	}
	k, attempt, ok := strings.Cut(rest, "}:c.")
	if !ok || k == "" {
		return Ref{}, false
	}
	a, err := strconv.Atoi(attempt)
	if err != nil || a < 1 {
		return Ref{}, false
	}
	return Ref{K: k, A: a}, true
}

// RefOf tells of a register of an attempt whose it is, and of which sort: the
// letter behind the key, as in ClaimKey ('c') or OutcomeKey ('o').
func RefOf(key string) (ref Ref, sort byte, ok bool) {
	rest, ok := strings.CutPrefix(key, "{r.")
	if !ok {
		return Ref{}, 0, false
	}
	k, rest, ok := strings.Cut(rest, "}:")
	if !ok || k == "" || len(rest) < 3 || rest[1] != '.' {
		return Ref{}, 0, false
	}
	a, err := strconv.Atoi(rest[2:])
	if err != nil || a < 1 {
		return Ref{}, 0, false
	}
	return Ref{K: k, A: a}, rest[0], true
}

// Ref names a claim: attempt A at idempotency key K.
type Ref struct {
	K string
	A int
}

// DoubtMember names a claim in the queue Doubt.
func DoubtMember(k string, a int) string { return k + "|" + strconv.Itoa(a) }

// ParseDoubt is the inverse of DoubtMember.
func ParseDoubt(member string) (Ref, error) {
	k, attempt, ok := strings.Cut(member, "|")
	a, err := strconv.Atoi(attempt)
	if !ok || k == "" || err != nil || a < 1 {
		return Ref{}, errMember
	}
	return Ref{K: k, A: a}, nil
}

// Member names a leg in the queues Due and Dead: leg N of attempt A at key K,
// for the destination Dest. Legs of one destination with the same Group
// (letters; empty: none) are sent one after another, in the order in which
// they reached the store.
type Member struct {
	Dest  string
	K     string
	A, N  int
	Group string
}

// String gives the member as the queues hold it: dest|K|A|N, and @group.
func (m Member) String() string {
	var room [2 * nameRoom]byte
	b := room[:0]
	b = append(b, m.Dest...)
	b = append(b, '|')
	b = append(b, m.K...)
	b = append(b, '|')
	b = strconv.AppendInt(b, int64(m.A), 10)
	b = append(b, '|')
	b = strconv.AppendInt(b, int64(m.N), 10)
	if m.Group != "" {
		b = append(b, '@')
		b = append(b, m.Group...)
	}
	return string(b)
}

// ParseMember is the inverse of Member.String.
func ParseMember(s string) (Member, error) {
	var m Member
	rest, n, ok := cutLast(s, '|')
	if !ok {
		return m, errMember
	}
	n, group, grouped := strings.Cut(n, "@")
	rest, a, ok := cutLast(rest, '|')
	if !ok || (grouped && group == "") {
		return m, errMember
	}
	dest, k, ok := cutLast(rest, '|')
	if !ok || dest == "" || k == "" {
		return m, errMember
	}
	var errA, errN error
	m.A, errA = strconv.Atoi(a)
	m.N, errN = strconv.Atoi(n)
	if errA != nil || errN != nil || m.A < 1 || m.N < 0 {
		return m, errMember
	}
	m.Dest, m.K, m.Group = dest, k, group
	return m, nil
}

// hasGroup tells whether a member belongs to an ordered group.
func hasGroup(member string) bool {
	return strings.LastIndexByte(member, '@') > strings.LastIndexByte(member, '|')
}

// groupOf names the ordered group of a member, which no other destination
// shares; empty when it has none.
func groupOf(member string) string {
	if !hasGroup(member) {
		return ""
	}
	return destOf(member) + groupTail(member)
}

// groupTail gives the group of a member that has one, with the @ before it.
func groupTail(member string) string { return member[strings.LastIndexByte(member, '@'):] }

// destOf gives the destination of a member of Due or Dead.
func destOf(member string) string {
	end := len(member)
	for range 3 {
		end = strings.LastIndexByte(member[:end], '|')
		if end < 0 {
			return ""
		}
	}
	return member[:end]
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

var (
	errKind     = errors.New("store: command of no known kind")
	errNoKey    = errors.New("store: command without a key")
	errNoMember = errors.New("store: queue command without a queue or a member")
	errTTL      = errors.New("store: time to live is negative, missing or not whole milliseconds")
	errScore    = errors.New("store: score out of range")
	errMember   = errors.New("store: malformed queue member")
)
