package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// party is what a random policy lets one destination see.
type party struct {
	pan, phi, sad  string
	born, postcode string // kinds of phi
	class          string // of the items it gets: clinical, retail, none
	detects        []string
	when           *expr  // nil: it is always sent
	computes       []expr // of which the text description is put together
}

// parties are those of all destinations.
type parties map[string]*party

// unsure reports whether an expression of the policy may be undecided.
func (ps parties) unsure() bool {
	for _, p := range ps {
		if p.when != nil && p.when.unread || slices.ContainsFunc(p.computes, func(e expr) bool { return e.unread }) {
			return true
		}
	}
	return false
}

// expr is something that a policy can compute or ask, what it is in a sale by
// the test's own reckoning, and whose clearance it takes.
type expr struct {
	text   string
	needs  string // the label that flows into it; empty: none
	value  func(s *secrets) string
	holds  func(s *secrets) bool // of a condition
	unread bool                  // it may be undecided: a detector may find something in it
	joins  bool                  // it makes a card number of what was none
}

// operands are what a computed text is made of.
var operands = []expr{
	{text: `text("patient.name")`, needs: "phi", value: func(s *secrets) string { return s.name }},
	{text: `upper(text("patient.name"))`, needs: "phi", value: func(s *secrets) string { return strings.ToUpper(s.name) }},
	{text: `(text("patient.tier") == "gold" ? trim(text("patient.name")) : "none")`, needs: "phi", value: func(s *secrets) string {
		if s.tier == "gold" {
			return s.name
		}
		return "none"
	}},
	{text: `money("patient.deposit")`, needs: "phi", value: func(s *secrets) string { return strconv.Itoa(s.deposit) }},
	{text: `(money("patient.deposit") * 2 + 5)`, needs: "phi", value: func(s *secrets) string { return strconv.Itoa(s.deposit*2 + 5) }},
	{text: `round(money("patient.deposit") * 0.5)`, needs: "phi", value: func(s *secrets) string { return strconv.Itoa(halfToEven(s.deposit)) }},
	{text: `text("patient.born")`, needs: "born", value: func(s *secrets) string { return s.born }},
	{text: `text("patient.postcode")`, needs: "postcode", value: func(s *secrets) string { return s.postcode }},
	{text: `total`, value: func(s *secrets) string { return strconv.Itoa(s.total) }},
	{text: `(total - 1)`, value: func(s *secrets) string { return strconv.Itoa(s.total - 1) }},
	{text: `total("retail")`, value: func(s *secrets) string { return strconv.Itoa(s.retailTotal) }},
	{text: `count("retail")`, value: func(s *secrets) string { return strconv.Itoa(s.retailItems) }},
	{text: `caller`, value: func(*secrets) string { return "front-desk" }},
	{text: `lower(currency)`, value: func(*secrets) string { return "usd" }},
	{text: `text("memo")`, unread: true, value: func(s *secrets) string { return s.memo }},
	{text: `(has("note") ? text("note") : "no note")`, unread: true},
	{text: `text("left") + text("right")`, unread: true, joins: true},
	{text: `text("left") + " " + text("right")`, unread: true, joins: true},
	{text: `text("payment.card.number")`, needs: "pan", unread: true},
}

func halfToEven(n int) int {
	if n%2 == 0 {
		return n / 2
	}
	return (n + 1) / 2 &^ 1
}

// conditions are what a leg can be sent by.
var conditions = []expr{
	{text: `flag("vip")`, holds: func(s *secrets) bool { return s.vip }},
	{text: `not has("note")`, holds: func(s *secrets) bool { return !s.noted }},
	{text: `text("memo") startsWith "memo-" and (flag("vip") or has("note"))`, holds: func(s *secrets) bool { return s.vip || s.noted }, unread: true},
	{text: `total > 100000 and currency == "USD"`, holds: func(s *secrets) bool { return s.total > 100000 }},
	{text: `total("retail") * 2 >= total`, holds: func(s *secrets) bool { return s.retailTotal*2 >= s.total }},
	{text: `count("retail") >= 2 or caller != "front-desk"`, holds: func(s *secrets) bool { return s.retailItems >= 2 }},
	{text: `text("patient.tier") == "gold"`, needs: "phi", holds: func(s *secrets) bool { return s.tier == "gold" }},
	{text: `money("patient.deposit") > 150000000000`, needs: "phi", holds: func(s *secrets) bool { return s.deposit > 150000000000 }},
	{text: `lower(text("patient.name")) startsWith "phi" and flag("vip")`, needs: "phi", holds: func(s *secrets) bool { return s.vip }},
}

// form is how the party sees what an expression needs.
func (p *party) form(label string) string {
	switch label {
	case "pan":
		return p.pan
	case "phi":
		return p.phi
	case "born":
		return p.born
	case "postcode":
		return p.postcode
	}
	return "plain"
}

// computable reports whether the party may be told what is computed of a value:
// it sees the value itself.
func (p *party) computable(e expr) bool { return p.form(e.needs) == "plain" }

// askable reports whether the party may be called by a condition: it may know
// that there is such a value.
func (p *party) askable(e expr) bool { f := p.form(e.needs); return f != "drop" && f != "block" }

// draw takes some of the expressions that a party may have; seldom one that
// refuses nearly every sale.
func (w *world) draw(from []expr, may func(expr) bool, n int) (out []expr) {
	for _, i := range w.Perm(len(from)) {
		if len(out) < n && may(from[i]) && (!from[i].joins || w.Intn(4) == 0) {
			out = append(out, from[i])
		}
	}
	return out
}

// concatenated writes what is computed of several operands.
func concatenated(parts []expr) string {
	texts := []string{`"about "`}
	for _, e := range parts {
		texts = append(texts, e.text)
	}
	return strings.Join(texts, ` + " | " + `)
}

// legNames are the destinations, in an order that a seed decides upon.
var legNames = []string{"processor", "ehr", "ledger"}

// policy draws forms for the three destinations, detectors, conditions and
// computed values, and writes the file. Only what the loader may accept is
// drawn. In the first round the processor is told what is surely decided, in the
// second the ledger would be told card numbers: whatever the seed, both are
// tried.
func (w *world) policy(r receivers, round int) (string, parties) {
	pick := func(from ...string) string { return from[w.Intn(len(from))] }
	ps := parties{
		"processor": {pan: "plain", phi: "drop", sad: pick("plain", "drop"), class: "none"},
		"ehr":       {pan: pick("token", "mask", "drop", "plain"), phi: pick("plain", "plain", "token"), sad: "drop", class: "clinical"},
		"ledger":    {pan: pick("token", "mask", "drop"), phi: "drop", sad: "drop", class: "retail"},
	}
	var detects []string
	for _, d := range []string{"ssn", "nhs_number", "iban", "email", "phone"} {
		if w.Intn(4) > 0 {
			detects = append(detects, d)
		}
	}
	for _, name := range legNames {
		p := ps[name]
		p.detects, p.born, p.postcode = detects, p.phi, p.phi
		if name != "processor" {
			p.born, p.postcode = pick(p.phi, "generalize"), pick(p.phi, "generalize")
		}
	}
	rules := w.written(r, ps, detects)
	for _, name := range legNames {
		p := ps[name]
		p.computes = w.draw(operands, p.computable, w.Intn(4))
		if name != "processor" && w.Intn(3) > 0 {
			p.when = &w.draw(conditions, p.askable, 1)[0]
		}
		switch {
		case round == 0:
			p.when = nil
			p.computes = w.draw(operands, func(e expr) bool { return p.computable(e) && !e.unread }, 2)
		case round == 1 && name == "ledger":
			p.when, p.computes = nil, []expr{{text: `text("left") + text("right")`, unread: true}}
		}
		rules = withExpressions(rules, name, &party{}, p)
	}
	return rules, ps
}

// forbidden writes policies of which each has one expression too many: what it
// reads its destination may not know.
func (w *world) forbidden(rules string, ps parties) map[string]string {
	all := map[string]string{}
	for _, name := range legNames {
		p := ps[name]
		for _, e := range w.draw(operands, func(e expr) bool { return !p.computable(e) }, 1) {
			all[name+" computes "+e.text] = withExpressions(rules, name, p, &party{computes: []expr{e}})
		}
		if name == "processor" {
			continue
		}
		for _, e := range w.draw(conditions, func(e expr) bool { return !p.askable(e) }, 1) {
			all[name+" when "+e.text] = withExpressions(rules, name, p, &party{when: &e})
		}
	}
	return all
}

// written writes the policy without its expressions.
func (w *world) written(r receivers, ps parties, detects []string) string {
	rules := r.rules()
	put := func(old, by string) {
		if strings.Count(rules, old) != 1 {
			panic("the policy has changed: " + old)
		}
		rules = strings.Replace(rules, old, by, 1)
	}
	detect := func(of ...string) string {
		on := slices.DeleteFunc(of, func(d string) bool { return !slices.Contains(detects, d) })
		if len(on) == 0 {
			return ""
		}
		return "    detect: [" + strings.Join(on, ", ") + "]\n"
	}
	put("items.#.practitioner, items.#.lot]\n", "items.#.practitioner, items.#.lot]\n"+detect("ssn", "nhs_number", "iban"))
	put("    paths: [patient.phone, patient.email]\n", "    paths: [patient.phone, patient.email]\n"+detect("email", "phone")+
		"  phi.born: {paths: [patient.born], generalize: date}\n  phi.area: {paths: [patient.postcode], generalize: postcode}\n")
	put("        set: {description: \"Store purchase\"}\n", "")
	put("sees: {pan: plain, sad: plain}", fmt.Sprintf("sees: {pan: plain, sad: %s}", ps["processor"].sad))
	sees := func(name string) string {
		p := ps[name]
		return fmt.Sprintf("sees: {pan: %s, phi: %s, phi.born: %s, phi.area: %s}", p.pan, p.phi, p.born, p.postcode)
	}
	put("sees: {phi: plain, pan: token}", sees("ehr"))
	put("    sees: {pan: mask}", "    agreement: {kind: BAA, reference: L-1, expires: 2099-12-31}\n    "+sees("ledger"))
	if w.Intn(2) == 0 { // the record and the ledger ask for everything
		put("keep: [transaction_id, timestamp, currency, patient, consent, items, totals, note, payment.card.number]", "keep: all")
		put("keep: [transaction_id, timestamp, currency, items, totals, note, payment.card.number]", "keep: all")
	}
	return rules
}

// expressions are the lines of a leg that hold some; the primary has no
// condition.
func (p *party) expressions() (lines string) {
	if len(p.computes) > 0 {
		lines = "        set: {description: {compute: '" + concatenated(p.computes) + "'}, info.more: {compute: '" + p.computes[0].text + "'}}\n"
	}
	if p.when != nil {
		lines += "        when: '" + p.when.text + "'\n"
	}
	return lines
}

// withExpressions gives a leg the expressions of a party, in the place of those
// of another.
func withExpressions(rules, name string, old, p *party) string {
	head := "      - to: " + name + "\n"
	if strings.Count(rules, head+old.expressions()) != 1 {
		panic("the policy has changed: " + head)
	}
	return strings.Replace(rules, head+old.expressions(), head+p.expressions(), 1)
}
