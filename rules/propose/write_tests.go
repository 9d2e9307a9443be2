package propose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The bodies beside the tests.
const (
	bodyMixed  = "bodies/sample.json"
	bodyGoods  = "bodies/goods-only.json"
	bodyRecord = "bodies/record.json"
)

// tests writes the tests of the policy, and the bodies that they send.
func (d *draft) tests(legs []leg) []File {
	p := new(page)
	p.linef(`# Tests of rules.yaml: what must hold of it, whoever changes it. The values of
# the bodies are made up; their shape is that of the samples.
#
#   chaperone test .                  runs them, without a network
#   chaperone test --coverage .       lists what none of them reaches
`)
	if d.kind == Record {
		return d.recordTests(p)
	}
	p.linef("answers:\n  processor:\n    body: {id: pay_sample, status: approved, card: {number: %q}}\n\ntests:", testCard)
	classes := []string{clinical, retail}
	files := []File{{bodyMixed, d.body(classes)}}
	if d.kind == Sale {
		d.testSplit(p)
		files = append(files, File{bodyGoods, d.body([]string{retail})})
		d.testGoods(p)
		d.testUnknown(p)
		d.testByName(p)
	} else {
		d.testPayment(p, legs)
	}
	d.testDeclined(p, legs)
	d.testCardInText(p, legs)
	d.testIdentifiers(p, legs)
	d.testRepeat(p, legs)
	d.testNobody(p)
	return append([]File{{"rules_test.yaml", []byte(p.String())}}, files...)
}

func (d *draft) begin(p *page, name, body string) {
	p.linef("  - name: %s\n    request:\n      route: %s\n      body_file: %s", name, d.route(), body)
}

// concrete is a path of one element: the first, or another of the items.
func (d *draft) concrete(path string, item int) string {
	if d.items != "" {
		if rest, ok := strings.CutPrefix(path, d.items+".#."); ok {
			path = d.items + "." + strconv.Itoa(item) + "." + rest
		}
	}
	path = strings.ReplaceAll(path, ".#", ".0")
	return strings.ReplaceAll(path, "*", "sample")
}

// has writes what a call has: paths with values.
func (d *draft) has(p *page, pairs [][2]string) {
	if len(pairs) == 0 {
		return
	}
	var out []string
	for _, kv := range pairs {
		out = append(out, quoted(kv[0])+": "+kv[1])
	}
	p.linef("          has: {%s}", strings.Join(out, ", "))
}

// cardPairs are where a leg has the card, in the form that it may see.
func (d *draft) cardPairs(value string) (out [][2]string) {
	for _, m := range d.once(d.labels[labelPAN]) {
		out = append(out, [2]string{d.concrete(m.path, 0), value})
	}
	return out
}

// plainCard is the card as the processor has it, as the sample writes it.
func (d *draft) plainCard() (out [][2]string) {
	for _, m := range d.once(d.labels[labelPAN]) {
		value := strconv.Quote(testCard)
		if m.every(func(n *node) bool { return n.kind == number }) {
			value = testCard
		}
		out = append(out, [2]string{d.concrete(m.path, 0), value})
	}
	return out
}

// secrets are the paths that a leg may not have.
func (d *draft) secrets(labels ...string) []string {
	var out []string
	for _, l := range labels {
		for _, m := range d.labels[l] {
			if path := d.concrete(m.path, 0); d.items == "" || !m.below(d.items) {
				out = append(out, quoted(path))
			}
		}
	}
	return out
}

func (d *draft) lacks(p *page, list []string) {
	if len(list) > 0 {
		p.linef("          lacks: [%s]", strings.Join(list, ", "))
	}
}

func value(s string) string { return "{value: " + strconv.Quote(s) + "}" }

// totalPair is the basket's total for items of these classes.
func (d *draft) totalPair(classes ...string) [][2]string {
	if d.sums.total == nil {
		return nil
	}
	return [][2]string{{d.sums.total.path, d.written(d.sums.total, d.totalsOf(classes).total)}}
}

// titlePair is the name of an item that a leg has.
func (d *draft) titlePair(name string) [][2]string {
	if len(d.line.name) == 0 {
		return nil
	}
	return [][2]string{{d.concrete(d.line.name[0].path, 0), name}}
}

func (d *draft) testSplit(p *page) {
	d.begin(p, "a sale of a treatment and goods is split", bodyMixed)
	p.linef("    expect:\n      status: 200\n      outcome: released\n      later: {ehr: delivered, ledger: delivered}\n      calls:\n        processor:")
	d.has(p, slices.Concat(d.plainCard(), d.totalPair(clinical, retail)))
	d.lacks(p, append(d.secrets(labelPHI, labelContact), quoted(d.items)))
	p.linef("        ehr:")
	d.has(p, slices.Concat(d.cardPairs(`"<token:of the card>"`), d.titlePair(treatName), d.totalPair(clinical)))
	d.lacks(p, append(d.secrets(labelSAD), value(goodsName), value(testCard)))
	p.linef("        ledger:")
	d.has(p, slices.Concat(d.cardPairs(strconv.Quote(maskedCard)), d.titlePair(goodsName), d.totalPair(retail)))
	d.lacks(p, append(d.secrets(labelPHI, labelContact, labelSAD), value(treatName), value(testCard)))
	if d.cardPath() != nil {
		p.linef("      answer: {has: {card_token: \"<token:of the card>\"}, lacks: [%s]}", value(testCard))
	}
	p.linef("")
}

func (d *draft) testGoods(p *page) {
	d.begin(p, "goods alone are no business of the patient record", bodyGoods)
	p.linef("    expect:\n      outcome: released\n      legs: {ehr: skipped, ledger: queued}\n      calls:\n        ehr: not_called\n        ledger:")
	d.has(p, slices.Concat(d.titlePair(goodsName), d.totalPair(retail)))
	d.lacks(p, append(d.secrets(labelPHI, labelContact, labelSAD), value(testCard)))
	p.linef("")
}

// testUnknown sells what no rule knows.
func (d *draft) testUnknown(p *page) {
	d.begin(p, "what no rule knows is treated as clinical", bodyGoods)
	p.linef("      with:")
	seen := map[string]bool{}
	for _, list := range [][]*field{d.line.name, d.line.category, d.line.sku} {
		for _, f := range list {
			if seen[f.path] || d.labelled[f.path] != "" {
				continue
			}
			seen[f.path] = true
			v := "zz-unknown"
			if slices.Contains(d.line.name, f) {
				v = unknownName
			}
			p.linef("        %s: %s", d.concrete(f.path, 0), v)
		}
	}
	p.linef("    expect:\n      outcome: released\n      legs: {ehr: queued, ledger: skipped}\n      calls:\n        ledger: not_called\n")
}

// testByName sells a treatment in the disguise of goods.
func (d *draft) testByName(p *page) {
	word := ""
	for line := range strings.Lines(string(d.o.Procedures)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			word = line
			break
		}
	}
	if len(d.line.name) == 0 || word == "" {
		return
	}
	d.begin(p, "a treatment is known by its name, whatever else it is called", bodyGoods)
	p.linef("      with: {%s: %q}", d.concrete(d.line.name[0].path, 0), "A course of "+word)
	p.linef("    expect: {outcome: released, legs: {ehr: queued, ledger: skipped}}\n")
}

func (d *draft) testPayment(p *page, legs []leg) {
	d.begin(p, "a payment is charged, and everybody gets what he may see", bodyMixed)
	p.linef("    expect:\n      status: 200\n      outcome: released\n      calls:")
	total := d.totalPair()
	for _, l := range legs {
		p.linef("        %s:", l.to)
		switch l.to {
		case "processor":
			d.has(p, slices.Concat(d.plainCard(), total))
			d.lacks(p, d.secrets(labelPHI, labelContact))
		case "ehr":
			d.has(p, slices.Concat(d.cardPairs(`"<token:of the card>"`), total))
			d.lacks(p, append(d.secrets(labelSAD), value(testCard)))
		case "ledger":
			d.has(p, slices.Concat(d.cardPairs(strconv.Quote(maskedCard)), total))
			d.lacks(p, append(d.secrets(labelPHI, labelContact, labelSAD), value(testCard)))
		}
	}
	p.linef("")
}

// others are the destinations besides the processor, each with a word.
func others(legs []leg, word string) string {
	var out []string
	for _, l := range legs {
		if l.to != "processor" {
			out = append(out, l.to+": "+word)
		}
	}
	return strings.Join(out, ", ")
}

func (d *draft) testDeclined(p *page, legs []leg) {
	d.begin(p, "a declined card ends the sale, and nothing else is sent", bodyMixed)
	p.linef(`    answers:
      processor: {status: 402, body: {status: declined, reason: insufficient_funds}}
    expect:
      status: 402
      outcome: cancelled
      calls: {%s}
      answer: {has: {reason: insufficient_funds}}
`, others(legs, "not_called"))
}

// testCardInText types a card into a text that a leg keeps.
func (d *draft) testCardInText(p *page, legs []leg) {
	f, to := d.carrier(legs)
	if f == nil {
		return
	}
	path := d.concrete(f.path, 0)
	d.begin(p, "a card that was typed into a text reaches nobody", bodyMixed)
	p.linef("      with: {%s: %q}", path, "Card "+cardInNote+", ask first")
	p.linef("    expect:\n      outcome: released\n      calls:")
	for _, l := range legs {
		switch {
		case l.to == to && to == "ehr":
			p.linef("        ehr: {has: {%s: \"Card <token>, ask first\"}, lacks: [%s]}", path, value(cardInNote))
		default:
			p.linef("        %s: {lacks: [%s]}", l.to, value(cardInNote))
		}
	}
	p.linef("")
}

// testIdentifiers types what the detectors find into the name of goods, which is
// no place for it, or else into what the record gets.
func (d *draft) testIdentifiers(p *page, legs []leg) {
	f, to := d.carrier(legs)
	item, text := 0, "Ask first"
	if n := d.line.name; len(n) > 0 && d.labelled[n[0].path] == "" && slices.Contains(keptBy(n[0], legs), "ledger") {
		f, to, item, text = n[0], "ledger", 1, goodsName
	}
	if f == nil || len(d.nets) == 0 {
		return
	}
	want := text
	for _, n := range d.nets {
		text += ", " + n.word + " " + n.made
		want += ", " + n.word + " [" + n.String() + "]"
	}
	if to == "ehr" {
		want = text
	}
	path := quoted(d.concrete(f.path, item))
	d.begin(p, "what tells of a patient is known wherever it is typed", bodyMixed)
	p.linef("      with: {%s: %q}", path, text)
	p.linef("    expect:\n      outcome: released\n      calls:\n        %s: {has: {%s: %q}}", to, quoted(d.concrete(f.path, 0)), want)
	if to != "ehr" {
		p.linef("      decisions:")
		for _, n := range d.nets {
			p.linef("        - {to: %s, rule: detect.%s, label: %s, form: drop}", to, n, n.label)
		}
	}
	p.linef("")
}

// carrier finds a text that a leg keeps: what somebody typed, or else the name
// of an item, or anything that the record gets.
func (d *draft) carrier(legs []leg) (*field, string) {
	texts := func(f *field) bool {
		return f.leaf && f.every(isText) && d.labelled[f.path] != labelPAN && !d.sumsField(f)
	}
	for _, l := range legs {
		if l.to != "ehr" {
			continue
		}
		keeps := func(f *field) bool { return slices.ContainsFunc(l.keep, func(m mark) bool { return f.below(m.path) }) }
		for _, wanted := range []func(*field) bool{
			func(f *field) bool { n, _ := bare(f.name); return notes[n] },
			func(f *field) bool { return slices.Contains(d.line.name, f) },
			func(f *field) bool { return d.underLabel(f) },
		} {
			for _, f := range d.fields {
				if texts(f) && keeps(f) && wanted(f) && d.inRichest(f) {
					return f, "ehr"
				}
			}
		}
	}
	return nil, ""
}

// sumsField says that a text is an amount or its currency, or an id.
func (d *draft) sumsField(f *field) bool {
	return d.known(f) && !slices.Contains(d.line.name, f) || f == d.id.field || f == d.subject
}

// inRichest reports whether the made-up body has a member.
func (d *draft) inRichest(f *field) bool {
	return slices.ContainsFunc(take([]*node{d.richest()}).fields, func(g *field) bool { return g.path == f.path }) || d.items != "" && f.below(d.items)
}

func (d *draft) testRepeat(p *page, legs []leg) {
	if d.id.field == nil {
		return
	}
	d.begin(p, "the same again charges nothing", bodyMixed)
	name := "a sale of a treatment and goods is split"
	if d.kind == Payment {
		name = "a payment is charged, and everybody gets what he may see"
	}
	p.linef("    after: %s\n    expect: {status: 200, calls: {processor: not_called, %s}}\n", name, others(legs, "not_called"))
}

func (d *draft) testNobody(p *page) {
	d.begin(p, "who shows no key gets nothing", bodyMixed)
	p.linef("      caller: nobody\n    expect: {status: 401, code: caller_unknown, calls: {processor: not_called}}")
}

// recordTests are those of a patient's record.
func (d *draft) recordTests(p *page) []File {
	p.linef("answers:\n  ehr:\n    body_file: %s\n\ntests:", bodyRecord)
	path := strings.ReplaceAll(d.path(), "{id}", "P-SAMPLE")
	request := fmt.Sprintf("    request: {route: patient, path: %s", path)
	p.linef("  - name: the front desk sees whom to call and when, and nothing of why\n%s}\n    expect:\n      status: 200\n      answer:", request)
	var has, lacks []string
	seen := append(slices.Clone(d.labels[labelContact]), d.labels[labelSchedule]...)
	for _, m := range seen {
		if d.inRichest(m.field) {
			has = append(has, quoted(d.concrete(m.path, 0)))
		}
	}
	for _, f := range d.leaves() {
		if d.inRichest(f) && !slices.ContainsFunc(seen, func(m mark) bool { return f.below(m.path) }) {
			lacks = append(lacks, quoted(d.concrete(f.path, 0)))
		}
	}
	if len(has) > 0 {
		p.linef("        has: [%s]", strings.Join(has, ", "))
	}
	if len(lacks) > 0 {
		p.linef("        lacks: [%s]", strings.Join(lacks, ", "))
	}
	p.linef("  - name: who shows no key gets nothing\n%s, caller: nobody}\n    expect: {status: 401, code: caller_unknown, calls: {ehr: not_called}}", request)
	return []File{{"rules_test.yaml", []byte(p.String())}, {bodyRecord, d.body(nil)}}
}
