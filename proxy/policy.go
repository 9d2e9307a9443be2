package proxy

import (
	"crypto/sha256"
	"fmt"
	"time"

	"chaperone/audit"
	"chaperone/proxy/admin"
	"chaperone/rules"
	"chaperone/rules/reason"
	"chaperone/rules/rewrite"
)

// policy is a plan with everything that is derived from it. A request holds
// one to its end. It is immutable but for the pools of its upstreams, and what
// it has prepared.
type policy struct {
	plan      *rules.Plan
	engine    *rewrite.Engine
	callers   *callers
	upstreams []*upstream // by destination
	metrics   *admin.PlanMetrics
	pan       rules.LabelID
	sees      [][]byte // by caller: what it is cleared for, as a short text
	names     *audit.Names
	choices   choices
}

// newPolicy derives a policy. One that is only to be shown does without the
// files that its destinations name.
func newPolicy(p *rules.Plan, e *rewrite.Engine, m *admin.PlanMetrics, l Limits, show bool) (*policy, error) {
	if len(p.Callers) == 0 {
		return nil, fmt.Errorf("proxy: the plan has no caller, not even %s", rules.Anonymous)
	}
	y := &policy{plan: p, engine: e, callers: newCallers(p), metrics: m, pan: p.Label("pan"), names: planNames(p)}
	for i := range p.Destinations {
		u, err := newUpstream(p, i, l.UpstreamTimeout, l.Body, show)
		if err != nil {
			return nil, err
		}
		y.upstreams = append(y.upstreams, u)
	}
	for i := range p.Callers {
		y.sees = append(y.sees, fingerprint(p, p.Callers[i].Sees))
	}
	return y, nil
}

func (y *policy) close() {
	for _, u := range y.upstreams {
		u.close()
	}
}

// fingerprint tells clearances apart, across plans: by the names of labels
// and the forms in which they are seen.
func fingerprint(p *rules.Plan, c rules.Clearance) []byte {
	h := sha256.New()
	for i := range p.Labels {
		if f := c.Of(rules.LabelID(i)); f != rules.Drop {
			h.Write(appendTexts(nil, p.Labels[i].Name))
			h.Write([]byte{byte(f)})
		}
	}
	return h.Sum(nil)[:16]
}

// seesCards reports whether a caller may be given card numbers as they are.
func (y *policy) seesCards(caller int) bool {
	return y.pan != rules.NoLabel && y.plan.Callers[caller].Sees.Of(y.pan) == rules.Plain
}

// revealing reports whether tokens are turned back for what a caller sends.
func (y *policy) revealing(caller int) bool {
	return y.plan.HasCallers || caller != len(y.plan.Callers)-1
}

// lapsed reports whether the agreement that a destination needs is over.
func lapsed(d *rules.Destination, now time.Time) bool {
	return d.SeesPHI && (d.Agreement == nil || !now.Before(d.Agreement.Expires))
}

// agreed refuses a route of which a call that every request makes at once, to
// the primary or by a sync leg, may not be made today. Of a leg that some
// requests leave out, decide knows whether it matters.
func (y *policy) agreed(route int, now time.Time) *reason.Error {
	r := &y.plan.Routes[route]
	for i := range r.Legs {
		leg := &r.Legs[i]
		if i == r.Primary || leg.Sync && !optional(leg) {
			if d := &y.plan.Destinations[leg.Destination]; lapsed(d, now) {
				return agreementLapsed(d)
			}
		}
	}
	return nil
}

// optional reports whether a leg is left out of some requests.
func optional(l *rules.Leg) bool { return l.When != nil || l.Items == rules.ItemsClass }

//go:noinline
func agreementLapsed(d *rules.Destination) *reason.Error {
	return &reason.Error{Code: reason.AgreementLapsed, Rule: "destinations." + d.Name + ".agreement", Offset: -1,
		Detail: "the agreement with the destination has lapsed"}
}
