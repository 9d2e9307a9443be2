package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Line is one entry as a reader sees it. Fault is empty, or says why Entry is
// not there.
type Line struct {
	Chain string
	Seq   uint64
	Entry Entry
	Fault FindingKind // "", Unreadable or Malformed

	at time.Time // the latest time in its chain so far: orders lines of several chains
}

// TailOptions says what Tail reads.
type TailOptions struct {
	Last   int           // entries from the end of the log, over all chains; 0: none
	Follow bool          // then go on with what is appended, until ctx ends
	Poll   time.Duration // how often Follow looks; 0 means 250 ms
}

// Tail reads the end of a log over all its chains. The last entries come in
// order of their time; those that follow in order of their chains, as they are
// found. Reading stops at the first error of yield, which is returned. The end
// of ctx ends Follow without an error. An entry that does not open or parse is
// a Line with a Fault, not an error: the rest of the log is still readable.
//
// Tail does not check the chain; Verify does.
func Tail(ctx context.Context, src Source, s Sealer, o TailOptions, yield func(Line) error) error {
	t := &tail{src: src, sealing: NewSealing(s, ""), next: map[string]uint64{}}
	lines, err := t.last(ctx, o.Last)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if err := yield(l); err != nil {
			return err
		}
	}
	if !o.Follow {
		return nil
	}
	err = t.follow(ctx, cmp.Or(o.Poll, 250*time.Millisecond), yield)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

type tail struct {
	src     Source
	sealing *Sealing
	next    map[string]uint64 // chain → the first sequence number not read yet
}

// tailBatch is how many records are asked for at once.
const tailBatch = 512

// last returns the last n entries of all chains in order of time, and sets
// next to what comes after them.
func (t *tail) last(ctx context.Context, n int) ([]Line, error) {
	chains, err := t.src.Chains(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit: list of chains: %w", err)
	}
	var lines []Line
	for _, chain := range chains {
		end, err := t.src.Last(ctx, chain)
		if err != nil {
			return nil, fmt.Errorf("audit: end of chain %s: %w", chain, err)
		}
		t.next[chain] = 1
		if end > uint64(n) {
			t.next[chain] = end - uint64(n) + 1
		}
		start := len(lines)
		for t.next[chain] <= end {
			batch, err := t.read(ctx, chain)
			if err != nil {
				return nil, err
			}
			if len(batch) == 0 {
				break
			}
			lines = append(lines, batch...)
		}
		rising(lines[start:])
		// Of what was read only the last n of all chains are of use.
		lines = newest(lines, n)
		t.next[chain] = max(t.next[chain], end+1)
	}
	return lines, nil
}

// rising gives the lines of one chain times that never fall, so that a clock
// set back, or an entry that cannot be read, leaves their order alone.
func rising(lines []Line) {
	var at time.Time
	for i := range lines {
		if lines[i].Entry.Time.After(at) {
			at = lines[i].Entry.Time
		}
		lines[i].at = at
	}
}

// newest returns the last n of lines, of which each chain's are in order.
func newest(lines []Line, n int) []Line {
	slices.SortStableFunc(lines, func(a, b Line) int { return a.at.Compare(b.at) })
	if len(lines) > n {
		lines = slices.Clone(lines[len(lines)-n:])
	}
	return lines
}

func (t *tail) follow(ctx context.Context, poll time.Duration, yield func(Line) error) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		chains, err := t.src.Chains(ctx)
		if err != nil {
			return fmt.Errorf("audit: list of chains: %w", err)
		}
		slices.Sort(chains)
		for _, chain := range chains {
			if err := t.drain(ctx, chain, yield); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// drain yields what a chain holds beyond what was read.
func (t *tail) drain(ctx context.Context, chain string, yield func(Line) error) error {
	for {
		lines, err := t.read(ctx, chain)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if err := yield(l); err != nil {
				return err
			}
		}
		if len(lines) < tailBatch {
			return nil
		}
	}
}

func (t *tail) read(ctx context.Context, chain string) ([]Line, error) {
	from := max(1, t.next[chain])
	records, err := t.src.Records(ctx, chain, from, tailBatch)
	if err != nil {
		return nil, fmt.Errorf("audit: chain %s from entry %d: %w", chain, from, err)
	}
	lines := make([]Line, 0, len(records))
	for _, r := range records {
		l := Line{Chain: chain, Seq: r.Seq}
		l.Entry, err = t.sealing.Open(r.Entry)
		if err != nil {
			l.Fault = faultOf(err)
		}
		lines = append(lines, l)
		t.next[chain] = r.Seq + 1
	}
	return lines, nil
}

func faultOf(err error) FindingKind {
	if errors.Is(err, ErrSealed) {
		return Unreadable
	}
	return Malformed
}
