package propose

import "slices"

// idNames rank what the id of a sale is called; the higher, the surer.
var idNames = map[string]int{
	"transactionid": 10, "txnid": 10, "transactionnumber": 9, "saleid": 9, "orderid": 9, "checkoutid": 9, "idempotencykey": 9,
	"saleno": 8, "orderno": 8, "ordernumber": 8, "salenumber": 8, "requestid": 7, "receiptid": 7, "receiptnumber": 7, "receiptno": 7,
	"invoiceid": 7, "invoicenumber": 7, "invoiceno": 7, "ticketid": 6, "ticketnumber": 6, "ticketno": 6, "checkid": 6, "uuid": 5, "guid": 5,
	"reference": 5, "referenceid": 5, "ref": 4, "externalid": 4, "paymentid": 4,
}

// sales are members that hold a sale.
var sales = list("order sale transaction checkout ticket receipt invoice cart basket txn check")

// surelyID is the rank from which a name leaves no doubt.
const surelyID = 8

// identify finds the id by which a repeat of a sale is known, the moments that
// differ in a repeat, and whose data it is.
func (d *draft) identify() {
	best := 0
	for _, f := range d.leaves() {
		if !f.exact() || d.labelled[f.path] != "" || d.items != "" && f.below(d.items) {
			continue
		}
		name := fold(f.name)
		rank := idNames[name]
		if name == "id" || name == "number" && sales[fold(f.parent())] {
			switch {
			case sales[fold(f.parent())]:
				rank = 8
			case len(f.steps) == 1:
				rank = 6
			}
		}
		if !sales[fold(f.parent())] {
			rank -= len(f.steps) - 1
		}
		if rank > best && f.bodies == len(d.bodies) && distinct(f) {
			best, d.id = rank, mark{f, byName(likely)}
			if rank >= surelyID {
				d.id.sure = sure
			}
		}
	}
	for _, f := range d.leaves() {
		if f.exact() && d.labelled[f.path] == "" && moments[fold(f.name)] && !d.underLabel(f) &&
			f.every(func(n *node) bool { return isDateTime(n) || isDate(n) || isEpoch(n) }) {
			d.moments = append(d.moments, mark{f, reason{"the name says so, and its values are moments", sure}})
		}
	}
	d.subject = d.findSubject()
}

// distinct reports whether a value is there only once.
func distinct(f *field) bool {
	var seen []string
	for _, n := range f.values {
		if n.kind != text && n.kind != number || n.text == "" || slices.Contains(seen, n.text) {
			return false
		}
		seen = append(seen, n.text)
	}
	return true
}

// findSubject finds the id of the patient.
func (d *draft) findSubject() *field {
	var found *field
	for _, f := range d.leaves() {
		name, whose := bare(f.name)
		folded := fold(f.name)
		is := whose && name == "id" || name == "id" && people[fold(f.parent())] || folded == "mrn" || people[folded] && f.leaf
		if !is || !f.exact() || f.secret() || !d.underLabel(f) {
			continue
		}
		if found == nil || len(f.steps) < len(found.steps) {
			found = f
		}
	}
	return found
}

// underLabel reports whether a field bears a label, or lies in what does.
func (d *draft) underLabel(f *field) bool {
	for path := range d.labelled {
		if f.below(path) {
			return true
		}
	}
	return false
}
