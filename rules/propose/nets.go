package propose

import (
	"fmt"
	"slices"

	"chaperone/rules/detect"
)

// net is a detector that the policy switches on, and why.
type net struct {
	identifier
	why reason
}

// usual are the detectors of what is written down in any clinic, and in those of
// a country.
func usual(country string) detect.Detectors {
	set := detect.Email.Set() | detect.Phone.Set() | detect.MRN.Set()
	switch country {
	case "US":
		set |= detect.SSN.Set()
	case "GB":
		set |= detect.NHSNumber.Set()
	}
	return set
}

// cast decides which detectors the policy switches on: those that find in the
// samples what they are for, and those that are usual; but none that would take
// from a leg, or from the front desk, what it needs.
func (d *draft) cast(legs []leg) {
	for _, i := range identifiers {
		n := net{i, reason{"finds none in the samples, but " + i.what + " may be typed into any text", likely}}
		found := d.evidence(i)
		if found == nil && !usual(d.o.Country).Has(i.Detector) {
			continue
		}
		if found != nil {
			yes, all := found.count(i.in)
			n.why = reason{fmt.Sprintf("finds %s in %s of %s", i.what, times(yes, all), found.path), sure}
		}
		if f := d.harmed(i, legs); f != nil {
			d.look(f.path, "detect."+i.String()+" takes it for "+i.what+", and it is needed as it is: that detector is left out")
			continue
		}
		d.nets = append(d.nets, n)
		d.caught(i, legs)
	}
}

// evidence is the first member in which the samples have what the detector is
// for: one of a person, or else the name of a line item, which is typed. nil:
// there is none.
func (d *draft) evidence(i identifier) (found *field) {
	for _, f := range d.leaves() {
		yes, _ := f.count(i.in)
		switch {
		case yes == 0:
		case ofPerson(d.labelOf(f)):
			return f
		case found == nil && d.isItemName(f):
			found = f
		}
	}
	return found
}

// harmed is a member that somebody needs as it is, and in which the detector
// finds something: an id, an amount, a code of the sale, or what the front desk
// may see of a record. nil: there is none.
func (d *draft) harmed(i identifier, legs []leg) *field {
	for _, f := range d.leaves() {
		if yes, _ := f.count(i.takes); yes == 0 {
			continue
		}
		label := d.labelOf(f)
		switch {
		case d.kind == Record && i.label == labelPHI && (label == labelContact || label == labelSchedule):
			return f
		case !ofPerson(label) && !d.isItemName(f) && len(keptBy(f, legs)) > 0:
			return f
		}
	}
	return nil
}

// caught says where else than at a person's members the detector finds what it
// is for: there the policy would change what a leg gets.
func (d *draft) caught(i identifier, legs []leg) {
	for _, f := range d.leaves() {
		if yes, all := f.count(i.takes); yes > 0 && !ofPerson(d.labelOf(f)) && len(keptBy(f, legs)) > 0 {
			d.look(f.path, fmt.Sprintf("detect.%s finds %s in %s: who may not see %s gets [%s] in its place", i, i.what, times(yes, all), i.label, i))
		}
	}
}

// labelOf is the most specific label that holds for a member; empty: none.
func (d *draft) labelOf(f *field) string {
	at, label := -1, ""
	for path, l := range d.labelled {
		if len(path) > at && f.below(path) {
			at, label = len(path), l
		}
	}
	return label
}

// ofPerson reports whether a label is one of a person's.
func ofPerson(label string) bool {
	return slices.Contains([]string{labelPHI, labelContact, labelSchedule}, label)
}

// keptBy lists the destinations of the legs that get a member.
func keptBy(f *field, legs []leg) (to []string) {
	for _, l := range legs {
		if slices.ContainsFunc(l.keep, func(m mark) bool { return f.below(m.path) }) {
			to = append(to, l.to)
		}
	}
	return to
}
