package propose

import (
	"fmt"
	"strings"
)

// finish writes the files, and says what was found.
func (d *draft) finish() *Proposal {
	var legs []leg
	if d.kind == Record {
		for _, m := range d.recordKeep() {
			d.kept[m.path] = true
		}
	} else {
		legs = d.legs()
	}
	d.cast(legs)
	p := &Proposal{Kind: d.kind, Files: []File{{"rules.yaml", d.rules(legs)}}}
	p.Files = append(p.Files, d.tests(legs)...)
	if d.kind == Sale && len(d.line.name) > 0 {
		p.Files = append(p.Files, File{"catalogs/procedures.txt", d.o.Procedures})
	}
	if d.needsRetailWords {
		p.Files = append(p.Files, File{"catalogs/retail.txt", []byte("# Words and phrases that make a line item goods, if none makes it a treatment.\n" + strings.Join(retailNames, "\n") + "\n")})
	}
	p.Found = d.found()
	p.Looks = d.finalLooks()
	return p
}

// found says in a few lines what the samples are taken for.
func (d *draft) found() []string {
	lines := []string{fmt.Sprintf("%s, taken for a %s", plural(len(d.bodies), "sample body"), d.kind)}
	for _, label := range []string{labelPAN, labelSAD, labelPHI, labelContact, labelSchedule} {
		if n := len(d.labels[label]); n > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", label, plural(n, "path")))
		}
	}
	var nets []string
	for _, n := range d.nets {
		nets = append(nets, n.String())
	}
	if len(nets) > 0 {
		lines = append(lines, "detectors: pan, "+strings.Join(nets, ", "))
	}
	if d.kind == Sale {
		lines = append(lines, fmt.Sprintf("line items at %s; the sums hold in %d of %d", d.items, d.sums.holds, len(d.bodies)))
	}
	if d.id.field != nil {
		lines = append(lines, fmt.Sprintf("a repeat is known by %s (%s)", d.id.path, d.id.sure))
	}
	return lines
}

// finalLooks adds what is unsure to what was noted on the way.
func (d *draft) finalLooks() []Look {
	for _, label := range []string{labelPAN, labelSAD, labelPHI, labelContact, labelSchedule} {
		for _, m := range d.labels[label] {
			if m.sure != sure {
				d.look(m.path, label+": "+m.text)
			}
		}
	}
	switch {
	case d.kind == Record:
	case d.id.field == nil:
		d.look("idempotency", "no id of the sale was found: a repeat is charged again, unless the POS sends the header Idempotency-Key")
	case d.id.sure != sure:
		d.look(d.id.path, "taken for the id by which a repeat is known")
	}
	if d.kind != Record {
		if len(d.labels[labelPAN]) == 0 {
			d.look("labels.pan", "no card number was found: if the POS sends one, write its path")
		}
		d.look("success", "which answers of the processor mean that it was charged: approved and captured are a guess")
		if d.kind == Sale && d.sums.total == nil && d.charged == nil {
			d.look("basket.totals", "no total was found that is the sum of its parts: the processor is told no amount")
		}
	}
	for _, f := range d.unkept() {
		d.look(f.path, "reaches nobody: "+shapeOf(f))
	}
	return d.looks
}
