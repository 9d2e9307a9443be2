package rules

import "time"

// Plan is the immutable, compiled policy. It is plain data: safe for any
// number of readers, never changed after Load returned it. A request holds one
// plan to its end, answer included.
type Plan struct {
	// Hash identifies the policy: lower-case base32 without padding of the
	// SHA-256 over the rules file and every file it names (word lists), in
	// order of name. Secrets' files are not part of it.
	Hash string
	File string // the rules file as it was named
	// Sources are the texts that Hash is of: the rules file, by its name without
	// folders, then the word lists, by their names as the policy writes them.
	Sources []PolicyFile

	Labels       []Label // index is the LabelID
	Basket       *Basket // nil where the policy has none
	Destinations []Destination
	Callers      []Caller // the last one is Anonymous when HasCallers is false
	HasCallers   bool
	Identify     Identify
	Routes       []Route // in the order of the file: the first match wins
}

// PolicyFile is one of the files that a policy is made of.
type PolicyFile struct {
	Name string
	Text []byte // as it was read; not to be changed
}

// LabelID is an index into Plan.Labels.
type LabelID int16

// NoLabel is the LabelID of nothing.
const NoLabel LabelID = -1

// Label says what a value is. The labels "pan" and "sad" always exist.
// A dotted label's ancestors always exist too.
type Label struct {
	Name       string
	Parent     LabelID // NoLabel for the root of a family
	Family     LabelID // the root of the family; a root's own ID
	Depth      int     // dots in the name: the deeper label is the more specific
	Paths      []LabelPath
	Detect     []string       // detectors whose spans bear this label: "pan", or of package detect's names
	Generalize Generalization // its own or its parent's
	Format     TokenFormat
	Join       bool // sealed tokens of equal values are equal
	// Vaulted says what tokens of format vaulted look like.
	Vaulted Vaulted
	// Tag stands in every sealed token of this label, so that an arriving
	// token says what it is: four letters, URL-safe, derived from the name.
	// Distinct in one plan.
	Tag      [4]byte
	Position Position
}

// LabelPath is one path of a label. Where a Source other than SourceBody is
// given, Path is empty and Name is a query member, header or path capture.
type LabelPath struct {
	Source   Source
	Name     string // of a query member, header (canonical MIME form) or capture
	Path     Path
	Position Position
}

// Source says where a labelled value stands: @query.NAME, @header.NAME and
// @path.NAME in the policy file, else the body.
type Source uint8

// The sources.
const (
	SourceBody Source = iota
	SourceQuery
	SourceHeader
	SourceCapture
)

// TokenFormat names a token format. These names are all that rules and vault
// share.
type TokenFormat string

// The token formats.
const (
	FormatPAN    TokenFormat = "pan"
	FormatSealed TokenFormat = "sealed"
	FormatAlias  TokenFormat = "alias"
	// FormatVaulted is random and stored.
	FormatVaulted TokenFormat = "vaulted"
)

// Vaulted are the options of tokens of format vaulted. Those of a label that
// is no card number are opaque ids, and have a TTL alone.
type Vaulted struct {
	Keep Keep
	Luhn bool          // satisfies Luhn, on a prefix that no issuer has
	TTL  time.Duration // zero: until it is revoked
}

// Keep says which digits of a card its vaulted token keeps.
type Keep uint8

// What may be kept.
const (
	KeepNothing   Keep = iota // an opaque id
	KeepLast4                 // as many digits as the card, the last four its own
	KeepBIN6Last4             // and the first six
)

// Clearance is what one party may see: the form of every label, by LabelID.
// A label without an entry takes its nearest ancestor's; without any, Drop.
type Clearance []Form

// Of returns the form of a label, Drop where it is unknown.
func (c Clearance) Of(l LabelID) Form {
	if l < 0 || int(l) >= len(c) {
		return Drop
	}
	return c[l]
}

// Agreement is the contract under which a destination may see health data.
type Agreement struct {
	Kind      string // BAA, DPA, …
	Reference string
	Expires   time.Time // the first instant at which it no longer holds, UTC
}

// Destination is a downstream system.
type Destination struct {
	Name       string
	URL        string // scheme://host[:port][/prefix], no trailing slash
	Agreement  *Agreement
	Sees       Clearance
	SeesPHI    bool // any label of the family phi above Drop: the agreement is enforced
	Idempotent bool // it honours Idempotency-Key
	Headers    []HeaderValue
	// CAFile is a PEM file, named as seen from where the program runs; empty
	// means the system's roots.
	CAFile   string
	Timeout  time.Duration // of one call; zero means the proxy's own default
	MaxConns int           // zero means the proxy's own default
	Response Response
	Position Position
}

// HeaderValue is a header that every call to a destination carries. The value
// of a secret is read from File when the proxy starts, never by Load; Prefix
// stands before it ("Bearer "). File is named as seen from where the program
// runs: a relative name in a policy is relative to the policy's folder.
type HeaderValue struct {
	Name, Value, File, Prefix string
	Position                  Position
}

// Response says what a destination's answers hold, besides Plan.Labels.
type Response struct {
	Labels  []ResponseLabel
	KeepAll bool // no keep list was given
	Keep    []Path
	Headers []string // passed to the caller, besides the proxy's fixed list
}

// ResponseLabel labels a path of an answer.
type ResponseLabel struct {
	Label LabelID
	Path  Path
}

// Caller is a party that sends requests.
type Caller struct {
	Name      string
	Group     string // idempotency keys are scoped by it; default is the name
	KeyHashes [][32]byte
	AllRoutes bool
	Routes    []int // indexes into Plan.Routes
	Sees      Clearance
	Scope     string // of its tokens; empty: the route's, or DefaultScope
	Tokens    TokenRights
	Limits    CallerLimits
	Position  Position
}

// Anonymous is the name of the caller of a policy without a callers block. It
// sees no labelled value and has no token revealed.
const Anonymous = "anonymous"

// Identify says how a caller shows its key, besides Authorization: Bearer.
type Identify struct {
	Headers []string // canonical MIME form
}

// Route is one kind of request and the legs that it becomes.
type Route struct {
	Name          string
	Method        string
	Path          Pattern
	ItemsOptional bool
	Idempotency   *Idempotency // nil: every request is its own
	Subject       *Path
	Purpose       string // treatment, payment, operations, …; recorded
	Unlink        []Path
	Scope         string // of its tokens; empty: the caller's, or DefaultScope
	Order         *Path  // nil: by the idempotency key
	OnDoubt       OnDoubt
	OnOutage      OnOutage
	Follows       *Follows  // nil: it follows no other call
	Followed      *Followed // nil: no route follows it
	Legs          []Leg
	Primary       int // index into Legs
	Answer        Answer
	Position      Position
}

// Idempotency says how repeats of a request are known.
type Idempotency struct {
	Key    *Path // nil: the header Idempotency-Key only
	Ignore []Path
	TTL    time.Duration // of the stored answer
}

// OnDoubt says what happens to a sale whose outcome is not known.
type OnDoubt uint8

// The ways out of doubt. All but DoubtHold need a primary that is Idempotent;
// DoubtReplay moreover one that sees no label of the family sad, since the call
// has to be kept.
const (
	DoubtHold   OnDoubt = iota // a person decides
	DoubtRetry                 // the caller's own repeat is sent again, under the same key
	DoubtReplay                // the proxy sends it again by itself
)

// OnOutage says what happens to a request while the store is away.
type OnOutage uint8

// The ways through an outage of the store.
const (
	// OutageDefault: as state.on_outage says where the primary is Idempotent,
	// else OutageRefuse.
	OutageDefault OnOutage = iota
	OutageRefuse           // 503, nothing is forwarded
	OutageSpool            // recorded on local disk, and stored later
)

// Follows says that a route's requests are about a sale that an earlier
// request made: a refund, a void, a capture, a tip, a webhook.
type Follows struct {
	Key    Path          // exact: where the sale's idempotency key stands in the body
	Route  int           // of the sale: index into Plan.Routes, one with Idempotency.Key
	Group  string        // of the sale's caller; empty: the caller's own
	As     int           // destination whose alias of the sale's key stands at Key; -1: the key itself does
	Amount *Path         // exact: an amount without items, split as the sale was; nil: none
	By     Share         // by which shares of the sale Amount is split
	Within time.Duration // for how long a sale can be followed
	// Unknown admits a request about a sale that is not known: it goes as one
	// of its own. Otherwise it is refused.
	Unknown bool
	// Release and Cancel decide a sale that is pending; nil: this route does
	// not.
	Release, Cancel *Decides
}

// Decides says when a following request decides a sale that is pending.
// Exactly one of Success and Where is set.
type Decides struct {
	Success bool    // when the request's own primary succeeds
	Where   []Where // when all hold in the request's body, and its primary succeeds
}

// Share says which shares of a sale are meant.
type Share uint8

// The shares.
const (
	ShareTotal Share = iota
	ShareSubtotal
	ShareTax
	ShareTip // where the sale had no tip: by subtotal, over the classes that take tips
)

// Followed says what has to be kept of a sale for those that follow it.
type Followed struct {
	Within  time.Duration // the longest of its followers
	Shares  bool          // what each class had in the totals
	Aliases []int         // destinations whose alias of the idempotency key names the sale
}

// Pending says which answers of the primary leave the sale open until a later
// call decides it (3-D Secure, a capture that comes later).
type Pending struct {
	Status []StatusRange
	Where  []Where       // all must hold
	Within time.Duration // after that it counts as doubt
}

// Pattern is a path template: literal segments, {name} captures, and an
// optional trailing /* that takes the rest, which may be empty: /v1/* takes
// /v1, too. The root / has no segments.
type Pattern struct {
	Source   string
	Segments []Segment
	Rest     bool
}

// Segment is one part of a Pattern: a literal, or a capture.
type Segment struct {
	Literal string // compared with the decoded segment, byte for byte
	Capture string // name, without braces; Literal is empty then
}

// ItemsMode says which line items a leg carries.
type ItemsMode uint8

// The modes.
const (
	ItemsAll   ItemsMode = iota // what keep and the clearance allow
	ItemsNone                   // the items array is not part of the leg
	ItemsClass                  // those of Leg.Class
)

// Leg is one downstream call of a route.
type Leg struct {
	Destination    int // index into Plan.Destinations
	Name           string
	Primary        bool
	Method         string // empty: the request's
	Path           *Pattern
	Items          ItemsMode
	Class          ClassID
	Recompute      bool
	KeepAll        bool
	Keep           []Path
	Set            []SetMember
	When           *Expression // never of the primary; nil: it is always sent
	ForwardHeaders []string    // canonical MIME form
	ForwardQuery   []string
	Success        *Success // primary only
	Pending        *Pending // primary only; nil: no answer leaves the sale open
	Sync           bool     // queued, but its first delivery is awaited before the answer
	Position       Position
}

// SetMember is a member that a leg or an answer is given. Exactly one of JSON,
// Token and Compute is set.
type SetMember struct {
	Path     Path        // exact
	JSON     []byte      // a constant, compact JSON
	Token    *Path       // answer.set only: the token of the request's value at that path, exact
	Compute  *Expression // a leg's only: it is computed from the request
	Position Position
}

// Answer says what the caller's answer holds besides the primary's.
type Answer struct {
	Set []SetMember
}

// Success says which answers of the primary release the other legs.
type Success struct {
	HTTP   bool // any 2xx
	Status []StatusRange
	Where  []Where // all must hold
}

// StatusRange is an inclusive range of HTTP status codes.
type StatusRange struct{ From, To int }

// Admits reports whether success admits an HTTP status, whatever the body says:
// where it names none, any 2xx.
func (s *Success) Admits(status int) bool {
	if s == nil || len(s.Status) == 0 {
		return status/100 == 2
	}
	return InRanges(s.Status, status)
}

// InRanges reports whether a status is in one of some ranges.
func InRanges(ranges []StatusRange, status int) bool {
	for _, r := range ranges {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return false
}

// Where asks that the answer's value at Path be one of Values: decoded text
// for strings, the literal for numbers, true, false and null.
type Where struct {
	Path   Path // exact
	Values []Scalar
}

// Scalar is a JSON scalar as a policy writes it.
type Scalar struct {
	Kind ScalarKind
	Text string
}

// ScalarKind is the JSON type of a Scalar.
type ScalarKind uint8

// The kinds.
const (
	ScalarString ScalarKind = iota
	ScalarNumber
	ScalarBool
	ScalarNull
)

// Label returns the LabelID of a name, NoLabel if there is none.
func (p *Plan) Label(name string) LabelID {
	for i := range p.Labels {
		if p.Labels[i].Name == name {
			return LabelID(i)
		}
	}
	return NoLabel
}
