package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/proxy/framing"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
	"chaperone/store"
	"chaperone/vault"
	"chaperone/vault/keys"
)

// Rehearsal is a proxy without a listener, a network and a disk: its store and
// keyring are in memory, its destinations are stand-ins. What a request becomes
// is decided, recorded, sent and answered by the code of Server; only the two
// ends of the wire are others. It is not safe for concurrent use.
type Rehearsal struct {
	s      *Server
	driver store.Driver
	now    time.Time
	seen   uint64 // the newest entry of the log that was read

	scene *scene
	known map[string]bool // keyed hashes of the tokens on record
}

// RehearsalOptions set up a Rehearsal. Plan and Engine are required.
type RehearsalOptions struct {
	Plan   *rules.Plan
	Engine *rewrite.Engine // compiled from Plan
	Hosts  []string        // accepted in Host, besides localhost
	Limits Limits
	// OnOutage and Spool are not asked for: the store of a rehearsal is never
	// away.
}

// Nobody is the caller of a request that shows no key, or one of its own.
const Nobody = ""

// RehearsedRequest is a request that a Rehearsal is sent.
type RehearsedRequest struct {
	Caller  string // by its name in the policy; Nobody: as Headers say
	Method  string
	Target  string // path and query
	Headers [][2]string
	Body    []byte // nil: none
	At      time.Time
	// Answer gives the stand-in's answer to a call. It may be called by several
	// goroutines, for sync legs.
	Answer func(c *Call) StandIn
	// Refuses says whether a destination takes no connections, so that no byte
	// of a call is sent. It is called likewise; nil: all take them.
	Refuses func(to string) bool
}

// Call is what a destination was sent.
type Call struct {
	Leg     string // by its name in the route
	To      string
	Method  string
	Target  string // path and query, the destination's own prefix included
	Headers [][2]string
	Body    []byte // nil: none
}

// StandIn is what a destination does with a call.
type StandIn struct {
	Fault   Fault // other than NoFault: there is no answer
	Status  int
	Headers [][2]string
	Body    []byte
}

// Fault is how a call goes wrong.
type Fault uint8

// The faults.
const (
	NoFault Fault = iota
	Timeout       // no answer in time
	Broken        // the connection ends before an answer
)

// Rehearsed is what became of a RehearsedRequest.
type Rehearsed struct {
	Route, Caller string // as far as they were found
	Status        int
	Headers       [][2]string
	Body          []byte
	Code          reason.Code // why it was refused, or what is wrong with the outcome; empty: nothing
	Refusal       *audit.Entry
	Outcome       string // Chaperone-Outcome; empty: it was refused
	Legs          []RehearsedLeg
	Calls         []Call // in the order in which they were made
	Decisions     []audit.Decision
	Items         []RehearsedItem
}

// RehearsedLeg says where a leg stood in the answer, and what became of it.
type RehearsedLeg struct {
	Name  string
	State string // as in Chaperone-Legs: a status, or a word
	// Later is what became of a queued leg: delivered, waiting (not accepted, and
	// sent again later), parked or dead. Empty: it was not queued.
	Later string
}

// RehearsedItem is a line item of the request: its class, and the alternative
// of the policy that made it one, -1 for none.
type RehearsedItem struct {
	Class rules.ClassID
	Rule  int
}

// NewRehearsal opens a rehearsal of a policy. Close ends it.
func NewRehearsal(ctx context.Context, o RehearsalOptions) (_ *Rehearsal, err error) {
	driver, err := store.OpenMemory()
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{driver: driver, now: time.Now(), known: map[string]bool{}}
	ring := keys.Ephemeral()
	plan := withKeys(o.Plan)
	r.s, err = newServer(ctx, Options{Plan: plan, Engine: o.Engine, Ring: ring, Tokens: vault.New(ring, TokenScope), Driver: driver,
		Limits: o.Limits, Hosts: o.Hosts, Clock: func() time.Time { return r.now }}, true)
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	r.s.hosts = newHosts(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, "", o.Hosts)
	chain := newChain()
	r.s.seal.Store(audit.NewSealing(ring, chain))
	if r.s.committer, err = store.NewCommitter(ctx, driver, store.CommitterOptions{Chain: chain, Late: r.s.late, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	for i, u := range r.s.policy.Load().upstreams {
		u.client.DialTimeout = func(string, time.Duration) (net.Conn, error) { return r.dial(i) }
	}
	return r, r.s.recordStart()
}

// Close ends the rehearsal, and forgets all that was in it.
func (r *Rehearsal) Close() error {
	var err error
	if r.s != nil {
		err = r.s.Close()
		if y := r.s.policy.Load(); y != nil {
			y.close()
		}
		r.s.ring.Close()
	}
	return errors.Join(err, r.driver.Close())
}

// withKeys copies a plan whose callers have keys that are known here.
func withKeys(p *rules.Plan) *rules.Plan {
	known := *p
	known.Callers = append([]rules.Caller(nil), p.Callers...)
	for i := range known.Callers {
		c := &known.Callers[i]
		c.KeyHashes = append([][32]byte{sha256.Sum256([]byte(keyOf(c.Name)))}, c.KeyHashes...)
	}
	return &known
}

// keyOf is the key of a caller in a rehearsal, and nowhere else.
func keyOf(caller string) string { return "the rehearsal's key of " + caller }

// scene is what is known of a request while it is under way.
type scene struct {
	r       *Rehearsal
	plan    *rules.Plan
	x       *exchange // until it has ended
	route   int
	legs    map[string]int // by the key of the call
	answer  func(c *Call) StandIn
	refuses func(to string) bool
	calls   chan Call
}

// Send takes a request to its answer, and then delivers what it has released,
// once. The error speaks of the rehearsal, never of the request.
func (r *Rehearsal) Send(ctx context.Context, q RehearsedRequest) (*Rehearsed, error) {
	if !q.At.IsZero() {
		r.now = q.At
	}
	x := r.s.begin(arrived(&q))
	h := &Rehearsed{}
	x.watch = func(c rules.ClassID, rule int) { h.Items = append(h.Items, RehearsedItem{c, rule}) }
	sc := &scene{r: r, plan: x.p.plan, x: x, answer: q.Answer, refuses: q.Refuses, legs: map[string]int{}, calls: make(chan Call, maxRehearsedCalls)}
	r.scene = sc
	x.attend()
	r.take(h, x)
	sc.note(x)
	sc.x = nil
	r.s.end(x)
	if err := r.deliver(ctx); err != nil {
		return nil, err
	}
	close(sc.calls)
	r.scene = nil
	for c := range sc.calls {
		h.Calls = append(h.Calls, c)
	}
	return h, r.read(ctx, h)
}

// arrived makes the request as a caller would send it.
func arrived(q *RehearsedRequest) *inbound {
	given := func(name string) bool {
		return slices.ContainsFunc(q.Headers, func(f [2]string) bool { return strings.EqualFold(f[0], name) })
	}
	var fields [][2]string
	add := func(name, value string) {
		if !given(name) {
			fields = append(fields, [2]string{name, value})
		}
	}
	add("Host", "localhost")
	length := -1
	if len(q.Body) > 0 {
		length = len(q.Body)
		add("Content-Type", jsonMedia)
	}
	if q.Caller != Nobody {
		add("Authorization", "Bearer "+keyOf(q.Caller))
	}
	return &inbound{
		head:   framing.NewHead(q.Method, q.Target, length, append(fields, q.Headers...)),
		body:   whole(bytes.Clone(q.Body)),
		origin: netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	}
}

// whole is a body that is there.
type whole []byte

func (b whole) TakeBody() ([]byte, bool, error) { return b, true, nil }
func (b whole) ReadBody([]byte) (int, error)    { return 0, io.EOF }

// take notes what the exchange knows, before it is used again.
func (r *Rehearsal) take(h *Rehearsed, x *exchange) {
	if x.route >= 0 {
		h.Route = x.p.plan.Routes[x.route].Name
	}
	if x.caller >= 0 {
		h.Caller = x.p.plan.Callers[x.caller].Name
	}
	resp := &x.ctx.Response
	h.Status, h.Code, h.Body = resp.StatusCode(), x.code, bytes.Clone(resp.Body())
	for name, value := range resp.Header.All() {
		h.Headers = append(h.Headers, [2]string{name, value})
		switch name {
		case headerOutcome:
			h.Outcome = value
		case headerLegs:
			for leg := range strings.SplitSeq(value, " ") {
				name, state, _ := strings.Cut(leg, "=")
				h.Legs = append(h.Legs, RehearsedLeg{Name: name, State: state})
			}
		}
	}
}

// deliver sends the legs that are due, each once.
func (r *Rehearsal) deliver(ctx context.Context) error {
	b := r.s.outbox
	for _, u := range r.s.policy.Load().upstreams {
		l := newLane(b, u.dest.Name)
		for {
			taken, _ := b.lease(ctx, u.dest.Name, cap(l.slots), false)
			if len(taken) == 0 {
				break
			}
			for _, p := range taken {
				p.lane = l
				b.deliver(ctx, l, p)
			}
			b.running.Wait() // until they are on record
		}
	}
	return ctx.Err()
}

// Token makes a token of a value, as the label's tokens are made for a caller
// and a route; the empty ones stand for none.
func (r *Rehearsal) Token(ctx context.Context, caller, route, label, value string) (string, error) {
	plan := r.s.policy.Load().plan
	desk := &admin.TokenDesk{Plan: func() *rules.Plan { return plan }, Ring: r.s.ring, Driver: r.driver, Limiter: r.s.limiter, Clock: r.s.clock, Logger: r.s.logger,
		Commit: func(ctx context.Context, e *audit.Entry, cmds []store.Command) error {
			u := r.s.unitOf(e)
			u.Commands = cmds
			return r.s.committer.Commit(ctx, u)
		}}
	made, err := desk.Make(ctx, admin.Asker{Name: "rehearsal", Reason: "a test of the policy", Scope: r.scope(caller, route)}, label, []string{value})
	if err != nil {
		return "", fmt.Errorf("a token of label %s cannot be made: %w", label, err)
	}
	r.known[made[0].ID] = true
	return made[0].Token, nil
}

// Alias gives the pseudonym of a value at a destination.
func (r *Rehearsal) Alias(caller, route, destination, value string) string {
	return string(r.s.tokensOf(r.scope(caller, route)).Alias(nil, destination, []byte(value)))
}

// scope is that of the tokens of a caller on a route.
func (r *Rehearsal) scope(caller, route string) string {
	plan := r.s.policy.Load().plan
	c, at := len(plan.Callers)-1, 0
	for i := range plan.Callers {
		if plan.Callers[i].Name == caller {
			c = i
		}
	}
	for i := range plan.Routes {
		if plan.Routes[i].Name == route {
			at = i
		}
	}
	return plan.Scope(c, at)
}

// RouteFor names the route that takes a method and a path, as a request's head
// has them; empty: none does.
func RouteFor(p *rules.Plan, method, path string) string {
	var t target
	if !t.parse([]byte(path)) {
		return ""
	}
	if route, _ := find(p.Routes, []byte(method), &t); route >= 0 {
		return p.Routes[route].Name
	}
	return ""
}
