package store

import (
	"cmp"
	"context"
	"slices"
)

// Index is what belongs in the queues for one claim.
type Index struct {
	// Since is when the claim was made, in Unix milliseconds.
	Since int64
	// Legs are those that its outcome released; those that have a delivery
	// register are left out by Rebuild.
	Legs []Leg
}

// Leg is a released leg, and when it became due, in Unix milliseconds.
type Leg struct {
	Member Member
	Due    int64
}

// Indexer reads a claim, whose registers only their writer can open. An error
// leaves the claim out.
type Indexer func(c *Claim) (Index, error)

// Rebuilt counts what Rebuild found.
type Rebuilt struct {
	Claims     int // that exist
	Open       int // of these, without an outcome
	Due        int // legs neither delivered nor given up
	Unreadable int // claims that the Indexer did not take
}

const rebuildPage = 500

// Rebuild restores the queues from the registers: what is missing is added,
// and what is there keeps its place. It needs no pause: a worker may deliver
// meanwhile, since what it finds done it leaves. Ordered groups get their order
// by Leg.Due; what is in a group already comes first.
func Rebuild(ctx context.Context, d Driver, index Indexer) (Rebuilt, error) {
	r := rebuild{d: d, index: index}
	var err error
	if r.dead, err = r.readDead(ctx); err != nil {
		return r.Rebuilt, err
	}
	for cursor, more := "", true; more; more = cursor != "" {
		var refs []Ref
		if refs, cursor, err = d.ScanClaims(ctx, cursor, rebuildPage); err != nil {
			return r.Rebuilt, err
		}
		if err := r.page(ctx, refs); err != nil {
			return r.Rebuilt, err
		}
	}
	slices.SortStableFunc(r.grouped, func(a, b Command) int { return cmp.Compare(a.Score, b.Score) })
	for page := range slices.Chunk(r.grouped, rebuildPage) {
		if err := applyAll(ctx, d, page); err != nil {
			return r.Rebuilt, err
		}
	}
	return r.Rebuilt, nil
}

// rebuild is one run of Rebuild.
type rebuild struct {
	Rebuilt
	d       Driver
	index   Indexer
	dead    map[string]bool
	grouped []Command // wait until all are known, and in order
}

// readDead reads the legs that were given up, which stay where they are: only
// the queue knows of them.
func (r *rebuild) readDead(ctx context.Context) (map[string]bool, error) {
	dead := make(map[string]bool)
	for cursor, more := "", true; more; more = cursor != "" {
		items, next, err := r.d.QueueList(ctx, Dead, "", cursor, rebuildPage)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			dead[it.Member] = true
		}
		cursor = next
	}
	return dead, nil
}

// page restores what belongs to some claims.
func (r *rebuild) page(ctx context.Context, refs []Ref) error {
	claims, err := LoadClaims(ctx, r.d, refs)
	if err != nil {
		return err
	}
	var fixes []Command
	var legs []Leg
	for i := range claims {
		c := &claims[i]
		if c.Value == nil {
			continue // ended since it was found
		}
		r.Claims++
		x, err := r.index(c)
		if err != nil {
			r.Unreadable++
			continue
		}
		member := DoubtMember(c.K, c.A)
		if c.Outcome == nil {
			r.Open++
			fixes = append(fixes, Command{Kind: QueueAdd, Queue: Doubt, Member: member, Score: x.Since})
			continue
		}
		fixes = append(fixes, Command{Kind: QueueRemove, Queue: Doubt, Member: member})
		legs = append(legs, x.Legs...)
	}
	due, err := r.undelivered(ctx, legs)
	if err != nil {
		return err
	}
	if fixes = append(fixes, due...); len(fixes) == 0 {
		return nil
	}
	return applyAll(ctx, r.d, fixes)
}

// undelivered gives the additions for legs that are neither delivered nor
// dead; those of groups are put by.
func (r *rebuild) undelivered(ctx context.Context, legs []Leg) ([]Command, error) {
	if len(legs) == 0 {
		return nil, nil
	}
	done := make([]Command, len(legs))
	for i, l := range legs {
		done[i] = Command{Kind: Get, Key: DeliveryKey(l.Member.K, l.Member.A, l.Member.N)}
	}
	if err := applyAll(ctx, r.d, done); err != nil {
		return nil, err
	}
	var due []Command
	for i, l := range legs {
		member := l.Member.String()
		if done[i].Found || r.dead[member] {
			continue
		}
		r.Due++
		add := Command{Kind: QueueAdd, Queue: Due, Member: member, Score: l.Due}
		if l.Member.Group != "" {
			r.grouped = append(r.grouped, add)
		} else {
			due = append(due, add)
		}
	}
	return due, nil
}
