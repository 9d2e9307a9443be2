package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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

// Sample is a request to be explained.
type Sample struct {
	Route   string // name
	Caller  string // name; empty: the first that may use the route
	Target  string // path and query; empty: the route's path as it is written
	Headers [][2]string
	Body    []byte // nil: none
	Limits  Limits
	Ring    *keys.Ring // makes the tokens that are shown; nil: one of the moment
}

// Explanation says what would become of a request. Nothing was sent or stored
// to find out.
type Explanation struct {
	Route   string
	Caller  string
	Refusal *reason.Error // nil: it would be forwarded
	Parties []Party       // in the order of the route's legs
}

// Party is one destination, and what it would get.
type Party struct {
	Leg       string
	To        string
	Primary   bool
	Skipped   bool   // the leg is not part of this request: no item of its class, or its condition does not hold
	Unless    string // likewise, by its condition, which is this
	BySale    bool   // likewise, but the sale that it follows decides that, which is not looked up
	Method    string
	URL       string
	Headers   [][2]string // what the leg forwards of the caller's
	Body      []byte      // nil: none. Sad values are shown as [sad]
	Decisions []rewrite.Decision
}

// sadMark stands for sensitive authentication data, which is never shown.
const sadMark = "[sad]"

// Explain decides, resolves and renders a request as the proxy does, with a
// keyring of its own: the tokens that it shows are none. Arriving tokens stay
// as they are where they would be revealed. The error speaks of the sample
// (an unknown route or caller) or of the plan; what the proxy would refuse is
// in Explanation.Refusal.
func Explain(plan *rules.Plan, sample Sample) (*Explanation, error) {
	shown, err := withoutSAD(plan)
	if err != nil {
		return nil, err
	}
	engine, diagnostics := rewrite.Compile(shown)
	if engine == nil {
		return nil, fmt.Errorf("the policy does not compile: %v", diagnostics)
	}
	ring := sample.Ring
	if ring == nil {
		ring = keys.Ephemeral()
		defer ring.Close()
	}
	s := &Server{limits: sample.Limits.withDefaults(), logger: slog.New(slog.DiscardHandler), clock: time.Now, ring: ring,
		tokens: vault.New(ring, TokenScope), work: context.Background(),
		recent: new(recent), limiter: &admin.Limiter{Clock: time.Now}}
	y, err := newPolicy(shown, engine, admin.NewMetrics(admin.Build{}).Use(shown, time.Now()), s.limits, true)
	if err != nil {
		return nil, err
	}
	s.policy.Store(y)
	return s.explain(plan, sample)
}

// withoutSAD copies a plan so that sensitive authentication data, where it
// would pass as it is, becomes an alias: a form that the explainer fills in.
func withoutSAD(plan *rules.Plan) (*rules.Plan, error) {
	shown := *plan
	shown.Destinations = slices.Clone(plan.Destinations)
	sad := plan.Label("sad")
	for i := range shown.Destinations {
		d := &shown.Destinations[i]
		d.Sees = slices.Clone(d.Sees)
		for l := range d.Sees {
			if plan.Labels[l].Family == sad && d.Sees[l] < rules.Alias {
				d.Sees[l] = rules.Alias
			}
		}
	}
	if len(plan.Callers) == 0 {
		return nil, fmt.Errorf("the plan has no caller, not even %s", rules.Anonymous)
	}
	return &shown, nil
}

func (s *Server) explain(plan *rules.Plan, sample Sample) (*Explanation, error) {
	route := slices.IndexFunc(plan.Routes, func(r rules.Route) bool { return r.Name == sample.Route })
	if route < 0 {
		return nil, fmt.Errorf("there is no route %q", sample.Route)
	}
	caller := slices.IndexFunc(plan.Callers, func(c rules.Caller) bool { return c.Name == sample.Caller })
	if sample.Caller == "" {
		for caller = len(plan.Callers) - 1; caller > 0 && !allowed(plan, caller, route); caller-- {
		}
	}
	if caller < 0 {
		return nil, fmt.Errorf("there is no caller %q", sample.Caller)
	}
	r := &plan.Routes[route]
	x := s.begin(&inbound{head: framing.NewHead(r.Method, sample.Target, -1, sample.Headers)})
	x.sit()
	x.caller, x.route, x.hasBody = caller, route, sample.Body != nil
	x.body = append(x.body, sample.Body...)
	at := sample.Target
	if at == "" {
		at = r.Path.Source
	}
	ex := &Explanation{Route: r.Name, Caller: plan.Callers[caller].Name}
	ex.Refusal = x.explain(at)
	for i := range x.legs {
		ex.Parties = append(ex.Parties, x.party(plan, i))
	}
	return ex, nil
}

// explain takes a request as far as the bytes of its legs.
func (x *exchange) explain(at string) *reason.Error {
	if !x.target.parse([]byte(at)) || !x.target.matches(&x.p.plan.Routes[x.route].Path) {
		return refuse(reason.RouteUnknown, "the route does not take this path")
	}
	if !allowed(x.p.plan, x.caller, x.route) {
		return refuse(reason.CallerForbidden, "the caller may not use this route")
	}
	if e := x.p.agreed(x.route, x.wall); e != nil {
		return e
	}
	if !x.hasBody && needsBody(x.ctx.head.Method()) {
		return refuse(reason.BodyMissing, "the request needs a JSON body")
	}
	if len(x.body) > x.s.limits.Body {
		return refuse(reason.BodyTooLarge, "the body is larger than the limit")
	}
	if e := x.scan(); e != nil {
		return e
	}
	if e := x.decide(); e != nil {
		x.legs = x.legs[:0]
		return e
	}
	if err := x.show(x.req.Ops()); err != nil {
		return refuse(reason.Internal, "a token could not be made")
	}
	return x.render()
}

// show resolves token operations for the eye.
func (x *exchange) show(ops []rewrite.TokenOp) error {
	t := &x.tokens
	t.use(x)
	sad := x.p.plan.Label("sad")
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Kind == rewrite.Alias && op.Label != rules.NoLabel && x.p.plan.Labels[op.Label].Family == sad:
			op.Result = []byte(sadMark)
		case op.Kind == rewrite.Reveal && !t.reveal:
			op.Unknown = true
		case op.Kind == rewrite.Reveal, op.Kind == rewrite.Known:
			op.Result, op.Fragment = op.Raw, true
		}
	}
	if err := t.begin(ops); err != nil {
		return err
	}
	// Of what the store would be asked nothing is known, and all is new.
	pretend := func(_ context.Context, cmds []store.Command) error {
		for i := range cmds {
			cmds[i].Won = cmds[i].Kind == store.SetOnce
		}
		return nil
	}
	for i := range t.asked {
		a := &t.asked[i]
		if a.kind != askVaulted {
			continue
		}
		if err := t.tokens.FinishVaulted(context.Background(), pretend, []*vault.VaultedMint{a.mint}); err != nil {
			return err
		}
		ops[a.op].Result = a.mint.Token
	}
	return nil
}

// party describes one leg.
func (x *exchange) party(plan *rules.Plan, i int) Party {
	r := &plan.Routes[x.route]
	spec, l := &r.Legs[i], &x.legs[i]
	d := &plan.Destinations[spec.Destination]
	p := Party{Leg: spec.Name, To: d.Name, Primary: i == r.Primary, Method: x.method(spec)}
	if l.unwanted {
		p.Skipped, p.Unless = true, spec.When.String()
		return p
	}
	if l.state == audit.LegSkipped {
		// Without items the sale says which classes there are, and their part.
		p.BySale = r.Follows != nil && !x.req.HasItems()
		p.Skipped = !p.BySale
		return p
	}
	p.URL = d.URL + string(l.target)
	for _, f := range l.fields {
		p.Headers = append(p.Headers, [2]string{f.name, string(f.value)})
	}
	if x.hasBody {
		p.Body = append([]byte{}, l.body...)
	}
	for _, decision := range l.view.Decisions() {
		label := plan.Label(decision.Label)
		if label != rules.NoLabel && plan.Labels[label].Family == plan.Label("sad") && decision.Form == rules.Alias {
			decision.Form = d.Sees.Of(label) // which withoutSAD has changed
		}
		p.Decisions = append(p.Decisions, decision)
	}
	return p
}
