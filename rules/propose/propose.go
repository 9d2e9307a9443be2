package propose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kind is what a body is.
type Kind string

// The kinds. A record is the answer of a patient record to the front desk; the
// others are what a point of sale sends.
const (
	Auto    Kind = "auto"
	Sale    Kind = "sale"    // with line items: split by their classes
	Payment Kind = "payment" // an amount and a card, no items
	Record  Kind = "record"
)

// Kinds lists them as an admin names them.
func Kinds() []string { return []string{string(Auto), string(Sale), string(Payment), string(Record)} }

// Sample is a body as the point of sale sends it. Several of one kind show
// more: what is always there, and whether sums hold.
type Sample struct {
	Name string // as errors name it
	Body []byte
}

// Agreement is the signed one with the patient record.
type Agreement struct{ Kind, Reference, Expires string }

// Options are what the samples do not say.
type Options struct {
	Kind      Kind   // Auto, or empty: found out
	Path      string // of the route; empty: by the kind
	Caller    string
	KeySHA256 string
	// The addresses of the destinations.
	Processor, EHR, Ledger string
	Agreement              Agreement
	Country                string // its two letters: which identifiers are usual there
	Currency               string // of the made-up bodies, and of amounts whose body has none
	Procedures             []byte // the word list of treatments
}

// File is one that is to be written, by its name with slashes.
type File struct {
	Name string
	Text []byte
}

// Look is what an admin has to look at: a member of which nobody knows what it
// is, or a guess that matters.
type Look struct{ Path, Why string }

// Proposal is a policy, its tests, and what to look at.
type Proposal struct {
	Kind  Kind
	Found []string // a line each: what was found
	Files []File   // rules.yaml, rules_test.yaml, bodies and word lists
	Looks []Look
}

// The errors of Propose besides those of a body, which name the sample.
var (
	ErrNoSample = errors.New("there is no sample body")
	ErrNoItems  = errors.New("no array of line items was found: elements with a name and a price")
	ErrNoClass  = errors.New("the line items have neither a category, nor a name, nor an article number, by which goods could be told from treatments")
	ErrNoPerson = errors.New("no member was found that is known to be about a patient")
	ErrNoAmount = errors.New("no amount was found: a member with total or amount in its name")
)

// Propose reads samples and proposes a policy. No error holds a value.
func Propose(samples []Sample, o Options) (*Proposal, error) {
	bodies, err := readAll(samples)
	if err != nil {
		return nil, err
	}
	d := &draft{census: take(bodies), o: o, labels: map[string][]mark{}, labelled: map[string]string{}, classes: map[string][]rule{}, kept: map[string]bool{}}
	d.items = d.census.items()
	if err := d.settleKind(); err != nil {
		return nil, err
	}
	if d.kind == Sale {
		d.line = d.census.line(d.items)
	}
	d.amounts()
	d.sort()
	if d.kind == Payment && d.sums.total == nil {
		return nil, ErrNoAmount
	}
	if d.kind == Record && len(d.recordKeep()) == 0 {
		return nil, ErrNoPerson
	}
	d.identify()
	d.payment()
	if d.kind == Sale {
		if d.classify(); len(d.classes[retail]) == 0 {
			return nil, ErrNoClass
		}
	}
	return d.finish(), nil
}

// readAll parses the samples; an array of objects is several of them.
func readAll(samples []Sample) ([]*node, error) {
	var bodies []*node
	for _, s := range samples {
		n, err := parse(s.Body)
		if err != nil {
			return nil, fmt.Errorf("%s is no JSON body: %w", s.Name, err)
		}
		list := []*node{n}
		if n.kind == array {
			list = n.kids
		}
		for _, b := range list {
			if b.kind != object {
				return nil, fmt.Errorf("%s is no object, and no array of objects", s.Name)
			}
			bodies = append(bodies, b)
		}
	}
	if len(bodies) == 0 {
		return nil, ErrNoSample
	}
	return bodies, nil
}

// draft is a proposal in the making.
type draft struct {
	*census
	o    Options
	kind Kind

	items string // the path of the line items; empty: there are none
	line  lineFields
	sums  sums

	labels   map[string][]mark
	labelled map[string]string // path → label
	charged  *field            // the total, where its sums do not hold
	id       mark
	moments  []mark
	subject  *field
	cardOnly []mark // what of the payment the processor needs
	method   []mark // what the ledger may know of it
	classes  map[string][]rule
	nets     []net // the detectors of the policy, but for that of cards

	needsRetailWords bool

	looks []Look
	kept  map[string]bool // by any leg
}

func (d *draft) look(path, why string) { d.looks = append(d.looks, Look{path, why}) }

// settleKind finds out what the samples are, where nobody said.
func (d *draft) settleKind() error {
	d.kind = d.o.Kind
	if d.kind == Auto || d.kind == "" {
		hasCard := slices.ContainsFunc(d.leaves(), func(f *field) bool {
			label, _ := d.card(f)
			return label != "" || inPayment(f)
		})
		switch {
		case d.items != "":
			d.kind = Sale
		case hasCard && len(d.census.amounts("")) > 0:
			d.kind = Payment
		case d.aboutPerson():
			d.kind = Record
		case len(d.census.amounts("")) > 0:
			d.kind = Payment
		default:
			return errors.New("the samples are neither a sale (line items), nor a payment (a card and an amount), nor a patient's record")
		}
	}
	if d.kind == Sale && d.items == "" {
		return ErrNoItems
	}
	if d.kind != Sale {
		d.items = ""
	}
	return nil
}

// aboutPerson reports whether a body is about somebody.
func (d *draft) aboutPerson() bool {
	return slices.ContainsFunc(d.fields, func(f *field) bool {
		name, whose := bare(f.name)
		return whose || people[fold(f.name)] || personal[name] || names[name] && name != "name"
	})
}

// amounts finds where the money is.
func (d *draft) amounts() {
	switch d.kind {
	case Sale:
		d.sums = d.arithmetic(d.items, d.o.Currency)
		if d.sums.major() && d.sums.currency == nil {
			d.look("basket.currency", "no member has it: every sale is taken to be in "+d.o.Currency)
		}
		if d.sums.total == nil {
			d.charge()
		}
		if d.sums.holds < len(d.bodies) {
			d.look(d.items, fmt.Sprintf("the sums hold in %d of %d samples; a sale whose sums do not hold is refused", d.sums.holds, len(d.bodies)))
		}
		if d.sums.sure != sure {
			d.look("basket.units", d.sums.why+": write units: major if it is 12500.00")
		}
	case Payment:
		d.sums.currency = d.currency()
		for _, f := range d.census.amounts("") {
			if d.role(f) == "total" {
				d.sums.total = f
				break
			}
		}
	}
}

// charge takes a total for what is charged whose sums do not hold: the processor
// has to be told one.
func (d *draft) charge() {
	for _, f := range d.census.amounts(d.items) {
		if d.role(f) == "total" {
			d.charged = f
			d.look(f.path, "taken for what is charged; it is not the sum of its parts, and so it is not split")
			return
		}
	}
}

// payment gathers what of the payment is neither card number nor code.
func (d *draft) payment() {
	if d.kind == Record {
		return
	}
	for _, f := range d.leaves() {
		if d.underLabel(f) || d.known(f) || d.items != "" && f.below(d.items) {
			continue
		}
		name := fold(f.name)
		in := inPayment(f) || strings.HasPrefix(name, "card") || strings.HasPrefix(name, "payment")
		short := strings.TrimPrefix(strings.TrimPrefix(name, "card"), "payment")
		switch {
		case in && (endings[name] || endings[short]):
			d.method = append(d.method, mark{f, reason{"the name says so: the last digits alone", sure}})
		case in && (methods[name] || methods[short]) && f.every(isText):
			d.method = append(d.method, mark{f, byName(sure)})
			d.cardOnly = append(d.cardOnly, mark{f, byName(sure)})
		case holders[name], in && (names[name] || names[short]):
			d.cardOnly = append(d.cardOnly, mark{f, reason{"the name says so: the name on the card", sure}})
		case in && (expiries[name] || expiries[short]):
			d.cardOnly = append(d.cardOnly, mark{f, byName(sure)})
		case in && strings.Contains(name, "token"), nonces[name]:
			d.cardOnly = append(d.cardOnly, mark{f, reason{"the name says so: what stands for the card", likely}})
		}
	}
}
