package ruletest

import "chaperone/rules"

// DefaultAnswer is what a stand-in says that no test speaks for: the primary of
// a route says yes, as its success is written; all others say 200. body is nil
// where there is nothing to say.
func DefaultAnswer(p *rules.Plan, route, leg string) (status int, body []byte) {
	for i := range p.Routes {
		r := &p.Routes[i]
		if r.Name != route || r.Legs[r.Primary].Name != leg || r.Legs[r.Primary].Success == nil {
			continue
		}
		s := r.Legs[r.Primary].Success
		status = 200
		if len(s.Status) > 0 {
			status = s.Status[0].From
		}
		if len(s.Where) == 0 {
			return status, nil
		}
		v := &Value{Kind: Object}
		for _, w := range s.Where {
			if len(w.Values) > 0 {
				v.set(w.Path.Steps, scalar(w.Values[0]))
			}
		}
		return status, v.JSON()
	}
	return 200, nil
}

// scalar is a value of the policy.
func scalar(s rules.Scalar) *Value {
	v := &Value{Text: s.Text}
	switch s.Kind {
	case rules.ScalarString:
		v.Kind = String
	case rules.ScalarNumber:
		v.Kind = Number
	case rules.ScalarBool:
		v.Kind = Bool
	}
	return v
}
