package propose

import (
	"chaperone/rules/detect"
)

// identifier is a detector of the product, with what it finds in words, the
// label that its finds get, and how sure that is where a value alone says it.
type identifier struct {
	detect.Detector
	what  string
	label string
	sure  sureness
	made  string // a value that is one, made up
	word  string // what a text says before it
}

// identifiers are all of them. Where several find one value, the first that its
// member's name speaks of counts, else the first.
var identifiers = []identifier{
	{detect.Email, "an e-mail address", labelContact, sure, madeEmail, "write to"},
	{detect.IBAN, "a bank account", labelPHI, likely, madeIBAN, "account"},
	{detect.SSN, "a social security number", labelPHI, sure, madeSSN, "SSN"},
	{detect.Phone, "a phone number", labelContact, likely, madePhone, "call"},
	{detect.NHSNumber, "an NHS number", labelPHI, likely, madeNHS, "NHS"},
	{detect.NPI, "the number of a provider", labelPHI, likely, madeNPI, "NPI"},
	{detect.MRN, "a medical record number", labelPHI, likely, madeMRN, "MRN"},
	{detect.DateOfBirth, "a day of birth", labelPHI, likely, madeBirth, "born"},
}

// anyDetector is the set of all detectors.
const anyDetector = detect.Detectors(1<<detect.NumDetectors - 1)

// finder asks the product's detectors what stands in values.
type finder struct{ seeker detect.Seeker }

// look notes at every value below a node what the detectors find in it, as they
// would in a body. name is that of the member, or of the one around the array.
func (f *finder) look(n *node, name string) {
	switch n.kind {
	case object:
		for i, kid := range n.kids {
			f.look(kid, n.names[i])
		}
	case array:
		for _, kid := range n.kids {
			f.look(kid, name)
		}
	case text:
		for _, x := range f.seeker.Find(anyDetector, []byte(name), []byte(n.text)) {
			n.found |= x.Found
			n.means |= f.first(x.Found, name)
			if x.Start == 0 && x.End == len(n.text) {
				n.whole = f.first(x.Found, name)
			}
		}
	case number:
		n.found = f.seeker.Number(anyDetector, []byte(name), []byte(n.text))
		n.whole = f.first(n.found, name)
		n.means = n.whole
	}
}

// first picks the one detector that says what a value is, of those that find it.
func (f *finder) first(found detect.Detectors, name string) detect.Detectors {
	if spoken := found & detect.Spoken([]byte(name)); spoken != 0 {
		found = spoken
	}
	for _, i := range identifiers {
		if found.Has(i.Detector) {
			return i.Set()
		}
	}
	return 0
}

// is reports whether a value is what the detector finds, and nothing else.
func (i identifier) is(n *node) bool { return n.whole.Has(i.Detector) }

// in reports whether a value holds what the detector is for.
func (i identifier) in(n *node) bool { return n.means.Has(i.Detector) }

// takes reports whether the detector finds something in a value, be it what it
// is for or not: that is what the policy would do to it.
func (i identifier) takes(n *node) bool { return n.found.Has(i.Detector) }

// identifierOf is the one that a value is; nil: none.
func identifierOf(n *node) *identifier {
	for k := range identifiers {
		if identifiers[k].is(n) {
			return &identifiers[k]
		}
	}
	return nil
}

// finds is the reason that a detector gives.
func (i identifier) finds(where string, n, all int, s sureness) reason {
	return reason{"detect." + i.String() + " finds " + i.what + where + " in " + times(n, all), s}
}

// byIdentifier looks for what a detector finds in a member whose name says
// nothing: as its whole value.
func (d *draft) byIdentifier(f *field, covered bool) (string, reason) {
	ofBusiness := business.any(folds(f.parents()))
	for _, i := range identifiers {
		yes, all := f.count(i.is)
		switch {
		case yes == 0, covered && i.label == labelPHI:
		case ofBusiness && i.Detector != detect.Email, i.doubted(f):
		default:
			return i.label, i.finds("", yes, all, i.sure)
		}
	}
	return "", reason{}
}

// doubted reports whether a member's name has more to say than the detector:
// one finds some of the numbers that stand for nobody, and a sale's id is such a
// number.
func (i identifier) doubted(f *field) bool {
	switch i.Detector {
	case detect.NHSNumber, detect.NPI, detect.Phone:
		return namesID(f)
	case detect.SSN:
		return idNames[fold(f.name)] >= surelyID
	}
	return false
}

// namesID reports whether a member is called what ids and moments of sales are.
func namesID(f *field) bool {
	name := fold(f.name)
	return idNames[name] > 0 || moments[name]
}

// within looks for what detectors find inside of the texts of a member.
func within(f *field) (string, reason) {
	if namesID(f) {
		return "", reason{}
	}
	for _, i := range identifiers {
		if yes, all := f.count(func(n *node) bool { return n.kind == text && i.in(n) && n.whole == 0 }); yes > 0 {
			return labelPHI, i.finds(" in a text,", yes, all, likely)
		}
	}
	return "", reason{}
}
