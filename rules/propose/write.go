package propose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// page is a YAML text with comments behind its lines.
type page struct{ strings.Builder }

// commentColumn is where comments begin, if the line leaves room.
const commentColumn = 46

// line writes a line, with a comment behind it if there is one.
func (p *page) line(text, comment string) {
	p.WriteString(text)
	if comment != "" {
		p.WriteString(strings.Repeat(" ", max(1, commentColumn-utf8.RuneCountInString(text))))
		p.WriteString("# " + comment)
	}
	p.WriteByte('\n')
}

func (p *page) linef(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

var plainYAML = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.#-]*$`)

// quoted writes a text so that YAML reads it as one, bare where it can stand so.
func quoted(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "all":
		return fmt.Sprintf("%q", s)
	}
	if plainYAML.MatchString(s) {
		return s
	}
	return fmt.Sprintf("%q", s)
}

func quotedList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quoted(s)
	}
	return strings.Join(out, ", ")
}

// rules writes the policy.
func (d *draft) rules(legs []leg) []byte {
	p := new(page)
	p.linef(`# A policy, proposed by chaperone init from %s.
#
#   chaperone check rules.yaml        says what is wrong with it, all at once
#   chaperone test .                  runs the tests beside it
#
# Every line that was found in the samples says why it is there, and how sure
# that is. Read all of them: you know the POS, and init knows its words alone.
# What is listed nowhere reaches nobody; it is at the end of the file.
`, plural(len(d.bodies), "sample body"))
	d.writeLabels(p)
	if d.kind == Sale {
		d.writeBasket(p)
	}
	d.writeDestinations(p, legs)
	d.writeCallers(p)
	if d.kind == Record {
		d.writeRecordRoute(p)
	} else {
		d.writeRoute(p, legs)
	}
	d.writeUnkept(p)
	return []byte(p.String())
}

func (d *draft) writeLabels(p *page) {
	p.linef("# What a value is. A labelled value reaches only those who may see its label.\nlabels:\n  pan:")
	d.writePaths(p, labelPAN, nil)
	p.line("    detect: [pan]", "and any card number found anywhere in the body")
	p.linef("    token: pan")
	for _, label := range []string{labelSAD, labelPHI, labelContact, labelSchedule} {
		nets := d.netsOf(label)
		var more []string
		if label == labelPHI && d.kind == Record {
			more = []string{"@path.id"}
		}
		about := map[string]string{labelSAD: "never stored, never queued, never logged"}[label]
		if len(d.labels[label])+len(more) == 0 {
			if label == labelPHI && d.kind == Sale {
				about = "no member of the samples, but what was treated: see the classes"
			}
			if len(nets) == 0 {
				if about != "" && label == labelPHI {
					p.line("  phi: {}", about)
				}
				continue
			}
		}
		p.line("  "+label+":", about)
		d.writePaths(p, label, more)
		if len(nets) > 0 {
			p.line("    detect:", "also wherever else one stands: who may not see the label gets the detector's name")
		}
		for _, n := range nets {
			p.line("      - "+n.String(), n.why.String())
		}
	}
	p.linef("")
}

// netsOf are the detectors of a label.
func (d *draft) netsOf(label string) (out []net) {
	for _, n := range d.nets {
		if n.label == label {
			out = append(out, n)
		}
	}
	return out
}

func (d *draft) writePaths(p *page, label string, more []string) {
	if len(d.labels[label])+len(more) == 0 {
		return
	}
	p.linef("    paths:")
	for _, m := range d.labels[label] {
		p.line("      - "+quoted(m.path), m.String())
	}
	for _, path := range more {
		p.line(fmt.Sprintf("      - %q", path), "the patient's id, in the address of the request")
	}
}

func (d *draft) writeBasket(p *page) {
	s := &d.sums
	p.linef("# What a line item is. A class with a label beats one without.\nbasket:")
	p.line("  items: "+quoted(d.items), reason{fmt.Sprintf("its elements have amounts, in %s", d.inBodies(d.items)), sure}.String())
	switch {
	case s.currency != nil:
		p.line("  currency: "+quoted(s.currency.path), byShape("the code of a currency", len(s.currency.values), len(s.currency.values), sure).String())
	case s.major():
		p.line("  currency: {code: "+d.o.Currency+"}", "no member has it; it is the one that init was told")
	}
	units := "minor"
	if s.major() {
		units = "major"
	}
	p.line("  units: "+units, reason{s.why, s.sure}.String())
	if line := pairs(s.line(), func(f *field) string { return relative(f, d.items) }); line != "" {
		p.line("  line: {"+line+"}", d.sumsHold())
	}
	if totals := pairs(s.totals(), func(f *field) string { return f.path }); totals != "" {
		p.line("  totals: {"+totals+"}", d.sumsHold())
	}
	if s.taxes != nil {
		tax, why := "pro_rata", "proposed: shared out by price; write {taxable: [retail]} if treatments are never taxed (a guess)"
		switch {
		case s.lines:
			tax, why = "lines", reason{"the taxes of the lines add up to it", sure}.String()
		case s.included:
			tax, why = "included", reason{"the total holds without it", likely}.String()
		}
		p.line("  tax: "+tax, why)
	}
	if s.tip != nil {
		p.line("  tip: pro_rata", "proposed: shared out by price; write {to: [clinical]} if it is for who treated (a guess)")
	}
	if s.tolerance > 0 {
		p.line(fmt.Sprintf("  tolerance: %d", s.tolerance), reason{"the sums are off by as many minor units", sure}.String())
	}
	p.linef("  classes:\n    clinical:")
	p.line("      label: phi", "what was treated says something about the patient")
	d.writeClass(p, clinical)
	p.linef("    retail:")
	d.writeClass(p, retail)
	p.line("  otherwise: clinical", "what no rule knows is treated as the stricter class")
	p.linef("")
}

func (s *sums) major() bool { return s.units != 0 }

func (d *draft) sumsHold() string {
	if len(d.bodies) == 0 {
		return ""
	}
	level := sure
	switch {
	case d.sums.holds < len(d.bodies):
		level = guess
	case len(d.bodies) == 1:
		level = likely
	}
	return reason{fmt.Sprintf("the sums hold in %d of %s", d.sums.holds, plural(len(d.bodies), "body")), level}.String()
}

func (d *draft) inBodies(path string) string {
	n := 0
	if f := d.byPath[path]; f != nil {
		n = f.bodies
	}
	return fmt.Sprintf("%d of %s", n, plural(len(d.bodies), "body"))
}

// pairs writes the members of a map that are known.
func pairs(all []named, path func(*field) string) string {
	var out []string
	for _, n := range all {
		if n.field != nil {
			out = append(out, n.key+": "+quoted(path(n.field)))
		}
	}
	return strings.Join(out, ", ")
}

func (d *draft) writeClass(p *page, class string) {
	if len(d.classes[class]) == 0 {
		return
	}
	p.linef("      any:")
	for _, r := range d.classes[class] {
		value := "[" + quotedList(r.values) + "]"
		if r.words != "" {
			value = "{words: " + r.words + "}"
		}
		p.line("        - {"+quoted(r.field)+": "+value+"}", r.String())
	}
}

// writeUnkept lists what reaches nobody.
func (d *draft) writeUnkept(p *page) {
	list := d.unkept()
	if len(list) == 0 {
		return
	}
	p.linef("\n# Not kept by any leg: init does not know what these are, or for whom. If a\n# destination needs one, write it under that leg's keep; if it says something\n# about a patient, under a label first.\n#")
	for _, f := range list {
		p.line("# not kept by any leg: "+f.path, shapeOf(f)+", in "+fmt.Sprintf("%d of %s", f.bodies, plural(len(d.bodies), "body")))
	}
}

func (d *draft) writeCallers(p *page) {
	var sees []string
	if d.kind != Record {
		sees = append(sees, "pan: token")
	}
	if len(d.labels[labelContact]) > 0 {
		sees = append(sees, "phi.contact: plain")
	}
	if len(d.labels[labelSchedule]) > 0 {
		sees = append(sees, "phi.schedule: plain")
	}
	p.linef("# Who may call, and what they see of an answer.\ncallers:\n  %s:\n    key_sha256: %s\n    routes: [%s]\n    sees: {%s}\n",
		d.o.Caller, strings.ToLower(d.o.KeySHA256), d.route(), strings.Join(sees, ", "))
}

func (d *draft) route() string {
	return map[Kind]string{Sale: "checkout", Payment: "payment", Record: "patient"}[d.kind]
}

// RoutePath is the path that requests of a kind come in on, where nobody says
// another.
func RoutePath(k Kind) string {
	switch k {
	case Payment:
		return "/v1/payments"
	case Record:
		return "/v1/patients/{id}"
	}
	return "/v1/checkout"
}

func (d *draft) path() string {
	if d.o.Path != "" {
		return d.o.Path
	}
	return RoutePath(d.kind)
}

// phi reports whether any label of health data is in use.
func (d *draft) phi() bool {
	return d.kind != Payment || slices.ContainsFunc([]string{labelPHI, labelContact}, func(l string) bool { return len(d.labels[l]) > 0 })
}
