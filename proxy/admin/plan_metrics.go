package admin

import (
	"slices"
	"time"

	"chaperone/audit"
	"chaperone/rules"
	"chaperone/rules/reason"
)

// PlanMetrics are the metrics that speak of the routes, destinations and
// labels of one plan. A request uses those of the plan that it holds. Methods
// take indexes into the plan; one that is not in it, -1 for instance, counts
// as "other". They are safe for concurrent use, and allocate only at the first
// event of its kind.
type PlanMetrics struct {
	reasons map[reason.Code]int // → slot
	labels  map[string]int      // → slot; LabelIDs are slots too

	requests      *counters     // route, class, reason
	outcomes      *counters     // route, outcome
	decisions     *counters     // label, form
	legs          *counters     // destination, result
	egressBlocked *counters     // destination
	again         *counters     // route, who
	conditions    [][][2]*tally // by route and leg: skipped, sent; nil for a leg without a condition
	minted        *counters     // label
	revealed      *counters     // label
	unknown       *counters     // label

	whole, proxy, bodyIn, bodyOut []*histogram // by route
	upstream                      []*histogram // by destination
}

// Request is what is measured of one answered request.
type Request struct {
	Route           int           // index into Plan.Routes; -1: none was found
	Status          int           // HTTP status of the answer
	Reason          reason.Code   // None where nothing went wrong
	Took            time.Duration // from the request's head to the end of the answer
	Waited          time.Duration // of that, for the primary and sync legs
	BodyIn, BodyOut int           // bytes
}

// LegResult is how one downstream call, or a queued leg, ended.
type LegResult uint8

// The results of legs.
const (
	LegAccepted    LegResult = iota // an answer that counts as success
	LegRejected                     // an answer that does not
	LegTimeout                      // no whole answer in time
	LegUnreachable                  // provably no byte was sent
	LegBroken                       // reset or unreadable after a byte was sent
	LegDead                         // given up, on the dead-letter list
	LegParked                       // waits for the policy to allow it
	LegDropped                      // given up by the outcome or an operator
)

var legResults = []string{"accepted", "rejected", "timeout", "unreachable", "broken", "dead", "parked", "dropped"}

// String returns the value of the metric's label.
func (r LegResult) String() string { return legResults[min(int(r), len(legResults)-1)] }

var codeClasses = []string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// none stands for reason.None: an empty label would be the same as no label.
const none = "none"

func newPlanMetrics(m *Metrics, p *rules.Plan) *PlanMetrics {
	routes := make([]string, len(p.Routes))
	for i := range p.Routes {
		routes[i] = p.Routes[i].Name
	}
	destinations := make([]string, len(p.Destinations))
	for i := range p.Destinations {
		destinations[i] = p.Destinations[i].Name
	}
	pm := &PlanMetrics{reasons: map[reason.Code]int{reason.None: 0}, labels: map[string]int{}}
	labels := make([]string, len(p.Labels))
	for i := range p.Labels {
		labels[i] = p.Labels[i].Name
		pm.labels[labels[i]] = i
	}
	codes := reason.All()
	slices.Sort(codes)
	reasons := []string{none}
	for _, c := range codes {
		pm.reasons[c] = len(reasons)
		reasons = append(reasons, string(c))
	}
	forms := make([]string, rules.Forms)
	for i := range forms {
		forms[i] = rules.Form(i).String()
	}
	outcomes := make([]string, len(outcomeResults))
	for i, r := range outcomeResults {
		outcomes[i] = r.String()
	}

	pm.requests = newCounters(m.requests, routes, codeClasses, reasons)
	pm.outcomes = newCounters(m.outcomes, routes, outcomes).fill()
	pm.decisions = newCounters(m.decisions, labels, forms)
	pm.legs = newCounters(m.legs, destinations, legResults).fill()
	pm.egressBlocked = newCounters(m.egressBlocked, destinations).fill()
	pm.again = newCounters(m.again, routes, []string{"retry", "replay"}).fill()
	pm.conditions = conditionCounters(m, p)
	pm.minted = newCounters(m.minted, labels)
	pm.revealed = newCounters(m.revealed, labels)
	pm.unknown = newCounters(m.unknown, labels).fill()
	for i := range routes {
		pm.requests.at(i, 1, 0) // 2xx, none: there from the start
	}
	pm.whole, pm.proxy = m.whole.all(routes), m.proxy.all(routes)
	pm.bodyIn, pm.bodyOut = m.bodyIn.all(routes), m.bodyOut.all(routes)
	pm.upstream = m.upstream.all(destinations)
	return pm
}

// conditionCounters makes the counters of all legs with a condition.
func conditionCounters(m *Metrics, p *rules.Plan) [][][2]*tally {
	all := make([][][2]*tally, len(p.Routes))
	for i := range p.Routes {
		r := &p.Routes[i]
		all[i] = make([][2]*tally, len(r.Legs))
		for j := range r.Legs {
			if r.Legs[j].When == nil {
				continue
			}
			for k, result := range [2]string{"skipped", "sent"} {
				all[i][j][k] = m.conditions.of(r.Name, r.Legs[j].Name, result)
			}
		}
	}
	return all
}

// Condition counts the decided condition of a leg. A leg that has none counts
// nowhere.
func (p *PlanMetrics) Condition(route, leg int, sent bool) {
	if route < 0 || route >= len(p.conditions) || leg < 0 || leg >= len(p.conditions[route]) {
		return
	}
	c := p.conditions[route][leg][0]
	if sent {
		c = p.conditions[route][leg][1]
	}
	if c != nil {
		c.inc()
	}
}

// Request counts and measures an answered request.
func (p *PlanMetrics) Request(r Request) {
	code, ok := p.reasons[r.Reason]
	if !ok {
		code = -1
	}
	p.requests.at(r.Route, r.Status/100-1, code).inc()
	observe(p.whole, r.Route, r.Took.Nanoseconds())
	observe(p.proxy, r.Route, (r.Took - r.Waited).Nanoseconds())
	observe(p.bodyIn, r.Route, int64(r.BodyIn))
	observe(p.bodyOut, r.Route, int64(r.BodyOut))
}

// Outcome counts the outcome of a route's primary leg. A result that is no
// outcome counts as "other".
func (p *PlanMetrics) Outcome(route int, r audit.Result) {
	slot := -1
	for i, o := range outcomeResults {
		if o == r {
			slot = i
		}
	}
	p.outcomes.at(route, slot).inc()
}

// SentAgain counts a call of a route's primary that was sent again because the
// sale was in doubt: by the proxy itself, or else with the caller's repeat.
func (p *PlanMetrics) SentAgain(route int, byProxy bool) {
	who := 0
	if byProxy {
		who = 1
	}
	p.again.at(route, who).inc()
}

// Decided returns the counter of values of a label, by name, that went on in a
// form. An item without a label is label "", which counts as "other".
func (p *PlanMetrics) Decided(label string, form rules.Form) Counter {
	slot, ok := p.labels[label]
	if !ok {
		slot = -1
	}
	return Counter{p.decisions.at(slot, int(form))}
}

// Counter is one of the metrics, for those who look it up once. It is safe for
// concurrent use.
type Counter struct{ tally *tally }

// Add counts n more; a negative n is none.
func (c Counter) Add(n int) { c.tally.add(n) }

// Leg counts the result of a call or the end of a queued leg.
func (p *PlanMetrics) Leg(destination int, r LegResult) { p.legs.at(destination, int(r)).inc() }

// Upstream measures one call of a destination.
func (p *PlanMetrics) Upstream(destination int, took time.Duration) {
	observe(p.upstream, destination, took.Nanoseconds())
}

// EgressBlocked counts a message that the last check before sending refused.
func (p *PlanMetrics) EgressBlocked(destination int) { p.egressBlocked.at(destination).inc() }

// Minted counts n tokens made.
func (p *PlanMetrics) Minted(label rules.LabelID, n int) { p.minted.at(int(label)).add(n) }

// Revealed counts n tokens turned back into values.
func (p *PlanMetrics) Revealed(label rules.LabelID, n int) { p.revealed.at(int(label)).add(n) }

// Unknown counts n tokens that could not be revealed.
func (p *PlanMetrics) Unknown(label rules.LabelID, n int) { p.unknown.at(int(label)).add(n) }
