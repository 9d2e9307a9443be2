package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Scanned says how much of a log was read.
type Scanned struct {
	Entries    uint64 `json:"entries"`    // that were read
	Unreadable uint64 `json:"unreadable"` // of these, that do not open or parse
	// Unread counts entries that the log has had and that were not read: they
	// are in segments that were not given, or missing.
	Unread uint64 `json:"unread"`
}

// scan reads all entries of a log, those in the segments of some folders
// included, a chain after the other: first those that are in segments alone,
// then those of the store, the oldest first. skip leaves out whole segments;
// nil reads all. The line is the caller's until yield returns.
//
// What was changed in a segment does not open, and is counted; that nothing is
// missing or out of its place is Verify's to say.
func (r *Reader) scan(ctx context.Context, archive []string, skip func(*Segment) bool, yield func(*Line) error) (Scanned, error) {
	s := &scanner{r: r, sealing: NewSealing(r.Sealer, ""), yield: yield, heard: newHearsay(), next: map[string]uint64{}}
	folder, err := openFolders(archive, r.Key)
	if err != nil {
		return s.sum, err
	}
	listed, err := r.Source.Chains(ctx)
	if err != nil {
		return s.sum, fmt.Errorf("audit: list of chains: %w", err)
	}
	chains := slices.DeleteFunc(folder.known(), func(c string) bool { return slices.Contains(listed, c) })
	slices.SortStableFunc(chains, func(a, b string) int { return folder.chains[a][0].First.Compare(folder.chains[b][0].First) })
	for _, chain := range append(chains, listed...) {
		s.chain = chain
		s.next[chain] = 1
		for _, segment := range folder.chains[chain] {
			if err := s.segment(ctx, segment, skip); err != nil {
				return s.sum, err
			}
		}
		if err := s.stored(ctx); err != nil {
			return s.sum, err
		}
	}
	for chain, cut := range s.heard.cuts {
		if next := max(s.next[chain], 1); next <= cut.To {
			s.sum.Unread += cut.To + 1 - next
		}
	}
	return s.sum, nil
}

type scanner struct {
	r       *Reader
	sealing *Sealing
	yield   func(*Line) error
	heard   *hearsay
	sum     Scanned
	chain   string
	next    map[string]uint64 // by chain: after the last entry that was read
	line    Line
}

// segment reads what a segment holds beyond what was read.
func (s *scanner) segment(ctx context.Context, f *segmentFile, skip func(*Segment) bool) error {
	if f.To < s.next[s.chain] {
		return nil
	}
	if skip != nil && skip(&f.Segment) {
		s.pass(f.From)
		s.next[s.chain] = f.To + 1
		return nil
	}
	err := f.records(ctx, func(r *Record) error {
		if r.Seq < s.next[s.chain] || r.Seq > f.To {
			return nil
		}
		return s.record(r)
	})
	if errors.Is(err, ErrSegment) {
		return nil // what is missing shows with what comes next
	}
	return err
}

// stored reads what the store holds beyond what was read.
func (s *scanner) stored(ctx context.Context) error {
	for {
		from := s.next[s.chain]
		records, err := s.r.Source.Records(ctx, s.chain, from, archiveBatch)
		if err != nil {
			return fmt.Errorf("audit: chain %s from entry %d: %w", s.chain, from, err)
		}
		for i := range records {
			if records[i].Seq < s.next[s.chain] {
				continue
			}
			if err := s.record(&records[i]); err != nil {
				return err
			}
		}
		if len(records) < archiveBatch {
			return nil
		}
	}
}

// pass counts what is missing before an entry.
func (s *scanner) pass(seq uint64) {
	if next := s.next[s.chain]; seq > next {
		s.sum.Unread += seq - next
	}
}

func (s *scanner) record(r *Record) error {
	s.pass(r.Seq)
	s.next[s.chain] = r.Seq + 1
	s.sum.Entries++
	s.line = Line{Chain: s.chain, Seq: r.Seq}
	var err error
	if s.line.Entry, err = s.sealing.Open(r.Entry); err != nil {
		s.sum.Unreadable++
		s.line.Fault = faultOf(err)
	}
	s.heard.take(&s.line.Entry, s.chain, r.Seq)
	return s.yield(&s.line)
}

// Entries yields every entry of a log, those in the segments of some folders
// included, a chain after the other. The line is valid until yield returns.
func (r *Reader) Entries(ctx context.Context, archive []string, yield func(*Line) error) (Scanned, error) {
	return r.scan(ctx, archive, nil, yield)
}

// Query says which entries are wanted. Zero members want all.
type Query struct {
	From, To    time.Time // from the one on, before the other
	Route       Name
	Caller      Name
	Destination Name // of a leg, or of a decision
	Kind        Kind
	Subject     ID
	Request     ID
}

// wants reports whether an entry is one of those.
func (q *Query) wants(e *Entry) bool {
	return within(e.Time, q.From, q.To) &&
		(q.Route == "" || q.Route == e.Route) && (q.Caller == "" || q.Caller == e.Caller) &&
		(q.Kind == 0 || q.Kind == e.Kind) && (q.Subject == "" || q.Subject == e.Subject) &&
		(q.Request == "" || q.Request == e.Request) && (q.Destination == "" || concerns(e, q.Destination))
}

func within(t, from, to time.Time) bool {
	return !t.Before(from) && (to.IsZero() || t.Before(to))
}

// concerns reports whether an entry speaks of a destination.
func concerns(e *Entry, to Name) bool {
	return slices.ContainsFunc(e.Legs, func(l Leg) bool { return l.To == to && l.State != LegSkipped }) ||
		e.Kind == KindDecision && slices.ContainsFunc(e.Decisions, func(d Decision) bool { return d.To == to })
}

// Export yields the entries that a query wants, and those that cannot be read,
// of which nobody knows. Lines are in the order of Entries.
func (r *Reader) Export(ctx context.Context, q Query, archive []string, yield func(*Line) error) (Scanned, error) {
	skip := func(s *Segment) bool {
		return !s.Newest.IsZero() && (s.Newest.Before(q.From) || !q.To.IsZero() && !s.First.Before(q.To))
	}
	return r.scan(ctx, archive, skip, func(l *Line) error {
		if l.Fault == "" && !q.wants(&l.Entry) {
			return nil
		}
		return yield(l)
	})
}
