package proxy

import (
	"time"

	"chaperone/store"
)

// trial is what is known of a leg that was tried in vain, or that the policy
// does not allow. It is sealed in the register store.TrialKey, which is written
// together with the leg's new place in the queue and removed when the leg is
// final: so the limits of tries and the pauses between them hold over restarts,
// and whichever proxy sends. A leg that is accepted at once has none.
type trial struct {
	tries   int // that count against the limit
	refused int // of these, those that were answered by a refusal of the content
	parked  bool
	reached bool   // a try may have arrived, though it was not accepted
	reason  string // why it waits; a word of ours
	status  int    // HTTP status of the last try, 0: none
	at      int64  // of the last try, in Unix milliseconds
	due     int64  // the score that was given with this; another says that somebody has the leg
	since   int64  // from when its age counts, if that is not its release; 0: it is

	stored bool // there is a register
}

const trialVersion = 1

// trialKept is how long a trial lives that nobody writes again. It only bounds
// what a process leaves behind that dies in a bad moment: a leg whose trial is
// gone is one that was never tried.
const trialKept = 90 * 24 * time.Hour

func (t *trial) append(dst []byte) []byte {
	dst = append(dst, trialVersion)
	dst = appendNumber(dst, uint64(t.tries))
	dst = appendNumber(dst, uint64(t.refused))
	dst = appendFlag(dst, t.parked)
	dst = appendFlag(dst, t.reached)
	dst = appendTexts(dst, t.reason)
	dst = appendNumber(dst, uint64(t.status))
	dst = appendNumber(dst, uint64(t.at))
	dst = appendNumber(dst, uint64(t.due))
	return appendNumber(dst, uint64(t.since))
}

func (t *trial) parse(b []byte) error {
	d := decoder{b: b}
	d.version(trialVersion)
	*t = trial{tries: d.small(), refused: d.small(), parked: d.flag(), reached: d.flag(), reason: d.text(), status: d.small(),
		at: int64(d.number()), due: int64(d.number()), since: int64(d.number()), stored: true}
	return d.done()
}

// openTrial opens what was read of a leg's trial. One that is not there, or
// does not open, is that of a leg which was never tried.
func (s *Server) openTrial(sealed []byte, m store.Member) trial {
	var t trial
	if sealed == nil {
		return t
	}
	plain, err := s.ring.Open(nil, sealed, []byte(store.TrialKey(m.K, m.A, m.N)))
	if err != nil || t.parse(plain) != nil {
		return trial{stored: true}
	}
	return t
}

// trialCommand makes the command that stores a trial.
func (s *Server) trialCommand(t *trial, m store.Member) store.Command {
	key := store.TrialKey(m.K, m.A, m.N)
	return store.Command{Kind: store.Set, Key: key, Value: s.ring.Seal(nil, t.append(nil), []byte(key)), TTL: trialKept}
}

// age is how long a leg has been waiting, by its own time limit.
func (t *trial) age(released int64, now time.Time) time.Duration {
	return time.Duration(now.UnixMilli()-max(released, t.since)) * time.Millisecond
}
