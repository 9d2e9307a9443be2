package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"chaperone/proxy"
	"chaperone/rules"
	"chaperone/rules/rewrite"
	"chaperone/rules/ruletest"
)

// testedPolicy is a policy under test, and what tests have reached of it.
type testedPolicy struct {
	file     string
	cfg      *config // nil: the tests name the policy alone
	plan     *rules.Plan
	engine   *rewrite.Engine
	coverage *ruletest.Coverage
	mask     *ruletest.Masker
}

// testResult is what came of one test.
type testResult struct {
	file       *ruletest.File
	test       *ruletest.Test
	mismatches []ruletest.Mismatch
	fault      error // the test could not be made; nil: it was
	took       time.Duration
}

func (r *testResult) passed() bool { return r.fault == nil && len(r.mismatches) == 0 }

// runTest sends a test's request, after those that come before it, and judges
// what came of it. Each test has a proxy of its own: nothing of another's is in
// its store.
func runTest(ctx context.Context, p *testedPolicy, f *ruletest.File, t *ruletest.Test) testResult {
	began := time.Now()
	result := testResult{file: f, test: t}
	o := proxy.RehearsalOptions{Plan: p.plan, Engine: p.engine}
	if p.cfg != nil {
		o.Limits, o.Hosts = p.cfg.proxyLimits(), p.cfg.listen.hosts
	}
	r, err := proxy.NewRehearsal(ctx, o)
	if err != nil {
		result.fault = err
		return result
	}
	result.mismatches, result.fault = rehearse(ctx, p, r, f, t)
	if err := r.Close(); err != nil && result.fault == nil {
		result.fault = err
	}
	result.took = time.Since(began)
	return result
}

func rehearse(ctx context.Context, p *testedPolicy, r *proxy.Rehearsal, f *ruletest.File, t *ruletest.Test) ([]ruletest.Mismatch, error) {
	for _, before := range f.Before(t) {
		if _, _, err := sendTest(ctx, p, r, before); err != nil {
			return nil, fmt.Errorf("after %q: %w", before.Name, err)
		}
	}
	observed, maker, err := sendTest(ctx, p, r, t)
	if err != nil {
		return nil, err
	}
	m := &ruletest.Matcher{Is: func(kind, text string) bool {
		if kind == ruletest.RefToken {
			return r.IsToken(text)
		}
		return r.IsAlias(text)
	}}
	return ruletest.Judge(t, observed, m, p.mask, maker)
}

// sendTest sends a test's request, and counts what it reaches.
func sendTest(ctx context.Context, p *testedPolicy, r *proxy.Rehearsal, t *ruletest.Test) (*ruletest.Observed, ruletest.Maker, error) {
	q := &t.Request
	route := routeOf(p.plan, q)
	caller := callerOf(p.plan, q, route)
	maker := func(kind, of, value string) (string, error) {
		if kind == ruletest.RefAlias {
			return r.Alias(caller, route, of, value), nil
		}
		return r.Token(ctx, caller, route, of, value)
	}
	request, err := requestOf(p.plan, q, route, maker)
	if err != nil {
		return nil, nil, err
	}
	request.Caller, request.At = caller, t.Now
	answers, err := answersOf(t, maker)
	if err != nil {
		return nil, nil, err
	}
	request.Answer = func(c *proxy.Call) proxy.StandIn { return answers.to(p.plan, route, c) }
	request.Refuses = answers.refuses(p.plan, route)
	came, err := r.Send(ctx, *request)
	if err != nil {
		return nil, nil, err
	}
	observed := observedOf(came)
	p.coverage.Note(observed)
	return observed, maker, nil
}

// routeOf is the route that a request names, or that takes its method and path;
// empty: none.
func routeOf(p *rules.Plan, q *ruletest.Request) string {
	if q.Route.Written() {
		return q.Route.Text
	}
	path, _, _ := strings.Cut(q.Path.Text, "?")
	return proxy.RouteFor(p, q.Method.Text, path)
}

// callerOf is the caller that a request names, or else the first that may use
// the route.
func callerOf(p *rules.Plan, q *ruletest.Request, route string) string {
	switch {
	case q.Caller.Text == ruletest.Nobody, !p.HasCallers:
		return proxy.Nobody
	case q.Caller.Written():
		return q.Caller.Text
	}
	i := slices.IndexFunc(p.Routes, func(r rules.Route) bool { return r.Name == route })
	for _, c := range p.Callers {
		if c.AllRoutes || slices.Contains(c.Routes, i) {
			return c.Name
		}
	}
	return p.Callers[0].Name
}

// requestOf makes the request that a test describes.
func requestOf(p *rules.Plan, q *ruletest.Request, route string, maker ruletest.Maker) (*proxy.RehearsedRequest, error) {
	out := &proxy.RehearsedRequest{Method: q.Method.Text}
	for i := range p.Routes {
		if q.Route.Written() && p.Routes[i].Name == route {
			out.Method, out.Target = p.Routes[i].Method, strings.TrimSuffix(p.Routes[i].Path.Source, "/*")
		}
	}
	var err error
	if q.Path.Written() {
		if out.Target, err = ruletest.Expand(q.Path.Text, maker); err != nil {
			return nil, err
		}
	}
	query, err := expandFields(q.Query, maker)
	if err != nil {
		return nil, err
	}
	for i, f := range query {
		sep := "&"
		if i == 0 && !strings.Contains(out.Target, "?") {
			sep = "?"
		}
		out.Target += sep + url.QueryEscape(f[0]) + "=" + url.QueryEscape(f[1])
	}
	if out.Headers, err = expandFields(q.Headers, maker); err != nil {
		return nil, err
	}
	if q.Body != nil {
		out.Body, err = ruletest.ExpandJSON(q.Body.Text, maker)
	}
	return out, err
}

func expandFields(fields []ruletest.Field, maker ruletest.Maker) ([][2]string, error) {
	var out [][2]string
	for _, f := range fields {
		value, err := ruletest.Expand(f.Text.Text, maker)
		if err != nil {
			return nil, err
		}
		out = append(out, [2]string{f.Name, value})
	}
	return out, nil
}

// standIns are the answers of a test, by destination or leg; what is written
// first counts.
type standIns []standInFor

type standInFor struct {
	to      string
	refuses bool
	answer  proxy.StandIn
}

func answersOf(t *ruletest.Test, maker ruletest.Maker) (standIns, error) {
	var all standIns
	for i := range t.Answers {
		a := &t.Answers[i]
		s := standInFor{to: a.To, refuses: a.Fault == ruletest.FaultRefused, answer: proxy.StandIn{Status: a.Status}}
		switch a.Fault {
		case ruletest.FaultTimeout:
			s.answer.Fault = proxy.Timeout
		case ruletest.FaultBroken:
			s.answer.Fault = proxy.Broken
		}
		var err error
		if s.answer.Headers, err = expandFields(a.Headers, maker); err != nil {
			return nil, err
		}
		if a.Body != nil {
			if s.answer.Body, err = ruletest.ExpandJSON(a.Body.Text, maker); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// to answers a call.
func (all standIns) to(p *rules.Plan, route string, c *proxy.Call) proxy.StandIn {
	for i := range all {
		if s := &all[i]; s.to == c.Leg || s.to == c.To {
			return s.answer
		}
	}
	status, body := ruletest.DefaultAnswer(p, route, c.Leg)
	return proxy.StandIn{Status: status, Body: body}
}

// refuses says which destinations take no connection: those that are named, and
// those of legs that are.
func (all standIns) refuses(p *rules.Plan, route string) func(to string) bool {
	return func(to string) bool {
		for i := range all {
			if s := &all[i]; s.to == to || s.to == legTo(p, route, s.to, to) {
				return s.refuses
			}
		}
		return false
	}
}

// legTo gives the leg's name if the route has such a leg to the destination.
func legTo(p *rules.Plan, route, leg, to string) string {
	for i := range p.Routes {
		for _, l := range p.Routes[i].Legs {
			if p.Routes[i].Name == route && l.Name == leg && p.Destinations[l.Destination].Name == to {
				return leg
			}
		}
	}
	return ""
}

func observedOf(h *proxy.Rehearsed) *ruletest.Observed {
	o := &ruletest.Observed{Route: h.Route, Caller: h.Caller, Status: h.Status, Headers: h.Headers, Body: h.Body, Code: string(h.Code), Outcome: h.Outcome}
	if o.Outcome == "" {
		o.Outcome = ruletest.OutcomeRefused
	}
	if h.Refusal != nil {
		o.Rule = string(h.Refusal.Rule)
	}
	for _, l := range h.Legs {
		o.Legs = append(o.Legs, ruletest.ObservedLeg(l))
	}
	for _, c := range h.Calls {
		o.Calls = append(o.Calls, ruletest.ObservedCall(c))
	}
	for _, d := range h.Decisions {
		o.Decisions = append(o.Decisions, ruletest.Decision{To: string(d.To), Path: string(d.Pattern), Label: string(d.Label),
			Form: string(d.Form), Class: string(d.Class), Rule: string(d.Rule), Count: d.Count})
	}
	for _, i := range h.Items {
		o.Items = append(o.Items, ruletest.ObservedItem{Class: int(i.Class), Rule: i.Rule})
	}
	return o
}
