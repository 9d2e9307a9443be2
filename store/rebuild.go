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
	// Fix is done whatever is found.
	Fix []Command
	// End, where it is not nil, is asked what to do once every leg of Legs has a
	// delivery register, whose values it is given in their order.
	End func(ended [][]byte) []Command
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
	Ended      int // claims of which nothing waited, and that were over
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
	var found []Index
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
		fixes = append(fixes, x.Fix...)
		found = append(found, x)
	}
	due, err := r.undelivered(ctx, found)
	if err != nil {
		return err
	}
	if fixes = append(fixes, due...); len(fixes) == 0 {
		return nil
	}
	return applyAll(ctx, r.d, fixes)
}

// undelivered gives the additions for legs that are neither delivered nor
// dead, and what there is to do about claims that are over; legs of groups are
// put by.
func (r *rebuild) undelivered(ctx context.Context, found []Index) ([]Command, error) {
	var done []Command
	for _, x := range found {
		for _, l := range x.Legs {
			done = append(done, Command{Kind: Get, Key: DeliveryKey(l.Member.K, l.Member.A, l.Member.N)})
		}
	}
	if len(done) > 0 {
		if err := applyAll(ctx, r.d, done); err != nil {
			return nil, err
		}
	}
	var fixes []Command
	for _, x := range found {
		over := true
		ended := make([][]byte, len(x.Legs))
		for i, l := range x.Legs {
			ended[i] = done[i].Prior
			over = over && done[i].Found
			if !done[i].Found {
				fixes = r.waits(fixes, l)
			}
		}
		done = done[len(x.Legs):]
		if over && x.End != nil {
			if end := x.End(ended); len(end) > 0 {
				r.Ended++
				fixes = append(fixes, end...)
			}
		}
	}
	return fixes, nil
}

// waits adds a leg that is not delivered.
func (r *rebuild) waits(fixes []Command, l Leg) []Command {
	member := l.Member.String()
	if r.dead[member] {
		return fixes
	}
	r.Due++
	add := Command{Kind: QueueAdd, Queue: Due, Member: member, Score: l.Due}
	if l.Member.Group != "" {
		r.grouped = append(r.grouped, add)
		return fixes
	}
	return append(fixes, add)
}
