// Package control is the control socket of a running proxy, seen from outside:
// the words that go over it, and the client that the command line uses. The
// other end is proxy/admin.
//
// It is HTTP over the unix socket DATA/chaperone.sock, mode 0600: who may open
// the socket is who may use it. Lists and logs are NDJSON, one Message a line,
// and end with a Message that says so: a stream without one was cut off.
package control

import (
	"encoding/json"
	"path/filepath"
	"time"

	"chaperone/audit"
)

// SocketName is the name of the socket in the data folder.
const SocketName = "chaperone.sock"

// SocketPath returns the path of the control socket of a data folder.
func SocketPath(dataDir string) string { return filepath.Join(dataDir, SocketName) }

// The paths of the API. All are GET; log.go, keys.go and tokens.go have others.
const (
	PathStatus    = "/v1/status"
	PathLogTail   = "/v1/log/tail"   // ?n=INT&follow=BOOL → stream of LogLine
	PathLogVerify = "/v1/log/verify" // ?archive=DIR… → audit.Report
	PathOutbox    = "/v1/outbox"     // ?state=LegState → stream of Leg
	PathDoubts    = "/v1/doubts"     // → stream of Doubt
)

// Status is what a running proxy says of itself.
type Status struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Chain    string    `json:"chain"`
	Seq      uint64    `json:"seq"` // of the last acknowledged entry
	Plan     string    `json:"plan"`
	Rules    string    `json:"rules"` // the rules file as it was named
	Address  string    `json:"address"`
	Admin    string    `json:"admin"`
	Store    string    `json:"store"` // redis or file
	Keyring  string    `json:"keyring"`
	Ready    bool      `json:"ready"`
	Draining bool      `json:"draining"`
	Journal  int       `json:"journal"` // commands on local disk that the store has not acknowledged

	JournalBytes  int64 `json:"journal_bytes"`
	Spooling      bool  `json:"spooling"`       // the store is away, and requests are recorded on local disk
	StoreDraining bool  `json:"store_draining"` // it is back, and what is on local disk goes first
}

// LogLine is one entry of the log. Entry is the text that was recorded; it is
// absent where Fault says why it cannot be read.
type LogLine struct {
	Chain string          `json:"chain"`
	Seq   uint64          `json:"seq"`
	Entry json.RawMessage `json:"entry,omitempty"`
	Fault string          `json:"fault,omitempty"`
}

// LegState is where a leg of the outbox stands.
type LegState string

// The states of a leg in the outbox.
const (
	Due     LegState = "due"     // waits for its time, or for its turn in its order
	Sending LegState = "sending" // a worker has it
	Dead    LegState = "dead"    // failed for good; waits for an operator
	Parked  LegState = "parked"  // the policy does not allow it now
	Held    LegState = "held"    // the outcome of its sale is not known yet
)

// LegStates returns all states of a leg.
func LegStates() []LegState { return []LegState{Due, Sending, Dead, Parked, Held} }

// Leg is one leg of the outbox. It never holds a value.
type Leg struct {
	State       LegState  `json:"state"`
	Destination string    `json:"destination"`
	Route       string    `json:"route,omitempty"`
	Name        string    `json:"leg,omitempty"`
	Request     string    `json:"request,omitempty"` // Chaperone-Request-Id
	Ref         string    `json:"ref"`               // LegName: how the other verbs name it
	Key         string    `json:"key"`               // K, A and N of its registers
	Attempt     int       `json:"attempt"`
	Index       int       `json:"index"`
	Due         time.Time `json:"due"`             // when it is tried next
	Since       time.Time `json:"since"`           // when it was recorded
	Tries       int       `json:"tries,omitempty"` // deliveries tried so far
	Reason      string    `json:"reason,omitempty"`
}

// Doubt is a sale whose primary may or may not have charged. Its legs stay
// held until somebody says which.
type Doubt struct {
	Key     string    `json:"key"`
	Attempt int       `json:"attempt"`
	Request string    `json:"request,omitempty"`
	Route   string    `json:"route,omitempty"`
	Caller  string    `json:"caller,omitempty"`
	Chain   string    `json:"chain,omitempty"` // of the proxy that called the primary
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitempty"` // code; empty: its proxy died
	Held    int       `json:"held"`             // legs that wait
	// Pending says that the primary left the sale open: a later call decides
	// it, and from Until on it counts as doubt.
	Pending bool      `json:"pending,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// Message is one line of a stream: an item, or the end.
type Message struct {
	Item  json.RawMessage `json:"item,omitempty"`
	End   bool            `json:"end,omitempty"`
	Sum   *audit.Scanned  `json:"sum,omitempty"`   // at the end of what reads the whole log
	Error string          `json:"error,omitempty"` // why the stream ends early
}
