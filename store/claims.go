package store

import "context"

// Claim is what the registers tell of an attempt. The values are as they were
// written; nil where the register is not there.
type Claim struct {
	Ref
	Value   []byte // of the claim
	Unknown []byte
	Outcome []byte
	Pending []byte
}

// LoadClaims reads the registers of attempts, in one round trip.
func LoadClaims(ctx context.Context, d Driver, refs []Ref) ([]Claim, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	cmds := make([]Command, 0, 4*len(refs))
	for _, r := range refs {
		cmds = append(cmds,
			Command{Kind: Get, Key: ClaimKey(r.K, r.A)},
			Command{Kind: Get, Key: UnknownKey(r.K, r.A)},
			Command{Kind: Get, Key: OutcomeKey(r.K, r.A)},
			Command{Kind: Get, Key: PendingKey(r.K, r.A)})
	}
	if err := applyAll(ctx, d, cmds); err != nil {
		return nil, err
	}
	claims := make([]Claim, len(refs))
	for i, r := range refs {
		c := cmds[4*i:]
		claims[i] = Claim{Ref: r, Value: found(&c[0]), Unknown: found(&c[1]), Outcome: found(&c[2]), Pending: found(&c[3])}
	}
	return claims, nil
}

// found gives what a Get has read: nil only if nothing was there.
func found(c *Command) []byte {
	if c.Found && c.Prior == nil {
		return []byte{}
	}
	return c.Prior
}

// applyAll does commands, and gives the first one's refusal as an error.
func applyAll(ctx context.Context, d Driver, cmds []Command) error {
	if err := d.Apply(ctx, cmds); err != nil {
		return err
	}
	for i := range cmds {
		if cmds[i].Err != nil {
			return cmds[i].Err
		}
	}
	return nil
}

// OpenClaim is a claim without an outcome: pending if its Pending is there, in
// doubt if its Unknown is or its chain is dead, otherwise in flight.
type OpenClaim struct {
	Claim
	Since int64 // Unix milliseconds
}

// OpenClaims reads a page of the claims that have no outcome. The queue Doubt
// says where to look, the registers decide: a member that they do not bear out
// is taken out of the queue. Cursors and pages are as in Driver.QueueList.
func OpenClaims(ctx context.Context, d Driver, cursor string, max int) (open []OpenClaim, next string, err error) {
	items, next, err := d.QueueList(ctx, Doubt, "", cursor, max)
	if err != nil {
		return nil, "", err
	}
	var refs []Ref
	var since []int64
	var stale []Command
	for _, it := range items {
		r, err := ParseDoubt(it.Member)
		if err != nil {
			stale = append(stale, Command{Kind: QueueRemove, Queue: Doubt, Member: it.Member})
			continue
		}
		refs, since = append(refs, r), append(since, it.Score)
	}
	claims, err := LoadClaims(ctx, d, refs)
	if err != nil {
		return nil, "", err
	}
	for i, c := range claims {
		if c.Value == nil || c.Outcome != nil {
			stale = append(stale, Command{Kind: QueueRemove, Queue: Doubt, Member: DoubtMember(c.K, c.A)})
			continue
		}
		open = append(open, OpenClaim{Claim: c, Since: since[i]})
	}
	if len(stale) > 0 {
		if err := applyAll(ctx, d, stale); err != nil {
			return nil, "", err
		}
	}
	return open, next, nil
}

// AliveChains tells which of some chains have a lease, in one round trip.
func AliveChains(ctx context.Context, d Driver, chains []string) (map[string]bool, error) {
	if len(chains) == 0 {
		return nil, nil
	}
	cmds := make([]Command, len(chains))
	for i, id := range chains {
		cmds[i] = Command{Kind: Get, Key: AliveKey(id)}
	}
	if err := applyAll(ctx, d, cmds); err != nil {
		return nil, err
	}
	alive := make(map[string]bool, len(chains))
	for i, id := range chains {
		alive[id] = cmds[i].Found
	}
	return alive, nil
}
