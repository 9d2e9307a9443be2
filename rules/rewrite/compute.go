package rewrite

import (
	"chaperone/rules"
	"chaperone/rules/basket"
	"chaperone/rules/expression"
	"chaperone/rules/reason"
)

// appendComputed computes a member and appends it to v.text, as JSON.
func (v *View) appendComputed(f *formula) *reason.Error {
	out, q, err := v.evaluate(f, true)
	if err != nil {
		return err
	}
	from := len(v.text)
	switch out.Type {
	case expression.Flag:
		if out.Flag {
			v.text = append(v.text, "true"...)
		} else {
			v.text = append(v.text, "false"...)
		}
		return nil
	case expression.Text:
		v.text = append(appendQuoted(append(v.text, '"'), []byte(out.Text)), '"')
	case expression.Number:
		v.text = out.Decimal.Append(v.text)
	case expression.Money:
		a, fault := q.amount(out.Decimal)
		if fault != nil {
			return q.undecided(fault)
		}
		v.text = a.Append(v.text)
	}
	text := []byte(out.Text)
	if out.Type != expression.Text {
		text = v.text[from:]
	}
	if fault := v.asItIs(f.name, text); fault != nil {
		v.text = v.text[:from]
		q.read = -1
		return q.undecided(fault)
	}
	if len(f.x.Labels) > 0 {
		v.count(newTallyKey(tallyComputed, rules.NoClass, rules.Plain, f.number))
	}
	return nil
}

// asItIs looks whether a value may go to the party as it is: it is seen by the
// detectors as a text outside of the body is, under the member's name.
func (v *View) asItIs(name string, text []byte) error {
	uses := len(v.uses)
	t, err := v.DecideText(rules.SourceBody, name, text)
	if err != nil || t.Dropped() || t.from != t.to || len(v.uses) > uses {
		return errForbidden
	}
	return nil
}

// amount writes a number as the first amount that it was computed from was
// written; as the currency has it, where it was computed from none.
func (q *asking) amount(x *expression.Decimal) (basket.Amount, error) {
	places, err := q.Places()
	if err != nil {
		return basket.Amount{}, err
	}
	units, ok := x.Units(places)
	if !ok {
		return basket.Amount{}, errInexact
	}
	a := basket.Amount{Units: units, Style: q.style}
	if !q.styled {
		a.Style.Decimals = uint8(places)
	}
	a.Style.Scale = uint8(places)
	return a, nil
}
