package propose

import (
	"fmt"
	"strings"
)

func (d *draft) writeDestinations(p *page, legs []leg) {
	p.linef("# Who gets what, and under which agreement.\ndestinations:")
	for _, l := range legs {
		switch l.to {
		case "processor":
			d.writeProcessor(p, l)
		case "ehr":
			p.line("  ehr:", "the patient record; learns nothing of the card but a token")
			p.linef("    url: %s", l.url)
			d.writeAgreement(p)
			p.linef("    sees: {phi: plain, pan: token}")
		case "ledger":
			p.line("  ledger:", "the sales book: goods, and the last four digits")
			p.linef("    url: %s\n    sees: {pan: mask}", l.url)
		}
	}
	if d.kind == Record {
		server, _ := wholeURL(d.o.EHR, "")
		p.line("  ehr:", "the patient record, which answers the front desk")
		p.linef("    url: %s", server)
		d.writeAgreement(p)
		p.linef("    sees: {phi: plain}\n    response:")
		p.line("      keep:", "what of its answer may reach a caller that sees the label")
		for _, m := range d.recordKeep() {
			p.linef("        - %s", quoted(m.path))
		}
	}
	p.linef("")
}

func (d *draft) writeAgreement(p *page) {
	if a := d.o.Agreement; d.phi() {
		p.linef("    agreement: {kind: %s, reference: %q, expires: %s}", a.Kind, a.Reference, a.Expires)
	}
}

func (d *draft) writeProcessor(p *page, l leg) {
	p.line("  processor:", "charges the card; learns nothing of the patient")
	p.linef("    url: %s\n    sees: {pan: plain, sad: plain}", l.url)
	p.line("    # idempotent: true", "look: write it if it honours the header Idempotency-Key")
	p.line("    # headers: {Authorization: {file: processor-key, prefix: \"Bearer \"}}", "its key, which the POS had")
	p.linef("    response:")
	p.line("      labels: {pan: [card.number]}", "look: where does its answer repeat the card?")
	p.line("      keep: [id, status, amount, currency, auth_code, reason, message, card]", "look: what of its answer does the POS need?")
}

// writeRoute writes the route of a sale or a payment.
func (d *draft) writeRoute(p *page, legs []leg) {
	p.linef("# What comes in, and which calls it becomes.\nroutes:\n  - name: %s", d.route())
	p.line(fmt.Sprintf("    match: {method: POST, path: %s}", quoted2(d.path())), "look: the path that the POS posts to")
	if d.kind == Sale {
		if d.byPath[d.items].bodies < len(d.bodies) {
			p.line("    items: optional", reason{"there are some in " + d.inBodies(d.items), sure}.String())
		} else {
			p.linef("    items: required")
		}
	}
	if d.id.field != nil {
		ignore := ""
		var list []string
		for _, m := range d.moments {
			list = append(list, m.path)
		}
		if len(list) > 0 {
			ignore = ", ignore: [" + quotedList(list) + "]"
		}
		p.line(fmt.Sprintf("    idempotency: {key: %s%s}", quoted(d.id.path), ignore), d.id.String())
		p.line("    unlink: ["+quoted(d.id.path)+"]", "each destination gets its own alias of it")
	} else {
		p.linef("    # No id of the sale was found: a repeat is known by the header Idempotency-Key alone.")
	}
	if d.subject != nil {
		p.line("    subject: "+quoted(d.subject.path), "proposed: whose data this is, for the accounting of disclosures (likely)")
	}
	purpose := "payment"
	if d.kind == Sale {
		purpose = "treatment and payment"
	}
	p.linef("    purpose: %s\n    legs:", purpose)
	for _, l := range legs {
		d.writeLeg(p, l)
	}
	if m := d.cardPath(); m != nil {
		p.linef("    answer:")
		p.line("      set: {card_token: {token: "+quoted(m.path)+"}}", "how the POS gets its token")
	}
}

// quoted2 writes the path of a request.
func quoted2(path string) string {
	if strings.ContainsAny(path, "{}*#:, ") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

func (d *draft) writeLeg(p *page, l leg) {
	p.linef("      - to: %s", l.to)
	if l.to == "processor" {
		p.line("        primary: true", "its answer decides whether the sale happened")
	}
	p.linef("        path: %s", quoted2(l.path))
	if d.kind == Sale {
		class := map[string]string{"processor": "none", "ehr": clinical, "ledger": retail}[l.to]
		p.linef("        items: %s", class)
		if l.to != "processor" && len(d.money()) > 0 {
			p.linef("        totals: recompute")
		}
	}
	if len(l.keep) == 0 {
		p.line("        keep: []", "look: nothing of the samples is known to be for it")
	} else {
		p.linef("        keep:")
	}
	for _, m := range l.keep {
		p.line("          - "+quoted(m.path), d.keptAs(m))
	}
	if l.to == "processor" {
		p.line("        success: {status: [2xx], where: {status: [approved, captured]}}", "look: which answers mean that it was charged?")
	}
}

// keptAs says why a leg keeps a member: its label, which the page explains
// above, or what it is.
func (d *draft) keptAs(m mark) string {
	if label := d.labelled[m.path]; label != "" {
		return label
	}
	return m.String()
}

// writeRecordRoute writes the route of a patient's record.
func (d *draft) writeRecordRoute(p *page) {
	_, path := wholeURL(d.o.EHR, d.path())
	p.linef("# What comes in, and which calls it becomes.\nroutes:\n  - name: patient")
	p.line(fmt.Sprintf("    match: {method: GET, path: %s}", quoted2(d.path())), "look: the path that the front desk reads")
	p.linef("    purpose: treatment\n    legs:\n      - to: ehr\n        primary: true\n        path: %s\n        keep: []\n        success: http", quoted2(path))
}

// recordKeep is what of a record a caller may get: what has a label that some
// caller sees.
func (d *draft) recordKeep() []mark {
	var all []mark
	for _, l := range []string{labelContact, labelSchedule, labelPHI} {
		all = append(all, d.labels[l]...)
	}
	return d.once(all)
}

// cardPath is the one place of the card number; nil: there is none, or several.
func (d *draft) cardPath() *field {
	if m := d.labels[labelPAN]; len(m) == 1 && m[0].exact() {
		return m[0].field
	}
	return nil
}
