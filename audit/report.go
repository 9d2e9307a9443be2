package audit

import "time"

// FindingKind names a kind of damage.
type FindingKind string

// The kinds of damage.
const (
	// Edited: the entry, or its stored hash, is not what was chained.
	Edited FindingKind = "edited"
	// Removed: entries are missing, with others after them.
	Removed FindingKind = "removed"
	// Truncated: entries are missing at the end, up to a signed checkpoint.
	Truncated FindingKind = "truncated"
	// Swapped: two entries stand in each other's place.
	Swapped FindingKind = "swapped"
	// Duplicated: an entry stands a second time.
	Duplicated FindingKind = "duplicated"
	// Disordered: a record does not come after the one before it.
	Disordered FindingKind = "disordered"
	// Fork: the chain is whole, but is not the one whose head was signed.
	Fork FindingKind = "fork"
	// Unreadable: the entry does not open with this keyring.
	Unreadable FindingKind = "unreadable"
	// Malformed: the entry opens, and is not an entry.
	Malformed FindingKind = "malformed"
	// Forged: a checkpoint whose signature, chain or form is wrong.
	Forged FindingKind = "forged_checkpoint"
	// Missing: a checkpoint speaks of a chain that is not there at all.
	Missing FindingKind = "missing_chain"
	// SegmentMissing: entries that were archived are in no segment of the folder.
	SegmentMissing FindingKind = "missing_segment"
	// SegmentForged: a file that is named as a segment was not signed as one.
	SegmentForged FindingKind = "forged_segment"
	// SegmentDamaged: a segment's content is not what was signed, or is cut off.
	SegmentDamaged FindingKind = "damaged_segment"
	// SegmentMisnamed: a file holds another segment than its name says.
	SegmentMisnamed FindingKind = "misnamed_segment"
	// SegmentOverlap: two segments hold the same entries.
	SegmentOverlap FindingKind = "overlapping_segment"
	// CutForged: what says up to where a chain was archived is not signed.
	CutForged FindingKind = "forged_cut"
)

// Apart reports whether findings of the kind are of no one chain that was read,
// and so not in ChainReport.Found.
func (k FindingKind) Apart() bool {
	return k == Forged || k == Missing || k == SegmentForged || k == SegmentMisnamed
}

// Finding is one place at which a log is damaged. It holds no text of an
// entry.
type Finding struct {
	Kind  FindingKind `json:"kind"`
	Chain string      `json:"chain"`
	Seq   uint64      `json:"seq"`          // the first entry concerned; 0: the whole chain
	To    uint64      `json:"to,omitempty"` // the last one of a range, or the other one of a pair; 0: none
	Note  string      `json:"note,omitempty"`
}

// ChainReport is what Verify says of one chain.
type ChainReport struct {
	Chain   string    `json:"chain"`
	Entries uint64    `json:"entries"` // that were read
	First   uint64    `json:"first"`   // sequence numbers; 0: the chain is empty
	Last    uint64    `json:"last"`
	From    time.Time `json:"from"` // time of the first and of the last readable entry; zero: none
	To      time.Time `json:"to"`
	Carried uint64    `json:"carried"` // entries that another process made and could not store
	Signed  uint64    `json:"signed"`  // up to here a checkpoint, or a cut, vouches for the entries; 0: none does
	// Archived is up to where entries were moved into segments that were not
	// read: a signed cut vouches that they are there. 0: none.
	Archived uint64 `json:"archived,omitempty"`
	Segments int    `json:"segments,omitempty"` // that were read
	Found    uint64 `json:"found"`              // findings, those beyond the limit included
}

// Report is what Verify found.
type Report struct {
	Chains   []ChainReport `json:"chains"`
	Findings []Finding     `json:"findings"` // in order of chain and sequence number; at most MaxFindings of a chain
}

// Entries returns the number of entries that were read.
func (r Report) Entries() uint64 {
	var n uint64
	for _, c := range r.Chains {
		n += c.Entries
	}
	return n
}

// OK reports whether nothing was found.
func (r Report) OK() bool {
	for _, c := range r.Chains {
		if c.Found > 0 {
			return false
		}
	}
	return len(r.Findings) == 0
}
