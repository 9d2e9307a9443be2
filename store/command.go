package store

import "time"

// Kind says what a Command does.
type Kind uint8

// The kinds of command. All of them are safe to send again; where a repeat
// may answer differently from the first time, the kind says so.
const (
	// SetOnce writes Value to the register Key if nothing is there. Won tells
	// whether Value is what the register holds now: a repeat after a lost
	// reply finds its own value and has won too, so two claimants must never
	// write equal values (a sealed value, with its random nonce, never is).
	// When lost, Prior is what is there. TTL > 0 limits the life of a value
	// that won.
	SetOnce Kind = iota + 1
	// Get reads the register Key into Prior; Found tells whether it was there.
	Get
	// Set writes Value to Key whatever was there. TTL > 0 limits its life,
	// TTL == 0 means no limit.
	Set
	// Delete removes Key. Found tells whether it was there (a repeat: false).
	Delete
	// Expire gives Key the life TTL from now on, in place of the one it had.
	// A register's life starts when nothing depends on it any more: a claim's,
	// when all its legs are final. Found tells whether Key was there.
	Expire
	// Persist takes away the limit on Key's life. Found tells whether Key was
	// there.
	Persist
	// QueueAdd puts Member into Queue at Score, unless it is in there already. A
	// worker that adds what it is about to send itself gives the end of its
	// lease as Score. A member with a group is only due once it is the oldest of
	// its group: until then its score is Waiting. Won tells of such a member
	// whether it is due at Score, which a repeat tells as well; of others there
	// is no result.
	QueueAdd
	// QueueRemove takes Member out of Queue; it has no result. When the oldest
	// member of a group leaves Due, the next becomes due at Score.
	QueueRemove
	// QueueMove changes Member's score in Queue from From to Score, if it is
	// From. Won tells whether it did; it is how a worker takes a lease (Score =
	// now + lease) and gives it back (Score = the next try). A repeat after a
	// lost reply reports false: the lease is then nobody's, and runs out.
	QueueMove
	// Incr adds Score to the counter in the register Key, which begins at 0,
	// and gives Count, what it is now. TTL > 0 limits the life of a counter
	// that begins. It is for limits: a repeat after a lost reply counts twice,
	// which is the strict side. A Get of it reads decimal digits.
	Incr
	// SetUnless is SetOnce that writes nothing either where the register Unless
	// is there, in one step. Key and Unless have the same hash tag. When lost,
	// Prior is what is in the way, in Key or in Unless.
	SetUnless
)

// register tells the kinds that work on a register from those on a queue.
func (k Kind) register() bool { return k < QueueAdd || k > QueueMove }

// once tells the kinds that write a register if nothing is in the way.
func (k Kind) once() bool { return k == SetOnce || k == SetUnless }

// Queue names an index.
type Queue uint8

// The queues.
const (
	// Due holds legs that are to be sent, by the time from which they may be
	// (one index per destination; the member says which).
	Due Queue = iota + 1
	// Dead holds legs that were given up, by the time at which they were.
	Dead
	// Doubt holds every claim that has no outcome yet, by the time of the
	// claim. One whose chain is dead or whose outcome is unknown is in doubt;
	// the others are in flight. Of these Redis may show some a few seconds late.
	Doubt
	// ChainList holds the chains that exist, by start time. A Committer
	// registers its own.
	ChainList
)

// Waiting is the score of a member of Due that is not the oldest of its
// group, so that no worker takes it.
const Waiting int64 = 1 << 52

// Command is one thing to be done to the store, and its result. The zero
// value is not valid. Times are Unix milliseconds.
//
// Key, Member and Value are borrowed until the command is acknowledged or has
// failed for good; see Committer.Commit for what that means after an error.
// Prior is the caller's own.
type Command struct {
	Kind  Kind
	Queue Queue // of the queue kinds

	Key    string        // of the register kinds
	Member string        // of the queue kinds: see Member.String and DoubtMember
	Unless string        // of SetUnless: another register
	Value  []byte        // of SetOnce, SetUnless and Set
	TTL    time.Duration // of SetOnce, SetUnless, Set, Expire, Incr; at least one millisecond, or 0 where that is allowed
	Score  int64         // of the queue kinds, and what Incr adds; 0 <= Score <= Waiting
	From   int64         // of QueueMove

	// Results, valid once the command was acknowledged.
	Won   bool
	Found bool
	Prior []byte
	Count int64 // of Incr
	// Err is why the store refused this very command for good (a key that
	// holds another type, say). Commit returns it as well. It never holds a
	// value.
	Err error

	// placed says that the value went ahead on a connection of its own.
	placed placement
	// mute says of a SetOnce that its sender was told that it lost, so that
	// nobody need hear of it again.
	mute bool
}

// placement is how far the value of a large SetOnce or Set has come.
type placement uint8

const (
	unplaced placement = iota
	// placedOurs: the value is in the store, for a limited time. What is left
	// is to give it the life that was asked for.
	placedOurs
	// placedLost: another's value was there. Nothing is left to do.
	placedLost
)

// reset clears the results before a command is sent (again).
func (c *Command) reset() {
	c.Err = nil
	if c.placed == unplaced {
		c.Won, c.Found, c.Prior, c.Count = false, false, nil, 0
	}
}

// valid reports what is wrong with a command before it is sent.
func (c *Command) valid() error {
	switch c.Kind {
	case SetOnce, SetUnless, Set, Get, Delete, Expire, Persist, Incr:
		if c.Key == "" || (c.Kind == SetUnless) != (c.Unless != "") {
			return errNoKey
		}
		if c.TTL < 0 || c.TTL%time.Millisecond != 0 || (c.Kind == Expire && c.TTL == 0) {
			return errTTL
		}
		if c.Kind == Incr && (c.Score < 0 || c.Score > Waiting) {
			return errScore
		}
	case QueueAdd, QueueRemove, QueueMove:
		if c.Queue < Due || c.Queue > ChainList || c.Member == "" {
			return errNoMember
		}
		if c.Score < 0 || c.Score > Waiting || c.From < 0 || c.From > Waiting {
			return errScore
		}
		if c.Queue == Due {
			if _, err := ParseMember(c.Member); err != nil {
				return err
			}
		}
	default:
		return errKind
	}
	return nil
}
