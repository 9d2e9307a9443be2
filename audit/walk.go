package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// walk goes along one chain.
//
// Where a record does not fit to the one before it, we cannot know at once
// which of its parts was changed. So the walk goes on from every hash that the
// chain may have had there (candidates), and takes the damage for what the
// next records say.
type walk struct {
	chain    string
	o        VerifyOptions
	points   []Checkpoint // signed, in order of Seq; those behind the walk are cut off
	sealing  *Sealing     // nil: entries are not opened
	report   ChainReport
	findings []Finding

	next       uint64 // the sequence number that should come
	candidates []Hash // hashes that the previous record may have; none: it is missing
	suspect    int    // index+1 of the finding on the previous record, though its hash fits; else 0
	misfits    []misfit
	seen       seen
	forked     bool

	heard   *hearsay // learns what the entries say of chains; nil: nobody asks
	cut     Cut      // up to where the chain was archived, as far as is known; To is 0 where it was not
	folder  bool     // segments are read: what was archived before has to be there
	listed  uint64   // cut.To when their folder was listed; later ones are not in it
	fresh   func(ctx context.Context) (Cut, error)
	failure error // of fresh
}

// misfit is a record whose hash does not fit.
type misfit struct {
	seq      uint64
	previous []Hash // candidates when it came
	entry    Hash   // SHA-256 of the sealed entry
	stored   Hash
	finding  int // index of its finding; -1: it is beyond the limit
}

// maxMisfits bounds how far back the other half of a swap is looked for.
const maxMisfits = 64

func newWalk(chain string, o VerifyOptions, points []Checkpoint) *walk {
	w := &walk{
		chain: chain, o: o, points: points, next: 1,
		candidates: []Hash{First(chain)},
		report:     ChainReport{Chain: chain},
	}
	if o.Sealer != nil {
		w.sealing = NewSealing(o.Sealer, chain)
	}
	return w
}

// read goes along the records of the store from the next one on, to upTo at
// most; 0 means the last that is there now.
func (w *walk) read(ctx context.Context, src Source, upTo uint64) error {
	// What the writer appends meanwhile is not waited for.
	last, err := src.Last(ctx, w.chain)
	if err != nil {
		return fmt.Errorf("audit: end of chain %s: %w", w.chain, err)
	}
	if upTo > 0 {
		last = min(last, upTo)
	}
	for from := w.next; from <= last; {
		records, err := src.Records(ctx, w.chain, from, w.o.Batch)
		if err != nil {
			return fmt.Errorf("audit: chain %s from entry %d: %w", w.chain, from, err)
		}
		if len(records) == 0 {
			break
		}
		for i := range records {
			if records[i].Seq > last {
				from = last + 1 // the rest of the page is newer
				break
			}
			w.record(ctx, &records[i])
			from = max(from, records[i].Seq+1)
		}
	}
	return w.failure
}

// finish ends the walk.
func (w *walk) finish(ctx context.Context) error {
	w.end(ctx)
	w.findings = slices.DeleteFunc(w.findings, func(f Finding) bool { return f.Kind == "" })
	return w.failure
}

// record takes the next record.
func (w *walk) record(ctx context.Context, r *Record) {
	w.report.Entries++
	entry := Hash(sha256.Sum256(r.Entry))
	if r.Seq < w.next {
		w.stray(r, entry)
		return
	}
	if r.Seq > w.next {
		w.gap(ctx, r.Seq)
	}
	if w.report.First == 0 {
		w.report.First = r.Seq
	}
	w.report.Last, w.next = r.Seq, r.Seq+1

	fits := len(w.candidates) == 0
	for _, previous := range w.candidates {
		fits = fits || link(previous, r.Seq, entry) == r.Hash
	}
	opens := w.open(r)
	earlier := w.seen.put(entry, r.Seq)
	switch {
	case !fits:
		w.misfit(r, entry, opens == "", earlier)
		w.suspect = 0
	default:
		w.candidates = append(w.candidates[:0], r.Hash)
		w.suspect = w.fitting(r, opens, earlier)
	}
	w.compare(r.Seq)
}

// link is Next for an entry of which only the hash is at hand.
func link(previous Hash, seq uint64, entry Hash) Hash {
	var b [2*sha256.Size + 8]byte
	n := copy(b[:], previous[:])
	binary.BigEndian.PutUint64(b[n:], seq)
	copy(b[n+8:], entry[:])
	return sha256.Sum256(b[:])
}

// open opens the entry for the report and returns what is wrong with it.
func (w *walk) open(r *Record) FindingKind {
	if w.sealing == nil {
		return ""
	}
	e, err := w.sealing.Open(r.Entry)
	if err != nil {
		return faultOf(err)
	}
	if w.report.From.IsZero() {
		w.report.From = e.Time
	}
	w.report.To = e.Time
	if string(e.Chain) != w.chain {
		w.report.Carried++
	}
	if w.heard != nil && len(e.Chains) > 0 {
		w.heard.take(&e, w.chain, r.Seq)
	}
	return ""
}

// stray takes a record that stands where one has been already.
func (w *walk) stray(r *Record, entry Hash) {
	if earlier := w.seen.at(entry); earlier != 0 {
		w.find(Finding{Kind: Duplicated, Seq: r.Seq, To: earlier})
		return
	}
	w.find(Finding{Kind: Disordered, Seq: r.Seq, To: w.report.Last})
}

// gap takes note of missing records before seq. Those up to the cut were
// archived.
func (w *walk) gap(ctx context.Context, seq uint64) {
	w.archived(ctx, seq-1)
	if w.next < seq {
		f := Finding{Kind: Removed, Seq: w.next, To: seq - 1}
		if w.next == 1 {
			f.Note = "the beginning of the chain"
		}
		w.find(f)
		w.pass(seq)
	}
}

// archived passes over the records up to last that a cut vouches for. One that
// was made since the chain was first looked at counts, too.
func (w *walk) archived(ctx context.Context, last uint64) {
	if w.cut.To < last && w.fresh != nil {
		cut, err := w.fresh(ctx)
		if err != nil {
			w.failure = err
			return
		}
		if cut.To > w.cut.To {
			w.vouch(cut)
		}
	}
	to := min(w.cut.To, last)
	if to < w.next {
		return
	}
	if missing := min(to, w.listed); w.folder && missing >= w.next {
		w.find(Finding{Kind: SegmentMissing, Seq: w.next, To: missing, Note: "a signed cut vouches for them"})
	}
	if !w.folder || to > w.listed {
		w.report.Archived = to
	}
	w.pass(to + 1)
	if to == w.cut.To {
		w.candidates = append(w.candidates, w.cut.Hash)
		w.report.Signed = to
	}
}

// vouch takes a cut for a checkpoint of its last entry, which it is.
func (w *walk) vouch(cut Cut) {
	w.cut = cut
	if cut.To >= w.next {
		w.sign(cut.To, cut.Hash)
	}
}

// sign adds what somebody has signed to the points.
func (w *walk) sign(seq uint64, hash Hash) {
	w.points = append(slices.Clip(w.points), Checkpoint{Chain: w.chain, Seq: seq, Hash: hash})
	sortPoints(w.points)
}

// pass goes to seq over records that are not there. The checkpoints in between
// have nothing to be compared with.
func (w *walk) pass(seq uint64) {
	w.candidates, w.suspect, w.next = w.candidates[:0], 0, seq
	for len(w.points) > 0 && w.points[0].Seq < seq {
		w.points = w.points[1:]
	}
}

// fitting takes a record whose hash fits, and returns its suspect.
func (w *walk) fitting(r *Record, opens FindingKind, earlier uint64) int {
	switch {
	case earlier != 0:
		return w.find(Finding{Kind: Duplicated, Seq: r.Seq, To: earlier, Note: "its hash was made to fit"}) + 1
	case opens != "":
		return w.find(Finding{Kind: opens, Seq: r.Seq}) + 1
	}
	return 0
}

// misfit takes a record whose hash does not fit.
func (w *walk) misfit(r *Record, entry Hash, opens bool, earlier uint64) {
	m := misfit{seq: r.Seq, previous: slices.Clone(w.candidates), entry: entry, stored: r.Hash, finding: -1}
	// The next record tells which is right: the stored hash (the entry was
	// edited) or the one that follows from the entry (the hash was).
	w.candidates = []Hash{r.Hash}
	for _, previous := range m.previous {
		w.candidates = append(w.candidates, link(previous, r.Seq, entry))
	}
	switch {
	case w.suspect > 0 && opens && earlier == 0:
		// The record before this one was changed together with its hash; this
		// one is as it was written.
		if i := w.suspect - 1; w.findings[i].Kind != Duplicated {
			w.findings[i].Kind, w.findings[i].Note = Edited, "its hash was made to fit"
		}
		return
	case w.swapped(&m):
		return
	case earlier != 0:
		m.finding = w.find(Finding{Kind: Duplicated, Seq: r.Seq, To: earlier})
	default:
		f := Finding{Kind: Edited, Seq: r.Seq}
		if w.sealing == nil {
			f.Note = "or the entry before it, with its hash"
		}
		m.finding = w.find(f)
	}
	if len(w.misfits) == maxMisfits {
		w.misfits = w.misfits[1:]
	}
	w.misfits = append(w.misfits, m)
}

// swapped looks for an earlier misfit in whose place m fits, and the other way
// round; their hashes may have moved with the entries or stayed.
func (w *walk) swapped(m *misfit) bool {
	for k := range w.misfits {
		a := &w.misfits[k]
		atA, ok := fitsAt(a.previous, a.seq, m.entry, a.stored, m.stored)
		if !ok {
			continue
		}
		previous := m.previous
		if m.seq == a.seq+1 {
			previous = []Hash{atA}
		}
		atM, ok := fitsAt(previous, m.seq, a.entry, a.stored, m.stored)
		if !ok {
			continue
		}
		// What followed a misfitted only because of the hash that stood at a.
		for _, after := range w.misfits {
			if _, ok := fitsAt([]Hash{atA}, after.seq, after.entry, after.stored); ok && after.seq == a.seq+1 {
				w.drop(after.finding)
			}
		}
		if a.finding >= 0 {
			w.findings[a.finding] = Finding{Kind: Swapped, Chain: w.chain, Seq: a.seq, To: m.seq}
		}
		w.candidates = append(w.candidates, atM)
		w.misfits = slices.Delete(w.misfits, k, k+1)
		return true
	}
	return false
}

// fitsAt returns the hash that entry gets at seq after one of previous, if it
// is one of hashes.
func fitsAt(previous []Hash, seq uint64, entry Hash, hashes ...Hash) (Hash, bool) {
	for _, p := range previous {
		if h := link(p, seq, entry); slices.Contains(hashes, h) {
			return h, true
		}
	}
	return Hash{}, false
}

// compare holds the chain at seq against the checkpoints there.
func (w *walk) compare(seq uint64) {
	for len(w.points) > 0 && w.points[0].Seq <= seq {
		p := w.points[0]
		w.points = w.points[1:]
		switch {
		case slices.Contains(w.candidates, p.Hash):
			// A checkpoint settles which of the candidates is right.
			w.candidates = append(w.candidates[:0], p.Hash)
			w.report.Signed, w.forked = seq, false
		case !w.forked:
			w.forked = true
			w.find(Finding{
				Kind: Fork, Seq: min(w.report.Signed+1, seq), To: seq,
				Note: fmt.Sprintf("the entries up to %d are not those that were signed", seq),
			})
		}
	}
}

// end looks for what is missing after the last record.
func (w *walk) end(ctx context.Context) {
	if w.cut.To >= w.next {
		w.archived(ctx, w.cut.To)
	}
	if len(w.points) == 0 {
		return
	}
	last := w.points[len(w.points)-1].Seq
	w.find(Finding{Kind: Truncated, Seq: w.next, To: last, Note: "a signed checkpoint vouches for them"})
}

// find adds a finding and returns its index, -1 beyond the limit.
func (w *walk) find(f Finding) int {
	w.report.Found++
	if len(w.findings) >= w.o.Limit {
		return -1
	}
	f.Chain = w.chain
	w.findings = append(w.findings, f)
	return len(w.findings) - 1
}

// drop takes a finding back. Its place stays, so that indexes do.
func (w *walk) drop(i int) {
	if i >= 0 {
		w.findings[i].Kind = ""
		w.report.Found--
	}
}

// seen knows the entries of the last stretch of a chain by half of their hash,
// in two generations of bounded size: an entry that stands twice within
// seenSize records is found.
type seen struct{ young, old map[uint64]uint64 }

const seenSize = 1 << 18

// put remembers an entry and returns the sequence number at which it stood
// before, else 0.
func (s *seen) put(entry Hash, seq uint64) uint64 {
	earlier := s.at(entry)
	if len(s.young) >= seenSize || s.young == nil {
		s.old, s.young = s.young, map[uint64]uint64{}
	}
	s.young[half(entry)] = seq
	return earlier
}

func (s *seen) at(entry Hash) uint64 {
	if seq, ok := s.young[half(entry)]; ok {
		return seq
	}
	return s.old[half(entry)]
}

func half(h Hash) uint64 { return binary.BigEndian.Uint64(h[:8]) }
