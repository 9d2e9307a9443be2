package propose

import (
	"fmt"
	"slices"
	"strings"
)

// What categories of an aesthetic practice are made of. Treatments are looked
// for first: medical skincare is clinical.
var (
	clinicalWords = list("injectable injectables injection injections neurotoxin neurotoxins neuromodulator neuromodulators toxin toxins botox dysport xeomin " +
		"filler fillers laser lasers treatment treatments facial facials peel peels microneedling needling infusion infusions iv drip consultation " +
		"consultations consult procedure procedures medical clinical service services therapy therapies ipl removal contouring sculpting prescription " +
		"prescriptions rx hormone hormones aesthetics surgery surgical session sessions visit exam dermatology waxing massage medspa")
	retailWords = list("skincare retail product products cosmetic cosmetics makeup giftcard giftcards gift voucher vouchers merchandise merch accessory " +
		"accessories sunscreen haircare cleanser moisturizer cream creams serum serums lotion balm homecare")
	retailPrefixes = list("sk skn ret rtl prd prod gc gift mer")
	// retailNames are goods by their names, for a POS that has neither
	// categories nor telling article numbers.
	retailNames = []string{"face cream", "night cream", "day cream", "eye cream", "hand cream", "body lotion", "moisturizer", "cleanser", "sunscreen",
		"lip balm", "sheet mask", "toner", "gift card", "voucher"}
)

// The classes.
const (
	clinical = "clinical"
	retail   = "retail"
)

// rule is a line under a class: values of a member of the item that are of it.
type rule struct {
	field  string // relative to the item
	values []string
	words  string // a file, in the place of values
	reason
}

// most is how many distinct codes a policy is given.
const mostCodes = 60

// classify proposes the rules of the classes, from codes in the samples.
func (d *draft) classify() {
	if len(d.line.name) > 0 {
		d.classes[clinical] = append(d.classes[clinical], rule{field: relative(d.line.name[0], d.items), words: "catalogs/procedures.txt",
			reason: reason{"names of treatments, wherever they stand in the item's name", sure}})
	}
	for _, f := range first(d.line.category) {
		d.byCategory(f)
	}
	if len(d.classes[retail]) == 0 {
		for _, f := range first(d.line.sku) {
			d.byPrefix(f)
		}
	}
	if len(d.classes[retail]) > 0 {
		return
	}
	switch {
	case len(d.line.category) > 0:
		d.classes[retail] = []rule{{field: relative(d.line.category[0], d.items), values: []string{"retail", "skincare", "giftcard"},
			reason: reason{"no sample has goods: these are the usual words", guess}}}
		d.look(d.line.category[0].path, "no sample has goods: write your own categories of them under basket.classes.retail")
	case len(d.line.name) > 0:
		d.classes[retail] = []rule{{field: relative(d.line.name[0], d.items), words: "catalogs/retail.txt",
			reason: reason{"goods by their names, as the items have no category", guess}}}
		d.needsRetailWords = true
	case len(d.line.sku) > 0:
		d.classes[retail] = []rule{{field: relative(d.line.sku[0], d.items), values: []string{"SK-*"},
			reason: reason{"no sample has goods: this is a usual number", guess}}}
		d.look(d.line.sku[0].path, "no sample has goods: write your own article numbers of them under basket.classes.retail")
	}
}

// byCategory sorts the categories of the samples.
func (d *draft) byCategory(f *field) {
	found := map[string][]string{}
	why := map[string]string{}
	seen := map[string]bool{}
	skipped := 0
	for _, n := range f.values {
		switch {
		case n.kind != text || n.text == "" || seen[fold(n.text)]:
			continue
		case !codeShape.MatchString(n.text) || len(seen) >= mostCodes:
			skipped++
			continue
		}
		seen[fold(n.text)] = true
		w := append(words(n.text), fold(n.text))
		switch {
		case clinicalWords.any(w):
			found[clinical] = append(found[clinical], n.text)
		case retailWords.any(w):
			found[retail] = append(found[retail], n.text)
		default:
			found["unknown"] = append(found["unknown"], n.text)
		}
	}
	why[clinical] = "treatments, by the word"
	why[retail] = "goods, by the word"
	path := relative(f, d.items)
	for _, class := range []string{clinical, retail} {
		if v := found[class]; len(v) > 0 {
			slices.Sort(v)
			d.classes[class] = append([]rule{{field: path, values: v, reason: reason{why[class], likely}}}, d.classes[class]...)
		}
	}
	if v := found["unknown"]; len(v) > 0 {
		slices.Sort(v)
		d.classes[clinical] = append(d.classes[clinical], rule{field: path, values: v, reason: reason{"no word that is known, so the stricter class", guess}})
		d.look(f.path, fmt.Sprintf("%s that no word tells apart: clinical until you move them", plural(len(v), "category")))
	}
	if skipped > 0 {
		d.look(f.path, fmt.Sprintf("%s that are no codes, and are not written into the policy: such items are clinical", plural(skipped, "value")))
	}
}

// byPrefix sorts the first letters of article numbers, where there is no
// category.
func (d *draft) byPrefix(f *field) {
	var prefixes []string
	for _, n := range f.values {
		m := prefixShape.FindStringSubmatch(n.text)
		if n.kind != text || m == nil || !retailPrefixes[strings.ToLower(m[1])] {
			continue
		}
		if p := m[0] + "*"; !slices.Contains(prefixes, p) && len(prefixes) < mostCodes {
			prefixes = append(prefixes, p)
		}
	}
	if len(prefixes) > 0 {
		slices.Sort(prefixes)
		d.classes[retail] = []rule{{field: relative(f, d.items), values: prefixes, reason: reason{"goods, by the letters of the article number", likely}}}
	}
}
