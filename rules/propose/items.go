package propose

import (
	"slices"
	"strings"
)

// itemNames are what an array of line items is called.
var itemNames = list("items lines lineitems orderlines cart cartitems basket products services entries details saleitems orderitems invoiceitems purchases itemlist solditems")

// lineFields are the members of a line item that are known by their names.
type lineFields struct {
	sku, name, category []*field
	quantity, price     []*field
	amount              []*field
	discount, tax       []*field
}

var (
	skuNames      = list("sku code itemcode productcode plu upc barcode productid serviceid itemid catalogid variantid articlenumber partnumber")
	titleNames    = list("name title description product productname itemname service servicename label desc")
	categoryNames = list("category categories categoryname type itemtype kind department dept group class productcategory servicecategory family producttype revenuecategory")
)

// items finds the array of line items: by its name, and by what its elements
// hold. Empty: there is none.
func (c *census) items() string {
	best, most := "", 3
	for _, f := range c.fields {
		if !f.exact() || f.secret() || !f.every(func(n *node) bool { return n.kind == array }) {
			continue
		}
		if e := c.byPath[f.path+".#"]; e == nil || !e.every(func(n *node) bool { return n.kind == object }) {
			continue // the proxy refuses a line item that is no object
		}
		score := 0
		w := fold(f.name)
		if itemNames[w] {
			score += 3
		}
		if payments[w] {
			score -= 6
		}
		line := c.line(f.path)
		for _, found := range [][]*field{line.quantity, line.price, line.amount, line.sku, line.name, line.category} {
			if len(found) > 0 {
				score++
			}
		}
		if len(line.price)+len(line.amount) == 0 {
			score = 0
		}
		if score > most {
			best, most = f.path, score
		}
	}
	return best
}

// line sorts the members of the items.
func (c *census) line(items string) lineFields {
	var l lineFields
	for _, f := range c.fields {
		if !f.leaf || !f.below(items+".#") {
			continue
		}
		rel := f.steps[strings.Count(items, ".")+2:]
		if len(rel) == 0 || slices.Contains(rel, "#") || slices.Contains(rel, "*") {
			continue
		}
		name, w := fold(f.name), words(f.name)
		if money := c.money(f); money != "" {
			name, w = fold(money), words(money)
		}
		numeric := f.every(isAmount)
		switch {
		case numeric && (slices.Contains(w, "quantity") || slices.Contains(w, "qty") || name == "count" || name == "units"):
			l.quantity = append(l.quantity, f)
		case numeric && unitPrice(w, name):
			l.price = append(l.price, f)
		case numeric && amountRole(name) == "tax" || numeric && amountRole(strings.Join(w, "_")) == "tax":
			l.tax = append(l.tax, f)
		case numeric && amountRole(strings.Join(w, "_")) == "discount":
			l.discount = append(l.discount, f)
		case numeric && (amountRole(strings.Join(w, "_")) == "total" || amountRole(strings.Join(w, "_")) == "subtotal" || name == "net" || name == "gross" || name == "extendedprice" || name == "lineprice"):
			l.amount = append(l.amount, f)
		case skuNames[name]:
			l.sku = append(l.sku, f)
		case titleNames[name] && f.every(isText):
			l.name = append(l.name, f)
		case categoryNames[name] && f.every(isText):
			l.category = append(l.category, f)
		}
	}
	return l
}

func unitPrice(w []string, name string) bool {
	if slices.ContainsFunc(w, func(x string) bool {
		return x == "total" || x == "line" || x == "extended" || x == "ext" || x == "list" || x == "original" || x == "tier" || x == "id"
	}) {
		return false
	}
	return slices.Contains(w, "price") || name == "unitamount" || name == "unitcents" || name == "each" || name == "unitprice"
}

// money gives the name that says what an amount is, where the amount is an
// object with a currency of its own: total_money: {amount, currency}. Empty: it
// is none.
func (c *census) money(f *field) string {
	if n := fold(f.name); n != "amount" && n != "value" {
		return ""
	}
	around := f.path[:max(0, strings.LastIndex(f.path, "."))]
	if around == "" || len(f.steps) < 2 || !c.has(around, func(g *field) bool { return g.leaf && strings.Contains(fold(g.name), "currency") }) {
		return ""
	}
	return strings.TrimSuffix(f.steps[len(f.steps)-2], "_money")
}

// relative is a path of a line item, seen from the item.
func relative(f *field, items string) string {
	if f == nil {
		return ""
	}
	return strings.TrimPrefix(f.path, items+".#.")
}
