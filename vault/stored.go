package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"chaperone/store"
	"chaperone/vault/letters"
)

// How a vaulted token is made:
//
//  1. The fingerprint register of the value says which token it has. The name
//     of that register is a keyed hash, its content the sealed token.
//  2. Where there is none, a random token is reserved: an opaque id by the
//     fingerprint register itself, in the same round trip; digits, which may
//     be another value's already, by their own register first.
//  3. The reservations end by themselves. The unit that records the request
//     stores the value and takes the end away; until then nobody saw the token.
//
// Whoever reads a fingerprint has a token that is reserved for that very value:
// of two proxies that race, the second takes the first one's. While it is young
// its maker may yet fail, so the second stores the value too.

const (
	// reservation is how long a token waits for the unit that stores it.
	reservation = 10 * time.Minute
	// young is how old a fingerprint may be that could be a reservation, with
	// room for clocks that differ.
	young = 2 * reservation
	// maxCandidates bounds the tries to find digits that are free; then the
	// token is an opaque id.
	maxCandidates = 32
)

// Young reports whether a token is so young that a request may be about to
// store its value again.
func Young(r *Record, now time.Time) bool { return now.Sub(r.Created) < young }

const purposeFingerprint = "token fingerprint"

// VaultedMint asks for the vaulted token of one value.
type VaultedMint struct {
	Label    string
	Tag      [4]byte
	Shape    Shape // where not Opaque, Value is a card's digits
	TTL      time.Duration
	Card     bool // Value is a card's digits
	Fragment bool
	Value    []byte // borrowed until StoreVaulted

	// Token and Index (its IndexKey) are the results. Fresh says that the
	// value had no token.
	Token []byte
	Index string
	Fresh bool

	scope       string
	fingerprint string
	created     time.Time
	young       bool   // or fresh: the unit has to store it
	digits      []byte // the candidate
	spare       string // the register of a token that is not needed
}

// BeginVaulted returns the command of the first round trip.
func (t *Tokens) BeginVaulted(m *VaultedMint, now time.Time) store.Command {
	m.scope, m.created = string(t.scope), now
	flags := []byte{byte(m.Shape), 0}
	if m.Fragment {
		flags[1] = 1
	}
	mac := t.ring.MAC(nil, purposeFingerprint, t.scope, []byte(m.Label), flags, m.Value)
	m.fingerprint = string(letters.Encode(nil, mac[:indexBytes]))
	if m.Shape != Opaque {
		return store.Command{Kind: store.Get, Key: store.FingerprintKey(m.scope, m.fingerprint)}
	}
	m.digits, _ = candidate(nil, Opaque, m.Tag, nil) // an opaque id always can be made
	return t.reserve(m)
}

// reserve is the command that makes the candidate the token of the value.
func (t *Tokens) reserve(m *VaultedMint) store.Command {
	key := store.FingerprintKey(m.scope, m.fingerprint)
	plain := binary.BigEndian.AppendUint64(nil, uint64(m.created.UnixMilli()))
	return store.Command{Kind: store.SetOnce, Key: key, TTL: reservation, Value: t.ring.Seal(nil, append(plain, m.digits...), []byte(key))}
}

// TakeVaulted takes the reply to the command of BeginVaulted. open says that
// FinishVaulted has to go on.
func (t *Tokens) TakeVaulted(m *VaultedMint, c *store.Command) (open bool, err error) {
	switch {
	case c.Kind == store.Get && c.Found, c.Kind == store.SetOnce && !c.Won:
		return false, t.takePrior(m, c)
	case c.Kind == store.SetOnce:
		m.take(t, m.digits)
		m.Fresh, m.young = true, true
		return false, nil
	}
	return true, nil
}

// takePrior takes the token that the value has already.
func (t *Tokens) takePrior(m *VaultedMint, c *store.Command) error {
	plain, err := t.ring.Open(nil, c.Prior, []byte(c.Key))
	if err != nil || len(plain) < 8 {
		return errRecord
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
	m.young = m.created.Sub(made) < young
	if m.young {
		m.created = made
	}
	m.take(t, plain[8:])
	return nil
}

func (m *VaultedMint) take(t *Tokens, token []byte) {
	m.Token = token
	m.Index = string(t.IndexKey(nil, token))
}

// FinishVaulted finds tokens of digits that are free, for mints that
// TakeVaulted left open, in two more round trips for all of them, and two more
// for each time that chance picks a token that is in use. Apply is a Driver's.
func (t *Tokens) FinishVaulted(ctx context.Context, apply func(context.Context, []store.Command) error, open []*VaultedMint) error {
	waiting := append([]*VaultedMint(nil), open...)
	for try := 0; len(waiting) > 0; try++ {
		var cmds []store.Command
		for _, m := range waiting {
			shape := m.Shape
			if try >= maxCandidates {
				shape = Opaque
			}
			var err error
			if m.digits, err = candidate(nil, shape, m.Tag, m.Value); err != nil {
				return err
			}
			h := string(t.IndexKey(nil, m.digits))
			key := store.VaultedKey(m.scope, h)
			r := m.record(m.digits)
			cmds = append(cmds,
				store.Command{Kind: store.SetOnce, Key: key, TTL: reservation, Value: t.sealVaulted(key, &r, m.Value)},
				store.Command{Kind: store.Get, Key: store.TokenKey(m.scope, h)}) // revoked: never again
		}
		if err := applyAll(ctx, apply, cmds); err != nil {
			return err
		}
		var next []*VaultedMint
		for i, m := range waiting {
			if !cmds[2*i].Won || cmds[2*i+1].Found {
				next = append(next, m)
			}
		}
		waiting = next
	}
	cmds := make([]store.Command, len(open))
	for i, m := range open {
		cmds[i] = t.reserve(m)
	}
	if err := applyAll(ctx, apply, cmds); err != nil {
		return err
	}
	for i, m := range open {
		if !cmds[i].Won {
			m.spare = store.VaultedKey(m.scope, string(t.IndexKey(nil, m.digits)))
			if err := t.takePrior(m, &cmds[i]); err != nil {
				return err
			}
			continue
		}
		m.take(t, m.digits)
		m.Fresh, m.young = true, true
	}
	return nil
}

func (m *VaultedMint) record(token []byte) Record {
	r := Record{Label: m.Label, Format: "vaulted", Shape: m.Shape, Card: m.Card, Fragment: m.Fragment,
		Created: m.created, Fingerprint: m.fingerprint}
	if m.TTL > 0 {
		r.Expires = m.created.Add(m.TTL)
	}
	if token[0] <= '9' {
		r.Last4 = string(token[len(token)-last:])
	}
	return r
}

// StoreVaulted appends the commands that store the value of a minted token, for
// the unit that records why it was made. There are none for one that is stored
// already.
func (t *Tokens) StoreVaulted(dst []store.Command, m *VaultedMint) []store.Command {
	if m.spare != "" {
		dst = append(dst, store.Command{Kind: store.Delete, Key: m.spare})
	}
	if !m.young {
		return dst
	}
	key, f := store.VaultedKey(m.scope, m.Index), store.FingerprintKey(m.scope, m.fingerprint)
	r := m.record(m.Token)
	stay := store.Command{Kind: store.Persist}
	if m.TTL > 0 {
		stay = store.Command{Kind: store.Expire, TTL: m.TTL.Round(time.Millisecond)}
	}
	value, finger := stay, stay
	value.Key, finger.Key = key, f
	return append(dst, store.Command{Kind: store.SetOnce, Key: key, TTL: m.TTL.Round(time.Millisecond), Value: t.sealVaulted(key, &r, m.Value)}, value, finger)
}

// applyAll does commands, and gives the first one's refusal as an error.
func applyAll(ctx context.Context, apply func(context.Context, []store.Command) error, cmds []store.Command) error {
	err := apply(ctx, cmds)
	for i := range cmds {
		err = errors.Join(err, cmds[i].Err)
	}
	return err
}
