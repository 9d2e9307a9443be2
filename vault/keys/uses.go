package keys

import "time"

// Use says what a key is for.
type Use string

// The uses.
const (
	UsePAN    Use = "pan"
	UseSealed Use = "sealed"
	UseJoin   Use = "join"
	UseStore  Use = "store"
	UseDerive Use = "derive"
)

// uses are all uses with their algorithms, in the order in which they are
// listed.
var uses = []struct {
	use       Use
	algorithm string
	size      int // bytes of key
}{
	{UsePAN, "AES-256-FF1", 32},
	{UseSealed, "XAES-256-GCM", xaesKeySize},
	{UseJoin, "AES-SIV-CMAC-512", 64},
	{UseStore, "XAES-256-GCM", xaesKeySize},
	{UseDerive, "HMAC-SHA-256", 32},
}

// State is what a generation may still do.
type State string

// The states.
const (
	// Active generations open, and the newest whose time has come makes.
	Active State = "active"
	// Retired generations open, and never make again.
	Retired State = "retired"
	// Destroyed generations have no key any more: nothing of theirs opens.
	Destroyed State = "destroyed"
)

// Info describes one generation, without its key.
type Info struct {
	Use        Use
	Algorithm  string
	Generation int // from 1, to 255
	State      State
	Current    bool      // makes what is made now
	Created    time.Time // UTC
	From       time.Time // when it starts to make; UTC
	Changed    time.Time // when it was retired or destroyed; zero while active
}

// PANSlots is how many generations of pan keys can be live at once. Generation
// g has slot (g-1) mod PANSlots, and a pan token names the slot.
const PANSlots = 5

// maxGeneration is the last generation of a use: one byte names it in what is
// sealed.
const maxGeneration = 255
